"""Progress as one line: what is dropped where there is little room, and the figures in it."""

from __future__ import annotations

from typing import Any

import pytest

import gradtrail as gt
from gradtrail.showing import bars
from gradtrail.showing.bars import Bar, Line
from gradtrail.showing.numbers import duration_text
from gradtrail.training import progress_line
from gradtrail.training.observers import Seen

PARTS = ("loss 0.1234", "accuracy 91.20%", "8,123 images/s", "rate 0.0125")
TRAINING = Line("epoch 12/20", 0.97, "12 s left", PARTS)


class Kept(bars._Surface):
    """Keeps what it is told."""

    every = 0.1

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def show(self, line: Line) -> None:
        self.lines.append(line)

    def say(self, parts: tuple[str, ...]) -> None:
        self.lines.append(Line("", None, "", parts))

    def close(self, line: Line) -> None:
        self.lines.append(line)


@pytest.mark.parametrize(
    ("width", "bar", "behind"),
    [
        (120, 24, " 97 %  12 s left  loss 0.1234  accuracy 91.20%  8,123 images/s  rate 0.0125"),
        (100, 12, " 97 %  12 s left  loss 0.1234  accuracy 91.20%  8,123 images/s  rate 0.0125"),
        (90, 15, " 97 %  12 s left  loss 0.1234  accuracy 91.20%  8,123 images/s"),
        (80, 21, " 97 %  12 s left  loss 0.1234  accuracy 91.20%"),
        (60, 18, " 97 %  12 s left  loss 0.1234"),
        (40, 0, " 97 %  loss 0.1234"),
        (24, 0, " 97 %"),
    ],
)
def test_rate_goes_first_then_speed_then_accuracy(width: int, bar: int, behind: str) -> None:
    assert TRAINING.fitted(width) == ("epoch 12/20", bar, behind)
    assert len("epoch 12/20") + 2 + bar + len(behind) <= width


def test_a_long_head_is_cut_before_the_share_is() -> None:
    reading = Line("reading 60,000 images in /home/somebody", 0.05, "", ("5 of 10 images",))
    assert reading.fitted(40) == ("reading 60,000 images in /home/s…", 0, "  5 %")
    assert len(reading.text(40)) == 40


def test_100_percent_is_only_said_at_the_end() -> None:
    assert Line("a", 0.9999, "").text(40) == "a   99 %"
    assert Line("a", 1.0, "").text(40) == "a  100 %"


def test_an_epochs_line_is_broken_between_its_figures() -> None:
    parts = ("epoch 1/2", "loss 2.2684", "accuracy 17.48%", "validation accuracy 29.86%", "0.0 s")
    assert bars.fold_parts(parts, 60) == [
        "epoch 1/2  loss 2.2684  accuracy 17.48%",
        "  validation accuracy 29.86%  0.0 s",
    ]
    assert bars.fold_parts(parts, 80) == ["  ".join(parts)]
    assert bars.fold_parts(parts, 28) == [
        *("epoch 1/2  loss 2.2684", "  accuracy 17.48%"),
        *("  validation accuracy 29.86%", "  0.0 s"),
    ]


def test_durations() -> None:
    texts = [duration_text(s) for s in (0.4, 12, 99, 100, 5999, 7_500)]
    assert texts == ["0 s", "12 s", "99 s", "2 min", "1 h 40 min", "2 h 5 min"]


def test_what_is_left_is_reckoned_from_the_first_line_on() -> None:
    now = 1e6  # the machine has been running for eleven days
    kept = Kept()
    shown = Bar(kept, lambda: now)
    shown.show("epoch 2/2", 50, 100)
    now += 10
    shown.show("epoch 2/2", 75, 100)
    now += 10
    shown.close()
    assert [line.time for line in kept.lines] == ["", "10 s left", "20 s"]
    assert [line.share for line in kept.lines] == [0.5, 0.75, 0.75]


def test_what_is_left_does_not_count_the_preparation() -> None:
    now = 0.0
    kept = Kept()
    shown = Bar(kept, lambda: now)
    shown.show("epoch 1/1", 0, 100)
    shown.reckon()
    now += 60  # compiling
    shown.show("epoch 1/1", 1, 100)
    now += 1
    shown.show("epoch 1/1", 12, 100)
    shown.close()
    assert [line.time for line in kept.lines] == ["", "", "8 s left", "61 s"]


def test_speed_after_a_resume_is_that_of_the_steps_since(monkeypatch: Any) -> None:
    """A training that goes on in the middle of an epoch sees no first step; each has its own."""
    now = 1e6
    kept = Kept()
    monkeypatch.setattr(progress_line, "bar", lambda: Bar(kept, lambda: now))
    monkeypatch.setattr(progress_line.time, "perf_counter", lambda: now)
    shown = progress_line.ProgressLine()
    shown.begin(gt.History(step_losses=[1.0] * 50), 2, 100)
    now += 1
    shown.step(Seen(51, 1, 51, 0.5, 0.1, 51 * 32, 0.5))
    now += 2
    shown.step(Seen(61, 1, 61, 0.4, 0.1, 61 * 32, 0.5))
    now += 5
    shown.step(Seen(101, 2, 1, 0.3, 0.1, 32, 0.5))
    now += 4
    shown.step(Seen(103, 2, 3, 0.2, 0.1, 3 * 32, 0.5))
    assert [line.parts for line in kept.lines] == [
        (),
        ("loss 0.5000", "accuracy 50.00%", "rate 0.1"),
        ("loss 0.4000", "accuracy 50.00%", "160 images/s", "rate 0.1"),
        ("loss 0.3000", "accuracy 50.00%", "rate 0.1"),
        ("loss 0.2000", "accuracy 50.00%", "16 images/s", "rate 0.1"),
    ]


def test_the_line_in_a_terminal_fits_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At 80 columns and below, what rich wrote once was cut in the middle of its figures."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for width in (40, 60, 80, 100, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = bars.bar()
        assert shown is not None
        shown.show("epoch 12/20", 97, 100, *PARTS)
        written = capsys.readouterr().err
        assert ("━" in written) == (width > 40)
        assert " 97 %  loss 0.1234" in written
        assert ("accuracy" in written, "images/s" in written) == (width >= 60, width >= 80)
        shown.close()


def test_what_is_counted_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradtrail.data import task_progress as reading

    kept = Kept()
    monkeypatch.setattr(reading, "bar", lambda: Bar(kept, lambda: 0.0))
    for unit, total in (("images", 1000), ("parts", 8), ("bytes", 9_900_000), ("bytes", None)):
        with reading.TaskProgress("reading", total, unit) as shown:
            shown.to(2, total)
            if total is not None:
                shown.to(total, total)
    assert [line.parts[0] for line in kept.lines if line.parts] == [
        *("0 of 1,000 images", "1,000 of 1,000 images"),
        *("0 of 8 parts", "8 of 8 parts"),
        *("0 bytes of 9.9 MB", "9.9 MB of 9.9 MB"),
        "0 bytes",
    ]


def test_a_loss_beyond_all_measure_is_written_in_short(capsys: Any) -> None:
    shown = progress_line.ProgressLine()
    history = gt.History(step_losses=[1.0], loss=[1.1237810079e29], validation_loss=[999999.5])
    history.seconds.append(0.25)
    shown.epoch(history)
    assert capsys.readouterr().err == (
        "epoch 1/0  loss 1.124e+29  validation loss 999999.5000  0.2 s\n"
    )
