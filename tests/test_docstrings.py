"""Every layer's docstring shows the equations that are derived from it, word for word."""

from __future__ import annotations

from typing import Any

import pytest

import gradtrail as gt
from gradtrail.equation import Contraction, Equation, adjoint, gather, text
from gradtrail.layers import Layer, Loss
from gradtrail.layers.joins import Add, Join, Multiply
from gradtrail.layers.layer import Declaration
from gradtrail.layers.weighted_loss_functions import WeightedSquaredError

S = (2, 4, 7, 6)
L, V = (2, 4, 7), (2, 4, 6, 7, 6)

# (class documented, declaration, operands without a gradient)
Documented = tuple[Any, Declaration, tuple[str, ...]]


def layer(kind: Layer, *shapes: tuple[int, ...], training: bool = True) -> Documented:
    declared = kind.declare(*(shapes or (S,)), training=training)
    return type(kind), declared, (*declared.given, *declared.buffers)


def first_of(block: Any) -> Documented:
    """A block by the first of its layers."""
    net = gt.Network(S[1:], [block])
    return type(block), next(iter(net.declarations(2, training=True).values())), ()


def branches(kind: Any, join: Layer, *shapes: tuple[int, ...]) -> Documented:
    """A block, which says the equation of the layer that ends it."""
    return kind, join.declare(*(shapes or (S, S)), training=True), ()


def loss(kind: Any, outputs: tuple[int, ...] = (3, 5)) -> Documented:
    return type(kind), kind.declare(outputs), ("T", "S")


