"""The activation whose slope below 0 is learned."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, final

from ..checking.arguments import is_finite
from ..checking.calls import call_example
from ..equation import Affine, Applied, Array, contraction, term
from ..equation.frozen import frozen
from ..equation.scalar import Function, Variable, maximum, minimum
from ..errors import ArgumentError, ShapeError
from .layer import Declaration, Layer, Parameter, Shape, elementwise

X, Z, a = Array("X"), Array("Z"), Array("a")
x = Variable("x")

POSITIVE = Function("relu", maximum(x, 0))
NEGATIVE = Function("negative", minimum(0, x))
"""The part below 0; its slope at 0 is 1, so that the whole has the learned slope there."""


@final
@call_example("gt.PReLU()")
@frozen
class PReLU(Layer):
    """x above 0, and a learned multiple of x elsewhere.

    Shapes: X and Z (N, C, …) or (N, features); a (1,) or (C,).

    Forward:
        Z[n,c,y,x] = relu(X[n,c,y,x]) + a[0]·negative(X[n,c,y,x])

    Adjoints:
        dX[n,c,y,x] = relu′(X[n,c,y,x])·dZ[n,c,y,x] + a[0]·negative′(X[n,c,y,x])·dZ[n,c,y,x]
        da[0] = Σ_{n,c,y,x} dZ[n,c,y,x]·negative(X[n,c,y,x])

    With one slope for each channel, a[c] stands where a[0] does. At 0 the slope is a, and a gets
    nothing.

    Args:
        num_parameters: 1 for all channels together, or how many channels there are.
        init: what the slopes begin with.
        name: instead of prelu1, …

    Raises:
        ArgumentError: a number of slopes below 1, or a start that is not finite.

    Source: K. He et al., "Delving deep into rectifiers" (2015), eq. 1.
    """

    prefix: ClassVar[str] = "prelu"

    num_parameters: int = 1
    init: float = 0.25
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        count = self.num_parameters
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ArgumentError(f"PReLU: num_parameters must be at least 1, got {count!r}")
        if not is_finite(self.init):
            raise ArgumentError(f"PReLU: init must be finite, got {self.init!r}")

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape with as many channels as there are slopes."""
        (shape,) = sources
        if self.num_parameters not in (1, shape[1]):
            raise ShapeError(
                f"has {self.num_parameters} slopes but gets {shape[1]} channels",
                f"Set num_parameters={shape[1]}, or 1 for all of them together",
            )
        each = elementwise(shape)
        slope = a[each[1] if self.num_parameters > 1 else Affine()]
        equation = contraction(
            term(Z[each], Applied(POSITIVE, X[each])),
            term(Z[each], slope, Applied(NEGATIVE, X[each])),
            ranges={},
            shapes={"X": shape, "a": (self.num_parameters,)},
        )
        return Declaration(equation, parameters={"a": Parameter("weight", str(self.init))})
