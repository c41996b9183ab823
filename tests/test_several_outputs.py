"""Networks with several outputs learn: one loss for each, and their weighted sum."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tails import beginning

import gradtrail as gt
from gradtrail.equation import text
from gradtrail.exploring.session import Session
from gradtrail.exploring.step_description import describe_step
from gradtrail.training import JSONLinesLog
from gradtrail.training.history import History
from gradtrail.training.observers import Observer

COUNT = 21
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(COUNT, 2, 5, 5)).astype(np.float32)
TAGS = (DRAW.random((COUNT, 3, 5, 5)) > 0.5).astype(np.float64)
Y: dict[str, Any] = {
    "a": DRAW.integers(0, 3, COUNT),
    "b": DRAW.integers(0, 2, size=(COUNT, 5, 5)),
    "mid": DRAW.normal(size=(COUNT, 3, 5, 5)),
    "act": TAGS,
    "again": DRAW.normal(size=(COUNT, 3, 5, 5)),
    "c": DRAW.normal(size=COUNT),
}
Y["b"][DRAW.random(Y["b"].shape) < 0.3] = 7
LOSS: dict[str, Any] = {
    "a": gt.CrossEntropy(weight=[1, 2, 0.5]),
    "b": (gt.CrossEntropy(ignore_index=7), 0.3),
    "mid": (gt.MeanSquaredError(), 2),
    "act": (gt.BCEWithLogits(), 0.7),
    "again": (gt.Huber(), 1.5),
    "c": [gt.L1(), 0.1],
}


def many(dtype: Any = np.float32, *, named: bool = True) -> gt.Network:
    """Outputs at the end, in the middle, in front of an activation and behind it, and one twice."""
    x = gt.Input((2, 5, 5))
    h = gt.ReLU()(gt.BatchNorm2d()(gt.Conv2d(4, 3, padding=1)(x)))
    mid = gt.Conv2d(3, 3, padding=1)(h)
    act = gt.ReLU()(mid)
    a, b = gt.Linear(3)(gt.Flatten()(act)), gt.Conv2d(2, 1)(h)
    c = gt.Linear(1)(gt.Flatten()(act + gt.Conv2d(3, 1)(h)))
    ends = {"a": a, "b": b, "mid": mid, "act": act, "again": mid, "c": c}
    return gt.Network(x, ends if named else [*ends.values()], seed=0, dtype=dtype)


def two(dtype: Any = np.float32) -> gt.Network:
    x = gt.Input((2, 5, 5))
    h = gt.ReLU()(gt.Conv2d(3, 3)(x))
    return gt.Network(
        x, {"a": gt.Linear(3)(gt.Flatten()(h)), "b": gt.Conv2d(1, 1)(h)}, seed=1, dtype=dtype
    )


TWO_Y = {"a": Y["a"], "b": DRAW.normal(size=(COUNT, 1, 3, 3))}
TWO_LOSS = {"a": gt.CrossEntropy(), "b": (gt.MeanSquaredError(), 0.25)}


@pytest.fixture(scope="module")
def exact() -> gt.Trace:
    return gt.trace(many(np.float64), X, Y, loss=LOSS)


# -- values and gradients ----------------------------------------------------------------------


def test_the_equations_are_one_loss_for_each_output_and_their_sum() -> None:
    t = gt.trace(two(np.float64), X, TWO_Y, loss=TWO_LOSS)
    assert [node.name for node in t.system.nodes][-3:] == ["a.loss", "b.loss", "loss"]
    assert text(t.system.nodes[-1].equation) == "L = L_a + 0.25·L_b"
    back = {sent.receives: text(sent.equation) for sent in t.system.backward}
    assert (back["a.loss"], back["b.loss"]) == ("dL_a = dL", "dL_b = 0.25·dL")
    assert back["fc1.output"] == "dZ[n,k] = (1/N)·dL·P[n,k] − (1/N)·dL·T[n,k]"
    assert float(t.grad["b.loss"]) == 0.25
    assert t.loss == float(t.value["a.loss"]) + 0.25 * float(t.value["b.loss"])
    rows = t.grad.terms("relu1.output", (0, 1, 1, 2))
    assert {row.layer for row in rows} == {"flatten1", "conv2"}
    shares = [row.product for row in t.value.terms("loss")]
    assert shares == [float(t.value["a.loss"]), 0.25 * float(t.value["b.loss"])]
    a = sum(row.product for row in t.value.terms("a.loss"))
    assert a == pytest.approx(float(t.value["a.loss"]))


def test_both_engines_agree_with_each_other_and_with_differences(exact: gt.Trace) -> None:
    """Wherever the outputs stand; `conv1.bias` has the gradient 0 in front of the batch norm."""
    fast = gt.trace(many(), X, Y, loss=LOSS, engine="cpu")
    for side in ("value", "grad"):
        ours, theirs = getattr(exact, side), getattr(fast, side)
        assert [*ours] == [*theirs]
        for name in set(ours) - {"conv1.bias"}:
            scale = np.abs(ours[name]).max()
            np.testing.assert_allclose(theirs[name], ours[name], atol=1e-5 * scale + 1e-9)
    few = {name: labels[:4] for name, labels in Y.items()}
    assert not gt.check_gradients(many(np.float64), X[:4], few, loss=LOSS, elements=3).kinks


@pytest.mark.torch
def test_values_and_gradients_are_pytorchs(exact: gt.Trace) -> None:
    """loss = Σ weight·loss of PyTorch's own functions, in float64."""
    import torch
    from torch_peer import loss_of, run_all, tensors

    network = many(np.float64)
    held = tensors({**network.parameters, **network.buffers})
    inputs = tensors({"input": X})
    for tensor in (*(held[name] for name in network.parameters), *inputs.values()):
        tensor.requires_grad_()
    made = run_all(network, inputs, held, training=True)
    total = torch.zeros((), dtype=torch.float64)
    for part in exact.origin.loss.parts:
        labels = Y[part.name][:, None] if part.name == "c" else Y[part.name]
        own = loss_of(part.loss, made[network.outputs[part.name]], labels)
        np.testing.assert_allclose(float(exact.value[part.array]), own.item(), rtol=1e-12)
        total = total + part.weight * own
    total.backward()
    np.testing.assert_allclose(exact.loss, total.item(), rtol=1e-12)
    for name, tensor in {**held, **inputs}.items():
        if name in exact.grad:
            ours = exact.grad[name]
            scale = max(float(np.abs(ours).max()), 1e-5)  # conv1.bias has 0 before the norm
            np.testing.assert_allclose(ours, tensor.grad.numpy(), atol=1e-10 * scale)


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_a_training_step_follows_the_gradients(exact: gt.Trace, engine: str) -> None:
    net = many()
    before = {name: array.copy() for name, array in net.parameters.items()}
    settings: dict[str, Any] = {"loss": LOSS, "optimizer": gt.SGD(1.0), "engine": engine}
    history = gt.train(net, (X, Y), batch_size=COUNT, progress=False, **settings)
    assert history.loss[0] == pytest.approx(exact.loss, rel=1e-6)
    assert history["mid.loss"][0] == pytest.approx(float(exact.value["mid.loss"]), rel=1e-6)
    for name in set(before) - {"conv1.bias"}:
        moved = before[name] - net.parameters[name]
        scale = np.abs(exact.grad[name]).max()
        np.testing.assert_allclose(moved, exact.grad[name], atol=2e-5 * scale)


