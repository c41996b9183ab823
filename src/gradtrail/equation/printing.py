"""Equations as text, LaTeX and MathML, with symbols or with the numbers put in.

    text(e)                                     dW[k,c,i,j] = Σ_{n,y,x} dZ[n,k,y,x]·X[n,c,y·s+i−p,…]
    text(e, numbers=True)                       … Σ_{n<64,y<28,x<28} dZ[n,k,y,x]·X[n,c,y+i−2,…]
    text(e, numbers=True, at={"k": 2, "c": 0})  dW[2,0,i,j] = …

A line with `+=` adds wherever its indices lead (several may lead to one element); a quotient
stands for "where it divides evenly".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from ..errors import EquationError
from .access import Access, Applied, Factor, Indicator, Sparse, Term, one_to_one
from .affine import Affine
from .equation import Equation
from .kinds import Contraction, LossEquation, Selection
from .number import ONE, Number, parts
from .over_axes import Normalisation, SoftmaxEquation
from .scalar import Penalty
from .typesetting import (
    ADDED,
    ADDS,
    BELOW,
    BRACKETS,
    CALL,
    COMMA,
    ELEMENT,
    EQUALS,
    EXP,
    FRACTION,
    FRACTION_OF_SUM,
    LOG,
    MAXIMUM,
    MINUS,
    PLUS,
    ROOT,
    SPACED_COMMA,
    SQUARE,
    SQUARE_BRACKETS,
    SUBTRACTED,
    SUM,
    TIMES,
    WHERE,
    WIDE_COMMA,
    Formula,
    FunctionName,
    Lines,
    Series,
    Word,
    row,
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
    return to_text(_Printer(numbers, at or {}).formula(equation))


def latex(
    equation: Equation | Access, *, numbers: bool = False, at: Mapping[str, int] | None = None
) -> str:
    """LaTeX for a display formula; arguments as for `text`."""
    return to_latex(_Printer(numbers, at or {}).formula(equation))


def mathml(
    equation: Equation | Access, *, numbers: bool = False, at: Mapping[str, int] | None = None
) -> str:
    """A `<math>` element; arguments as for `text`."""
    return to_mathml(_Printer(numbers, at or {}).formula(equation))


@dataclass(frozen=True)
class _Printer:
    """Equations as formulas, with symbols or numbers, and with values put in for indices."""

    numbers: bool
    at: Mapping[str, int]

    def formula(self, equation: Equation | Access) -> Formula:
        """Any kind of equation, or a single access."""
        if self.at and not isinstance(equation, Contraction | Access):
            raise EquationError(
                f"numbers are put in for indices of a contraction, not a {equation.kind}"
            )
        match equation:
            case Access():
                return self.access(equation)
            case Contraction():
                return self.contraction(equation)
            case Selection():
                names = self.over(equation.over, equation)
                windows = Series(TIMES, tuple(self.access(one.access) for one in equation.within))
                over = MAXIMUM(row(names, WHERE, windows) if equation.within else names)
                source = self.access(equation.source)
                return row(self.access(equation.result), EQUALS, over, source)
            case Normalisation():
                return self.normalisation(equation)
            case SoftmaxEquation():
                return self.softmax(equation)
            case LossEquation():
                return self.loss(equation)
        raise TypeError(f"{type(equation).__name__} is no equation")

    def contraction(self, equation: Contraction) -> Formula:
        """Terms with the same target on one line."""
        groups: dict[Access, list[Term]] = {}
        for t in equation.terms:
            groups.setdefault(t.target, []).append(t)
        rows = []
        for place, (target, terms) in enumerate(groups.items()):
            adds = not all(one_to_one(t, equation.range_of) for t in terms)
            adds = adds or (place > 0 and equation.kind != "reindex")
            products = (
                (t.scale.is_negative(self.numbers), self.product(t, equation)) for t in terms
            )
            sums = _signed(products, ADDED, SUBTRACTED)
            rows.append(row(self.access(target), ADDS if adds else EQUALS, *sums))
        return rows[0] if len(rows) == 1 else Lines(tuple(rows))

    def product(self, t: Term, equation: Contraction) -> Formula:
        """`(1/N)·Σ_{c,i,j} W[k,c,i,j]·X[n,c,y+i,x+j]`, without a minus before it."""
        scale = -t.scale if t.scale.is_negative(self.numbers) else t.scale
        pieces: list[Formula] = [] if scale.is_one(self.numbers) else [self.scale(scale), TIMES]
        over = tuple(n for n in t.summed if n not in self.at)
        if over:
            pieces.append(SUM(self.over(over, equation)))
        for place, factor in enumerate(t.factors):
            pieces += [TIMES] * (place > 0) + [self.factor(factor)]
        return row(*pieces)

    def over(self, names: tuple[str, ...], equation: Equation) -> Formula:
        """The indices a sum runs over, with their ranges when numbers are put in."""
        ranges = equation.range_of
        with_ranges = (row(Word(n), BELOW, Word(str(ranges[n]))) for n in names)
        return Series(COMMA, tuple(with_ranges if self.numbers else map(Word, names)))

    def scale(self, scale: Number) -> Formula:
        """A number before a product, in brackets where it is a quotient or a sum."""
        written = scale.text(self.numbers)
        quotient = self.numbers and Fraction(scale.value).denominator != 1
        in_brackets = quotient or "/" in written or "+" in written
        return BRACKETS(Word(written)) if in_brackets else Word(written)

    def factor(self, factor: Factor) -> Formula:
        """An element, a function of one, or whether it holds a value."""
        match factor:
            case Access():
                return self.access(factor)
            case Sparse(access, _):
                return self.access(access)
            case Applied(function, access):
                return CALL(FunctionName(function.name), self.access(access))
            case Indicator(access, value):
                return SQUARE_BRACKETS(row(self.access(access), EQUALS, self.position(value)))

    def access(self, access: Access) -> Formula:
        """`X[n,c,y+i]`, in formulas with subscripts."""
        letter = Word(access.array)
        positions = tuple(map(self.position, access.positions))
        return ELEMENT(letter, Series(WIDE_COMMA, positions)) if positions else letter

    def position(self, position: Affine) -> Formula:
        """What is added first, then what is subtracted: `h+p−i·d`."""
        position = position.substitute(self.at)
        summands: list[tuple[bool, Formula]] = []
        for name, c in position.terms:
            negative = c.is_negative(self.numbers)
            summands.append((negative, self.monomial(name, -c if negative else c)))
        if not position.offset.vanishes(self.numbers) or not summands:
            offset = parts(position.offset.text(self.numbers))
            summands += [(negative, Word(piece)) for negative, piece in offset]
        pieces = _signed(sorted(summands, key=lambda summand: summand[0]), PLUS, MINUS)
        whole = pieces[0] if len(pieces) == 1 else row(*pieces)
        if position.divisor.is_one(self.numbers):
            return whole
        quotient = FRACTION_OF_SUM if isinstance(whole, Series) else FRACTION
        return quotient(whole, Word(position.divisor.text(self.numbers)))

    def monomial(self, name: str, coefficient: Number) -> Formula:
        """`y·s`, or `y` alone."""
        if coefficient.is_one(self.numbers):
            return Word(name)
        return row(Word(name), TIMES, Word(coefficient.text(self.numbers)))

    def normalisation(self, equation: Normalisation) -> Formula:
        """The result, the normalised value, the inverse deviation, and what there is of means."""
        result, source = self.access(equation.result), self.access(equation.source)
        normalised = self.access(equation.result.to(equation.normalised))
        *mean, variance, inverse = map(self.access, equation.statistics)
        scaled: list[Formula] = []
        if equation.scale is not None:
            scaled += [self.access(equation.scale), TIMES]
        scaled.append(normalised)
        if equation.shift is not None:
            scaled += [ADDED, self.access(equation.shift)]
        epsilon = Word(repr(equation.epsilon) if self.numbers else "ε")
        share = BRACKETS(Word(equation.count.reciprocal().text(self.numbers)))
        over = SUM(self.over(equation.over, equation))
        centred = BRACKETS(row(source, SUBTRACTED, *mean)) if mean else source
        deviation = ROOT(row(variance, ADDED, epsilon))
        means = (row(m, EQUALS, share, TIMES, over, source) for m in mean)
        return Lines(
            (
                row(result, EQUALS, *scaled),
                row(normalised, EQUALS, centred, TIMES, inverse),
                row(inverse, EQUALS, FRACTION(Word("1"), deviation)),
                *means,
                row(variance, EQUALS, share, TIMES, over, SQUARE(centred)),
            )
        )

    def softmax(self, equation: SoftmaxEquation) -> Formula:
        """A quotient of exponentials, or what its logarithm comes to."""
        result, source = self.access(equation.result), self.access(equation.source)
        total = row(SUM(self.over(equation.along, equation)), EXP(source))
        if equation.log:
            return row(result, EQUALS, source, SUBTRACTED, LOG(total))
        return row(result, EQUALS, FRACTION(BRACKETS(EXP(source)), BRACKETS(total)))

    def loss(self, equation: LossEquation) -> Formula:
        """The loss, and for the cross-entropy the softmax in it."""
        result, source, target = map(
            self.access, (equation.result, equation.source, equation.label)
        )
        mean = equation.mean.reciprocal()
        share = (self.scale(mean), TIMES) if mean != ONE else ()
        over = SUM(self.over(equation.source.names, equation))
        if equation.element is not None:
            return Lines(tuple(self.elements(equation, equation.element)))
        if equation.probabilities is None:
            factors = [piece for f in equation.factors for piece in (self.access(f), TIMES)]
            difference = SQUARE(BRACKETS(row(source, SUBTRACTED, target)))
            return row(result, EQUALS, *share, over, *factors, difference)
        softmax = self.access(equation.source.to(equation.probabilities))
        classes = SUM(self.over(equation.source.names[1:2], equation))
        quotient = self.probability(equation)
        return Lines(
            (
                row(result, EQUALS, MINUS, *share, over, target, TIMES, LOG(softmax)),
                row(softmax, EQUALS, quotient),
                *(row(self.access(w), EQUALS, classes, target) for w in equation.weights),
            )
        )

    def elements(self, equation: LossEquation, element: Access) -> Iterator[Formula]:
        """A loss that is the mean of what each element adds; then that, and what it is made of."""
        over = SUM(self.over(element.names, equation))
        share, added = self.scale(equation.mean.reciprocal()), self.access(element)
        yield row(self.access(equation.result), EQUALS, share, TIMES, over, added)
        if equation.penalty is not None:
            yield row(added, EQUALS, self.penalty(equation, equation.penalty))
        else:
            yield row(added, EQUALS, self.overlap(equation))
        if equation.probabilities is not None:
            softmax = self.access(equation.source.to(equation.probabilities))
            yield row(softmax, EQUALS, self.probability(equation))

    def penalty(self, equation: LossEquation, penalty: Penalty) -> Formula:
        """`huber(Z[n,k], T[n,k])`, of a softmax `T[n,k]·focal(log P[n,k])`."""
        name, target = FunctionName(penalty.name), self.access(equation.label)
        if equation.probabilities is not None:
            softmax = self.access(equation.source.to(equation.probabilities))
            return row(target, TIMES, CALL(name, LOG(softmax)))
        constants = (self.access(access) for _, access in equation.constants)
        return CALL(name, Series(SPACED_COMMA, (self.access(equation.source), target, *constants)))

    def overlap(self, equation: LossEquation) -> Formula:
        """`1 − (2·Σ_{y,x} P·T + s)/(Σ_{y,x} P + Σ_{y,x} T + s)`."""
        assert equation.probabilities is not None
        softmax = self.access(equation.source.to(equation.probabilities))
        target = self.access(equation.label)
        names = equation.source.names[2:]
        over = (SUM(self.over(names, equation)),) if names else ()
        smooth = Word(f"{equation.smooth:g}" if self.numbers else "s")
        both = BRACKETS(row(Word("2"), TIMES, *over, softmax, TIMES, target, ADDED, smooth))
        whole = BRACKETS(row(*over, softmax, ADDED, *over, target, ADDED, smooth))
        return row(Word("1"), SUBTRACTED, FRACTION(both, whole))

    def probability(self, equation: LossEquation) -> Formula:
        """The softmax or the sigmoid of a prediction."""
        source = self.access(equation.source)
        if not equation.classed:
            return CALL(FunctionName("sigmoid"), source)
        classes = SUM(self.over(equation.source.names[1:2], equation))
        return FRACTION(BRACKETS(EXP(source)), BRACKETS(row(classes, EXP(source))))


def _signed(
    summands: Iterable[tuple[bool, Formula]], plus: Formula, minus: Formula
) -> list[Formula]:
    """The summands with their signs; True stands beside what is subtracted."""
    pieces: list[Formula] = []
    for negative, piece in summands:
        if pieces:
            pieces.append(minus if negative else plus)
        elif negative:
            pieces.append(MINUS)
        pieces.append(piece)
    return pieces
