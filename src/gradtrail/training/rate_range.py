"""Which learning rate: a few steps with ever greater ones, and what becomes of the loss.

Source: L. Smith, "Cyclical learning rates for training neural networks" (2015), section 3.3.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ..checking.arguments import is_real, positive, whole_number
from ..checking.calls import call_example, in_short
from ..engines import Batch, engine_for
from ..errors import ArgumentError, NonFiniteError
from ..graph.output_losses import network_loss
from ..optimizers import Adam, Optimizer
from ..showing.figures import figure, save_figure
from ..showing.shown import Shown
from ..showing.tables import Table
from ..streams import stream
from ..tracing.nonfinite import nonfinite_message
from .course import Course, refuse_frozen
from .feed import Feed, feed_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..engines import Engine
    from ..graph import Graph
    from ..layers.loss_functions import AnyLoss

_KEPT = 0.9
"""How much of the smoothed loss each step leaves."""

_WORSE = 3.0
"""By how many times the least smoothed loss it has to rise: the training has come apart."""

_SHOWN = 12
"""How many rows a table has."""


@final
@dataclass(frozen=True, eq=False)
class RateRange(Shown):
    """Losses at ever greater learning rates.

    Args:
        rates: (T,) rising, in equal ratios; of the steps that were made.
        losses: (T,) of each step's batch, before its update.
        smoothed: (T,) their running mean.
        suggestion: the rate at which the smoothed loss falls fastest; None where it never falls.
        reason: why, in words.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float | None
    reason: str

    def _table(self) -> Table:
        count = len(self.rates)
        places = np.unique(np.linspace(0, count - 1, min(count, _SHOWN)).astype(int))
        rows = [
            (f"{self.rates[i]:.3g}", f"{self.losses[i]:.4f}", f"{self.smoothed[i]:.4f}")
            for i in places
        ]
        return Table((), (">rate", ">loss", ">smoothed"), rows, (self.reason,))

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        arrays = {n: getattr(self, n).tolist() for n in ("rates", "losses", "smoothed")}
        return {**arrays, "suggestion": self.suggestion, "reason": self.reason}

    def plot(self, path: str | Path | None = None) -> Figure:
        """The losses over the rates, with the suggestion.

        Args:
            path: where to write it; None for only giving it back.

        Raises:
            MissingPackageError: matplotlib is not there.
            FileError: the file cannot be written.
        """
        drawn = figure(5.2, 3.4)
        axes = drawn.subplots()
        axes.plot(self.rates, self.losses, color="#c9d6ea", linewidth=0.8)
        axes.plot(self.rates, self.smoothed, color="#2458a6", label="smoothed")
        if self.suggestion is not None:
            falls = f"falls fastest at {self.suggestion:.2g}"
            axes.axvline(self.suggestion, color="#b4461a", label=falls)
            axes.legend(frameon=False, fontsize=9)
            fallen = self.smoothed[: int(self.smoothed.argmin()) + 1]
            room = 0.5 * float(np.ptp(fallen))  # how far it comes apart behind is no matter
            axes.set_ylim(min(self.losses.min(), fallen.min()) - 0.1 * room, fallen.max() + room)
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        return save_figure(drawn, path)


