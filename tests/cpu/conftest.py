"""One folder of compiled code for the whole session, and targets made up for the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gradtrail.engines.cpu import cache, engine

from .targets import target_named


@pytest.fixture(scope="session", autouse=True)
def code_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Compiled code goes here and not to the user's own folder."""
    folder = tmp_path_factory.mktemp("code")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADTRAIL_CACHE", str(folder))
        patch.setattr(engine, "target_for", target_named)
        cache.cache_folder.cache_clear()
        yield folder
    cache.cache_folder.cache_clear()
