"""Upsampling and downsampling: maps of another size, by the nearest element or between several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from math import floor
from typing import Any, ClassVar, final

from ..checking.arguments import is_finite, is_whole
from ..checking.calls import call_example
from ..equation import Array, Equation, Number, Sparse, contraction, index, term
from ..equation.access import Row
from ..equation.frozen import frozen
from ..errors import ArgumentError, ShapeError
from .layer import Declaration, Layer, Shape, canonical, channels_of
from .sample_axes import input_names, output_names
from .windows import OFFSETS

X, Z = Array("X"), Array("Z")

MATRICES = ("T", "U", "V")
"""The letters of the matrices of planes, rows and columns."""

NAMES = {"T": "planes", "U": "rows", "V": "columns"}

_RANKS = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}
_CUBIC = -0.75


def resampled(shape: Shape, rows: Sequence[tuple[Row, ...] | None]) -> Equation:
    """`Z[n,c,y,x] = Σ_{h,w} U[y,h]·V[x,w]·X[n,c,h,w]`.

    Args:
        shape: of the input, samples first.
        rows: for each axis of places what each output takes; None where the axis stays as it is.
    """
    rank = len(rows)
    inside, outside = input_names(shape)[2:], output_names(len(shape))[2:]
    n, c = index("n"), index("c")
    z, x = [n, c], [n, c]
    factors, ranges, shapes = [], {}, {"X": shape}
    for axis, taken in enumerate(rows):
        here, there = inside[axis], outside[axis]
        size = shape[2 + axis]
        z.append(index(there))
        ranges[there] = size if taken is None else len(taken)
        if taken is None:
            x.append(index(there))
            continue
        x.append(index(here))
        ranges[here] = size
        letter = MATRICES[axis + 3 - rank]
        shapes[letter] = (len(taken), size)
        factors.append(Sparse(Array(letter)[index(there), index(here)], taken))
    sums = term(Z[tuple(z)], *factors, X[tuple(x)])
    return contraction(sums, ranges=ranges, shapes=shapes)


def matrices(equation: Equation) -> dict[str, str]:
    """What the matrices of an equation are called."""
    return {letter: NAMES[letter] for letter in equation.shape_of if letter in NAMES}


@final
@call_example("gt.Upsample(2)")
@frozen
class Upsample(Layer):
    """Maps of another size: each output takes the nearest element, or a mean of those around it.

    Shapes: X (N, C, H, W), Z (N, C, *size), likewise for one or three axes of places.

    Forward, between several elements:
        Z[n,c,y,x] = Σ_{h,w} U[y,h]·V[x,w]·X[n,c,h,w]

    Adjoints:
        dX[n,c,h,w] = Σ_{y,x} U[y,h]·V[x,w]·dZ[n,c,y,x]

    By the nearest, s times as large:
        Z[n,c,y·s+i,x·s+j] = X[n,c,y,x]
        dX[n,c,y,x] = Σ_{i,j} dZ[n,c,y·s+i,x·s+j]

    U[y,h] is how much of row h row y takes; in all but two rows of "bilinear", or four of
    "bicubic", it is 0, and there is no product. Row y lies at (y + ½)·H/H′ − ½ of the input, or
    with align_corners at y·(H − 1)/(H′ − 1). Beyond the edge the outermost rows are taken.

    Args:
        scale_factor: how many times as large, one number or one per axis; what is left of a
            position is dropped. Below 1 makes maps smaller.
        mode: "nearest", "nearest-exact", "linear", "bilinear", "trilinear" (as many axes as the
            input has) or "bicubic".
        align_corners: whether the corners of input and output lie on each other; only between
            several elements.
        size: of the output's maps, one number or one per axis; instead of scale_factor. By name
            only: PyTorch has it first, where hardly anybody means it.
        name: instead of upsample1, …

    Raises:
        ArgumentError: an argument out of its range, or neither or both of size and scale_factor.

    Source: R. Keys, Cubic convolution interpolation for digital image processing, 1981, with
        a = −0.75, for "bicubic".
    """

    prefix: ClassVar[str] = "upsample"

    scale_factor: float | tuple[float, ...] | None = None
    mode: str = "nearest"
    align_corners: bool | None = None
    size: int | tuple[int, ...] | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self)
        if (self.size is None) == (self.scale_factor is None):
            raise ArgumentError("Upsample: give either size or scale_factor")
        sizes, factors = _listed(self.size), _listed(self.scale_factor)
        if not all(is_whole(size, 1) for size in sizes):
            raise ArgumentError(f"Upsample: size must be whole numbers ≥ 1, got {self.size!r}")
        if not all(is_finite(factor) and factor > 0 for factor in factors):
            raise ArgumentError(
                f"Upsample: scale_factor must be numbers above 0, got {self.scale_factor!r}"
            )
        modes = ("nearest", "nearest-exact", *_RANKS)
        if self.mode not in modes:
            raise ArgumentError(
                f"Upsample: mode must be one of {', '.join(modes)}, got {self.mode!r}"
            )
        if self.align_corners not in (None, True, False):
            raise ArgumentError(
                f"Upsample: align_corners must be True, False or None, got {self.align_corners!r}"
            )
        if self.mode not in _RANKS and self.align_corners is not None:
            raise ArgumentError(
                f'Upsample: mode="{self.mode}" takes one element each, so there are no corners '
                "between them; leave align_corners out"
            )

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        rank = _RANKS.get(self.mode, len(shape) - 2)
        channels_of(self, shape, rank)
        sizes, factors = self._sizes(shape[2:])
        if self.mode == "nearest":
            multiples = [there // here for here, there in zip(shape[2:], sizes, strict=True)]
            if all(m * s == t for m, s, t in zip(multiples, shape[2:], sizes, strict=True)):
                return Declaration(_repeated(shape, multiples))
        rows = [
            None if here == there and not factor else self._rows(here, there, factor)
            for here, there, factor in zip(shape[2:], sizes, factors, strict=True)
        ]
        equation = resampled(shape, rows)
        return Declaration(equation, given=matrices(equation))

    def _sizes(self, shape: Shape) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """The output's sizes, and by which factors they arose; 0 where they were given."""
        given = _listed(self.size if self.scale_factor is None else self.scale_factor)
        each = given * len(shape) if len(given) == 1 else given
        if len(each) != len(shape):
            raise ShapeError(
                f"has {len(each)} sizes or factors for {len(shape)} axes of places",
                f"Give one, or {len(shape)}",
            )
        if self.scale_factor is None:
            return tuple(map(int, each)), (0.0,) * len(shape)
        sizes = tuple(floor(size * factor) for size, factor in zip(shape, each, strict=True))
        if min(sizes) < 1:
            raise ShapeError(
                f"makes {min(shape)} positions {min(each)} times as many, which is none",
                "Choose a larger scale_factor",
            )
        return sizes, tuple(map(float, each))

    def _rows(self, here: int, there: int, factor: float) -> tuple[Row, ...]:
        """What each of `there` positions takes of `here` positions."""
        step = 1 / factor if factor else here / there
        if self.mode == "nearest":
            return tuple((min(floor(y * step), here - 1), (1.0,)) for y in range(there))
        if self.mode == "nearest-exact":
            return tuple((min(floor((y + 0.5) * step), here - 1), (1.0,)) for y in range(there))
        if self.align_corners:
            step = (here - 1) / (there - 1) if there > 1 else 0.0
        places = (y * step if self.align_corners else (y + 0.5) * step - 0.5 for y in range(there))
        if self.mode == "bicubic":
            return tuple(_cubic(place, here) for place in places)
        return tuple(_between(max(place, 0.0), here) for place in places)