@call_example("gt.lr_range_test(network, (x, y))")
def lr_range_test(
    network: Graph,
    data: Any,
    *,
    loss: AnyLoss | None = None,
    optimizer: Optimizer | None = None,
    batch_size: int = 64,
    steps: int = 100,
    least: float = 1e-6,
    most: float = 1.0,
    seed: int = 0,
    threads: int | None = None,
    engine: str | Engine | None = None,
) -> RateRange:
    """Train a few steps with a learning rate that grows from step to step, and forget them.

    Args:
        network: is left as it was, its optimiser's memory and random draws included.
        data: samples and labels, or `gt.data.Images` such as a folder.
        loss: by default `CrossEntropy()`; of several outputs a mapping of theirs to a loss each, or
            to (loss, weight).
        optimizer: whose rate is looked for; by default `Adam()`.
        batch_size: samples of a step.
        steps: how many at most, at least 10; the test ends where the loss comes apart.
        least: the first rate, above 0.
        most: the last one, above `least`.
        seed: of the order of the samples.
        threads: how many the engine may use.
        engine: None for the default, "cpu", "reference", or an engine object.

    Returns:
        The losses, and the rate where they fall fastest.

    Raises:
        ArgumentError: a setting out of its range.
        DataError: samples or labels that do not fit, or batches that the network cannot normalise.
        NonFiniteError: the first loss is a NaN or an infinity.
    """
    positive("lr_range_test", batch_size=batch_size)
    seed = whole_number("lr_range_test: seed", seed, 0)
    whole_number("lr_range_test: steps", steps, 10)
    if not is_real(least) or not is_real(most) or not 0 < least < most < np.inf:
        raise ArgumentError(
            f"lr_range_test: least and most must be rates with 0 < least < most, got {least!r} and "
            f"{most!r}"
        )
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise ArgumentError(
            f"lr_range_test: optimizer must be an object such as gt.SGD(0.1), got "
            f"{in_short(optimizer)}"
        )
    refuse_frozen("lr_range_test", network)
    loss, runs = network_loss(network, loss), engine_for(engine, network, threads)
    feed = feed_for(network, data, loss, runs)
    Course(loss=loss, batch_size=batch_size).fits(network, len(feed))
    chosen = (Adam() if optimizer is None else optimizer).forgetful()
    trainer = runs.trainer(network, loss, chosen)
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    total = 0.0
    with closing(_batches(feed, batch_size, seed)) as batches:
        for number, batch in zip(range(steps), batches, strict=False):
            chosen.lr = float(least * (most / least) ** (number / (steps - 1)))
            done = trainer.step(batch)
            if not np.isfinite(done.loss):
                if not rates:  # no rate is to blame for the first loss
                    system = network.system(len(batch), training=True, loss=loss)
                    where = nonfinite_message(system, trainer.computed(batch), batch.numbers)
                    raise NonFiniteError(f"lr_range_test: {where}")
                break
            total = _KEPT * total + (1 - _KEPT) * done.loss
            rates.append(chosen.lr)
            losses.append(done.loss)
            smoothed.append(total / (1 - _KEPT ** (number + 1)))
            least_yet = min(smoothed)
            if not done.finite or smoothed[-1] - least_yet > _WORSE * abs(least_yet):
                break
    found = np.array(rates), np.array(losses), np.array(smoothed)
    return RateRange(*found, *_suggested(found[0], found[2]))


def _batches(feed: Feed, size: int, seed: int) -> Generator[Batch, None, None]:
    """Batches without end, every way through the data in another order."""
    epoch = 0
    while True:
        order = stream(seed, "order", epoch).permutation(len(feed)).astype(np.int64, copy=False)
        with closing(feed.batches(order, size, seed=seed)) as batches:
            yield from batches
        epoch += 1


def _suggested(rates: np.ndarray, smoothed: np.ndarray) -> tuple[float | None, str]:
    """The rate where the loss falls fastest over the rates' logarithm, and why.

    The first tenth of the steps is passed over: a mean of few batches changes with the batches.
    """
    if len(rates) < 3:
        return None, "The loss came apart at once: no rate is suggested; begin at a lower `least`."
    slopes = np.gradient(smoothed, np.log10(rates))
    first = len(rates) // 10
    lowest = first + int(smoothed[first:].argmin())
    steepest = first + int(slopes[first : max(lowest, 1) + 1].argmin())
    if slopes[steepest] >= 0 or lowest == first:
        return None, "The loss never falls: no rate is suggested; make more steps, or see the data."
    why = (
        f"The loss falls fastest at a rate of {rates[steepest]:.2g}, by {-slopes[steepest]:.2g} "
        f"per decade, and is least at {rates[lowest]:.2g}"
    )
    rises = lowest < len(rates) - 1
    return float(rates[steepest]), why + (", behind which it rises." if rises else ", the last.")
