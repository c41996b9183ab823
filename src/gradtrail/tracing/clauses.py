"""The causes of a zero as clauses: what stops a gradient, how often, and where.

Each gives a `Closed`, whose clause completes "dconv1.output[0,2,5,7] is 0: …".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..equation import Adjoint, Applied, LossEquation, Selection
from ..equation import Factor as EquationFactor
from ..showing.numbers import number_text
from .element import Element, element_text
from .traced_step import TracedStep

__all__ = [
    "CAUSES",
    "Closed",
    "factor_clause",
    "lost_clause",
    "saturated_clause",
    "unread_clause",
    "unweighted_clause",
]

CAUSES = (
    "relu closed",
    "flat",
    "lost maximum",
    "lost tie",
    "no window",
    "saturated",
    "dropped",
    "zero weights",
    "zero inputs",
    "zero products",
    "no class weight",
    "no weight",
    "cancelled",
    "underflow",
)
"""Why something is zero: its ReLU was closed; another function is flat there; it lost a maximum, or
a tie for one; no window reaches it; the softmax equals the target; dropout took it; the weights or
what they are multiplied with are 0; its class has no weight, or its sample; products cancel; or
they are too small for their precision."""

_WHOLE = ("zero weights", "saturated", "no class weight", "no weight")
"""What stops everything by itself where it is all that a layer does."""


@dataclass(frozen=True)
class Closed:
    """What one layer stops for one reason.

    Args:
        layer: the layer's name.
        cause: one of `CAUSES`.
        count: how many products or positions.
        text: a clause that says so.
        example: one of them.
        last: whether nothing gets past the layer.
    """

    layer: str
    cause: str
    count: int
    text: str
    example: Element
    last: bool = False

    @property
    def trivial(self) -> int:
        """Later in the answer: what only helps others, such as pixels that are 0 themselves."""
        whole = self.cause in _WHOLE and self.last
        helps = self.cause in ("zero weights", "zero inputs")
        return 0 if whole else 1 + helps


def lost_clause(
    step: TracedStep,
    sent: Adjoint,
    cause: str,
    count: int,
    window: tuple[int, ...],
    place: int,
    asked: tuple[int, ...] | None,
) -> Closed:
    """A maximum lost: which window, by which element, and to whom.

    Args:
        step: the step.
        sent: the pool's adjoint.
        cause: "lost maximum" or "lost tie".
        count: how many windows.
        window: the index of one of them in the pool's output.
        place: which point of that window lost, counted row-major.
        asked: the element that was asked about, where that is one of the pool's source.
    """
    name, pool = sent.receives, sent.node.name
    winner = int(step.array("value", sent.node.array_of[_pool(sent).winner])[window])
    taker, loser = _point(sent, window, winner), _point(sent, window, place)
    value = number_text(float(step.array("value", name)[taker]))
    won, lost = element_text("value", name, taker), element_text("value", name, loser)
    who = "it" if loser == asked else lost
    at = f"({','.join(map(str, window[2:]))})"
    if count > 1:
        first = "" if cause == "lost maximum" else " and the first in row-major order wins"
        verb = "lost" if cause == "lost maximum" else "tied"
        text = (
            f"the maximum is {verb} in all {count:,} windows of {pool} on the way{first}: in {at} "
            f"{who} loses to {won}, which is {value}"
        )
    elif cause == "lost maximum":
        text = f"{who} loses the maximum of the window {at} of {pool} to {won}, which is {value}"
    else:
        text = (
            f"{who} ties for the maximum of the window {at} of {pool} and the first in row-major "
            f"order wins: {won}, which is {value}"
        )
    text += ", too" if cause == "lost tie" else ""
    return Closed(pool, cause, count, text, Element("value", name, taker))


def _pool(sent: Adjoint) -> Selection:
    assert isinstance(sent.node.equation, Selection)
    return sent.node.equation


def _point(sent: Adjoint, window: tuple[int, ...], place: int) -> tuple[int, ...]:
    """The element of a pool's source at one point of a window."""
    equation = _pool(sent)
    offsets = np.unravel_index(place, tuple(equation.range_of[n] for n in equation.over))
    point = dict(zip(equation.result.names, window, strict=True))
    point |= {n: int(i) for n, i in zip(equation.over, offsets, strict=True)}
    found = equation.source.at(point)
    assert found is not None
    return found


