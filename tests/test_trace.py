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


@pytest.mark.parametrize("network", ["net", None, [gt.Linear(2)], gt.architecture("lenet5")])
def test_what_is_traced_is_a_network(network) -> None:
    with pytest.raises(gt.ArgumentError, match="trace: network must be a Network, got"):
        gt.trace(network, np.ones((1, 2)), [0])


@pytest.mark.parametrize("flag", ["training", "per_sample"])
@pytest.mark.parametrize("value", ["no", 1, None])
def test_flags_are_true_or_false(small, batch, flag: str, value) -> None:
    with pytest.raises(gt.ArgumentError, match=f"{flag} must be True or False, got {value!r}"):
        gt.trace(small, *batch, **{flag: value})
    gt.trace(small, *batch, **{flag: np.bool_(True)})


@pytest.mark.parametrize("name", [["conv1.weight"], None, 3, ("conv1.weight",), {}])
def test_what_is_no_name_names_no_array(small, batch, name) -> None:
    t = gt.trace(small, *batch)
    for side in (t.value, t.grad):
        for ask in (side.terms, side.why, side.follow):
            with pytest.raises(gt.UnknownNameError, match="is called"):
                ask(name, (0, 0, 0, 0))
        for ask in (side.__getitem__, side.equations):
            with pytest.raises(gt.UnknownNameError, match="is called"):
                ask(name)
        assert name not in side
    with pytest.raises(gt.UnknownNameError, match=r"no layer or array is called"):
        t.receptive_field(name, (0, 0, 0, 0))


def test_a_layers_name_stands_for_its_output_where_something_is_asked(small, batch) -> None:
    t, at = gt.trace(small, *batch), (1, 0, 2, 2)
    for side in (t.value, t.grad):
        for ask in (side.terms, side.why, side.follow):
            short, whole = ask("pool1", at), ask("pool1.output", at)
            assert str(short) == str(whole)
        assert side.terms("pool1", at).name == "pool1.output"
        assert side.equations("pool1") == side.equations("pool1.output")
        with pytest.raises(gt.UnknownNameError, match="layer 'pool1' is called 'pool1.output'"):
            side["pool1"]
        with pytest.raises(gt.UnknownNameError, match="is called 'pol1'; did you mean: pool1"):
            side.terms("pol1", at)
    assert t.grad.follow("pool1", at).name == "pool1.output"
    short, whole = (t.value.follow("input", at, to=to) for to in ("conv1", "conv1.output"))
    assert str(short) == str(whole)
    assert t.value.terms("loss").name == "loss"  # an array's own name wins


def test_names_are_printed_one_in_a_line_where_they_are_many(small, batch) -> None:
    t = gt.trace(small, *batch)
    lines = repr(t.value).splitlines()
    assert len(lines) == len(t.value)
    assert lines[:2] == ["{input (5, 2, 9, 8),", " conv1.weight (4, 2, 3, 3),"]
    assert lines[-1] == " loss ()}"
    few = gt.trace(gt.Network((2,), [gt.Linear(2)]), np.ones((1, 2)), [0])
    assert repr(few.grad) == (
        "{input (1, 2), fc1.weight (2, 2), fc1.bias (2,), fc1.output (1, 2), loss ()}"
    )


def test_a_notebook_shows_the_names_as_a_table(small, batch) -> None:
    t = gt.trace(small, *batch)
    for side in (t.value, t.grad):
        shown = side._repr_html_()
        assert shown.count("<tr>") == len(side) + 1
        assert "<td>conv1.weight</td><td>4 × 2 × 3 × 3</td><td>Conv2d</td>" in shown
        assert "<td>input</td><td>5 × 2 × 9 × 8</td><td></td>" in shown
        assert "<td>loss</td><td></td><td>CrossEntropy</td>" in shown
    shown = t._repr_html_()
    assert shown.count("<tr>") == len(t.value) + 1
    assert repr(t) in shown
    assert "<td>pool1.winner</td><td>5 × 4 × 4 × 4</td><td>MaxPool2d</td><td></td>" in shown
    assert "<td>pool1.output</td><td>5 × 4 × 4 × 4</td><td>MaxPool2d</td><td>yes</td>" in shown


def test_ties_are_written_as_elements_are() -> None:
    net = gt.Network((1, 4, 4), [gt.MaxPool2d(2), gt.Flatten(), gt.Linear(2)])
    t = gt.trace(net, np.ones((1, 1, 4, 4)), [0])
    assert str(t.ties()).splitlines()[-1].endswith("[0,0,0,0]")


def test_an_element_may_be_asked_about_in_one_string(
    small: gt.Network, batch: tuple[np.ndarray, np.ndarray]
) -> None:
    t = gt.trace(small, *batch)
    at = (2, 0, 1, 1)
    for asked in ("conv1.weight[2,0,1,1]", "dconv1.weight[2, 0, 1, 1]", "conv1.weight[-2,0,1,1]"):
        assert t.grad.terms(asked).value == t.grad["conv1.weight"][at]
        assert str(t.grad.why(asked)) == str(t.grad.why("conv1.weight", at))
        assert str(t.grad.follow(asked, k=2)) == str(t.grad.follow("conv1.weight", at, k=2))
    output = "norm1[0,2,5,7]"
    assert t.value.terms(output).value == t.value["norm1.output"][0, 2, 5, 7]
    assert str(t.value.follow("input[0,1,3,2]", k=1)) == str(
        t.value.follow("input", (0, 1, 3, 2), 1)
    )
    assert t.receptive_field("pool1[0,0,1,1]") == t.receptive_field("pool1", (0, 0, 1, 1))
    assert t.projective_field("input[0,0,1,1]") == t.projective_field("input", (0, 0, 1, 1))


@pytest.mark.parametrize(
    ("side", "name", "index", "error", "message"),
    [
        ("grad", "conv1.weight[2,0,1,1]", (0, 0, 0, 0), gt.ArgumentError, "has its index already"),
        ("value", "dconv1.weight[2,0,1,1]", (), gt.ArgumentError, r"is a gradient; ask t\.grad"),
        ("value", "conv1.wait[2,0,1,1]", (), gt.UnknownNameError, "conv1.weight"),
        ("grad", "conv1.weight[2,0,1,x]", (), gt.ArgumentError, "an element is written as its"),
        ("grad", "conv1.weight[2,0,1]", (), gt.ArgumentError, "an index into it is 4 whole numbe"),
        ("grad", "conv1.weight[2,0,1,3]", (), gt.ArgumentError, "position 3 on axis 3 lies outsid"),
    ],
)
def test_what_is_no_element_in_one_string(
    side: str,
    name: str,
    index: tuple[int, ...],
    error: type[Exception],
    message: str,
    small: gt.Network,
    batch: tuple[np.ndarray, np.ndarray],
) -> None:
    t = gt.trace(small, *batch)
    with pytest.raises(error, match=message):
        (t.grad if side == "grad" else t.value).terms(name, index)
