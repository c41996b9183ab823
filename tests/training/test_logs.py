"""Logs: what their rows say, when they are written, and what cannot be written."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from io import FileIO
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail import schedules
from gradtrail.storage import row_file as module
from gradtrail.training import CSVLog, JSONLinesLog, Observer, Seen, TensorBoardLog

from .common import ENGINES, data, network, plain, trained
from .rows import TIMES, Rows, rows_of, scalars_of, without_times
from .test_resume import settings


class Seeing(Observer):
    """All that an observer is told of steps."""

    def __init__(self) -> None:
        self.found: list[Seen] = []

    def step(self, seen: Seen) -> None:
        self.found.append(seen)


def expected_rows(history: gt.History, seen: list[Seen], every: int) -> Rows:
    """Each so-manieth step, and behind an epoch's last one its figures."""
    rows: Rows = []
    for s in seen:
        if s.step % every == 0:
            row = {"kind": "step", "step": s.step, "epoch": s.epoch, "loss": s.loss}
            row |= {"accuracy": s.accuracy, "rate": s.rate}
            rows.append({n: v for n, v in row.items() if v is not None})
        if s.step % 4 == 0 and s.step // 4 <= history.epochs:
            row = {"kind": "epoch", "step": s.step, "epoch": s.epoch}
            for name in ("loss", "accuracy", "validation_loss", "validation_accuracy"):
                if getattr(history, name):
                    row[name] = getattr(history, name)[s.epoch - 1]
            rows.append(row)
    return rows


# -- what the rows say -------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("every", [1, 3, 10])
def test_rows_are_the_history(every: int, engine: str, tmp_path: Path) -> None:
    paths = tmp_path / "in" / "a.csv", tmp_path / "in" / "a.jsonl"
    logs = [CSVLog(paths[0], every=every), JSONLinesLog(str(paths[1]), every=every)]
    seeing = Seeing()
    history = trained(network(), log=[*logs, seeing], **settings(engine=engine))
    expected = expected_rows(history, seeing.found, every)
    assert len(expected) == 4 + 16 // every
    for path in paths:
        rows = rows_of(path)
        assert without_times(rows) == expected
        epochs = [row for row in rows if row["kind"] == "epoch"]
        assert [row["seconds"] for row in epochs] == history.seconds
        for row in epochs:
            assert row["images_per_second"] == pytest.approx(50 / row["seconds"])
        assert not any(name in row for row in rows for name in TIMES if row["kind"] == "step")


def test_seen_accuracy_and_rate_are_the_steps() -> None:
    """What rows are made of, held to arithmetic once."""
    seeing = Seeing()
    history = trained(plain(), log=[seeing], optimizer=gt.SGD(0.1), schedule=schedules.OneCycle())
    assert [s.loss for s in seeing.found] == history.step_losses
    assert [s.place for s in seeing.found] == [1, 2, 3, 4] * 2
    assert [s.samples for s in seeing.found] == [16, 32, 48, 50] * 2
    assert seeing.found[3].accuracy == history.accuracy[0]
    factors = [schedules.OneCycle().factor((s + 0.5) / 8) for s in range(8)]
    assert [s.rate for s in seeing.found] == pytest.approx([0.1 * f for f in factors])


def test_without_classes_or_validation_their_cells_stay_empty(tmp_path: Path) -> None:
    x, _ = data()
    logs = [CSVLog(tmp_path / "a.csv", every=4), JSONLinesLog(tmp_path / "a.jsonl", every=4)]
    board = TensorBoardLog(tmp_path / "board", every=4)
    common = {"loss": gt.MeanSquaredError(), "optimizer": gt.SGD(np.float32(1e-3))}
    trained(plain(outputs=1), (x, x.sum((1, 2, 3))), log=[*logs, board], **common)
    for path in (tmp_path / "a.csv", tmp_path / "a.jsonl"):
        assert [sorted(row) for row in without_times(rows_of(path))] == [
            ["epoch", "kind", "loss", "rate", "step"],
            ["epoch", "kind", "loss", "step"],
        ] * 2
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == (
        "kind,step,epoch,loss,accuracy,rate,validation_loss,validation_accuracy,seconds,"
        "images_per_second"
    )
    tags = {"loss/step", "rate", "loss/train", "seconds", "images_per_second"}
    assert scalars_of(tmp_path / "board").keys() == tags


