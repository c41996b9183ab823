"""Pooling to a size: as many windows as are asked for, which need not be equally wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any, ClassVar, final

from ..checking.arguments import is_whole
from ..checking.calls import call_example
from ..equation import (
    Affine,
    Array,
    Number,
    Sparse,
    contraction,
    count,
    index,
    indices,
    selection,
    term,
)
from ..equation.access import Row
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .layer import Declaration, Layer, Shape, canonical, channels_of
from .resampling import MATRICES, matrices, resampled
from .windows import INPUTS, OFFSETS, OUTPUTS

X, Z = Array("X"), Array("Z")

OutputSize = int | None | tuple[int | None, ...]
"""How many windows, for all axes or for each; None is as many as there are positions."""


@frozen
class AdaptivePool(Layer):
    """What pooling to a size shares; `rank` is the number of spatial axes."""

    prefix: ClassVar[str] = "pool"
    rank: ClassVar[int]

    output_size: OutputSize
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self)
        given: Any = self.output_size
        listed = given if isinstance(given, tuple) else (given,) * self.rank
        if len(listed) != self.rank or not all(s is None or is_whole(s, 1) for s in listed):
            raise ArgumentError(
                f"{self.kind}: output_size must be a whole number ≥ 1 or None"
                f"{f', or {self.rank} of them' if self.rank > 1 else ''}, got {given!r}"
            )

    def sizes(self, shape: Shape) -> tuple[int, ...]:
        """How many windows each axis has.

        Raises:
            ShapeError: an input of another number of axes.
        """
        channels_of(self, shape, self.rank)
        given: Any = self.output_size
        listed = given if isinstance(given, tuple) else (given,) * self.rank
        return tuple(s if s is not None else n for s, n in zip(listed, shape[2:], strict=True))


def _windows(size: int, count: int, share: bool) -> tuple[Row, ...]:
    """The windows of one axis: from ⌊y·H/H′⌋ to before ⌈(y + 1)·H/H′⌉."""
    ends = ((y * size // count, -(-(y + 1) * size // count)) for y in range(count))
    return tuple(
        (start, (1 / (end - start) if share else 1.0,) * (end - start)) for start, end in ends
    )


@frozen
class _Equal:
    """Windows side by side and equally wide, where sizes divide: positions and ranges."""

    positions: tuple[Affine, ...]
    ranges: dict[str, int]
    offsets: tuple[str, ...]


def _equal(shape: Sequence[int], sizes: Sequence[int]) -> _Equal | None:
    """The windows, or None where some are wider than others."""
    if any(size % count for size, count in zip(shape, sizes, strict=True)):
        return None
    rank = len(shape)
    outputs, offsets = OUTPUTS[3 - rank :], OFFSETS[3 - rank :]
    widths = [size // count for size, count in zip(shape, sizes, strict=True)]
    alike = len(set(widths)) == 1
    positions = tuple(
        index(y) * Number(width, "s" if alike else f"s_{y}") + index(i)
        for y, i, width in zip(outputs, offsets, widths, strict=True)
    )
    ranges = dict(zip(offsets, widths, strict=True)) | dict(zip(outputs, sizes, strict=True))
    return _Equal(positions, ranges, offsets)


@frozen
class AdaptiveAvgPool(AdaptivePool):
    """What average pooling to a size of every rank shares."""

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        sizes = self.sizes(shape)
        equal = _equal(shape[2:], sizes)
        if equal is None:
            pairs = zip(shape[2:], sizes, strict=True)
            rows = [None if size == count else _windows(size, count, True) for size, count in pairs]
            equation = resampled(shape, rows)
            return Declaration(equation, given=matrices(equation))
        n, c = indices("n c")
        z = Z[n, c, *map(index, OUTPUTS[3 - self.rank :])]
        share = count(equal.offsets, equal.ranges).reciprocal()
        mean = term(z, X[n, c, *equal.positions], scale=share)
        return Declaration(contraction(mean, ranges=equal.ranges, shapes={"X": shape}))


@frozen
class AdaptiveMaxPool(AdaptivePool):
    """What max pooling to a size of every rank shares."""

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, H, W)."""
        (shape,) = sources
        sizes = self.sizes(shape)
        equal = _equal(shape[2:], sizes)
        outputs, inputs = OUTPUTS[3 - self.rank :], INPUTS[3 - self.rank :]
        n, c = indices("n c")
        z = Z[n, c, *map(index, outputs)]
        if equal is not None:
            equation = selection(
                z,
                X[n, c, *equal.positions],
                over=equal.offsets,
                winner="A",
                ranges=equal.ranges,
                shapes={"X": shape},
            )
            return Declaration(equation, saved={"A": "winner"})
        within, shapes = [], {"X": shape}
        for axis, (y, h) in enumerate(zip(outputs, inputs, strict=True)):
            letter, size, count = MATRICES[axis + 3 - self.rank], shape[2 + axis], sizes[axis]
            shapes[letter] = (count, size)
            within.append(Sparse(Array(letter)[index(y), index(h)], _windows(size, count, False)))
        equation = selection(
            z,
            X[n, c, *map(index, inputs)],
            over=inputs,
            winner="A",
            within=within,
            ranges=dict(zip(outputs, sizes, strict=True)),
            shapes=shapes,
        )
        return Declaration(equation, saved={"A": "winner"}, given=matrices(equation))


