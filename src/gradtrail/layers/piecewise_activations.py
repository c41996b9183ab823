"""Activations of straight pieces: their slope jumps, and says on which side at each kink."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, final

from ..checking.calls import call_example
from ..equation.frozen import frozen
from ..equation.scalar import Function, Variable, absolute, clipped, maximum, minimum, step, where
from ..errors import ArgumentError
from .activations import Activation, Elsewhere, check_finite

x = Variable("x")


@final
@call_example("gt.ReLU6()")
@frozen
class ReLU6(Activation):
    """The positive part up to 6.

    Forward:
        Z[n,c,y,x] = relu6(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = relu6′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope is 1 between 0 and 6, and 0 elsewhere, at both ends too.

    Args:
        name: instead of relu6_1, …

    Source: A. Krizhevsky, "Convolutional deep belief networks on CIFAR-10" (2010), section 2.
    """

    prefix: ClassVar[str] = "relu6_"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("relu6", inplace=True)
    function: ClassVar[Function] = Function("relu6", clipped(x, 0, 6))

    name: str | None = field(default=None, kw_only=True)


@final
@call_example("gt.Hardtanh()")
@frozen
class Hardtanh(Activation):
    """x, held between two numbers.

    Forward:
        Z[n,c,y,x] = hardtanh(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = hardtanh′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope is 1 between the two, and 0 elsewhere, at both ends too.

    Args:
        min_val: the least value.
        max_val: the greatest value, above `min_val`.
        name: instead of hardtanh1, …

    Raises:
        ArgumentError: a setting that is not a finite number, or the greater one first.
    """

    prefix: ClassVar[str] = "hardtanh"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("hardtanh", inplace=True)

    min_val: float = -1.0
    max_val: float = 1.0
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_finite(self, "min_val", "max_val")
        if self.min_val >= self.max_val:
            raise ArgumentError(
                "Hardtanh: min_val must be below max_val, got "
                f"{self.min_val!r} and {self.max_val!r}"
            )

    @property
    def function(self) -> Function:
        """See the class."""
        return Function("hardtanh", clipped(x, self.min_val, self.max_val))


@final
@call_example("gt.Hardsigmoid()")
@frozen
class Hardsigmoid(Activation):
    """(x + 3)/6, held between 0 and 1: a sigmoid of straight lines.

    Forward:
        Z[n,c,y,x] = hardsigmoid(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = hardsigmoid′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope is 1/6 between −3 and 3, and 0 elsewhere, at both ends too.

    Args:
        name: instead of hardsigmoid1, …

    Source: M. Courbariaux et al., "BinaryConnect" (2015), eq. 3, with other numbers.
    """

    prefix: ClassVar[str] = "hardsigmoid"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "hardsigmoid",
        "HardSigmoid",
        fixed={"alpha": (1 / 6, 0.2), "beta": (0.5, 0.5)},
        general="relu(min(1, alpha*x + beta))",
        inplace=True,
    )
    function: ClassVar[Function] = Function("hardsigmoid", clipped(x + 3, 0, 6) / 6)

    name: str | None = field(default=None, kw_only=True)


@final
@call_example("gt.Hardswish()")
@frozen
class Hardswish(Activation):
    """x·relu6(x + 3)/6: a SiLU of straight lines and a parabola.

    Forward:
        Z[n,c,y,x] = hardswish(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = hardswish′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope is x/3 + 1/2 between −3 and 3; at −3 and below it is 0, at 3 and above 1.

    Args:
        name: instead of hardswish1, …

    Source: A. Howard et al., "Searching for MobileNetV3" (2019), section 5.2.
    """

    prefix: ClassVar[str] = "hardswish"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("hardswish", "HardSwish", since=14, inplace=True)
    function: ClassVar[Function] = Function("hardswish", x * clipped(x + 3, 0, 6) / 6)

    name: str | None = field(default=None, kw_only=True)


@final
@call_example("gt.Hardshrink()")
@frozen
class Hardshrink(Activation):
    """x where |x| is above a number, else 0.

    Forward:
        Z[n,c,y,x] = hardshrink(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = hardshrink′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope is 1 where |x| is above `lambd`, else 0.

    Args:
        lambd: from where on x is kept.
        name: instead of hardshrink1, …

    Raises:
        ArgumentError: a setting that is not a finite number.
    """

    prefix: ClassVar[str] = "hardshrink"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "hardshrink",
        "Shrink",
        since=9,
        attributes={"lambd": "lambd"},
        fixed={"bias": (0.0, 0.0)},
        general="x + bias if x < -lambd else x - bias if x > lambd else 0*x",
    )

    lambd: float = 0.5
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_finite(self, "lambd")

    @property
    def function(self) -> Function:
        """See the class."""
        return Function("hardshrink", where(step(absolute(x) - self.lambd), x, 0))


@final
@call_example("gt.Softshrink()")
@frozen
class Softshrink(Activation):
    """x moved towards 0 by a number, and 0 where it would pass it.

    Forward:
        Z[n,c,y,x] = softshrink(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = softshrink′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope is 1 where |x| is above `lambd`, else 0.

    Args:
        lambd: how far, at least 0.
        name: instead of softshrink1, …

    Raises:
        ArgumentError: a number that is not finite, or below 0.
    """

    prefix: ClassVar[str] = "softshrink"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("softshrink")

    lambd: float = 0.5
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_finite(self, "lambd")
        if self.lambd < 0:
            raise ArgumentError(f"Softshrink: lambd must be at least 0, got {self.lambd!r}")

    @property
    def function(self) -> Function:
        """See the class."""
        return Function("softshrink", x - minimum(self.lambd, maximum(-self.lambd, x)))


@final
@call_example("gt.Threshold(0.1, 0)")
@frozen
class Threshold(Activation):
    """x above a threshold, a fixed value elsewhere.

    Forward:
        Z[n,c,y,x] = threshold(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = threshold′(X[n,c,y,x])·dZ[n,c,y,x]

    The slope is 1 above the threshold, else 0.

    Args:
        threshold: above which x is kept.
        value: what stands elsewhere.
        name: instead of threshold1, …

    Raises:
        ArgumentError: a setting that is not a finite number.
    """

    prefix: ClassVar[str] = "threshold"
    elsewhere: ClassVar[Elsewhere] = Elsewhere("threshold", inplace=True, positional=True)

    threshold: float
    value: float
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_finite(self, "threshold", "value")

    @property
    def function(self) -> Function:
        """See the class."""
        return Function("threshold", where(step(x - self.threshold), x, self.value))
