"""The table of cases: every layer in the settings that have gone wrong somewhere before.

Each case is one layer (or one branching) with an input shape; `arrays` draws its input, parameters
and upstream gradient, the same ones every time. `tests/frozen/cases.npz` holds what PyTorch makes
of them in float64 (see `tests/freeze.py`), so that the comparison runs without PyTorch, too.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from formulas import FORMULAS

import gradtrail as gt
from gradtrail.engines import Reference
from gradtrail.graph.step_arrays import given_arrays


@dataclass(frozen=True)
class Case:
    """One layer with an input.

    Args:
        id: what the test is called.
        layer: the layer or branching.
        shape: of the input, samples first.
        training: training or evaluation.
        values: `normal`, `ties` (few distinct values), `zeros`, `relu` (half of them zero), or
            `kinks` (halves of whole numbers from −8 to 8, where activations bend).
    """

    id: str
    layer: Any
    shape: tuple[int, ...]
    training: bool = True
    values: str = "normal"

    def network(self) -> gt.Network:
        return gt.Network(self.shape[1:], [self.layer], dtype=np.float64)

    def generator(self) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(zlib.crc32(self.id.encode())))


@dataclass(frozen=True)
class Arrays:
    """What a case computes with, all float64.

    Args:
        network: holding the parameters and buffers.
        x: the input.
        upstream: the gradient after the output, random and never ones.
    """

    network: gt.Network
    x: np.ndarray
    upstream: np.ndarray


def arrays(case: Case) -> Arrays:
    draw = case.generator()
    network = case.network()
    for name in network.parameters:
        network.parameters[name] = uniform(draw, network.parameters[name].shape)
    for name in network.buffers:
        network.buffers[name] = 1 + 0.5 * uniform(draw, network.buffers[name].shape)
    x = 2 * uniform(draw, case.shape)
    if case.values == "ties":
        x = np.round(x)
    elif case.values == "zeros":
        x = np.zeros(case.shape)
    elif case.values == "relu":
        x = np.maximum(x, 0)
    elif case.values == "kinks":
        x = np.round(8 * x) / 2
    system = network.system(case.shape[0], training=case.training)
    return Arrays(network, x, uniform(draw, system.shapes[network.output_name]))


def uniform(draw: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Between −1 and 1, from raw bits, so that no version of NumPy draws them differently."""
    return draw.random(shape) * 2 - 1


def ours(case: Case, engine: Reference | None = None) -> dict[str, np.ndarray]:
    """Output and gradients: `output`, `dX`, and `d<parameter>` for each parameter."""
    made = arrays(case)
    engine = engine or Reference()
    network, size = made.network, len(made.x)
    system = network.system(size, training=case.training)
    values = {
        "input": made.x,
        **network.parameters,
        **network.buffers,
        **given_arrays(network, system),
    }
    values = engine.run(system, values)
    gradients = engine.gradients(system, values, {network.output_name: made.upstream})
    found = {"output": values[network.output_name], "dX": gradients["input"]}
    return found | {"d" + name: gradients[name] for name in network.parameters}


def _conv(id: str, shape: tuple[int, ...], *settings: Any, **named: Any) -> Case:
    return Case(f"conv-{id}", gt.Conv2d(*settings, **named), shape)


def _transposed(id: str, shape: tuple[int, ...], *settings: Any, **named: Any) -> Case:
    return Case(f"convt-{id}", gt.ConvTranspose2d(*settings, **named), shape)


def _max(
    id: str, shape: tuple[int, ...], *settings: Any, values: str = "normal", **named: Any
) -> Case:
    return Case(f"max-{id}", gt.MaxPool2d(*settings, **named), shape, values=values)


def _avg(id: str, shape: tuple[int, ...], *settings: Any, **named: Any) -> Case:
    return Case(f"avg-{id}", gt.AvgPool2d(*settings, **named), shape)


def _formulas() -> list[Case]:
    """Those of one input."""
    alone = {name: f for name, f in FORMULAS.items() if len(f.inputs) == 1}
    return [Case(f"equation-{name}", f.layer, f.shapes[0]) for name, f in alone.items()]


