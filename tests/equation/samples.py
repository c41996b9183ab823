"""The table of equations that the laws are tested on: every layer in its settings, every adjoint.

FORWARD holds what layers and losses declare, ADJOINTS their adjoints as derived, in scatter form,
GATHERED whatever `gather` rewrites, EQUATIONS all three. A new layer is one more line in LAYERS.
"""

import zlib
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Parameter, signature
from typing import Any, TypeVar

import pytest
from tails import beginning

from gradtrail.equation import Contraction, Equation, LossEquation, adjoint, gather
from gradtrail.layers import (
    GELU,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    CrossEntropy,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    GroupNorm,
    InstanceNorm1d,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogSoftmax,
    MatMul,
    MaxPool2d,
    MeanSquaredError,
    ReLU,
    RMSNorm,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from gradtrail.layers.joins import Add, Join
from gradtrail.layers.loss_functions import squared_error

Test = TypeVar("Test", bound=Callable[..., None])

MAP = (2, 2, 2, 3)

# (layer, input shapes, training): the shapes are small, since laws are tested point by point
LAYERS: Mapping[str, tuple[Layer, tuple[tuple[int, ...], ...], bool]] = {
    "conv": (Conv2d(3, 3), ((2, 2, 4, 5),), True),
    "conv stride 2 padding 1": (Conv2d(2, 3, stride=2, padding=1), ((2, 2, 5, 4),), True),
    "conv stride 3 > kernel": (Conv2d(2, 2, stride=3), ((1, 2, 7, 6),), True),
    "conv dilation 2": (Conv2d(2, 2, dilation=2, padding=1), ((1, 2, 4, 5),), True),
    "conv groups 2": (Conv2d(4, 2, groups=2, stride=2), ((1, 4, 5, 4),), True),
    "conv depthwise": (Conv2d(3, 3, groups=3, padding=1), ((1, 3, 3, 4),), True),
    "conv same": (Conv2d(2, (2, 4), padding="same"), ((1, 2, 3, 4),), True),
    "conv asymmetric": (
        Conv2d(2, (3, 2), stride=(2, 1), padding=(0, 1), dilation=(1, 2)),
        ((1, 2, 5, 4),),
        True,
    ),
    "conv 1×1 no bias": (Conv2d(3, 1, bias=False), ((2, 2, 3, 2),), True),
    "conv one element": (Conv2d(1, 1), ((1, 1, 1, 1),), True),
    "convt": (ConvTranspose2d(2, 3), ((2, 2, 2, 3),), True),
    "convt stride 2 output_padding 1": (
        ConvTranspose2d(2, 3, stride=2, padding=1, output_padding=1),
        ((1, 2, 3, 2),),
        True,
    ),
    "convt groups 2": (ConvTranspose2d(4, 2, groups=2, stride=(2, 3)), ((1, 4, 2, 3),), True),
    "convt dilation 2 no bias": (
        ConvTranspose2d(1, 2, dilation=2, padding=1, bias=False),
        ((1, 2, 3, 3),),
        True,
    ),
    "linear": (Linear(3), ((2, 4),), True),
    "linear no bias": (Linear(3, bias=False), ((2, 4),), True),
    "max pool": (MaxPool2d(2), ((2, 2, 5, 4),), True),
    "max pool overlapping padded": (MaxPool2d(3, 2, 1), ((1, 2, 5, 6),), True),
    "max pool asymmetric": (MaxPool2d((2, 3), (1, 2)), ((1, 2, 3, 5),), True),
    "max pool dilation 2": (MaxPool2d(2, 1, dilation=2), ((1, 2, 4, 5),), True),
    "avg pool": (AvgPool2d(2), ((2, 2, 5, 4),), True),
    "avg pool overlapping padded": (AvgPool2d(3, 2, 1), ((1, 2, 5, 4),), True),
    "avg pool without the padding": (
        AvgPool2d(3, 2, 1, count_include_pad=False),
        ((1, 2, 5, 4),),
        True,
    ),
    "global avg pool": (GlobalAvgPool2d(), (MAP,), True),
    "relu": (ReLU(), (MAP,), True),
    "relu of features": (ReLU(), ((2, 5),), True),
    "leaky relu": (LeakyReLU(0.25), (MAP,), True),
    "sigmoid": (Sigmoid(), (MAP,), True),
    "tanh": (Tanh(), (MAP,), True),
    "gelu": (GELU(), (MAP,), True),
    "gelu tanh": (GELU(approximate="tanh"), (MAP,), True),
    "silu": (SiLU(), (MAP,), True),
    "batch norm training": (BatchNorm2d(), (MAP,), True),
    "batch norm training, not affine": (BatchNorm2d(affine=False), (MAP,), True),
    "batch norm evaluation": (BatchNorm2d(eps=1e-3), (MAP,), False),
    "batch norm evaluation, not affine": (BatchNorm2d(affine=False), (MAP,), False),
    "batch norm of features": (BatchNorm1d(), ((3, 2),), True),
    "group norm": (GroupNorm(2), ((2, 4, 2),), True),
    "layer norm": (LayerNorm(), ((2, 2, 2),), True),
    "layer norm of channels": (LayerNorm(axes=1, bias=False, eps=0.5), ((1, 3, 2),), True),
    "layer norm of channels and columns": (LayerNorm(axes=(1, -1)), ((1, 2, 2, 2),), True),
    "instance norm": (InstanceNorm1d(affine=True), ((2, 2, 3),), True),
    "rms norm of channels": (RMSNorm(axes=1), ((1, 3, 2),), True),
    "softmax": (Softmax(), ((2, 3, 2),), True),
    "log softmax": (LogSoftmax(-1), ((1, 2, 3),), True),
    "matmul": (MatMul(), ((2, 2, 3), (2, 3, 2)), True),
    "matmul transposed": (
        MatMul(transpose_a=True, transpose_b=True),
        ((1, 2, 3, 2), (1, 2, 2, 3)),
        True,
    ),
    "dropout training": (Dropout(0.5), (MAP,), True),
    "dropout evaluation": (Dropout(0.5), (MAP,), False),
    "flatten 1 axis": (Flatten(), ((2, 5),), True),
    "flatten 2 axes": (Flatten(), ((2, 3, 4),), True),
    "flatten 3 axes": (Flatten(), ((2, 3, 2, 4),), True),
    "add": (Add(), (MAP, MAP), True),
    "join 3": (Join(), ((2, 1, 2, 2), (2, 3, 2, 2), (2, 2, 2, 2)), True),
}

LOSSES: Mapping[str, Equation] = {
    "cross-entropy": CrossEntropy().declare((3, 4)).equation,
    "cross-entropy of 1 sample": CrossEntropy().declare((1, 2)).equation,
    "cross-entropy weighted": CrossEntropy(weight=(1, 2, 3)).declare((2, 3)).equation,
    "cross-entropy over maps": CrossEntropy(ignore_index=9).declare((2, 3, 2, 2)).equation,
    "squared error": MeanSquaredError().declare((2, 3)).equation,
    "squared error of maps": MeanSquaredError().declare(MAP).equation,
    "squared error weighted": squared_error((3, 2), weighted=True).equation,
    "squared error of maps weighted": squared_error(MAP, weighted=True).equation,
}

_DECLARED = {
    name: layer.declare(*shapes, training=training)
    for name, (layer, shapes, training) in LAYERS.items()
}

FORWARD: Mapping[str, Equation] = {n: d.equation for n, d in _DECLARED.items()} | LOSSES

SOURCES: Mapping[str, tuple[str, ...]] = {n: d.sources for n, d in _DECLARED.items()}
"""The letters of each layer's inputs."""


def differentiable(equation: Equation) -> tuple[str, ...]:
    """The operands that an equation is differentiated after: of a loss, the prediction alone."""
    return equation.operands[:1] if isinstance(equation, LossEquation) else equation.operands


ADJOINTS: Mapping[str, Contraction] = {
    f"{name} → d{letter}": adjoint(equation, letter)
    for name, equation in FORWARD.items()
    for letter in differentiable(equation)
}

_SCATTERED = {n: e for n, e in {**FORWARD, **ADJOINTS}.items() if isinstance(e, Contraction)}

GATHERED: Mapping[str, Contraction] = {
    f"{name}, gathered": gather(e) for name, e in _SCATTERED.items() if gather(e) != e
}

EQUATIONS: Mapping[str, Equation] = {**FORWARD, **ADJOINTS, **GATHERED}

CONTRACTIONS: Mapping[str, Contraction] = {
    name: e for name, e in EQUATIONS.items() if isinstance(e, Contraction)
}


def each(table: Mapping[str, Any], *names: str) -> Callable[[Test], Test]:
    """A test over all entries of `table`, as the argument `names` (one name, or one per part).

    One item for pytest, whose own work for an item exceeds that of a law on a small equation; its
    failure names every entry that fails. Of a long table every second entry is in the long tail:
    which ones follows from the test's name, so that no entry is there for all laws.
    """
    assert table, "a test over nothing"
    entries = list(table.items())
    parts_of = [entries] if len(entries) < 16 else [entries[::2], entries[1::2]]

    def over_all(test: Test) -> Test:
        first = zlib.crc32(test.__name__.encode()) % len(parts_of)

        @wraps(test)
        def tested(part: int, **others: Any) -> None:
            failed: dict[str, BaseException] = {}
            for entry, value in parts_of[part]:
                parts = (value,) if len(names) == 1 else value
                try:
                    test(**dict(zip(names, parts, strict=True)), **others)
                except (Exception, pytest.fail.Exception) as error:
                    failed[entry] = error
            if failed:
                first = next(iter(failed.values()))
                first.add_note(f"fails for {', '.join(failed)}")
                raise first

        asked = signature(test)
        others = [asked.parameters[name] for name in asked.parameters if name not in names]
        others.append(Parameter("part", Parameter.KEYWORD_ONLY))
        tested.__signature__ = asked.replace(parameters=others)  # type: ignore[attr-defined]
        order = [first, *(part for part in range(len(parts_of)) if part != first)]
        return pytest.mark.parametrize("part", beginning(1, order))(tested)

    return over_all
