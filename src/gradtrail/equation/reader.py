"""From a formula's tree to what an equation is made of: numbers, positions, accesses, terms.

Sums in brackets are multiplied out; a quotient by an element is a product with its reciprocal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NoReturn

from .access import Access, Applied, Factor, Indicator, Margin, Row, Sparse, Term, unique
from .affine import Affine, index
from .frozen import frozen
from .number import ONE, Number, as_number
from .printing import text
from .scalar import Function, Variable
from .syntax import (
    Application,
    Bracket,
    Figure,
    Holds,
    Name,
    Over,
    Piece,
    Square,
    WrittenElement,
    WrittenLine,
    WrittenProduct,
    WrittenSum,
)
from .tokens import Spot, mistake

RECIPROCAL = Function("reciprocal", 1 / Variable("x"))
"""What a quotient by one element is a product with."""

_NO_QUOTIENT = (
    "a quotient by a sum is no sum of products: have another layer compute the sum, and divide by "
    "its one element"
)

MOST_TERMS = 64
"""How many products a line may have when all brackets are multiplied out."""


@frozen
class Part:
    """A product of numbers and factors, as it stands in a line.

    Args:
        scale: the numbers, multiplied.
        factors: the elements and functions.
        over: the indices that it is summed over.
    """

    scale: Number = ONE
    factors: tuple[Factor, ...] = ()
    over: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The indices of the factors."""
        return unique([n for f in self.factors for n in f.names])


