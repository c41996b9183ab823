"""PyTorch's functions for norms, and for maps of another size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...layers import Upsample
from ..reading.building import Builder
from ..reading.margins import collapse_axes
from ..reading.refusals import Refusal
from ..reading.values import Weights
from .torch_windows import WINDOWS, Converter, spread


def _held(**arrays: Any) -> dict[str, Weights]:
    """The arrays that are there; a norm takes no others than those of the model."""
    found = {name: array for name, array in arrays.items() if array is not None}
    for name, array in found.items():
        if not isinstance(array, Weights):
            raise Refusal(f"has a {name} that is no array of the model")
    return found


def with_fixed_statistics(arrays: Mapping[str, Weights]) -> dict[str, Weights]:
    """A norm's arrays, of which no training changes the running statistics."""
    return {
        name: replace(array, frozen=array.frozen or name.startswith("running"))
        for name, array in arrays.items()
    }


def _batch_norm(
    b: Builder,
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    arrays = _held(weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    if "running_mean" not in arrays:
        raise Refusal("keeps no running statistics")
    arrays = arrays if training else with_fixed_statistics(arrays)
    return b.norm(input, arrays, eps=eps, momentum=momentum)


def _group_norm(
    b: Builder, input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    arrays = _held(weight=weight, bias=bias)
    if "weight" in arrays and "bias" not in arrays:  # which no layer has
        along = (-1, *(1 for _ in b.shape(input)[1:]))
        scale = replace(arrays["weight"], values=arrays["weight"].values.reshape(along))
        return b.binary("mul", b.group_norm(input, num_groups, {}, eps=eps), scale)
    return b.group_norm(input, num_groups, arrays, eps=eps)


def _layer_norm(
    b: Builder,
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    axes = _last(b, input, normalized_shape)
    return b.layer_norm(input, axes, _held(weight=weight, bias=bias), eps=eps)


def _rms_norm(
    b: Builder, input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Any:
    axes = _last(b, input, normalized_shape)
    return b.rms_norm(input, axes, _held(weight=weight), eps=_EPSILON if eps is None else eps)


_EPSILON = 2.0**-23  # float32's, which PyTorch takes where none is told


def _last(b: Builder, input: Any, shape: Any) -> tuple[int, ...]:
    """The last axes, which have this shape."""
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    own = b.shape(input)
    if own[len(own) - len(sizes) :] != sizes:
        raise Refusal(f"normalises over {sizes}, but samples are {own}")
    return tuple(range(-len(sizes), 0))


def _instance_norm(
    b: Builder,
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    arrays = _held(weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    return b.instance_norm(input, arrays, eps=eps, momentum=momentum)


def _local_response_norm(
    b: Builder, input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Any:
    return b.local_response_norm(input, size, alpha=alpha, beta=beta, k=k)


def _interpolate(
    b: Builder,
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    if antialias:
        raise Refusal("resizes with antialias, which no layer here does")
    own = b.maps(input)
    if size is None and (recompute_scale_factor or mode == "area"):
        factors = scale_factor if isinstance(scale_factor, Sequence) else [scale_factor] * len(own)
        size = tuple(int(n * factor) for n, factor in zip(own, factors, strict=True))
    if mode == "area":
        return WINDOWS[f"adaptive_avg_pool{len(own)}d"](b, input, size)
    if size is not None:
        size = collapse_axes(spread(size, len(b.maps(input))))
        if size == collapse_axes(b.maps(input)) and mode.startswith("nearest"):
            return input
        scale_factor = None
    elif isinstance(scale_factor, Sequence):
        scale_factor = tuple(scale_factor)
    return b.layer(Upsample(scale_factor, mode, align_corners, size=size), input)


def _upsample_nearest(b: Builder, input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    return _interpolate(b, input, size, scale_factor)


def _upsample_bilinear(b: Builder, input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    return _interpolate(b, input, size, scale_factor, "bilinear", True)


NORMS: Mapping[str, Converter] = {
    "batch_norm": _batch_norm, "group_norm": _group_norm, "layer_norm": _layer_norm,
    "rms_norm": _rms_norm, "instance_norm": _instance_norm,
    "local_response_norm": _local_response_norm,
}  # fmt: skip
"""By the function's name in `torch.nn.functional`."""

RESIZING: Mapping[str, Converter] = {
    "interpolate": _interpolate, "upsample": _interpolate,
    "upsample_nearest": _upsample_nearest, "upsample_bilinear": _upsample_bilinear,
}  # fmt: skip
"""The same."""
