"""ATen's operators, which torch.export writes down, as PyTorch's functions with converters here.

The converters are those of the functions: an operator of the same name takes the same arguments in
the same meaning, but for what its first argument is called, and for a few in the table below.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..reading.building import Builder
from ..reading.refusals import Refusal
from .torch_functions import FUNCTIONS, METHODS
from .torch_norms import RESIZING

Converter = Callable[..., Any]


def is_aten(target: Any) -> bool:
    """Whether something is an operator of ATen, in one of its overloads."""
    return hasattr(target, "_schema") and target._schema.name.startswith("aten::")


def aten_name(target: Any) -> str:
    """What an operator is called, without its overload."""
    return str(target._schema.name).removeprefix("aten::")


def _slice(
    b: Builder, input: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Any:
    return b.take(input, dim, start, end, step)


def _same(b: Builder, input: Any) -> Any:
    return input


def _feature_dropout(b: Builder, input: Any, p: float, training: bool) -> Any:
    convert = FUNCTIONS[f"torch.nn.functional.dropout{max(1, len(b.shape(input)) - 1)}d"]
    return convert(b, input, p, training)


def _elu(
    b: Builder, input: Any, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0
) -> Any:
    if scale != 1 or input_scale != 1:
        raise Refusal("is an ELU with other scales, which no layer here is")
    return FUNCTIONS["torch.nn.functional.elu"](b, input, alpha)


def _resize(mode: str) -> Converter:
    def convert(
        b: Builder,
        input: Any,
        output_size: Any = None,
        scale_factors: Any = None,
        align_corners: bool | None = None,
    ) -> Any:
        corners = None if mode.startswith("nearest") else bool(align_corners)
        return RESIZING["interpolate"](b, input, output_size, scale_factors, mode, corners)

    return convert


def _function(name: str) -> Converter | None:
    """The converter of the function or method that an operator of this name is."""
    for path in (f"torch.{name}", f"torch.nn.functional.{name}", f"torch.special.{name}"):
        if path in FUNCTIONS:
            return FUNCTIONS[path]
    return METHODS.get(name)


_MODES = {
    **{f"upsample_nearest{rank}d": "nearest" for rank in (1, 2, 3)},
    **{f"_upsample_nearest_exact{rank}d": "nearest-exact" for rank in (1, 2, 3)},
    "upsample_linear1d": "linear", "upsample_bilinear2d": "bilinear",
    "upsample_trilinear3d": "trilinear", "upsample_bicubic2d": "bicubic",
}  # fmt: skip

OPERATORS: Mapping[str, Converter] = {
    **{name: _resize(mode) for name, mode in _MODES.items()},
    "slice": _slice, "elu": _elu, "feature_dropout": _feature_dropout,
    "to": _same, "alias": _same, "lift_fresh_copy": _same, "_to_copy": _same,
}  # fmt: skip
"""Operators that are no function's namesake, or take other arguments, by name."""

SAME = frozenset({_same})
"""What gives its input itself."""

_RENAMED: Mapping[str, Mapping[str, str]] = {
    "dropout": {"train": "training"}, "feature_dropout": {"train": "training"},
    "split": {"self": "tensor", "split_size": "split_size_or_sections"},
    "split_with_sizes": {"self": "tensor", "split_sizes": "split_size_or_sections"},
    "where": {"self": "input"},
}  # fmt: skip
"""What arguments are called in the function, where that is not as in the operator."""

_NAMESAKES = {"split_with_sizes": "split", "constant_pad_nd": "pad", "mm": "matmul"}

_NONE = object()

_BESIDE = ("cudnn_enabled", "cudnn_enable", "implicit", "memory_format", "layout", "device")
"""Arguments that change no number."""


def aten_call(target: Any, arguments: Any, named: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """The converter of an operator, and the arguments as it takes them; None where there is none.

    Args:
        target: the operator.
        arguments: by position.
        named: by name.

    Raises:
        Refusal: an argument differs from its default, and the converter does not take it.
    """
    name = aten_name(target)
    base = name if name.startswith("_") else name.removesuffix("_")
    base = _NAMESAKES.get(base, base)
    convert = OPERATORS.get(base) or _function(base)
    if convert is None:
        return None, (), {}
    known = inspect.signature(convert).parameters
    several = [p.name for p in known.values() if p.kind is p.VAR_POSITIONAL]
    renamed = {"self": "input", **_RENAMED.get(name.removesuffix("_"), {})}
    declared = target._schema.arguments
    given = {
        **{a.name: value for a, value in zip(declared, arguments, strict=False)},
        **named,
    }
    defaults = {a.name: a.default_value for a in declared if a.has_default_value()}
    taken: dict[str, Any] = {}
    for key, value in given.items():
        called = renamed.get(key, key)
        if called in known:
            taken[called] = value
        elif several and key not in _BESIDE:
            return convert, (given["self"], value), {}
        elif convert is not _same and key not in _BESIDE and value != defaults.get(key, _NONE):
            raise Refusal(f"calls aten.{name} with {key}=, which no layer here takes over")
    return convert, (), taken
