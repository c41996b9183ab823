"""How far our engine is from float64, layer by layer and pass by pass.

Two figures for every array. *By itself*: the layer's equation in float64, applied to what our
engine handed the layer, against what our engine made of it. *Whole*: our array against that of the
reference engine from the input on. The second holds the rounding of all layers before, and a ReLU
or a maximum that falls the other way where two numbers are nearly equal changes it by far more
than rounding, so these are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import gradtrail as gt
from gradtrail.engines import CPU, Reference
from gradtrail.engines.reference import forward
from gradtrail.equation import Selection, System
from gradtrail.tracing.trace import Trace

from .counting import FORWARD, towards

__all__ = ["Deviation", "Rounding", "deviations", "relative"]

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Deviation:
    """The relative rms error of one array.

    Args:
        layer: that computes it, or that sends it back.
        which: `forward` or `backward towards …`.
        alone: of the layer by itself.
        whole: from the input on.
    """

    layer: str
    which: str
    alone: float
    whole: float


@dataclass(frozen=True)
class Rounding:
    """All of a step.

    Args:
        rows: in the order of computation.
        turned: how many ReLUs and maxima fell the other way.
    """

    rows: list[Deviation]
    turned: int

    def worst(self, kind: str) -> Deviation:
        """The row with the largest `alone` or `whole`."""
        return max(self.rows, key=lambda row: float(getattr(row, kind)))


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """The rms of the difference over the rms of what was expected."""
    size = float(np.sqrt(np.mean(np.square(expected))))
    difference = float(np.sqrt(np.mean(np.square(found - expected))))
    return difference / size if size else (np.inf if difference else 0.0)


def deviations(
    network: gt.Network, x: np.ndarray, y: np.ndarray, engine: CPU, reference: Trace
) -> Rounding:
    """Compare one training step.

    Args:
        network: any of float32.
        x: (N, C, H, W).
        y: (N,).
        engine: ours.
        reference: the step by the reference engine.
    """
    made = gt.trace(network, x, y, engine=engine)
    values, gradients = _wide(made.value), {**_wide(made.grad), "loss": np.ones(())}
    rows = []
    for node in made.system.nodes:
        letters = {a: values[name] for a, name in node.arrays if name in values}
        expected = forward(node.equation, letters)[node.equation.target.array]
        found = values[node.output]
        whole = relative(found, reference.value[node.output])
        rows.append(Deviation(node.name, FORWARD, relative(found, expected), whole))
    for name, (layers, expected) in _sent_back(made.system, values, gradients).items():
        found = gradients[name]
        whole = relative(found, reference.grad[name])
        rows.append(Deviation(layers, towards(name), relative(found, expected), whole))
    return Rounding(rows, _turned(network, made.system, values, reference.value))


def _wide(arrays: Arrays) -> dict[str, np.ndarray]:
    return {name: np.asarray(array, np.float64) for name, array in arrays.items()}


def _sent_back(
    system: System, values: Arrays, gradients: Arrays
) -> dict[str, tuple[str, np.ndarray]]:
    """For every gradient, the layers that send it and the sum of what they send."""
    engine, found = Reference(), dict[str, tuple[str, np.ndarray]]()
    for sent in system.backward:
        share, name, layer = engine.adjoint(sent, values, gradients), sent.receives, sent.node.name
        layers, total = found.get(name, ("", np.zeros(())))
        found[name] = (f"{layers} and {layer}" if layers else layer, total + share)
    return found


def _turned(network: gt.Network, system: System, ours: Arrays, theirs: Arrays) -> int:
    """How many ReLUs are open in one and closed in the other, and maxima that stand elsewhere."""
    steps: dict[str, Any] = {step.name: step.layer for step in network.steps}
    count = 0
    for node in system.nodes:
        source = node.inputs[0]
        if isinstance(node.equation, Selection):
            winner = node.array_of[node.equation.winner]
            count += int((ours[winner] != theirs[winner]).sum())
        elif isinstance(steps.get(node.name), gt.ReLU):
            count += int(((ours[source] > 0) != (theirs[source] > 0)).sum())
    return count
