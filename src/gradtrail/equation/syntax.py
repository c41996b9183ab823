"""The grammar of a formula: text → a tree in which everything knows its place.

    line     element (= | +=) sum
    sum      [−] product {(+ | −) product}
    product  piece {(· | /) piece}
    piece    Σ_{i,j} | max_{i,j} | number | word | X[sum, …] | f(sum) | (sum) | piece²
             | [X[…] = sum]

A position is a sum, too. What may stand where is not the grammar's business: `reader.py` knows.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NoReturn

from .frozen import frozen
from .tokens import Spot, Token, mistake, tokens

DEEPEST = 12
"""How many brackets may stand in one another."""

_INDEX = re.compile(r"\s*([^\W\d]\w*′*)\s*(?:<\s*(\d{1,9})\s*)?")


@frozen
class Name:
    """A word by itself: an index, a symbol, a size such as `|i|`, or an array of one number."""

    text: str
    place: Spot


@frozen
class Figure:
    """A number as it is written: `3`, `0.5`."""

    value: Fraction
    place: Spot


@frozen
class WrittenElement:
    """An array's element: `X[n,c,y+i]`."""

    letter: str
    positions: tuple[WrittenSum, ...]
    place: Spot


@frozen
class Application:
    """A function of something: `relu(X[n,c])`."""

    name: str
    argument: WrittenSum
    place: Spot


@frozen
class Holds:
    """1 where an element has a value, else 0: `[A[n,c] = i·|j|+j]`."""

    element: WrittenElement
    value: WrittenSum
    place: Spot


@frozen
class Over:
    """The head of a sum or a maximum: `Σ_{c,i<3}`.

    Args:
        symbol: `Σ` or `max`.
        names: the indices.
        sizes: as many; how many values each is said to take, or None.
        place: where it stands.
    """

    symbol: str
    names: tuple[str, ...]
    sizes: tuple[int | None, ...]
    place: Spot


@frozen
class Bracket:
    """Something in brackets, and its text without spaces."""

    inside: WrittenSum
    text: str
    place: Spot


@frozen
class Square:
    """A piece times itself."""

    of: Piece
    place: Spot


Piece = Name | Figure | WrittenElement | Application | Holds | Over | Bracket | Square


@frozen
class WrittenProduct:
    """Pieces that are multiplied, and those that are divided by.

    Args:
        pieces: in order; True stands beside a divisor.
        negative: whether it is subtracted.
    """

    pieces: tuple[tuple[bool, Piece], ...]
    negative: bool

    @property
    def place(self) -> Spot:
        """Where it begins."""
        return self.pieces[0][1].place


@frozen
class WrittenSum:
    """Products that are added up."""

    products: tuple[WrittenProduct, ...]

    @property
    def place(self) -> Spot:
        """Where it begins."""
        return self.products[0].place

    @property
    def alone(self) -> Piece | None:
        """The piece that it consists of, or None."""
        (first, *others) = self.products
        if others or first.negative or len(first.pieces) != 1:
            return None
        return first.pieces[0][1]


@frozen
class WrittenLine:
    """One line: what it defines, whether it adds to it, and the sum."""

    target: WrittenElement
    adds: bool
    value: WrittenSum


def line_of(text: str, number: int = 0) -> WrittenLine:
    """The tree of one line.

    Args:
        text: the line.
        number: of the line among others, from 1; 0 for the only one.

    Raises:
        EquationError: it is none; the message shows the place and what was expected there.
    """
    parser = Parser(tokens(text, number))
    target = parser.element()
    sign = parser.take()
    if sign.text not in ("=", "+="):
        parser.fail(f"expected = or += behind {target.letter}", sign)
    value = parser.sum()
    parser.end()
    return WrittenLine(target, sign.text == "+=", value)


