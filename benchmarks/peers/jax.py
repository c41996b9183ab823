"""JAX: the whole step, update included, as one compiled function, channels last.

JAX takes as many threads as the process may use processors; there is no setting for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

import gradtrail as gt
from gradtrail.layers.joins import Add
from gradtrail.network import Network

from ..machine import available_threads
from ..task import Task, UnavailableError
from .base import Peer, limited

__all__ = ["JAX", "make"]

JIT = "jit"

Arrays = dict[str, Any]

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def _layer(layer: Any, name: str, inputs: list[Any], held: Arrays, key: Any) -> tuple[Any, Arrays]:
    """One layer's output and the running statistics it leaves; `key` is None in evaluation."""
    x, w, b = inputs[0], held.get(f"{name}.weight"), held.get(f"{name}.bias")
    match layer:
        case gt.Conv2d():
            window = layer.windows
            x = lax.conv_general_dilated(
                x, w, window.stride, window.margins, rhs_dilation=window.dilation,
                dimension_numbers=_LAYOUT, feature_group_count=layer.groups,
            )  # fmt: skip
            return (x if b is None else x + b), {}
        case gt.Linear():
            x = x @ w.T
            return (x if b is None else x + b), {}
        case gt.MaxPool2d():
            window = layer.windows
            pads = ((0, 0), *window.margins, (0, 0))
            size, stride = (1, *window.kernel, 1), (1, *window.stride, 1)
            return lax.reduce_window(x, -jnp.inf, lax.max, size, stride, pads), {}
        case gt.BatchNorm2d():
            return _normalised(layer, name, x, held, key is not None)
        case gt.Dropout():
            if key is None:
                return x, {}
            keep = jax.random.bernoulli(key, 1 - layer.p, x.shape)
            return jnp.where(keep, x / (1 - layer.p), 0.0), {}
        case gt.ReLU():
            return jnp.maximum(x, 0.0), {}
        case gt.Flatten():
            return x.transpose(0, 3, 1, 2).reshape(len(x), -1), {}
        case gt.GlobalAvgPool2d():
            return x.mean((1, 2)), {}
        case Add():
            return inputs[0] + inputs[1], {}
    raise UnavailableError(f"the peer has no {layer.kind}")


def _normalised(
    layer: gt.BatchNorm2d, name: str, x: Any, held: Arrays, training: bool
) -> tuple[Any, Arrays]:
    """Batch norm of `(N, H, W, C)`."""
    names = (f"{name}.running_mean", f"{name}.running_var")
    mean, variance = (held[n] for n in names)
    changed: Arrays = {}
    if training:
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        count = x.size // x.shape[-1]
        found = (mean, variance * count / (count - 1))
        m = layer.momentum
        changed = {n: (1 - m) * held[n] + m * f for n, f in zip(names, found, strict=True)}
    scale = held[f"{name}.weight"] * lax.rsqrt(variance + layer.eps)
    return (x - mean) * scale + held[f"{name}.bias"], changed


def _run(network: Network, held: Arrays, x: Any, key: Any) -> tuple[Any, Arrays]:
    """The network's output and its new running statistics."""
    made, changed = {network.input_name: x}, dict[str, Any]()
    for place, step in enumerate(network.steps):
        own = None if key is None else jax.random.fold_in(key, place)
        inputs = [made[name] for name in step.sources]
        made[step.output], left = _layer(step.layer, step.name, inputs, held, own)
        changed |= left
    return made[network.output_name], changed


def _ours(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Our arrays in JAX's order: kernels (R, S, C, K), the others as they are."""

    def order(values: np.ndarray) -> np.ndarray:
        return values.transpose(2, 3, 1, 0) if values.ndim == 4 else values

    return {name: jnp.array(order(np.array(values))) for name, values in arrays.items()}


def _samples(x: np.ndarray) -> Any:
    return jnp.array(x.transpose(0, 2, 3, 1) if x.ndim == 4 else x)


class JAX(Peer):
    """See the module."""

    name = "JAX"
    modes = (JIT,)
    predicting = (JIT,)

    def __init__(self, threads: int) -> None:
        jax.config.update("jax_platforms", "cpu")
        self.version = jax.__version__
        self.threads = threads

    def _check(self) -> None:
        if self.threads != available_threads():
            raise UnavailableError(
                f"it takes all {available_threads()} processors; run the benchmark under taskset "
                f"with {self.threads}"
            )

    def begin(self, threads: int) -> None:
        """See `Peer.begin`; the number of threads is fixed from the start."""

    def learner(self, mode: str, task: Task) -> Callable[[], float]:
        """See `Peer.learner`."""
        self._check()
        network, batches = task.network, [(_samples(x), jnp.array(y)) for x, y in task.batches]
        weights, buffers = _ours(network.parameters), _ours(network.buffers)
        state = (weights, {n: jnp.zeros_like(w) for n, w in weights.items()}, buffers)

        def loss_of(weights: Arrays, buffers: Arrays, x: Any, y: Any, key: Any) -> Any:
            outputs, changed = _run(network, weights | buffers, x, key)
            chosen = jnp.take_along_axis(jax.nn.log_softmax(outputs), y[:, None], 1)
            return -chosen.mean(), changed

        @partial(jax.jit, donate_argnums=0)
        def step(state: Any, x: Any, y: Any, count: Any) -> Any:
            weights, velocity, buffers = state
            key = jax.random.fold_in(jax.random.PRNGKey(0), count)
            graded = jax.value_and_grad(loss_of, has_aux=True)
            (loss, changed), gradients = graded(weights, buffers, x, y, key)
            velocity = {n: task.momentum * velocity[n] + g for n, g in gradients.items()}
            weights = {n: w - task.lr * velocity[n] for n, w in weights.items()}
            return (weights, velocity, buffers | changed), loss

        count = 0

        def run() -> float:
            nonlocal state, count
            x, y = batches[count % len(batches)]
            state, loss = step(state, x, y, count)
            count += 1
            return float(loss)

        with limited("jax.jit"):
            step.lower(state, *batches[0], 0).compile()
        return run

    def predictor(self, mode: str, task: Task, x: np.ndarray) -> Callable[[], object]:
        """See `Peer.predictor`."""
        self._check()
        network = task.network
        held, samples = _ours({**network.parameters, **network.buffers}), _samples(x)
        called = jax.jit(lambda held, x: _run(network, held, x, None)[0])
        return lambda: called(held, samples).block_until_ready()


def make(threads: int) -> Peer:
    """The peer."""
    return JAX(threads)
