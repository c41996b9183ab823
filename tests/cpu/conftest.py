"""Targets made up for the tests, beside the engine's own; and NaN around what the engine reads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from gradtrail.engines.cpu import context, engine, trainer, warping
from gradtrail.engines.cpu.raw import address

from .targets import target_named


@pytest.fixture(scope="session", autouse=True)
def made_up_targets() -> Iterator[None]:
    """`gt.CPU(target="wide")` is known."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "target_for", target_named)
        yield


_AROUND = 1 << 14
"""Bytes of NaN before and behind each piece of memory, a multiple of a line."""


def surrounded(size: int) -> np.ndarray:
    """As `raw.aligned`, with NaN on both sides: who reads beyond a piece, and uses it, shows."""
    held = np.full(size + 2 * _AROUND + 64, 0xFF, np.uint8)
    begin = _AROUND + -address(held) % 64
    inside = held[begin : begin + size]
    inside[:] = 0
    return inside


@pytest.fixture(scope="session", autouse=True)
def memory_ends_in_nan() -> Iterator[None]:
    """Whatever a test here computes comes of the memory that is meant."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (context, trainer, warping):
            patch.setattr(module, "aligned", surrounded)
        yield
