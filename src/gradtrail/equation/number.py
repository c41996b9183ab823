"""Exact numbers that remember their symbol: stride 2 prints as `s` or as `2`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from .frozen import frozen

_SIZE = re.compile(r"\|(\w+′*)\|")


@frozen
class Number:
    """An exact value and the symbol it is written with.

    Args:
        value: the value, an integer or a fraction.
        symbol: how the value is written in formulas (`s`, `−p`, `H·W`, `1/N`); empty for a
            number that stands for itself.
    """

    value: int | Fraction
    symbol: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.value, int | Fraction) or not isinstance(self.symbol, str):
            raise TypeError(f"no exact number: {self.value!r} written {self.symbol!r}")

    def renamed(self, names: Mapping[str, str]) -> Number:
        """This number, with the sizes `|i|` in its symbol those of the renamed indices."""
        if "|" not in self.symbol:
            return self
        return Number(
            self.value, re.sub(_SIZE, lambda m: f"|{names.get(m[1], m[1])}|", self.symbol)
        )

    @property
    def integer(self) -> int:
        """The value, which must be whole."""
        if isinstance(self.value, int):  # nearly always; whether it is a fraction takes longer
            return self.value
        if self.value.denominator != 1:
            raise ValueError(f"{self.value} is not a whole number")
        return self.value.numerator

    def reciprocal(self, above: int = 1) -> Number:
        """`above` divided by this number: `1/N`, `2/(|n|·|k|)`."""
        below = f"({self.symbol})" if "·" in self.symbol else self.symbol
        return Number(Fraction(above, self.integer), f"{above}/{below}" if below else "")

    def text(self, numbers: bool = False) -> str:
        """The symbol, or with `numbers` (or without a symbol) the value."""
        return self.symbol if self.symbol and not numbers else str(self.value).replace("-", "−")

    def vanishes(self, numbers: bool = False) -> bool:
        """Whether a sum is written without this number: a plain 0."""
        return self.value == 0 and (numbers or not self.symbol)

    def is_one(self, numbers: bool = False) -> bool:
        """Whether a product is written without this number: a plain 1."""
        return self.value == 1 and (numbers or not self.symbol)

    def is_negative(self, numbers: bool = False) -> bool:
        """Whether the written form is subtracted as a whole."""
        return all(negative for negative, _ in parts(self.text(numbers)))

    def __add__(self, other: Number | int) -> Number:
        other = as_number(other)
        symbol = ""
        if self.symbol or other.symbol:
            written = [n.text() for n in (self, other) if not n.vanishes()]
            symbol = _written([part for text in written for part in parts(text)])
        return Number(self.value + other.value, symbol)

    def __sub__(self, other: Number | int) -> Number:
        return self + -as_number(other)

    def __neg__(self) -> Number:
        summands = parts(self.symbol) if self.symbol else []
        return Number(-self.value, _written([(not negative, part) for negative, part in summands]))

    def __mul__(self, other: Number | int) -> Number:
        other = as_number(other)
        if other == Number(-1):
            return -self
        if ZERO in (self, other):
            return ZERO
        symbol = ""
        if self.symbol or other.symbol:
            symbol = _product(*(n.text() for n in (self, other) if not n.is_one()))
        return Number(self.value * other.value, symbol)

    __radd__ = __add__
    __rmul__ = __mul__


def as_number(value: Number | int | Fraction) -> Number:
    """`value` as a `Number`."""
    return value if isinstance(value, Number) else Number(value)


ZERO, ONE = Number(0), Number(1)


Parts = list[tuple[bool, str]]
"""The summands of a symbol: whether it is subtracted, and what."""


def parts(symbol: str) -> Parts:
    """A symbol's summands: `d−p` is d, and p subtracted."""
    found: Parts = []
    depth = start = 0
    for place, letter in enumerate(symbol):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and letter in "+−" and place > start:
            found.append((symbol[start] == "−", symbol[start:place].lstrip("+−")))
            start = place
    found.append((symbol[start] == "−", symbol[start:].lstrip("+−")))
    return found


def _written(summands: Parts) -> str:
    """What is added first, then what is subtracted."""
    ordered = sorted(summands, key=lambda part: part[0])
    text = "".join(("−" if negative else "+") + piece for negative, piece in ordered)
    return text.removeprefix("+")


def _product(*symbols: str) -> str:
    negative, factors = False, []
    for symbol in symbols:
        summands = parts(symbol)
        if len(summands) == 1:
            negative ^= summands[0][0]
            factors.append(summands[0][1])
        else:
            factors.append(f"({symbol})")
    return ("−" if negative else "") + "·".join(factors)
