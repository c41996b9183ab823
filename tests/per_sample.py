"""What each sample's gradients must be: two ways to find them that share no code with an engine's.

- `alone` runs the reference on every sample by itself. It holds where samples do not meet: not for
  batch norm in training.
- `shares` contracts the arrays that an engine kept, in float64, one sample after the other: all
  but this sample's elements of `dZ` are put to 0, and the plain adjoint does the rest.
"""

from __future__ import annotations

import numpy as np

import gradtrail as gt
from gradtrail.arrays.einsum import contract
from gradtrail.engines import Batch, Computed, Reference

Arrays = dict[str, np.ndarray]


def meet(net: gt.Network, loss: gt.Loss, training: bool) -> bool:
    """Whether a sample's gradient depends on the other samples."""
    nodes = net.system(4, training=training, loss=loss).nodes
    return any(node.equation.ties_samples for node in nodes)


def alone(net: gt.Network, batch: Batch, loss: gt.Loss, training: bool) -> Arrays:
    """The gradients of runs on one sample each, (N, *shape)."""
    found = []
    for x, y in zip(batch.x, batch.y, strict=True):
        one = Batch.of(net, x[None], y[None], loss)
        found.append(Reference().compute(net, one, loss, training=training).gradients)
    return {name: np.stack([f[name] for f in found]) for name in net.parameters}


def shares(net: gt.Network, batch: Batch, loss: gt.Loss, training: bool, kept: Computed) -> Arrays:
    """N times each sample's share of the sums in the gradients, from an engine's own arrays."""
    count = len(batch)
    found = {n: np.zeros((count, *net.parameters[n].shape)) for n in net.parameters}
    for sent in net.system(count, training=training, loss=loss).backward:
        if sent.receives not in net.parameters:
            continue
        node = sent.node
        letters = {a: np.asarray(kept.values[n], np.float64) for a, n in node.arrays}
        dz = np.asarray(kept.gradients[node.output], np.float64)
        for sample in range(count):
            only = np.zeros_like(dz)
            only[sample] = dz[sample]
            back = contract(sent.equation, {**letters, "d" + node.equation.target.array: only})
            found[sent.receives][sample] += count * back
    return found


def labelled(
    net: gt.Network, count: int, seed: int, loss: gt.Loss | None = None
) -> tuple[Batch, gt.Loss]:
    """Random samples with random labels."""
    draw = np.random.default_rng(seed)
    loss = loss or gt.CrossEntropy()
    classes = net.system(1).shapes[net.output_name][1]
    x = draw.standard_normal((count, *net.input_shape)).astype(net.dtype)
    return Batch.of(net, x, draw.integers(0, classes, count), loss, seed=seed, step=3), loss
