"""Sums and answers for other tools: structured arrays, pandas, JSON."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from traces import lenet, spoiled

import gradtrail as gt
from gradtrail.tracing.element_term import Operand


def test_rows_as_arrays_and_frames() -> None:
    t = lenet()
    terms = t.grad.terms("conv1.weight", (2, 0, 1, 4))
    rows = terms.to_numpy()
    assert len(rows) == len(terms)
    assert rows["product"].sum() == pytest.approx(terms.sum())
    assert set(rows["layer"]) == {"conv1"}
    number = 1234
    row = terms[number]
    assert [rows[number][n] for n in "nyx"] == [row.indices[n] for n in "nyx"]
    assert rows[number]["dZ"] == row.factors[0].value
    assert rows[number]["X"] == row.factors[1].value
    assert rows[number]["k"] == 2
    small = t.value.terms("fc3.output", (0, 4))
    frame = small.to_pandas()
    assert frame["product"].sum() == pytest.approx(small.sum())
    assert frame.loc[0, "b is"] == "fc3.bias[4]"
    assert frame.loc[1, "W is"] == "fc3.weight[4,0]"
    assert np.isnan(frame.loc[0, "W"])
    assert frame.loc[0, "f"] == -1
    squares = gt.trace(
        gt.Network((2,), [gt.Linear(2)]),
        np.ones((3, 2)),
        np.ones((3, 2)),
        loss=gt.MeanSquaredError(),
    ).value.terms("loss")
    assert {"Z", "Z 2", "T", "T 2"} <= set(squares.to_numpy().dtype.names)
    assert squares.by("n").sums.sum() == pytest.approx(squares.sum())
    assert squares.by("n").to_pandas().shape == (3, 4)


@pytest.mark.parametrize(
    ("side", "name", "index"),
    [
        ("grad", "input", (0, 0, 11, 15)),
        ("grad", "pool1.output", (0, 2, 5, 7)),
        ("grad", "conv1.bias", (2,)),
        ("value", "pool1.output", (0, 2, 5, 7)),
        ("value", "fc3.output", (0, 4)),
        ("value", "loss", ()),
        ("value", "input", (0, 0, 3, 3)),
        ("grad", "loss", ()),
    ],
)
def test_a_frame_names_the_elements_that_the_rows_name(side: str, name: str, index) -> None:
    terms = getattr(lenet(), side).terms(name, index)
    frame = terms.to_pandas()
    for number in range(0, len(terms), max(1, len(terms) // 50)):
        row, seen = terms[number], dict[str, int]()
        for factor in row.factors:
            seen[factor.letter] = times = seen.get(factor.letter, 0) + 1
            letter = f"{factor.letter} {times}" if times > 1 else factor.letter
            assert frame.loc[number, f"{letter} is"] == str(factor)


def test_a_frame_is_made_in_one_go(monkeypatch) -> None:
    """Of so many rows no one is asked for its elements by itself."""
    terms = lenet().grad.terms("conv1.weight", (2, 0, 1, 4))
    monkeypatch.setattr(Operand, "element", None)
    assert len(terms.to_pandas()) == len(terms)


def test_without_pandas_there_are_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    terms = lenet().grad.terms("fc1.bias", (3,))
    for ask in (terms.to_pandas, terms.by("n").to_pandas):
        with pytest.raises(
            gt.MissingPackageError, match="needs pandas: pip install pandas; to_numpy"
        ):
            ask()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_json(bad: float) -> None:
    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    t = spoiled(bad)
    with np.errstate(all="ignore"):
        told = [
            t.grad.follow("conv1.weight", (0, 0, 1, 1)),
            t.value.follow("input", (1, 0, 2, 2)),
            t.grad.terms("conv1.weight", (0, 0, 1, 1)),
            t.grad.terms("conv1.weight", (0, 0, 1, 1)).by("n"),
            *(t.vanishing(), t.dead(), t.ties()),
        ]
        texts = [json.dumps(one.to_dict()) for one in told]
    for text in texts:
        json.loads(text, parse_constant=refuse)
    assert '"nan"' in texts[0]
    assert '"nan"' in texts[4]
    assert "nan" not in "".join(map(str, told))
