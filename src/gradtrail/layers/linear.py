"""The fully connected layer: `Z[n,k] = b[k] + Σ_{f} W[k,f]·X[n,f]`."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, final

from ..checking.arguments import positive
from ..checking.calls import call_example
from ..equation import Array, contraction, indices, term
from ..equation.frozen import frozen
from ..errors import ShapeError
from .layer import Declaration, Layer, Parameter, Shape, canonical, known_initialization, times

X, W, b, Z = Array("X"), Array("W"), Array("b"), Array("Z")


@final
@call_example("gt.Linear(10)")
@frozen
class Linear(Layer):
    """A fully connected layer: every output sums every input feature.

    Shapes: X (N, F), W (K, F), b (K,), Z (N, K).

    Forward:
        Z[n,k] = b[k] + Σ_{f} W[k,f]·X[n,f]

    Adjoints:
        dW[k,f] = Σ_{n} dZ[n,k]·X[n,f]
        db[k] = Σ_{n} dZ[n,k]
        dX[n,f] = Σ_{k} W[k,f]·dZ[n,k]

    Args:
        out_features: K, the number of outputs.
        bias: whether b is there.
        in_features: F, inferred; if given, it is checked.
        initialization: of W, by name; b starts at 0.
        name: instead of fc1, fc2, …

    Raises:
        ArgumentError: an argument out of its range.
    """

    prefix: ClassVar[str] = "fc"

    out_features: int
    bias: bool = field(default=True, kw_only=True)
    in_features: int | None = field(default=None, kw_only=True)
    initialization: str = field(default="he_normal", kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self, "bias")
        positive("Linear", out_features=self.out_features)
        if self.in_features is not None:
            positive("Linear", in_features=self.in_features)
        known_initialization("Linear", self.initialization)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, features)."""
        (shape,) = sources
        if len(shape) != 2:
            raise ShapeError(
                f"expects a sample of (features) but gets {times(shape[1:])}",
                "Put Flatten() or GlobalAvgPool2d() before it",
            )
        features = shape[1]
        if self.in_features not in (None, features):
            raise ShapeError(
                f"weight expects {self.in_features} inputs but gets {features}",
                f"Set in_features={features}",
            )
        n, k, f = indices("n k f")
        products = term(Z[n, k], W[k, f], X[n, f])
        terms = (term(Z[n, k], b[k]), products) if self.bias else (products,)
        equation = contraction(*terms, ranges={"k": self.out_features}, shapes={"X": shape})
        parameters = {"W": Parameter("weight", self.initialization, features, self.out_features)}
        if self.bias:
            parameters["b"] = Parameter("bias")
        return Declaration(equation, parameters=parameters)
