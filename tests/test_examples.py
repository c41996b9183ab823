"""The examples run as they are, keep what they promise, and leave a picture."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What an example leaves behind, with its picture looked at."""
    pytest.importorskip("matplotlib").use("agg")
    from matplotlib import pyplot

    monkeypatch.chdir(folder)
    left = runpy.run_path(str(EXAMPLES / f"{name}.py"))
    pyplot.close("all")
    shape = pyplot.imread(folder / f"{name}.png").shape
    assert shape == pyplot.imread(ROOT / "docs" / "pictures" / f"{name}.png").shape
    return left


def test_each_is_short_and_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= (42 if path.stem == "first_run" else 40), path.name
        assert f"]({path.name})" in listed


@pytest.mark.long
def test_a_u_net_learns_to_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = run("segmentation", tmp_path, monkeypatch)
    assert left["scores"].iou.mean() >= 0.95
    assert "mean IoU" in capsys.readouterr().out
    t, (k, c) = left["t"], (left["k"], left["c"])
    np.testing.assert_allclose(left["where"].sum(), t.grad["head.weight"][k, c, 0, 0], rtol=1e-6)


def test_a_1d_cnn_learns_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sensor that is asked about is the one that tells the classes apart, as the text says."""
    left = run("sensors", tmp_path, monkeypatch)
    assert left["scores"].accuracy >= 0.98
    n, begins = left["n"], left["begins"]
    assert left["c"] == 4
    at = int(np.abs(left["moments"].dense()[n]).argmax())
    assert begins[n] - 9 <= at < begins[n] + 24 + 9


def test_a_3d_cnn_learns_volumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = run("volumes", tmp_path, monkeypatch)
    assert left["scores"].accuracy >= 0.98
    written = ",".join(map(str, left["voxel"]))
    assert f"dinput[{written}]\n" in capsys.readouterr().out


@pytest.mark.long
def test_a_net_learns_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = run("tags", tmp_path, monkeypatch)
    assert left["scores"].macro_f1 >= 0.95
    few, many = (abs(side.sum()) for side in left["sides"].values())
    assert many / 3 < few < 3 * many  # with pos_weight, as those of the last picture
