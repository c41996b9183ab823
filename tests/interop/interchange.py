"""What the tests of every format share: networks in float32 with samples, and how outputs agree."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cases import CASES, Case, uniform
from comparing import assert_close

import gradtrail as gt

TOLERANCE = 1e-5
"""Of float32, relative to the largest output: a few roundings for each layer."""

ARCHITECTURES = ("digits-cnn", "lenet5", "mnist-cnn", "resnet20", "vgg-small")

TORCHLESS = ("equation", "resize", "stochastic-depth-batch")
"""Cases that PyTorch has no layer for, by how they begin: they are written, and not read again."""

AS_TORCH = [case for case in CASES if not case.id.startswith(TORCHLESS)]

ENDING = (gt.Softmax, gt.LogSoftmax, gt.StochasticDepth)
"""What is not read where a model ends with it: something stands behind it here."""


def single(case: Case, dtype: Any = np.float32) -> gt.Network:
    """A case's layer as a network, with arrays that are not those that a training starts with."""
    behind = [gt.Tanh()] if isinstance(case.layer, ENDING) else []
    network = gt.Network(case.shape[1:], [case.layer, *behind], dtype=dtype)
    filled(network, case.generator())
    return network


def filled(network: gt.Network, draw: np.random.Generator) -> None:
    for name, array in network.parameters.items():
        network.parameters[name] = array + 0.3 * uniform(draw, array.shape)
    for name, array in network.buffers.items():
        network.buffers[name] = 1 + 0.5 * uniform(draw, array.shape)


def samples(network: gt.Network, count: int = 3, seed: int = 1) -> np.ndarray:
    draw = np.random.Generator(np.random.PCG64(seed))
    return uniform(draw, (count, *network.input_shape)).astype(network.dtype)


def outputs(network: gt.Network, x: np.ndarray) -> np.ndarray:
    return network.predict(x, engine="reference")


def agree(got: np.ndarray, expected: np.ndarray, tolerance: float = TOLERANCE) -> None:
    """Close where both are finite. A window of a dilated pool may hold nothing but padding: its
    maximum is −∞, for which some have the lowest number that there is."""
    assert got.shape == expected.shape
    usual = np.isfinite(expected)
    assert (got[~usual & np.isneginf(expected)] <= np.finfo(np.float32).min).all()
    assert_close(np.where(usual, got, 0), np.where(usual, expected, 0), tolerance)


def same_arrays(one: gt.Network, other: gt.Network) -> None:
    """The same arrays under the same names, bit for bit."""
    assert list(one.parameters) == list(other.parameters)
    assert list(one.buffers) == list(other.buffers)
    for ours, theirs in ((one.parameters, other.parameters), (one.buffers, other.buffers)):
        for name, array in ours.items():
            assert array.dtype == theirs[name].dtype
            np.testing.assert_array_equal(array, theirs[name])


def rewritten(case: Case) -> Case:
    """A case as it comes back: what a default says is left to it."""
    layer = case.layer
    if getattr(layer, "padding", 0) == "valid":
        layer = replace(layer, padding=0)
    kernel = getattr(layer, "kernel_size", None)
    if hasattr(layer, "ceil_mode") and layer.stride in (kernel, (kernel,) * layer.rank):
        layer = replace(layer, stride=None)
    if isinstance(layer, gt.Softmax | gt.LogSoftmax):
        layer = replace(layer, dim=layer.dim % len(case.shape))
    return replace(case, layer=layer)


def layers_of(network: gt.Network) -> tuple[gt.layers.Layer, ...]:
    """The layers in order, those that join branches among them."""
    return tuple(step.layer for step in network.steps)


def same_steps(one: gt.Network, other: gt.Network) -> None:
    """The same layers under the same names, which read the same."""
    wanted = [(s.name, s.sources, s.shares) for s in one.steps]
    assert [(s.name, s.sources, s.shares) for s in other.steps] == wanted
    assert [replace(s.layer, name=None) for s in other.steps] == [
        replace(s.layer, name=None) for s in one.steps
    ]


def onnx_outputs(path: Path, x: np.ndarray) -> np.ndarray:
    """What ONNX Runtime makes of a file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    (found,) = session.run(None, {entry.name: x})
    return found


def torch_outputs(module: Any, x: np.ndarray) -> np.ndarray:
    """What a module makes of samples in evaluation."""
    import torch

    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using padding='same'")
        return module.eval()(torch.tensor(x)).numpy()
