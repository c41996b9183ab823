"""What both importers do with the values of a foreign graph: layers from operations.

An importer says which node it reads (`at`) and hands over the operation with its arguments; here
they become a layer, or something that may become one with what follows (`values.py`). Shapes are of
one sample; axes are counted with the batch, as in the foreign graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ... import layers as available
from ...layers import Linear
from ...layers.windows import Windows
from ...network import Network
from .constants import check_trainable
from .margins import Margins, add_margins, collapse_axes, same_margins
from .normalizing import Normalizing
from .refusals import UNKNOWN, Refusal
from .values import LastSoftmax, Padded, Places, Reshaped, Softmaxed, Tensor, Value, Weights

MOST_SPATIAL = 3


class Builder(Normalizing):
    """A graph that grows node by node; args are those of `Settling`."""

    def network(
        self, output: Any, dtype: Any = np.float32, ending: LastSoftmax = LastSoftmax.LOGITS
    ) -> Network:
        """The network that ends with a value; one that is nothing but a softmax stays one.

        Args:
            output: the value.
            dtype: of a network without arrays, which would say it.
            ending: what becomes of a last softmax.

        Raises:
            Refusal: something was refused before, it is no value that the layers give, or no
                network; all the reasons.
        """
        ends = isinstance(output, Softmaxed) and output.axis == 1
        if ending is LastSoftmax.LOGARITHMS and not (ends and output.logarithm):
            self.reasons.note(
                "does not end with a log_softmax, whose logarithms NLLLoss takes; of the layers' "
                "own outputs CrossEntropyLoss is the loss",
                "the model",
            )
        whole = ending is LastSoftmax.WHOLE or (ends and output.base in self.graph.inputs)
        last = output.base if ends and not whole else output
        if last is UNKNOWN:
            self.reasons.check()
        if not isinstance(last, Value):
            what = repr(last) if isinstance(last, Places) else "something"
            self.reasons.note(f"gives {what} that no layer computes", "the model")
            self.reasons.check()
        return self.graph.network(self.tensor(last), np.dtype(dtype), self.reasons)

    def maps(self, x: Any) -> tuple[int, ...]:
        """The sizes of the maps: height and width, of a series its length, of a volume all three.

        Raises:
            Refusal: samples without maps.
        """
        shape = self.shape(x)
        if not 1 < len(shape) <= MOST_SPATIAL + 1:
            raise Refusal(
                f"expects samples of channels and one to three axes behind them but gets {shape}"
            )
        return shape[1:]

    # -- layers with weights ----------------------------------------------------------------------

    def convolution(
        self, x: Any, weight: Any, bias: Any, windows: Windows, *, groups: int, same: bool = False
    ) -> Tensor:
        """A convolution: W (K, C/groups, R, S), b (K,) or None; `same` is told by that word."""
        _check_axes(self.maps(x), windows)
        padding: Any = "same"
        if not same:
            if isinstance(x, Padded):
                x, windows = x.base, _widened(windows, x.margins)
            x = self.tensor(x)
            padding = self._padding(x, windows)
        settings = _kernel_settings(windows, groups, bias)
        layer = _ranked("Conv", windows)(weight.values.shape[0], padding=padding, **settings)
        return self.layer(layer, x, weights=_with_bias(weight, bias))

    def _padding(self, x: Tensor, windows: Windows) -> Any:
        """The margins as a convolution here takes them."""
        ones = (1,) * windows.rank
        keeping = same_margins(self.maps(x), windows.extents, ones, odd_before=False)
        uneven = any(p != q for p, q in windows.margins)
        if set(windows.stride) == {1} and windows.margins == keeping and uneven:
            return "same"
        return _sides(windows.margins)

    def transposed_convolution(
        self, x: Any, weight: Any, bias: Any, windows: Windows, *, groups: int
    ) -> Tensor:
        """A transposed convolution: W (C, K/groups, R, S), b (K,) or None; margins are cropped."""
        _check_axes(self.maps(x), windows)
        padding: list[Any] = []
        extra: list[int] = []
        for (p, q), *steps in zip(windows.margins, windows.stride, windows.dilation, strict=True):
            as_torch = 0 <= p - q < max(steps)  # as much as before, less what is added behind
            padding.append(p if as_torch else (p, max(q, 0)))
            extra.append(p - q if as_torch else max(-q, 0))
        layer = _ranked("ConvTranspose", windows)(
            weight.values.shape[1] * groups,
            padding=tuple(padding) if any(map(_is_pair, padding)) else collapse_axes(padding),
            output_padding=collapse_axes(extra),
            **_kernel_settings(windows, groups, bias),
        )
        return self.layer(layer, x, weights=_with_bias(weight, bias))

    def linear(self, x: Any, weight: Any, bias: Any) -> Any:
        """A linear layer over the last axis: W (K, F), b (K,) or None."""
        check_trainable(weight)
        if not isinstance(weight, Weights) or weight.values.ndim != 2:
            raise Refusal("multiplies by something that is no matrix of weights")
        if len(self.shape(x)) > 1:
            return self._last_axis(x, weight, bias)
        layer = Linear(weight.values.shape[0], bias=bias is not None)
        return self.layer(layer, x, weights=_with_bias(weight, bias))

    def _last_axis(self, x: Any, weight: Weights, bias: Any) -> Any:
        """A linear layer at each place of all axes but the last: a convolution with one offset."""
        rank = len(self.maps(x))
        count = rank + 2
        windows = Windows((1,) * rank, (1,) * rank, ((0, 0),) * rank, (1,) * rank)
        wide = replace(weight, values=weight.values.reshape(*weight.values.shape, *(1,) * rank))
        first = self.permute(x, (0, count - 1, *range(1, count - 1)))
        found = self.convolution(first, wide, bias, windows, groups=1)
        return self.permute(found, (0, *range(2, count), 1))

    # -- pooling ----------------------------------------------------------------------------------

    def maximum_pool(self, x: Any, windows: Windows, *, ceiling: bool) -> Tensor:
        """A max pooling."""
        _check_axes(self.maps(x), windows)
        made = _ranked("MaxPool", windows)
        layer = made(
            *_pool_sizes(windows), dilation=collapse_axes(windows.dilation), ceil_mode=ceiling
        )
        return self.layer(layer, x)

    def average_pool(
        self, x: Any, windows: Windows, *, ceiling: bool, counted: bool, divisor: int | None = None
    ) -> Tensor:
        """An average pooling; `counted` is whether the padding's zeros are.

        Zeros around its maps become its own padding where it counts all of them.
        """
        _check_axes(self.maps(x), windows)
        counted = counted or not any(map(any, windows.margins))
        if isinstance(x, Padded) and counted and not ceiling:
            wider = _widened(windows, x.margins)
            if all(p == q <= k // 2 for (p, q), k in zip(wider.margins, wider.kernel, strict=True)):
                x, windows = x.base, wider
        settings = {"ceil_mode": ceiling, "count_include_pad": counted}
        layer = _ranked("AvgPool", windows)(
            *_pool_sizes(windows), divisor_override=divisor, **settings
        )
        return self.layer(layer, x)

    def pad(self, x: Any, margins: Margins) -> Any:
        """Zeros around maps, which wait for a layer that takes them over; none are not there."""
        self.maps(x)
        if isinstance(x, Padded):
            x, margins = x.base, add_margins(x.margins, margins)
        return Padded(self.tensor(x), margins, self.where) if any(map(any, margins)) else x

    def pad_by(self, x: Any, margins: Margins, mode: str, value: float) -> Any:
        """Positions around each axis, that of the samples aside; below 0 they are taken away."""
        zeros = mode == "constant" and value == 0 and all(min(m) >= 0 for m in margins)
        if zeros and len(margins) > 1 and not any(margins[0]):
            return self.pad(x, margins[1:])
        sides = tuple(side for margin in reversed(margins) for side in margin)
        if not any(sides):
            return x
        while sides[-2:] == (0, 0):
            sides = sides[:-2]
        return self.layer(available.Pad(sides, mode, value), x)

    def whole_maximum(self, x: Any) -> Tensor:
        """The maximum of each whole map, (C, 1, 1)."""
        sizes = self.maps(x)
        rank = len(sizes)
        ones = (1,) * rank
        windows = Windows(sizes, sizes, ((0, 0),) * rank, ones)
        source = self.tensor(x)
        pooled = self.maximum_pool(source, windows, ceiling=False)
        self.poolings[pooled.node] = (source, getattr(available, f"GlobalMaxPool{rank}d"))
        return pooled

    def reduce(self, name: str, x: Any, axes: Sequence[int], *, keep: bool) -> Any:
        """The mean, the sum or the maximum over some axes."""
        if name == "mean":
            return self.mean(x, axes, keep=keep)
        shape = self.shape(x)
        counted = sorted({self.axis(x, axis) for axis in axes})
        if len(counted) == len(shape) and not keep:
            raise Refusal(f"takes the {name} over all of a sample, which leaves no axis")
        made = available.Sum if name == "sum" else available.Max
        first, *others = counted
        return self.layer(made((first, *others) if others else first, keepdim=keep), x)

    def _padded(self, value: Padded) -> Tensor:
        """The layer for zeros around maps."""
        sides = tuple(side for margin in reversed(value.margins) for side in margin)
        alike = sides[0] if len(set(sides)) == 1 else sides
        return self.graph.add(available.Pad(alike), [value.base], {}, None, value.where)

    def average(self, x: Any, *, keep: bool) -> Any:
        """The mean of each whole map, (C,) or with `keep` (C, 1, 1).

        With the maps kept it is a pooling with one window, unless it is flattened next.
        """
        rank = len(self.maps(x))
        if not keep:
            return self.layer(getattr(available, f"GlobalAvgPool{rank}d")(), x)
        source = self.tensor(x)
        pooled = self.layer(
            getattr(available, f"AvgPool{rank}d")(collapse_axes(self.maps(source))), source
        )
        self.poolings[pooled.node] = (source, getattr(available, f"GlobalAvgPool{rank}d"))
        return pooled

    def mean(self, x: Any, axes: Sequence[int], *, keep: bool) -> Any:
        """The mean over some axes; over those of the maps it is a pooling."""
        shape = self.shape(x)
        counted = {self.axis(x, axis) for axis in axes}
        looked_at = isinstance(x, Reshaped) and len(shape) == 2 and len(x.base.shape) == 3
        if looked_at and counted == {2} and shape[0] == x.base.shape[0] and not keep:
            return self.average(x.base, keep=False)
        if len(shape) > 1 and counted == set(range(2, len(shape) + 1)):
            return self.average(x, keep=keep)
        if len(counted) == len(shape) and not keep:
            raise Refusal("takes the mean over all of a sample, which leaves no axis")
        first, *others = sorted(counted)
        return self.layer(available.Mean((first, *others) if others else first, keepdim=keep), x)


def _is_pair(side: Any) -> bool:
    return isinstance(side, tuple)


def _ranked(kind: str, windows: Windows) -> Any:
    """The class of a layer for as many axes as there are windows'."""
    return getattr(available, f"{kind}{windows.rank}d")


