"""Exact numbers that remember their symbol: stride 2 prints as `s` or as `2`."""

from __future__ import annotations

from fractions import Fraction

from .frozen import frozen

__all__ = ["Number", "ONE", "ZERO", "number"]


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

    @property
    def integer(self) -> int:
        """The value, which must be whole."""
        if isinstance(self.value, Fraction):
            if self.value.denominator != 1:
                raise ValueError(f"{self.value} is not a whole number")
            return self.value.numerator
        return self.value

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
        """Whether the written form begins with a minus."""
        return self.text(numbers).startswith("−")

    def __add__(self, other: Number | int) -> Number:
        other = number(other)
        symbol = ""
        if self.symbol or other.symbol:
            symbol = _sum(*(n.text() for n in (self, other) if not n.vanishes()))
        return Number(self.value + other.value, symbol)

    def __sub__(self, other: Number | int) -> Number:
        return self + -number(other)

    def __neg__(self) -> Number:
        return Number(-self.value, _negated(self.symbol))

    def __mul__(self, other: Number | int) -> Number:
        other = number(other)
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


def number(value: Number | int | Fraction) -> Number:
    """`value` as a `Number`."""
    return value if isinstance(value, Number) else Number(value)


ZERO, ONE = Number(0), Number(1)


def _is_sum(symbol: str) -> bool:
    depth = 0
    for position, letter in enumerate(symbol):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and letter in "+−" and position > 0:
            return True
    return False


def _grouped(symbol: str) -> str:
    return f"({symbol})" if _is_sum(symbol) else symbol


def _negated(symbol: str) -> str:
    if not symbol:
        return ""
    if _is_sum(symbol):
        return f"−({symbol})"
    return symbol[1:] if symbol.startswith("−") else f"−{symbol}"


def _sum(*symbols: str) -> str:
    joined = "+".join(symbols)
    return joined.replace("+−", "−")


def _product(*symbols: str) -> str:
    negative = sum(s.startswith("−") and not _is_sum(s) for s in symbols) % 2
    bare = [s[1:] if s.startswith("−") and not _is_sum(s) else _grouped(s) for s in symbols]
    return ("−" if negative else "") + "·".join(bare)
