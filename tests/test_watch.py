"""gt.train(watch=…): single weights followed through a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.training import weight_watcher as module
from gradtrail.training.watched_weights import FILE, load_watched, save_watched

ELEMENTS = ["conv1.weight[1,0,2,1]", "fc1.bias[3]"]


def network() -> gt.Network:
    layers = [gt.Conv2d(4, 3), gt.ReLU(), gt.MaxPool2d(2), gt.Flatten(), gt.Linear(10)]
    return gt.Network((1, 8, 8), layers, seed=2)


def trained(engine: str | None, elements: list[str], **settings) -> tuple[gt.Network, gt.History]:
    net, ((x, y), _) = network(), gt.data.digits()
    settings = {"optimizer": gt.SGD(0.1, momentum=0.9), "epochs": 2, "batch_size": 32} | settings
    history = gt.train(
        net, (x[:200], y[:200]), seed=1, engine=engine, progress=False, watch=elements, **settings
    )
    return net, history


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_what_is_kept_is_what_happened(engine: str) -> None:
    """From its start to its end by its updates, and nothing else changes."""
    net, history = trained(engine, ELEMENTS)
    plain, alone = trained(engine, [])
    for name in net.parameters:
        np.testing.assert_array_equal(net.parameters[name], plain.parameters[name])
    assert history.step_losses == alone.step_losses
    assert list(history.watched) == ELEMENTS
    for element, name, index in zip(
        ELEMENTS, ("conv1.weight", "fc1.bias"), ((1, 0, 2, 1), (3,)), strict=True
    ):
        kept = history.watched[element]
        assert kept.steps.tolist() == list(range(14))
        assert kept.weight[0] == network().parameters[name][index]
        np.testing.assert_allclose(kept.weight[:-1] + kept.update[:-1], kept.weight[1:], rtol=1e-12)
        end = kept.weight[-1] + kept.update[-1]
        assert end == pytest.approx(float(net.parameters[name][index]), rel=1e-6)
        # SGD with momentum: the update is −lr·(gradient + momentum · what was added before)
        velocity = 0.0
        for gradient, update in zip(kept.gradient, kept.update, strict=True):
            velocity = 0.9 * velocity + gradient
            assert update == pytest.approx(-0.1 * velocity, rel=1e-3, abs=1e-7)


def test_the_samples_are_those_of_the_data() -> None:
    """Of the first step: traced by hand, the same samples bring the same."""
    _, history = trained("reference", ELEMENTS, shuffle=False)
    (x, y), _ = gt.data.digits()
    terms = gt.trace(network(), x[:32], y[:32], engine="reference").grad.terms(
        "conv1.weight", (1, 0, 2, 1)
    )
    best = terms.by("n").top(5)
    kept = history.watched[ELEMENTS[0]]
    assert kept.samples[0].tolist() == list(best)
    np.testing.assert_allclose(kept.shares[0], best.sums, rtol=1e-6)
    assert set(kept.samples[1]) <= set(range(32, 64))
    assert (kept.samples[6] >= 192).all()  # the last batch has 8 samples


def test_what_is_kept_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST", 8)
    _, history = trained(None, ELEMENTS, epochs=6)
    assert history.steps == 42
    kept = history.watched[ELEMENTS[0]]
    assert kept.steps.tolist() == [0, 8, 16, 24, 32, 40]


def test_a_batch_smaller_than_what_is_kept_of_it() -> None:
    _, history = trained(None, ELEMENTS, batch_size=3, epochs=1)
    kept = history.watched[ELEMENTS[1]]
    assert (kept.samples[:, 3:] == -1).all()
    assert (kept.shares[:, 3:] == 0).all()


def test_it_is_kept_in_a_file(tmp_path: Path) -> None:
    _, history = trained(None, ELEMENTS)
    save_watched(tmp_path / FILE, history.watched)
    again = load_watched(tmp_path)
    assert list(again) == ELEMENTS
    for element in ELEMENTS:
        for field in ("steps", "weight", "gradient", "update", "samples", "shares"):
            np.testing.assert_array_equal(
                getattr(again[element], field), getattr(history.watched[element], field)
            )
    assert gt.History.from_dict(history.to_dict()) == history
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    with pytest.raises(gt.FileError, match="not a safetensors file"):
        load_watched(tmp_path / "other.safetensors")
    network().save(tmp_path / "net.safetensors")
    with pytest.raises(gt.FileError, match="holds nothing that was watched"):
        load_watched(tmp_path / "net.safetensors")


def test_it_prints_and_draws(tmp_path: Path) -> None:
    _, history = trained(None, ELEMENTS)
    kept = history.watched[ELEMENTS[0]]
    assert "conv1.weight[1,0,2,1]" in str(kept)
    assert "12 of 14 watched steps" in str(kept)
    assert "<table>" in kept._repr_html_()
    assert repr(kept) == str(kept)
    assert kept.to_dict()["steps"] == list(range(14))
    kept.plot(tmp_path / "w.png")
    assert (tmp_path / "w.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("elements", "error", "message"),
    [
        ("conv1.weight[0,0,0,0]", gt.ArgumentError, "watch is a list of elements"),
        (["conv1.weight"], gt.ArgumentError, r"shape \(4, 1, 3, 3\): an index into it is 4"),
        (["conv1.weight[9,0,0,0]"], gt.ArgumentError, "position 9 on axis 0 lies outside 0 … 3"),
        (["conv9.weight[0]"], gt.UnknownNameError, "no array is called 'conv9.weight'"),
        (
            ["conv1.weight[0,0"],
            gt.ArgumentError,
            "an element is written as its array and its index",
        ),
        (["dconv1.weight[0,0,0,0]"], gt.UnknownNameError, "did you mean: conv1.weight"),
        (["fc1.bias[1]", "fc1.bias[ 1 ]"], gt.ArgumentError, r"fc1.bias\[1\] is watched twice"),
        (
            [f"fc1.weight[0,{i}]" for i in range(65)],
            gt.ArgumentError,
            "at most 64 elements .* got 65",
        ),
    ],
)
def test_what_cannot_be_watched(elements, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        trained(None, elements)


def test_a_run_that_watched_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(gt.FileError, match=r"has no watch\.safetensors: nothing was watched"):
        load_watched(tmp_path)