@pytest.mark.parametrize("every", [1, 3])
def test_tensorboard_reads_the_history(every: int, tmp_path: Path) -> None:
    seeing, csv_log = Seeing(), CSVLog(tmp_path / "a.csv", every=every)
    log = [TensorBoardLog(tmp_path / "runs" / "1", every=every), csv_log, seeing]
    history = trained(network(), log=log, **settings())
    found = scalars_of(tmp_path / "runs" / "1")

    def over_epochs(values: list[float]) -> list[tuple[int, float]]:
        return [(4 * e, float(np.float32(v))) for e, v in enumerate(values, 1)]

    steps = [s for s in seeing.found if s.step % every == 0]
    speeds = [r["images_per_second"] for r in rows_of(csv_log.path) if r["kind"] == "epoch"]
    assert found == {
        "loss/step": [(s.step, float(np.float32(s.loss))) for s in steps],
        "accuracy/step": [(s.step, float(np.float32(s.accuracy))) for s in steps],
        "rate": [(s.step, float(np.float32(s.rate))) for s in steps],
        "loss/train": over_epochs(history.loss),
        "accuracy/train": over_epochs(history.accuracy),
        "loss/validation": over_epochs(history.validation_loss),
        "accuracy/validation": over_epochs(history.validation_accuracy),
        "seconds": over_epochs(history.seconds),
        "images_per_second": over_epochs(speeds),
    }


# -- when rows are written ---------------------------------------------------------------------


def test_rows_are_written_within_a_second_and_behind_every_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])
    log = CSVLog(tmp_path / "a.csv", every=1)

    def steps_written() -> list[int]:
        return [row["step"] for row in rows_of(log.path)]

    history = gt.History()
    log.begin(history, 2, 10)
    for step in range(1, 8):
        clock[0] += 0.3
        history.step_losses.append(0.5)
        log.step(Seen(step, 1, step, 0.5, 0.1, 16 * step, 0.25))
    assert steps_written() == [1, 2, 3, 4]  # 1.2 s; at 2.1 s it is 0.9 s since
    clock[0] += 0.2
    log.step(Seen(8, 1, 8, 0.5, 0.1, 128, 0.25))
    assert steps_written() == [1, 2, 3, 4, 5, 6, 7, 8]
    log.step(Seen(9, 1, 9, 0.5, 0.1, 144, 0.25))
    log.flush()
    assert steps_written()[-1] == 9
    log.step(Seen(10, 1, 10, 0.5, 0.1, 160, 0.25))
    history.loss.append(0.5)
    history.seconds.append(2.0)
    log.epoch(history)
    assert rows_of(log.path)[-1] == {
        "kind": "epoch", "step": 7, "epoch": 1, "loss": 0.5, "seconds": 2.0,
        "images_per_second": 80.0,
    }  # fmt: skip
    log.step(Seen(11, 2, 1, 0.5, 0.1, 16, 0.25))
    log.end(history)
    assert steps_written()[-1] == 11


def test_what_is_told_twice_is_written_once(tmp_path: Path) -> None:
    log, history = CSVLog(tmp_path / "a.csv", every=1), gt.History([0.5], [0.5], seconds=[1.0])
    log.begin(gt.History(), 1, 1)
    for _ in range(3):
        log.step(Seen(1, 1, 1, 0.5, 0.1, 16, None))
        log.flush()
    for _ in range(3):
        log.epoch(history)
    log.end(history)
    assert [row["kind"] for row in rows_of(log.path)] == ["step", "epoch"]


def test_a_write_that_ctrl_c_cuts_off_is_made_again(tmp_path: Path) -> None:
    """Half of the bytes are there; the next attempt writes all of them, and at the same place."""
    file = module.RowFile(tmp_path / "a", 0)
    file.add(1, b"first\n")
    file.flush()
    file.add(2, b"second\n")
    real = file._file

    class Cut:
        def seek(self, place: int) -> None:
            real.seek(place)

        def write(self, content: memoryview) -> int:
            real.write(content[:3])
            raise KeyboardInterrupt

    file._file = Cut()
    with pytest.raises(KeyboardInterrupt, match="^$"):
        file.flush()
    file._file = real
    file.add(3, b"third\n")
    file.close()
    assert (tmp_path / "a").read_bytes() == b"first\nsecond\nthird\n"


def test_writes_that_take_only_a_part_are_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(FileIO):
        def write(self, content: memoryview) -> int:
            return super().write(content[:5])

    monkeypatch.setattr(module, "FileIO", Slow)
    whole, log = CSVLog(tmp_path / "b.csv", every=1), CSVLog(tmp_path / "a.csv", every=1)
    trained(plain(), log=[log])
    monkeypatch.undo()
    trained(plain(), log=[whole])
    assert without_times(rows_of(log.path)) == without_times(rows_of(whole.path))


