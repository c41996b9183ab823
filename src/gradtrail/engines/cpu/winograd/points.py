"""The matrices of F(m×m, 3×3), from points, in exact fractions.

A polynomial of degree m + 1 is fixed by its values at m + 1 points and its leading coefficient,
the "value at infinity". So a product of polynomials is one multiplication per point: evaluate both
factors (`Aᵀ` is m × α and `G` α × 3, rows or columns `[1, a, a², …]`), multiply, interpolate
(Lagrange). Transposed, the same three matrices correlate α = m + 2 neighbours x with 3 weights w:

    z = Aᵀ·[(G·w) ⊙ (Bᵀ·x)]            z[y] = Σ_i w[i]·x[y+i],  y < m

with α multiplications in place of 3·m. In two dimensions every matrix acts on rows and on columns.

Source: Toom 1963, Cook 1966; Winograd, "Arithmetic Complexity of Computations", 1980; Lavin & Gray,
"Fast Algorithms for Convolutional Neural Networks", 2015, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from math import prod

from ....equation.frozen import frozen
from ....errors import ArgumentError

Matrix = tuple[tuple[Fraction, ...], ...]

_HALF = Fraction(1, 2)
_POINTS = {2: (0, 1, -1), 4: (0, 1, -1, _HALF, -2)}
"""m → finite points. ½ and −2 have the errors of ±2 or ±½ divided by 1.6, for four more additions.

Source: Barabasz, Anderson, Soodhalter & Gregg, "Error Analysis and Improving the Accuracy of
Winograd Convolution for Deep Neural Networks", 2020, table 2.
"""


@frozen
class Transforms:
    """The matrices of F(m, 3) in one dimension, α = m + 2.

    Args:
        input: Bᵀ, α × α: applied to α neighbours of the input.
        weights: G, α × 3: applied to the kernel.
        output: Aᵀ, m × α: makes m outputs of α products.
    """

    input: Matrix
    weights: Matrix
    output: Matrix


@cache
def transforms(m: int) -> Transforms:
    """The matrices that make m outputs at once, 2 or 4.

    Bᵀ holds the polynomials `Π_{b≠a} (x − b)` without their denominators, which stand in G: so the
    transform of the input, the one that runs most, multiplies by few numbers.

    Raises:
        ArgumentError: m is neither.
    """
    if m not in _POINTS:
        raise ArgumentError(f"Winograd's m must be 2 or 4 outputs a side, got {m}")
    points = [Fraction(p) for p in _POINTS[m]]
    alpha = m + 2
    rows, weights = [], []
    for a in points:
        others = [b for b in points if b != a]
        denominator = prod((a - b for b in others), start=Fraction(1))
        rows.append((*_with_roots(others), Fraction(0)))
        weights.append(tuple(a**i / denominator for i in range(3)))
    rows.append(_with_roots(points))  # infinity
    weights.append((Fraction(0), Fraction(0), Fraction(1)))
    output = tuple((*(a**i for a in points), Fraction(i == m - 1)) for i in range(m))
    assert all(len(row) == alpha for row in (*rows, *output))
    return Transforms(tuple(rows), tuple(weights), output)


def transposed(matrix: Matrix) -> Matrix:
    """Rows as columns."""
    return tuple(zip(*matrix, strict=True))


def _with_roots(roots: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The coefficients of Π (x − root), the constant first."""
    found = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *found], [*(root * c for c in found), Fraction(0)]
        found = [a - b for a, b in zip(shifted, scaled, strict=True)]
    return tuple(found)
