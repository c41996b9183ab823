"""gt.trace: every array of a step under its name, read-only, nothing changed."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.equation import text


def test_names_and_order(small, batch) -> None:
    t = gt.trace(small, *batch)
    names = list(t.value)
    assert names[:4] == ["input", "conv1.weight", "conv1.bias", "conv1.output"]
    assert names[-1] == "loss"
    assert {"norm1.mean", "pool1.winner", "dropout1.mask", "loss.target"} <= set(names)
    assert next(iter(t.grad)) == "input"
    assert set(small.parameters) <= set(t.grad)
    assert "loss.target" not in t.grad
    assert t.loss == t.value["loss"]
    assert t.grad["loss"] == 1


def test_arrays_are_read_only_and_whole(small, batch) -> None:
    t = gt.trace(small, *batch)
    assert len(t.value) == len(list(t.value))
    for side in (t.value, t.grad):
        for name, array in side.items():
            assert not array.flags.writeable, name
    with pytest.raises(ValueError, match="read-only"):
        t.grad["input"][0] = 0
    for name in t.grad:
        assert t.grad[name].shape == t.value[name].shape


def test_flat_names_of_branches() -> None:
    inner = gt.Residual([gt.Conv2d(2, 1), gt.ReLU()], [gt.Conv2d(2, 1)])
    net = gt.Network((1, 3, 3), [gt.Concat([inner], [gt.Conv2d(1, 1, name="side")]), gt.ReLU()])
    assert [s.name for s in net.steps] == [
        "conv1", "relu1", "conv2", "add1", "side", "concat1", "relu2",
    ]  # fmt: skip
    assert net.steps[5].sources == ("add1.output", "side.output")


def test_an_input_that_feeds_several_layers_collects_all_gradients(small, batch) -> None:
    t = gt.trace(small, *batch)
    assert len(t.grad.equations("pool1.output")) == 2
    assert len(t.grad.equations("conv1.weight")) == 1
    assert [text(e) for e in t.grad.equations("fc2.weight")] == ["dW[k,f] = Σ_{n} dZ[n,k]·X[n,f]"]
    assert text(t.value.equations("fc2.output")[0]) == "Z[n,k] = b[k] + Σ_{f} W[k,f]·X[n,f]"
    assert t.value.equations("input") == ()


def test_the_delta_of_softmax_with_cross_entropy_is_p_minus_y_over_n(small, batch) -> None:
    x, y = batch
    t = gt.trace(small, x, y)
    expected = (t.value["loss.probabilities"] - np.eye(4)[y]) / 5
    np.testing.assert_allclose(t.grad["fc2.output"], expected, rtol=1e-13, atol=1e-16)
    assert t.loss == pytest.approx(-np.log(t.value["loss.probabilities"])[range(5), y].mean())


def test_cross_entropy_of_huge_outputs_is_finite() -> None:
    net = gt.Network((3,), [gt.Flatten()], dtype=np.float64)
    t = gt.trace(net, [[1e4, 0.0, -1e4]], [2])
    assert t.loss == pytest.approx(2e4)
    np.testing.assert_allclose(t.grad["flatten1.output"], [[1, 0, -1]], atol=1e-300)


def test_the_seed_decides_dropout() -> None:
    net = gt.Network((50,), [gt.Dropout(0.5), gt.Linear(2)])
    x, y = np.ones((6, 50)), [0, 1] * 3
    masks = [gt.trace(net, x, y, seed=s).value["dropout1.mask"] for s in (1, 1, 2)]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])
    assert not np.array_equal(masks[0][0], masks[0][1])


def test_a_trace_says_what_it_is(small, batch) -> None:
    t = gt.trace(small, *batch)
    assert repr(t).startswith(f"Trace(loss={t.loss:.6g}, {len(t.value)} values")
    assert "conv1.weight (4, 2, 3, 3)" in repr(t.grad)