DOCUMENTED: dict[str, Documented] = {
    "conv2d": layer(gt.Conv2d(6, 3, stride=2, padding=1)),
    "convtranspose2d": layer(gt.ConvTranspose2d(6, 3, stride=2, padding=1)),
    "conv1d": layer(gt.Conv1d(6, 3, stride=2, padding=1), L),
    "convtranspose1d": layer(gt.ConvTranspose1d(6, 3, stride=2, padding=1), L),
    "maxpool1d": layer(gt.MaxPool1d(3, 2, 1), L),
    "avgpool1d": layer(gt.AvgPool1d(3, 2, 1), L),
    "globalavgpool1d": layer(gt.GlobalAvgPool1d(), L),
    "globalmaxpool1d": layer(gt.GlobalMaxPool1d(), L),
    "conv3d": layer(gt.Conv3d(6, 3, stride=2, padding=1), V),
    "convtranspose3d": layer(gt.ConvTranspose3d(6, 3, stride=2, padding=1), V),
    "maxpool3d": layer(gt.MaxPool3d(3, 2, 1), V),
    "avgpool3d": layer(gt.AvgPool3d(3, 2, 1), V),
    "globalavgpool3d": layer(gt.GlobalAvgPool3d(), V),
    "globalmaxpool3d": layer(gt.GlobalMaxPool3d(), V),
    "globalmaxpool2d": layer(gt.GlobalMaxPool2d()),
    "dropout1d": layer(gt.Dropout1d(), L),
    "dropout2d": layer(gt.Dropout2d()),
    "dropout3d": layer(gt.Dropout3d(), V),
    "stochasticdepth": layer(gt.StochasticDepth()),
    "linear": layer(gt.Linear(3), (2, 5)),
    "maxpool2d": layer(gt.MaxPool2d(3, 2, 1)),
    "avgpool2d": layer(gt.AvgPool2d(3, 2, 1)),
    "globalavgpool2d": layer(gt.GlobalAvgPool2d()),
    "relu": layer(gt.ReLU()),
    "leakyrelu": layer(gt.LeakyReLU()),
    "sigmoid": layer(gt.Sigmoid()),
    "tanh": layer(gt.Tanh()),
    "gelu": layer(gt.GELU()),
    "silu": layer(gt.SiLU()),
    "relu6": layer(gt.ReLU6()),
    "hardtanh": layer(gt.Hardtanh()),
    "hardsigmoid": layer(gt.Hardsigmoid()),
    "hardswish": layer(gt.Hardswish()),
    "hardshrink": layer(gt.Hardshrink()),
    "softshrink": layer(gt.Softshrink()),
    "threshold": layer(gt.Threshold(0.5, 0)),
    "elu": layer(gt.ELU()),
    "selu": layer(gt.SELU()),
    "celu": layer(gt.CELU()),
    "mish": layer(gt.Mish()),
    "softplus": layer(gt.Softplus()),
    "softsign": layer(gt.Softsign()),
    "logsigmoid": layer(gt.LogSigmoid()),
    "tanhshrink": layer(gt.Tanhshrink()),
    "prelu": layer(gt.PReLU()),
    "pointwise": layer(gt.Pointwise("x*exp(x)")),
    "batchnorm2d": layer(gt.BatchNorm2d()),
    "batchnorm1d": layer(gt.BatchNorm1d(), (2, 4, 7)),
    "batchnorm3d": layer(gt.BatchNorm3d(), (2, 4, 3, 4, 5)),
    "instancenorm1d": layer(gt.InstanceNorm1d(affine=True), (2, 4, 7)),
    "instancenorm3d": layer(gt.InstanceNorm3d(affine=True), (2, 4, 3, 4, 5)),
    "groupnorm": layer(gt.GroupNorm(2)),
    "instancenorm2d": layer(gt.InstanceNorm2d(affine=True)),
    "layernorm": layer(gt.LayerNorm()),
    "rmsnorm": layer(gt.RMSNorm()),
    "localresponsenorm": first_of(gt.LocalResponseNorm(3)),
    "softmax": layer(gt.Softmax()),
    "logsoftmax": layer(gt.LogSoftmax()),
    "matmul": layer(gt.MatMul(), (2, 3, 4), (2, 4, 5)),
    "dropout": layer(gt.Dropout()),
    "normalize": layer(gt.Normalize(0.5, 0.25)),
    "flatten": layer(gt.Flatten()),
    "slice": layer(gt.Slice(1, -1, 2, axis=2)),
    "indexselect": layer(gt.IndexSelect((2, 0, 0))),
    "permute": layer(gt.Permute((0, 2, 3, 1))),
    "reshape": layer(gt.Reshape((4, -1))),
    "pixelshuffle": layer(gt.PixelShuffle(2)),
    "pixelunshuffle": layer(gt.PixelUnshuffle(2), (2, 4, 6, 8)),
    "channelshuffle": layer(gt.ChannelShuffle(2)),
    "mean": layer(gt.Mean((2, 3))),
    "sum": layer(gt.Sum((2, 3))),
    "max": layer(gt.Max((2, 3))),
    "pad": layer(gt.Pad(1)),
    "resize": layer(gt.Resize((3, 2), antialias=True)),
    "upsample": layer(gt.Upsample(scale_factor=2, mode="bilinear")),
    "adaptiveavgpool1d": layer(gt.AdaptiveAvgPool1d(5), L),
    "adaptiveavgpool3d": layer(gt.AdaptiveAvgPool3d((2, 4, 5)), (2, 3, 5, 6, 7)),
    "adaptivemaxpool1d": layer(gt.AdaptiveMaxPool1d(5), L),
    "adaptivemaxpool3d": layer(gt.AdaptiveMaxPool3d((2, 4, 5)), (2, 3, 5, 6, 7)),
    "adaptiveavgpool2d": layer(gt.AdaptiveAvgPool2d((1, 2)), (2, 4, 7, 14)),
    "adaptivemaxpool2d": layer(gt.AdaptiveMaxPool2d((1, 2)), (2, 4, 7, 14)),
    "residual": branches(gt.Residual, Add()),
    "concat": branches(gt.Concat, Join()),
    "multiply": branches(gt.multiply, Multiply()),
    "equation": layer(gt.Equation("Z[n,c,y,x] = g[c]·X[n,c,y,x]")),
    "crossentropy": loss(gt.CrossEntropy()),
    "meansquarederror": loss(gt.MeanSquaredError()),
    "l1": loss(gt.L1()),
    "huber": loss(gt.Huber()),
    "bcewithlogits": loss(gt.BCEWithLogits()),
    "pointwiseloss": loss(gt.PointwiseLoss("(z − t)²")),
    "focal": loss(gt.Focal()),
    "binaryfocal": loss(gt.BinaryFocal()),
    "dice": loss(gt.Dice(), (2, 3, 4)),
    "binarydice": loss(gt.BinaryDice(), (2, 3, 4)),
}

