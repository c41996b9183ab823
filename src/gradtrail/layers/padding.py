"""Padding as a layer: positions put before and behind the axes of a sample, or taken away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar, final

import numpy as np

from ..checking.arguments import is_real, is_whole
from ..checking.calls import call_example
from ..equation import Access, Array, Equation, Margin, Number, contraction, index, term
from ..equation.access import Row
from ..equation.frozen import frozen
from ..errors import ArgumentError, ShapeError
from ..showing.axis_names import size_names
from .layer import Declaration, Draws, Layer, Shape, canonical, times
from .resampling import matrices, resampled
from .sample_axes import output_names
from .windows import PerAxis

X, Z = Array("X"), Array("Z")

MODES = ("constant", "reflect", "replicate", "circular")


@final
@call_example("gt.Pad(1)")
@frozen
class Pad(Layer):
    """Puts positions around each map, or with numbers below 0 takes some away.

    Shapes: X (N, C, H, W), Z (N, C, H + before + behind, W + before + behind).

    Forward:
        Z[n,c,y,x] = X[n,c,y−p,x−p]

    Adjoints:
        dX[n,c,y−p,x−p] = dZ[n,c,y,x]
        dX[n,c,h,w] = dZ[n,c,h+p,w+p]

    With another mode than "constant", U[y,h] is 1 for the row h that row y repeats, and there is
    no product with any other:
        Z[n,c,y,x] = Σ_{h,w} U[y,h]·V[x,w]·X[n,c,h,w]
        dX[n,c,h,w] = Σ_{y,x} U[y,h]·V[x,w]·dZ[n,c,y,x]

    Args:
        padding: one number for all sides of the map, or two for each axis, before and behind it,
            the last axis first, as PyTorch has them: (left, right, top, bottom).
        mode: what stands there: "constant" is `value`; "reflect" mirrors the rows at the outermost
            one, "replicate" repeats that one, "circular" goes on from the other side.
        value: for "constant".
        name: instead of pad1, …

    Raises:
        ArgumentError: an argument out of its range.
    """

    prefix: ClassVar[str] = "pad"

    padding: PerAxis
    mode: str = "constant"
    value: float = 0.0
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self)
        padding: Any = self.padding
        sides = padding if isinstance(padding, tuple) else (padding, padding)
        if not sides or len(sides) % 2 or not all(map(is_whole, sides)):
            raise ArgumentError(
                "Pad: padding must be one whole number, or two for each axis, the last axis "
                f"first: (left, right, top, bottom); got {padding!r}"
            )
        if self.mode not in MODES:
            listed = ", ".join(MODES)
            raise ArgumentError(f"Pad: mode must be one of {listed}, got {self.mode!r}")
        if not is_real(self.value):
            raise ArgumentError(f"Pad: value must be a number, got {self.value!r}")
        object.__setattr__(self, "value", float(self.value))

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        margins = self.margins(shape)
        if self.mode != "constant":
            equation = resampled(shape, self._rows(shape, margins))
            return Declaration(equation, given=matrices(equation))
        if self.value == 0.0 or not any(m > 0 for margin in margins for m in margin):
            return Declaration(_surrounded(shape, margins))
        return Declaration(_filled(shape, margins), given={"v": "value"})

    def given(self, equation: Equation, draws: Draws) -> Mapping[str, np.ndarray]:
        """See `Layer.given`: the value, or which rows and columns are repeated."""
        if "v" in equation.shape_of:
            return {"v": np.asarray(self.value)}
        return Layer.given(self, equation, draws)

    def _rows(self, shape: Shape, margins: tuple[Margin, ...]) -> list[tuple[Row, ...] | None]:
        """Which position each position of an axis repeats; None where the axis stays.

        Raises:
            ShapeError: more than the mode has, or padding of samples or channels.
        """
        if any(margin != (0, 0) for margin in margins[:2]):
            raise ShapeError(
                f'mode="{self.mode}" pads the axes of places alone, but there are numbers for '
                "the channels",
                f"Give at most {2 * len(shape) - 4} numbers",
            )
        found: list[tuple[Row, ...] | None] = []
        for axis, (size, (before, behind)) in enumerate(zip(shape, margins, strict=True)):
            most = {"reflect": size - 1, "circular": size}.get(self.mode)
            if most is not None and max(before, behind) > most:
                what = size_names(len(shape))[axis]
                raise ShapeError(
                    f"padding of {max(before, behind)} is more than the {most} that "
                    f'mode="{self.mode}" has for a {what} of {size}',
                    "Use less padding",
                )
            places = range(-before, size + behind)
            rows = tuple((self._repeated(place, size), (1.0,)) for place in places)
            found.append(rows if (before, behind) != (0, 0) else None)
        return found[2:]

    def _repeated(self, place: int, size: int) -> int:
        """The position that stands for one beyond the axis."""
        if self.mode == "circular":
            return place % size
        if self.mode == "reflect":
            place = abs(place)
            return place if place < size else 2 * (size - 1) - place
        return min(max(place, 0), size - 1)

    def margins(self, shape: Shape) -> tuple[Margin, ...]:
        """How many positions come before and behind each axis, that of the samples first.

        Raises:
            ShapeError: more axes than there are, or nothing is left of one.
        """
        padding: Any = self.padding
        if not isinstance(padding, tuple):
            padding = (padding, padding) * (len(shape) - 2)
        pairs = list(zip(padding[::2], padding[1::2], strict=True))
        if len(pairs) >= len(shape):
            raise ShapeError(
                f"has padding for {len(pairs)} axes but gets a sample of {times(shape[1:])}",
                f"Give at most {2 * len(shape) - 2} numbers",
            )
        margins = (*((0, 0),) * (len(shape) - len(pairs)), *reversed(pairs))
        for axis, (size, (before, behind)) in enumerate(zip(shape, margins, strict=True)):
            if size + before + behind < 1 or size + min(before, 0) + min(behind, 0) < 1:
                what = size_names(len(shape))[axis]
                raise ShapeError(
                    f"takes {-min(before, 0)} + {-min(behind, 0)} of the {what} {size} away, which "
                    "leaves none",
                    "Take less away",
                )
        return margins


def _surrounded(shape: Shape, margins: tuple[Margin, ...]) -> Equation:
    """`Z[n,c,y,x] = X[n,c,y−p,x−p]`: outside X there is no term."""
    names = output_names(len(shape))
    befores = {before for before, _ in margins if before}
    positions = []
    for name, (before, _) in zip(names, margins, strict=True):
        letter = "p" if len(befores) == 1 else f"p_{name}"
        positions.append(index(name) - Number(before, letter) if before else index(name))
    ranges = {n: s + sum(m) for n, s, m in zip(names, shape, margins, strict=True)}
    x = X[tuple(positions)].padded(*((max(b, 0), max(e, 0)) for b, e in margins))
    return contraction(term(Z[tuple(map(index, names))], x), ranges=ranges, shapes={"X": shape})


def _filled(shape: Shape, margins: tuple[Margin, ...]) -> Equation:
    """The input, and side by side with it boxes of the value.

    One box lies before and one behind each axis; on the axes before that one it is as long as the
    input, on those behind it as long as the output.
    """
    sizes = tuple(size + sum(margin) for size, margin in zip(shape, margins, strict=True))
    kept = tuple(size + sum(min(m, 0) for m in ms) for size, ms in zip(shape, margins, strict=True))
    starts = [max(before, 0) for before, _ in margins]
    names = output_names(len(shape))
    ranges = dict(zip(names, kept, strict=True))
    inside = [index(name) + start for name, start in zip(names, starts, strict=True)]
    read = [index(name) + max(-before, 0) for name, (before, _) in zip(names, margins, strict=True)]
    whole = [
        name if size == own else f"{name}_2"
        for name, size, own in zip(names, sizes, kept, strict=True)
    ]
    ranges |= dict(zip(whole, sizes, strict=True))
    terms = [term(Z[tuple(inside)], X[tuple(read)])]
    for axis, (before, behind) in enumerate(margins):
        for mark, width, start in ((0, before, 0), (1, behind, starts[axis] + kept[axis])):
            if width > 0:
                side = f"{names[axis]}_{mark}"
                ranges[side] = width
                place = (*inside[:axis], index(side) + start, *map(index, whole[axis + 1 :]))
                terms.append(term(Z[place], Access("v", ())))
    return contraction(*terms, ranges=ranges, shapes={"X": shape, "Z": sizes, "v": ()})