def unweighted_clause(sent: Adjoint, count: int, place: Element, samples: int) -> Closed:
    """The loss does not count the class of the sample, or of all that are reached.

    Weights of the squared error are the samples' own.
    """
    equation = sent.node.equation
    own = isinstance(equation, LossEquation) and equation.factor is not None
    text = f"{'' if own else 'the class of '}sample {place.index[0]} has the weight 0 in the loss"
    if samples > 1:
        whose = "all" if own else "the classes of all"
        text = f"{whose} {samples:,} samples that it reaches have the weight 0 in the loss"
    return Closed(sent.node.name, "no weight" if own else "no class weight", count, text, place)


def saturated_clause(step: TracedStep, sent: Adjoint, count: int, index: tuple[int, ...]) -> Closed:
    """The prediction is the target to the last bit.

    Args:
        step: the step.
        sent: the loss's adjoint.
        count: how many outputs.
        index: one of them.
    """
    equation = sent.node.equation
    assert isinstance(equation, LossEquation)
    what = "the softmax is saturated" if equation.probabilities else "the loss is at its least"
    held = sent.node.array_of[equation.probabilities or equation.source.array]
    target = element_text("value", sent.node.array_of[equation.labels], index)
    value = number_text(float(step.array("value", held)[index]))
    times = f" for all {count:,} outputs that it reaches" if count > 1 else ""
    text = f"{what}{times}: {element_text('value', held, index)} is {value}, and so is {target}"
    return Closed(sent.node.name, "saturated", count, text, Element("value", held, index))


def unread_clause(sent: Adjoint, count: int, index: tuple[int, ...]) -> Closed:
    """No window of the layer reads it."""
    place = element_text("value", sent.receives, index)
    what = place if count == 1 else f"{count:,} elements such as {place}"
    text = f"no window of {sent.node.name} reaches {what}"
    return Closed(sent.node.name, "no window", count, text, Element("value", sent.receives, index))


def factor_clause(
    step: TracedStep,
    sent: Adjoint,
    factor: EquationFactor,
    count: int,
    index: tuple[int, ...],
    of: int,
) -> Closed:
    """A factor of 0.

    Args:
        step: the step.
        sent: the layer's adjoint.
        factor: which of its factors.
        count: how often it is 0.
        index: where, for example.
        of: how many products or positions come so far.
    """
    node, name = sent.node, sent.node.array_of[factor.access.array]
    element = element_text("value", name, index)
    value = number_text(float(step.array("value", name)[index]))
    all_of = f"all {of:,}" if count == of else f"{count:,} of {of:,}"
    if isinstance(factor, Applied):
        relu = factor.function.name.startswith("relu")
        cause, verb = ("relu closed", "is closed") if relu else ("flat", "is flat")
        where = "" if of == 1 else f" at {all_of} positions on the way"
        such = "such as" if count > 1 else "where"
        text = f"{node.name} {verb}{where}, {such} {element} is {value}"
    elif name.endswith(".mask"):
        cause, text = "dropped", f"{node.name} dropped it, {element} is 0"
        if count > 1:
            text = f"{node.name} dropped {all_of} positions on the way, such as {element}"
    elif factor.access.array in node.parameters:
        cause, text = "zero weights", f"{element} is 0"
        if not step.array("value", name).any():
            text = f"all weights in {name} are 0, such as {element}"
        elif count > 1:
            text = f"weights in {name} are 0 in {all_of} products on the way, such as {element}"
    else:
        cause = "zero inputs"
        text = f"what {node.name} reads is 0 in {all_of} products, such as {element}"
    return Closed(node.name, cause, count, text, Element("value", name, index))
