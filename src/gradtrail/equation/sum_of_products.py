"""The sum of products behind every array that an equation defines or saves.

    contraction      itself
    selection        Z[n,c,y,x] = Σ_{i,j} [A[n,c,y,x] = i·S+j]·X[n,c,y·s+i,x·s+j]
    normalisation    Z = γ·U + β,  U = r·X − r·μ,  r = rsqrt(v),
                     μ = (1/M)·Σ X,  v = (1/M)·Σ X·X − (2/M)·Σ X·μ + μ·μ
    loss             L = −(1/N)·Σ T·log P;  L = (1/M)·Σ E;
                     L = (1/M)·Σ Z·Z − (2/M)·Σ Z·T + (1/M)·Σ T·T, with
                     a factor S in each product where samples have weights

So an element of any of them can be asked for its terms, as a gradient can. A maximum's winner and
a softmax are no sums.
"""

from __future__ import annotations

from .access import Applied, Factor, Term
from .equation import Equation
from .kinds import Contraction, LossEquation, Selection
from .number import ONE
from .over_axes import Normalisation
from .scalar import Function, Variable, log, sqrt

LOG = Function("log", log(Variable("x")))
"""The logarithm, as the cross-entropy takes it of its probabilities."""


def sum_of(equation: Equation, letter: str) -> Contraction | None:
    """The sum that an array of an equation is.

    Args:
        equation: any kind.
        letter: of the target, or of what is saved.

    Returns:
        A contraction with this letter as its target; None for what is no sum.
    """
    is_target = letter == equation.target.array
    terms: tuple[Term, ...] = ()
    match equation:
        case Contraction():
            return equation if is_target else None
        case Selection() if is_target:
            factors: tuple[Factor, ...] = (*equation.within, equation.won, equation.source)
            terms = (Term(equation.result, factors),)
        case Normalisation():
            terms = _normalisation(equation, letter)
        case LossEquation() if is_target:
            terms = _loss(equation)
    return Contraction.of(terms, equation.range_of, equation.shape_of) if terms else None


def _normalisation(equation: Normalisation, letter: str) -> tuple[Term, ...]:
    """A normalisation's result and what it saves."""
    result, source, mean = equation.result, equation.source, equation.centre
    normalised = result.to(equation.normalised)
    variance, inverse = equation.statistic, equation.statistic.to(equation.inverse)
    share = equation.count.reciprocal()
    if letter == result.array:
        scale = () if equation.scale is None else (equation.scale,)
        shift = () if equation.shift is None else (Term(result, (equation.shift,)),)
        return (Term(result, (*scale, normalised)), *shift)
    if letter == equation.normalised:
        centre = () if mean is None else (Term(normalised, (inverse, mean), -ONE),)
        return (Term(normalised, (inverse, source)), *centre)
    if letter == equation.inverse:
        rsqrt = Function("rsqrt", 1 / sqrt(Variable("x") + equation.epsilon))
        return (Term(inverse, (Applied(rsqrt, variance),)),)
    if letter == equation.mean:
        return () if mean is None else (Term(mean, (source,), share),)
    if letter == variance.array:
        squares = Term(variance, (source, source), share)
        if mean is None:
            return (squares,)
        twice = Term(variance, (source, mean), -equation.count.reciprocal(2))
        return (squares, twice, Term(variance, (mean, mean)))
    return ()


def _loss(equation: LossEquation) -> tuple[Term, ...]:
    """The loss; the squared error multiplied out."""
    result, source, target = equation.result, equation.source, equation.label
    share = equation.mean.reciprocal()
    if equation.element is not None:
        return (Term(result, (equation.element,), share),)
    if equation.probabilities is not None:
        log_probability = Applied(LOG, source.to(equation.probabilities))
        return (Term(result, (target, log_probability), -share),)
    twice = -equation.mean.reciprocal(2)
    factors = equation.factors
    return (
        Term(result, (*factors, source, source), share),
        Term(result, (*factors, source, target), twice),
        Term(result, (*factors, target, target), share),
    )
