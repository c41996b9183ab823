"""Values as layers: what waited becomes one once it is needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...equation.scalar_text import LONGEST, scalar_to_text
from ...layers import Layer, Linear, Normalize, Pointwise
from ...layers.kernel_layer import KernelLayer
from .arithmetic import layer_of
from .layer_graph import LayerGraph
from .refusals import UNKNOWN, LimitReached, Refusal, Refusals, Unknown
from .values import (
    Arithmetic,
    Expanded,
    Padded,
    Permuted,
    Reshaped,
    Shape,
    Softmaxed,
    Tensor,
    Value,
    Weights,
)

_MOST_BYTES = 1 << 30


class Settling(ABC):
    """The part of the builder that makes layers of values, and counts what is computed of arrays.

    Args:
        input_shape: of one sample.
        reasons: to which is added what is refused.
        tells_trained: whether the foreign model tells what is trained. Where it does not, a
            constant that is added behind a layer without bias is taken for its bias.

    Raises:
        ArgumentError: it is no shape.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        reasons: Refusals | None = None,
        *,
        tells_trained: bool = False,
    ) -> None:
        self.graph = LayerGraph(input_shape)
        self.reasons = Refusals() if reasons is None else reasons
        self.tells_trained = tells_trained
        self.input = self.graph.input
        self.poolings: dict[int, tuple[Tensor, type[Layer]]] = {}
        """Poolings to one position: what they read, and the layer that they are once flattened."""
        self._made: dict[Value, Tensor] = {}
        self._bytes = 0
        self.at("the input", None)

    def at(self, where: str, name: str | None, module: str | None = None) -> None:
        """From here on, layers come from this node.

        Args:
            where: what it is called in messages.
            name: what its layer is to be called, if that is possible.
            module: the name of the module that the node belongs to, which comes before what the
                layer's arrays are called; None where the model does not say it.
        """
        self.where, self.name, self.module = where, module or name, module
        self.graph.reach(where)

    def layer(
        self,
        layer: Layer,
        *sources: Any,
        weights: Mapping[str, Weights] | None = None,
        name: str | None = None,
    ) -> Tensor:
        """A layer that reads these values."""
        read = [self.tensor(source) for source in sources]
        held = weights or {}
        called = name or self.module or _owner(held) or self.name
        return self.graph.add(layer, read, held, called, self.where)

    def tensor(self, value: Value) -> Tensor:
        """A value as a layer's output; what waited becomes a layer.

        If no layer gives this value, that is noted, and a stand-in has its shape.

        Raises:
            Refusal: it is no value at all.
        """
        if isinstance(value, Tensor):
            return value
        if not isinstance(value, Value):
            what = repr(value) if isinstance(value, Weights) else "a constant"
            raise Refusal(f"reads {what} where a layer's output is needed")
        if value not in self._made:
            try:
                self._made[value] = self._settled(value)
            except Refusal as cause:
                self.reasons.note(cause, value.where)
                self._made[value] = self._standing_in([value], value.shape)
        return self._made[value]

    def output_of_value(self, value: Value) -> Tensor | None:
        """The layer's output that a value is or is a view of, if it was ever needed as one."""
        if isinstance(value, Reshaped):
            return self._made.get(value, value.base)
        return value if isinstance(value, Tensor) else self._made.get(value)

    def stand_in(self, sources: Iterable[Any], shape: Shape | None) -> Tensor | Unknown:
        """What a refused node would have given, so that what reads it can be looked at, too.

        Args:
            sources: what the node reads, constants among it.
            shape: of what it gives, one sample, or None if nobody knows.
        """
        read = [source for source in sources if isinstance(source, Value)]
        known = shape is not None and all(size > 0 for size in shape)
        return self._standing_in(read, tuple(shape)) if known and shape else UNKNOWN

    def _standing_in(self, sources: Sequence[Value], shape: Shape) -> Tensor:
        read: list[Tensor] = []
        for source in sources:
            while not isinstance(source, Tensor):
                source = source.base
            read.append(source)
        return self.graph.stand_in(read, shape, self.where)

    def _settled(
        self, value: Arithmetic | Padded | Reshaped | Permuted | Expanded | Softmaxed
    ) -> Tensor:
        """The layer that a value turns out to be."""
        match value:
            case Padded():
                return self._padded(value)
            case Reshaped():
                return self._reshaped(value)
            case Expanded():
                return self._expanded(value)
            case Permuted():
                return self._permuted(value)
            case Softmaxed():
                return self._softmaxed(value)
        return self._arithmetic(value)

    @abstractmethod
    def _softmaxed(self, value: Softmaxed) -> Tensor:
        """The layer for probabilities."""

    @abstractmethod
    def _expanded(self, value: Expanded) -> Tensor:
        """The layer for axes that are repeated."""

    @abstractmethod
    def _padded(self, value: Padded) -> Tensor:
        """The layer for zeros around maps."""

    @abstractmethod
    def _reshaped(self, value: Reshaped) -> Tensor:
        """The layer for a view."""

    @abstractmethod
    def _permuted(self, value: Permuted) -> Tensor:
        """The layer for axes in another order."""

    def _arithmetic(self, value: Arithmetic) -> Tensor:
        """The layer that arithmetic turns out to be."""
        found = whole_layer(value)
        if found is None and value.affine is not None and not _multiplies(value):
            return self._shifted(value, *value.affine)
        found = found or value.outer
        if found is None and value.body is not None and _is_short(value.body):
            formula = scalar_to_text(value.body)
            if len(formula) <= LONGEST:
                found = Pointwise(formula), (value.base,)
        if found is None:
            whose = "for each channel another" if value.body is None else "a"
            raise Refusal(f"computes {whose} function of each element, which no layer here does")
        layer, sources = found
        read = [self.tensor(source) for source in sources]
        return self.graph.add(layer, read, {}, value.name, value.where)

    def _shifted(self, value: Arithmetic, mean: np.ndarray, std: np.ndarray) -> Tensor:
        """(x − mean)/std: nothing, a bias, or a normalisation."""
        if (std == 1).all() and (mean == 0).all():
            return value.base
        if not (np.isfinite(mean).all() and divides(std)):
            raise Refusal("scales by numbers that are not all finite and above 0")
        if not self.tells_trained and self._biasless(value.base) and (std == 1).all():
            dtype = self.graph.nodes[value.base.node].weights["weight"].values.dtype
            shift = np.broadcast_to(-mean, value.base.shape[:1]).astype(dtype)
            return self._biased(value.base, Weights(f"{value.where}, bias", shift))
        normalize = Normalize(mean.tolist(), std.tolist())
        return self.graph.add(normalize, [value.base], {}, value.name, value.where)

    def spent(self, array: np.ndarray) -> np.ndarray:
        """An array that was computed from others; all together must not need much memory."""
        self.spend(array.nbytes)
        return array

    def spend(self, size: int) -> None:
        """Count the bytes of what is computed from arrays.

        Raises:
            Refusal: there are too many, and nothing is read any more.
        """
        self._bytes += size
        if self._bytes > _MOST_BYTES:
            raise LimitReached("computes more constants than fit into 1 GiB")

    def _biased(self, x: Tensor, bias: Weights) -> Tensor:
        """The layer that gives `x`, with a bias (K,)."""
        node = self.graph.nodes[x.node]
        read = [self.graph.output_of(at) for at in node.sources]
        layer: Layer = replace(node.layer, bias=True)  # type: ignore[type-var,assignment]
        weights = {**node.weights, "bias": bias}
        return self.graph.add(layer, read, weights, node.name or self.name, node.where)

    def _biasless(self, x: Tensor) -> bool:
        """Whether a layer that could have a bias gives it, and has none."""
        layer = self.graph.nodes[x.node].layer if x.node >= 0 else None
        return isinstance(layer, KernelLayer | Linear) and not layer.bias