FURTHER: dict[str, Documented] = {
    "conv2d with groups": layer(gt.Conv2d(6, 3, stride=2, padding=1, groups=2)),
    "avgpool2d uncounted": layer(gt.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "avgpool1d uncounted": layer(gt.AvgPool1d(3, 2, 1, count_include_pad=False), L),
    "avgpool3d uncounted": layer(gt.AvgPool3d(3, 2, 1, count_include_pad=False), V),
    "dropout1d in evaluation": layer(gt.Dropout1d(), L, training=False),
    "dropout2d in evaluation": layer(gt.Dropout2d(), training=False),
    "dropout3d in evaluation": layer(gt.Dropout3d(), V, training=False),
    "stochasticdepth in evaluation": layer(gt.StochasticDepth(), training=False),
    "batchnorm2d in evaluation": layer(gt.BatchNorm2d(), training=False),
    "layernorm of channels": layer(gt.LayerNorm(axes=1)),
    "matmul transposed": layer(gt.MatMul(transpose_b=True), (2, 3, 4, 5), (2, 3, 6, 5)),
    "dropout in evaluation": layer(gt.Dropout(), training=False),
    "pad reflected": layer(gt.Pad(1, mode="reflect")),
    "upsample nearest": layer(gt.Upsample(scale_factor=2)),
    "adaptiveavgpool2d unequal": layer(gt.AdaptiveAvgPool2d(4)),
    "adaptivemaxpool2d unequal": layer(gt.AdaptiveMaxPool2d(4)),
    "crossentropy with weights": loss(gt.CrossEntropy(weight=(1, 2, 3, 4, 5))),
    "squarederror with weights": loss(WeightedSquaredError()),
    "multiply by a gate": branches(gt.multiply, Multiply(), S, S[:2]),
}
"""Shown besides: for these the forward equation, or where that is shared the input's adjoint."""


def adjoints(equation: Equation, without: tuple[str, ...]) -> list[str]:
    """Each adjoint in scatter form, and in gather form where that differs."""
    lines = []
    for operand in equation.operands:
        if operand not in without:
            scattered = adjoint(equation, operand)
            lines += text(scattered).splitlines()
            gathered = gather(scattered)
            lines += text(gathered).splitlines() if gathered != scattered else []
    return lines


def shown(kind: Any) -> list[str]:
    """The formula lines of a docstring."""
    assert kind.__doc__
    lines = (line.strip() for line in kind.__doc__.splitlines())
    return [line for line in lines if " = " in line and "[" in line]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_docstring_shows_forward_and_adjoints(name: str) -> None:
    kind, declared, without = DOCUMENTED[name]
    wanted = [*text(declared.equation).splitlines(), *adjoints(declared.equation, without)]
    present = {line.strip() for line in kind.__doc__.splitlines()}
    assert [line for line in wanted if line not in present] == []


def _source(kind: type) -> str:
    return "Z" if issubclass(kind, Loss) else "X"


@pytest.mark.parametrize("name", FURTHER)
def test_the_docstring_shows_further_forms(name: str) -> None:
    kind, declared, _ = FURTHER[name]
    present = {line.strip() for line in kind.__doc__.splitlines()}
    source = declared.equation.operands[-1] if kind in (gt.multiply, gt.MatMul) else _source(kind)
    forms = {text(declared.equation), text(adjoint(declared.equation, source))}
    assert forms & present


def test_no_docstring_shows_a_formula_that_is_not_derived() -> None:
    derived: dict[Any, set[str]] = {}
    for kind, declared, without in (*DOCUMENTED.values(), *FURTHER.values()):
        lines = [*text(declared.equation).splitlines(), *adjoints(declared.equation, without)]
        derived.setdefault(kind, set()).update(lines)
    stray = {
        (kind.__name__, line)
        for kind in derived
        for line in shown(kind)
        if line not in derived[kind]
    }
    assert stray == set()


@pytest.mark.parametrize("name", [*DOCUMENTED, *FURTHER])
def test_golden_formulas(name: str, golden) -> None:
    """The printed equations, with symbols and with numbers, as a reviewer reads them."""
    _, declared, without = (DOCUMENTED | FURTHER)[name]
    equation = declared.equation
    parts = [text(equation), text(equation, numbers=True), *adjoints(equation, without)]
    if isinstance(equation, Contraction):
        parts += [text(gather(equation))] if gather(equation) != equation else []
    golden(f"formulas-{name.replace(' ', '-')}", "\n".join(parts))


def test_every_layer_and_loss_is_documented() -> None:
    import gradtrail.layers as layers

    exempt = {"Buffer", "Declaration", "Layer", "Loss", "Parameter", "Shape"}
    exempt |= {"Input", "add", "concat", "split", "maximum", "minimum"}  # nodes of known layers
    found = {kind.__name__.removesuffix("Layer") for kind, _, _ in DOCUMENTED.values()}
    assert found == set(layers.__all__) - exempt
