"""Activations: a function of each element by itself; its slope is derived from the same line.

One class is all that there is to say of an activation: what it computes, its settings, and what
PyTorch and ONNX call it. Importers and exporters read that here. Those that few networks have are
in `piecewise_activations.py` and `smooth_activations.py`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import field
from typing import ClassVar, final

from ..checking.arguments import is_finite
from ..checking.calls import call_example
from ..equation import Applied, Array, contraction, term
from ..equation.frozen import frozen
from ..equation.scalar import Function, Variable, erf, maximum, scalar, sigmoid, tanh, where
from ..errors import ArgumentError
from .layer import Declaration, Layer, Shape, elementwise

X, Z = Array("X"), Array("Z")
x = Variable("x")


@frozen
class Elsewhere:
    """What an activation is called in PyTorch, beside its class, and in ONNX.

    Args:
        function: in `torch.nn.functional`.
        operator: ONNX's; None where it is written as several.
        since: the first set of operators that has it.
        attributes: what ONNX calls its settings, by their names here. With other settings that
            differ from their defaults it is written as several operators.
        fixed: ONNX's attributes that must have a value for the operator to be this activation, with
            that value and with the one that they have where a file says nothing.
        general: what the operator computes with any `fixed`, as `gt.Pointwise` is told it.
        inplace: whether PyTorch's function takes `inplace`, and writes over its input.
        positional: whether PyTorch's class needs its settings by position.
    """

    function: str
    operator: str | None = None
    since: int = 1
    attributes: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    general: str = ""
    inplace: bool = False
    positional: bool = False


class Activation(Layer):
    """A layer `Z = f(X)`, element by element."""

    elsewhere: ClassVar[Elsewhere | None] = None
    """Its counterparts in PyTorch and ONNX; None where it has none."""

    @property
    @abstractmethod
    def function(self) -> Function:
        """The function that is applied; a class attribute where it has no settings."""

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        each = elementwise(shape)
        applied = term(Z[each], Applied(self.function, X[each]))
        return Declaration(contraction(applied, ranges={}, shapes={"X": shape}))


def check_finite(layer: Layer, *settings: str) -> None:
    """Refuse settings that are no finite numbers.

    Raises:
        ArgumentError: naming the first of them.
    """
    for setting in settings:
        value = getattr(layer, setting)
        if not is_finite(value):
            raise ArgumentError(f"{layer.kind}: {setting} must be finite, got {value!r}")


@final
@call_example("gt.ReLU()")
@frozen
class ReLU(Activation):
    """The positive part: max(x, 0).

    Forward:
        Z[n,c,y,x] = relu(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = relu′(X[n,c,y,x])·dZ[n,c,y,x]

    At 0 the derivative is 0. A NaN passes through.

    Args:
        name: instead of relu1, relu2, …
    """

    prefix: ClassVar[str] = "relu"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("relu", "Relu", inplace=True)
    function: ClassVar[Function] = Function("relu", maximum(x, 0))

    name: str | None = field(default=None, kw_only=True)


@final
@call_example("gt.LeakyReLU()")
@frozen
class LeakyReLU(Activation):
    """x above 0, negative_slope·x elsewhere.

    Forward:
        Z[n,c,y,x] = leaky_relu(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = leaky_relu′(X[n,c,y,x])·dZ[n,c,y,x]

    At 0 the derivative is negative_slope.

    Args:
        negative_slope: the slope below 0.
        name: instead of leakyrelu1, …

    Raises:
        ArgumentError: a slope that is not a finite number.

    Source: A. Maas et al., "Rectifier nonlinearities improve acoustic models" (2013), section 2.
    """

    prefix: ClassVar[str] = "leakyrelu"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "leaky_relu",
        "LeakyRelu",
        attributes={"negative_slope": "alpha"},
        inplace=True,
        positional=True,
    )

    negative_slope: float = 0.01
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_finite(self, "negative_slope")

    @property
    def function(self) -> Function:
        """Above 0 x, elsewhere negative_slope·x."""
        return Function("leaky_relu", where(x, x, self.negative_slope * x))


@final
@call_example("gt.Sigmoid()")
@frozen
class Sigmoid(Activation):
    """The logistic function 1/(1 + exp(−x)).

    Forward:
        Z[n,c,y,x] = sigmoid(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = sigmoid′(X[n,c,y,x])·dZ[n,c,y,x]

    Args:
        name: instead of sigmoid1, …
    """

    prefix: ClassVar[str] = "sigmoid"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("sigmoid", "Sigmoid")
    function: ClassVar[Function] = Function("sigmoid", sigmoid(x))

    name: str | None = field(default=None, kw_only=True)


@final
@call_example("gt.Tanh()")
@frozen
class Tanh(Activation):
    """The hyperbolic tangent.

    Forward:
        Z[n,c,y,x] = tanh(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = tanh′(X[n,c,y,x])·dZ[n,c,y,x]

    Args:
        name: instead of tanh1, …
    """

    prefix: ClassVar[str] = "tanh"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("tanh", "Tanh")
    function: ClassVar[Function] = Function("tanh", tanh(x))

    name: str | None = field(default=None, kw_only=True)


@final
@call_example("gt.GELU()")
@frozen
class GELU(Activation):
    """x·Φ(x), with the standard normal distribution's Φ.

    Forward:
        Z[n,c,y,x] = gelu(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = gelu′(X[n,c,y,x])·dZ[n,c,y,x]

    Args:
        approximate: "none" for Φ itself, "tanh" for its approximation by a tanh.
        name: instead of gelu1, …

    Raises:
        ArgumentError: another approximation.

    Source: D. Hendrycks and K. Gimpel, "Gaussian error linear units" (2016), section 2.
    """

    prefix: ClassVar[str] = "gelu"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "gelu", "Gelu", since=20, attributes={"approximate": "approximate"}
    )

    approximate: str = field(default="none", kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.approximate not in ("none", "tanh"):
            raise ArgumentError(
                f'GELU: approximate must be "none" or "tanh", got {self.approximate!r}'
            )

    @property
    def function(self) -> Function:
        """x·Φ(x)."""
        if self.approximate == "tanh":
            inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
            return Function("gelu_tanh", 0.5 * x * (1 + tanh(inner)))
        return Function("gelu", 0.5 * x * (1 + erf(x / scalar(math.sqrt(2)))))


@final
@call_example("gt.SiLU()")
@frozen
class SiLU(Activation):
    """x·sigmoid(x), also called swish.

    Forward:
        Z[n,c,y,x] = silu(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = silu′(X[n,c,y,x])·dZ[n,c,y,x]

    Args:
        name: instead of silu1, …

    Source: S. Elfwing et al., "Sigmoid-weighted linear units" (2017), eq. 3.
    """

    prefix: ClassVar[str] = "silu"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("silu", inplace=True)
    function: ClassVar[Function] = Function("silu", x * sigmoid(x))

    name: str | None = field(default=None, kw_only=True)
