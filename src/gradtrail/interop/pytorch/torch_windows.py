"""PyTorch's functions that slide windows over maps: convolutions, pools, padding."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from ... import layers as available
from ...checking.arguments import is_whole
from ...layers import Pad
from ...layers.windows import Windows
from ..reading.building import Builder, kernel_of
from ..reading.margins import collapse_axes, cropped_margins
from ..reading.refusals import Refusal
from ..reading.values import PLACES

Converter = Callable[..., Any]
"""From the builder, and the arguments under PyTorch's names, to what a function gives."""


def spread(value: Any, rank: int) -> tuple[int, ...]:
    """One number for all spatial axes, or one for each."""
    listed = tuple(value) if isinstance(value, Sequence) else (value,)
    listed = listed * rank if len(listed) == 1 else listed
    if len(listed) != rank or not all(map(is_whole, listed)):
        raise Refusal(f"has {value!r} where one whole number or one for each axis is needed")
    return listed


def _windows(rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any = 1) -> Windows:
    """Windows as PyTorch's functions are told them; without a stride they lie side by side."""
    size = spread(kernel, rank)
    step = spread(stride, rank) if stride not in (None, (), []) else size
    return Windows(size, step, tuple((p, p) for p in spread(padding, rank)), spread(dilation, rank))


def _conv(rank: int) -> Converter:
    def convert(
        b: Builder,
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        same = padding == "same"
        margin = 0 if padding in ("same", "valid") else padding
        windows = _windows(rank, kernel_of(weight), stride, margin, dilation)
        return b.convolution(input, weight, bias, windows, groups=groups, same=same)

    return convert


def _conv_transpose(rank: int) -> Converter:
    def convert(
        b: Builder,
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Any:
        windows = _windows(rank, kernel_of(weight), stride, padding, dilation)
        extra = spread(output_padding, rank)
        cropped = replace(windows, margins=cropped_margins(windows.margins, extra))
        return b.transposed_convolution(input, weight, bias, cropped, groups=groups)

    return convert


def _max_pool(rank: int) -> Converter:
    def convert(
        b: Builder,
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        windows = _windows(rank, kernel_size, stride, padding, dilation)
        pooled = b.maximum_pool(input, windows, ceiling=ceil_mode)
        return (pooled, PLACES) if return_indices else pooled

    return convert


def _with_indices(made: Callable[[int], Converter]) -> Callable[[int], Converter]:
    """The function that gives the winners' places, too."""

    def with_rank(rank: int) -> Converter:
        plain = made(rank)
        signature = inspect.signature(plain)

        def convert(*arguments: Any, **named: Any) -> Any:
            bound = signature.bind(*arguments, **named)
            bound.arguments["return_indices"] = True
            return plain(*bound.args, **bound.kwargs)

        convert.__signature__ = signature  # type: ignore[attr-defined]
        return convert

    return with_rank


def _avg_pool(rank: int) -> Converter:
    def convert(
        b: Builder,
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Any:
        windows = _windows(rank, kernel_size, stride, padding)
        divisor = None if divisor_override == prod(windows.kernel) else divisor_override
        return b.average_pool(
            input, windows, ceiling=ceil_mode, counted=count_include_pad, divisor=divisor
        )

    return convert


def _asked(b: Builder, input: Any, output_size: Any, rank: int) -> tuple[int, ...]:
    """The size that maps are pooled to."""
    sizes = b.maps(input)
    listed = output_size if isinstance(output_size, Sequence) else (output_size,) * rank
    listed = tuple(listed) * (rank if len(listed) == 1 else 1)
    if len(sizes) != rank or len(listed) != rank:
        raise Refusal(f"pools {len(sizes)} axes to the size {output_size}")
    return tuple(s if a is None else a for a, s in zip(listed, sizes, strict=True))


def _adaptive_avg_pool(rank: int) -> Converter:
    def convert(b: Builder, input: Any, output_size: Any) -> Any:
        asked = _asked(b, input, output_size, rank)
        if set(asked) == {1}:
            return b.average(input, keep=True)
        if asked == b.maps(input):
            return input
        return b.layer(getattr(available, f"AdaptiveAvgPool{rank}d")(collapse_axes(asked)), input)

    return convert


def _adaptive_max_pool(rank: int) -> Converter:
    def convert(b: Builder, input: Any, output_size: Any, return_indices: bool = False) -> Any:
        if return_indices:
            return (convert(b, input, output_size), PLACES)
        asked = _asked(b, input, output_size, rank)
        if set(asked) == {1}:
            return b.whole_maximum(input)
        if asked == b.maps(input):
            return input
        return b.layer(getattr(available, f"AdaptiveMaxPool{rank}d")(collapse_axes(asked)), input)

    return convert


def _pad(
    b: Builder, input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Any:
    sizes = b.maps(input)
    pairs = [*zip(pad[::2], pad[1::2], strict=False)]
    zeros = mode == "constant" and value in (None, 0) and min(pad, default=0) >= 0
    if zeros and len(pairs) <= len(sizes):
        margins = (*((0, 0),) * (len(sizes) - len(pairs)), *reversed(pairs))
        return b.pad(input, margins)
    return b.layer(Pad(tuple(pad), mode, 0.0 if value is None else value), input)


WINDOWS: Mapping[str, Converter] = {
    **{f"{name}{rank}d": made(rank) for rank in (1, 2, 3) for name, made in {
        "conv": _conv, "conv_transpose": _conv_transpose, "max_pool": _max_pool,
        "avg_pool": _avg_pool, "adaptive_avg_pool": _adaptive_avg_pool,
        "adaptive_max_pool": _adaptive_max_pool,
    }.items()},
    **{f"{name}{rank}d_with_indices": _with_indices(made)(rank) for rank in (1, 2, 3)
       for name, made in {
        "max_pool": _max_pool, "adaptive_max_pool": _adaptive_max_pool,
    }.items()},
    "pad": _pad,
}  # fmt: skip
"""By the function's name in `torch.nn.functional`."""