def test_follow_and_why_are_exact(exact: gt.Trace) -> None:
    elements = {
        "conv1.weight": (0, 1, 1, 1),
        "conv2.output": (1, 1, 2, 2),
        "relu2.output": (0, 0, 1, 1),
        "input": (2, 0, 3, 3),
        "fc1.output": (0, 1),
    }
    for name, index in elements.items():
        found = exact.grad.follow(name, index, k=2)
        assert sum(ways.total() for ways in found._whole.ways) == pytest.approx(
            exact.grad[name][index], rel=1e-9
        )
        assert sum(exact.grad.terms(name, index).by("layer").values()) == pytest.approx(
            exact.grad[name][index], rel=1e-9
        )
    assert exact.value.follow("input", (0, 0, 1, 1), to="b")[0].hops[-1].name == "conv3.output"
    with pytest.raises(gt.ArgumentError, match='several outputs, a, b, mid.*as in to="a"'):
        exact.value.follow("input", (0, 0, 1, 1), to=1)


def test_influence_and_accumulation_weigh_every_output_as_the_whole_does(exact: gt.Trace) -> None:
    found = gt.influence(many(), (X, Y), loss=LOSS, progress=False, batch_size=8)
    whole = gt.evaluate(many(), (X, Y), loss=LOSS)
    assert found.surprise.mean() == pytest.approx(whole["loss"], rel=1e-6)
    for engine in ("reference", "cpu"):
        losses = []
        for size, times in ((20, 1), (5, 4)):
            net, y = two(), {"a": Y["a"][:20], "b": np.where(Y["a"] > 0, 1, 9)[:20]}
            net = gt.Network(
                x := gt.Input((2, 5, 5)),
                {"a": gt.Linear(3)(h := gt.Flatten()(x)), "b": gt.Linear(2)(h)},
                seed=3,
            )
            loss = {"a": gt.CrossEntropy(weight=[1, 3, 2]), "b": gt.CrossEntropy(ignore_index=9)}
            sizes: dict[str, Any] = {"batch_size": size, "accumulate": times, "engine": engine}
            sizes |= {"optimizer": gt.SGD(0.5), "progress": False, "epochs": 2}
            losses.append(gt.train(net, (X[:20], y), loss=loss, **sizes).step_losses)
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)


