"""The matrix product of two activations, sample by sample."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation import Array, contraction, index, term
from ..equation.frozen import frozen
from ..errors import ShapeError
from .layer import Declaration, Layer, Shape, canonical, times

A, B, Z = map(Array, "ABZ")

_BATCH = ("g",)
"""The indices of the axes between the samples and the matrices."""


@final
@call_example("gt.MatMul()")
@frozen
class MatMul(Layer):
    """Multiplies the matrices on the last two axes of two arrays.

    Shapes: A (N, …, I, K) and B (N, …, K, J) give Z (N, …, I, J); the axes between the samples and
    the matrices are the same of both.

    Forward:
        Z[n,i,j] = Σ_{k} A[n,i,k]·B[n,k,j]

    Adjoints:
        dA[n,i,k] = Σ_{j} dZ[n,i,j]·B[n,k,j]
        dB[n,k,j] = Σ_{i} A[n,i,k]·dZ[n,i,j]

    With transpose_b, as attention multiplies queries and keys:
        Z[n,g,i,j] = Σ_{k} A[n,g,i,k]·B[n,g,j,k]

    Args:
        transpose_a: whether the first array's matrices are (K, I).
        transpose_b: whether the second array's matrices are (J, K).
        name: instead of matmul1, …

    Raises:
        ArgumentError: a flag that is neither True nor False.
    """

    prefix: ClassVar[str] = "matmul"
    takes: ClassVar[tuple[int, int]] = (2, 2)

    transpose_a: bool = field(default=False, kw_only=True)
    transpose_b: bool = field(default=False, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self, "transpose_a", "transpose_b")

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; two inputs of one rank, (N, …, I, K) and (N, …, K, J)."""
        one, other = sources
        first, second = one[1:], other[1:]
        if len(first) not in (2, 3) or len(second) != len(first) or first[:-2] != second[:-2]:
            raise ShapeError(
                "multiplies matrices on the last two axes of samples with 2 or 3 axes that are the "
                f"same before those, but gets {times(first)} and {times(second)}"
            )
        summed = first[-2 if self.transpose_a else -1], second[-1 if self.transpose_b else -2]
        if summed[0] != summed[1]:
            raise ShapeError(
                f"sums over {summed[0]} columns of the first array but over {summed[1]} rows of "
                f"the second: {times(first)} and {times(second)}",
                "Set transpose_a or transpose_b, or give arrays that fit",
            )
        n, i, j, k = map(index, "nijk")
        before = (n, *map(index, _BATCH[: len(first) - 2]))
        a = A[(*before, k, i)] if self.transpose_a else A[(*before, i, k)]
        b = B[(*before, j, k)] if self.transpose_b else B[(*before, k, j)]
        product = term(Z[(*before, i, j)], a, b)
        equation = contraction(product, ranges={}, shapes={"A": one, "B": other})
        return Declaration(equation, sources=("A", "B"))
