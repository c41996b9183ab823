"""Values as layers, and what is done element by element: activations, arithmetic, sums."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..equation.scalar import Call, Literal, substituted, where
from ..equation.scalar_text import LONGEST, scalar_to_text
from ..errors import ShapeError
from ..layers import (
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Hardtanh,
    Layer,
    Linear,
    Normalize,
    Pointwise,
    PReLU,
    ReLU6,
    Softplus,
    Tanh,
)
from ..layers.activations import Activation
from ..layers.joins import GREATER, LESSER, Add, Multiply
from .arithmetic import (
    BINARY,
    GRID,
    UNARY,
    X,
    activation_values,
    computed,
    curve_of,
    layer_of,
    shortest_decimal,
)
from .constants import (
    CONSTANT,
    MOST_DECIMALS,
    affine_after,
    as_numbers,
    by_channel,
    is_by_channel,
    single_number,
)
from .layer_graph import LayerGraph
from .refusals import UNKNOWN, LimitReached, Refusal, Refusals, Unknown
from .trained_formulas import SIGNS, trained_formula
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


class Elementwise(ABC):
    """The part of the builder for what is done element by element.

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

    # -- values as layers -------------------------------------------------------------------------

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
            what = f"the array {value.name!r:.60}" if isinstance(value, Weights) else "a constant"
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
        found = _whole(value)
        if found is None and value.affine is not None and not _multiplies(value):
            return self._shifted(value, *value.affine)
        found = found or value.outer
        if found is None and value.body is not None and _is_short(value.body):
            formula = scalar_to_text(value.body)
            if len(formula) <= LONGEST:
                found = Pointwise(formula), (value.base,)
        if found is None:
            raise Refusal("computes a function of each element that no layer here computes")
        layer, sources = found
        read = [self.tensor(source) for source in sources]
        return self.graph.add(layer, read, {}, value.name, value.where)

    def _shifted(self, value: Arithmetic, mean: np.ndarray, std: np.ndarray) -> Tensor:
        """(x − mean)/std: nothing, a bias, or a normalisation."""
        if (std == 1).all() and (mean == 0).all():
            return value.base
        if not (np.isfinite(mean).all() and _divides(std)):
            raise Refusal("scales by numbers that are not all finite and above 0")
        if not self.tells_trained and self._biasless(value.base) and (std == 1).all():
            dtype = self.graph.nodes[value.base.node].weights["weight"].values.dtype
            shift = np.broadcast_to(-mean, value.base.shape[:1]).astype(dtype)
            return self._biased(value.base, Weights(f"{value.where}, bias", shift))
        normalize = Normalize(mean.tolist(), std.tolist())
        return self.graph.add(normalize, [value.base], {}, value.name, value.where)

    # -- what is done element by element ----------------------------------------------------------

    def activation(self, layer: Activation, x: Any) -> Arithmetic | Permuted:
        """An activation; it may be part of another one, such as x·sigmoid(x)."""
        if isinstance(x, Permuted):  # before the axes are in another order, with what may be fused
            return replace(x, base=self.tensor(self.activation(layer, x.base)))
        inner = x if _begins_mish(layer, x) else self._function(x)
        curve = None if inner.curve is None else activation_values(layer, inner.curve)
        body = None if inner.body is None else substituted(layer.function.body, {"x": inner.body})
        read = inner.base if inner.curve is GRID else inner
        return Arithmetic(inner.base, curve, body, None, (layer, (read,)), self.name, self.where)

    def prelu(self, x: Any, slopes: Any) -> Tensor:
        """A PReLU: one slope, or one for each channel, which stand along the channels' axis."""
        if not isinstance(slopes, Weights):
            raise Refusal("has slopes that are no array of weights")
        count = by_channel(slopes, self.tensor(x).shape).size
        held = replace(slopes, values=slopes.values.reshape(count))
        return self.layer(PReLU(count), x, weights={"weight": held})

    def dropout(self, x: Any, p: float) -> Any:
        """A dropout; with p = 0 it is kept, as it changes nothing."""
        return self.layer(Dropout(p), x)

    def unary(self, name: str, x: Any) -> Any:
        """A function of one number from `UNARY`."""
        if not isinstance(x, Value):
            constant = np.asarray(as_numbers(x), np.float64)
            if constant.size > MOST_DECIMALS:
                raise Refusal(f"computes with {constant.size:,} constants")
            return self.spent(computed(name, constant))
        inner = self._function(x)
        curve = None if inner.curve is None else computed(name, inner.curve)
        body = None if inner.body is None else UNARY[name](inner.body)
        return Arithmetic(inner.base, curve, body, None, None, self.name, self.where)

    def clip(self, x: Any, low: Any, high: Any) -> Any:
        """x within bounds, each a constant or None."""
        bounds = [None if limit is None else np.asarray(as_numbers(limit)) for limit in (low, high)]
        if isinstance(x, Value) and all(b is not None and b.size == 1 for b in bounds):
            least, most = (shortest_decimal(float(b.reshape(()))) for b in bounds if b is not None)
            if -np.inf < least < most < np.inf:
                hard = ReLU6() if (least, most) == (0, 6) else Hardtanh(least, most)
                return self.activation(hard, x)
        x = x if low is None else self.binary("max", low, x)
        return x if high is None else self.binary("min", high, x)

    def choose(self, condition: Any, positive: Any, other: Any) -> Arithmetic:
        """`positive` where the condition is above 0, `other` elsewhere; all of one value."""
        parts = [
            self._function(x) if isinstance(x, Value) else Literal(single_number(x))
            for x in (condition, positive, other)
        ]
        base, *others = (part.base for part in parts if isinstance(part, Arithmetic))
        one, two, three = (p.body if isinstance(p, Arithmetic) else p for p in parts)
        if any(o != base for o in others) or one is None or two is None or three is None:
            raise Refusal("chooses between what several layers give")
        match one:  # a comparison, whose own choice is between 1 and 0
            case Call("where", (compared, Literal(yes), Literal(no))) if {yes, no} == {0, 1}:
                one, two, three = (compared, two, three) if yes else (compared, three, two)
        body = where(one, two, three)
        return Arithmetic(base, curve_of(body), body, None, None, self.name, self.where)

    def _function(self, x: Any) -> Arithmetic:
        """A value as a function of what it is computed from: itself, if a layer gives it."""
        if isinstance(x, Arithmetic) and _whole(x) is None:
            return x
        return self._identity(self.tensor(x))

    def binary(self, name: str, a: Any, b: Any) -> Any:
        """Arithmetic from `BINARY` of two values, or of a value and constants."""
        if not isinstance(a, Value) and not isinstance(b, Value):
            return self._constants(name, as_numbers(a), as_numbers(b))
        if not (isinstance(a, Value) and isinstance(b, Value)):
            return self._with_constant(name, a, b)
        for one, other in ((a, b), (b, a)):
            if isinstance(one, Expanded) and tuple(other.shape) == one.shape:
                read = [x.base if isinstance(x, Expanded) else x for x in (a, b)]
                if name in _JOINING and self._shape_of(name, read) == one.shape:
                    return self.binary(name, *read)
        pair = self._together(a, b)
        if pair is None and name in _CHOSEN and tuple(a.shape) == tuple(b.shape):
            return self.layer(_CHOSEN[name], a, self.layer(Pointwise("a - b"), a, b), b)
        if pair is None:
            return self.layer(self._joining(name, a, b), a, b)
        first, second = pair
        curve, body = None, None
        if first.curve is not None and second.curve is not None:
            curve = computed(name, first.curve, second.curve)
        if first.body is not None and second.body is not None:
            body = BINARY[name](first.body, second.body)
        joined = name == "add" or (body is None and name in _JOINING)
        outer = (_JOINING[name], (a, b)) if joined else None
        return Arithmetic(first.base, curve, body, None, outer, self.name, self.where)

    def _shape_of(self, name: str, read: Sequence[Any]) -> Shape | None:
        """The shape that two layers' outputs have together; None where they do not fit."""
        shapes = [(1, *self.tensor(x).shape) for x in read]
        try:
            equation = _JOINING[name].declare(*shapes, training=False).equation
        except ShapeError:
            return None
        return equation.shape_of[equation.target.array][1:]

    def _joining(self, name: str, a: Any, b: Any) -> Layer:
        """The layer that computes two layers' outputs together, element by element."""
        shapes = tuple(tuple(x.shape) for x in (a, b))
        if len(shapes[0]) != len(shapes[1]):
            raise Refusal(
                f"combines samples of {shapes[0]} and {shapes[1]}, whose axes are counted from the "
                "end there"
            )
        if name not in _JOINING:
            raise Refusal(f"combines two layers' outputs by {name!r}, which no layer here does")
        return _JOINING[name]

    def _constants(self, name: str, a: Any, b: Any) -> np.ndarray:
        """Arithmetic of constants that have one shape, or of which one is a number."""
        shapes = [np.shape(x) for x in (a, b) if np.size(x) > 1]
        if len(set(shapes)) > 1:
            raise Refusal(f"computes with constants of shapes {shapes[0]} and {shapes[1]}")
        return self.spent(computed(name, a, b))

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

    def _together(self, a: Any, b: Any) -> tuple[Arithmetic, Arithmetic] | None:
        """Both as functions of one thing, if they are."""

        def views(x: Any) -> Iterator[Arithmetic]:
            made = self._made.get(x) if isinstance(x, Arithmetic) else x
            if isinstance(made, Tensor):
                yield self._identity(made)
            if isinstance(x, Arithmetic):
                yield x

        pairs = ((first, second) for first in views(a) for second in views(b))
        return next((pair for pair in pairs if pair[0].base == pair[1].base), None)

    def _identity(self, x: Tensor) -> Arithmetic:
        return Arithmetic(x, GRID, X, (np.zeros(()), np.ones(())), None, self.name, self.where)

    def _with_constant(self, name: str, a: Any, b: Any) -> Arithmetic | Tensor:
        """Arithmetic with constants: one number, or one for each channel."""
        first = not isinstance(a, Value)
        given, inner = (a, self._function(b)) if first else (b, self._function(a))
        if isinstance(given, Weights) and given.trained:
            return self._with_parameter(name, inner, given, first)
        shape = np.shape(given.values if isinstance(given, Weights) else given)
        if not is_by_channel(shape, inner.base.shape):
            values = np.asarray(as_numbers(given))
            return self._with_parameter(name, inner, Weights(CONSTANT, values), first)
        constant = by_channel(given, inner.base.shape)
        if constant.ndim and inner.affine is None:  # a function before it is a layer
            inner = self._identity(self.tensor(inner))
        scales = name == "mul" or (name == "div" and not first)
        if constant.ndim and scales and not _divides(constant):
            values = np.asarray(as_numbers(given))
            with np.errstate(all="ignore"):
                factors = Weights(CONSTANT, values if name == "mul" else 1 / values)
            return self._with_parameter("mul", inner, factors, first)
        curve, body = None, None
        with np.errstate(all="ignore"):
            if inner.curve is not None and constant.ndim == 0:
                pair = (constant, inner.curve) if first else (inner.curve, constant)
                curve = computed(name, *pair)
            if inner.body is not None and constant.ndim == 0:
                number = Literal(float(constant))
                body = BINARY[name](*((number, inner.body) if first else (inner.body, number)))
            affine = inner.affine and affine_after(name, *inner.affine, constant, first)
        return Arithmetic(inner.base, curve, body, affine, None, self.name, self.where)

    def _with_parameter(self, name: str, inner: Arithmetic, given: Weights, first: bool) -> Tensor:
        """The bias of the layer before, or a layer that adds or multiplies by a parameter."""
        x = inner.base if inner.curve is GRID else self.tensor(inner)
        sizes = (1,) * (len(x.shape) + 1 - given.values.ndim) + given.values.shape
        is_bias = name == "add" and self._biasless(x)
        if is_bias and sizes == (1, x.shape[0], *(1 for _ in x.shape[1:])):
            return self._biased(x, replace(given, values=given.values.reshape(-1)))
        fits = all(own in (1, size) for own, size in zip(sizes, (1, *x.shape), strict=False))
        if name not in SIGNS or len(sizes) != len(x.shape) + 1 or not fits:
            raise Refusal(
                f"computes with the parameter {given.name!r} of shape {given.values.shape}, and no "
                f"layer here trains such a one with samples of {x.shape}"
            )
        layer, key = trained_formula(name, sizes, given.name, first)
        held = given.values.reshape([size for size in sizes if size > 1] or [1])
        owner = given.name.rpartition(".")[0].replace(".", "_")
        return self.layer(layer, x, weights={key: replace(given, values=held)}, name=owner or None)

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
        return isinstance(layer, Conv2d | ConvTranspose2d | Linear) and not layer.bias


