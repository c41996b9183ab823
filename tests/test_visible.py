"""Names from outside tell a terminal nothing: colours, titles, the cursor, the order of words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import gradtrail as gt
from gradtrail.cli import main
from gradtrail.errors import escaped, visible, warn
from gradtrail.showing.notebook import tell
from gradtrail.showing.tables import Table

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


def test_an_error_and_a_warning_write_them_out(tmp_path: Path) -> None:
    """What nobody catches is printed by Python itself."""
    with pytest.raises(gt.FileError, match="there is no such file") as caught:
        gt.load(tmp_path / EVIL)
    assert str(caught.value).startswith("cannot read ")
    assert str(caught.value).endswith(r"red\x1b[31m\x1b]0;title\x07: there is no such file")
    assert str(gt.UnknownNameError("no \u202eshe")) == r"no \u202eshe"
    with pytest.warns(gt.GradtrailWarning, match=r"^of red\\x1b\[31m"):
        warn(f"of {EVIL}")


def test_pages_and_tables_of_notebooks_write_them_out(tmp_path: Path) -> None:
    assert escaped("<b>\x1b[31m\u202e'") == r"&lt;b&gt;\x1b[31m\u202e&#x27;"
    table = Table((EVIL,), (EVIL, ">n"), [(EVIL, "1")], (EVIL,))
    assert "\x1b" not in table.html()
    assert table.html().count(r"red\x1b[31m") == 4


def test_a_report_writes_them_out(folder: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    trained = ["train", "--model", "digits-cnn", "--data", str(folder), "--out", run, "--quiet"]
    for command in ([*trained, "--epochs", "1"], ["report", run]):
        answer = CliRunner().invoke(main, command)
        assert answer.exit_code == 0, answer.output
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "\x1b" not in page
    assert r"red\x1b[31m" in page
