"""Activations that are smooth, or made of exponentials."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation.frozen import frozen
from ..equation.scalar import Function, Variable, absolute, expm1, softplus, tanh, where
from ..errors import ArgumentError
from .activations import Activation, Elsewhere, check_finite

x = Variable("x")

_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805


@final
@call_example("gt.ELU()")
@frozen
class ELU(Activation):
    """x above 0, alpha·(exp(x) − 1) elsewhere.

    Forward:
        Z[n,c,y,x] = elu(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = elu′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope at 0 is alpha.

    Args:
        alpha: minus the value far below 0.
        name: instead of elu1, …

    Raises:
        ArgumentError: a setting that is not a finite number.

    Source: D.-A. Clevert et al., "Fast and accurate deep network learning by exponential linear
    units" (2015), eq. 14.
    """

    prefix: ClassVar[str] = "elu"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "elu", "Elu", attributes={"alpha": "alpha"}, inplace=True
    )

    alpha: float = 1.0
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_finite(self, "alpha")

    @property
    def function(self) -> Function:
        """See the class."""
        return Function("elu", where(x, x, self.alpha * expm1(x)))


@final
@call_example("gt.SELU()")
@frozen
class SELU(Activation):
    """1.0507·x above 0, 1.7581·(exp(x) − 1) elsewhere: it keeps mean 0 and variance 1.

    Forward:
        Z[n,c,y,x] = selu(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = selu′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope at 0 is 1.7581.

    Args:
        name: instead of selu1, …

    Source: G. Klambauer et al., "Self-normalizing neural networks" (2017), eq. 2.
    """

    prefix: ClassVar[str] = "selu"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "selu",
        "Selu",
        fixed={"alpha": (_ALPHA, _ALPHA), "gamma": (_SCALE, _SCALE)},
        general="gamma*(x if x > 0 else alpha*expm1(x))",
        inplace=True,
    )
    function: ClassVar[Function] = Function("selu", _SCALE * where(x, x, _ALPHA * expm1(x)))

    name: str | None = field(default=None, kw_only=True)


@final
@call_example("gt.CELU()")
@frozen
class CELU(Activation):
    """x above 0, alpha·(exp(x/alpha) − 1) elsewhere.

    Forward:
        Z[n,c,y,x] = celu(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = celu′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope at 0 is 1.

    Args:
        alpha: minus the value far below 0; not 0.
        name: instead of celu1, …

    Raises:
        ArgumentError: a number that is not finite, or 0.

    Source: J. T. Barron, "Continuously differentiable exponential linear units" (2017), eq. 2.
    """

    prefix: ClassVar[str] = "celu"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "celu", "Celu", since=12, attributes={"alpha": "alpha"}, inplace=True
    )

    alpha: float = 1.0
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_finite(self, "alpha")
        if self.alpha == 0:
            raise ArgumentError("CELU: alpha must not be 0, since x is divided by it")

    @property
    def function(self) -> Function:
        """See the class."""
        return Function("celu", where(x, x, self.alpha * expm1(x / self.alpha)))


@final
@call_example("gt.Mish()")
@frozen
class Mish(Activation):
    """x·tanh(log(1 + exp(x))).

    Forward:
        Z[n,c,y,x] = mish(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = mish′(X[n,c,y,x])·dZ[n,c,y,x]

    At −∞ it is a NaN, as in PyTorch.

    Args:
        name: instead of mish1, …

    Source: D. Misra, "Mish: a self regularized non-monotonic activation function" (2019), eq. 1.
    """

    prefix: ClassVar[str] = "mish"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("mish", "Mish", since=18, inplace=True)
    function: ClassVar[Function] = Function("mish", x * tanh(softplus(x)))

    name: str | None = field(default=None, kw_only=True)


@final
@call_example("gt.Softplus()")
@frozen
class Softplus(Activation):
    """log(1 + exp(beta·x))/beta, and x itself where beta·x is above a threshold.

    Forward:
        Z[n,c,y,x] = softplus(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = softplus′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope is sigmoid(beta·x), and 1 above the threshold.

    Args:
        beta: how sharply it bends; not 0.
        threshold: above which beta·x is taken to be far out.
        name: instead of softplus1, …

    Raises:
        ArgumentError: a setting that is not finite, or a beta of 0.

    Source: C. Dugas et al., "Incorporating second-order functional knowledge" (2000), section 3.
    """

    prefix: ClassVar[str] = "softplus"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("softplus", "Softplus")

    beta: float = 1.0
    threshold: float = 20.0
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_finite(self, "beta", "threshold")
        if self.beta == 0:
            raise ArgumentError(
                "Softplus: beta must not be 0, since the logarithm is divided by it"
            )

    @property
    def function(self) -> Function:
        """See the class."""
        scaled = self.beta * x
        return Function("softplus", where(scaled - self.threshold, x, softplus(scaled) / self.beta))


@final
@call_example("gt.Softsign()")
@frozen
class Softsign(Activation):
    """x/(1 + |x|).

    Forward:
        Z[n,c,y,x] = softsign(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = softsign′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope at 0 is 1; at ±∞ it is a NaN, as in PyTorch.

    Args:
        name: instead of softsign1, …

    Source: X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward
    neural networks" (2010), section 2.3.
    """

    prefix: ClassVar[str] = "softsign"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("softsign", "Softsign")
    function: ClassVar[Function] = Function("softsign", x / (1 + absolute(x)))

    name: str | None = field(default=None, kw_only=True)


@final
@call_example("gt.LogSigmoid()")
@frozen
class LogSigmoid(Activation):
    """log(1/(1 + exp(−x))), without overflow.

    Forward:
        Z[n,c,y,x] = logsigmoid(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = logsigmoid′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope is sigmoid(−x).

    Args:
        name: instead of logsigmoid1, …
    """

    prefix: ClassVar[str] = "logsigmoid"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("logsigmoid")
    function: ClassVar[Function] = Function("logsigmoid", -softplus(-x))

    name: str | None = field(default=None, kw_only=True)


@final
@call_example("gt.Tanhshrink()")
@frozen
class Tanhshrink(Activation):
    """x − tanh(x).

    Forward:
        Z[n,c,y,x] = tanhshrink(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = tanhshrink′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope is tanh(x)².

    Args:
        name: instead of tanhshrink1, …
    """

    prefix: ClassVar[str] = "tanhshrink"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("tanhshrink")
    function: ClassVar[Function] = Function("tanhshrink", x - tanh(x))

    name: str | None = field(default=None, kw_only=True)
