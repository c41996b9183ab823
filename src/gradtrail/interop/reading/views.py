"""Values in other shapes and orders: views, permutations, parts, and several side by side."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from ... import layers as available
from ...errors import ShapeError
from ...layers import Flatten, Layer
from ...layers.joins import Join
from .constants import check_trainable
from .elementwise import Elementwise
from .refusals import Refusal
from .values import BATCH, Expanded, Permuted, Reshaped, Shape, Tensor, Value, Weights


class Rearranging(Elementwise):
    """The part of the builder for what computes nothing; args are those of `Settling`."""

    def shape(self, x: Any) -> Shape:
        """Of one sample, without making a layer of what waits."""
        if not isinstance(x, Value):
            self.tensor(x)
        return tuple(x.shape)

    def axis(self, x: Any, axis: int) -> int:
        """An axis counted from the samples' on, which is none of those below 1 itself.

        Raises:
            Refusal: there is no such axis, or it is that of the samples.
        """
        count = len(self.shape(x)) + 1
        if not -count <= axis < count:
            raise Refusal(f"names axis {axis} of {count}")
        if axis % count == 0:
            raise Refusal(
                f"takes samples together or apart: it names axis {axis}, that of the batch"
            )
        return axis % count

    # -- views ------------------------------------------------------------------------------------

    def flatten(self, x: Any) -> Any:
        """Each sample as one row."""
        if isinstance(x, Reshaped):
            return self.view_as(x, (prod(x.shape),))
        source = self.tensor(x)
        if source.node in self.poolings:
            name = self.graph.nodes[source.node].name or ""
            called = name if name.isidentifier() else None
            whole, pool = self.poolings[source.node]
            return self.layer(pool(), whole, name=called)
        return self.layer(Flatten(), source)

    def reshape(self, x: Any, target: Sequence[Any], declared_batch: int | None = None) -> Any:
        """A view in another shape.

        Args:
            x: what is looked at.
            target: numbers, `BATCH`, and at most one −1 for what is left.
            declared_batch: the batch that the model was made for, where it is a number in it.
        """
        count = prod(self.shape(x))
        first, *rest = target or [0]
        known = all(isinstance(size, int) for size in rest)
        open_ = rest.count(-1)
        if known and open_ == 1 and first in (BATCH, declared_batch, -1):
            others = prod(size for size in rest if size != -1)
            rest = [count // others if size == -1 and others > 0 else size for size in rest]
        whole = first in (BATCH, declared_batch, -1) and open_ <= (first != -1)
        if not known or not whole or prod(rest) != count or any(size < 1 for size in rest):
            shown = ", ".join("N" if size == BATCH else str(size) for size in target)
            raise Refusal(
                f"views samples of {self.shape(x)} as ({shown}); the samples must stay apart: "
                f"(N, {count})"
            )
        return self.view_as(x, tuple(rest))

    def view_as(self, x: Any, shape: Shape) -> Any:
        """A value in another shape with as many elements."""
        if isinstance(x, Permuted) and (shuffled := self._shuffled(x, shape)) is not None:
            return shuffled
        if isinstance(x, Reshaped):
            x = x.base
        if self.shape(x) == shape:
            return x
        if len(shape) == 1:
            return self.flatten(x)
        return Reshaped(self.tensor(x), shape, self.where)

    def squeeze(self, x: Any, axes: Sequence[int]) -> Any:
        """Without some axes of size 1."""
        shape = self.shape(x)
        gone = {self.axis(x, axis) for axis in axes}
        if any(shape[axis - 1] != 1 for axis in gone):
            raise Refusal(f"squeezes axes {sorted(gone)} of samples of {shape}")
        return self.view_as(x, tuple(s for i, s in enumerate(shape, 1) if i not in gone))

    def unsqueeze(self, x: Any, axes: Sequence[int]) -> Any:
        """With more axes of size 1, at places counted among those of the result."""
        shape = self.shape(x)
        count = len(shape) + 1 + len(axes)
        places = {axis % count for axis in axes}
        if len(places) < len(axes) or 0 in places:
            raise Refusal(f"puts axes at {sorted(axes)} into samples of {shape}")
        sizes = iter(shape)
        return self.view_as(
            x, tuple(1 if place in places else next(sizes) for place in range(1, count))
        )

    def expand(self, x: Any, shape: Shape) -> Any:
        """Axes of size 1 repeated, which arithmetic with samples of that shape does by itself."""
        own = self.shape(x)
        if own == shape:
            return x
        if len(own) != len(shape) or any(o not in (1, s) for o, s in zip(own, shape, strict=True)):
            raise Refusal(f"repeats samples of {own} to {shape}")
        return Expanded(self.tensor(x), shape, self.where)

    def _expanded(self, value: Expanded) -> Tensor:
        """The layer for axes that are repeated: each place takes the nearest element."""
        channels, *sizes = value.shape
        if channels != value.base.shape[0] or not 1 <= len(sizes) <= 3:
            raise Refusal(f"repeats samples of {value.base.shape} to {value.shape}")
        layer = available.Upsample(size=tuple(sizes))
        return self.graph.add(layer, [value.base], {}, None, value.where)

    def matmul(self, a: Any, b: Any) -> Any:
        """The product of two matrices on the last axes, or of samples and weights."""
        check_trainable(b)
        if isinstance(b, Weights) and isinstance(a, Value):
            return self.linear(a, replace(b, values=b.values.T), None)
        if not isinstance(a, Value) or not isinstance(b, Value):
            raise Refusal("multiplies a matrix of the model by the samples")
        if len(self.shape(a)) < 2 or len(self.shape(a)) != len(self.shape(b)):
            raise Refusal(f"multiplies samples of {self.shape(a)} by such of {self.shape(b)}")
        flags = [False, False]
        read = [a, b]
        count = len(self.shape(a)) + 1
        turned = (*range(count - 2), count - 1, count - 2)
        for place, value in enumerate(read):
            if isinstance(value, Permuted) and value.dims == turned:
                read[place], flags[place] = value.base, True
        layer = available.MatMul(transpose_a=flags[0], transpose_b=flags[1])
        return self.layer(layer, *read)

    @abstractmethod
    def linear(self, x: Any, weight: Any, bias: Any) -> Any:
        """A linear layer over the last axis: W (K, F), b (K,) or None."""

    # -- orders and parts -------------------------------------------------------------------------

    def permute(self, x: Any, dims: Sequence[int]) -> Any:
        """The axes in another order, all of them named; the samples' must stay the first."""
        count = len(self.shape(x)) + 1
        order = [dim % count for dim in dims]
        if sorted(order) != list(range(count)):
            raise Refusal(f"puts axes in the order {list(dims)}, of which a sample has {count - 1}")
        if order[0] != 0:
            raise Refusal(
                f"puts axes in the order {list(dims)}, where samples are no longer the first"
            )
        if order == list(range(count)):
            return x
        if isinstance(x, Permuted):
            order, x = [x.dims[axis] for axis in order], x.base
            if order == list(range(count)):
                return x
        source = x if isinstance(x, Reshaped) else self.tensor(x)
        shape = tuple(source.shape[axis - 1] for axis in order[1:])
        return Permuted(source, tuple(order), shape, self.where)

    def transpose(self, x: Any, one: int, other: int) -> Any:
        """Two axes exchanged."""
        order = list(range(len(self.shape(x)) + 1))
        one, other = self.axis(x, one), self.axis(x, other)
        order[one], order[other] = order[other], order[one]
        return self.permute(x, order)

    def take(
        self, x: Any, axis: int, start: int | None, stop: int | None, step: int | None = None
    ) -> Any:
        """Some positions of an axis, as Python's slices take them."""
        axis = self.axis(x, axis)
        size = self.shape(x)[axis - 1]
        taken = range(*slice(start, stop, step).indices(size))
        if taken == range(size):
            return x
        if not taken:
            raise Refusal(f"takes none of the {size} positions of axis {axis}")
        bounds = (taken.start, taken.stop if taken.step > 0 or taken.stop >= 0 else None)
        step = None if taken.step == 1 else taken.step
        return self.layer(available.Slice(*bounds, step, axis), x)

    def select(self, x: Any, axis: int, positions: Sequence[int]) -> Any:
        """Positions of an axis in any order; those that a slice would take are one."""
        axis = self.axis(x, axis)
        size = self.shape(x)[axis - 1]
        if not all(-size <= position < size for position in positions):
            raise Refusal(f"takes positions beyond the {size} of axis {axis}")
        found = [int(position) % size for position in positions]
        step = found[1] - found[0] if len(found) > 1 else 1
        if found and step:
            stop = found[-1] + (1 if step > 0 else -1)
            if found == [*range(found[0], stop, step)]:
                return self.take(x, axis, found[0], None if stop < 0 else stop, step)
        return self.layer(available.IndexSelect(tuple(found), axis), x)

    def split(self, x: Any, sizes: Sequence[int], axis: int) -> tuple[Any, ...]:
        """Parts of these lengths, one behind the other."""
        axis = self.axis(x, axis)
        if sum(sizes) != self.shape(x)[axis - 1] or any(size < 1 for size in sizes):
            raise Refusal(f"parts {self.shape(x)[axis - 1]} positions into {list(sizes)}")
        ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
        pairs = zip(sizes, ends, strict=True)
        return tuple(self.take(x, axis, end - size, end) for size, end in pairs)

    def concat(self, values: Sequence[Any], axis: int) -> Tensor:
        """Values side by side along an axis."""
        if not values:
            raise Refusal("joins nothing")
        axis = self.axis(values[0], axis)
        read = [self.tensor(value) for value in values]
        if len(read) == 1:
            return read[0]
        if axis == 1:
            return self._joined(read)
        order = list(range(len(read[0].shape) + 1))
        order[1], order[axis] = axis, 1
        turned = [self.permute(value, order) for value in read]
        joined: Tensor = self.tensor(self.permute(self._joined(turned), order))
        return joined

    def _joined(self, values: Sequence[Any]) -> Tensor:
        """Channels one after another; more arrays than one layer takes are joined in groups."""
        most = Join.takes[1]
        groups = [values[start : start + most] for start in range(0, len(values), most)]
        parts = [self.layer(Join(), *g) if len(g) > 1 else self.tensor(g[0]) for g in groups]
        return parts[0] if len(parts) == 1 else self._joined(parts)

    # -- what waited ------------------------------------------------------------------------------

    def _reshaped(self, value: Reshaped) -> Tensor:
        """The layer for a view."""
        layer: Layer = available.Reshape(value.shape)
        try:
            layer.declare((1, *value.base.shape), training=False)
        except ShapeError:  # one that no step does: by way of a row
            flat = self.graph.add(Flatten(), [value.base], {}, None, value.where)
            return self.graph.add(layer, [flat], {}, None, value.where)
        return self.graph.add(layer, [value.base], {}, None, value.where)

    def _permuted(self, value: Permuted) -> Tensor:
        """The layer for axes in another order."""
        layer = available.Permute(value.dims)
        return self.graph.add(layer, [self.tensor(value.base)], {}, None, value.where)

    def _shuffled(self, x: Permuted, shape: Shape) -> Any:
        """A shuffle, if that is what a view of exchanged axes is; else None.

        Channels viewed as (groups, C/groups), exchanged and viewed as one again are shuffled;
        channels viewed as (C, r, r) whose factors go behind the rows and columns are spread over
        pixels, and the other way round.
        """
        if not isinstance(x.base, Reshaped):
            return None
        before, seen, dims = x.base.base, x.base.shape, x.dims
        layer: Layer | None = None
        rest = tuple(range(3, len(seen) + 1))
        if dims == (0, 2, 1, *rest) and shape == before.shape == (seen[0] * seen[1], *seen[2:]):
            layer = available.ChannelShuffle(seen[0])
        elif len(seen) == 5 and len(before.shape) == 3:
            if dims == (0, 1, 4, 2, 5, 3) and seen[1] == seen[2]:
                layer = available.PixelShuffle(seen[1])
            elif dims == (0, 1, 3, 5, 2, 4) and seen[2] == seen[4]:
                layer = available.PixelUnshuffle(seen[2])
        if layer is None:
            return None
        found = layer.declare((1, *before.shape), training=False).equation
        fits = found.shape_of[found.target.array][1:] == shape
        return self.layer(layer, before) if fits else None