@dataclass
class Reader:
    """What the words of a formula mean.

    Args:
        constants: the values of symbols.
        functions: the functions of one number, by name.
        padding: the margins of accesses, by their text.
        strict: whether every sum must be written: an index that the left side does not show
            stands under a Σ.
        indices: the words that are indices, where that is known.
        matrices: the rows of constants that the equation itself knows, by letter.
    """

    constants: Mapping[str, int | Fraction]
    functions: Mapping[str, Function]
    padding: Mapping[str, Sequence[Margin]] = field(default_factory=dict)
    strict: bool = False
    indices: frozenset[str] = frozenset()
    matrices: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)

    def terms(self, line: WrittenLine) -> list[Term]:
        """The terms of a line."""
        target = self.access(line.target)
        found: list[Term] = []
        for product in line.value.products:
            for part in self.product(product):
                if not part.factors:
                    fail(
                        "expected an element such as X[n,c]; a number alone is none", product.place
                    )
                term = Term(target, part.factors, part.scale)
                self._check_sum(term, part, product)
                found.append(term)
        if len(found) > MOST_TERMS:
            fail(f"more than {MOST_TERMS} products", line.value.place)
        return found

    def _check_sum(self, term: Term, part: Part, product: WrittenProduct) -> None:
        """The indices under the Σ are those that the target does not show."""
        if not part.over and not self.strict:
            return
        place = product.place
        for name in part.over:
            if name in term.target.names:
                fail(f"Σ runs over {name}, which {term.target.array} shows", place)
            if name not in term.summed:
                fail(f"Σ runs over {name}, which no factor behind it shows", place)
        for name in term.summed:
            if name not in part.over:
                written = ",".join(term.summed)
                shown = f"{term.target.array} does not show and no Σ runs over"
                fail(f"a factor shows {name}, which {shown}; write Σ_{{{written}}}", place)

    # -- sums of products -------------------------------------------------------------------------

    def sum(self, found: WrittenSum) -> list[Part]:
        """The products of a sum, brackets multiplied out."""
        return [part for product in found.products for part in self.product(product)]

    def product(self, product: WrittenProduct) -> list[Part]:
        """What one product is when its brackets are multiplied out."""
        parts, over = [Part()], list[str]()
        for divides, piece in product.pieces:
            if isinstance(piece, Over):
                if divides:
                    fail(_NO_QUOTIENT, piece.place)
                over += self._head(piece, [*over, *(n for p in parts for n in (*p.names, *p.over))])
                continue
            found = self.piece(piece)
            if any(name in over for part in found for name in part.over):
                fail(
                    "a sum stands in another over the same index; give one another name",
                    piece.place,
                )
            if divides:
                parts = [_divided(part, self._divisor(found, piece)) for part in parts]
            else:
                parts = [_times(one, other, piece.place) for one in parts for other in found]
            if len(parts) > MOST_TERMS:
                fail(f"more than {MOST_TERMS} products", piece.place)
        sign = -ONE if product.negative else ONE
        return [replace(p, scale=_product(sign, p.scale), over=(*p.over, *over)) for p in parts]

    def _head(self, over: Over, taken: Sequence[str]) -> tuple[str, ...]:
        """The indices of a sum's head; none is taken by what stands before it."""
        if over.symbol != "Σ":
            fail("a maximum stands alone, of one element: Z[n,c] = max_{i} X[n,c,i]", over.place)
        for name in over.names:
            if name in taken or over.names.count(name) > 1:
                fail(f"{name} stands before the Σ that runs over it, or in two of them", over.place)
        return over.names

    def piece(self, piece: Piece) -> list[Part]:
        """A piece as a sum of products."""
        match piece:
            case Figure():
                return [Part(as_number(_whole(piece.value)))]
            case Name():
                if piece.text in self.constants:
                    return [Part(self.number(piece.text))]
                if piece.text[0] == "|":
                    fail(f"the value of {piece.text} is not among the constants", piece.place)
                return [Part(factors=(self.access(WrittenElement(piece.text, (), piece.place)),))]
            case WrittenElement():
                access = self.access(piece)
                rows = self.matrices.get(access.array)
                return [Part(factors=(access if rows is None else Sparse(access, rows),))]
            case Application():
                return [Part(factors=(self.applied(piece),))]
            case Holds():
                return [Part(factors=(self.indicator(piece),))]
            case Square():
                found = self.piece(piece.of)
                return [_times(one, other, piece.place) for one in found for other in found]
            case Bracket():
                if piece.text in self.constants:
                    return [Part(self.number(piece.text))]
                return self.sum(piece.inside)
        raise mistake("a sum stands before what is summed", piece.place)

    def applied(self, call: Application) -> Applied:
        """`relu(X[n,c])`."""
        if call.name not in self.functions:
            known = ", ".join(self.functions)
            cause = f"function {call.name} is not among the functions given"
            fail(f"{cause}, {known}" if known else cause, call.place)
        inside = call.argument.alone
        if isinstance(inside, Name) and inside.text not in self.constants:
            inside = WrittenElement(inside.text, (), inside.place)
        if not isinstance(inside, WrittenElement):
            fail(
                f"{call.name} is a function of one element, such as {call.name}(X[n,c]); what is "
                "more is a layer of its own",
                call.argument.place,
            )
        return Applied(self.functions[call.name], self.access(inside))

    def indicator(self, holds: Holds) -> Indicator:
        """`[A[n] = i]`."""
        return Indicator(self.access(holds.element), self.affine(holds.value))

    def _divisor(self, found: list[Part], piece: Piece) -> Part:
        """What multiplies in place of a quotient by these."""
        (first, *others) = found
        if not others and not first.factors and not first.over:
            if first.scale.value == 0:
                fail("nothing is divided by 0", piece.place)
            return first
        bare = len(first.factors) == 1 and isinstance(first.factors[0], Access)
        if others or not bare or first.over or first.scale != ONE:
            fail(_NO_QUOTIENT, piece.place)
        return Part(factors=(Applied(RECIPROCAL, first.factors[0].access),))

    # -- elements and positions -------------------------------------------------------------------

    def access(self, element: WrittenElement) -> Access:
        """A letter with its positions."""
        access = Access(element.letter, tuple(self.affine(p) for p in element.positions))
        margins = self.padding.get(text(access)) if self.padding else None
        return access if margins is None else replace(access, padding=tuple(margins))

    def affine(self, found: WrittenSum) -> Affine:
        """A position: indices times numbers, added up, and divided last."""
        total: Affine | None = None
        for product in found.products:
            monomial = self._monomial(product)
            if total is None:
                total = _negated(monomial, product) if product.negative else monomial
            elif monomial.divisor != ONE or total.divisor != ONE:
                fail("a sum is divided as a whole: put it in brackets", product.place)
            else:
                total = total - monomial if product.negative else total + monomial
        assert total is not None  # a sum has a product
        return total

    def _monomial(self, product: WrittenProduct) -> Affine:
        """At most one index or sum in brackets, times numbers, divided by one."""
        whole, divisor = self._multiplied(product)
        if divisor is None:
            return whole
        value = self._constant(divisor)
        if value.value == 0:
            fail("nothing is divided by 0", divisor.place)
        return whole / value

    def _multiplied(self, product: WrittenProduct) -> tuple[Affine, Piece | None]:
        """The product without its divisor, and that."""
        words: list[Name] = []
        numbers: list[Name | Figure] = []
        inside: Affine | None = None
        divisor: Piece | None = None
        for divides, piece in product.pieces:
            if divides or divisor is not None:
                if divisor is not None:
                    fail("expected nothing behind the divisor of a position", piece.place)
                divisor = piece
            elif isinstance(piece, Bracket) and inside is None and not words:
                inside = self.affine(piece.inside)
            elif isinstance(piece, Figure) or self._is_constant(piece):
                numbers.append(piece)  # type: ignore[arg-type]
            elif isinstance(piece, Name) and inside is None:
                words.append(piece)
            else:
                fail("expected an index, a symbol or a number", piece.place)
        self._check_affine(words)
        coefficient = self._coefficient([*words[1:], *numbers])
        if inside is not None:
            return inside * coefficient, divisor
        return (index(words[0].text) * coefficient if words else Affine((), coefficient)), divisor

    def _check_affine(self, words: list[Name]) -> None:
        """Only one word of a product may be an index."""
        both = [word for word in words if word.text in self.indices]
        if len(both) > 1:
            fail(
                f"{both[0].text} and {both[1].text} are both indices; a position adds indices "
                "times numbers, and multiplies none by another",
                both[1].place,
            )

    def _coefficient(self, factors: list[Name | Figure]) -> Number:
        """Numbers and symbols multiplied; several symbols may have one value together, as H·W."""
        joined = "·".join(_spelt(f) for f in factors)
        if joined in self.constants:
            return self.number(joined)
        product = ONE
        for factor in factors:
            if isinstance(factor, Name) and factor.text not in self.constants:
                fail(f"the value of {joined} is not among the constants", factor.place)
            product = product * self._constant(factor)
        return product

    def _is_constant(self, piece: Piece) -> bool:
        return isinstance(piece, Name) and piece.text in self.constants

    def _constant(self, piece: Piece) -> Number:
        """One number or symbol, which must be whole."""
        if isinstance(piece, Figure):
            found = as_number(_whole(piece.value))
        elif isinstance(piece, Name):
            if piece.text not in self.constants:
                fail(f"the value of {piece.text} is not among the constants", piece.place)
            found = self.number(piece.text)
        else:
            fail("expected an index, a symbol or a number", piece.place)
        if Fraction(found.value).denominator != 1:
            fail(f"positions are whole numbers, and this is {found.value}", piece.place)
        return found

    def number(self, written: str) -> Number:
        """A symbol's number."""
        return Number(self.constants[written], written)


