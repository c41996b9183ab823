"""Shared fixtures and the flag that rewrites golden texts."""

from __future__ import annotations

import gc
import os
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.data import task_progress

# Machine code that tests compile is kept apart from the user's; processes side by side share it.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["GRADTRAIL_CACHE"] = os.environ.get("GRADTRAIL_TEST_CACHE") or tempfile.mkdtemp(
        prefix="gradtrail-tests-"
    )
os.environ.pop("COLUMNS", None)  # how wide tables are is for each test to say
os.environ["GRADTRAIL_OFFLINE"] = "1"  # no test reaches out
task_progress._clock = lambda: 0.0  # on a busy machine, too, nothing takes so long that it is told

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden/*.txt")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file whose tests all have a mark that is not asked for is not read, and needs no import."""
    unwanted = re.findall(r"\bnot (\w+)", config.option.markexpr)
    if not unwanted or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8")
    whole = re.search(r"^pytestmark = \[?pytest\.mark\.(\w+)", text, re.M)
    return True if whole and whole[1] in unwanted else None


def pytest_collection() -> None:
    gc.disable()  # nine thousand tests are made, and all of them stay


def pytest_collection_finish() -> None:
    gc.freeze()  # nor is anything of them looked through again
    gc.enable()


@pytest.fixture
def golden(request: pytest.FixtureRequest):
    """Compare a text with `tests/golden/<name>.txt`, or rewrite that file with --update-golden."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / f"{name}.txt"
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.rstrip() + "\n", encoding="utf-8")
        if not path.exists():
            pytest.fail(f"golden text {path.name} is missing; run pytest --update-golden")
        assert text.rstrip() + "\n" == path.read_text(encoding="utf-8")

    return check


@pytest.fixture
def small() -> gt.Network:
    """A network with one layer of most kinds, for 2 × 9 × 8 samples and 4 classes."""
    return gt.Network(
        (2, 9, 8),
        [
            *(gt.Conv2d(4, 3, padding=1), gt.BatchNorm2d(), gt.ReLU(), gt.MaxPool2d(2)),
            *(gt.Residual([gt.Conv2d(4, 3, padding=1)]), gt.LeakyReLU()),
            *(gt.Concat([gt.Conv2d(2, 1)], [gt.AvgPool2d(3, 1, 1)]), gt.GELU()),
            *(gt.Flatten(), gt.Linear(6), gt.Tanh(), gt.Dropout(0.2), gt.Linear(4)),
        ],
        seed=3,
        dtype=np.float64,
    )


@pytest.fixture
def batch() -> tuple[np.ndarray, np.ndarray]:
    """Five samples for `small`, with labels."""
    draw = np.random.Generator(np.random.PCG64(7))
    return draw.random((5, 2, 9, 8)) * 2 - 1, np.array([0, 3, 1, 2, 3])