def _check_axes(sizes: tuple[int, ...], windows: Windows) -> None:
    """Refuse windows over more or fewer axes than the samples have behind their channels."""
    if len(sizes) != windows.rank:
        raise Refusal(
            f"has windows over {windows.rank} axes, but samples have {len(sizes)} behind the "
            "channels"
        )


def _sides(margins: Margins) -> Any:
    """Padding as layers here take it: one number, one for each axis, or pairs."""
    if any(p < 0 or q < 0 for p, q in margins):
        raise Refusal(f"pads by {[list(m) for m in margins]}, fewer than none")
    if all(p == q for p, q in margins):
        return collapse_axes([p for p, _ in margins])
    return tuple(margins)


def _pool_sizes(windows: Windows) -> tuple[Any, Any, Any]:
    """Kernel size, stride and padding as a pooling here takes them."""
    stride = None if windows.stride == windows.kernel else collapse_axes(windows.stride)
    return collapse_axes(windows.kernel), stride, _sides(windows.margins)


def _widened(windows: Windows, outer: Margins) -> Windows:
    """Windows that slide over what has been padded before."""
    return replace(windows, margins=add_margins(outer, windows.margins))


def _kernel_settings(windows: Windows, groups: int, bias: Any) -> dict[str, Any]:
    """What both kinds of convolution are told alike."""
    return {
        "kernel_size": collapse_axes(windows.kernel),
        "stride": collapse_axes(windows.stride),
        "dilation": collapse_axes(windows.dilation),
        "groups": groups,
        "bias": bias is not None,
    }


def kernel_of(weight: Any) -> tuple[int, ...]:
    """The kernel size of weights with axes behind the channels."""
    check_trainable(weight)
    known = isinstance(weight, Weights) and 3 <= weight.values.ndim <= MOST_SPATIAL + 2
    if not known:
        raise Refusal("convolves with something that is no array of weights with 3 to 5 axes")
    kernel: tuple[int, ...] = weight.values.shape[2:]
    return kernel


def _with_bias(weight: Weights, bias: Any) -> dict[str, Weights]:
    """Weight and bias under their names."""
    if bias is None:
        return {"weight": weight}
    check_trainable(bias)
    if not isinstance(bias, Weights):
        raise Refusal("adds a bias that is no array of the model")
    return {"weight": weight, "bias": bias}
