"""The grammar of a line: tokens, numbers, positions, accesses, factors, products."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from ..errors import EquationError
from .access import Access, Applied, Factor, Indicator, Margin, Term
from .affine import Affine, index
from .number import ONE, Number, as_number
from .printing import text
from .scalar import Function

_TOKEN = re.compile(
    r"\s*(?:(?P<over>(?:Σ|sum|max)_\{[^}]*\})"
    r"|(?P<word>\|\w+′*\||[^\W\d]\w*′*)"
    r"|(?P<number>\d+)"
    r"|(?P<sign>\+=|[=+\-−·*/()\[\],²√]))"
)
_SAME = {"*": "·", "-": "−"}


@dataclass
class Reader:
    """A recursive-descent reader over the tokens of one line.

    Args:
        text: the line.
        constants: the values of symbols.
        functions: the functions of one number, by name.
        padding: the margins of accesses, by their text.
    """

    text: str
    constants: Mapping[str, int | Fraction]
    functions: Mapping[str, Function]
    padding: Mapping[str, Sequence[Margin]]

    def line(self, line: str) -> list[Term]:
        """`target = ± product ± product …`."""
        self.open(line)
        target = self.access()
        if self.take() not in ("=", "+="):
            self.fail("expected = or += behind the target")
        terms: list[Term] = []
        while self.peek():
            negative = self.sign(first=not terms)
            terms.append(self.product(target, negative))
        if not terms:
            self.fail("expected a term behind =")
        return terms

    def open(self, line: str) -> None:
        """Split a line into tokens."""
        self.text, self.tokens, self.place = line, [], 0
        at = 0
        stripped = line.rstrip()
        while at < len(stripped):
            match = _TOKEN.match(stripped, at)
            if match is None:
                raise EquationError(
                    f"cannot read {stripped[at:].strip()[:20]!r} in {line.strip()!r}"
                )
            self.tokens.append(_SAME.get(match[0].strip(), match[0].strip()))
            at = match.end()

    def peek(self) -> str:
        """The next token, empty at the end."""
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        """The next token, which must be `expected` where that is given."""
        token = self.peek()
        if not token or (expected and token != expected):
            self.fail(f"expected {expected or 'more'}")
        self.place += 1
        return token

    def fail(self, cause: str) -> NoReturn:
        """Raise with the place in the line."""
        read = " ".join(self.tokens[: self.place])
        raise EquationError(f"{cause} after {read!r} in {self.text.strip()!r}")

    def sign(self, first: bool = False) -> bool:
        """Whether a minus stands here; + and − are consumed."""
        if self.peek() in ("+", "−"):
            return self.take() == "−"
        if not first:
            self.fail("expected + or −")
        return False

    def product(self, target: Access, negative: bool) -> Term:
        """`(1/N)·Σ_{n,k} A[…]·B[…]`."""
        scale = ONE
        if self.peek() == "(" or self.peek().isdigit() or self.peek() in self.constants:
            scale = self.scale()
            self.take("·")
        over = self.over("Σ", "sum") if self.peek().endswith("}") else []
        factors = [self.factor()]
        while self.peek() == "·":
            self.take()
            factors.append(self.factor())
        term = Term(target, tuple(factors), -scale if negative else scale)
        if over and set(over) != set(term.summed):
            summed = ", ".join(term.summed) or "none"
            self.fail(f"Σ runs over {', '.join(over)}, but the indices summed are {summed}")
        return term

    def over(self, *symbols: str) -> list[str]:
        """The indices of `Σ_{c,i,j}`; ranges such as `c<3` may stand with them."""
        token = self.take()
        for symbol in symbols:
            if token.startswith(symbol + "_{"):
                inside = token[len(symbol) + 2 : -1]
                return [name.partition("<")[0].strip() for name in inside.split(",")]
        return self.fail(f"expected {symbols[0]}_{{…}}")

    def scale(self) -> Number:
        """`(1/N)`, `(1/64)`, `2` or `s`."""
        if self.peek() != "(":
            return self.atom()
        self.take()
        written = ""
        depth = 0
        while depth or self.peek() != ")":
            token = self.take()
            depth += (token == "(") - (token == ")")
            written += token
        self.take(")")
        if written in self.constants:
            return Number(self.constants[written], written)
        try:
            return as_number(Fraction(written.replace("−", "-")))
        except ValueError:
            raise EquationError(f"the value of {written!r} is not among the constants") from None

    def factor(self) -> Factor:
        """`X[n,c]`, `relu(X[n,c])` or `[A[n] = i]`."""
        if self.peek() == "[":
            self.take()
            access = self.access()
            self.take("=")
            value = self.affine()
            self.take("]")
            return Indicator(access, value)
        following = self.tokens[self.place + 1] if self.place + 1 < len(self.tokens) else ""
        if following == "(":
            name = self.take()
            if name not in self.functions:
                self.fail(f"function {name} is not among the functions given")
            self.take("(")
            access = self.access()
            self.take(")")
            return Applied(self.functions[name], access)
        return self.access()

    def access(self) -> Access:
        """A letter with its positions, if any."""
        letter = self.take()
        if not letter[0].isalpha():
            self.fail("expected an array's letter")
        positions = []
        if self.peek() == "[":
            self.take()
            positions.append(self.position())
            while self.peek() == ",":
                self.take()
                positions.append(self.position())
            self.take("]")
        access = Access(letter, tuple(positions))
        margins = self.padding.get(text(access))
        return access if margins is None else Access(letter, access.positions, tuple(margins))

    def left_side(self, line: str) -> Access:
        """The access that a line begins with."""
        self.open(line)
        return self.access()

    def position(self) -> Affine:
        """`y·s+i−p` or `(h+p−i)/s`."""
        if self.peek() != "(":
            position = self.affine()
        else:
            self.take()
            position = self.affine()
            self.take(")")
        if self.peek() == "/":
            if self.tokens[self.place - 1] != ")" and len(position.terms) > 1:
                self.fail("a sum is divided as a whole: put it in brackets")
            self.take()
            position = position / self.atom()
        return position

    def affine(self) -> Affine:
        """A sum of monomials."""
        total, first = Affine(), True
        while first or self.peek() in ("+", "−"):
            negative = self.sign(first)
            monomial = self.monomial()
            total = total - monomial if negative else total + monomial
            first = False
        return total

    def monomial(self) -> Affine:
        """At most one index, times numbers: `c·H·W`."""
        names, numbers = [], []
        while True:
            token = self.take()
            if token.isdigit() or token in self.constants:
                numbers.append(token)
            elif token[0].isalpha():
                names.append(token)
            else:
                self.fail("expected an index, a symbol or a number")
            if self.peek() != "·":
                break
            self.take()
        if len(names) > 1:
            # a product of symbols without a value of their own, such as the H·W of c·H·W
            numbers, names = [*names[1:], *numbers], names[:1]
        joined = "·".join(numbers)
        if joined in self.constants:
            numbers = [joined]
        coefficient = ONE
        for written in numbers:
            coefficient = coefficient * self.number(written, joined)
        return index(names[0]) * coefficient if names else Affine((), coefficient)

    def atom(self) -> Number:
        """One number or symbol."""
        token = self.take()
        return self.number(token, token)

    def number(self, written: str, whole: str) -> Number:
        """A number or a symbol, which must be known; it is a factor of the `whole` of a message."""
        if written.isdigit():
            return Number(int(written))
        if written not in self.constants:
            self.fail(f"the value of {whole} is not among the constants")
        return Number(self.constants[written], written)
