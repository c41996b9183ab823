"""What a `loss=` argument means to a network: one loss, or one for each of its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..checking.arguments import is_finite
from ..checking.calls import in_short
from ..errors import ArgumentError, unknown
from ..layers import Loss
from ..layers.cross_entropy import loss_for, loss_hint
from ..layers.loss_functions import LossPart

if TYPE_CHECKING:
    from .graph import Graph

_EXAMPLE = "{{{!r}: gt.CrossEntropy(), {!r}: (gt.MeanSquaredError(), 0.5)}}"


def network_loss(network: Graph, loss: Any) -> Loss:
    """The loss that a `loss=` argument means to a network.

    Args:
        network: what it is the loss of.
        loss: of one output a loss, or None for the cross-entropy; of several a mapping from each
            output's name to its loss, or to (loss, weight), or these in the outputs' order. One
            loss, or None, is that of each output.

    Raises:
        ArgumentError: no loss, an output without one, or a name or weight that is none.
    """
    if len(network.outputs) > 1:
        return _joint(network, loss)
    if not isinstance(loss, Mapping):
        return loss_for(loss)
    (name,) = network.outputs
    ((own, weight),) = _in_order([name], loss).values()
    if weight != 1:
        raise ArgumentError(
            f"loss: {name!r} is the network's only output, so a weight changes nothing but the "
            "size of the steps; leave it out, and change the learning rate"
        )
    return own


def _joint(network: Graph, loss: Any) -> Loss:
    """One loss for each of several outputs."""
    from ..layers.joint_loss import JointLoss

    names = [*network.outputs]
    shapes = network.system(1).shapes
    if isinstance(loss, JointLoss):  # as a trace of this network, or of one like it, has it
        loss = {part.name: (part.loss, part.weight) for part in loss.parts}
    taken = {*shapes}
    parts: list[LossPart] = []
    for name, (own, weight) in _in_order(names, loss).items():
        part = LossPart(name, own, weight, shapes[network.outputs[name]][1:])
        if part.array in taken:
            raise ArgumentError(
                f"the loss of the output {name!r} would be called {part.array}, as an array of "
                f"layer {name!r} is; give the output another name"
            )
        parts.append(part)
    if not any(part.weight for part in parts):
        raise ArgumentError("loss: the weight of every output is 0, so that nothing would count")
    return JointLoss(tuple(parts))


def _in_order(names: list[str], loss: Any) -> dict[str, tuple[Loss, float]]:
    """What was given for each output: its loss and weight."""
    if loss is None or isinstance(loss, Loss):
        return {name: (loss_for(loss), 1.0) for name in names}
    listed, example = ", ".join(names), _EXAMPLE.format(names[0], names[-1])
    if isinstance(loss, Mapping):
        for key in loss:
            if key not in names:
                raise ArgumentError(f"loss: {unknown('output', str(key), names)}")
        for name in names:
            if name not in loss:
                raise ArgumentError(
                    f"loss lacks the output {name!r}; one that is not to count has the weight 0, "
                    f"as in {example}"
                )
        return {name: _with_weight(name, loss[name]) for name in names}
    if isinstance(loss, list | tuple) and len(loss) == len(names) and len(names) > 1:
        return {name: _with_weight(name, one) for name, one in zip(names, loss, strict=True)}
    raise ArgumentError(
        f"loss is one for each of the network's outputs, {listed}, by name or in this order, such "
        f"as {example}; got {in_short(loss)}"
    )


def _with_weight(name: str, given: Any) -> tuple[Loss, float]:
    """A loss with its weight, which is 1 where none is given."""
    loss, weight = given if isinstance(given, list | tuple) and len(given) == 2 else (given, 1.0)
    if not isinstance(loss, Loss) or loss.parts:
        raise ArgumentError(
            f"loss of the output {name!r} must be an object such as gt.CrossEntropy(), or a pair "
            f"(loss, weight), got {in_short(given)}{loss_hint(loss)}"
        )
    if not is_finite(weight) or weight < 0:
        raise ArgumentError(
            f"the weight of the output {name!r} must be a finite number from 0, got {weight!r}"
        )
    return loss, float(weight)
