"""Two builds beside each other: the digests of seeded trainings, and who is timed when."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

sys.path.append(str(Path(__file__).parent.parent))  # the benchmarks are no part of the package

from benchmarks import builds, one_build, seeded
from benchmarks.child import ROOT, ChildError, check_home, environment_for
from benchmarks.report import Table
from benchmarks.ten_trainings import TRAININGS, digest, digests, schedule
from benchmarks.turns import Times


def test_a_digest_is_of_names_types_shapes_and_bytes() -> None:
    weights = np.array([[1.0, -2.0]], np.float32)
    found = digest([("w", weights), ("b", 3)])
    assert found == "b4bc13c07cdc8cbc"
    others = (
        [("b", 3), ("w", weights)],
        [("v", weights), ("b", 3)],
        [("w", weights.T), ("b", 3)],
        [("w", weights.astype(np.float64)), ("b", 3)],
        [("w", np.nextafter(weights, np.float32(9))), ("b", 3)],
    )
    assert found not in [digest(other) for other in others]


def test_there_are_ten_trainings_and_each_can_be_made() -> None:
    made = {name: make() for name, make in TRAININGS.items()}
    assert len(made) == 10
    assert len({setup.settings["seed"] for setup in made.values()}) == 10
    assert schedule("StepDecay", "Step", at=0.5, gamma=0.25).factor(0.75) == 0.25


def test_a_seeded_training_has_the_same_digests_again() -> None:
    found = digests("reference", 1)
    assert digests("reference", 2) == found
    assert list(found) == ["training", "trace", "prediction"]
    assert len(set(found.values())) == 3


def test_other_bits_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"training": "a1", "trace": "b1", "prediction": "c1"}
    other = one | {"trace": "b2"}
    answers = {"lenet5": [one, one], "regression": [one, other]}
    monkeypatch.setattr(seeded, "ask", lambda asked, *others: answers[asked["training"]])

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(seeded.main, arguments)
        return result.exit_code, result.stdout.splitlines()[-1]

    kept = str(tmp_path / "kept.json")
    assert run("--only", "lenet5", "--json", kept)[0] == 0
    same = (0, f"the same bits as in {kept}")
    assert run("--only", "lenet5", "--against", kept) == same
    assert run("--only", "regression") == (1, "regression: with 2 threads, another trace")
    answers = {"lenet5": [other, other], "regression": [one, one]}
    assert run("--only", "lenet5", "--against", kept) == (1, "lenet5: another trace")
    missing = "regression: there is none to compare with"
    assert run("--only", "regression", "--against", kept) == (1, missing)


@pytest.mark.parametrize(("text", "message"), [("{", "is no JSON"), ("[1]", "holds no digests")])
def test_a_file_without_digests_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "kept.json").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(seeded.main, ["--against", str(tmp_path / "kept.json")])
    assert result.exit_code == 1
    assert message in result.output


def test_a_process_of_a_build_must_find_that_build(tmp_path: Path) -> None:
    paths = environment_for(tmp_path, {"GRADTRAIL_CACHE": ""})["PYTHONPATH"].split(os.pathsep)
    assert paths[:2] == [str(tmp_path.resolve() / "src"), str(ROOT)]
    check_home(None)
    with pytest.raises(ChildError, match=f"should come from {re.escape(str(tmp_path))}"):
        check_home(tmp_path)
    result = CliRunner().invoke(builds.main, [str(ROOT), str(tmp_path)])
    assert result.exit_code == 2
    assert "is no checkout: it has no src/gradtrail" in result.output


def test_a_training_waits_for_its_turns_and_ends_with_them() -> None:
    losses, made = list[float](), list[int]()

    def turns(first: float) -> Iterator[None]:
        losses.append(first)
        for turn in range(5):
            made.append(turn)
            yield

    one_build._train("digits-cnn", 4, 1, turns)
    assert made == [0, 1, 2, 3, 4]
    assert losses == [pytest.approx(5.525386, rel=1e-5)]


def test_a_row_has_medians_and_their_ratio() -> None:
    table = Table(("what", "network / batch", "old >", "new >", "old / new >", "by round >"))
    old, new = Times("old", [[0.002, 0.004], [0.003], [0.004]]), Times("new", [[0.002]] * 3)
    builds.row(table, "training step", "lenet5 / 64", old, new)
    cells = (
        "training step",
        "lenet5 / 64",
        "3.50 ms",
        "2.00 ms",
        "**1.750**",
        "1.500, 1.500, 1.750",
    )
    assert table.rows == [cells]


@pytest.mark.long
def test_a_build_is_timed_against_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "REPEATS", 1)
    monkeypatch.setattr(builds, "AGAIN", 1)
    arguments = ["--networks", "digits-cnn", "--seconds", "0.01", "--rounds", "2"]
    arguments += ["--threads", "1"]
    out = tmp_path / "builds.md"
    result = CliRunner().invoke(builds.main, [str(ROOT), str(ROOT), *arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    written = out.read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in written.splitlines()
            if "**" in line]  # fmt: skip
    assert rows == [
        ["training step", "digits-cnn / 32"],
        ["predict", "digits-cnn / 1"],
        ["predict", "digits-cnn / 256"],
        ["gt.trace", "digits-cnn / 32"],
        ["first step, nothing compiled", "digits-cnn / 32"],
        ["first step, compiled before", "digits-cnn / 32"],
        ["import", ""],
    ]
    assert "the same bits" not in written  # said where the two compute other ones