# -- trainings ---------------------------------------------------------------------------------


def test_a_training_reports_every_output(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"loss": TWO_LOSS, "optimizer": gt.SGD(0.1), "batch_size": 8}
    settings |= {"epochs": 3, "validation": (X, TWO_Y), "progress": False}
    stopping = gt.EarlyStopping(2, measure="a.validation_accuracy")
    log = tmp_path / "log.jsonl"
    history = gt.train(two(), (X, TWO_Y), stopping=stopping, log=[JSONLinesLog(log)], **settings)
    figures = ("a.loss", "a.accuracy", "b.loss")
    named = {*figures, "a.validation_loss", "a.validation_accuracy", "b.validation_loss"}
    assert set(history.by_output) == named
    for place, loss in enumerate(history.loss):
        parts = history["a.loss"][place] + 0.25 * history["b.loss"][place]
        assert loss == pytest.approx(parts, rel=1e-12)
    net = two()
    gt.train(net, (X, TWO_Y), **settings)
    judged = gt.evaluate(net, (X, TWO_Y), loss=TWO_LOSS)
    assert [*judged] == ["loss", *figures]
    scores = net.predict(X)["a"]
    assert judged["a.accuracy"] == (scores.argmax(axis=1) == Y["a"]).mean()
    assert '"b.validation_loss": ' in log.read_text(encoding="utf-8")
    again = History.from_dict(history.to_dict())
    assert again == history
    facts = history.facts()
    assert History.from_arrays(history.arrays(), facts).by_output == history.by_output
    assert "a.accuracy" in str(history)
    with pytest.raises(gt.UnknownNameError, match=r"'c.loss'.*a.loss"):
        history["c.loss"]


class _Stop(Observer):
    """Ctrl-C behind a step."""

    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, seen: Any) -> None:
        if seen.step == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("engine", beginning(1, ["cpu", "reference"]))
def test_it_goes_on_bit_by_bit(tmp_path: Path, engine: str) -> None:
    settings: dict[str, Any] = {"loss": LOSS, "batch_size": 4, "seed": 3, "progress": False}
    settings |= {"engine": engine, "optimizer": gt.Adam(0.01), "validation": (X, Y)}
    whole, parted = many(), many()
    right = gt.train(whole, (X, Y), epochs=3, **settings)
    kept = gt.Checkpoints(tmp_path, steps=8)  # in the middle of the second epoch
    gt.train(parted, (X, Y), epochs=3, checkpoints=kept, log=[_Stop(9)], **settings)
    fresh = many()
    found = gt.train(fresh, (X, Y), epochs=3, checkpoints=kept, resume=True, **settings)
    assert found.step_losses == right.step_losses
    assert found.by_output == right.by_output
    for name, array in whole.parameters.items():
        assert array.tobytes() == fresh.parameters[name].tobytes(), name
    settings["loss"] = LOSS | {"b": (gt.CrossEntropy(ignore_index=7), 0.4)}
    with pytest.raises(gt.ArgumentError, match=r"loss.parts.b.weight: 0.3, not 0.4"):
        gt.train(many(), (X, Y), epochs=3, checkpoints=kept, resume=True, **settings)


