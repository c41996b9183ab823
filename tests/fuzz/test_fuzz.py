"""Damaged and crafted files, read in a process of their own; run.py alone reads ten thousand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .crafted_kinds import CRAFTED
from .kinds import KINDS
from .run import MEMORY, SECONDS


def damaged(count: int, keep: Path) -> None:
    """So many damaged files."""
    command = [sys.executable, str(Path(__file__).with_name("run.py")), "--count", str(count)]
    done = subprocess.run([*command, "--keep", str(keep)], capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["failures"] == []
    assert found["longest"] < SECONDS
    assert found["memory"] < MEMORY
    kinds = found["kinds"]
    assert len(kinds) >= len(KINDS) - 1  # ONNX may not be there
    assert sum(k["read"] + k["refused"] for k in kinds.values()) == count
    assert all(k["refused"] > count // 100 for k in kinds.values())  # most cannot be read
    assert sum(k["read"] for k in kinds.values()) > count // 10  # and some can


def test_damaged_files_do_no_harm(tmp_path: Path) -> None:
    damaged(600, tmp_path)


@pytest.mark.long
def test_thousands_of_damaged_files_do_no_harm(tmp_path: Path) -> None:
    damaged(3000, tmp_path)


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
    crafted(120, tmp_path)


@pytest.mark.long
def test_thousands_of_crafted_files_do_no_harm(tmp_path: Path) -> None:
    crafted(1800, tmp_path)
