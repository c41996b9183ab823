"""Random networks with a batch each, for comparing an engine in float32 with the reference.

`drawn(number)` gives the same network, samples and labels every time. Not all can be compared:

- **Kinks.** Where the argument of a ReLU is closer to 0 than float32 can tell, or the two greatest
  of a pooling window to each other, either side is right, and all gradients behind it differ. An
  engine within `FLOAT32` of the reference may be off by that share of the array's largest element,
  so a sample that comes closer (`near_kinks`) is exchanged for another one. Exact ties stay: they
  are zeros that a ReLU or a mask left, and exact in float32, too.
- **Cancellation.** A bias before a batch norm has a gradient of 0, of which float32 gives the
  rounding; a channel that hardly varies is normalised to noise. So the reference runs once more
  with a rounding of float32 after every equation (`Rounded`); where this moves an array by more
  than 1/30 of the tolerance, another network is drawn. The 30 is √1,000: what the roundings within
  a sum of a thousand terms add up to.

The tolerance itself is the same for all.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from distinguishable import conditioned, near_kinks
from random_norms import normed
from random_shapes import rearranged

import gradtrail as gt
from gradtrail.engines import Batch, Computed, Reference
from gradtrail.engines.rounded import Rounded

Shape = tuple[int, ...]

LARGEST = 16_000
"""Elements of an array, all samples together, which keeps hundreds of networks short."""


@dataclass(frozen=True)
class Drawn:
    """A network with a batch, and what the reference makes of it.

    Args:
        number: what it was drawn from.
        network: in float32.
        loss: the loss.
        batch: samples and labels.
        training: training or evaluation.
        expected: all values and gradients, in float64.
    """

    number: int
    network: gt.Network
    loss: gt.Loss
    batch: Batch
    training: bool
    expected: Computed

    def __str__(self) -> str:
        """All that the comparison depends on, as JSON."""
        told = {
            "number": self.number,
            "training": self.training,
            "batch": len(self.batch),
            "loss": self.loss.settings(),
            "labels": list(self.batch.y.shape),
            **self.network.architecture(),
        }
        return json.dumps(told, ensure_ascii=False)


def drawn(
    number: int,
    make: Callable[[Draws], tuple[gt.Network, bool]] | None = None,
    asked: Callable[..., tuple[gt.Loss, np.ndarray]] | None = None,
) -> Drawn:
    """The network of a number.

    Args:
        number: what everything follows from.
        make: draws a network, and whether it tells classes apart; None for layers over images.
        asked: draws a loss with labels; None for rows of classes, or of numbers.
    """
    for attempt in count():
        draw = Draws(np.random.Generator(np.random.PCG64([number, attempt])))
        found = _attempt(number, draw, make or _network, asked or _labels)
        if found is not None:
            return found
    raise AssertionError("a count ends")


def drawn_network(number: int, exchanged: bool = False) -> gt.Network:
    """A network alone, of which nothing is compared in numbers.

    Args:
        number: what it is drawn from.
        exchanged: whether of layers alone that PyTorch's and ONNX's formats have a converter for.
    """
    draw = Draws(np.random.Generator(np.random.PCG64([number, 1 << 20])), exchanged)
    network, _ = _network(draw)
    _parameters(draw, network)
    return network


def _attempt(
    number: int,
    draw: Draws,
    make: Callable[[Draws], tuple[gt.Network, bool]],
    asked: Callable[..., tuple[gt.Loss, np.ndarray]],
) -> Drawn | None:
    """One draw, or None where it cannot be compared."""
    network, classes = make(draw)
    training = draw.chance(0.75)
    size = min(draw.whole(1, 70), LARGEST // _widest(network))
    if size == 0:
        return None
    loss, y = asked(draw, network, classes, size)
    try:
        network.system(size, training=training, loss=loss)
    except gt.DataError:  # batch norm over a single element
        return None
    _parameters(draw, network)
    x = draw.uniform((size, *network.sample_shape))
    seed, step = draw.whole(0, 2**32), draw.whole(0, 1000)
    for _ in range(12):
        batch = Batch.of(network, network.checked(x), y, loss, seed, step)
        values = Reference().compute(network, batch, loss, training=training, backward=False).values
        if not all(np.isfinite(array).all() for array in values.values()):
            return None  # a dilated window may lie in the padding altogether: its maximum is −∞
        near = near_kinks(network.system(size, training=training, loss=loss), values)
        if not near.any():
            break
        x[near] = draw.uniform((int(near.sum()), *network.sample_shape))
    else:
        return None
    expected = Reference().compute(network, batch, loss, training=training)
    if not conditioned(expected, Rounded().compute(network, batch, loss, training=training)):
        return None
    return Drawn(number, network, loss, batch, training, expected)


# -- what is drawn ----------------------------------------------------------------------------


class Draws:
    """Draws from a generator.

    Args:
        generator: of random numbers.
        exchanged: see `drawn_network`.
    """

    def __init__(self, generator: np.random.Generator, exchanged: bool = False) -> None:
        self.generator, self.exchanged = generator, exchanged

    def chance(self, probability: float) -> bool:
        return bool(self.generator.random() < probability)

    def whole(self, least: int, most: int) -> int:
        return int(self.generator.integers(least, most, endpoint=True))

    def one(self, *options: Any) -> Any:
        return options[self.whole(0, len(options) - 1)]

    def per_axis(self, *options: int) -> Any:
        """One number, or at times one per axis."""
        return (self.one(*options), self.one(*options)) if self.chance(0.3) else self.one(*options)

    def uniform(self, shape: Shape, low: float = -1.0, high: float = 1.0) -> np.ndarray:
        return self.generator.uniform(low, high, shape)


def _network(draw: Draws) -> tuple[gt.Network, bool]:
    """One to six layers; whether classes are told apart at the end."""
    shape: Shape = (draw.one(1, 2, 3, 3, 4, 6, 16, 17), draw.whole(1, 12), draw.whole(1, 12))
    start, layers = shape, []
    for _ in range(draw.one(1, 1, 2, 2, 3, 3, 4, 5, 6)):
        layer, shape = fitting(draw, shape, image_layer)
        layers.append(layer)
        if len(shape) == 3 and draw.chance(0.25):  # slopes in a row, met from several sides
            layers += [
                draw.one(_activation, _dropout)(draw, shape) for _ in range(draw.whole(1, 3))
            ]
            layer, shape = fitting(draw, shape, _branching)
            layers.append(layer)
    classes = draw.chance(0.6)
    if classes and len(shape) == 3:
        layers.append(draw.one(gt.Flatten(), gt.Flatten(), gt.GlobalAvgPool2d()))
    if classes:
        layers.append(gt.Linear(draw.whole(2, 20), bias=draw.chance(0.8)))
    return built(start, layers, seed=draw.whole(0, 2**31)), classes


def fitting(draw: Draws, shape: Shape, drawn: Callable[..., Any]) -> tuple[Any, Shape]:
    """A layer that fits behind a shape, and the shape behind it; the library tells what fits."""
    while True:
        try:
            layer = drawn(draw, shape)
            after = _behind(shape, layer)
        except (gt.ArgumentError, gt.ShapeError):
            continue
        if len(after) == 1 or (np.prod(after) <= 1000 and after[0] <= 20):
            return layer, after


def built(shape: Shape, layers: list[Any], seed: int = 0) -> gt.Network:
    """A network whose random shape may look like channels last."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gt.GradtrailWarning)
        return gt.Network(shape, layers, seed=seed)


