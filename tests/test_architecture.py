"""Where two networks differ, told by the layer."""

from __future__ import annotations

from typing import Any

import pytest

import gradtrail as gt
from gradtrail.graph.difference import difference

LAYERS = [
    gt.Conv2d(4, 3, padding=1),
    gt.ReLU(),
    gt.Residual([gt.Conv2d(4, 3, padding=1)]),
    gt.Flatten(),
    gt.Linear(3),
]


def network(layers: list[Any] = LAYERS, shape: tuple[int, ...] = (1, 6, 6), **more: Any) -> Any:
    return gt.Network(shape, layers, **more)


def exchanged(place: int, layer: Any) -> Any:
    return network([*LAYERS[:place], layer, *LAYERS[place + 1 :]])


def wider() -> Any:
    body = [gt.Conv2d(4, 3, padding=1)]
    return exchanged(2, gt.Residual(body, [gt.Conv2d(4, 1)]))


OTHERS = {
    "it takes samples of (1, 6, 6), not (1, 6, 7)": network(shape=(1, 6, 7)),
    "layer 1 'conv1' (Conv2d) has kernel_size=3, not 5": exchanged(0, gt.Conv2d(4, 5, padding=2)),
    "layer 2 'relu1' (ReLU) is 'tanh1' (Tanh) in the other": exchanged(1, gt.Tanh()),
    "layer 2 'relu1' (ReLU) is 'act' (ReLU) in the other": exchanged(1, gt.ReLU(name="act")),
    "layer 4 'add1' (Add) is 'conv3' (Conv2d) in the other": wider(),
    "layer 4 'add1' (Add) is 'concat1' (Concat) in the other": exchanged(
        2, gt.Concat([gt.Conv2d(4, 3, padding=1)], [])
    ),
    "it has the layer 'fc1' (Linear) behind the last": network(LAYERS[:-1]),
    "it lacks the layer 'relu2' (ReLU) behind the last": network([*LAYERS, gt.ReLU()]),
    "its numbers are float32, not float64": network(dtype="float64"),
}


@pytest.mark.parametrize("sentence", OTHERS)
def test_the_first_layer_that_differs_is_named(sentence: str) -> None:
    assert difference(network(), OTHERS[sentence]) == sentence


def test_what_a_layer_reads_counts() -> None:
    aside = gt.Concat([gt.ReLU()], [gt.Tanh()])
    behind = gt.Concat([gt.ReLU(), gt.Tanh()], [])
    one, other = (network([entry], (2, 3, 3)) for entry in (aside, behind))
    assert difference(one, other) == "layer 2 'tanh1' (Tanh) reads input, not relu1"


def test_the_same_network_differs_nowhere() -> None:
    assert difference(network(), network()) is None
    renamed = exchanged(1, gt.ReLU(name="act"))
    assert difference(network(), renamed, named=False) is None