def test_samples_may_be_moved_and_mixed() -> None:
    x = gt.Input((2, 5, 5))
    flat = gt.Flatten()(gt.Conv2d(3, 3)(x))
    ends = [gt.Linear(3)(flat), gt.Linear(2)(flat)]
    y = (Y["a"], DRAW.normal(size=(COUNT, 2)))
    loss = [gt.CrossEntropy(), (gt.MeanSquaredError(), 0.5)]
    settings: dict[str, Any] = {"loss": loss, "batch_size": 8, "progress": False, "seed": 5}
    moved: dict[str, Any] = {"augment": gt.Augment(flip=0.5), "mixup": 0.3}
    runs = [
        gt.train(gt.Network(x, ends), (X, y), engine=engine, **moved, **settings)
        for engine in ("reference", "cpu")
    ]
    np.testing.assert_allclose(runs[0].step_losses, runs[1].step_losses, rtol=1e-5)
    assert {*runs[0].by_output} == {"output1.loss", "output1.accuracy", "output2.loss"}
    with pytest.raises(gt.DataError, match="augmentation moves images, but not the maps"):
        gt.train(two(), (X, TWO_Y), loss=TWO_LOSS, augment=gt.Augment(flip=0.5), progress=False)


def test_a_frozen_trunk_gives_the_same_bits_with_kept_features() -> None:
    found = []
    for cache in (True, False):
        net = two()
        net.freeze("conv1")
        history = gt.train(
            net, (X, TWO_Y), loss=TWO_LOSS, epochs=3, cache_features=cache, progress=False
        )
        found.append((history.step_losses, history.by_output, net.parameters["fc1.weight"]))
    assert found[0][:2] == found[1][:2]
    np.testing.assert_array_equal(found[0][2], found[1][2])


def test_the_page_shows_every_loss_and_leaves_labels_as_they_are(tmp_path: Path) -> None:
    few = {name: labels[:4] for name, labels in TWO_Y.items()}
    path = two().explore(X, TWO_Y, samples=4, loss=TWO_LOSS, save=tmp_path / "page.html")
    assert Path(str(path)).stat().st_size > 1000
    session = Session(gt.trace(two(), X[:4], few, loss=TWO_LOSS))
    layers = [layer["name"] for layer in describe_step(session)["layers"]]
    assert layers[-3:] == ["a.loss", "b.loss", "loss"]
    before = session.state()["loss"]
    session.apply([{"kind": "update"}])
    assert session.state()["loss"] < before
    with pytest.raises(gt.ArgumentError, match="labels of a network with several outputs stay"):
        session.apply([{"kind": "label", "n": 0, "label": 1}])
    with pytest.raises(gt.ArgumentError, match="pass x and y, the labels of the outputs a, b"):
        two().explore(save=tmp_path / "page.html")


def test_what_is_not_finite_is_named_with_its_output() -> None:
    wrong = TWO_Y | {"b": TWO_Y["b"].copy()}
    wrong["b"][3, 0, 1, 1] = np.inf
    with pytest.raises(gt.NonFiniteError, match=r"b.loss.target\[8,0,1,1\].*'b.loss'.*sample 3"):
        gt.train(two(), (X, wrong), loss=TWO_LOSS, progress=False, engine="reference")


# -- what is given -----------------------------------------------------------------------------