def _behind(shape: Shape, layer: Any) -> Shape:
    net = built(shape, [layer])
    equation = net.declarations(1, training=True)[net.steps[-1].name].equation
    return equation.shape_of[equation.target.array][1:]


def image_layer(draw: Draws, shape: Shape) -> Any:
    """One layer or branching with random settings, which need not fit."""
    if len(shape) == 1:
        kinds: tuple[Any, ...] = (_linear, _activation, _activation, _dropout)
        kinds += () if draw.exchanged else (normed,)
        return draw.one(*kinds)(draw, shape)
    kinds = (
        *(_convolution,) * 6,
        *(_transposed,) * 2,
        *(_activation,) * 5,
        *(_max_pool, _max_pool, _average_pool, _average_pool),
        *(_norm, _norm, _dropout, _residual, _residual, _concat, _concat, _ending),
        *(() if draw.exchanged else (*(rearranged,) * 4, normed, normed)),
    )
    return draw.one(*kinds)(draw, shape)


def _linear(draw: Draws, shape: Shape) -> Any:
    return gt.Linear(draw.whole(1, 40), bias=draw.chance(0.7))


def _ending(draw: Draws, shape: Shape) -> Any:
    return draw.one(gt.Flatten(), gt.GlobalAvgPool2d())


def _channels(draw: Draws, channels: int) -> tuple[int, int]:
    """How many channels come out, and in how many groups."""
    groups = draw.one(*(g for g in range(1, channels + 1) if channels % g == 0))
    groups = groups if draw.chance(0.35) else 1
    return groups * draw.whole(1, max(1, draw.one(4, 8, 20) // groups)), groups


def _convolution(draw: Draws, shape: Shape) -> Any:
    channels, groups = _channels(draw, shape[0])
    return gt.Conv2d(
        channels,
        draw.per_axis(1, 2, 3, 3, 4, 5),
        stride=draw.per_axis(1, 1, 1, 2, 3),
        padding=draw.one("same", 0, 1, draw.per_axis(0, 1, 2, 3)),
        dilation=draw.per_axis(1, 1, 1, 2, 3),
        groups=groups,
        bias=draw.chance(0.7),
    )


def _transposed(draw: Draws, shape: Shape) -> Any:
    channels, groups = _channels(draw, shape[0])
    return gt.ConvTranspose2d(
        channels,
        draw.per_axis(1, 2, 3, 4),
        stride=draw.per_axis(1, 2, 3),
        padding=draw.per_axis(0, 0, 1),
        output_padding=draw.per_axis(0, 0, 1),
        dilation=draw.per_axis(1, 1, 2),
        groups=groups,
        bias=draw.chance(0.7),
    )


def _max_pool(draw: Draws, shape: Shape) -> Any:
    return gt.MaxPool2d(
        draw.per_axis(1, 2, 2, 3),
        draw.one(None, draw.per_axis(1, 2, 3)),
        draw.per_axis(0, 0, 1),
        dilation=draw.per_axis(1, 1, 1, 2),
    )


def _average_pool(draw: Draws, shape: Shape) -> Any:
    return gt.AvgPool2d(
        draw.per_axis(1, 2, 2, 3),
        draw.one(None, draw.per_axis(1, 2, 3)),
        draw.per_axis(0, 0, 1),
        count_include_pad=draw.chance(0.5),
    )


def _activation(draw: Draws, shape: Shape) -> Any:
    return draw.one(
        *(gt.ReLU(),) * 4,
        *(gt.LeakyReLU(), gt.LeakyReLU(draw.one(-0.3, 0.0, 0.2, 1.5))),
        *(gt.Sigmoid(), gt.Tanh(), gt.GELU(), gt.GELU(approximate="tanh"), gt.SiLU()),
        *(gt.ReLU6(), gt.Hardswish(), gt.Hardsigmoid(), gt.Hardtanh(-0.5, 0.75), gt.ELU(0.7)),
        *(gt.SELU(), gt.CELU(0.5), gt.Mish(), gt.Softplus(), gt.Softsign(), gt.LogSigmoid()),
        *(gt.Hardshrink(0.1), gt.PReLU(), gt.PReLU(shape[0])),  # x − tanh(x) loses digits near 0
    )


def _norm(draw: Draws, shape: Shape) -> Any:
    return gt.BatchNorm2d(
        eps=draw.one(1e-5, 1e-3), momentum=draw.one(0.1, 0.3), affine=draw.chance(0.8)
    )


def _dropout(draw: Draws, shape: Shape) -> Any:
    return gt.Dropout(draw.one(0.0, 0.2, 0.5))


def _residual(draw: Draws, shape: Shape) -> Any:
    """A body of one or two layers that keeps the size, or halves it beside a shortcut."""
    channels = draw.one(shape[0], draw.whole(1, 12))
    stride = draw.one(1, 1, 2)
    body = [gt.Conv2d(channels, 3, stride=stride, padding=1, bias=draw.chance(0.5))]
    body += draw.one([], [_norm(draw, shape)], [_activation(draw, shape)])
    if stride == 1 and channels == shape[0] and draw.chance(0.6):
        return gt.Residual(body)
    return gt.Residual(body, [gt.Conv2d(channels, 1, stride=stride, bias=draw.chance(0.5))])


def _branching(draw: Draws, shape: Shape) -> Any:
    return draw.one(_residual, _concat)(draw, shape)


def _concat(draw: Draws, shape: Shape) -> Any:
    """Two or three branches of one size."""
    options: tuple[list[Any], ...] = (
        [],
        [gt.Conv2d(draw.whole(1, 5), 1)],
        [gt.Conv2d(draw.whole(1, 5), 3, padding=1), _activation(draw, shape)],
        [gt.MaxPool2d(3, 1, 1)],
        [gt.AvgPool2d(3, 1, 1), gt.Conv2d(draw.whole(1, 4), 1)],
        [_norm(draw, shape)],
    )
    return gt.Concat(*(draw.one(*options) for _ in range(draw.one(2, 2, 3))))


def _widest(network: gt.Network) -> int:
    """The elements of the network's largest array, for one sample."""
    shapes = network.system(1).shapes
    return max(int(np.prod(s[1:])) for name, s in shapes.items() if name.endswith("output"))


def _parameters(draw: Draws, network: gt.Network) -> None:
    """Biases and statistics that are not those a training starts with."""
    for name, array in network.parameters.items():
        if name.endswith("bias"):
            network.parameters[name] = draw.uniform(array.shape, -0.5, 0.5)
        elif name.startswith("norm"):
            network.parameters[name] = draw.uniform(array.shape, 0.5, 1.5)
    for name, array in network.buffers.items():
        low, high = (0.5, 1.5) if name.endswith("var") else (-0.5, 0.5)
        network.buffers[name] = draw.uniform(array.shape, low, high)


def _labels(
    draw: Draws, network: gt.Network, classes: bool, size: int
) -> tuple[gt.Loss, np.ndarray]:
    """A loss with labels: class numbers, one-hot rows or probabilities, or numbers to come near."""
    outputs = network.system(size).shapes[network.output_name]
    if not classes:
        return gt.MeanSquaredError(), draw.uniform(outputs)
    known = outputs[1]
    weight = tuple(draw.uniform((known,), 0.2, 2.0)) if draw.chance(0.3) else None
    loss = gt.CrossEntropy(label_smoothing=draw.one(0.0, 0.0, 0.1, 0.4), weight=weight)
    numbers = draw.generator.integers(0, known, size)
    if draw.chance(0.6):
        return loss, numbers
    if draw.chance(0.5):
        return loss, np.eye(known)[numbers]
    rows = draw.uniform((size, known), 0.0, 1.0)
    return loss, rows / rows.sum(axis=1, keepdims=True)
