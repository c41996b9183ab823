"""What is done element by element: activations, arithmetic, sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...equation.scalar import Call, Literal, substituted, where
from ...errors import ShapeError
from ...layers import Dropout, Hardtanh, Layer, Pointwise, PReLU, ReLU6, Softplus, Tanh
from ...layers.activations import Activation
from ...layers.joins import GREATER, LESSER, Add, Multiply
from .arithmetic import (
    BINARY,
    GRID,
    UNARY,
    X,
    activation_values,
    computed,
    curve_of,
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
from .refusals import Refusal
from .settling import Settling, divides, whole_layer
from .trained_formulas import SIGNS, trained_formula
from .values import Arithmetic, Expanded, Permuted, Shape, Tensor, Value, Weights


class Elementwise(Settling):
    """The part of the builder for what is done element by element; args are those of `Settling`."""

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
        count = by_channel(slopes.values, self.tensor(x).shape).size
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
        inner = self._alike(x)
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
            self._alike(x) if isinstance(x, Value) else Literal(single_number(x))
            for x in (condition, positive, other)
        ]
        if not any(isinstance(part, Arithmetic) for part in parts):
            raise Refusal("chooses between numbers of the model")
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
        if isinstance(x, Arithmetic) and whole_layer(x) is None:
            return x
        return self._identity(self.tensor(x))

    def _alike(self, x: Any) -> Arithmetic:
        """The same, with one function for all channels: where they differ, a layer is before it."""
        made = self._function(x)
        return made if made.body is not None else self._identity(self.tensor(made))

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
        still = isinstance(given, Weights) and given.frozen and name not in SIGNS
        if isinstance(given, Weights) and given.trained and not still:
            return self._with_parameter(name, inner, given, first)
        shape = np.shape(given.values if isinstance(given, Weights) else given)
        if not is_by_channel(shape, inner.base.shape):
            values = np.asarray(as_numbers(given))
            return self._with_parameter(name, inner, Weights(CONSTANT, values), first)
        constant = by_channel(given, inner.base.shape)
        if constant.ndim and first and name in _TURNED:
            turning, joining = _TURNED[name]
            turned: Arithmetic | Tensor = self.binary(joining, self.unary(turning, inner), given)
            return turned
        if constant.ndim and not (inner.affine and divides(inner.affine[1])):
            inner = self._identity(self.tensor(inner))  # a function before it is a layer
        scales = name == "mul" or (name == "div" and not first)
        if constant.ndim and scales and not divides(constant):
            values = np.asarray(as_numbers(given))
            with np.errstate(all="ignore"):
                factors = Weights(CONSTANT, values if name == "mul" else 1 / values)
            return self._with_parameter("mul", inner, factors, first)
        curve, body = None, None
        with np.errstate(all="ignore"):
            affine = inner.affine and affine_after(name, *inner.affine, constant, first)
        if inner.body is None and not (affine and divides(affine[1])):
            settled = self.tensor(inner)
            read = (given, settled) if first else (settled, given)
            return self._with_constant(name, *read)
        with np.errstate(all="ignore"):
            if inner.curve is not None and constant.ndim == 0:
                pair = (constant, inner.curve) if first else (inner.curve, constant)
                curve = computed(name, *pair)
            if inner.body is not None and constant.ndim == 0:
                number = Literal(float(constant))
                body = BINARY[name](*((number, inner.body) if first else (inner.body, number)))
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


_TURNED: Mapping[str, tuple[str, str]] = {"sub": ("neg", "add"), "div": ("reciprocal", "mul")}
"""c − x is −x and c added, c/x is 1/x times c."""

_CHOSEN: Mapping[str, Layer] = {"max": Pointwise(GREATER), "min": Pointwise(LESSER)}
"""One of two, by their difference, which stands between them."""

_JOINING: Mapping[str, Layer] = {
    "add": Add(),
    "mul": Multiply(),
    "sub": Pointwise("a - b"),
    "div": Pointwise("a/b"),
}
"""What computes two layers' outputs together."""


def _begins_mish(layer: Activation, x: Any) -> bool:
    """Whether it is tanh(softplus(x)), of which times x is a Mish: the one made of two others."""
    inner = whole_layer(x) if isinstance(layer, Tanh) and isinstance(x, Arithmetic) else None
    return inner is not None and inner[0] == Softplus()
