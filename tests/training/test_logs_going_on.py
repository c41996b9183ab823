"""Logs of trainings that began again or went on: the same as if nothing had stopped them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tails import beginning

import gradtrail as gt
from gradtrail.training import CSVLog, JSONLinesLog, Observer, TensorBoardLog

from .common import network, plain, trained
from .rows import TIMES, rows_of, scalars_of, without_times
from .test_resume import MOMENTS, PLACES, Killed, Run, Told, coming, settings


def logs_in(folder: Path) -> list[Observer]:
    """New objects each time, as a new process has them."""
    paths = folder / "a.csv", folder / "a.jsonl", folder / "board"
    kinds = CSVLog, JSONLinesLog, TensorBoardLog
    return [kind(path, every=2) for kind, path in zip(kinds, paths, strict=True)]


def all_of(folder: Path) -> list[object]:
    """Everything but times, of the three logs."""
    scalars = scalars_of(folder / "board")
    board = {tag: values for tag, values in scalars.items() if tag not in TIMES}
    rows = [without_times(rows_of(folder / name)) for name in ("a.csv", "a.jsonl")]
    return [*rows, board, [step for step, _ in scalars["seconds"]]]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """The logs of a training that nothing stops."""
    folder = tmp_path_factory.mktemp("alone")
    trained(network(), log=logs_in(folder), **settings())
    found = all_of(folder)
    assert len(found[0]) == 12
    assert len(found[2]["loss/step"]) == 8
    return found


MIDDLE, FIRST = MOMENTS[: len(PLACES)], [(place, 1) for place in PLACES]


@pytest.mark.parametrize("what", [KeyboardInterrupt, Killed])
@pytest.mark.parametrize("moment", beginning(len(PLACES) // 2, [*MIDDLE, *FIRST]), ids=str)
def test_a_resumed_log_is_that_of_a_training_nothing_stopped(
    moment: tuple[str, int], what: type[BaseException], alone: list[object], tmp_path: Path
) -> None:
    place, number = moment
    run = Run(tmp_path / "kept")
    for again in (number, 2):
        try:
            with coming(place, again, what, "cpu"):
                run.go(log=[*logs_in(tmp_path), Told()])
        except Killed:
            pass
    run.go(log=logs_in(tmp_path))
    assert not run.history.interrupted
    assert all_of(tmp_path) == alone


def test_what_is_ahead_of_the_checkpoint_is_cut_off(alone: list[object], tmp_path: Path) -> None:
    """A machine that stopped: the log has rows that the checkpoint knows nothing of, and a half."""
    run = Run(tmp_path / "kept", steps=None)
    with coming("before a step", 8, Killed, "cpu"), pytest.raises(Killed, match="^$"):
        run.go(log=logs_in(tmp_path))
    assert [r["step"] for r in rows_of(tmp_path / "a.csv")] == [2, 4, 4, 6]
    for name in ("a.csv", "a.jsonl"):
        with (tmp_path / name).open("a") as file:
            file.write("step,8,2,0.5" if name == "a.csv" else '{"kind": "step", "st')
    with coming("before a step", 1, Killed, "cpu"), pytest.raises(Killed, match="^$"):
        run.go(log=logs_in(tmp_path))
    for name in ("a.csv", "a.jsonl"):
        assert [r["step"] for r in rows_of(tmp_path / name)] == [2, 4, 4]
    assert [step for step, _ in scalars_of(tmp_path / "board")["loss/step"]] == [2, 4]
    run.go(log=logs_in(tmp_path))
    assert all_of(tmp_path) == alone


DYING = """
import os, signal, sys
from pathlib import Path
from gradtrail.training import Observer
from training.test_logs_going_on import logs_in
from training.test_resume import Run

class Dying(Observer):
    def step(self, seen):
        if seen.step == 8:
            os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
