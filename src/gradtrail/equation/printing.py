"""Equations as text, LaTeX and MathML, with symbols or with the numbers put in.

    text(e)                                     dW[k,c,i,j] = Σ_{n,y,x} dZ[n,k,y,x]·X[n,c,y·s+i−p,…]
    text(e, numbers=True)                       … Σ_{n<64,y<28,x<28} dZ[n,k,y,x]·X[n,c,y+i−2,…]
    text(e, numbers=True, at={"k": 2, "c": 0})  dW[2,0,i,j] = …

A line with `+=` adds wherever its indices lead (several may lead to one element); a quotient
stands for "where it divides evenly".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction as Rational

from ..errors import EquationError
from .access import Access, Applied, Factor, Indicator, Term, one_to_one
from .affine import Affine
from .equation import Equation
from .kinds import Contraction, LossEquation, Normalisation, Selection
from .number import ONE, Number, parts
from .typesetting import (
    Big,
    Called,
    Enclosed,
    Formula,
    Fraction,
    Indexed,
    Lines,
    Pieces,
    Power,
    Root,
    Sign,
    Word,
    to_latex,
    to_mathml,
    to_text,
)


def text(
    equation: Equation | Access, *, numbers: bool = False, at: Mapping[str, int] | None = None
) -> str:
    """One line of Unicode per defining equation.

    Args:
        equation: any kind, or a single access.
        numbers: put in the values of strides, sizes and ranges.
        at: put in these values for indices; needs a contraction.
    """
    return to_text(_layout(equation, _Style(numbers, at or {})))


def latex(
    equation: Equation | Access, *, numbers: bool = False, at: Mapping[str, int] | None = None
) -> str:
    """LaTeX for a display formula; arguments as for `text`."""
    return to_latex(_layout(equation, _Style(numbers, at or {})))


def mathml(
    equation: Equation | Access, *, numbers: bool = False, at: Mapping[str, int] | None = None
) -> str:
    """A `<math>` element; arguments as for `text`."""
    return to_mathml(_layout(equation, _Style(numbers, at or {})))


@dataclass(frozen=True)
class _Style:
    """Symbols or numbers, and what is put in for indices."""

    numbers: bool
    at: Mapping[str, int] = field(default_factory=dict)


def _layout(equation: Equation | Access, style: _Style) -> Formula:
    if style.at and not isinstance(equation, Contraction | Access):
        raise EquationError(
            f"numbers are put in for indices of a contraction, not a {equation.kind}"
        )
    match equation:
        case Access():
            return _access(equation.substitute(style.at), style)
        case Contraction():
            return _contraction(equation, style)
        case Selection():
            over = _over(equation.over, equation, style)
            source = _access(equation.source, style)
            return Pieces((_access(equation.result, style), _EQUALS, Big("max", over), source))
        case Normalisation():
            return _normalisation(equation, style)
        case LossEquation():
            return _loss(equation, style)
    raise TypeError(f"{type(equation).__name__} is no equation")


_EQUALS, _PLUS, _MINUS, _TIMES = (
    Sign("=", spaced=True),
    Sign("+", spaced=True),
    Sign("−", spaced=True),
    Sign("·"),
)


def _contraction(equation: Contraction, style: _Style) -> Formula:
    """Terms with the same target on one line."""
    groups: dict[Access, list[Term]] = {}
    for t in equation.terms:
        groups.setdefault(t.target, []).append(t)
    rows = []
    for place, (target, terms) in enumerate(groups.items()):
        adds = not all(one_to_one(t, equation.range_of) for t in terms)
        adds = adds or (place > 0 and equation.kind != "reindex")
        sign = Sign("+=" if adds else "=", spaced=True)
        sums: list[Formula] = [_access(target.substitute(style.at), style), sign]
        for position, t in enumerate(terms):
            negative = t.scale.is_negative(style.numbers)
            if position or negative:
                sums.append((_MINUS if negative else _PLUS) if position else Sign("−"))
            sums.append(_product(t, equation, style, -t.scale if negative else t.scale))
        rows.append(Pieces(tuple(sums)))
    return rows[0] if len(rows) == 1 else Lines(tuple(rows))


def _product(t: Term, equation: Contraction, style: _Style, scale: Number) -> Formula:
    """`(1/N)·Σ_{c,i,j} W[k,c,i,j]·X[n,c,y+i,x+j]`."""
    pieces: list[Formula] = []
    if not scale.is_one(style.numbers):
        pieces += [_scale(scale, style), _TIMES]
    over = tuple(n for n in t.summed if n not in style.at)
    if over:
        pieces.append(Big("Σ", _over(over, equation, style)))
    for place, factor in enumerate(t.substitute(style.at).factors):
        pieces += [_TIMES] * (place > 0) + [_factor(factor, style)]
    return Pieces(tuple(pieces))


def _over(names: tuple[str, ...], equation: Equation, style: _Style) -> tuple[Formula, ...]:
    """The indices a sum runs over, with their ranges when numbers are put in."""
    if not style.numbers:
        return tuple(map(Word, names))
    return tuple(Pieces((Word(n), Sign("<"), Word(str(equation.range_of[n])))) for n in names)


def _scale(scale: Number, style: _Style) -> Formula:
    written = scale.text(style.numbers)
    if style.numbers and isinstance(scale.value, Rational) and scale.value.denominator != 1:
        return Enclosed(Word(written))
    return Enclosed(Word(written)) if "/" in written or "+" in written else Word(written)


def _factor(factor: Factor, style: _Style) -> Formula:
    match factor:
        case Access():
            return _access(factor, style)
        case Applied(function, access):
            return Called(function.name, _access(access, style))
        case Indicator(access, value):
            equals = (_access(access, style), _EQUALS, _affine(value, style))
            return Enclosed(Pieces(equals), "[]")


def _access(access: Access, style: _Style) -> Formula:
    return Indexed(access.array, tuple(_affine(p, style) for p in access.positions))


def _affine(position: Affine, style: _Style) -> Formula:
    """What is added first, then what is subtracted: `h+p−i·d`."""
    signed = [(n, c, c.is_negative(style.numbers)) for n, c in position.terms]
    pieces: list[tuple[bool, Formula]] = [
        (negative, _monomial(n, -c if negative else c, style)) for n, c, negative in signed
    ]
    offset = position.offset
    if not offset.vanishes(style.numbers) or not pieces:
        summands = parts(offset.text(style.numbers))
        pieces += [(negative, Word(piece)) for negative, piece in summands]
    row: list[Formula] = []
    for negative, piece in sorted(pieces, key=lambda pair: pair[0]):
        if negative or row:
            row.append(Sign("−" if negative else "+"))
        row.append(piece)
    whole = row[0] if len(row) == 1 else Pieces(tuple(row))
    if position.divisor.is_one(style.numbers):
        return whole
    return Fraction(whole, Word(position.divisor.text(style.numbers)))


def _monomial(name: str, coefficient: Number, style: _Style) -> Formula:
    if coefficient.is_one(style.numbers):
        return Word(name)
    return Pieces((Word(name), _TIMES, Word(coefficient.text(style.numbers))))


def _normalisation(equation: Normalisation, style: _Style) -> Formula:
    """The result, the normalised value, the inverse deviation, and what the mean is taken over."""
    statistic = equation.statistic
    result = _access(equation.result, style)
    normalised = _access(equation.result.to(equation.normalised), style)
    scaled: list[Formula] = [result, _EQUALS]
    if equation.scale is not None:
        scaled += [_access(statistic.to(equation.scale), style), _TIMES]
    scaled.append(normalised)
    if equation.shift is not None:
        scaled += [_PLUS, _access(statistic.to(equation.shift), style)]
    inverse = _access(statistic.to(equation.inverse), style)
    source, mean = _access(equation.source, style), _access(statistic, style)
    variance = _access(statistic.to(equation.variance), style)
    epsilon = Word(repr(equation.epsilon) if style.numbers else "ε")
    over = Big("Σ", _over(equation.over, equation, style))
    share = Word(equation.count.reciprocal().text(style.numbers))
    centred = Enclosed(Pieces((source, _MINUS, mean)))
    return Lines(
        (
            Pieces(tuple(scaled)),
            Pieces((normalised, _EQUALS, centred, _TIMES, inverse)),
            Pieces(
                (inverse, _EQUALS, Fraction(Word("1"), Root(Pieces((variance, _PLUS, epsilon)))))
            ),
            Pieces((mean, _EQUALS, Enclosed(share), _TIMES, over, source)),
            Pieces((variance, _EQUALS, Enclosed(share), _TIMES, over, Power(centred, "2"))),
        )
    )


def _loss(equation: LossEquation, style: _Style) -> Formula:
    """The loss, and for the cross-entropy the softmax in it."""
    result, source = _access(equation.result, style), _access(equation.source, style)
    target = _access(equation.source.to(equation.labels), style)
    mean = equation.mean.reciprocal()
    share = (_scale(mean, style), _TIMES) if mean != ONE else ()
    over = Big("Σ", _over(equation.source.names, equation, style))
    if equation.probabilities is None:
        difference = Power(Enclosed(Pieces((source, _MINUS, target))), "2")
        given = (_access(equation.factor, style), _TIMES) if equation.factor else ()
        return Pieces((result, _EQUALS, *share, over, *given, difference))
    softmax = _access(equation.source.to(equation.probabilities), style)
    log = Pieces((Word("log"), Sign(" "), softmax))
    classes = Big("Σ", _over(equation.source.names[1:], equation, style))
    exponential = Pieces((Word("exp"), Sign(" "), source))
    rows: list[Formula] = [
        Pieces((result, _EQUALS, Sign("−"), *share, over, target, _TIMES, log)),
        Pieces(
            (
                softmax,
                _EQUALS,
                Fraction(Enclosed(exponential), Enclosed(Pieces((classes, exponential)))),
            )
        ),
    ]
    if equation.weight is not None:
        weight = _access(Access(equation.weight, equation.source.positions[:1]), style)
        rows.append(Pieces((weight, _EQUALS, classes, target)))
    return Lines(tuple(rows))
