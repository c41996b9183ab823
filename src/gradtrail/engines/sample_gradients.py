"""The gradients of single samples, held as what an engine sums them from.

For a parameter W and sample n, `g[n]` is N times the sample's share of the batch's gradient:

    dW[k,c,i,j]  = Σ_{n,y,x} dZ[n,k,y,x]·X[n,c,y+i,x+j]     of the mean loss of N samples
    g[n,k,c,i,j] = N·Σ_{y,x} dZ[n,k,y,x]·X[n,c,y+i,x+j]

So the mean of g over n is the batch's gradient. Where samples do not meet on their way through the
network, and all count the same, g[n] is the gradient of sample n by itself. Batch norm in training
lets them meet: there g[n] is the share of the products that lie at sample n.

All samples' gradients of a weight are N times as many numbers as the weight has. Those of a linear
layer are outer products, `dW[n,k,f] = dZ[n,k]·X[n,f]`, and stay the two factors until asked
for; norms and inner products follow from the factors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from ..checking.arguments import is_whole
from ..errors import ArgumentError, UnknownNameError, unknown

_NEAR = 1 << 17
"""How many numbers are squared at a time, so that they stay in the caches."""


class ParameterShares(ABC):
    """All samples' shares in one parameter's gradient."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The parameter's."""

    @abstractmethod
    def made(self, count: int) -> np.ndarray:
        """The gradients of the first `count` samples, N times their shares: (N, *shape), new."""

    @abstractmethod
    def total(self, count: int) -> np.ndarray:
        """The sum of the shares, (*shape)."""

    @abstractmethod
    def squares(self, count: int, axis: int | None) -> np.ndarray:
        """Each share's sum of squares in float64, (N, size of the axis) or, for None, (N, 1)."""

    @abstractmethod
    def products(self, count: int, direction: np.ndarray, axis: int | None) -> np.ndarray:
        """Each share's inner products with an array of the parameter's shape, as `squares`."""


