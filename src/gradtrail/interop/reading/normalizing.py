"""Norms, and softmax: what divides by something that is computed of the samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ... import layers as available
from ...layers.functional import Block, Input, LayerCall
from ...layers.steps import calls_behind
from .refusals import Refusal
from .values import Permuted, Softmaxed, Tensor, Weights
from .views import Rearranging

Arrays = Mapping[str, Weights]


class Normalizing(Rearranging):
    """The part of the builder for norms; args are those of `Settling`."""

    def norm(self, x: Any, weights: Arrays, *, eps: float, momentum: float) -> Tensor:
        """A batch norm: weight and bias (C,) or neither, running_mean and running_var (C,)."""
        rank = max(1, len(self.shape(x)) - 1)
        made = getattr(available, f"BatchNorm{rank}d")
        layer = made(eps=eps, momentum=momentum, affine="weight" in weights)
        return self.layer(layer, x, weights=weights)

    def group_norm(self, x: Any, groups: int, weights: Arrays, *, eps: float) -> Tensor:
        """A norm of groups of channels: weight and bias (C,) or neither."""
        made = available.GroupNorm(groups, eps=eps, affine="weight" in weights)
        return self.layer(made, x, weights=weights)

    def instance_norm(
        self, x: Any, weights: Arrays, *, eps: float, momentum: float = 0.1
    ) -> Tensor:
        """A norm of each channel of each sample; with running statistics it keeps them."""
        rank = len(self.shape(x)) - 1
        if not 1 <= rank <= 3:
            raise Refusal(f"normalises maps, and samples of {self.shape(x)} have none")
        layer = getattr(available, f"InstanceNorm{rank}d")(
            eps=eps,
            momentum=momentum,
            affine="weight" in weights,
            track_running_stats="running_mean" in weights,
        )
        return self.layer(layer, x, weights=weights)

    def layer_norm(self, x: Any, axes: Sequence[int], weights: Arrays, *, eps: float) -> Any:
        """A norm over some axes: weight and bias have their sizes."""
        flags = {"elementwise_affine": "weight" in weights, "bias": "bias" in weights}
        if not flags["elementwise_affine"]:
            del flags["bias"]
        return self._over(available.LayerNorm, x, axes, weights, eps=eps, **flags)

    def rms_norm(self, x: Any, axes: Sequence[int], weights: Arrays, *, eps: float) -> Any:
        """A norm over some axes without their mean: weight has their sizes."""
        flag = "weight" in weights
        return self._over(available.RMSNorm, x, axes, weights, eps=eps, elementwise_affine=flag)

    def _over(
        self, made: Any, x: Any, axes: Sequence[int], weights: Arrays, **settings: Any
    ) -> Any:
        """A norm over axes; over one axis of an array in another order it stands before that."""
        chosen = sorted(self.axis(x, axis) for axis in axes)
        if isinstance(x, Permuted) and len(chosen) == 1:
            below = made(axes=x.dims[chosen[0]], **settings)
            return self.permute(self.layer(below, x.base, weights=weights), x.dims)
        whole = chosen == list(range(1, len(self.shape(x)) + 1))
        listed = None if whole else chosen[0] if len(chosen) == 1 else tuple(chosen)
        return self.layer(made(axes=listed, **settings), x, weights=weights)

    def local_response_norm(
        self, x: Any, size: int, *, alpha: float, beta: float, k: float
    ) -> Tensor:
        """Each element divided by a power of the squares in neighbouring channels."""
        from ...layers.local_response_norm import LocalResponseNorm

        return self.block(LocalResponseNorm(size, alpha=alpha, beta=beta, k=k), x)

    def block(self, block: Block, x: Any) -> Tensor:
        """The layers of a block without arrays of its own."""
        source = self.tensor(x)
        start = Input(source.shape)
        end = block(start)
        made: dict[int, Tensor] = {start.number: source}
        for call in calls_behind([end])[1]:
            assert isinstance(call, LayerCall)
            read = [made[node.number] for node in call.sources]
            made[call.number] = self.graph.add(call.layer, read, {}, None, self.where)
        return made[end.number]

    def softmax(self, x: Any, axis: int | None, *, logarithm: bool = False) -> Softmaxed:
        """A softmax or its logarithm over an axis, the classes by default."""
        chosen = self.axis(x, 1 if axis is None else axis)
        return Softmaxed(x, chosen, logarithm, self.where)

    def _softmaxed(self, value: Softmaxed) -> Tensor:
        """The layer for probabilities, or their logarithms."""
        made = available.LogSoftmax if value.logarithm else available.Softmax
        read = [self.tensor(value.base)]
        return self.graph.add(made(value.axis), read, {}, None, value.where)
