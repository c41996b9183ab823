"""The long tails of tests: what runs always is a beginning of each.

`make test` runs the beginnings, within minutes on two cores; `make long` the rest, as CI does.
Where numbers are drawn without an end, GRADTRAIL_SEARCH=1000 makes a search of a test: so many; and
of two tables that meet, a search tries every pair. `make search` is one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest

__all__ = ["SEARCHING", "beginning", "firsts", "searched"]

Value = TypeVar("Value")

SEARCHING = "GRADTRAIL_SEARCH" in os.environ
"""Whether more is tried than CI does."""


def beginning(count: int, values: Iterable[object]) -> list[object]:
    """Values for `pytest.mark.parametrize`, those behind the first `count` with the mark long."""
    return [
        value if at < count else pytest.param(value, marks=pytest.mark.long)
        for at, value in enumerate(values)
    ]


def firsts(values: Iterable[Value], kind: Callable[[Value], object]) -> list[object]:
    """Values for `pytest.mark.parametrize`, those behind the first of their kind with the mark."""
    seen, found = set[object](), []
    for value in values:
        known = kind(value) in seen
        seen.add(kind(value))
        found.append(pytest.param(value, marks=pytest.mark.long) if known else value)
    return found


def searched(usual: int) -> range:
    """The numbers of what is drawn by number: as many as usual, or as a search asks for."""
    return range(int(os.environ.get("GRADTRAIL_SEARCH", usual)))
