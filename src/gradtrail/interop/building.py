"""What both importers do with the values of a foreign graph: layers from operations.

An importer says which node it reads (`at`) and hands over the operation with its arguments; here
they become a layer, or something that may become one with what follows (`values.py`). Shapes are of
one sample; axes are counted with the batch, as in the foreign graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ..layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
)
from ..layers.joins import Join
from ..layers.windows import Windows
from ..network import Network
from .elementwise import Elementwise
from .margins import Margins, add_margins, check_ceiling, collapse_axes, even_padding, same_margins
from .refusals import UNKNOWN, Refusal
from .values import BATCH, Padded, Reshaped, Softmaxed, Tensor, Value, Weights


class Builder(Elementwise):
    """A graph that grows node by node; args are those of `Elementwise`."""

    def network(self, output: Any, dtype: Any = np.float32) -> Network:
        """The network that ends with a value; a last softmax is left out.

        Args:
            output: the value.
            dtype: of a network without arrays, which would say it.

        Raises:
            Refusal: something was refused before, it is no value that the layers give, or no
                network; all the reasons.
        """
        last = output.base if isinstance(output, Softmaxed) else output
        if last is UNKNOWN:
            self.reasons.check()
        if not isinstance(last, Value):
            self.reasons.note("gives something that no layer computes", "the model")
            self.reasons.check()
        return self.graph.network(self.tensor(last), np.dtype(dtype), self.reasons)

    # -- layers with weights ----------------------------------------------------------------------

    def convolution(
        self, x: Any, weight: Any, bias: Any, windows: Windows, *, groups: int, same: bool = False
    ) -> Tensor:
        """A convolution: W (K, C/groups, R, S), b (K,) or None; `same` is told by that word."""
        padding: Any = "same"
        if not same:
            if isinstance(x, Padded):
                x, windows = x.base, _widened(windows, x.margins)
            x = self.tensor(x)
            padding = self._padding(x, windows)
        settings = _kernel_settings(windows, groups, bias)
        layer = Conv2d(weight.values.shape[0], padding=padding, **settings)
        return self.layer(layer, x, weights=_with_bias(weight, bias))

    def _padding(self, x: Tensor, windows: Windows) -> Any:
        """The margins as a convolution here takes them."""
        sizes, margins = self.maps(x), windows.margins
        keeping = same_margins(sizes, windows.extents, (1, 1), odd_before=False)
        if set(windows.stride) == {1} and margins == keeping and any(p != q for p, q in margins):
            return "same"
        return even_padding(sizes, windows)

    def transposed_convolution(
        self, x: Any, weight: Any, bias: Any, windows: Windows, *, groups: int
    ) -> Tensor:
        """A transposed convolution: W (C, K/groups, R, S), b (K,) or None; margins are cropped."""
        layer = ConvTranspose2d(
            weight.values.shape[1] * groups,
            padding=collapse_axes([before for before, _ in windows.margins]),
            output_padding=collapse_axes([before - behind for before, behind in windows.margins]),
            **_kernel_settings(windows, groups, bias),
        )
        return self.layer(layer, x, weights=_with_bias(weight, bias))

    def linear(self, x: Any, weight: Any, bias: Any) -> Tensor:
        """A linear layer: W (K, F), b (K,) or None."""
        if not isinstance(weight, Weights) or weight.values.ndim != 2:
            raise Refusal("multiplies by something that is no matrix of weights")
        layer = Linear(weight.values.shape[0], bias=bias is not None)
        return self.layer(layer, x, weights=_with_bias(weight, bias))

    def norm(
        self, x: Any, weights: Mapping[str, Weights], *, eps: float, momentum: float
    ) -> Tensor:
        """A batch norm: weight and bias (C,) or neither, running_mean and running_var (C,)."""
        return self.layer(
            BatchNorm2d(eps=eps, momentum=momentum, affine="weight" in weights), x, weights=weights
        )

    # -- pooling ----------------------------------------------------------------------------------

    def maximum_pool(self, x: Any, windows: Windows, *, ceiling: bool) -> Tensor:
        """A max pooling."""
        sizes = self._pool_sizes(x, windows, ceiling)
        return self.layer(MaxPool2d(*sizes, dilation=collapse_axes(windows.dilation)), x)

    def average_pool(self, x: Any, windows: Windows, *, ceiling: bool, counted: bool) -> Tensor:
        """An average pooling; `counted` is whether the padding's zeros are.

        Zeros around its maps become its own padding where it counts all of them.
        """
        takes_over = counted or not any(map(any, windows.margins))
        if isinstance(x, Padded) and takes_over and not ceiling:
            x, windows, counted = x.base, _widened(windows, x.margins), True
        sizes = self._pool_sizes(x, windows, ceiling)
        return self.layer(AvgPool2d(*sizes, count_include_pad=counted), x)

    def _pool_sizes(self, x: Any, windows: Windows, ceiling: bool) -> tuple[Any, Any, Any]:
        """Kernel size, stride and padding as a pooling here takes them."""
        sizes = self.maps(x)
        padding = even_padding(sizes, windows)
        if ceiling:
            check_ceiling(sizes, windows)
        stride = None if windows.stride == windows.kernel else collapse_axes(windows.stride)
        return collapse_axes(windows.kernel), stride, padding

    def pad(self, x: Any, margins: Margins) -> Any:
        """Zeros around maps, which wait for a layer that takes them over; none are not there."""
        self.maps(x)
        if isinstance(x, Padded):
            x, margins = x.base, add_margins(x.margins, margins)
        return Padded(self.tensor(x), margins, self.where) if any(map(any, margins)) else x

    def average(self, x: Any, *, keep: bool) -> Any:
        """The mean of each whole map, (C,) or with `keep` (C, 1, 1).

        With the maps kept it is a pooling with one window, unless it is flattened next.
        """
        if not keep:
            return self.layer(GlobalAvgPool2d(), x)
        source = self.tensor(x)
        pooled = self.layer(AvgPool2d(collapse_axes(self.maps(source))), source)
        self.averages[pooled.node] = source
        return pooled

    def mean(self, x: Any, axes: Sequence[int], *, keep: bool) -> Any:
        """The mean over some axes, which must be those of the maps."""
        shape = self.shape(x)
        counted = {axis % (len(shape) + 1) for axis in axes}
        looked_at = isinstance(x, Reshaped) and len(shape) == 2 and len(x.base.shape) == 3
        if looked_at and counted == {2} and shape[0] == x.base.shape[0] and not keep:
            return self.layer(GlobalAvgPool2d(), x.base)
        if len(shape) != 3 or counted != {2, 3}:
            raise Refusal(f"takes the mean over axes {sorted(counted)}; only 2 and 3 are a layer")
        return self.average(x, keep=keep)

    # -- shapes -----------------------------------------------------------------------------------

    def shape(self, x: Any) -> tuple[int, ...]:
        """Of one sample, without making a layer of what waits."""
        if not hasattr(x, "base") and not isinstance(x, Tensor):
            self.tensor(x)
        return tuple(x.shape)

    def maps(self, x: Any) -> tuple[int, int]:
        """Height and width of the maps."""
        shape = self.shape(x)
        if len(shape) != 3:
            raise Refusal(f"expects samples of (channels, height, width) but gets {shape}")
        return shape[1], shape[2]

    def flatten(self, x: Any) -> Any:
        """Each sample as one row."""
        if isinstance(x, Reshaped):
            return self.view_as(x, (prod(x.shape),))
        source = self.tensor(x)
        if source.node in self.averages:
            name = self.graph.nodes[source.node].name or ""
            called = name if name.isidentifier() else None
            return self.layer(GlobalAvgPool2d(), self.averages[source.node], name=called)
        return self.layer(Flatten(), source)

    def reshape(self, x: Any, target: Sequence[Any], declared_batch: int | None = None) -> Any:
        """A view in another shape.

        Args:
            x: what is looked at.
            target: numbers, `BATCH`, and at most one −1 for what is left.
            declared_batch: the batch that the model was made for, where it is a number in it.
        """
        count = prod(self.shape(x))
        first, *rest = target or [0]
        known = all(isinstance(size, int) for size in rest)
        open_ = rest.count(-1)
        if known and open_ == 1 and first in (BATCH, declared_batch):
            others = prod(size for size in rest if size != -1)
            rest = [count // others if size == -1 and others > 0 else size for size in rest]
        whole = first in (BATCH, declared_batch, -1) and open_ <= (first != -1)
        if not known or not whole or prod(rest) != count or any(size < 1 for size in rest):
            shown = ", ".join("N" if size == BATCH else str(size) for size in target)
            raise Refusal(
                f"views samples of {self.shape(x)} as ({shown}); the samples must stay apart: "
                f"(N, {count})"
            )
        return self.view_as(x, tuple(rest))

    def view_as(self, x: Any, shape: tuple[int, ...]) -> Any:
        """A value in another shape with as many elements."""
        if isinstance(x, Reshaped):
            x = x.base
        if self.shape(x) == shape:
            return x
        if len(shape) == 1:
            return self.flatten(x)
        return Reshaped(self.tensor(x), shape, self.where)

    def squeeze(self, x: Any, axes: Sequence[int]) -> Any:
        """Without some axes of size 1."""
        shape = self.shape(x)
        gone = {axis % (len(shape) + 1) for axis in axes}
        if 0 in gone or any(shape[axis - 1] != 1 for axis in gone):
            raise Refusal(f"squeezes axes {sorted(gone)} of samples of {shape}")
        return self.view_as(x, tuple(s for i, s in enumerate(shape, 1) if i not in gone))

    # -- branches and the end ---------------------------------------------------------------------

    def concat(self, values: Sequence[Any], axis: int) -> Tensor:
        """Values side by side along the channels.

        Where the first of them were joined before, that is read again: so a dense network, whose
        every layer joins all earlier ones, becomes nested.
        """
        read = [self.tensor(value) for value in values]
        if not read or axis % (len(read[0].shape) + 1) != 1:
            raise Refusal(f"joins along axis {axis}; only axis 1, the channels, is a layer")
        while (earlier := self._joined(tuple(value.node for value in read))) is not None:
            begun = len(self.graph.nodes[earlier.node].sources)
            read = [earlier, *read[begun:]]
        return read[0] if len(read) == 1 else self.layer(Join(), *read)

    def _joined(self, sources: tuple[int, ...]) -> Tensor | None:
        """Where the first of these were joined already, and nothing else with them."""
        for at, node in enumerate(self.graph.nodes):
            if isinstance(node.layer, Join) and node.sources == sources[: len(node.sources)]:
                return self.graph.output_of(at)
        return None

    def softmax(self, x: Any, axis: int | None) -> Softmaxed:
        """A softmax or its logarithm over the classes."""
        shape = self.shape(x)
        if axis is not None and axis % (len(shape) + 1) != 1:
            raise Refusal(
                f"is a softmax over axis {axis}; only axis 1, the classes, can be left out"
            )
        return Softmaxed(x, self.where)


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
    """The kernel size of weights with four axes."""
    if not isinstance(weight, Weights) or weight.values.ndim != 4:
        raise Refusal("convolves with something that is no array of weights with 4 axes")
    return weight.values.shape[2:]


def _with_bias(weight: Weights, bias: Any) -> dict[str, Weights]:
    """Weight and bias under their names."""
    if bias is None:
        return {"weight": weight}
    if not isinstance(bias, Weights):
        raise Refusal("adds a bias that is no array of the model")
    return {"weight": weight, "bias": bias}
