"""Tables on pages of any width: figures are never cut, and no column loses its name."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import gradtrail
from gradtrail.plan.plan_table import plan_text
from gradtrail.showing import bars
from gradtrail.showing.table_text import page_width, table_lines, wrap
from gradtrail.showing.tables import Table

HEADS = ("layer", ">rms of doutput", ">zeros", "to")
ROWS = (
    ("features_conv_first", "0.00247", "87 %", "dfeatures_conv_first.output[30,2,1,0]"),
    ("fc1", "0.0095", "0.0 %", "dfc1.output[30,5]"),
)


def lines(text: str) -> list[str]:
    """Without the frame that Python's own layout needs."""
    return text.strip("\n").splitlines()


WIDE = """
 layer                 rms of doutput   zeros   to
 ────────────────────────────────────────────────────────────────────────────────────
 features_conv_first          0.00247    87 %   dfeatures_conv_first.output[30,2,1,0]
 fc1                           0.0095   0.0 %   dfc1.output[30,5]
"""

NARROW = """
 layer        rms of doutput   zeros   to
 ─────────────────────────────────────────────────
 features_           0.00247    87 %   dfeatures_
 conv_first                            conv_first.
                                       output
                                       [30,2,1,0]
 fc1                  0.0095   0.0 %   dfc1.output
                                       [30,5]
"""

RECORDS = """
layer features_conv_first
  rms of doutput 0.00247  zeros 87 %
  to dfeatures_conv_first.output
    [30,2,1,0]
layer fc1  rms of doutput 0.0095
  zeros 0.0 %  to dfc1.output[30,5]
"""


@pytest.mark.parametrize(("width", "expected"), [(90, WIDE), (52, NARROW), (38, RECORDS)])
def test_a_table_at_a_width(width: int, expected: str) -> None:
    assert table_lines(HEADS, ROWS, width) == lines(expected)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_nothing_is_lost_and_nothing_stands_over(width: int) -> None:
    for heads, rows in ((HEADS, ROWS), (HEADS * 2, tuple(row * 2 for row in ROWS))):
        found = table_lines(heads, rows, width)
        assert max(map(len, found)) <= width
        whole = "".join("".join(found).split())
        for row in rows:
            for figure in (row[1], row[2].replace(" ", "")):
                assert figure in whole
    assert "…" not in whole


def test_marks_of_colours_and_pictures_are_text() -> None:
    assert table_lines(("class",), [["[red]a"], [":cat:"]], 80)[2:] == [" [red]a", " :cat:"]


def test_words_are_broken_at_spaces_and_in_long_names() -> None:
    text = "window at (1,0): the winner is dconv_first.weight[2,0]"
    assert wrap(text, 20) == [
        "window at (1,0): the",
        "winner is dconv_",
        "first.weight[2,0]",
    ]
    assert wrap("0.123456 −0.5", 10) == ["0.123456", "−0.5"]
    assert wrap("네 글자 이름", 8) == ["네 글자", "이름"]


def test_the_page_is_as_wide_as_the_terminal_that_is_written_to(monkeypatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert page_width(160) == 160
    monkeypatch.setenv("COLUMNS", "72")
    assert page_width(160) == 72
    assert len(Table((), ("a", "b"), [("word " * 20, "word " * 20)]).text().splitlines()[2]) <= 72
    monkeypatch.setenv("COLUMNS", "7")
    assert page_width(160) == 40


def test_the_plan_keeps_every_shape_at_any_width() -> None:
    import gradtrail as gt

    net = gt.Network((1, 28, 28), [gt.Conv2d(6, 5, padding=2), gt.Flatten(), gt.Linear(10)])
    for width in (40, 60, 80, 100, 120):
        text = plan_text(net.plan(64), width)
        assert max(map(len, text.splitlines())) <= width
        for told in ("1×28×28 → 6×28×28", "weight 6×1×5×5", "47,206", "10.5 M", "2.3 MiB"):
            assert told in text, (width, told)
    assert plan_text(net.plan(64), 40).splitlines()[-3:] == [
        "total: 47,206 parameters, 10.5 M",
        "mult–adds, activations 2.3 MiB,",
        "gradients 2.3 MiB",
    ]


def test_rich_writes_from_two_places_alone() -> None:
    """Any other console would display in a notebook what it should write."""
    source = Path(gradtrail.__file__).parent
    found = {p.name for p in source.rglob("*.py") if "Console(" in p.read_text(encoding="utf-8")}
    assert found == {"bars.py", "table_text.py"}


@pytest.mark.parametrize("stream", ["none", "closed"])
def test_a_program_without_a_console_has_no_terminal(stream: str, monkeypatch) -> None:
    """As under pythonw, where there is no standard output at all."""
    gone = None
    if stream == "closed":
        gone = io.StringIO()
        gone.close()
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.stdout", gone)
    monkeypatch.setattr("sys.stderr", gone)
    assert page_width(160) == 160
    assert bars.bar() is None
