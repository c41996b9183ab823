"""Another head on a trained network, and weights of which some fit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import gradtrail as gt

LAYERS = (gt.Conv2d(4, 3), gt.BatchNorm2d(), gt.ReLU(), gt.GlobalAvgPool2d(), gt.Linear(3))


def network(*layers: object) -> gt.Network:
    return gt.Network((2, 6, 6), layers or LAYERS, seed=1)


def samples(classes: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(2))
    return draw.standard_normal((8, 2, 6, 6)).astype(np.float32), draw.integers(0, classes, 8)


def test_another_head_in_the_same_network() -> None:
    net, adam = network(), gt.Adam(0.01)
    gt.train(net, samples(3), optimizer=adam, progress=False)
    net.classes, drawn = tuple("abc"), net.drawn
    net.freeze("conv*", "norm*")
    before, weight = net.predict(samples(3)[0]), net.parameters["conv1.weight"]
    assert before.shape == (8, 3)
    net.replace_head(gt.Linear(5))
    assert net.parameters.shapes["fc1.weight"] == (5, 4)
    assert (net.parameters["conv1.weight"] == weight).all()
    new = network(*LAYERS[:-1], gt.Linear(5))
    assert (net.parameters["fc1.weight"] == new.parameters["fc1.weight"]).all()
    assert net.buffers["norm1.running_mean"].any()
    assert (net.classes, net.drawn) == (None, drawn)
    assert net.trained == ("fc1.weight", "fc1.bias")
    gt.train(net, samples(5), optimizer=adam, epochs=2, progress=False)
    assert net.predict(samples(5)[0]).shape == (8, 5)
    assert adam.remembered(net).step == 3
    assert repr(net.layers[-1]) == "Linear(5, name='fc1')"


def test_nothing_is_remembered_of_a_head_that_another_took_the_place_of() -> None:
    net, sgd = network(), gt.SGD(0.1, momentum=0.9)
    gt.train(net, samples(3), optimizer=sgd, progress=False)
    net.replace_head(gt.Linear(3))
    assert "conv1.weight" in sgd.remembered(net).arrays
    assert not {"fc1.weight", "fc1.bias"} & sgd.remembered(net).arrays.keys()
    weight = net.parameters["fc1.weight"].copy()
    t = gt.trace(net, *samples(3))
    sgd.update(net, t.grad)
    moved = weight - np.float32(0.1) * t.grad["fc1.weight"]
    assert net.parameters["fc1.weight"] == pytest.approx(moved, rel=1e-6)
    assert "fc1.weight" in sgd.remembered(net).arrays


def test_a_layer_by_its_name_and_in_a_graph() -> None:
    net = network(gt.Conv2d(4, 1), gt.ReLU(), gt.Conv2d(4, 3), gt.Flatten(), gt.Linear(3))
    kept = {n: a.copy() for n, a in net.parameters.items() if not n.startswith("conv1")}
    net.replace_head(gt.Conv2d(4, 3, padding=1, bias=False), "conv1")
    assert list(net.parameters) == ["conv1.weight", *kept]
    assert all((net.parameters[name] == array).all() for name, array in kept.items())
    x = gt.Input((2, 6, 6))
    a = gt.Conv2d(2, 3, padding=1)(x)
    shared = gt.Linear(3)
    flat = gt.Flatten()
    graph = gt.Network(x, gt.add(shared(flat(a)), shared(flat(x))), seed=2)
    conv = graph.parameters["conv1.weight"].copy()
    graph.replace_head(gt.Linear(4, name="head"))
    assert list(graph.parameters) == ["conv1.weight", "conv1.bias", "head.weight", "head.bias"]
    assert (graph.parameters["conv1.weight"] == conv).all()
    assert graph.predict(samples(3)[0]).shape == (8, 4)


def test_a_head_that_does_not_fit_is_refused() -> None:
    net = network(*LAYERS, gt.ReLU(), gt.Linear(2, in_features=3))
    before = list(net.parameters.shapes.items())
    with pytest.raises(gt.ShapeError, match=r"replace_head: in the place of 'fc1', .*in_features"):
        net.replace_head(gt.Linear(4), "fc1")
    with pytest.raises(gt.ShapeError, match="replace_head: in the place of 'fc2', "):
        net.replace_head(gt.Conv2d(4, 3))
    with pytest.raises(gt.UnknownNameError, match="replace_head: .* 'fc3'; did you mean: fc"):
        net.replace_head(gt.Linear(4), "fc3")
    with pytest.raises(gt.ArgumentError, match=r"takes one layer such as gt.Linear\(5\), got 5"):
        net.replace_head(5)
    with pytest.raises(gt.ArgumentError, match="no layer of the network has parameters"):
        network(gt.Flatten()).replace_head(gt.Linear(2))
    assert list(net.parameters.shapes.items()) == before


def test_weights_of_which_some_fit(tmp_path: Path) -> None:
    path = tmp_path / "trained.safetensors"
    trained = network()
    gt.train(trained, samples(3), progress=False)
    trained.save(path)
    other = network(*LAYERS[:-1], gt.Linear(5))
    fresh = other.parameters["fc1.weight"].copy()
    told = (
        f"{path} does not fit: fc1.weight has shape (3, 4), but its layer needs (5, 4); fc1.bias "
        'has shape (3,), but its layer needs (5,); skip=["fc1"] leaves a layer as it is, and '
        "strict=False takes the 6 arrays that fit"
    )
    with pytest.raises(gt.FileError, match=f"^{re.escape(told)}$"):
        gt.load_weights(other, path)
    assert not other.buffers["norm1.running_mean"].any()
    for settings in ({"skip": ["fc*"]}, {"strict": False}):
        one = network(*LAYERS[:-1], gt.Linear(5))
        report = gt.load_weights(one, path, **settings)
        assert report.loaded == tuple(n for n in trained.parameters if n[:2] != "fc") + tuple(
            trained.buffers
        )
        assert report.complete is ("skip" in settings)
        assert (one.parameters["conv1.weight"] == trained.parameters["conv1.weight"]).all()
        assert (one.parameters["fc1.weight"] == fresh).all()
        assert one.drawn == (0, 0)
    assert "fc1.weight has shape (3, 4)" in repr(report)
    assert (
        repr(gt.load_weights(one, path, skip=["fc1"])) == "read 6 arrays; left fc1.weight, fc1.bias"
    )


def test_names_of_another_library(tmp_path: Path) -> None:
    net = network(*LAYERS[:3], gt.Flatten(), gt.Linear(3))
    given = {n: a + 1 for n, a in {**net.parameters, **net.buffers}.items()}
    theirs = {f"body.{n}": a for n, a in given.items()}
    theirs["body.fc1.weight"] = theirs["body.fc1.weight"].reshape(3, 4, 4, 4)
    theirs["body.norm1.num_batches_tracked"] = np.array(7)
    save_file(theirs, tmp_path / "other.safetensors")

    def ours(name: str) -> str | None:
        return None if name.endswith("tracked") else name.removeprefix("body.")

    report = gt.load_weights(net, tmp_path / "other.safetensors", rename=ours)
    assert report.complete
    assert all((net.parameters[n] == given[n]).all() for n in net.parameters)
    renamed = {f"body.{n}": n for n in given}
    with pytest.raises(gt.FileError, match="body.norm1.num_batches_tracked of the file belong"):
        gt.load_weights(net, tmp_path / "other.safetensors", rename=renamed)
    with pytest.raises(gt.FileError, match=r"it has no conv1.weight, .*; so that no array was"):
        gt.load_weights(net, tmp_path / "other.safetensors", strict=False)
    with pytest.raises(gt.UnknownNameError, match="load_weights: skip: 'head' is the name of no"):
        gt.load_weights(net, tmp_path / "other.safetensors", skip=["head"])
    with pytest.raises(gt.ArgumentError, match="skip is a list of patterns such as"):
        gt.load_weights(net, tmp_path / "other.safetensors", skip="fc1")
