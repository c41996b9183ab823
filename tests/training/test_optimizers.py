"""Optimisers beside SGD and Adam, by their rules written out, and weight decay that leaves out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import gradtrail as gt

Gradients = list[np.ndarray]


def rmsprop(w: np.ndarray, gradients: Gradients) -> np.ndarray:
    v, mean, velocity = (np.zeros_like(w) for _ in range(3))
    for g in gradients:
        g = g + 0.1 * w
        v, mean = 0.9 * v + 0.1 * g**2, 0.9 * mean + 0.1 * g
        velocity = 0.5 * velocity + g / (np.sqrt(v - mean**2) + 1e-8)
        w = w - 0.01 * velocity
    return w


def adagrad(w: np.ndarray, gradients: Gradients) -> np.ndarray:
    total = np.full_like(w, 0.2)
    for t, g in enumerate(gradients):
        total = total + g**2
        w = w - 0.01 / (1 + 0.1 * t) * g / (np.sqrt(total) + 1e-10)
    return w


def nadam(w: np.ndarray, gradients: Gradients) -> np.ndarray:
    m, v, product = np.zeros_like(w), np.zeros_like(w), 1.0
    for t, g in enumerate(gradients, 1):
        now, ahead = (0.9 * (1 - 0.5 * 0.96 ** (s * 0.004)) for s in (t, t + 1))
        product *= now
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        size = np.sqrt(v / (1 - 0.999**t)) + 1e-8
        w = w - 0.002 * ((1 - now) / (1 - product) * g + ahead / (1 - product * ahead) * m) / size
    return w


def radam(w: np.ndarray, gradients: Gradients) -> np.ndarray:
    m, v, most = np.zeros_like(w), np.zeros_like(w), 2 / 0.1 - 1
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.9 * v + 0.1 * g**2
        mean, length = m / (1 - 0.9**t), most - 2 * t * 0.9**t / (1 - 0.9**t)
        w = w - 0.001 * 0.01 * w
        if length > 5:
            share = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
            mean = mean * np.sqrt(share) * np.sqrt(1 - 0.9**t) / (np.sqrt(v) + 1e-8)
        w = w - 0.001 * mean
    return w


def lion(w: np.ndarray, gradients: Gradients) -> np.ndarray:
    m = np.zeros_like(w)
    for g in gradients:
        w = w - 1e-4 * (np.sign(0.9 * m + 0.1 * g) + 0.01 * w)
        m = 0.99 * m + 0.01 * g
    return w


RULES: dict[str, tuple[gt.optimizers.Optimizer, Callable[[np.ndarray, Gradients], np.ndarray]]] = {
    "rmsprop": (
        gt.RMSprop(0.01, 0.9, weight_decay=0.1, momentum=0.5, centered=True),
        rmsprop,
    ),
    "adagrad": (gt.Adagrad(0.01, 0.1, initial_accumulator_value=0.2), adagrad),
    "nadam": (gt.NAdam(), nadam),
    "radam": (
        gt.RAdam(betas=(0.9, 0.9), weight_decay=0.01, decoupled_weight_decay=True),
        radam,
    ),
    "lion": (gt.Lion(weight_decay=0.01), lion),
}


@pytest.mark.parametrize("name", RULES)
def test_twenty_steps_are_those_of_the_rule(name: str) -> None:
    optimizer, rule = RULES[name]
    net = gt.Network((4,), [gt.Linear(3)], dtype=np.float64, seed=1)
    draw = np.random.Generator(np.random.PCG64(0))
    start = np.array(net.parameters["fc1.weight"])
    gradients = [draw.normal(size=(3, 4)) for _ in range(20)]
    for g in gradients:
        optimizer.update(net, {"fc1.weight": g, "fc1.bias": np.zeros(3)})
    np.testing.assert_allclose(net.parameters["fc1.weight"], rule(start, gradients), rtol=1e-12)


def test_biases_and_norms_go_without_decay_by_one_flag() -> None:
    layers = [gt.Conv2d(2, 3), gt.BatchNorm2d(), gt.Flatten(), gt.Linear(2)]
    net = gt.Network((1, 4, 4), layers, seed=0)
    chosen = gt.SGD(0.1, weight_decay=0.5, decay_bias_and_norm=False)
    before = {name: np.array(net.parameters[name]) + 1 for name in net.parameters}
    for name, array in before.items():
        net.parameters[name] = array
    chosen.update(net, {name: np.zeros_like(array) for name, array in before.items()})
    moved = {name for name in before if (net.parameters[name] != before[name]).any()}
    assert moved == {"conv1.weight", "fc1.weight"}
    assert repr(chosen).endswith("weight_decay=0.5, decay_bias_and_norm=False)")
    assert chosen.settings()["decay_bias_and_norm"] is False
    given = gt.SGD(
        0.1, weight_decay=0.5, decay_bias_and_norm=False, groups={"fc1*": {"weight_decay": 0.2}}
    )
    assert {g.names: dict(g.settings) for g in given.grouped(net)} == {
        ("conv1.weight",): {},
        ("conv1.bias", "norm1.weight", "norm1.bias"): {"weight_decay": 0.0},
        ("fc1.weight", "fc1.bias"): {"weight_decay": 0.2},
    }


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: gt.RMSprop(0.1, alpha=1), "RMSprop: alpha must be at least 0 and below 1, got 1"),
        (lambda: gt.Lion(0), "Lion: lr must be a finite number above 0, got 0"),
        (lambda: gt.SGD(0.1, decay_bias_and_norm=1), "decay_bias_and_norm must be True or False"),
    ],
)
def test_settings_out_of_range(made: Callable[[], object], said: str) -> None:
    with pytest.raises(gt.ArgumentError, match=said):
        made()