_CHOSEN: Mapping[str, Layer] = {"max": Pointwise(GREATER), "min": Pointwise(LESSER)}
"""One of two, by their difference, which stands between them."""

_JOINING: Mapping[str, Layer] = {
    "add": Add(),
    "mul": Multiply(),
    "sub": Pointwise("a - b"),
    "div": Pointwise("a/b"),
}
"""What computes two layers' outputs together."""


def _multiplies(value: Arithmetic) -> bool:
    """Whether a shifted and scaled value has one factor, which no normalisation divides by."""
    assert value.affine is not None, "it is no such value"
    _, std = value.affine
    return value.body is not None and not _divides(std) and bool((std < 0).all() or std == np.inf)


def _divides(std: np.ndarray) -> bool:
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


def _whole(value: Arithmetic) -> tuple[Layer, tuple[Any, ...]] | None:
    """The layer that computes a value as it stands, and what it reads."""
    if value.outer is not None and all(isinstance(read, Tensor) for read in value.outer[1]):
        return value.outer
    layer = None if value.curve is None else layer_of(value.curve)
    return None if layer is None else (layer, (value.base,))


def _begins_mish(layer: Activation, x: Any) -> bool:
    """Whether it is tanh(softplus(x)), of which times x is a Mish: the one made of two others."""
    inner = _whole(x) if isinstance(layer, Tanh) and isinstance(x, Arithmetic) else None
    return inner is not None and inner[0] == Softplus()


def _owner(weights: Mapping[str, Weights]) -> str | None:
    """What owns the weights, as `layer1.0.conv1.weight` says it."""
    name = weights["weight"].name if "weight" in weights else ""
    return name.removesuffix(".weight").replace(".", "_") if name.endswith(".weight") else None
