"""A FileError is an OSError, as one expects of files, and stays a ValueError."""

from __future__ import annotations

import ast
import errno
import gzip
import pickle
from pathlib import Path

import pytest

import gradtrail as gt
from gradtrail.data.idx import read_idx
from gradtrail.runs import read_recipe
from gradtrail.runs.run_folder import run_folder

SOURCES = sorted(Path(gt.__file__).parent.rglob("*.py"))


def test_a_missing_file_is_caught_as_the_system_s_own(tmp_path: Path) -> None:
    path = tmp_path / "none.safetensors"
    with pytest.raises(OSError, match="none.safetensors: there is no such file") as caught:
        gt.load(path)
    error = caught.value
    assert isinstance(error, gt.FileError)
    assert isinstance(error, ValueError)
    assert (error.errno, error.strerror) == (errno.ENOENT, "No such file or directory")
    assert error.filename == str(path)


def test_without_an_error_of_the_system_there_is_no_number() -> None:
    error = gt.FileError("a.npz is damaged")
    assert (error.errno, error.strerror, error.filename) == (None, None, None)
    assert (str(error), error.args) == ("a.npz is damaged", ("a.npz is damaged",))
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), back.errno) == (gt.FileError, "a.npz is damaged", None)


def test_our_own_errors_are_told_once(tmp_path: Path) -> None:
    """What is raised where the system's errors are renamed keeps its sentence."""
    empty = tmp_path / "empty.safetensors"
    empty.touch()
    long = tmp_path / "long.toml"
    long.write_bytes(b"#" * ((1 << 20) + 1))
    wrong = tmp_path / "wrong-idx3-ubyte.gz"
    wrong.write_bytes(gzip.compress(b"abc"))
    full = tmp_path / "full"
    full.mkdir()
    (full / "a").touch()
    told = {
        f"cannot read {empty}: it is empty": lambda: gt.load(empty),
        f"{long} is larger than 1 MiB; no recipe is that long": lambda: read_recipe(long),
        f"{wrong}: ": lambda: read_idx(wrong, {"count": None}),
        f"{full} is not empty; give --out a new folder, such as {full}-2": lambda: run_folder(
            full, "a"
        ).__enter__(),
    }
    for sentence, call in told.items():
        with pytest.raises(gt.FileError, match=r"\w") as caught:
            call()
        assert str(caught.value).startswith(sentence)


def catches(handler: ast.ExceptHandler, *names: str) -> bool:
    """Whether a handler names one of these."""
    kinds = [] if handler.type is None else ast.walk(handler.type)
    return any(isinstance(kind, ast.Name) and kind.id in names for kind in kinds)


def swallowing(source: str) -> list[int]:
    """Lines of handlers of the system's errors that ours, raised before them, would come to."""
    found = []
    for node in ast.walk(ast.parse(source)) if "OSError" in source else ():
        if not isinstance(node, ast.Try):
            continue
        inner = [part for statement in node.body for part in ast.walk(statement)]
        ours = any(
            isinstance(part, ast.Yield)
            or (isinstance(part, ast.Raise) and "FileError" in ast.unparse(part))
            for part in inner
        )
        for handler in node.handlers if ours else ():
            if catches(handler, "FileError", "GradtrailError"):
                break
            if catches(handler, "OSError"):
                found.append(handler.lineno)
    return found


def test_no_handler_of_the_system_s_errors_renames_ours() -> None:
    assert swallowing("try:\n  raise FileError('a')\nexcept OSError:\n  pass") == [3]
    found = {path.name: lines for path in SOURCES if (lines := swallowing(path.read_text("utf-8")))}
    known = {
        "row_file.py": "it lets go of the file, and raises the same",
        "decode.py": "decoders raise no FileError",
    }
    assert found.keys() == known.keys()
