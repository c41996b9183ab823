"""On which line of a TOML text each key stands.

The text is valid already; only keys, headers and the ends of values are looked for.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str | int, ...]
"""Where a value stands: keys, and numbers within lists of tables."""

_QUOTES = ('"""', "'''", '"', "'")
_KEY = re.compile(r"""\s*(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)\s*""")


def lines_of(text: str) -> dict[Path, int]:
    """The line of each key and each header, counted from 1.

    Args:
        text: valid TOML.
    """
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for line, statement in _statements(text):
        if statement.startswith("[["):
            name = _keys(statement[2 : statement.index("]]")])
            whole = _within(name[:-1], counts) + name[-1:]
            counts[whole] = counts.get(whole, -1) + 1
            table = (*whole, counts[whole])
            found.setdefault(whole, line)
            found[table] = line
        elif statement.startswith("["):
            table = _within(_keys(_before("]", statement)[1:]), counts)
            found[table] = line
        else:
            keys = table + _keys(_before("=", statement))
            for end in range(len(table) + 1, len(keys) + 1):
                found.setdefault(keys[:end], line)
    return found


def _within(names: Path, counts: dict[Path, int]) -> Path:
    """A header's keys, each list of tables on the way at its last entry."""
    path: Path = ()
    for name in names:
        path = (*path, name)
        if path in counts:
            path = (*path, counts[path])
    return path


def _keys(dotted: str) -> Path:
    """`a."b.c"` as its keys."""
    parts, at = [], 0
    while at < len(dotted):
        match = _KEY.match(dotted, at)
        if match is None:
            break
        written = match[0].strip()
        quoted = written[:1] in "\"'"
        parts.append(next(iter(tomllib.loads(f"{written} = 0"))) if quoted else written)
        at = match.end() + 1  # behind the dot
    return tuple(parts)


def _before(mark: str, statement: str) -> str:
    """What stands before a mark: a key before `=`, a header before `]`."""
    return statement[: next(at for at, found in _bare(statement) if found == mark)]


def _bare(text: str) -> Iterator[tuple[int, str]]:
    """The characters outside strings and comments, with their places."""
    at = 0
    while at < len(text):
        quote = next((q for q in _QUOTES if text.startswith(q, at)), None)
        if quote is not None:
            at = _behind(text, at + len(quote), quote)
        elif text[at] == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        else:
            yield at, text[at]
            at += 1


def _behind(text: str, at: int, quote: str) -> int:
    """Where a string ends that has begun."""
    escapes = quote[0] == '"'
    while at < len(text):
        if escapes and text[at] == "\\":
            at += 2
        elif text.startswith(quote, at):
            at += len(quote)
            while len(quote) == 3 and text.startswith(quote[0], at):
                at += 1  # up to two quotes may stand before the closing three
            return at
        else:
            at += 1
    return at


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Headers and assignments, each with its first line."""
    begin, depth, line, counted = 0, 0, 1, 0
    for at, mark in (*_bare(text), (len(text), "\n")):
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
        elif mark == "\n" and depth == 0:
            statement = text[begin:at]
            stripped = statement.lstrip()
            if stripped and not stripped.startswith("#"):
                line += text.count("\n", counted, at - len(stripped))
                counted = at - len(stripped)
                yield line, stripped
            begin = at + 1