def _multiplies(value: Arithmetic) -> bool:
    """Whether a shifted and scaled value has one factor, which no normalisation divides by."""
    assert value.affine is not None, "it is no such value"
    _, std = value.affine
    return value.body is not None and not divides(std) and bool((std < 0).all() or std == np.inf)


def divides(std: np.ndarray) -> bool:
    """Whether numbers are what a normalisation divides by."""
    return bool(np.isfinite(std).all() and (std > 0).all())


def _is_short(body: Any) -> bool:
    """Whether an expression may have a text of at most `LONGEST`: its size is told before that.

    Each part needs a character and each level two; what shares its parts may be a tree without end.
    """
    waiting, count = [(body, 1)], 0
    while waiting:
        part, depth = waiting.pop()
        count += 1
        if count > LONGEST or depth > LONGEST // 2:
            return False
        waiting += [(inner, depth + 1) for inner in getattr(part, "arguments", ())]
    return True


def whole_layer(value: Arithmetic) -> tuple[Layer, tuple[Any, ...]] | None:
    """The layer that computes a value as it stands, and what it reads."""
    if value.outer is not None and all(isinstance(read, Tensor) for read in value.outer[1]):
        return value.outer
    layer = None if value.curve is None else layer_of(value.curve)
    return None if layer is None else (layer, (value.base,))


def _owner(weights: Mapping[str, Weights]) -> str | None:
    """What owns the weights, as `layer1.0.conv1.weight` says it."""
    name = weights["weight"].name if "weight" in weights else ""
    return name.removesuffix(".weight").replace(".", "_") if name.endswith(".weight") else None
