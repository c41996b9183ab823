"""PyTorch's modules, one converter each; to add one, add it to the table below.

A converter takes the builder, the module, its input, and what makes the module's arrays `Weights`.
Modules are known by the name of their class; no PyTorch is imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from .building import Builder
from .known_activations import ACTIVATIONS
from .refusals import Refusal
from .torch_functions import FUNCTIONS
from .values import Weights

Held = Callable[[str], Weights | None]
Converter = Callable[[Builder, Any, Any, Held], Any]


def _like(function: str) -> Converter:
    """A module that calls a function of `torch.nn.functional` with attributes of the same names."""
    convert = FUNCTIONS[f"torch.nn.functional.{function}"]
    _, _, *names = inspect.signature(convert).parameters

    def converter(b: Builder, m: Any, x: Any, held: Held) -> Any:
        if getattr(m, "padding_mode", "zeros") != "zeros":
            raise Refusal(f"has padding_mode={m.padding_mode!r}; only 'zeros' is a layer here")
        arrays = {name: held(name) for name in names if name in ("weight", "bias")}
        others = {n: getattr(m, n) for n in names if n not in arrays and hasattr(m, n)}
        return convert(b, x, **arrays, **others)

    return converter


def _batch_norm2d(b: Builder, m: Any, x: Any, held: Held) -> Any:
    if not m.track_running_stats or m.running_mean is None:
        raise Refusal("keeps no running statistics (track_running_stats=False)")
    if m.momentum is None:
        raise Refusal("has momentum=None, a mean over all batches; give it a number")
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {name: array for name in names if (array := held(name)) is not None}
    return b.norm(x, weights, eps=m.eps, momentum=m.momentum)


def _flatten(b: Builder, m: Any, x: Any, held: Held) -> Any:
    rank = len(b.shape(x)) + 1
    if m.start_dim % rank == 1 and m.end_dim % rank == rank - 1:
        return b.flatten(x)
    return FUNCTIONS["torch.flatten"](b, x, m.start_dim, m.end_dim)


def _identity(b: Builder, m: Any, x: Any, held: Held) -> Any:
    return x


MODULES: Mapping[str, Converter] = {
    **{known.layer.__name__: _like(known.function) for known in ACTIVATIONS},
    "AdaptiveAvgPool2d": _like("adaptive_avg_pool2d"),
    "AvgPool2d": _like("avg_pool2d"),
    "BatchNorm2d": _batch_norm2d,
    "Conv2d": _like("conv2d"),
    "ConvTranspose2d": _like("conv_transpose2d"),
    "Dropout": lambda b, m, x, held: b.dropout(x, m.p),
    "Flatten": _flatten,
    "Identity": _identity,
    "Linear": _like("linear"),
    "LogSoftmax": _like("log_softmax"),
    "MaxPool2d": _like("max_pool2d"),
    "PReLU": _like("prelu"),
    "Softmax": _like("softmax"),
    "ZeroPad2d": lambda b, m, x, held: FUNCTIONS["torch.nn.functional.pad"](b, x, m.padding),
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
