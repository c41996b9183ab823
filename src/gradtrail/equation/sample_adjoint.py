"""The share that each sample has in a gradient, and sums over some of the samples.

    adjoint      dW[k,c,i,j]   = Σ_{n,y,x} dZ[n,k,y,x]·X[n,c,y·s+i,x·s+j]
    per sample   dW[n,k,c,i,j] = Σ_{y,x}   dZ[n,k,y,x]·X[n,c,y·s+i,x·s+j]

What is summed is the same, so the shares add up to the gradient: it is the adjoint with the sample
on its left side, too.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import EquationError
from .affine import index
from .kinds import Contraction


def of_samples(equation: Contraction, count: int, sample: str = "n") -> Contraction:
    """The same sums over so many samples, where samples do not meet otherwise.

    Args:
        equation: any contraction.
        count: how many.
        sample: the index that runs over the samples.

    Returns:
        The same terms, scales such as 1/N included; the sample's range and the arrays that show it
        on their first axis are shorter.
    """
    if equation.range_of.get(sample, count) == count:
        return equation
    shown = {
        access.array
        for t in equation.terms
        for access in t.accesses
        if access.positions and access.positions[0].plain == sample
    }
    ranges = tuple((n, count if n == sample else size) for n, size in equation.ranges)
    shapes = tuple((a, (count, *s[1:]) if a in shown else s) for a, s in equation.shapes)
    return replace(equation, ranges=ranges, shapes=shapes)


def per_sample(equation: Contraction, sample: str = "n") -> Contraction:
    """A contraction that sums over samples, with one target element for each of them.

    Args:
        equation: such as the adjoint towards a parameter.
        sample: the index that runs over the samples.

    Returns:
        The same terms with the sample's index as the target's first; where that had shape S, it
        has (N, *S).

    Raises:
        EquationError: a term that does not sum over the samples.
    """
    for t in equation.terms:
        if sample not in t.summed:
            raise EquationError(
                f"{t.target.array} has no sum over {sample}; its terms sum over "
                f"{', '.join(t.summed) or 'no index'}, so they cannot be told apart by sample"
            )
    terms = tuple(
        replace(
            t,
            target=replace(
                t.target,
                positions=(index(sample), *t.target.positions),
                padding=((0, 0), *t.target.padding) if t.target.padding else (),
            ),
        )
        for t in equation.terms
    )
    letter, count = equation.target.array, equation.range_of[sample]
    shapes = {**equation.shape_of, letter: (count, *equation.shape_of[letter])}
    return Contraction.of(terms, equation.range_of, shapes)
