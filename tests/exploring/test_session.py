"""A session's changes are what `gt.trace` finds in an equally changed network, or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.exploring.session import Session

SEED = 4


def network(dtype: Any = np.float32) -> gt.Network:
    """A network with running statistics and masks."""
    layers = [
        *(gt.Conv2d(3, 3), gt.BatchNorm2d(), gt.ReLU(), gt.MaxPool2d(2)),
        *(gt.Flatten(), gt.Dropout(0.3), gt.Linear(4)),
    ]
    return gt.Network((1, 8, 8), layers, seed=2, dtype=dtype)


def samples() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(5)
    return draw.random((6, 1, 8, 8), np.float32), np.array([0, 3, 1, 2, 3, 0])


def traced(net: gt.Network, x: np.ndarray, y: np.ndarray) -> gt.Trace:
    return gt.trace(net, x, y, seed=SEED)


def begun(optimizer: Any = None, dtype: Any = np.float32) -> Session:
    return Session(traced(network(dtype), *samples()), optimizer=optimizer)


def assert_same_step(session: Session, expected: gt.Trace) -> None:
    """Every value, every gradient, and the loss, bit by bit."""
    assert session.trace.loss == expected.loss
    for found, wanted in (
        (session.trace.value, expected.value),
        (session.trace.grad, expected.grad),
    ):
        assert list(found) == list(wanted)
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


def element(name: str, index: list[int], value: float) -> dict[str, Any]:
    return {"kind": "element", "name": name, "index": index, "value": value}


def test_it_begins_with_the_traced_step_whatever_became_of_the_network() -> None:
    net, (x, y) = network(), samples()
    t = traced(net, x, y)
    before = {name: array.copy() for name, array in net.parameters.items()}
    net.parameters["fc1.bias"] = 9.0 * np.ones(4)
    session = Session(t, numbers=[7, 9, 2, 3, 30, 31])
    assert session.numbers == (7, 9, 2, 3, 30, 31)
    for name, array in before.items():
        np.testing.assert_array_equal(session.network.parameters[name], array)
    session.apply([{"kind": "update"}])
    np.testing.assert_array_equal(net.parameters["fc1.bias"], 9.0 * np.ones(4))
    np.testing.assert_array_equal(net.parameters["conv1.weight"], before["conv1.weight"])


def test_a_weight_a_pixel_a_sample_and_a_label_change_the_step() -> None:
    session, net, (x, y) = begun(), network(), samples()
    pixels = np.linspace(0, 1, 64)
    session.apply(
        [
            element("conv1.weight", [1, 0, 2, 1], -0.75),
            element("norm1.bias", [2], 0.5),
            element("input", [4, 0, 3, 3], 2.5),
            {"kind": "sample", "n": 2, "pixels": pixels.tolist()},
            {"kind": "label", "n": 1, "label": 2},
        ]
    )
    net.parameters["conv1.weight"][1, 0, 2, 1] = -0.75
    net.parameters["norm1.bias"][2] = 0.5
    x[4, 0, 3, 3], x[2], y[1] = 2.5, pixels.reshape(1, 8, 8), 2
    assert_same_step(session, traced(net, x, y))
    state = session.state()
    assert (state["version"], state["edited"], state["updates"]) == (1, True, 0)
    assert state["labels"] == [0, 2, 1, 2, 3, 0]
    assert state["predicted"] == session.trace.value["fc1.output"].argmax(axis=1).tolist()
    assert state["loss"] == session.trace.loss


@pytest.mark.parametrize("make", [lambda: gt.SGD(0.2, momentum=0.9), lambda: gt.Adam(0.01)])
def test_updates_are_the_optimizers(make: Any) -> None:
    session, net, (x, y), optimizer = begun(make()), network(), samples(), make()
    for rate in (None, 0.05):
        expected = traced(net, x, y)
        changes: list[dict[str, Any]] = [{"kind": "update"}]
        if rate is not None:
            optimizer.lr = rate
            session.apply([{"kind": "rate", "lr": rate}])
        before = {name: array.copy() for name, array in net.parameters.items()}
        optimizer.update(net, expected.grad)
        for name, array in session.changes.items():
            np.testing.assert_array_equal(array, net.parameters[name] - before[name], err_msg=name)
        session.apply(changes)
        assert_same_step(session, traced(net, x, y))
    assert session.state()["updates"] == 2
    assert session.state()["lr"] == 0.05
    assert session.state()["edited"] is False


def test_an_optimizer_is_not_changed_by_updates_on_the_page() -> None:
    optimizer = gt.SGD(0.2, momentum=0.9)
    session = begun(optimizer)
    session.apply([{"kind": "rate", "lr": 0.5}, {"kind": "update"}])
    assert optimizer.lr == 0.2
    assert optimizer.remembered(session.network)[0] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_bad_change_undoes_those_before_it(dtype: Any) -> None:
    session = begun(gt.SGD(0.2, momentum=0.9), dtype)
    session.apply([{"kind": "update"}, {"kind": "label", "n": 0, "label": 1}])
    before, state = session.trace, session.state()
    kept = {name: before.value[name].copy() for name in before.value}
    with pytest.raises(gt.ArgumentError, match="has no element \\[1,0,2,3\\]"):
        session.apply(
            [
                element("input", [0, 0, 0, 0], 5.0),
                {"kind": "rate", "lr": 3.0},
                {"kind": "update"},
                {"kind": "label", "n": 1, "label": 0},
                element("conv1.weight", [1, 0, 2, 3], 0.0),
            ]
        )
    assert session.state() == state
    assert session.trace is before
    for name, array in kept.items():
        np.testing.assert_array_equal(before.value[name], array, err_msg=name)
    # what the optimiser remembers is as it was, too: the next step is that of a session without it
    other = begun(gt.SGD(0.2, momentum=0.9), dtype)
    other.apply([{"kind": "update"}, {"kind": "label", "n": 0, "label": 1}])
    for one in (session, other):
        one.apply([{"kind": "update"}])
    assert_same_step(session, other.trace)


def test_reset_gives_the_first_step_back() -> None:
    session = begun(gt.SGD(0.2, momentum=0.9))
    first = session.trace
    session.apply([element("fc1.bias", [0], 3.0), {"kind": "update"}])
    session.apply([{"kind": "reset"}])
    assert session.trace is first
    assert session.state()["edited"] is False
    assert session.state()["updates"] == 0
    assert session.state()["version"] > 1
    session.apply([{"kind": "update"}])
    net = network()
    gt.SGD(0.2, momentum=0.9).update(net, first.grad)
    assert_same_step(session, traced(net, *samples()))


def test_what_is_not_finite_is_shown() -> None:
    session = begun()
    session.apply([element("fc1.weight", [0, 0], 3e38), element("fc1.weight", [0, 1], 3e38)])
    assert session.state()["loss"] in ("inf", "nan")


def test_rows_are_the_arrays() -> None:
    session = begun()
    t = session.trace
    np.testing.assert_array_equal(
        session.rows("value", "conv1.output", 2, 5), t.value["conv1.output"][2:5]
    )
    np.testing.assert_array_equal(session.rows("grad", "fc1.bias", 0, 4), t.grad["fc1.bias"])
    assert session.rows("value", "loss", 0, 1).tolist() == [np.float32(t.loss)]
    assert session.rows("value", "pool1.winner", 0, 6).dtype == np.dtype("<i4")
    assert session.dtypes["fc1.output"] == "f4"
    assert session.dtypes["pool1.winner"] == "i4"
    for side, name, begin, end, message in (
        ("value", "conv1.output", 0, 7, "conv1.output has rows 0 to 6, got 0 to 7"),
        ("value", "conv1.output", -1, 2, "got -1 to 2"),
        ("slope", "conv1.output", 0, 1, "got 'slope'"),
        ("change", "conv1.output", 0, 1, "no parameter is called 'conv1.output'"),
        ("value", "conv9.output", 0, 1, "'conv9.output'"),
    ):
        with pytest.raises(gt.GradtrailError, match=message):
            session.rows(side, name, begin, end)


def test_why_is_the_traces() -> None:
    session = begun()
    asked = ("conv1.weight", (2, 0, 1, 1))
    assert session.why("grad", *asked).to_dict() == session.trace.grad.why(*asked).to_dict()
    with pytest.raises(gt.ArgumentError, match="got 'slope'"):
        session.why("slope", *asked)  # type: ignore[arg-type]


BAD = [
    ("update", "changes are a list, got 'update'"),
    (["update"], "no change is called None"),
    ([{"kind": []}], "no change is called \\[\\]"),
    ([{"kind": ["update"]}], "no change is called \\['update'\\]"),
    ([{"kind": "updates"}], "no change is called 'updates'; did you mean: update"),
    ([element("conv2.weight", [0], 1.0)], "no editable array is called 'conv2.weight'"),
    ([{"kind": "element", "name": ["x"], "index": [0], "value": 1}], "is called \\['x'\\]"),
    ([element("fc1.bias", [4], 1.0)], "fc1.bias has the shape \\(4,\\), so it has no element"),
    ([element("fc1.bias", [-1], 1.0)], "no element \\[-1\\]"),
    ([element("fc1.bias", [True], 1.0)], "no element \\[True\\]"),
    ([element("fc1.bias", [0, 0], 1.0)], "no element \\[0,0\\]"),
    ([element("fc1.bias", [0], float("nan"))], "needs a finite number, got nan"),
    ([element("fc1.bias", [0], "1")], "needs a finite number, got '1'"),  # type: ignore[arg-type]
    ([element("fc1.bias", [0], 10**400)], "needs a finite number, got 1000000"),
    ([element("fc1.bias", [0], 1e39)], "1e\\+39 is beyond what float32 can hold"),
    ([{"kind": "sample", "n": 6, "pixels": [0.0] * 64}], "the samples 0 to 5, got 6"),
    ([{"kind": "sample", "n": 0, "pixels": [0.0] * 63}], "is 64 numbers, got 63 of them"),
    ([{"kind": "sample", "n": 0, "pixels": 7}], "is 64 numbers, got 7"),
    ([{"kind": "sample", "n": 0, "pixels": [0.0] * 63 + [None]}], "finite number, got None"),
    ([{"kind": "label", "n": 0, "label": 4}], "4"),
    ([{"kind": "label", "n": 0, "label": 1.5}], "a label is a whole number here, got 1.5"),
    ([{"kind": "label", "n": 0, "label": 10**30}], "a label is int64 here, got 1000000"),
    ([{"kind": "target", "n": 0, "values": [1, 0, 0, 0]}], "follow from class numbers here"),
    ([{"kind": "rate", "lr": 0}], "lr must be above 0, got 0"),
    ([{"kind": "follow"}], "no training is followed here"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_a_bad_change_is_one_sentence_and_changes_nothing(changes: Any, message: str) -> None:
    session = begun()
    before, state = session.trace, session.state()
    with pytest.raises(gt.GradtrailError, match=message):
        session.apply(changes)
    assert session.trace is before
    assert session.state() == state


def test_labels_that_are_numbers() -> None:
    net = gt.Network((1, 4, 4), [gt.Flatten(), gt.Linear(1)], seed=0)
    x, y = samples()[0][:3, :, :4, :4], np.array([[0.5], [1.0], [2.0]])
    session = Session(gt.trace(net, x, y, loss=gt.MeanSquaredError()))
    assert session.state()["predicted"] is None
    with pytest.raises(gt.ArgumentError, match="one number for each sample"):
        session.apply([{"kind": "label", "n": 0, "label": 1.0}])
    session.apply([element("fc1.bias", [0], 0.25)])
    net.parameters["fc1.bias"][0] = 0.25
    assert session.trace.loss == gt.trace(net, x, y, loss=gt.MeanSquaredError()).loss


def with_targets(y: Any, loss: gt.Loss, outputs: int = 3) -> tuple[Session, gt.Network, Any]:
    """A session of a linear network, another one like its own, and the samples."""
    net = gt.Network((1, 4, 4), [gt.Flatten(), gt.Linear(outputs)], seed=0)
    x = samples()[0][: len(y), :, :4, :4]
    return Session(gt.trace(net, x, y, loss=loss)), net, x


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_targets_are_numbers(dtype: Any) -> None:
    y, loss = np.array([[1, 2, 3], [4, 5, 6]], dtype), gt.MeanSquaredError()
    session, net, x = with_targets(y, loss)
    session.apply([{"kind": "target", "n": 1, "values": [0.5, -2, 7]}])
    expected = [[1.0, 2.0, 3.0], [0.5, -2.0, 7.0]]
    assert_same_step(session, gt.trace(net, x, np.array(expected), loss=loss))
    assert session.state()["labels"] == expected
    assert session.state()["edited"] is True
    assert y[1, 0] == 4
    session.apply([{"kind": "reset"}])
    assert session.state()["labels"] == y.tolist()


def test_a_target_may_be_one_number_or_an_image() -> None:
    loss = gt.MeanSquaredError()
    session, net, x = with_targets(np.array([0.5, 1.0]), loss, outputs=1)
    session.apply([{"kind": "target", "n": 0, "values": [2.25]}])
    assert_same_step(session, gt.trace(net, x, np.array([2.25, 1.0]), loss=loss))
    assert session.state()["labels"] == [2.25, 1.0]
    with pytest.raises(gt.ArgumentError, match="a target is 1 number, got 2 of them"):
        session.apply([{"kind": "target", "n": 0, "values": [1.0, 2.0]}])
    filters = gt.Network((1, 4, 4), [gt.Conv2d(2, 3)], seed=0)
    y = np.random.default_rng(1).random((2, 2, 2, 2))
    shown = Session(gt.trace(filters, x, y, loss=loss))
    shown.apply([{"kind": "target", "n": 1, "values": list(range(8))}])
    y[1] = np.arange(8.0).reshape(2, 2, 2)
    assert_same_step(shown, gt.trace(filters, x, y, loss=loss))


def test_targets_are_probabilities() -> None:
    y, loss = np.eye(3, dtype=np.int64)[[2, 0]], gt.CrossEntropy(label_smoothing=0.1)
    session, net, x = with_targets(y, loss)
    assert session.state()["labels"] == [2, 0]
    session.apply([{"kind": "target", "n": 0, "values": [0.25, 0.75, 0]}])
    expected = np.array([[0.25, 0.75, 0.0], [1.0, 0.0, 0.0]])
    assert_same_step(session, gt.trace(net, x, expected, loss=loss))
    assert session.state()["labels"] == [1, 0]
    before, state = session.trace, session.state()
    for values, message in (
        ([0.5, 0.75, 0], "row 1 of y sums to 1.25"),
        ([1.5, -0.5, 0], "row 1 of y sums to 1"),
        ([1, 0], "a target is 3 numbers, got 2 of them"),
        ("100", "a target is 3 numbers, got '100'"),
        ([1, 0, float("nan")], "needs a finite number, got nan"),
        ([1, 0, None], "needs a finite number, got None"),
    ):
        with pytest.raises(gt.GradtrailError, match=message):
            session.apply([{"kind": "target", "n": 1, "values": values}])
        assert (session.trace, session.state()) == (before, state)
    with pytest.raises(gt.ArgumentError, match="the samples 0 to 1, got 2"):
        session.apply([{"kind": "target", "n": 2, "values": [1, 0, 0]}])


def test_what_is_no_trace_and_no_optimizer_is_refused() -> None:
    with pytest.raises(gt.ArgumentError, match="shows what gt.trace gives, got 7"):
        Session(7)  # type: ignore[arg-type]
    with pytest.raises(gt.ArgumentError, match="optimizer must be an object .* got 'sgd'"):
        begun("sgd")
    for numbers in ([1, 2], range(7)):
        with pytest.raises(gt.ArgumentError, match=f"each of the 6 samples, got {len(numbers)}"):
            Session(traced(network(), *samples()), numbers=numbers)


# -- following a training ----------------------------------------------------------------------


def weights(scale: float) -> dict[str, np.ndarray]:
    """All arrays of a network, others with every scale."""
    net = network()
    return {n: a * np.float32(scale) for n, a in {**net.parameters, **net.buffers}.items()}


def with_weights(scale: float) -> gt.Network:
    net = network()
    for held in (net.parameters, net.buffers):
        for name in held:
            held[name] = weights(scale)[name]
    return net


def followed() -> Session:
    session = begun()
    session.following = True
    return session


def test_a_session_follows_until_something_is_edited() -> None:
    session = followed()
    assert session.follow(weights(0.5)) is True
    assert_same_step(session, traced(with_weights(0.5), *samples()))
    assert (session.version, session.state()["following"]) == (1, True)
    session.apply([element("fc1.bias", [0], 3.0)])
    assert session.state()["following"] is False
    edited = session.trace
    assert session.follow(weights(2.0)) is False
    assert session.trace is edited
    session.apply([{"kind": "follow"}])
    assert_same_step(session, traced(with_weights(2.0), *samples()))
    state = session.state()
    assert (state["following"], state["edited"]) == (True, False)


def test_reset_goes_back_to_what_was_followed_last() -> None:
    session = followed()
    session.follow(weights(0.5))
    session.apply([{"kind": "label", "n": 0, "label": 1}, {"kind": "update"}])
    session.apply([{"kind": "reset"}])
    assert_same_step(session, traced(with_weights(0.5), *samples()))
    assert session.state()["following"] is False


def test_a_rate_ends_no_following_and_a_bad_change_neither() -> None:
    session = followed()
    session.follow(weights(0.5))
    session.apply([{"kind": "rate", "lr": 0.3}])
    with pytest.raises(gt.ArgumentError, match="lr must be above 0"):
        session.apply([element("fc1.bias", [0], 3.0), {"kind": "rate", "lr": -1}])
    assert session.state()["following"] is True
    assert_same_step(session, traced(with_weights(0.5), *samples()))
    session.follow(weights(0.25))
    assert session.state()["lr"] == 0.3  # what was chosen on the page stays


def test_following_before_there_is_anything_to_follow() -> None:
    session = followed()
    session.apply([element("fc1.bias", [0], 3.0)])
    session.apply([{"kind": "follow"}])
    assert_same_step(session, traced(network(), *samples()))
    assert session.state()["following"] is True


def test_sessions_are_of_their_own() -> None:
    t = traced(network(), *samples())
    first, second = Session(t), Session(t)
    first.apply([element("fc1.bias", [0], 3.0)])
    assert_same_step(second, t)
    assert second.network.parameters["fc1.bias"][0] != 3.0
