"""Names from outside tell a terminal nothing: colours, titles, the cursor, the order of words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import gradtrail as gt
from gradtrail.cli import main
from gradtrail.notebook import tell, visible
from gradtrail.tables import Table

EVIL = "red\x1b[31m\x1b]0;title\x07"


def test_control_characters_are_written_out_and_others_stay() -> None:
    assert visible(EVIL) == r"red\x1b[31m\x1b]0;title\x07"
    assert visible("a\x9bK\x7f\u202eb") == r"a\x9bK\x7f\u202eb"
    kept = "고양이 é — 3 × 3\n\tx ′"
    assert visible(kept) == kept


def test_a_table_writes_them_out_in_all_its_parts() -> None:
    text = Table((EVIL,), (EVIL, ">n"), [(EVIL, "1")], (EVIL,)).text(120)
    assert "\x1b" not in text
    assert text.count(r"red\x1b[31m") == 4


def test_what_is_told_meanwhile_writes_them_out(capsys: pytest.CaptureFixture[str]) -> None:
    tell(EVIL)
    assert capsys.readouterr().err == "red\\x1b[31m\\x1b]0;title\\x07\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, of which one's name would turn the terminal red."""
    root = tmp_path_factory.mktemp("images")
    for place, name in enumerate((EVIL, "plain")):
        (root / name).mkdir()
        for number in range(6):
            pixels = np.full((8, 8), 40 + 150 * place + number, np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}\x1b[2J.png")
    return root


def test_commands_write_them_out(folder: Path, tmp_path: Path) -> None:
    run, asked = str(tmp_path / "run"), CliRunner()
    image = str(next((folder / "plain").iterdir()))
    trained = ["train", "--model", "digits-cnn", "--data", str(folder), "--out", run]
    trained += ["--epochs", "1"]
    for command in (trained, ["evaluate", run], ["predict", run, image], ["evaluate", image]):
        answer = asked.invoke(main, command, color=True)
        assert answer.exit_code == (2 if command[1] == image else 0), answer.output
        assert answer.output
        assert "\x1b" not in answer.output


def test_errors_and_tables_in_python(folder: Path) -> None:
    images = gt.data.ImageFolder(folder)
    assert EVIL in images.classes  # the names themselves are as they are
    net = gt.Network((1, 8, 8), [gt.Flatten(), gt.Linear(2)], seed=0)
    x, y = images.read(np.arange(12)) / np.float32(255), np.arange(12) % 2
    assert "\x1b" not in str(gt.confusion(net, (x, y), classes=images.classes))