# -- what cannot be written, or read -----------------------------------------------------------


def make(kind: type, folder: Path) -> tuple[object, Path]:
    """A log, and what its errors name."""
    if kind is TensorBoardLog:
        return kind(folder / "board", every=1), folder / "board"
    return kind(folder / "a.log", every=1), folder / "a.log"


@pytest.mark.parametrize("kind", [CSVLog, JSONLinesLog, TensorBoardLog])
def test_a_full_disk_is_one_error_that_names_the_file(
    kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of the first epoch; rows before it stay whole, and the weights are the last's."""

    class Full(FileIO):
        def write(self, content: memoryview) -> int:
            if b"epoch" in bytes(content) or b"loss/train" in bytes(content):
                super().write(content[: len(content) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(content)

    log, path = make(kind, tmp_path)
    monkeypatch.setattr(module, "FileIO", Full)
    other, net, optimizer = CSVLog(tmp_path / "other.csv"), plain(), gt.SGD(0.1)
    with pytest.raises(gt.FileError, match=f"cannot write {path}.*: No space left") as caught:
        trained(net, log=[log, other], optimizer=optimizer)
    assert caught.value.__context__ is caught.value.__cause__
    assert isinstance(caught.value.__cause__, OSError)
    assert optimizer.remembered(net)[0] == 4
    if kind is TensorBoardLog:
        assert scalars_of(path) == {}
    else:
        content = path.read_bytes()
        assert content == log.head
    monkeypatch.undo()
    trained(plain(), log=[log])  # the same object once there is room
    if kind is TensorBoardLog:
        assert len(scalars_of(path)["loss/step"]) == 8
    else:
        assert path.read_bytes().count(b"\n") == 10 + log.head.count(b"\n")


@pytest.mark.parametrize("kind", [CSVLog, JSONLinesLog, TensorBoardLog])
def test_where_nothing_can_be_written_nothing_begins(kind: type, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    log, _ = make(kind, tmp_path / "file")
    net, optimizer = plain(), gt.SGD(0.1)
    with pytest.raises(gt.FileError, match=f"cannot (write|read) .*{tmp_path / 'file'}"):
        trained(net, log=[log], optimizer=optimizer)
    assert optimizer.remembered(net)[0] == 0


@pytest.mark.parametrize("kind", [CSVLog, JSONLinesLog])
@pytest.mark.parametrize("content", [b"my notes\n", b"\x89PNG\r\n", b"step,loss\n1,2\n", b"{}\n"])
def test_another_programs_file_is_not_written_over(
    content: bytes, kind: type, tmp_path: Path
) -> None:
    log, path = make(kind, tmp_path)
    path.write_bytes(content)
    with pytest.raises(gt.FileError, match=f"{path} is no log that {kind.__name__} wrote"):
        trained(plain(), log=[log])
    assert path.read_bytes() == content
    path.write_bytes(b"")  # an empty file is nobody's
    trained(plain(), log=[log])
    assert path.read_bytes().count(b"\n") >= 10


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(gt.MissingPackageError, match="TensorBoard.*: pip install tensorboard"):
        TensorBoardLog(tmp_path)


def test_tensorboard_is_imported_by_its_log_alone() -> None:
    code = (
        "import sys, gradtrail; from gradtrail.training import CSVLog; CSVLog('a'); "
        "print(sorted({'tensorboard', 'google.protobuf'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", [CSVLog, JSONLinesLog, TensorBoardLog])
def test_arguments_out_of_range_are_refused(kind: type, tmp_path: Path) -> None:
    for every in (0, -1, 1.5, True, "1", None):
        sentence = f"{kind.__name__}: every must be a whole number ≥ 1, got"
        with pytest.raises(gt.ArgumentError, match=sentence):
            kind(tmp_path / "a", every=every)
    for path in (None, 3, b"a"):
        with pytest.raises(gt.ArgumentError, match=f"{kind.__name__}: .* must be a path, got"):
            kind(path)


@pytest.mark.parametrize("log", ["log.csv", CSVLog("log.csv"), ["log.csv"], None, [print], 3])
def test_what_is_no_list_of_observers_is_refused(log: object) -> None:
    with pytest.raises(gt.ArgumentError, match="train: log is a list of observers such as"):
        trained(plain(), log=log)
