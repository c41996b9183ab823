"""Elements as they are written: `conv1.weight[2,0,1,1]`, a gradient's with a d in front."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import ArgumentError, UnknownNameError, unknown

__all__ = ["Element", "Side", "apart", "parse_element", "written"]

Side = Literal["value", "grad"]

_WRITTEN = re.compile(r"\s*(d?)([^\W\d][\w.]*)\s*(?:\[([^\]]*)\])?\s*")


@dataclass(frozen=True)
class Element:
    """One element of an array of a step; `str` writes it as `dconv1.weight[2,0,1,1]`.

    Args:
        side: of a value or a gradient.
        name: the array's.
        index: which element.
    """

    side: Side
    name: str
    index: tuple[int, ...]

    def __str__(self) -> str:
        return written(self.side, self.name, self.index)


def written(side: Side, name: str, element: Sequence[int] = ()) -> str:
    """An element as it is written: `dconv1.weight[2,0,1,1]`."""
    place = f"[{','.join(map(str, element))}]" if len(element) else ""
    return f"{'d' if side == 'grad' else ''}{name}{place}"


def parse_element(
    text: str, values: Collection[str], gradients: Collection[str]
) -> tuple[Side, str, tuple[int, ...]]:
    """Side, array and index of a written element.

    Args:
        text: such as `dconv1.weight[2,0,1,1]`, `conv1.output[0,2,5,7]` or `loss`.
        values: the names of the arrays that have values.
        gradients: the names of those that have gradients. A name that is itself a value's is one,
            even where it begins with d.

    Raises:
        ArgumentError: it is written otherwise.
        UnknownNameError: no array has this name.
    """
    match = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    numbers = [part.strip() for part in (match[3] or "").split(",")] if match else []
    numbers = [] if numbers == [""] else numbers
    if match is None or not all(re.fullmatch(r"-?\d+", part) for part in numbers):
        raise ArgumentError(
            "an element is written as its array and its index, such as conv1.output[0,2,5,7], with "
            f"d in front for its gradient, such as dconv1.weight[2,0,1,1]; got {text!r}"
        )
    index = tuple(int(part) for part in numbers)
    whole = match[1] + match[2]
    if whole in values:
        return "value", whole, index
    if match[1] and match[2] in gradients:
        return "grad", match[2], index
    known = [*values, *("d" + name for name in gradients)]
    raise UnknownNameError(unknown("array", whole, known))


def apart(
    name: str, index: object, side: Side, there: Collection[str], gradients: Collection[str]
) -> tuple[str, object]:
    """An array and an index, which may be written as one.

    Args:
        name: the array's or the layer's, or with its index, such as `conv1.weight[2,0,1,1]`; a
            gradient may have its d.
        index: which element; () where the name has it.
        side: where it is asked.
        there: the names on that side.
        gradients: the names of the arrays that have gradients.

    Raises:
        ArgumentError: an index twice, a gradient asked of the values, or no element.
        UnknownNameError: there is no such array on this side.
    """
    if not (isinstance(name, str) and "[" in name):
        return name, index
    if not isinstance(index, tuple) or index:
        raise ArgumentError(f"{name} has its index already; leave out {index!r}")
    found, array, place = parse_element(name, there, gradients)
    if (found, side) == ("grad", "value"):
        raise ArgumentError(f"{name} is a gradient; ask t.grad for it")
    return array, place