class Parser:
    """A recursive-descent parser over the tokens of a line."""

    def __init__(self, line: tuple[Token, ...]) -> None:
        self.line, self.at, self.depth = line, 0, 0

    @property
    def next(self) -> Token:
        """The token that comes; empty at the end."""
        return self.line[self.at]

    def take(self) -> Token:
        """The token that comes, which is passed over."""
        token = self.next
        self.at += bool(token.text)
        return token

    def expect(self, text: str, where: str) -> None:
        """Pass over a sign, which must be there."""
        if self.next.text != text:
            self.fail(f"expected {text} {where}")
        self.take()

    def fail(self, cause: str, token: Token | None = None) -> NoReturn:
        """Raise, with the place of a token; of the next one where none is given."""
        raise mistake(cause, (token or self.next).place)

    def end(self) -> None:
        """Nothing may come."""
        if self.next.text:
            following = self.next.is_word or self.next.is_number or self.next.text in "([√"
            self.fail(
                "expected +, − or ·" if following else f"expected nothing like {self.next.text}"
            )

    def sum(self) -> WrittenSum:
        """Products with signs between them."""
        products = [self.product(self._sign())]
        while self.next.text in ("+", "−") and self.next.text:
            products.append(self.product(self._sign()))
        return WrittenSum(tuple(products))

    def _sign(self) -> bool:
        """Whether a minus comes; it is passed over, and so is a plus."""
        return self.next.text in ("+", "−") and self.take().text == "−"

    def product(self, negative: bool) -> WrittenProduct:
        """Pieces with · or / between them; behind the head of a sum none is needed."""
        pieces = [(False, self.piece())]
        while True:
            if self.next.text in ("·", "/"):
                divides = self.take().text == "/"
                pieces.append((divides, self.piece()))
            elif isinstance(pieces[-1][1], Over):
                pieces.append((False, self.piece()))
            else:
                return WrittenProduct(tuple(pieces), negative)

    def piece(self) -> Piece:
        """One piece, with the powers behind it."""
        found, begin = self._piece(), self.next
        while self.next.text in ("²", "^"):
            if self.take().text == "^" and self.take().text != "2":
                self.fail("expected 2 behind ^: no other power is a product", begin)
            found = Square(found, begin.place)
        return found

    def _piece(self) -> Piece:
        token = self.next
        if token.over:
            return self.over()
        if token.is_number:
            return Figure(Fraction(self.take().text), token.place)
        if token.text == "(":
            return self.group()
        if token.text == "[":
            return self.holds()
        if not token.is_word:
            self.fail("expected an element such as X[n,c], an index, a symbol or a number")
        following = self.line[self.at + 1].text
        if following == "[":
            return self.element()
        self.take()
        if following != "(":
            return Name(token.text, token.place)
        return Application(token.text, self.group().inside, token.place)

    def over(self) -> Over:
        """`Σ_{c,i<3,j<3}`, or `Σ_c`."""
        token = self.take()
        inside = token.text.partition("_")[2]
        names, sizes = [], []
        for entry in inside.strip("{}").split(","):
            match = _INDEX.fullmatch(entry)
            if match is None:
                self.fail(f"expected indices with commas between them in {token.text}", token)
            names.append(match[1])
            sizes.append(int(match[2]) if match[2] else None)
        return Over(token.over, tuple(names), tuple(sizes), token.place)

    def group(self) -> Bracket:
        """`( … )`."""
        opened, first = self.take(), self.at
        self.deeper(opened)
        inside = self.sum()
        self.depth -= 1
        written = "".join(token.text for token in self.line[first : self.at])
        self.expect(")", f"to close the ( of column {opened.place.column + 1}")
        return Bracket(inside, written, opened.place)

    def deeper(self, token: Token) -> None:
        """Count a bracket that is opened."""
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(f"more than {DEEPEST} brackets stand in one another", token)

    def holds(self) -> Holds:
        """`[A[n,c] = i·|j|+j]`."""
        opened = self.take()
        element = self.element()
        self.expect("=", f"behind {element.letter}")
        value = self.sum()
        self.expect("]", f"to close the [ of column {opened.place.column + 1}")
        return Holds(element, value, opened.place)

    def element(self) -> WrittenElement:
        """A letter with its positions, if any."""
        letter = self.take()
        if not letter.is_word or letter.text[0] == "|":
            self.fail("expected an array's letter, such as X", letter)
        positions: list[WrittenSum] = []
        if self.next.text == "[":
            opened = self.take()
            self.deeper(opened)
            positions.append(self.sum())
            while self.next.text == ",":
                self.take()
                positions.append(self.sum())
            self.depth -= 1
            self.expect("]", f"behind the positions of {letter.text}")
        return WrittenElement(letter.text, tuple(positions), letter.place)