@final
@call_example("gt.AdaptiveAvgPool1d(4)")
@frozen
class AdaptiveAvgPool1d(AdaptiveAvgPool):
    """The mean of each of L′ windows of each channel.

    Shapes: X (N, C, L), Z (N, C, L′).

    Forward, where L′ does not divide L:
        Z[n,c,x] = Σ_{w} V[x,w]·X[n,c,w]

    Adjoints:
        dX[n,c,w] = Σ_{x} V[x,w]·dZ[n,c,x]

    V[x,w] is 1 over the width of window x in it, as in `AdaptiveAvgPool2d`.

    Args:
        output_size: L′; None is L.
        name: instead of pool1, …

    Raises:
        ArgumentError: a size that is none.
    """

    rank: ClassVar[int] = 1


@final
@call_example("gt.AdaptiveAvgPool2d((4, 4))")
@frozen
class AdaptiveAvgPool2d(AdaptiveAvgPool):
    """The mean of each of H′ × W′ windows of each channel, which share the map among them.

    Shapes: X (N, C, H, W), Z (N, C, H′, W′).

    Forward, where H′ and W′ divide H and W:
        Z[n,c,y,x] = (1/(|i|·|j|))·Σ_{i,j} X[n,c,y·s+i,x·s+j]

    Adjoints:
        dX[n,c,y·s+i,x·s+j] = (1/(|i|·|j|))·dZ[n,c,y,x]
        dX[n,c,h,w] = (1/(|i|·|j|))·Σ_{i,j} dZ[n,c,(h−i)/s,(w−j)/s]

    Else window y reaches from ⌊y·H/H′⌋ to before ⌈(y + 1)·H/H′⌉: some are wider than others and
    neighbours may share a row. U[y,h] is 1 over its width there, and there is no product elsewhere:
        Z[n,c,y,x] = Σ_{h,w} U[y,h]·V[x,w]·X[n,c,h,w]
        dX[n,c,h,w] = Σ_{y,x} U[y,h]·V[x,w]·dZ[n,c,y,x]

    Args:
        output_size: H′ and W′, one number or two; None is as many as there are.
        name: instead of pool1, …

    Raises:
        ArgumentError: a size that is none.
    """

    rank: ClassVar[int] = 2