def test_losses_and_labels_come_by_name_or_in_order() -> None:
    by_name = gt.trace(two(), X, TWO_Y, loss=TWO_LOSS).loss
    in_order = gt.trace(two(), X, (TWO_Y["a"], TWO_Y["b"]), loss=list(TWO_LOSS.values())).loss
    assert by_name == in_order
    one = gt.trace(two(), X, TWO_Y | {"b": TWO_Y["b"][:, 0]}, loss=TWO_LOSS | {"b": gt.L1()})
    assert [node.kind for node in one.system.losses] == ["CrossEntropy", "L1"]
    same = {"a": Y["a"], "b": np.zeros((COUNT, 3, 3), np.int64)}
    t = gt.trace(two(), X, same)  # one loss, or none, is that of each
    assert [node.kind for node in t.system.losses] == ["CrossEntropy", "CrossEntropy"]
    single = gt.Network((2, 5, 5), [gt.Flatten(), gt.Linear(3)])
    t = gt.trace(single, X, {"output": Y["a"]}, loss={"output": gt.CrossEntropy()})
    assert t.loss == gt.trace(single, X, Y["a"]).loss
    assert [node.name for node in t.system.nodes][-1] == "loss"


WRONG: list[tuple[Any, Any, str]] = [
    (
        {"a": gt.L1()},
        TWO_Y,
        r"loss lacks the output 'b'; one that is not to count has the weight",
    ),
    (TWO_LOSS | {"c": gt.L1()}, TWO_Y, r"loss: no output is called 'c'"),
    ([gt.L1()], TWO_Y, r"loss is one for each of the network's outputs, a, b, by name or in this"),
    (TWO_LOSS | {"b": "mse"}, TWO_Y, r"the output 'b' must be an object such as gt.CrossEntropy"),
    (TWO_LOSS | {"b": (gt.L1(), -1)}, TWO_Y, r"the weight of the output 'b' must be a finite num"),
    ({"a": (gt.L1(), 0), "b": (gt.L1(), 0)}, TWO_Y, r"the weight of every output is 0"),
    (TWO_LOSS, {"a": Y["a"]}, r"y lacks the output 'b'; the network's outputs are a, b"),
    (TWO_LOSS, TWO_Y | {"c": Y["a"]}, r"y: no output is called 'c'; the network's outputs are a"),
    (
        TWO_LOSS,
        Y["a"],
        r"y must be \{name: labels\} or 2 arrays in the order a, b.* of shape",
    ),
    (
        TWO_LOSS,
        TWO_Y | {"a": Y["a"][:3]},
        r"every output needs as many labels, got 3 of a, 21",
    ),
    (TWO_LOSS, TWO_Y | {"a": Y["a"] + 5}, r"output 'a': label \d at position 0 is out of range"),
    (TWO_LOSS, TWO_Y | {"b": Y["mid"]}, r"output 'b': y has shape \(21, 3, 5, 5\), but the netw"),
    (TWO_LOSS | {"a": gt.Dice()}, TWO_Y, r"a.loss \(Dice\): compares regions of maps"),
]


@pytest.mark.parametrize(("loss", "y", "sentence"), WRONG, ids=[w[2][:30] for w in WRONG])
def test_what_does_not_fit_is_named(loss: Any, y: Any, sentence: str) -> None:
    for ask in (gt.trace, lambda net, x, y, loss: gt.evaluate(net, (x, y), loss=loss)):
        with pytest.raises(gt.GradtrailError, match=sentence):
            ask(two(), X, y, loss=loss)


def test_other_mistakes_are_named() -> None:
    train: Mapping[str, Any] = {"loss": TWO_LOSS, "progress": False}
    with pytest.raises(gt.ArgumentError, match=r'several outputs; name one.*"a.accuracy"'):
        gt.train(two(), (X, TWO_Y), stopping=gt.EarlyStopping(measure="accuracy"), **train)
    with pytest.raises(gt.ArgumentError, match=r"no output is called 'z'"):
        gt.train(two(), (X, TWO_Y), stopping=gt.EarlyStopping(measure="z.loss"), **train)
    with pytest.raises(gt.ArgumentError, match=r"MeanSquaredError knows no classes.*b.loss"):
        gt.train(two(), (X, TWO_Y), stopping=gt.EarlyStopping(measure="b.accuracy"), **train)
    single = gt.Network((2, 5, 5), [gt.Flatten(), gt.Linear(3)])
    with pytest.raises(gt.ArgumentError, match=r"'output' is the network's only output, so a weig"):
        gt.trace(single, X, Y["a"], loss={"output": (gt.CrossEntropy(), 2)})
    with pytest.raises(gt.ArgumentError, match=r"several outputs, a, b, but this takes a network"):
        gt.confusion(two(), (X, Y["a"]))
