"""PyTorch's modules, one converter each; to add one, add it to the table below.

A converter takes the builder, the module, its input, and what makes the module's arrays `Weights`.
Modules are known by the name of their class; no PyTorch is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..layers import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh
from .building import Builder
from .refusals import Refusal
from .torch_functions import FUNCTIONS
from .values import Weights

__all__ = ["MODULES", "VIEWING", "converter_of"]

Held = Callable[[str], Weights | None]
Converter = Callable[[Builder, Any, Any, Held], Any]


def _zero_padded(module: Any) -> None:
    if module.padding_mode != "zeros":
        raise Refusal(f"has padding_mode={module.padding_mode!r}; only 'zeros' is a layer here")


def _conv2d(b: Builder, m: Any, x: Any, held: Held) -> Any:
    _zero_padded(m)
    convert = FUNCTIONS["torch.nn.functional.conv2d"]
    return convert(b, x, held("weight"), held("bias"), m.stride, m.padding, m.dilation, m.groups)


def _conv_transpose2d(b: Builder, m: Any, x: Any, held: Held) -> Any:
    _zero_padded(m)
    convert = FUNCTIONS["torch.nn.functional.conv_transpose2d"]
    sizes = m.stride, m.padding, m.output_padding, m.groups, m.dilation
    return convert(b, x, held("weight"), held("bias"), *sizes)


def _linear(b: Builder, m: Any, x: Any, held: Held) -> Any:
    return b.linear(x, held("weight"), held("bias"))


def _batch_norm2d(b: Builder, m: Any, x: Any, held: Held) -> Any:
    if not m.track_running_stats or m.running_mean is None:
        raise Refusal("keeps no running statistics (track_running_stats=False)")
    if m.momentum is None:
        raise Refusal("has momentum=None, a mean over all batches; give it a number")
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {name: array for name in names if (array := held(name)) is not None}
    return b.norm(x, weights, eps=m.eps, momentum=m.momentum)


def _max_pool2d(b: Builder, m: Any, x: Any, held: Held) -> Any:
    convert = FUNCTIONS["torch.nn.functional.max_pool2d"]
    sizes = m.kernel_size, m.stride, m.padding, m.dilation
    return convert(b, x, *sizes, m.ceil_mode, m.return_indices)


def _avg_pool2d(b: Builder, m: Any, x: Any, held: Held) -> Any:
    convert = FUNCTIONS["torch.nn.functional.avg_pool2d"]
    sizes = m.kernel_size, m.stride, m.padding, m.ceil_mode
    return convert(b, x, *sizes, m.count_include_pad, m.divisor_override)


def _adaptive_avg_pool2d(b: Builder, m: Any, x: Any, held: Held) -> Any:
    return FUNCTIONS["torch.nn.functional.adaptive_avg_pool2d"](b, x, m.output_size)


def _flatten(b: Builder, m: Any, x: Any, held: Held) -> Any:
    rank = len(b.shape(x)) + 1
    if m.start_dim % rank == 1 and m.end_dim % rank == rank - 1:
        return b.flatten(x)
    return FUNCTIONS["torch.flatten"](b, x, m.start_dim, m.end_dim)


def _identity(b: Builder, m: Any, x: Any, held: Held) -> Any:
    return x


def _zero_pad2d(b: Builder, m: Any, x: Any, held: Held) -> Any:
    return FUNCTIONS["torch.nn.functional.pad"](b, x, m.padding)


MODULES: Mapping[str, Converter] = {
    "AdaptiveAvgPool2d": _adaptive_avg_pool2d,
    "AvgPool2d": _avg_pool2d,
    "BatchNorm2d": _batch_norm2d,
    "Conv2d": _conv2d,
    "ConvTranspose2d": _conv_transpose2d,
    "Dropout": lambda b, m, x, held: b.dropout(x, m.p),
    "Flatten": _flatten,
    "GELU": lambda b, m, x, held: b.activation(GELU(approximate=m.approximate), x),
    "Identity": _identity,
    "LeakyReLU": lambda b, m, x, held: b.activation(LeakyReLU(m.negative_slope), x),
    "Linear": _linear,
    "LogSoftmax": lambda b, m, x, held: b.softmax(x, m.dim),
    "MaxPool2d": _max_pool2d,
    "ReLU": lambda b, m, x, held: b.activation(ReLU(), x),
    "SiLU": lambda b, m, x, held: b.activation(SiLU(), x),
    "Sigmoid": lambda b, m, x, held: b.activation(Sigmoid(), x),
    "Softmax": lambda b, m, x, held: b.softmax(x, m.dim),
    "Tanh": lambda b, m, x, held: b.activation(Tanh(), x),
    "ZeroPad2d": _zero_pad2d,
}
"""By the name of the class in `torch.nn`."""

VIEWING = frozenset({_flatten, _identity})
"""What gives a view of its input, or the input itself, rather than a tensor of its own."""


def converter_of(module: Any) -> Converter | None:
    """The converter of a module, or None.

    A class that inherits from one of PyTorch's counts as that one as long as it computes alike.
    """
    for kind in type(module).__mro__:
        if kind.__module__.startswith("torch.nn.modules.") and kind.__name__ in MODULES:
            same = all(
                getattr(type(module), name, None) is getattr(kind, name, None)
                for name in ("forward", "_conv_forward", "__call__")
            )
            return MODULES[kind.__name__] if same else None
    return None
