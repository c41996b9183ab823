"""Equations read from the text that `printing.text` writes, or that a person types.

    parse("Z[n,k] = b[k] + Σ_{f} W[k,f]·X[n,f]", ranges={"k": 10}, shapes={"X": (64, 784)})

Open ranges and shapes are inferred. `*`, `-` and `sum_{…}` may stand for `·`, `−` and `Σ_{…}`.
What text does not show (padding, the values behind symbols, the bodies of functions) is passed
beside it; `context` collects it from an equation, so that
`parse(text(e), **context(e)) == e`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NoReturn

from ..errors import EquationError, ShapeError
from .access import Access, Applied, Factor, Indicator, Margin, Term
from .affine import Affine, index
from .build import contraction, loss, normalisation, selection
from .kinds import Contraction, Equation, Loss, Normalisation, Selection
from .number import ONE, Number, number
from .printing import text
from .scalar import Function

__all__ = ["context", "parse"]

_TOKEN = re.compile(
    r"\s*(?:(?P<over>(?:Σ|sum|max)_\{[^}]*\})"
    r"|(?P<word>\|\w+′*\||[^\W\d]\w*′*)"
    r"|(?P<number>\d+)"
    r"|(?P<sign>\+=|[=+\-−·*/()\[\],²√]))"
)
_SAME = {"*": "·", "-": "−"}


def parse(
    source: str,
    *,
    ranges: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]],
    constants: Mapping[str, int | Fraction] | None = None,
    functions: Mapping[str, Function] | None = None,
    padding: Mapping[str, Sequence[Margin]] | None = None,
    epsilon: float = 1e-5,
) -> Equation:
    """The equation that a text describes.

    Args:
        source: one line per defining equation, as `text` prints them.
        ranges: the indices whose ranges are known.
        shapes: the arrays whose shapes are known.
        constants: the values of the symbols, such as `{"s": 2, "p": 1, "1/N": Fraction(1, 64)}`.
        functions: the functions of one number that occur, by name.
        padding: the margins of the accesses that may leave their array, by the access's text.
        epsilon: what `ε` stands for in a normalisation.

    Raises:
        EquationError: the text is not an equation; the message shows the place.
        ShapeError: the ranges and shapes contradict each other.
    """
    reader = _Reader(source, constants or {}, functions or {}, padding or {})
    lines = [line for line in source.splitlines() if line.strip()]
    if not lines:
        raise EquationError("an equation needs at least one line such as Z[n,k] = X[n,k]")
    try:
        return _parsed(reader, lines, ranges, shapes, epsilon)
    except (EquationError, ShapeError):
        raise
    except (ValueError, ZeroDivisionError) as cause:
        raise EquationError(f"{cause} in {reader.text.strip()!r}") from cause


def _parsed(
    reader: _Reader,
    lines: list[str],
    ranges: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]],
    epsilon: float,
) -> Equation:
    """The equation of the kind that the lines look like."""
    if "max_{" in lines[0]:
        return _selection(reader, lines[0], ranges, shapes)
    if "log " in lines[0] or "²" in lines[0]:
        return _loss(reader, lines, shapes)
    if len(lines) == 5 and "√" in lines[2]:
        return _normalisation(reader, lines, shapes, epsilon)
    terms = [t for line in lines for t in reader.line(line)]
    return contraction(*terms, ranges=ranges, shapes=shapes)


def context(equation: Equation) -> dict[str, Any]:
    """What `parse` needs beside the text to give this equation back."""
    constants: dict[str, int | Fraction] = {}
    functions: dict[str, Function] = {}
    terms: tuple[Term, ...] = equation.terms if isinstance(equation, Contraction) else ()
    positions = [p for access in equation.accesses for p in access.positions]
    for factor in (f for t in terms for f in t.factors):
        if isinstance(factor, Applied):
            functions[factor.function.name] = factor.function
        if isinstance(factor, Indicator):
            positions.append(factor.value)
    numbers: list[Number] = [t.scale for t in terms]
    for position in positions:
        numbers += position.numbers
    for found in numbers:
        constants[found.symbol] = found.value
        constants[found.symbol.removeprefix("−")] = max(found.value, -found.value)
    constants.pop("", None)
    beside: dict[str, Any] = {"ranges": equation.range_of, "shapes": equation.shape_of}
    beside |= {"constants": constants, "functions": functions}
    beside["padding"] = {text(a): a.padding for a in equation.accesses if a.padding}
    if isinstance(equation, Normalisation):
        beside["epsilon"] = equation.epsilon
    return beside


@dataclass
class _Reader:
    """A recursive-descent reader over the tokens of one line."""

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
            return number(Fraction(written.replace("−", "-")))
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
            if not numbers and not names:
                break
            self.take()
        if len(names) > 1:
            # a product of symbols without a value of their own, such as the H·W of c·H·W
            numbers, names = [*names[1:], *numbers], names[:1]
        joined = "·".join(numbers)
        coefficient = self._number(joined, numbers) if numbers else ONE
        return index(names[0]) * coefficient if names else Affine((), coefficient)

    def _number(self, joined: str, parts: list[str]) -> Number:
        if joined in self.constants:
            return Number(self.constants[joined], joined)
        total = ONE
        for part in parts:
            if not part.isdigit() and part not in self.constants:
                self.fail(f"the value of {joined} is not among the constants")
            total = total * (
                Number(int(part)) if part.isdigit() else Number(self.constants[part], part)
            )
        return total

    def atom(self) -> Number:
        """One number or symbol."""
        token = self.take()
        if token.isdigit():
            return Number(int(token))
        if token not in self.constants:
            self.fail(f"the value of {token} is not among the constants")
        return Number(self.constants[token], token)


def _selection(
    reader: _Reader, line: str, ranges: Mapping[str, int], shapes: Mapping[str, Sequence[int]]
) -> Selection:
    reader.open(line)
    result = reader.access()
    reader.take("=")
    over = reader.over("max")
    source = reader.access()
    if reader.peek():
        reader.fail("expected nothing more behind a maximum")
    if set(over) != set(source.names) - set(result.names):
        reader.fail(f"max runs over {', '.join(over)}, not over what {result.array} leaves open")
    known = {result.array, source.array}
    winner = next((a for a in shapes if a not in known), "A")
    return selection(result, source, over=over, winner=winner, ranges=ranges, shapes=shapes)


def _found(pattern: str, line: str) -> tuple[str, ...]:
    match = re.fullmatch(pattern.replace("@", r"([^\W\d]\w*′*(?:\[[^\]]*\])?)"), line.strip())
    if match is None:
        raise EquationError(f"cannot read {line.strip()!r}")
    return match.groups()


def _normalisation(
    reader: _Reader, lines: list[str], shapes: Mapping[str, Sequence[int]], epsilon: float
) -> Normalisation:
    def access(written: str) -> Access:
        reader.open(written)
        return reader.access()

    result, scale, normalised, shift = _found(r"@ = (?:@·)?@(?: \+ @)?", lines[0])
    _, source, mean, inverse = _found(r"@ = \(@ − @\)·@", lines[1])
    _, variance = _found(r"@ = 1/√\(@ \+ ε\)", lines[2])
    letters = tuple(access(a).array for a in (variance, inverse, normalised))
    return normalisation(
        access(result),
        access(source),
        access(mean),
        epsilon=epsilon,
        scale=access(scale).array if scale else None,
        shift=access(shift).array if shift else None,
        letters=(letters[0], letters[1], letters[2]),
        shapes=shapes,
    )


def _loss(reader: _Reader, lines: list[str], shapes: Mapping[str, Sequence[int]]) -> Loss:
    def access(written: str) -> Access:
        reader.open(written)
        return reader.access()

    share = r"(?:\(1/[^ ]+\)·)?Σ_\{[^}]*\} "
    if "²" in lines[0]:
        result, given, source, target = _found(rf"@ = {share}(?:@·)?\(@ − @\)²", lines[0])
        return loss(
            "squared error",
            access(result),
            access(source),
            access(target).array,
            weight=access(given).array if given else None,
            shapes=shapes,
        )
    result, target, softmax = _found(rf"@ = −{share}@·log @", lines[0])
    if len(lines) < 2:
        raise EquationError(f"the softmax P = … is missing below {lines[0].strip()!r}")
    (_, source, _) = _found(r"@ = \(exp @\)/\(Σ_\{[^}]*\} exp @\)", lines[1])
    weight = _found(r"@ = Σ_\{[^}]*\} @", lines[2])[0] if len(lines) > 2 else None
    return loss(
        "softmax cross-entropy",
        access(result),
        access(source),
        access(target).array,
        probabilities=access(softmax).array,
        weight=access(weight).array if weight else None,
        shapes=shapes,
    )
