"""Damaged and crafted files, read in a process of their own; run.py alone reads ten thousand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .crafted_kinds import CRAFTED
from .kinds import KINDS
from .run import MEMORY, SECONDS, joined, run


def damaged(count: int, keep: Path) -> None:
    """So many damaged files."""
    command = [sys.executable, str(Path(__file__).with_name("run.py")), "--count", str(count)]
    command += ["--processes", "1"]  # other tests run beside
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
    command += ["--count", str(count), "--keep", str(keep), "--processes", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["failures"] == []
    assert found["longest"] < SECONDS
    assert found["memory"] < MEMORY
    kinds = found["kinds"]
    assert len(kinds) == len(set(CRAFTED))
    assert sum(k["read"] + k["refused"] for k in kinds.values()) == count
    assert all(k["refused"] > count // 60 for k in kinds.values())
    assert sum(k["read"] for k in kinds.values()) > count // 60


def test_crafted_files_do_no_harm(tmp_path: Path) -> None:
    crafted(120, tmp_path)


@pytest.mark.long
def test_hundreds_of_crafted_files_do_no_harm(tmp_path: Path) -> None:
    crafted(600, tmp_path)


def test_what_processes_have_found_is_put_together_by_the_files_numbers() -> None:
    late = {"failures": [[7, "b"]], "longest": 0.1, "memory": 5, "kinds": {"png": {"read": 2}}}
    early = {"failures": [[3, "a"]], "longest": 0.4, "memory": 2}
    early["kinds"] = {"png": {"read": 1, "refused": 4}, "bmp": {"refused": 1}}
    assert joined([late, early]) == {
        "failures": ["a", "b"],
        "longest": 0.4,
        "memory": 5,
        "kinds": {"bmp": {"read": 0, "refused": 1}, "png": {"read": 3, "refused": 4}},
    }


@pytest.mark.long
def test_the_number_of_processes_changes_nothing() -> None:
    one, three = (run(400, 5, None, processes=processes) for processes in (1, 3))
    assert one["failures"] == three["failures"] == []
    assert one["kinds"] == three["kinds"]
    assert sum(sum(tally.values()) for tally in one["kinds"].values()) == 400
