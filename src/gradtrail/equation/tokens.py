"""A formula's words and signs, each with its place, and how a mistake in it is shown.

expected ] behind the positions of X at column 19
    Z[n,k] = W[k,f]·X[n,f
                         ^
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import EquationError
from .frozen import frozen

_TOKEN = re.compile(
    r"\s*(?P<token>(?:Σ|sum|max)_(?:\{[^{}]*\}|[^\W\d_]\w*′*)"
    r"|\|\w+′*\|"
    r"|[^\W\d]\w*′*"
    r"|[0-9]+(?:\.[0-9]+)?"
    r"|\+=|[=+\-−·*/()\[\],²^√])"
)
_SAME = str.maketrans({"*": "·", "×": "·", "⋅": "·", "-": "−", "–": "−", "∑": "Σ"})
_LONGEST = 12
_SHOWN = 60


@frozen
class Spot:
    """Where something stands.

    Args:
        line: the whole line.
        number: of the line, from 1; 0 where there is only one.
        column: of its first character, from 0.
    """

    line: str
    number: int
    column: int


@frozen
class Token:
    """A word, a number or a sign, in the one spelling that all others stand for.

    Args:
        text: how it is spelt; empty at the end of a line.
        place: where it stands.
    """

    text: str
    place: Spot

    @property
    def is_word(self) -> bool:
        """Whether it is a name, such as `X`, `c` or `|i|`, and no sum's head."""
        return bool(self.text) and (self.text[0].isalpha() or self.text[0] == "|") and not self.over

    @property
    def is_number(self) -> bool:
        """Whether it is a number."""
        return "0" <= self.text[:1] <= "9"

    @property
    def over(self) -> str:
        """`Σ` or `max` where it is the head of a sum or a maximum, else nothing."""
        head, bar, behind = self.text.partition("_")
        named = {"Σ": "Σ", "sum": "Σ", "max": "max"}
        return named.get(head, "") if bar and behind else ""


def mistake(cause: str, place: Spot) -> EquationError:
    """The error that shows a place: the cause, the line, and a caret under the column."""
    where = f"line {place.number}, column" if place.number else "column"
    begin = max(0, place.column - _SHOWN // 2) if len(place.line) > _SHOWN * 2 else 0
    seen = place.line[begin : begin + _SHOWN * 2]
    under = "".join(" " for _ in place.line[begin : place.column])
    return EquationError(f"{cause} at {where} {place.column + 1}\n    {seen}\n    {under}^")


def tokens(line: str, number: int = 0) -> tuple[Token, ...]:
    """The tokens of one line, with an empty one behind the last.

    Args:
        line: the text.
        number: of the line among others, from 1; 0 for the only one.

    Raises:
        EquationError: a sign that no formula has.
    """
    return tuple(_found(line.replace("\t", " ").rstrip(), number))


def _found(line: str, number: int) -> Iterator[Token]:
    spelt, at = line.translate(_SAME), 0
    while at < len(spelt):
        match = _TOKEN.match(spelt, at)
        if match is None:
            raise _unreadable(line, number, len(spelt) - len(spelt[at:].lstrip()))
        text, begin = match["token"], match.start("token")
        place = Spot(line, number, begin)
        token = Token(text, place)
        if token.is_number and len(text) > _LONGEST:
            raise mistake(f"{text[:_LONGEST]}… is too long a number", place)
        yield token
        at = match.end()
    yield Token("", Spot(line, number, len(line)))


def _unreadable(line: str, number: int, at: int) -> EquationError:
    place = Spot(line, number, at)
    if line[at] == "{":
        closed = "}" in line[at:]
        cause = "{ stands behind Σ_ or max_ alone" if closed else "{ is not closed; expected }"
    elif line[at] == "|":
        cause = "| stands around one index alone, such as |i|, the number of its values"
    else:
        cause = f"cannot read {line[at:][:20]!r}"
    return mistake(cause, place)
