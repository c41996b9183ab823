"""What one element is: sums of products over points, and the factors that are multiplied there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..arrays.operations import OPERATIONS
from ..equation import Access, Applied, Contraction, Indicator, Node, Term, ways
from ..equation import Factor as EquationFactor
from ..equation.scalar import evaluate_scalar
from .element import Side
from .index_points import Block, Points


@dataclass(frozen=True)
class ArraySum:
    """One sum that an array's elements are, or one of several that are added.

    Args:
        layer: the layer that makes it.
        equation: a contraction whose target is the array.
        arrays: letter → side and name.
        node: the layer's node; None for what is given.
    """

    layer: str
    equation: Contraction
    arrays: Mapping[str, tuple[Side, str]]
    node: Node | None = None


def function_values(factor: Applied, stored: np.ndarray) -> np.ndarray:
    """A function's values, computed in the precision of what is stored, as the engine does.

    Where a slope is smaller than a rounding there, it is 0.

    Args:
        factor: the function.
        stored: its arguments, float32 or float64.

    Returns:
        float64, of the same shape.
    """
    with np.errstate(all="ignore"):
        found = evaluate_scalar(factor.function.body, {"x": stored}, OPERATIONS)
    return np.broadcast_to(np.asarray(found, np.float64), stored.shape)


@dataclass(frozen=True)
class Operand:
    """One factor of a part, with its array.

    Args:
        factor: as the equation has it.
        side: whether it is a value or a gradient.
        name: the array's.
        array: what is stored.
        result: the function's results where they are known better than from what is stored.
        gate: whether a product with a factor of 0 is 0 whatever the others are.
    """

    factor: EquationFactor
    side: Side
    name: str
    array: np.ndarray
    result: np.ndarray | None = None
    gate: bool = False

    @property
    def access(self) -> Access:
        """Which element is read."""
        return self.factor.access

    def places(self, points: Points, block: Block) -> np.ndarray:
        """Where the elements lie in the array as one row, with one axis per group."""
        step, offset = 1, 0
        parts = [np.zeros(size, np.int64) for size in points.sizes]
        positions = zip(reversed(self.access.positions), reversed(self.array.shape), strict=True)
        for position, size in positions:
            offset += step * position.offset.integer
            for axis, group in enumerate(points.groups):
                if any(n in group.names for n in position.names):
                    parts[axis] = parts[axis] + step * group.along(position)
            step *= size
        return points.total(parts, block, offset)

    def values(self, points: Points, block: Block) -> np.ndarray:
        """What is multiplied, float64, one axis per group, of length 1 where it is the same."""
        places = self.places(points, block)
        if self.result is not None:
            return np.asarray(self.result.ravel()[places], np.float64)
        stored: np.ndarray = self.array.ravel()[places]
        if isinstance(self.factor, Indicator):
            value = self.factor.value
            parts = [group.along(value) for group in points.groups]
            wanted = points.total(parts, block, value.offset.integer)
            return np.asarray(stored == wanted, np.float64)
        if isinstance(self.factor, Applied):
            return function_values(self.factor, stored)
        return stored.astype(np.float64)

    def zeros(self, points: Points, block: Block) -> np.ndarray:
        """Where what is multiplied is 0, one axis per group."""
        sizes = tuple(s.stop - s.start for s in block)
        return np.broadcast_to(self.values(points, block) == 0, sizes)

    def element(self, point: Mapping[str, int]) -> tuple[int, ...]:
        """The index that is read at a point."""
        found = self.access.at(point)
        assert found is not None
        return found


@dataclass(frozen=True)
class ElementTerm:
    """One term of a sum for one element: products over its points.

    Args:
        element: which element it adds to.
        sum: the sum it belongs to.
        number: which of the sum's terms it is.
        term: scale and factors.
        points: over what it runs.
        operands: the factors with their arrays.
    """

    element: tuple[int, ...]
    sum: ArraySum
    number: int
    term: Term
    points: Points
    operands: tuple[Operand, ...]

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def scale(self) -> float:
        """The constant factor."""
        return float(self.term.scale.value)

    @cached_property
    def way(self) -> str:
        """Of batch norm's gradient, by which way it leads back; else nothing."""
        node, target = self.sum.node, self.sum.equation.target.array
        if node is None or self.sum.arrays[target][0] != "grad":
            return ""
        known = ways(node.equation, target.removeprefix("d"))
        return known[self.number] if known else ""

    @cached_property
    def gradient(self) -> Operand | None:
        """The factor that is a gradient, by which a gradient's sum is handed on; None without."""
        return next((one for one in self.operands if one.side == "grad"), None)

    def products(self, block: Block, *, local: bool = False) -> np.ndarray:
        """The products of a block, float64, with one axis per group.

        Args:
            block: which points.
            local: leave the gradient out: what each product multiplies it by.
        """
        total = np.full((1,) * len(block), self.scale)
        closed: np.ndarray | None = None
        with np.errstate(all="ignore"):
            for operand in self.operands:
                if local and operand is self.gradient:
                    continue
                values = operand.values(self.points, block)
                total = total * values
                if operand.gate:
                    shut = values == 0
                    closed = shut if closed is None else closed | shut
        if closed is not None:
            total = np.where(closed, 0.0, total)
        return np.broadcast_to(total, tuple(s.stop - s.start for s in block))