def fail(cause: str, place: Spot) -> NoReturn:
    """Raise, with the place shown."""
    raise mistake(cause, place)


def _negated(position: Affine, product: WrittenProduct) -> Affine:
    if position.divisor != ONE:
        fail("the minus of a quotient stands inside its brackets", product.place)
    return position * -1


def _whole(value: Fraction) -> int | Fraction:
    return value.numerator if value.denominator == 1 else value


def _spelt(piece: Name | Figure) -> str:
    return piece.text if isinstance(piece, Name) else str(piece.value)


def _times(one: Part, other: Part, place: Spot) -> Part:
    """Two parts multiplied, as they stand."""
    if set(one.over) & {*other.over, *other.names} or set(other.over) & set(one.names):
        fail("an index is summed over twice, or also stands outside its sum", place)
    factors, over = (*one.factors, *other.factors), (*one.over, *other.over)
    return Part(_product(one.scale, other.scale), factors, over)


def _divided(part: Part, divisor: Part) -> Part:
    """A part divided by a number, or multiplied by the reciprocal of an element."""
    if divisor.factors:
        return replace(part, factors=(*part.factors, *divisor.factors))
    above, below = part.scale, divisor.scale
    if not above.symbol and isinstance(above.value, int) and isinstance(below.value, int):
        return replace(part, scale=_simple(below.reciprocal(above.value)))
    quotient = Fraction(above.value) / below.value
    symbol = f"{above.text()}/{below.text()}" if above.symbol or below.symbol else ""
    return replace(part, scale=_simple(Number(_whole(quotient), symbol)))


def _simple(number: Number) -> Number:
    return number if number.symbol else Number(_whole(Fraction(number.value)))


def _product(one: Number, other: Number) -> Number:
    """Multiplied, each as it is written where the other is 1."""
    if ONE in (one, other):
        return other if one == ONE else one
    return -other if one == -ONE else one * other
