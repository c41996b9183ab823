"""Elements as they are written: `conv1.weight[2,0,1,1]`, a gradient's with a d in front."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..checking.arguments import is_whole
from ..errors import ArgumentError, UnknownNameError, indexed, unknown

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
        return element_text(self.side, self.name, self.index)


def element_text(side: Side, name: str, element: Sequence[int] = ()) -> str:
    """An element as it is written: `dconv1.weight[2,0,1,1]`."""
    return indexed(f"{'d' if side == 'grad' else ''}{name}", element)


def example_element(name: str, shape: Sequence[int], begun: Sequence[int] = ()) -> str:
    """An element that there is, as it is written.

    Args:
        name: the array's, with d in front for a gradient.
        shape: the array's.
        begun: what somebody wrote as an index; kept as far as it can be.
    """
    kept = [i if -size <= i < size else size // 2 for i, size in zip(begun, shape, strict=False)]
    rest = [0 if axis == 0 else size // 2 for axis, size in enumerate(shape)]
    return element_text("value", name, (*kept, *rest[len(kept) :]))


def check_index(name: str, shape: tuple[int, ...], element: object) -> tuple[int, ...]:
    """An index into an array; negative positions count from the end.

    Args:
        name: the array's, as messages call it.
        shape: the array's.
        element: the index, or one number.

    Raises:
        ArgumentError: it does not fit the array.
    """
    if isinstance(element, np.ndarray):
        element = element.tolist()
    listed = element if isinstance(element, tuple | list) else (element,)
    whole = all(map(is_whole, listed))
    such = example_element(name, shape, tuple(map(int, listed)) if whole else ())
    if not whole or len(listed) != len(shape):
        count = f"{len(shape)} whole number{'s' if len(shape) != 1 else ''}"
        raise ArgumentError(
            f"{name} has the shape {shape}: an index into it is {count}, as in {such}; got "
            f"{element!r}"
        )
    for axis, (i, size) in enumerate(zip(listed, shape, strict=True)):
        if not -size <= i < size:
            raise ArgumentError(
                f"{name} has the shape {shape}: position {int(i)} on axis {axis} lies outside 0 … "
                f"{size - 1}, as in {such}"
            )
    return tuple(int(i) % size for i, size in zip(listed, shape, strict=True))


def parse_element(
    text: str,
    values: Collection[str],
    gradients: Collection[str],
    shapes: Mapping[str, Sequence[int]],
) -> tuple[Side, str, tuple[int, ...]]:
    """Side, array and index of a written element.

    Args:
        text: such as `dconv1.weight[2,0,1,1]`, `conv1.output[0,2,5,7]` or `loss`.
        values: the names of the arrays that have values.
        gradients: the names of those that have gradients. A name that is itself a value's is one,
            even where it begins with d.
        shapes: of these arrays, for an example in messages.

    Raises:
        ArgumentError: it is written otherwise.
        UnknownNameError: no array has this name.
    """
    match = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    numbers = [part.strip() for part in (match[3] or "").split(",")] if match else []
    numbers = [] if numbers == [""] else numbers
    if match is None or not all(re.fullmatch(r"-?\d+", part) for part in numbers):
        such = _example_like(text, values, shapes)
        raise ArgumentError(
            f"an element is written as its array and its index, such as {such}, with d in front "
            f"for its gradient; got {text!r}"
        )
    index = tuple(int(part) for part in numbers)
    whole = match[1] + match[2]
    if whole in values:
        return "value", whole, index
    if match[1] and match[2] in gradients:
        return "grad", match[2], index
    known = [*values, *("d" + name for name in gradients)]
    raise UnknownNameError(unknown("array", whole, known))


def _example_like(
    text: object, values: Collection[str], shapes: Mapping[str, Sequence[int]]
) -> str:
    """An element of the array that a text begins with, or else of a layer's."""
    known = [name for name in values if name in shapes]
    meant = [name for name in known if str(text).strip().removeprefix("d").startswith(name)]
    usual = [name for name in known if "." in name] or known
    name = max(meant, key=len) if meant else usual[0]
    return example_element(name, shapes[name])