@final
@dataclass(frozen=True, eq=False)
class StoredShares(ParameterShares):
    """Shares that were summed over positions, L samples side by side.

    Args:
        blocks: (B, *shape, L); sample n stands at block ⌊n/L⌋, lane n mod L.
    """

    blocks: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """See `ParameterShares.shape`."""
        return self.blocks.shape[1:-1]

    def made(self, count: int) -> np.ndarray:
        """See `ParameterShares.made`."""
        moved = np.moveaxis(self.blocks, -1, 1)
        rows = np.multiply(moved, count, order="C", dtype=self.blocks.dtype)
        return np.asarray(rows.reshape(-1, *self.shape)[:count])

    def total(self, count: int) -> np.ndarray:
        """See `ParameterShares.total`."""
        whole, left = divmod(count, self.blocks.shape[-1])
        total = self.blocks[:whole].sum(axis=(0, -1), dtype=np.float64)
        total += self.blocks[whole : whole + 1, ..., :left].sum(axis=(0, -1), dtype=np.float64)
        return np.asarray(total, self.blocks.dtype)

    def squares(self, count: int, axis: int | None) -> np.ndarray:
        """See `ParameterShares.squares`."""
        grouped = self._grouped(axis)
        _, kept, others, lanes = grouped.shape
        found = np.empty((len(grouped), kept, lanes))
        step = max(1, _NEAR // (others * lanes))
        wide = np.empty((min(step, kept), others, lanes))
        for block, sums in zip(grouped, found, strict=True):
            for begin in range(0, kept, step):
                part = block[begin : begin + step]
                np.copyto(wide[: len(part)], part)
                np.einsum("kel,kel->kl", *[wide[: len(part)]] * 2, out=sums[begin : begin + step])
        return self._finished(found, count, axis)

    def products(self, count: int, direction: np.ndarray, axis: int | None) -> np.ndarray:
        """See `ParameterShares.products`."""
        grouped = self._grouped(axis)
        along = np.moveaxis(direction, axis or 0, 0) if direction.ndim else direction
        along = along.reshape(grouped.shape[1], 1, -1).astype(self.blocks.dtype, copy=False)
        return self._finished(np.matmul(along, grouped)[:, :, 0], count, axis)

    def _grouped(self, axis: int | None) -> np.ndarray:
        """(B, size of the axis, everything else, L); of the first axis for None."""
        kept = axis or 0
        blocks = np.moveaxis(self.blocks, kept + 1, 1) if self.shape else self.blocks[:, None]
        return blocks.reshape(*blocks.shape[:2], -1, blocks.shape[-1])

    def _finished(self, found: np.ndarray, count: int, axis: int | None) -> np.ndarray:
        """(B, size of the axis, L) by sample, in float64; the axis added up for None."""
        wide = _by_sample(found, count).astype(np.float64, copy=False)
        return np.asarray(wide.sum(axis=1, keepdims=True) if axis is None else wide)


@final
@dataclass(frozen=True, eq=False)
class OuterShares(ParameterShares):
    """Shares that are outer products: `dW[n,k,f] = dZ[n,k]·X[n,f]`.

    Args:
        deltas: dZ, (B, K, L); sample n stands at block ⌊n/L⌋, lane n mod L.
        inputs: X, (B, F, L).
    """

    deltas: np.ndarray
    inputs: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """See `ParameterShares.shape`."""
        return (self.deltas.shape[1], self.inputs.shape[1])

    def made(self, count: int) -> np.ndarray:
        """See `ParameterShares.made`."""
        inputs = _by_sample(self.inputs, count)
        deltas = np.multiply(_by_sample(self.deltas, count), count, dtype=inputs.dtype)
        return np.asarray(deltas[:, :, None] * inputs[:, None, :])

    def total(self, count: int) -> np.ndarray:
        """See `ParameterShares.total`."""
        return np.asarray(_by_sample(self.deltas, count).T @ _by_sample(self.inputs, count))

    def squares(self, count: int, axis: int | None) -> np.ndarray:
        """See `ParameterShares.squares`: ‖dZ‖²·‖X‖²."""
        found = []
        for own, factor in enumerate((self.deltas, self.inputs)):
            squared = np.square(factor, dtype=np.float64)
            squared = squared if own == axis else squared.sum(axis=1, keepdims=True)
            found.append(_by_sample(squared, count))
        return np.asarray(found[0] * found[1])

    def products(self, count: int, direction: np.ndarray, axis: int | None) -> np.ndarray:
        """See `ParameterShares.products`: dZᵗ·D·X."""
        direction = direction.astype(self.deltas.dtype, copy=False)
        deltas, inputs = _by_sample(self.deltas, count), _by_sample(self.inputs, count)
        along = inputs * (deltas @ direction) if axis == 1 else deltas * (inputs @ direction.T)
        wide = along.astype(np.float64)
        return np.asarray(wide.sum(axis=1, keepdims=True) if axis is None else wide)


@final
class SampleGradients(Mapping[str, np.ndarray]):
    """Each sample's gradient of every parameter: `g["conv1.weight"]` is (N, K, C, R, S).

    An array is made when it is asked for, anew each time. What is asked here instead is found
    without making any. A sample whose gradient is not finite has norms and products that are not.

    Args:
        parts: parameter → the samples' shares.
        count: N.
        owner: what the parts' memory belongs to, if to something.
    """

    def __init__(
        self, parts: Mapping[str, ParameterShares], count: int, owner: object = None
    ) -> None:
        self._parts, self._count, self._owner = dict(parts), count, owner

    @np.errstate(all="ignore")
    def __getitem__(self, name: str) -> np.ndarray:
        return self._part(name).made(self._count)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._parts

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __repr__(self) -> str:
        shown = ", ".join(f"{n} {(self._count, *p.shape)}" for n, p in self._parts.items())
        return f"SampleGradients({shown})"

    @property
    def count(self) -> int:
        """N, how many samples there are."""
        return self._count

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Parameter → the shape of one sample's gradient."""
        return {name: part.shape for name, part in self._parts.items()}

    @np.errstate(all="ignore")
    def mean(self) -> dict[str, np.ndarray]:
        """The batch's gradient of every parameter, (*shape)."""
        return {name: part.total(self._count) for name, part in self._parts.items()}

    @np.errstate(all="ignore")
    def norms(self, names: str | Iterable[str] | None = None) -> np.ndarray:
        """The Euclidean norm of each sample's gradient, (N,) float64.

        Args:
            names: of the parameters that it is over, or one of them; None for all.

        Raises:
            UnknownNameError: no parameter is called so.
        """
        total = np.zeros(self._count)
        for name in self if names is None else _several(names):
            total += self._part(name).squares(self._count, None)[:, 0]
        return np.asarray(self._count * np.sqrt(total))

    @np.errstate(all="ignore")
    def norms_of(self, name: str, axis_kept: int | None = 0) -> np.ndarray:
        """The norms for one parameter, along one of its axes.

        Args:
            name: the parameter's.
            axis_kept: the axis that is not summed over, such as 0 for a weight's output channels;
                None sums over all.

        Returns:
            (N, size of the axis) float64; (N,) for None.

        Raises:
            UnknownNameError: no parameter is called so.
            ArgumentError: it has no such axis, or it is no whole number.
        """
        part = self._part(name)
        axis = _axis(name, part, axis_kept)
        found = self._count * np.sqrt(part.squares(self._count, axis))
        return np.asarray(found[:, 0] if axis is None else found)

    def dots(
        self, direction: Mapping[str, np.ndarray], names: str | Iterable[str] | None = None
    ) -> np.ndarray:
        """The inner product of each sample's gradient with a direction, (N,) float64.

        Args:
            direction: parameter → array of its shape, such as another batch's gradient; it may
                have other arrays, too, as `t.grad` has.
            names: of the parameters that it is over, or one of them; None for all of the
                direction's.

        Raises:
            UnknownNameError: no parameter is called so, or the direction lacks one, or all.
            ArgumentError: an array of another shape than the parameter's.
        """
        total = np.zeros(self._count)
        if names is None:
            names = [name for name in direction if name in self]
            if self and direction and not names:
                raise UnknownNameError(unknown("parameter", next(iter(direction)), self))
        for name in _several(names):
            if name not in direction:
                raise UnknownNameError(unknown("array of the direction", name, direction))
            total += self.dots_of(name, direction[name], None)
        return total

    @np.errstate(all="ignore")
    def dots_of(self, name: str, direction: np.ndarray, axis_kept: int | None = 0) -> np.ndarray:
        """The inner products for one parameter, along one of its axes.

        Args:
            name: the parameter's.
            direction: of its shape.
            axis_kept: as in `norms_of`.

        Returns:
            (N, size of the axis) float64; (N,) for None.

        Raises:
            UnknownNameError: no parameter is called so.
            ArgumentError: it has no such axis, or another shape.
        """
        part, direction = self._part(name), np.asarray(direction)
        if direction.shape != part.shape:
            raise ArgumentError(
                f"the direction for {name} must have its shape {part.shape}, got {direction.shape}"
            )
        axis = _axis(name, part, axis_kept)
        found = self._count * part.products(self._count, direction, axis)
        return np.asarray(found[:, 0] if axis is None else found)

    def _part(self, name: str) -> ParameterShares:
        if name not in self:
            raise UnknownNameError(unknown("parameter", name, self._parts))
        return self._parts[name]


def _axis(name: str, part: ParameterShares, axis: int | None) -> int | None:
    """An axis counted from the front."""
    if axis is None:
        return None
    rank = len(part.shape)
    if not is_whole(axis) or not -rank <= axis < rank:
        raise ArgumentError(
            f"axis_kept must be None or from 0 to {rank - 1}, as {name} has shape {part.shape}; "
            f"got {axis!r}"
        )
    return int(axis) % rank


def _several(names: str | Iterable[str]) -> Iterable[str]:
    """Names, of which one may stand alone."""
    return (names,) if isinstance(names, str) else names


def _by_sample(blocks: np.ndarray, count: int) -> np.ndarray:
    """(B, *shape, L) as rows of samples, (N, *shape)."""
    rows = np.moveaxis(blocks, -1, 1).reshape(-1, *blocks.shape[1:-1])
    return rows[:count]
