"""A network's random draws go on from one training to the next: a loop is one longer training."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.errors import ArgumentError, FileError
from gradtrail.network.foreign_weights import load_weights
from gradtrail.streams import stream
from gradtrail.training import Observer, Seen

from .common import ENGINES, arrays_of, assert_same_bits, data, network, plain, trained

MOVED = gt.Augment(flip=0.5, rotation=20, shift=0.1)


class Stopping(Observer):
    """Presses Ctrl-C behind a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def step(self, seen: Seen) -> None:
        if seen.step == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("settings", [{}, {"augment": MOVED}, {"mixup": 0.4}], ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_three_trainings_of_an_epoch_are_one_of_three(
    engine: str, settings: dict[str, Any]
) -> None:
    """Order, shifts, mixing and dropout's masks; bit by bit where an engine keeps float32."""
    whole, parts = network(), network()
    common = {"engine": engine, **settings}
    expected = trained(whole, epochs=3, optimizer=gt.Adam(0.01), **common).step_losses
    optimizer, losses = gt.Adam(0.01), []
    for _ in range(3):
        losses += trained(parts, epochs=1, optimizer=optimizer, **common).step_losses
    if engine == "cpu":
        assert losses == expected
        assert_same_bits(arrays_of(parts), arrays_of(whole))
    np.testing.assert_allclose(losses, expected, rtol=2e-6)
    assert parts.drawn == whole.drawn == (3, 12)


def test_each_call_has_an_order_of_its_own() -> None:
    net, (x, y) = plain(), data(6)
    found: list[float] = []
    for epoch in range(2):
        order = stream(5, "order", epoch).permutation(6)
        expected = [gt.trace(net, x[[i]], y[[i]]).loss for i in order]
        settings = {"optimizer": gt.SGD(1e-30), "batch_size": 1, "epochs": 1}
        losses = trained(net, (x, y), **settings).step_losses
        assert losses == pytest.approx(expected)
        found += losses
        assert net.drawn == (epoch + 1, 6 * (epoch + 1))
    assert found[:6] != found[6:]
    assert sorted(found[:6]) == pytest.approx(sorted(found[6:]))


def test_the_same_seed_is_the_same_training_of_a_new_network() -> None:
    """Whatever was trained before it in this process."""
    losses = [trained(network()).step_losses for _ in range(2)]
    assert losses[0] == losses[1]
    net = network()
    first = trained(net, optimizer=gt.SGD(1e-30)).step_losses
    assert trained(net, optimizer=gt.SGD(1e-30)).step_losses != first
    net.drawn = (0, 0)
    again = trained(net, optimizer=gt.SGD(1e-30)).step_losses
    assert np.allclose(again, first, rtol=1e-6)


def _saved(net: gt.Network, folder: Path) -> gt.Network:
    net.save(folder / "net.safetensors")
    return gt.load(folder / "net.safetensors")


def _weights(net: gt.Network, folder: Path) -> gt.Network:
    net.save(folder / "net.safetensors")
    other = network(seed=9)
    load_weights(other, folder / "net.safetensors")
    return other


@pytest.mark.parametrize(
    "kept",
    [
        lambda net, folder: copy.deepcopy(net),
        lambda net, folder: pickle.loads(pickle.dumps(net)),
        _saved,
        _weights,
    ],
    ids=["deepcopy", "pickle", "save", "load_weights"],
)
def test_whatever_keeps_a_network_keeps_how_far_it_has_drawn(kept: Any, tmp_path: Path) -> None:
    net = network()
    trained(net, epochs=1)
    other = kept(net, tmp_path)
    assert other.drawn == net.drawn == (1, 4)
    assert trained(other).step_losses == trained(net).step_losses
    assert_same_bits(arrays_of(other), arrays_of(net))


def test_an_interrupted_epoch_is_not_drawn_again() -> None:
    net = network()
    assert trained(net, log=[Stopping(6)]).interrupted
    assert net.drawn == (2, 6)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_resumed_training_draws_as_the_one_that_nothing_stopped(
    engine: str, tmp_path: Path
) -> None:
    """Of a network that was trained before; in another process, and in the same one."""
    whole = network()
    trained(whole, engine=engine, epochs=1)
    start = copy.deepcopy(whole)
    expected = trained(whole, engine=engine).step_losses
    for at, other in enumerate((network(), start)):
        stopped = copy.deepcopy(start)
        common = {"engine": engine, "checkpoints": gt.Checkpoints(tmp_path / str(at))}
        trained(stopped, log=[Stopping(6)], **common)
        goes_on = stopped if at else other
        assert trained(goes_on, resume=True, **common).step_losses == expected
        assert goes_on.drawn == whole.drawn == (3, 12)
        assert_same_bits(arrays_of(goes_on), arrays_of(whole))


def test_what_is_no_count_is_refused(tmp_path: Path) -> None:
    net = plain()
    for wrong in ((1, -1), (1,), "12", (True, 1), None):
        with pytest.raises(ArgumentError, match=r"drawn must be \(epochs, steps\), whole numbers"):
            net.drawn = wrong
    net.drawn = (1, 2)
    path = tmp_path / "net.safetensors"
    net.save(path)
    path.write_bytes(path.read_bytes().replace(b'\\"drawn\\": [1, 2]', b'\\"drawn\\": [1,-2]'))
    with pytest.raises(FileError, match=r"net.safetensors: .* got \[1, -2\]"):
        gt.load(path)