def _listed(value: Any) -> tuple[Any, ...]:
    """One number or several as several; None as none."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def _repeated(shape: Shape, multiples: Sequence[int]) -> Equation:
    """Each element as often as its axis is longer."""
    names = output_names(len(shape))[2:]
    offsets = OFFSETS[3 - len(names) :]
    n, c = index("n"), index("c")
    z, ranges = [n, c], {}
    alike = len(set(multiples)) == 1
    for name, offset, times in zip(names, offsets, multiples, strict=True):
        if times == 1:
            z.append(index(name))
            continue
        z.append(index(name) * Number(times, "s" if alike else f"s_{name}") + index(offset))
        ranges[offset] = times
    x = X[n, c, *map(index, names)]
    return contraction(term(Z[tuple(z)], x), ranges=ranges, shapes={"X": shape})


def row_of(taken: Sequence[tuple[int, float]], size: int) -> Row:
    """Numbers for positions as a row; positions beyond the edge are those at the edge.

    Args:
        taken: position and number, of neighbours.
        size: of the axis.
    """
    found: dict[int, float] = {}
    for place, number in taken:
        place = min(max(place, 0), size - 1)
        found[place] = found.get(place, 0.0) + number
    kept = [place for place, number in found.items() if number != 0]
    if not kept:
        return 0, ()
    start = min(kept)
    return start, tuple(found.get(place, 0.0) for place in range(start, max(kept) + 1))


def _between(place: float, size: int) -> Row:
    """The two neighbours of a position, the nearer one more."""
    low = floor(place)
    share = place - low
    return row_of(((low, 1 - share), (low + 1, share)), size)


def _cubic(place: float, size: int) -> Row:
    """The four neighbours of a position, by Keys' cubic."""
    low = floor(place)
    share, a = place - low, _CUBIC

    def near(t: float) -> float:
        return ((a + 2) * t - (a + 3)) * t * t + 1

    def far(t: float) -> float:
        return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a

    numbers = (far(share + 1), near(share), near(1 - share), far(2 - share))
    return row_of([(low - 1 + at, number) for at, number in enumerate(numbers)], size)
