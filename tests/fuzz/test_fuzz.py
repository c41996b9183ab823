"""Ten thousand damaged files, read in a process of their own; see run.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .crafted_kinds import CRAFTED
from .kinds import KINDS
from .run import MEMORY, SECONDS


def test_ten_thousand_damaged_files_do_no_harm(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).with_name("run.py")), "--count", "10000"]
    done = subprocess.run([*command, "--keep", str(tmp_path)], capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["failures"] == []
    assert found["longest"] < SECONDS
    assert found["memory"] < MEMORY
    kinds = found["kinds"]
    assert len(kinds) >= len(KINDS) - 1  # ONNX may not be there
    assert sum(k["read"] + k["refused"] for k in kinds.values()) == 10_000
    assert all(k["refused"] > 100 for k in kinds.values())  # most are damaged beyond reading
    assert sum(k["read"] for k in kinds.values()) > 1000  # and some are not


def crafted(count: int, keep: Path) -> None:
    """So many crafted checkpoints, runs and recipes."""
    command = [sys.executable, str(Path(__file__).with_name("run.py")), "--crafted"]
    command += ["--count", str(count), "--keep", str(keep)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["failures"] == []
    assert found["longest"] < SECONDS
    assert found["memory"] < MEMORY
    kinds = found["kinds"]
    assert len(kinds) == len({make().name for make in CRAFTED})
    assert sum(k["read"] + k["refused"] for k in kinds.values()) == count
    assert all(k["refused"] > count // 60 for k in kinds.values())
    assert sum(k["read"] for k in kinds.values()) > count // 60


def test_crafted_files_do_no_harm(tmp_path: Path) -> None:
    crafted(180, tmp_path)


@pytest.mark.long
def test_ten_thousand_crafted_files_do_no_harm(tmp_path: Path) -> None:
    crafted(10_000, tmp_path)