S = (2, 3, 7, 6)
L = (2, 3, 8)
V = (2, 2, 4, 5, 3)

CASES: list[Case] = [
    _conv("plain", S, 4, 3),
    _conv("no-bias", S, 4, 3, bias=False),
    _conv("1x1", S, 5, 1),
    _conv("1x1-stride-2", S, 5, 1, stride=2),
    _conv("padding-1", S, 4, 3, padding=1),
    _conv("padding-2-kernel-5", S, 2, 5, padding=2),
    _conv("padding-beyond-kernel", S, 2, 2, padding=3),
    _conv("padding-one-axis", S, 2, 3, padding=(0, 2)),
    _conv("stride-2", S, 4, 3, stride=2),
    _conv("stride-2-padding-1", S, 4, 3, stride=2, padding=1),
    _conv("stride-3-remainder", S, 4, 2, stride=3),
    _conv("stride-beyond-kernel", S, 2, 1, stride=3, padding=1),
    _conv("stride-all-outside", (2, 2, 1, 1), 3, 1, stride=3, padding=1),
    _conv("stride-per-axis", S, 3, 3, stride=(1, 2), padding=1),
    _conv("dilation-2", S, 3, 3, dilation=2, padding=2),
    _conv("dilation-per-axis", S, 3, 2, dilation=(3, 2)),
    _conv("dilation-2-stride-2", S, 3, 2, dilation=2, stride=2, padding=1),
    _conv("same-odd", S, 3, 3, padding="same"),
    _conv("same-even", S, 3, (2, 4), padding="same"),
    _conv("same-dilated", S, 3, (2, 3), padding="same", dilation=2),
    _conv("valid", S, 3, (3, 2), padding="valid"),
    _conv("kernel-is-image", S, 4, (7, 6)),
    _conv("kernel-2x5", S, 4, (2, 5)),
    _conv("groups-3", (2, 6, 5, 5), 9, 3, groups=3, padding=1),
    _conv("groups-2-stride-2", (2, 4, 6, 5), 2, 3, groups=2, stride=2),
    _conv("depthwise", S, 3, 3, groups=3, padding=1),
    _conv("depthwise-multiplier", S, 6, 3, groups=3, stride=2, padding=1),
    _conv("batch-1", (1, 3, 5, 5), 2, 3),
    _conv("batch-17", (17, 2, 4, 4), 2, 3),
    _conv("one-channel", (2, 1, 6, 6), 3, 3),
    _conv("one-row", (2, 2, 1, 9), 3, (1, 3)),
    _conv("one-pixel", (3, 4, 1, 1), 5, 1),
    _conv("one-pixel-padded", (2, 2, 1, 1), 3, 3, padding=1),
    _transposed("plain", (2, 3, 4, 3), 4, 3),
    _transposed("no-bias", (2, 3, 4, 3), 4, 2, bias=False),
    _transposed("stride-2", (2, 3, 4, 3), 2, 3, stride=2),
    _transposed("stride-2-padding-1", (2, 3, 4, 3), 2, 3, stride=2, padding=1),
    _transposed("output-padding", (2, 3, 4, 3), 2, 3, stride=2, padding=1, output_padding=1),
    _transposed("output-padding-bare", (2, 3, 3, 3), 2, 2, stride=3, output_padding=(2, 1)),
    _transposed("stride-beyond-kernel", (2, 3, 3, 3), 2, 2, stride=3),
    _transposed("dilation", (2, 3, 4, 3), 2, 2, dilation=2, padding=1),
    _transposed("per-axis", (2, 3, 4, 3), 2, (3, 2), stride=(2, 1), padding=(1, 0)),
    _transposed("groups", (2, 4, 3, 3), 6, 3, stride=2, groups=2),
    _transposed("depthwise", (2, 3, 3, 3), 3, 3, padding=1, groups=3),
    _transposed("1x1", (2, 3, 3, 3), 2, 1),
    _transposed("batch-1-pixel", (1, 2, 1, 1), 2, 3, stride=2),
    _conv("pair-padding", S, 3, 3, padding=((2, 0), (0, 1)), stride=2),
    _conv("reflected", S, 3, 3, padding=((2, 1), (0, 2)), padding_mode="reflect", stride=2),
    _conv("replicated", S, 2, (2, 3), padding="same", padding_mode="replicate", groups=1),
    Case("conv1d-circular", gt.Conv1d(2, 5, padding=3, padding_mode="circular", dilation=2), L),
    Case("conv3d-circular", gt.Conv3d(2, 2, padding=(1, 0, 2), padding_mode="circular"), V),
    Case("conv1d", gt.Conv1d(4, 3, stride=2, padding=1), L),
    Case("conv1d-same-dilated", gt.Conv1d(3, 4, padding="same", dilation=2), L),
    Case("conv1d-pair-groups", gt.Conv1d(6, 3, padding=((2, 1),), groups=3, bias=False), L),
    Case("conv1d-1", gt.Conv1d(5, 1), (17, 2, 3)),
    Case("conv3d", gt.Conv3d(3, (2, 3, 2), stride=(1, 2, 1), padding=(1, 0, 1)), V),
    Case("conv3d-same", gt.Conv3d(2, (3, 2, 3), padding="same", groups=2), V),
    Case("conv3d-pair", gt.Conv3d(2, 2, padding=((1, 0), 0, (0, 2)), dilation=(1, 2, 1)), V),
    _transposed("pair-crop", (2, 3, 4, 3), 2, 3, stride=2, padding=((2, 0), (1, 0))),
    Case("convt1d", gt.ConvTranspose1d(2, 3, stride=2, padding=1, output_padding=1), (2, 3, 4)),
    Case("convt3d", gt.ConvTranspose3d(2, 2, stride=(1, 2, 2), padding=(1, 0, 1)), V),
    Case("linear", gt.Linear(4), (3, 6)),
    Case("linear-no-bias", gt.Linear(4, bias=False), (3, 6)),
    Case("linear-batch-1", gt.Linear(4), (1, 6)),
    Case("linear-one-input", gt.Linear(3), (5, 1)),
    Case("linear-one-output", gt.Linear(1), (33, 2)),
    _max("2", (2, 3, 6, 4), 2),
    _max("remainder", S, 2),
    _max("overlap", S, 3, 2),
    _max("overlap-stride-1", S, 3, 1),
    _max("overlap-padded", S, 3, 2, 1),
    _max("stride-beyond-kernel", S, 2, 3),
    _max("per-axis", S, (3, 2), (1, 2), (1, 0)),
    _max("dilation", S, 2, 1, dilation=2),
    _max("dilation-padded", S, 3, 2, 1, dilation=2),
    _max("ties", S, 3, 2, 1, values="ties"),
    _max("all-tied", S, 2, values="zeros"),
    _max("all-tied-overlap", S, 3, 1, values="zeros"),
    _max("after-relu", S, 2, values="relu"),
    _max("after-relu-overlap", S, 3, 2, 1, values="relu"),
    _max("1", S, 1),
    _max("whole-image", S, (7, 6)),
    _max("batch-1-pixel", (1, 2, 1, 1), 1),
    _max("ceil", S, 2, 4, 1, ceil_mode=True),
    _max("ceil-behind-alone", (2, 3, 5, 8), 2, 3, 1, ceil_mode=True),
    _max("ceil-dilated", S, 3, 2, (1, 0), dilation=(1, 2), ceil_mode=True),
    _max("pair", S, 3, 2, ((0, 1), (2, 1)), values="ties"),
    Case("max1d", gt.MaxPool1d(3, 2, ceil_mode=True), L, values="relu"),
    Case("max3d", gt.MaxPool3d(2, (1, 2, 2), (0, 1, 1), ceil_mode=True), V, values="ties"),
    Case("global-max", gt.GlobalMaxPool2d(), S, values="ties"),
    Case("global-max1d", gt.GlobalMaxPool1d(), (17, 3, 9)),
    Case("global-max3d", gt.GlobalMaxPool3d(), (1, 2, 3, 2, 4), values="zeros"),
    _avg("2", (2, 3, 6, 4), 2),
    _avg("remainder", S, 2),
    _avg("overlap", S, 3, 2),
    _avg("overlap-stride-1", S, 3, 1),
    _avg("padded", S, 3, 2, 1),
    _avg("padded-uncounted", S, 3, 2, 1, count_include_pad=False),
    _avg("per-axis-uncounted", S, (2, 3), (1, 2), (1, 0), count_include_pad=False),
    _avg("stride-beyond-kernel", S, 2, 3),
    _avg("whole-image", S, (7, 6)),
    _avg("ceil", S, 2, 4, 1, ceil_mode=True),
    _avg("ceil-uncounted", S, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    _avg("ceil-counted-in-part", (2, 3, 6, 9), 3, 2, (1, 0), ceil_mode=True),
    _avg("pair", S, 3, 2, ((0, 1), (2, 1))),
    _avg("pair-uncounted", S, 3, 2, ((0, 1), 1), count_include_pad=False),
    _avg("divisor", S, 2, 3, 1, ceil_mode=True, divisor_override=3),
    Case("avg1d", gt.AvgPool1d(3, 2, 1, ceil_mode=True), L),
    Case("avg3d", gt.AvgPool3d(2, 2, (0, 1, 1), ceil_mode=True, count_include_pad=False), V),
    Case("global-average1d", gt.GlobalAvgPool1d(), L),
    Case("global-average3d", gt.GlobalAvgPool3d(), V),
    Case("global-average", gt.GlobalAvgPool2d(), S),
    Case("global-average-pixel", gt.GlobalAvgPool2d(), (2, 3, 1, 1)),
    Case("relu", gt.ReLU(), S),
    Case("relu-at-zero", gt.ReLU(), S, values="ties"),
    Case("leaky-relu", gt.LeakyReLU(0.2), S),
    Case("leaky-relu-at-zero", gt.LeakyReLU(), S, values="ties"),
    Case("sigmoid", gt.Sigmoid(), S),
    Case("tanh", gt.Tanh(), (3, 5)),
    Case("gelu", gt.GELU(), S),
    Case("gelu-tanh", gt.GELU(approximate="tanh"), S),
    Case("silu", gt.SiLU(), (3, 5)),
    Case("relu6", gt.ReLU6(), S, values="kinks"),
    Case(
        "pieces",
        gt.Concat(
            *([gt.Hardtanh(-0.5, 2)], [gt.Hardsigmoid()], [gt.Hardswish()], [gt.Hardshrink()]),
            *([gt.Softshrink(1)], [gt.Threshold(0.5, -2)]),
        ),
        (16, 2),
        values="kinks",
    ),
    Case(
        "smooth",
        gt.Concat(
            *([gt.ELU(0.7)], [gt.SELU()], [gt.CELU(0.5)], [gt.Mish()], [gt.Softplus()]),
            *([gt.Softsign()], [gt.LogSigmoid()], [gt.Tanhshrink()]),
        ),
        (16, 2),
        values="kinks",
    ),
    Case("prelu", gt.PReLU(), S, values="ties"),
    Case("prelu-per-channel", gt.PReLU(3), S, values="ties"),
    Case("pointwise", gt.Pointwise("x*sigmoid(1.702*x)"), (3, 5)),
    Case("batch-norm", gt.BatchNorm2d(), S),
    Case("batch-norm-bare", gt.BatchNorm2d(affine=False, eps=1e-3), S),
    Case("batch-norm-batch-1", gt.BatchNorm2d(), (1, 3, 3, 2)),
    Case("batch-norm-pixel", gt.BatchNorm2d(), (5, 3, 1, 1)),
    Case("batch-norm-evaluation", gt.BatchNorm2d(), S, training=False),
    Case("batch-norm-bare-evaluation", gt.BatchNorm2d(affine=False), S, training=False),
    Case("batch-norm-1d", gt.BatchNorm1d(), (3, 4, 5)),
    Case("batch-norm-1d-features", gt.BatchNorm1d(), (5, 4)),
    Case("batch-norm-3d", gt.BatchNorm3d(), (2, 3, 2, 3, 2)),
    Case("group-norm", gt.GroupNorm(3), (2, 6, 3, 5)),
    Case("group-norm-features", gt.GroupNorm(2, eps=1e-2), (3, 6)),
    Case("group-norm-of-one-bare", gt.GroupNorm(1, affine=False), (2, 4, 5)),
    Case("group-norm-3d", gt.GroupNorm(2), (1, 4, 2, 3, 2)),
    Case("layer-norm", gt.LayerNorm(), (2, 3, 4, 5)),
    Case("layer-norm-channels", gt.LayerNorm(axes=1), (2, 5, 3, 6)),
    Case("layer-norm-rows", gt.LayerNorm(axes=2, bias=False), (2, 3, 4, 5)),
    Case("layer-norm-maps", gt.LayerNorm(axes=(-2, -1)), (2, 3, 2, 5)),
    Case("layer-norm-features-bare", gt.LayerNorm(elementwise_affine=False), (3, 7)),
    Case("rms-norm", gt.RMSNorm(), (2, 3, 4)),
    Case("rms-norm-channels", gt.RMSNorm(axes=1, eps=1e-3), (2, 5, 3, 3)),
    Case("instance-norm", gt.InstanceNorm2d(), S),
    Case("instance-norm-1d", gt.InstanceNorm1d(affine=True), (3, 2, 6)),
    Case("instance-norm-3d", gt.InstanceNorm3d(affine=True), (2, 2, 2, 2, 3)),
    Case("instance-norm-tracked", gt.InstanceNorm2d(track_running_stats=True), S, training=False),
    Case("softmax", gt.Softmax(), (3, 6)),
    Case("softmax-columns", gt.Softmax(-1), (2, 3, 2, 7)),
    Case("softmax-channels", gt.Softmax(), (2, 5, 2, 3)),
    Case("log-softmax", gt.LogSoftmax(), (2, 4, 3)),
    Case("dropout-evaluation", gt.Dropout(0.4), S, training=False),
    Case("dropout2d", gt.Dropout2d(0.4), (19, 3, 3, 2)),
    Case("dropout1d", gt.Dropout1d(0.4), L),
    Case("dropout3d", gt.Dropout3d(0.4), V),
    Case("stochastic-depth", gt.StochasticDepth(0.4), (19, 3, 3, 2)),
    Case("stochastic-depth-batch", gt.StochasticDepth(0.4, "batch"), (19, 5)),
    Case("stochastic-depth-evaluation", gt.StochasticDepth(0.4), L, training=False),
    Case("normalize", gt.Normalize((0.5, -0.25, 0.0), (0.5, 2.0, 0.125)), S),
    Case("normalize-one-for-all", gt.Normalize(0.25, 0.5), (3, 5), training=False),
    Case("flatten", gt.Flatten(), S),
    Case("flatten1d", gt.Flatten(), L),
    Case("flatten3d", gt.Flatten(), V),
    Case("flatten-row", gt.Flatten(), (3, 5)),
    Case("residual", gt.Residual([gt.Conv2d(3, 3, padding=1)]), S),
    Case(
        "residual-shortcut",
        gt.Residual([gt.Conv2d(4, 3, stride=2, padding=1)], [gt.Conv2d(4, 1, stride=2)]),
        S,
    ),
    Case("slice-channels", gt.Slice(1, 3), S),
    Case("slice-rows", gt.Slice(1, -1, 2, axis=2), S),
    Case("slice-backwards", gt.Slice((None, 1), None, (-2, 1), axis=(-1, 1)), S),
    Case("slice-features", gt.Slice(2, axis=-1), (3, 5)),
    Case("select-channels", gt.IndexSelect((1, -1, 1, 0)), S),
    Case("select-rows", gt.IndexSelect((3, 0, 0), axis=2), S),
    Case("select-features", gt.IndexSelect((4, 2, 2, 0, 1, 2)), (3, 5)),
    Case("permute", gt.Permute((0, 3, 1, 2)), S),
    Case("reshape", gt.Reshape((3, -1)), S),
    Case("reshape-apart", gt.Reshape((2, 3, 2, 2)), (2, 6, 4)),
    Case("reshape-across", gt.Reshape((6, 2, 6)), (2, 3, 4, 6)),
    Case("pixel-shuffle", gt.PixelShuffle(2), (2, 8, 3, 2)),
    Case("pixel-unshuffle", gt.PixelUnshuffle(2), (2, 2, 4, 6)),
    Case("channel-shuffle", gt.ChannelShuffle(3), (2, 6, 2, 3)),
    Case("mean-places", gt.Mean((2, 3)), S),
    Case("mean-channels", gt.Mean(1, keepdim=True), S),
    Case("mean-features", gt.Mean(-1), (2, 4, 5)),
    Case("sum-places", gt.Sum((-1, 2), keepdim=True), S),
    Case("max-places", gt.Max((2, 3), keepdim=True), S, values="relu"),
    Case("max-channels", gt.Max((1, -1)), S, values="ties"),
    Case("pad", gt.Pad(1), S),
    Case("pad-cropping", gt.Pad((2, -1, -2, 0)), S),
    Case("pad-value", gt.Pad((1, 2, 0, 1), value=-0.75), S),
    Case("pad-reflect", gt.Pad((2, 1, 3, -1), mode="reflect"), S),
    Case("pad-replicate", gt.Pad((2, 0), mode="replicate"), L),
    Case("pad-circular", gt.Pad(1, mode="circular"), V),
    Case("upsample-nearest", gt.Upsample((2, 1)), S),
    Case("upsample-nearest-smaller", gt.Upsample(size=(3, 8)), S),
    Case("upsample-linear", gt.Upsample(size=5, mode="linear"), L),
    Case("upsample-bilinear", gt.Upsample(2, mode="bilinear"), S),
    Case("upsample-corners", gt.Upsample(size=(4, 9), mode="bilinear", align_corners=True), S),
    Case("upsample-bicubic", gt.Upsample(1.7, mode="bicubic"), S),
    Case("resize-antialias", gt.Resize((2, 3), antialias=True, exclude_outside=True), S),
    Case("resize-cubic", gt.Resize((3, 2), "cubic", cubic=-0.5, antialias=True,
                                   exclude_outside=True), S),
    Case("resize-asymmetric", gt.Resize(7, positions="asymmetric"), L),
    Case("resize-corners", gt.Resize((3, 7), "cubic", positions="align_corners"), S),
    Case("resize-nearest", gt.Resize((3, 5), "nearest", rounding="round_prefer_ceil"), S),
    Case("upsample-trilinear", gt.Upsample(1.5, mode="trilinear"), V),
    Case("adaptive-average", gt.AdaptiveAvgPool2d((3, 4)), S),
    Case("adaptive-average-equal", gt.AdaptiveAvgPool2d((None, 2)), S),
    Case("adaptive-average1d", gt.AdaptiveAvgPool1d(3), L),
    Case("adaptive-average3d", gt.AdaptiveAvgPool3d((2, None, 3)), V),
    Case("adaptive-max", gt.AdaptiveMaxPool2d((3, 4)), S, values="ties"),
    Case("adaptive-max-equal", gt.AdaptiveMaxPool2d((7, 2)), S),
    Case("adaptive-max1d", gt.AdaptiveMaxPool1d(3), L),
    Case("adaptive-max3d", gt.AdaptiveMaxPool3d((2, 1, 3)), V, values="relu"),
    Case("pad-value-cropping", gt.Pad((-1, 2, 1, 0, 0, 1), value=2.0), (2, 2, 3, 4)),
    *_formulas(),
    Case("concat", gt.Concat([gt.Conv2d(2, 1)], [gt.MaxPool2d(3, 1, 1)], []), S),
]  # fmt: skip
