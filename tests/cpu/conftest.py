"""Targets made up for the tests, beside the engine's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gradtrail.engines.cpu import engine

from .targets import target_named


@pytest.fixture(scope="session", autouse=True)
def made_up_targets() -> Iterator[None]:
    """`gt.CPU(target="wide")` is known."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "target_for", target_named)
        yield
