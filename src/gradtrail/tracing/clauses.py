"""The causes of a zero: what stops a gradient, how often, and where.

Each gives a `Closure`, whose fact completes "dconv1.output[0,2,5,7] is 0: …".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from ..equation import Adjoint, Applied, LossEquation, Selection, SoftmaxEquation
from ..equation import Factor as EquationFactor
from ..equation.scalar import is_rectifier
from .coefficients import multiplies_by_zero
from .element import Element, element_text
from .facts import Fact, Held
from .traced_step import TracedStep

CAUSES = (
    "relu closed",
    "flat",
    "lost maximum",
    "lost tie",
    "no window",
    "saturated",
    "level",
    "dropped",
    "zero coefficient",
    "zero function",
    "zero probability",
    "zero weights",
    "zero inputs",
    "zero products",
    "no class weight",
    "no weight",
    "left out",
    "no output weight",
    "cancelled",
    "underflow",
)
"""Why something is zero: its ReLU was closed; another function is flat there; it lost a maximum, or
a tie for one; no window reaches it; the softmax equals the target; the
loss is level there; dropout took it; a coefficient in the formula is 0, or a function of what is
read, such as a gate, or what a softmax makes; the weights or what they are multiplied with are 0;
its class has no weight, or its sample; its positions are left out of the loss; the loss of its
output has no weight; products cancel; or they are too small for their precision."""

_WHOLE = (
    *("zero coefficient", "zero weights", "saturated", "level"),
    *("no class weight", "no weight", "left out", "no output weight"),
)
"""What stops everything by itself where it is all that a layer does."""

_HELPS = ("zero weights", "zero inputs")
"""What only helps others to stop something."""


@dataclass(frozen=True)
class Closure:
    """What one layer stops for one reason.

    Args:
        fact: its kind is one of `CAUSES`, and its `count` says how many products or positions.
        example: one of them.
        last: whether nothing gets past the layer.
    """

    fact: Fact
    example: Element
    last: bool = False

    @property
    def cause(self) -> str:
        """One of `CAUSES`."""
        return self.fact.kind

    @property
    def count(self) -> int:
        """How many products or positions."""
        return cast(int, self.fact["count"])

    @property
    def rank(self) -> int:
        """Later in the answer is what only helps others, such as pixels that are 0 themselves."""
        if self.cause in _WHOLE and self.last:
            return 0
        return 2 if self.cause in _HELPS else 1


def lost_clause(
    step: TracedStep,
    sent: Adjoint,
    cause: str,
    count: int,
    window: tuple[int, ...],
    place: int,
    asked: tuple[int, ...] | None,
) -> Closure:
    """A maximum lost, or a tie for one: in how many windows, by which element, and to whom.

    Args:
        step: the step.
        sent: the pool's adjoint.
        cause: "lost maximum" or "lost tie".
        count: how many windows.
        window: the index of one of them in the pool's output.
        place: which point of that window lost, counted row-major.
        asked: the element that was asked about, where that is one of the pool's source.
    """
    name = sent.receives
    winner = int(step.array("value", sent.node.array_of[_pool(sent).winner])[window])
    taker, loser = _point(sent, window, winner), _point(sent, window, place)
    fact = Fact(
        cause,
        count=count,
        window=f"({','.join(map(str, window[2:]))})",
        layer=sent.node.name,
        loser=None if loser == asked else element_text("value", name, loser),
        winner=element_text("value", name, taker),
        value=float(step.array("value", name)[taker]),
    )
    return Closure(fact, Element("value", name, taker))


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


def unweighted_clause(sent: Adjoint, count: int, place: Element, samples: int) -> Closure:
    """The loss does not count the sample, or any that are reached; over maps, the positions."""
    equation = sent.node.equation
    assert isinstance(equation, LossEquation)
    sample, _, *position = place.index
    about: dict[str, Held] = {"count": count, "sample": sample, "samples": samples}
    cause = unweighted_cause(equation, bool(position))
    if cause == "left out":
        about["position"] = f"({','.join(map(str, position))})"
    return Closure(Fact(cause, **about), place)


def unweighted_cause(equation: LossEquation, of_positions: bool) -> str:
    """The cause where a weight is 0: it is of a position, of a sample itself, or of its class."""
    if equation.factors:
        return "no weight"
    return "left out" if of_positions else "no class weight"


def uncounted_clause(loss: str, count: int, place: Element) -> Closure:
    """The loss of one of several outputs does not count in the sum."""
    return Closure(Fact("no output weight", count=count, loss=loss), place)


def saturated_clause(
    step: TracedStep, sent: Adjoint, count: int, index: tuple[int, ...]
) -> Closure:
    """So many predictions are their targets to the last bit; one of them is at an index."""
    equation = sent.node.equation
    assert isinstance(equation, LossEquation)
    level = equation.slopes is not None
    name = sent.node.array_of[(None if level else equation.probabilities) or equation.source.array]
    fact = Fact(
        "level" if level else "saturated",
        count=count,
        **({} if level else {"softmax": equation.probabilities is not None}),
        element=element_text("value", name, index),
        value=float(step.array("value", name)[index]),
        target=element_text("value", sent.node.array_of[equation.labels], index),
    )
    return Closure(fact, Element("value", name, index))


def unread_clause(sent: Adjoint, count: int, index: tuple[int, ...]) -> Closure:
    """No window of the layer reads it."""
    place = Element("value", sent.receives, index)
    fact = Fact("no window", count=count, layer=sent.node.name, element=str(place))
    return Closure(fact, place)


def coefficient_clause(sent: Adjoint, count: int, place: Element, of: int) -> Closure:
    """The layer's formula multiplies by 0 in so many of the products or positions."""
    about: dict[str, Held] = {"layer": sent.node.name, "element": str(place)}
    about |= {"count": count, "of": of, "every": count == of}
    return Closure(Fact("zero coefficient", **about), place)


def factor_clause(
    step: TracedStep,
    sent: Adjoint,
    factor: EquationFactor,
    count: int,
    index: tuple[int, ...],
    of: int,
) -> Closure:
    """A factor that is 0 in so many of the products or positions that come so far."""
    node, letter = sent.node, factor.access.array
    place = Element("value", node.array_of[letter], index)
    array = step.array("value", place.name)
    about: dict[str, Held] = {"layer": node.name, "element": str(place)}
    about |= {"count": count, "of": of, "every": count == of}
    if isinstance(node.equation, SoftmaxEquation):
        return Closure(Fact("zero probability", **about), place)
    if isinstance(factor, Applied):
        if multiplies_by_zero(node, factor):
            return coefficient_clause(sent, count, place, of)
        return Closure(_function_fact(factor, float(array[index]), about), place)
    if step.is_mask(place.name):
        return Closure(Fact("dropped", **about), place)
    if letter in node.parameters:
        whole = not array.any()
        return Closure(Fact("zero weights", array=place.name, whole=whole, **about), place)
    return Closure(Fact("zero inputs", **about), place)


def _function_fact(factor: Applied, value: float, about: dict[str, Held]) -> Fact:
    """A function that is 0: a slope, where it is flat, or what something is multiplied by."""
    name = factor.function.name
    if is_rectifier(factor.function):
        return Fact("relu closed", value=value, **about)
    kind = "flat" if name.endswith("′") else "zero function"
    return Fact(kind, value=value, function=name.removesuffix("′"), **about)
