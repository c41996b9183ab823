"""Maps of another size, with positions placed in each of the ways in which others place them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from math import ceil, floor
from typing import ClassVar, final

from ..checking.arguments import is_finite, is_whole
from ..checking.calls import call_example
from ..equation.access import Row
from ..equation.frozen import frozen
from ..errors import ArgumentError, ShapeError
from .layer import Declaration, Layer, Shape, canonical, channels_of
from .resampling import matrices, resampled, row_of

POSITIONS: Mapping[str, Callable[[float, float, int, int], float]] = {
    "half_pixel": lambda y, scale, here, there: (y + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda y, scale, here, there: (
        (y + 0.5) / scale - 0.5 if there > 1 else 0.0
    ),
    "half_pixel_symmetric": lambda y, scale, here, there: (
        here / 2 * (1 - there / (scale * here)) + (y + 0.5) / scale - 0.5
    ),
    "align_corners": lambda y, scale, here, there: (
        y * (here - 1) / (scale * here - 1) if scale * here != 1 else 0.0
    ),
    "asymmetric": lambda y, scale, here, there: y / scale,
}
"""Where output y of `there` lies among the `here` elements of the input, by name."""

ROUNDINGS: Mapping[str, Callable[[float], int]] = {
    "round_prefer_floor": lambda place: ceil(place - 0.5),
    "round_prefer_ceil": lambda place: floor(place + 0.5),
    "floor": floor,
    "ceil": ceil,
}
"""Which element a position takes, by name."""

_REACH = {"linear": 1, "cubic": 2}


@final
@call_example("gt.Resize((12, 8))")
@frozen
class Resize(Layer):
    """Maps of another size, as `Upsample`, with a choice of where outputs lie in the input.

    Shapes: X (N, C, H, W), Z (N, C, *size), likewise for one or three axes of places.

    Forward:
        Z[n,c,y,x] = Σ_{h,w} U[y,h]·V[x,w]·X[n,c,h,w]

    Adjoints:
        dX[n,c,h,w] = Σ_{y,x} U[y,h]·V[x,w]·dZ[n,c,y,x]

    U[y,h] is how much of row h row y takes, and where it is 0 there is no product. Row y lies at
    (y + ½)/s − ½ of the input ("half_pixel"), at y·(H − 1)/(s·H − 1) ("align_corners") or at y/s
    ("asymmetric"); "pytorch_half_pixel" puts a single row at 0, "half_pixel_symmetric" keeps the
    centres of both maps on each other where s·H is not whole. Beyond the edge the outermost rows
    are taken.

    Args:
        size: of the output's maps, one number or one per axis.
        mode: "nearest", "linear" or "cubic".
        scale: s, one number or one per axis; by default the sizes' ratio.
        positions: where outputs lie: one of the above.
        rounding: which element "nearest" takes: "round_prefer_floor", "round_prefer_ceil", "floor"
            or "ceil".
        cubic: a of the cubic, −0.75 or −0.5 with most.
        antialias: whether the mean is over as many elements as an output stands for, where the
            map becomes smaller.
        exclude_outside: whether places beyond the edge are left out of the mean instead.
        name: instead of upsample1, …

    Raises:
        ArgumentError: an argument out of its range.

    Source: https://onnx.ai/onnx/operators/onnx__Resize.html
    """

    prefix: ClassVar[str] = "upsample"

    size: int | tuple[int, ...]
    mode: str = "linear"
    scale: float | tuple[float, ...] | None = None
    positions: str = field(default="half_pixel", kw_only=True)
    rounding: str = field(default="round_prefer_floor", kw_only=True)
    cubic: float = field(default=-0.75, kw_only=True)
    antialias: bool = field(default=False, kw_only=True)
    exclude_outside: bool = field(default=False, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self, "antialias", "exclude_outside")
        sizes = self.size if isinstance(self.size, tuple) else (self.size,)
        if not sizes or not all(is_whole(size, 1) for size in sizes):
            raise ArgumentError(f"Resize: size must be whole numbers ≥ 1, got {self.size!r}")
        scales = self.scale if isinstance(self.scale, tuple) else (self.scale,)
        if self.scale is not None and not all(is_finite(s) and s > 0 for s in scales):
            raise ArgumentError(f"Resize: scale must be numbers above 0, got {self.scale!r}")
        if not is_finite(self.cubic):
            raise ArgumentError(f"Resize: cubic must be a number, got {self.cubic!r}")
        for name, known in (
            ("mode", ("nearest", *_REACH)),
            ("positions", tuple(POSITIONS)),
            ("rounding", tuple(ROUNDINGS)),
        ):
            if getattr(self, name) not in known:
                raise ArgumentError(
                    f"Resize: {name} must be one of {', '.join(known)}, got {getattr(self, name)!r}"
                )

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        channels_of(self, shape, len(shape) - 2)
        inside = shape[2:]
        sizes = self._each("sizes", self.size, len(inside))
        pairs = zip(sizes, inside, strict=True)
        ratios = tuple(there / here for there, here in pairs)
        scales = ratios if self.scale is None else self._each("scales", self.scale, len(inside))
        rows = [
            None if here == there and scale == 1 else self._rows(here, int(there), scale)
            for here, there, scale in zip(inside, sizes, scales, strict=True)
        ]
        equation = resampled(shape, rows)
        return Declaration(equation, given=matrices(equation))

    def _each(self, what: str, given: float | tuple[float, ...], rank: int) -> tuple[float, ...]:
        """One number for each axis."""
        listed = given if isinstance(given, tuple) else (given,) * rank
        if len(listed) != rank:
            raise ShapeError(
                f"has {len(listed)} {what} for {rank} axes of places", f"Give one, or {rank}"
            )
        return listed

    def _rows(self, here: int, there: int, scale: float) -> tuple[Row, ...]:
        """What each of `there` positions takes of `here` positions."""
        place = POSITIONS[self.positions]
        return tuple(self._row(place(y, scale, here, there), here, scale) for y in range(there))

    def _row(self, place: float, size: int, scale: float) -> Row:
        """What one position takes."""
        if self.mode == "nearest":
            return row_of([(ROUNDINGS[self.rounding](place), 1.0)], size)
        shrunk = min(scale, 1.0) if self.antialias else 1.0
        reach = _REACH[self.mode] / shrunk
        around = range(floor(place - reach) + 1, ceil(place + reach))
        taken = [(at, self._kernel((at - place) * shrunk)) for at in around]
        if self.exclude_outside:
            taken = [(at, number) for at, number in taken if 0 <= at < size]
        total = sum(number for _, number in taken)
        return row_of([(at, number / total) for at, number in taken], size)

    def _kernel(self, t: float) -> float:
        """How much is taken of an element at the distance t."""
        t, a = abs(t), self.cubic
        if self.mode == "linear":
            return max(0.0, 1 - t)
        if t <= 1:
            return ((a + 2) * t - (a + 3)) * t * t + 1
        return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a if t < 2 else 0.0
