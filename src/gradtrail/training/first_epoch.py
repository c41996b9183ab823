"""A training that learns nothing, noticed behind its first epoch, with the cause.

The losses are there already, so a training that goes well costs a mean. Only where the loss is no
better than one answer for all samples, or has grown, is one step looked at.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from ..engines import Batch
from ..errors import warn
from ..showing.numbers import number_text
from .memory_estimate import can_look

if TYPE_CHECKING:
    from .training import Training

_NEAR = 0.98
"""From this share of the loss of one answer for all on, nothing was learned."""

_FEW = 0.8
"""Down to this share the last steps' samples may merely be easier ones, where the whole epoch has
the loss of one answer for all."""

_GROWN = 1.5
"""So many times that loss, and the first step's, is worse than not to learn."""

_STEPS, _MANY = 4, 16
"""With fewer steps in an epoch nothing is said; and nothing of a loss that grew, which a few small
batches may do by chance."""

_LOOKED_AT = 64
"""How many samples of the last batch are looked at."""


def warn_if_nothing_learned(training: Training, batch: Batch) -> None:
    """Warn of a first epoch that learned nothing, where the cause is seen.

    Args:
        training: behind its first epoch.
        batch: its last one.
    """
    losses, feed = training.history.step_losses, training.feed
    if len(losses) < _STEPS:
        return
    loss = training.course.loss
    chance = loss.chance(feed.y, feed.prediction)
    late = fmean(losses[-max(1, len(losses) // 4) :])
    if chance is None or chance == 0:
        return
    whole, little = training.history.loss[0], _NEAR * chance
    if late < little and (late < _FEW * chance or whole < little):
        return
    told = (
        f"ends at {number_text(late)}" if late >= little else f"is {number_text(whole)} in the mean"
    )
    closed = _closed(training, batch)
    rate = f"the learning rate ({training.optimizer.lr:g})"
    if closed:
        *others, last = closed
        layers = f"{', '.join(others)} and {last}" if others else last
        warn(
            f"nothing was learned in the first epoch: its loss {told}, and one "
            f"answer for all samples has {number_text(chance)}. Every unit of {layers} is closed "
            f"for every sample of the last batch, so no gradient passes there; lower {rate}, and "
            "begin again with new weights. trace(…).dead() lists closed units"
        )
    elif len(losses) >= _MANY and late > _GROWN * max(chance, losses[0]):
        warn(
            f"the loss has grown in the first epoch from {number_text(losses[0])} to "
            f"{number_text(late)}, and one answer for all samples has {number_text(chance)}; lower "
            f"{rate}"
        )


def _closed(training: Training, batch: Batch) -> list[str]:
    """The activations of which every unit is closed for each of these samples.

    None where there may be no room to look: a training that fits does not end for a warning.
    """
    from ..tracing.overview import dead
    from ..tracing.traced_step import TracedStep

    if not can_look(training.network, min(len(batch), _LOOKED_AT)):
        return []
    batch = batch.whole
    end = min(batch.end, batch.begin + _LOOKED_AT)
    few = Batch(batch.samples, batch.order, batch.seed, batch.step, batch.begin, end)
    system = training.network.system(len(few), training=True, loss=training.course.loss)
    computed = training.trainer.computed(few)
    entries = dead(TracedStep(system, computed.values, computed.gradients))
    return [entry.layer for entry in entries if entry.dead == entry.units]
