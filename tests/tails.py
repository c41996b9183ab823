"""The long tails of tests: what runs always is a beginning of each.

`make test` runs the beginnings, within minutes on two cores; `make long` the rest, as CI does.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

__all__ = ["beginning"]


def beginning(count: int, values: Iterable[object]) -> list[object]:
    """Values for `pytest.mark.parametrize`, those behind the first `count` with the mark long."""
    return [
        value if at < count else pytest.param(value, marks=pytest.mark.long)
        for at, value in enumerate(values)
    ]
