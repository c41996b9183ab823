"""Backpropagation read off the equation: the adjoint towards each operand, always a contraction.

    forward     Z[n,k,y,x] = Σ_{c,i,j} W[k,c,i,j]·X[n,c,y·s+i,x·s+j]
    towards W   dW[k,c,i,j] = Σ_{n,y,x} dZ[n,k,y,x]·X[n,c,y·s+i,x·s+j]
    towards X   dX[n,c,y·s+i,x·s+j] += Σ_k W[k,c,i,j]·dZ[n,k,y,x]           scatter, as read off
                dX[n,c,h,w] = Σ_{k,i,j} W[k,c,i,j]·dZ[n,k,(h−i)/s,(w−j)/s]  gather, solved for y, x

The gradient of an array `A` is `dA`. `scatter` is what `adjoint` gives; `gather` rewrites it for
a loop over the operand's own positions, where a quotient that is uneven has no term: with stride s
position h is reached only from offsets i ≡ h + p mod s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..errors import EquationError
from .access import Access, Applied, Factor, Indicator, Sparse, Term
from .affine import Affine, index
from .equation import Equation
from .kinds import Contraction, LossEquation, Selection
from .number import ONE
from .over_axes import Normalisation, SoftmaxEquation

_PARTNERS = {"y": "h", "x": "w", "z": "t", "h": "y", "w": "x", "t": "z"}


def adjoint(equation: Equation, operand: str) -> Contraction:
    """The gradient with respect to one operand, given the one with respect to the target.

    Args:
        equation: any kind.
        operand: one of `equation.operands`.

    Returns:
        A contraction with target `d<operand>`, in scatter form.

    Raises:
        EquationError: the equation does not read `operand`, or is not differentiated by it.
    """
    if operand not in equation.operands:
        raise EquationError(
            f"{equation.target.array} does not read {operand}; it reads "
            f"{', '.join(equation.operands)}"
        )
    terms: tuple[Term, ...] = ()
    match equation:
        case Contraction():
            terms = tuple(one for t in equation.terms for one in _exchanged(t, operand))
        case Selection():
            factors: tuple[Factor, ...] = (*equation.within, equation.won, _d(equation.result))
            terms = (Term(_d(equation.source), factors),)
        case Normalisation():
            terms = _normalisation(equation, operand)
        case SoftmaxEquation():
            terms = _softmax(equation)
        case LossEquation():
            terms = _loss(equation, operand)
    if not terms:
        raise EquationError(
            f"{operand} says which element won or how much is taken; nothing is differentiated "
            "by it"
        )
    gradients = {"d" + letter: shape for letter, shape in equation.shapes}
    return Contraction.of(terms, equation.range_of, {**gradients, **equation.shape_of})


def _exchanged(t: Term, operand: str) -> Iterator[Term]:
    """The roles of target and operand exchanged, once per occurrence (the product rule)."""
    for place, factor in enumerate(t.factors):
        if factor.access.array != operand or isinstance(factor, Indicator | Sparse):
            continue
        before, behind = t.factors[:place], t.factors[place + 1 :]
        slope: tuple[Factor, ...] = ()
        if isinstance(factor, Applied):
            slope = (Applied(factor.function.derivative, factor.access),)
        yield Term(_d(factor.access), (*before, *slope, _d(t.target), *behind), t.scale)


def ways(equation: Equation, operand: str) -> tuple[str, ...]:
    """By which way each term of an adjoint leads back; empty where all lead directly.

    Args:
        equation: a layer's.
        operand: the letter towards which its adjoint goes.
    """
    if isinstance(equation, SoftmaxEquation):
        return ("directly", "by the sum")
    if not isinstance(equation, Normalisation) or operand != equation.source.array:
        return ()
    centred = () if equation.mean is None else ("by the mean",)
    return ("directly", *centred, "by the variance")


def _normalisation(equation: Normalisation, operand: str) -> tuple[Term, ...]:
    """Towards X the terms are those of `ways`; the mean's is there where there is a mean."""
    dz, normalised = _d(equation.result), equation.result.to(equation.normalised)
    if equation.scale is not None and operand == equation.scale.array:
        return (Term(_d(equation.scale), (dz, normalised)),)
    if equation.shift is not None and operand == equation.shift.array:
        return (Term(_d(equation.shift), (dz,)),)
    dx, inverse = _d(equation.source), equation.statistic.to(equation.inverse)
    scale = () if equation.scale is None else (equation.scale,)
    share, there = -equation.count.reciprocal(), equation.elsewhere
    scale_there, dz_there, normalised_there = (
        tuple(access.rename(there) for access in accesses)
        for accesses in (scale, (dz,), (normalised,))
    )
    mean = Term(dx, (*scale_there, inverse, *dz_there), share)
    variance = (*scale_there, inverse, normalised, *dz_there, *normalised_there)
    return (
        Term(dx, (*scale, inverse, dz)),
        *(() if equation.mean is None else (mean,)),
        Term(dx, variance, share),
    )


def _softmax(equation: SoftmaxEquation) -> tuple[Term, ...]:
    """dX = Z·dZ − Z·Σ Z′·dZ′, or of the logarithm dX = dZ − exp(Z)·Σ dZ′; read off the result."""
    dx, dz, own = _d(equation.source), _d(equation.result), equation.probability
    there = dz.rename(equation.elsewhere)
    if equation.log:
        return (Term(dx, (dz,)), Term(dx, (own, there), -ONE))
    other = own.rename(equation.elsewhere)
    return (Term(dx, (own, dz)), Term(dx, (own, other, there), -ONE))


