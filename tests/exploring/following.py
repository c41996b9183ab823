"""Trainings that a page follows, and what is done behind their steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.exploring import live as lives
from gradtrail.training import Observer, Seen
from gradtrail.training.course import Course
from gradtrail.training.loop import prepare_training
from gradtrail.training.training import Training


def network() -> gt.Network:
    layers = [
        *(gt.Conv2d(4, 3), gt.BatchNorm2d(), gt.ReLU(), gt.MaxPool2d(2)),
        *(gt.Flatten(), gt.Dropout(0.2), gt.Linear(12), gt.ReLU(), gt.Linear(10)),
    ]
    return gt.Network((1, 8, 8), layers, seed=3)


def data(count: int = 96) -> tuple[np.ndarray, np.ndarray]:
    (x, y), _ = gt.data.digits()
    return x[:count], y[:count]


def training(observers: list[Observer], **settings: Any) -> Training:
    course = Course(
        **{"optimizer": gt.SGD(0.1, momentum=0.9), "batch_size": 16, "seed": 5, **settings}
    )
    return prepare_training(network(), data(), course, observers=observers, threads=2)


class Asking(Observer):
    """Does something behind every step, on the training's own thread."""

    def __init__(self, ask: Callable[[Seen], None]) -> None:
        self.ask = ask

    def step(self, seen: Seen) -> None:
        self.ask(seen)


def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the weights behind every step, whatever that costs."""
    monkeypatch.setattr(lives, "_LEAST", -1.0)
    monkeypatch.setattr(lives, "_LOOKS", np.inf)
    monkeypatch.setattr(lives, "_ALL", np.inf)


def bits(net: gt.Network) -> dict[str, bytes]:
    return {n: a.tobytes() for n, a in {**net.parameters, **net.buffers}.items()}
