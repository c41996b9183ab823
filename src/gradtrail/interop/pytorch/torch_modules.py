"""PyTorch's modules, one converter each; to add one, add it to the table below.

A converter takes the builder, the module, its input, and what makes the module's arrays `Weights`.
Modules are known by the name of their class; no PyTorch is imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..known_activations import ACTIVATIONS
from ..reading.building import Builder
from ..reading.refusals import Refusal
from ..reading.values import Weights
from .torch_functions import FUNCTIONS
from .torch_norms import with_fixed_statistics

Held = Callable[[str], Weights | None]
Converter = Callable[[Builder, Any, Any, Held], Any]


class _Unpadded:
    """A convolution whose input has been padded already."""

    def __init__(self, module: Any) -> None:
        self._module, self.padding = module, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _like(function: str) -> Converter:
    """A module that calls a function of `torch.nn.functional` with attributes of the same names."""
    convert = FUNCTIONS[f"torch.nn.functional.{function}"]
    _, _, *names = inspect.signature(convert).parameters

    def converter(b: Builder, m: Any, x: Any, held: Held) -> Any:
        if (mode := getattr(m, "padding_mode", "zeros")) != "zeros":
            sides = m._reversed_padding_repeated_twice
            x = FUNCTIONS["torch.nn.functional.pad"](b, x, sides, mode)
            m = _Unpadded(m)
        arrays = {name: held(name) for name in names if name in ("weight", "bias")}
        others = {n: getattr(m, n) for n in names if n not in arrays and hasattr(m, n)}
        return convert(b, x, **arrays, **others)

    return converter


def _batch_norm(b: Builder, m: Any, x: Any, held: Held) -> Any:
    if not m.track_running_stats or m.running_mean is None:
        raise Refusal("keeps no running statistics (track_running_stats=False)")
    return b.norm(x, _arrays(m, held), eps=m.eps, momentum=_momentum(m))


def _instance_norm(b: Builder, m: Any, x: Any, held: Held) -> Any:
    return b.instance_norm(x, _arrays(m, held), eps=m.eps, momentum=_momentum(m))


def _arrays(m: Any, held: Held) -> dict[str, Weights]:
    """A norm's arrays, those that there are; in evaluation it keeps its running statistics."""
    names = ("weight", "bias", "running_mean", "running_var")
    found = {name: array for name in names if (array := held(name)) is not None}
    return found if m.training else with_fixed_statistics(found)


def _momentum(m: Any) -> float:
    if m.momentum is None:
        raise Refusal("has momentum=None, a mean over all batches; give it a number")
    return float(m.momentum)


def _flatten(b: Builder, m: Any, x: Any, held: Held) -> Any:
    rank = len(b.shape(x)) + 1
    if m.start_dim % rank == 1 and m.end_dim % rank == rank - 1:
        return b.flatten(x)
    return FUNCTIONS["torch.flatten"](b, x, m.start_dim, m.end_dim)


def _dropout(b: Builder, m: Any, x: Any, held: Held) -> Any:
    kind = next(k.__name__ for k in type(m).__mro__ if k.__name__ in MODULES)
    return FUNCTIONS[f"torch.nn.functional.{kind.lower()}"](b, x, m.p, m.training)


def _pad(b: Builder, m: Any, x: Any, held: Held) -> Any:
    value = getattr(m, "value", None)
    return FUNCTIONS["torch.nn.functional.pad"](b, x, m.padding, "constant", value)


def _padding(mode: str) -> Converter:
    def convert(b: Builder, m: Any, x: Any, held: Held) -> Any:
        return FUNCTIONS["torch.nn.functional.pad"](b, x, m.padding, mode)

    return convert


def _upsample(b: Builder, m: Any, x: Any, held: Held) -> Any:
    corners = m.align_corners if m.mode not in ("nearest", "nearest-exact") else None
    again = getattr(m, "recompute_scale_factor", None)
    convert = FUNCTIONS["torch.nn.functional.interpolate"]
    return convert(b, x, m.size, m.scale_factor, m.mode, corners, again)


def _identity(b: Builder, m: Any, x: Any, held: Held) -> Any:
    return x


MODULES: Mapping[str, Converter] = {
    **{known.layer.__name__: _like(known.function) for known in ACTIVATIONS},
    **{
        f"{module}{rank}d": _like(f"{function}{rank}d")
        for rank in (1, 2, 3)
        for module, function in {
            "AdaptiveAvgPool": "adaptive_avg_pool",
            "AdaptiveMaxPool": "adaptive_max_pool",
            "AvgPool": "avg_pool",
            "Conv": "conv",
            "ConvTranspose": "conv_transpose",
            "MaxPool": "max_pool",
        }.items()
    },
    **{f"BatchNorm{rank}d": _batch_norm for rank in (1, 2, 3)},
    **{f"InstanceNorm{rank}d": _instance_norm for rank in (1, 2, 3)},
    "GroupNorm": _like("group_norm"),
    "LayerNorm": _like("layer_norm"),
    "LocalResponseNorm": _like("local_response_norm"),
    "RMSNorm": _like("rms_norm"),
    "Softmax2d": lambda b, m, x, held: b.softmax(x, 1),
    **dict.fromkeys(("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"), _upsample),
    **{f"ReflectionPad{rank}d": _padding("reflect") for rank in (1, 2, 3)},
    **{f"ReplicationPad{rank}d": _padding("replicate") for rank in (1, 2, 3)},
    **{f"CircularPad{rank}d": _padding("circular") for rank in (1, 2, 3)},
    "Dropout": _dropout,
    **{f"Dropout{rank}d": _dropout for rank in (1, 2, 3)},
    "Flatten": _flatten,
    "Identity": _identity,
    "Linear": _like("linear"),
    "LogSoftmax": _like("log_softmax"),
    "PReLU": _like("prelu"),
    "Softmax": _like("softmax"),
    "Softmin": _like("softmin"),
    "ChannelShuffle": _like("channel_shuffle"),
    "PixelShuffle": _like("pixel_shuffle"),
    "PixelUnshuffle": _like("pixel_unshuffle"),
    **dict.fromkeys(("ZeroPad1d", "ZeroPad2d", "ZeroPad3d"), _pad),
    **dict.fromkeys(("ConstantPad1d", "ConstantPad2d", "ConstantPad3d"), _pad),
}
"""By the name of the class in `torch.nn`."""

VIEWING = frozenset({_flatten, _identity})
"""What gives a view of its input, or the input itself, rather than a tensor of its own."""


KEEPING = frozenset({
    *(known.layer.__name__ for known in ACTIVATIONS), "Dropout", "Identity", "PReLU",
    *(f"{kind}{rank}d" for kind in ("BatchNorm", "InstanceNorm", "Dropout") for rank in (1, 2, 3)),
    "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm",
    "Softmax", "Softmax2d", "Softmin", "LogSoftmax",
})  # fmt: skip
"""What gives as much as it takes, in the same shape."""


def kind_of(module: Any) -> str | None:
    """Which of PyTorch's modules a module with a converter is, or None.

    A class that inherits from one of PyTorch's counts as that one as long as it computes alike.
    """
    for kind in type(module).__mro__:
        if kind.__module__.startswith("torch.nn.modules.") and kind.__name__ in MODULES:
            same = all(
                getattr(type(module), name, None) is getattr(kind, name, None)
                for name in ("forward", "_conv_forward", "__call__")
            )
            return kind.__name__ if same else None
    return None


def converter_of(module: Any) -> Converter | None:
    """The converter of a module, or None."""
    kind = kind_of(module)
    return None if kind is None else MODULES[kind]