@final
@call_example("gt.AdaptiveAvgPool3d(2)")
@frozen
class AdaptiveAvgPool3d(AdaptiveAvgPool):
    """The mean of each of D′ × H′ × W′ windows of each channel.

    Shapes: X (N, C, D, H, W), Z (N, C, D′, H′, W′).

    Forward, where the sizes do not divide:
        Z[n,c,z,y,x] = Σ_{t,h,w} T[z,t]·U[y,h]·V[x,w]·X[n,c,t,h,w]

    Adjoints:
        dX[n,c,t,h,w] = Σ_{z,y,x} T[z,t]·U[y,h]·V[x,w]·dZ[n,c,z,y,x]

    T, U and V are 1 over the width of a window in it, as in `AdaptiveAvgPool2d`.

    Args:
        output_size: D′, H′ and W′, one number or three; None is as many as there are.
        name: instead of pool1, …

    Raises:
        ArgumentError: a size that is none.
    """

    rank: ClassVar[int] = 3


@final
@call_example("gt.AdaptiveMaxPool1d(4)")
@frozen
class AdaptiveMaxPool1d(AdaptiveMaxPool):
    """The maximum of each of L′ windows of each channel.

    Shapes: X (N, C, L), Z and the winner A (N, C, L′).

    Forward, where L′ does not divide L:
        Z[n,c,x] = max_{w: V[x,w]} X[n,c,w]

    Adjoints:
        dX[n,c,w] = Σ_{x} V[x,w]·[A[n,c,x] = w]·dZ[n,c,x]

    V[x,w] is 1 inside window x, and ties are as in `AdaptiveMaxPool2d`.

    Args:
        output_size: L′; None is L.
        name: instead of pool1, …

    Raises:
        ArgumentError: a size that is none.
    """

    rank: ClassVar[int] = 1


@final
@call_example("gt.AdaptiveMaxPool2d((4, 4))")
@frozen
class AdaptiveMaxPool2d(AdaptiveMaxPool):
    """The maximum of each of H′ × W′ windows of each channel, which share the map among them.

    Shapes: X (N, C, H, W), Z and the winner A (N, C, H′, W′).

    Forward, where H′ and W′ divide H and W:
        Z[n,c,y,x] = max_{i,j} X[n,c,y·s+i,x·s+j]

    Adjoints:
        dX[n,c,y·s+i,x·s+j] = [A[n,c,y,x] = i·|j|+j]·dZ[n,c,y,x]
        dX[n,c,h,w] = Σ_{i,j} [A[n,c,(h−i)/s,(w−j)/s] = i·|j|+j]·dZ[n,c,(h−i)/s,(w−j)/s]

    Else the windows are those of `AdaptiveAvgPool2d`: U[y,h] is 1 inside window y, and the winner
    is counted over the whole map:
        Z[n,c,y,x] = max_{h,w: U[y,h]·V[x,w]} X[n,c,h,w]
        dX[n,c,h,w] = Σ_{y,x} U[y,h]·V[x,w]·[A[n,c,y,x] = h·|w|+w]·dZ[n,c,y,x]

    Ties: the winner is the first maximum in row-major order within the window. A NaN wins. Where
    windows overlap, one input may win several and collects all of them.

    Args:
        output_size: H′ and W′, one number or two; None is as many as there are.
        name: instead of pool1, …

    Raises:
        ArgumentError: a size that is none.
    """

    rank: ClassVar[int] = 2


@final
@call_example("gt.AdaptiveMaxPool3d(2)")
@frozen
class AdaptiveMaxPool3d(AdaptiveMaxPool):
    """The maximum of each of D′ × H′ × W′ windows of each channel.

    Shapes: X (N, C, D, H, W), Z and the winner A (N, C, D′, H′, W′).

    Forward, where the sizes do not divide:
        Z[n,c,z,y,x] = max_{t,h,w: T[z,t]·U[y,h]·V[x,w]} X[n,c,t,h,w]

    Adjoints, the winner counted over the whole volume:
    dX[n,c,t,h,w] = Σ_{z,y,x} T[z,t]·U[y,h]·V[x,w]·[A[n,c,z,y,x] = t·|h|·|w|+h·|w|+w]·dZ[n,c,z,y,x]

    T, U and V are 1 inside a window, and ties are as in `AdaptiveMaxPool2d`.

    Args:
        output_size: D′, H′ and W′, one number or three; None is as many as there are.
        name: instead of pool1, …

    Raises:
        ArgumentError: a size that is none.
    """

    rank: ClassVar[int] = 3
