"""ONNX's operators that slide windows over maps: convolutions and pools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...layers.windows import Windows
from ..reading.building import Builder, kernel_of
from ..reading.margins import Margins, cropped_margins, same_margins
from ..reading.refusals import Refusal
from .onnx_sizes import Converter
from .onnx_view import View


def _windows(b: Builder, n: View, kernel: Sequence[int] | None = None) -> Windows:
    """A node's windows; without a kernel, its size is an attribute."""
    rank = len(b.maps(n.value(0)))
    if kernel is None:
        kernel = n.whole_numbers("kernel_shape", None, count=rank, least=1)
    flush = _without_padding(n, kernel, rank)
    return replace(flush, margins=_margins(b, n, flush))


def _without_padding(n: View, kernel: Sequence[int], rank: int) -> Windows:
    """Windows over so many axes that stay within the maps."""
    ones = [1] * rank
    stride = n.whole_numbers("strides", ones, count=rank, least=1)
    dilation = n.whole_numbers("dilations", ones, count=rank, least=1)
    return Windows(tuple(kernel), tuple(stride), ((0, 0),) * rank, tuple(dilation))


def _pads(n: View, rank: int) -> list[int]:
    """How much lies before each axis, then how much behind."""
    return n.whole_numbers("pads", [0] * (2 * rank), count=2 * rank, least=0)


def _margins(b: Builder, n: View, windows: Windows) -> Margins:
    """The padding of windows, given or by a rule."""
    rule, rank = n.word("auto_pad", "NOTSET"), windows.rank
    pads = _pads(n, rank)
    if rule == "NOTSET":
        return tuple(zip(pads[:rank], pads[rank:], strict=True))
    if rule == "VALID":
        return ((0, 0),) * rank
    if rule not in ("SAME_UPPER", "SAME_LOWER"):
        raise Refusal(f"has auto_pad={rule!r:.40}, which is no rule")
    sizes, before = b.maps(n.value(0)), rule == "SAME_LOWER"
    return same_margins(sizes, windows.extents, windows.stride, odd_before=before)


def _kernel(n: View) -> tuple[int, ...]:
    """The kernel size, which the weights show and an attribute may repeat."""
    weight = n.weights(1)
    kernel = kernel_of(weight)
    told = tuple(n.whole_numbers("kernel_shape", list(kernel), count=len(kernel), least=1))
    if told != kernel:
        raise Refusal(f"has kernel_shape={told}, but weights of shape {weight.values.shape}")
    return kernel


def _convolution_windows(b: Builder, n: View) -> Windows:
    """A convolution's windows; pads beside a rule that gives others are no convolution's.

    The format excludes both. Runtimes refuse such a convolution; of a pool they ignore the pads.
    """
    kernel = _kernel(n)
    rule, pads = n.word("auto_pad", "NOTSET"), _pads(n, len(kernel))
    if rule != "NOTSET" and any(pads):
        raise Refusal(f"has auto_pad={rule!r:.40} and pads={pads}; the format allows one of them")
    return _windows(b, n, kernel)


def _conv(b: Builder, n: View) -> Any:
    windows, groups = _convolution_windows(b, n), n.whole_number("group", 1, least=1)
    return b.convolution(n.value(0), n.weights(1), n.bias(2), windows, groups=groups)


def _conv_transpose(b: Builder, n: View) -> Any:
    """ONNX may crop less behind than before; that is output padding."""
    rank = len(_kernel(n))
    extra = n.whole_numbers("output_padding", [0] * rank, count=rank, least=0)
    if n.word("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or "output_shape" in n.attributes:
        windows = _cropped_to_shape(b, n, rank, extra)
    else:
        windows = _convolution_windows(b, n)
        windows = replace(windows, margins=cropped_margins(windows.margins, extra))
    groups = n.whole_number("group", 1, least=1)
    return b.transposed_convolution(n.value(0), n.weights(1), n.bias(2), windows, groups=groups)


def _cropped_to_shape(b: Builder, n: View, rank: int, extra: Sequence[int]) -> Windows:
    """The windows of a transposed convolution whose output has a size that is given or ruled."""
    rule = n.word("auto_pad", "NOTSET")
    _pads(n, rank)
    windows = _without_padding(n, _kernel(n), rank)
    sizes = b.maps(n.value(0))
    axes = [*zip(sizes, windows.stride, windows.extents, strict=True)]
    usual = [size * stride for size, stride, _ in axes]
    wanted = n.whole_numbers("output_shape", usual, count=rank, least=1)
    margins = []
    for (size, stride, extent), asked, more in zip(axes, wanted, extra, strict=True):
        total = (size - 1) * stride + extent + more - asked
        half = total // 2 if rule == "SAME_UPPER" else total - total // 2
        margins.append((half, total - half - more))
    return replace(windows, margins=tuple(margins))


def _max_pool(b: Builder, n: View) -> Any:
    n.whole_number("storage_order", 0, least=0)  # of the winners' indices, which are refused
    return b.maximum_pool(n.value(0), _windows(b, n), ceiling=n.flag("ceil_mode", False))


def _average_pool(b: Builder, n: View) -> Any:
    windows = _windows(b, n)
    if set(windows.dilation) != {1}:
        raise Refusal(f"has dilations={[*windows.dilation]}; an average pooling here has none")
    counted, ceiling = n.flag("count_include_pad", False), n.flag("ceil_mode", False)
    return b.average_pool(n.value(0), windows, ceiling=ceiling, counted=counted)


def _global_average(b: Builder, n: View) -> Any:
    b.maps(n.value(0))
    return b.average(n.value(0), keep=True)


def _global_maximum(b: Builder, n: View) -> Any:
    return b.whole_maximum(n.value(0))


WINDOWS: Mapping[str, Converter] = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_maximum,
    "MaxPool": _max_pool,
}
"""By name."""