Run(folder / "kept").go(log=[*logs_in(folder), Dying()])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_process_that_is_killed_has_the_rows_up_to_its_checkpoint(
    alone: list[object], tmp_path: Path
) -> None:
    """Within the second in which rows may wait, but for those that a checkpoint stands behind."""
    tests = str(Path(__file__).parent.parent)
    found = subprocess.run(
        [sys.executable, "-c", DYING, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([tests, *sys.path])},
        capture_output=True,
        text=True,
    )
    assert found.returncode == -signal.SIGKILL, found.stderr
    assert [row["step"] for row in rows_of(tmp_path / "a.csv")] == [2, 4, 4, 6]
    assert sorted(p.name[11:19] for p in (tmp_path / "kept").iterdir()) == [
        "00000003", "00000004", "00000006",
    ]  # fmt: skip
    run = Run(tmp_path / "kept")
    run.goes = 1
    run.go(log=logs_in(tmp_path))
    assert all_of(tmp_path) == alone


def test_a_training_that_begins_begins_its_log(alone: list[object], tmp_path: Path) -> None:
    """With the same objects, too; TensorBoard's file of the training before is gone."""
    logs = logs_in(tmp_path)
    trained(network(), log=logs, **settings(epochs=6))
    longer = all_of(tmp_path)
    assert len(longer[0]) == 18
    trained(network(), log=logs, **settings())
    assert all_of(tmp_path) == alone
    assert len([*(tmp_path / "board").iterdir()]) == 1


def records_in(folder: Path) -> list[tuple[str, int, float]]:
    """Each point as it lies in the files, in their order: tag, step, value.

    The server that TensorBoard starts by default passes over every word on forgetting, so what is
    there is what it shows.
    """
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    files = sorted(path for path in folder.iterdir() if "tfevents" in path.name)
    events = (event for path in files for event in EventFileLoader(str(path)).Load())
    return [
        (value.tag, event.step, float(value.tensor.float_val[0]))
        for event in events
        for value in event.summary.value
    ]


@pytest.mark.parametrize("place", ["behind a step", "in validation", "as an epoch is told"])
def test_tensorboards_points_stand_in_the_files_once_and_in_order(
    place: str, tmp_path: Path
) -> None:
    folder, run = tmp_path / "board", Run(tmp_path / "kept")
    with (
        coming(place, 2 if PLACES[place] == 4 else 6, Killed, "cpu"),
        pytest.raises(Killed, match="^$"),
    ):
        run.go(log=[TensorBoardLog(folder, every=1), Told()])
    run.go(log=[TensorBoardLog(folder, every=1)])
    alone = tmp_path / "alone"
    trained(network(), log=[TensorBoardLog(alone, every=1)], **settings())
    found, expected = records_in(folder), records_in(alone)
    assert [record for record in found if record[0] not in TIMES] == [
        record for record in expected if record[0] not in TIMES
    ]
    assert [record[:2] for record in found] == [record[:2] for record in expected]
    assert len([*folder.iterdir()]) == 1


def test_a_log_goes_on_behind_half_a_record_and_a_damaged_one(tmp_path: Path) -> None:
    folder, run = tmp_path / "board", Run(tmp_path / "kept")
    with coming("before a step", 6, Killed, "cpu"), pytest.raises(Killed, match="^$"):
        run.go(log=[TensorBoardLog(folder, every=1)])
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    no_event = (3).to_bytes(8, "little") + b"crc." + b"\xff\xff\xff" + b"crc."
    file.write_bytes(whole + no_event + whole[:20] + (1 << 62).to_bytes(8, "little"))
    run.go(log=[TensorBoardLog(folder, every=1)])
    steps = [step for tag, step, _ in records_in(folder) if tag == "loss/step"]
    assert steps == list(range(1, 17))


def test_tensorboards_file_is_read_last_and_others_stay(tmp_path: Path) -> None:
    """Also within one second, and behind a clock that went back."""
    ahead = int(time.time()) + 1000
    folder = tmp_path / "board"
    folder.mkdir()
    (folder / f"events.out.tfevents.{ahead}.another.host").write_bytes(b"")
    (folder / "notes.txt").write_text("mine")
    for _ in range(3):
        with pytest.warns(gt.GradtrailWarning, match=rf"another program.*{ahead}\.another\.host"):
            trained(plain(), epochs=1, log=[TensorBoardLog(folder, every=1)])
    other, own, notes = sorted(path.name for path in folder.iterdir())
    assert (other, notes) == (f"events.out.tfevents.{ahead}.another.host", "notes.txt")
    assert own.endswith(".gradtrail")
    assert [step for step, _ in scalars_of(folder)["loss/step"]] == [1, 2, 3, 4]
