"""One learning step with everything kept: forward, loss, backward; nothing is updated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines import Batch, engine_for
from ..equation import Equation, System
from ..errors import UnknownNameError, unknown
from ..layers import Loss
from ..layers.base import seeded
from ..layers.losses import loss_for

if TYPE_CHECKING:
    from ..engines import Engine
    from ..network import Network

__all__ = ["Gradients", "Trace", "Values", "trace"]


class Side(Mapping[str, np.ndarray]):
    """The arrays of one direction by name, read-only.

    Args:
        arrays: by name, in the order of computation.
        system: the equations they were computed by.
    """

    what: str

    def __init__(self, arrays: Mapping[str, np.ndarray], system: System) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        self._system = system
        for name, array in arrays.items():
            held = np.asarray(array).view()
            held.flags.writeable = False
            self._arrays[name] = held

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            raise UnknownNameError(unknown(self.what, name, self._arrays))
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name} {array.shape}" for name, array in self._arrays.items())
        return f"{{{inside}}}"


class Values(Side):
    """What the forward pass computed: `t.value["conv1.output"]`."""

    what = "value"

    def equations(self, name: str) -> tuple[Equation, ...]:
        """The equation that `name` was computed by; none for what was given.

        Raises:
            UnknownNameError: no array has this name.
        """
        _ = self[name]
        node = self._system.producer.get(name)
        return () if node is None else (node.equation,)


class Gradients(Side):
    """What the backward pass computed: `t.grad["conv1.weight"]`."""

    what = "gradient"

    def equations(self, name: str) -> tuple[Equation, ...]:
        """The sums that make up the gradient of `name`, one per layer that reads it.

        Raises:
            UnknownNameError: no array has this name.
        """
        _ = self[name]
        return tuple(sent.equation for sent in self._system.backward if sent.receives == name)


class Trace:
    """A traced step.

    Args:
        loss: the mean loss of the batch.
        value: every array of the forward pass.
        grad: every gradient.
        system: the equations of the step.
    """

    def __init__(self, loss: float, value: Values, grad: Gradients, system: System) -> None:
        self.loss, self.value, self.grad, self.system = loss, value, grad, system

    def __repr__(self) -> str:
        return f"Trace(loss={self.loss:.6g}, {len(self.value)} values, {len(self.grad)} gradients)"


def _ordered(arrays: Mapping[str, np.ndarray], system: System) -> dict[str, np.ndarray]:
    """The arrays of the step in the order of computation."""
    return {name: arrays[name] for name in system.shapes if name in arrays}


def trace(
    network: Network,
    x: Any,
    y: Any,
    *,
    loss: Loss | None = None,
    training: bool = True,
    seed: int = 0,
    engine: str | Engine | None = None,
) -> Trace:
    """Run forward, loss and backward on one batch and keep every array; nothing is changed.

    Args:
        network: any network.
        x: samples, (N, *input_shape).
        y: their labels.
        loss: by default `CrossEntropy()`.
        training: batch statistics and dropout; False for evaluation.
        seed: what dropout's masks follow from.
        engine: None for the default, "cpu", "reference", or an engine object.

    Returns:
        The trace: `loss`, `value` and `grad`.

    Raises:
        DataError: samples or labels that do not fit.
    """
    loss = loss_for(loss)
    samples, seed = network.checked(x), seeded("trace", seed)
    batch = Batch.of(network, samples, y, loss, seed)
    computed = engine_for(engine, network).compute(network, batch, loss, training=training)
    system = network.system(len(samples), training=training, loss=loss)
    return Trace(
        float(computed.values["loss"]),
        Values(_ordered(computed.values, system), system),
        Gradients(_ordered(computed.gradients, system), system),
        system,
    )
