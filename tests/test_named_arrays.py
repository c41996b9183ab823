"""A network's arrays by name: made when they are first asked for, and never for nothing."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.graph.named_arrays import NamedArrays


def test_what_is_written_over_is_not_drawn() -> None:
    drawn = []

    def make(name: str) -> float:
        drawn.append(name)
        return 7.0

    arrays = NamedArrays({"a": (2, 3), "b": (2, 3)}, np.dtype(np.float32), make, "parameter")
    given = np.arange(6.0).reshape(3, 2).T
    arrays["a"] = given
    given[:] = -1
    assert arrays["a"].tolist() == [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]
    assert arrays["a"].dtype == np.float32
    assert arrays["a"].flags.c_contiguous
    assert drawn == []
    assert arrays["b"].tolist() == [[7.0] * 3] * 2
    assert drawn == ["b"]


def test_what_was_asked_for_is_the_same_array_afterwards() -> None:
    net = gt.Network((2,), [gt.Linear(1)])
    held = net.parameters["fc1.weight"]
    net.parameters["fc1.weight"] = [[3, 4]]
    assert held.tolist() == [[3.0, 4.0]]
    assert net.parameters["fc1.weight"] is held


def test_another_shape_changes_nothing() -> None:
    net = gt.Network((2,), [gt.Linear(1)])
    with pytest.raises(gt.ShapeError, match=r"^fc1.bias has shape \(1,\), but got \(2,\)$"):
        net.parameters["fc1.bias"] = [1, 2]
    assert net.parameters["fc1.bias"].tolist() == [0.0]