def _loss(equation: LossEquation, operand: str) -> tuple[Term, ...]:
    """(P − T)/N for the cross-entropy, 2·S·(Z − T)/M for the squared error; else D/M.

    Of one of several losses, times its own gradient.
    """
    if operand != equation.source.array:
        held = "labels" if operand == equation.labels else "weights"
        raise EquationError(f"{operand} holds the {held}; the loss is not differentiated by it")
    dz, source = _d(equation.source), equation.source
    own = (_d(equation.result),) if equation.part else ()
    factors = (*own, *equation.factors)
    if equation.slopes is not None:
        return (Term(dz, (*own, source.to(equation.slopes)), equation.mean.reciprocal()),)
    if equation.probabilities is None:
        share = equation.mean.reciprocal(2)
        return (
            Term(dz, (*factors, source), share),
            Term(dz, (*factors, equation.label), -share),
        )
    share = equation.mean.reciprocal()
    softmax = (*own, *equation.weights, source.to(equation.probabilities))
    return (Term(dz, softmax, share), Term(dz, (*own, equation.label), -share))


def _d(access: Access) -> Access:
    return access.to("d" + access.array)


def gather(equation: Contraction) -> Contraction:
    """The same sums as a loop over the target's own positions.

    A target position such as `y·s+i·d−p` is solved for the index that one of the factors shows
    bare (`y` in `dZ[n,k,y,x]`), and that factor is read at the exact quotient instead. Positions
    that are bare already, or that only lay out one factor's indices anew (flatten, groups), stay.
    """
    ranges: dict[str, int] = {}
    terms = tuple(_gathered(t, equation, ranges) for t in equation.terms)
    return Contraction(terms, ranges=tuple(ranges.items()), shapes=equation.shapes)


def _gathered(t: Term, equation: Contraction, ranges: dict[str, int]) -> Term:
    """One term solved; the ranges of its indices are added to `ranges`."""
    shape = equation.shape_of[t.target.array]
    taken = set(t.names)
    values: dict[str, Affine | int] = {}
    positions, margins = list(t.target.positions), list(map(t.target.margin, range(len(shape))))
    sizes: dict[str, int] = {}
    for axis, position in enumerate(t.target.positions):
        name = _solvable(t, axis)
        if name is None:
            continue
        own = _PARTNERS.get(name, name + "′")
        while own in taken or {**equation.range_of, **ranges}.get(own, shape[axis]) != shape[axis]:
            own += "′"
        taken.add(own)
        values[name] = _solved(position, name, own)
        positions[axis], margins[axis], sizes[own] = index(own), (0, 0), shape[axis]
    sizes |= {n: equation.range_of[n] for n in t.names if n not in values}
    if values:
        target = replace(t.target, positions=tuple(positions)).padded(*margins)
        factors = tuple(_within(f.substitute(values), sizes, equation) for f in t.factors)
        t = Term(target, factors, t.scale)
    ranges.update({n: sizes[n] for n in t.names})
    return t


def _solved(position: Affine, name: str, own: str) -> Affine:
    """`y·s+i·d−p` at position h, solved for y: `(h+p−i·d)/s`."""
    rest = Affine(position.terms, position.offset).substitute({name: 0})
    stride = next(c for n, c in position.terms if n == name)
    quotient = index(own) - rest
    return quotient if stride.value == 1 else quotient / stride


def _solvable(t: Term, axis: int) -> str | None:
    """The index to solve a target position for, or None where it is to stay.

    It is bare in a factor that shows none of the position's other indices, moves this axis alone,
    and, where a quotient takes its place, stands nowhere in a sum.
    """
    position = t.target.positions[axis]
    if position.plain is not None:
        return None
    elsewhere = [n for a, p in enumerate(t.target.positions) if a != axis for n in p.names]
    read = [p for f in t.factors for p in _positions(f)]
    for name, coefficient in position.terms:
        others = [n for n in position.names if n != name]
        bare = any(
            any(p.plain == name for p in f.access.positions)
            and not any(n in f.access.names for n in others)
            for f in t.factors
        )
        summed = any(name in p.names and p.plain is None for p in read)
        whole = coefficient.value == 1 or not summed
        if bare and whole and coefficient.integer > 0 and name not in elsewhere:
            return name
    return None


def _positions(factor: Factor) -> tuple[Affine, ...]:
    """All positions of a factor, the value an indicator compares with included."""
    value = (factor.value,) if isinstance(factor, Indicator) else ()
    return (*factor.access.positions, *value)


def _within(factor: Factor, sizes: dict[str, int], equation: Contraction) -> Factor:
    """The factor with as much padding declared as its new positions need."""
    access = factor.access
    margins = []
    for axis, position in enumerate(access.positions):
        low, high = position.bounds(sizes)
        before, behind = access.margin(axis)
        size = equation.shape_of[access.array][axis]
        margins.append((max(before, -low), max(behind, high - size + 1)))
    padded = access.padded(*margins)
    return padded if isinstance(factor, Access) else replace(factor, access=padded)
