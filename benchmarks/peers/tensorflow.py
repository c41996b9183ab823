"""TensorFlow: the whole step, update included, as one `tf.function`; plain and with XLA."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read while TensorFlow is imported

import tensorflow as tf

import gradtrail as gt
from gradtrail.layers.joins import Add
from gradtrail.network import Network

from ..task import Task, UnavailableError
from .base import Peer, limited

__all__ = ["TensorFlow", "make"]

FUNCTION, XLA = "function", "XLA"

Held = dict[str, Any]


def _layer(layer: Any, name: str, inputs: list[Any], held: Held, training: bool) -> Any:
    """One layer's output, `(N, H, W, C)`; running statistics are assigned."""
    x, w, b = inputs[0], held.get(f"{name}.weight"), held.get(f"{name}.bias")
    match layer:
        case gt.Conv2d(groups=1):
            window = layer.windows
            pads = [(0, 0), *window.margins, (0, 0)]
            x = tf.nn.conv2d(x, w, window.stride, pads, dilations=window.dilation)
            return x if b is None else tf.nn.bias_add(x, b)
        case gt.Linear():
            x = tf.matmul(x, w, transpose_b=True)
            return x if b is None else tf.nn.bias_add(x, b)
        case gt.MaxPool2d():
            window = layer.windows
            pads = [(0, 0), *window.margins, (0, 0)] if any(map(any, window.margins)) else "VALID"
            return tf.nn.max_pool2d(x, window.kernel, window.stride, pads)
        case gt.BatchNorm2d():
            return _normalised(layer, name, x, held, training)
        case gt.Dropout():
            return tf.nn.dropout(x, layer.p) if training else x
        case gt.ReLU():
            return tf.nn.relu(x)
        case gt.Flatten():
            rows = tf.transpose(x, (0, 3, 1, 2))
            return tf.reshape(rows, (rows.shape[0], -1))
        case gt.GlobalAvgPool2d():
            return tf.reduce_mean(x, (1, 2))
        case Add():
            return inputs[0] + inputs[1]
    raise UnavailableError(f"the peer has no {layer.kind} with these settings")


def _normalised(layer: gt.BatchNorm2d, name: str, x: Any, held: Held, training: bool) -> Any:
    """Batch norm by the fused operation, whose variance is already the unbiased one."""
    w, b = held[f"{name}.weight"], held[f"{name}.bias"]
    running = [held[f"{name}.running_mean"], held[f"{name}.running_var"]]
    if not training:
        given = {"mean": running[0], "variance": running[1]}
        out, _, _ = tf.compat.v1.nn.fused_batch_norm(
            x, w, b, epsilon=layer.eps, is_training=False, **given
        )
        return out
    out, *found = tf.compat.v1.nn.fused_batch_norm(x, w, b, epsilon=layer.eps)
    for variable, value in zip(running, found, strict=True):
        variable.assign((1 - layer.momentum) * variable + layer.momentum * value)
    return out


def _run(network: Network, held: Held, x: Any, training: bool) -> Any:
    """The network's output."""
    made = {network.input_name: x}
    for step in network.steps:
        inputs = [made[name] for name in step.sources]
        made[step.output] = _layer(step.layer, step.name, inputs, held, training)
    return made[network.output_name]


def _ours(arrays: Mapping[str, np.ndarray], trained: bool) -> Held:
    """Our arrays as variables: kernels (R, S, C, K), the others as they are."""

    def order(values: np.ndarray) -> np.ndarray:
        return values.transpose(2, 3, 1, 0) if values.ndim == 4 else values

    return {
        name: tf.Variable(order(np.array(values)), trainable=trained)
        for name, values in arrays.items()
    }


def _samples(x: np.ndarray) -> Any:
    return tf.constant(x.transpose(0, 2, 3, 1) if x.ndim == 4 else x)


class TensorFlow(Peer):
    """See the module."""

    name = "TensorFlow"
    modes = (FUNCTION, XLA)
    predicting = (FUNCTION, XLA)

    def __init__(self, threads: int) -> None:
        tf.config.set_visible_devices([], "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self.version = tf.__version__

    def begin(self, threads: int) -> None:
        """See `Peer.begin`; the number of threads is fixed from the start."""

    def learner(self, mode: str, task: Task) -> Callable[[], float]:
        """See `Peer.learner`."""
        network, batches = task.network, [(_samples(x), tf.constant(y)) for x, y in task.batches]
        weights, buffers = _ours(network.parameters, True), _ours(network.buffers, False)
        velocities = {n: tf.Variable(tf.zeros_like(w)) for n, w in weights.items()}

        @tf.function(jit_compile=mode == XLA, autograph=False)  # type: ignore[untyped-decorator]
        def step(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                outputs = _run(network, weights | buffers, x, True)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, outputs)
                loss = tf.reduce_mean(losses)
            gradients = tape.gradient(loss, list(weights.values()))
            for name, gradient in zip(weights, gradients, strict=True):
                velocity = velocities[name].assign(task.momentum * velocities[name] + gradient)
                weights[name].assign_sub(task.lr * velocity)
            return loss

        with limited("tf.function"):
            step.get_concrete_function(*batches[0])
        count = 0

        def run() -> float:
            nonlocal count
            x, y = batches[count % len(batches)]
            count += 1
            return float(step(x, y))

        return run

    def predictor(self, mode: str, task: Task, x: np.ndarray) -> Callable[[], object]:
        """See `Peer.predictor`."""
        network = task.network
        held = _ours({**network.parameters, **network.buffers}, False)
        called = tf.function(
            lambda x: _run(network, held, x, False), jit_compile=mode == XLA, autograph=False
        )
        samples = _samples(x)
        return lambda: called(samples).numpy()


def make(threads: int) -> Peer:
    """The peer."""
    return TensorFlow(threads)
