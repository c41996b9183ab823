"""Local response normalisation: each element less, the larger its neighbours in other channels."""

from __future__ import annotations

from dataclasses import field
from typing import final

from ..checking.arguments import is_finite, is_whole
from ..checking.calls import call_example
from ..equation.frozen import frozen
from ..errors import ArgumentError, ShapeError
from .formula import EquationLayer
from .functional import Block, GraphNode
from .layer import elementwise, times
from .pointwise import Pointwise


@final
@call_example("gt.LocalResponseNorm(5)")
@frozen
class LocalResponseNorm(Block):
    """Divides by a power of the mean square over neighbouring channels.

    It is two formulas, so that every sum in it can be asked for: the squares of a window of
    channels, and what they make of each element.

    Shapes: X, S and Z (N, C, …), with at least one axis behind the channels.

    Forward, with q = size // 2; then Z = X·(k + alpha/size·S)^(−beta), element by element:
        S[n,c,y,x] = Σ_{i} X[n,c+i−q,y,x]·X[n,c+i−q,y,x]

    Adjoints, of the squares:
        dX[n,c+i−q,y,x] += dS[n,c,y,x]·X[n,c+i−q,y,x] + X[n,c+i−q,y,x]·dS[n,c,y,x]
        dX[n,c′,y,x] = Σ_{i} dS[n,c′+q−i,y,x]·X[n,c′+q−q,y,x] + Σ_{i} X[n,c′+q−q,y,x]·dS[n,c′+q−i,y,x]

    Edges: outside X a square is 0, and the mean is over `size` channels all the same.

    Args:
        size: how many channels the window has; of an even number one more lies before.
        alpha: what the mean square is multiplied by.
        beta: the power.
        k: what is added to it.
        name: of the layer that divides, instead of pointwise1, …

    Raises:
        ArgumentError: an argument out of its range.

    Source: A. Krizhevsky et al., "ImageNet classification with deep convolutional neural networks"
    (2012), section 3.3.
    """  # noqa: E501, the derived line is what it is

    size: int
    alpha: float = field(default=1e-4, kw_only=True)
    beta: float = field(default=0.75, kw_only=True)
    k: float = field(default=1.0, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not is_whole(self.size, 1):
            raise ArgumentError(
                f"LocalResponseNorm: size must be a whole number ≥ 1, got {self.size!r}"
            )
        object.__setattr__(self, "size", int(self.size))
        for setting in ("alpha", "beta", "k"):
            number = getattr(self, setting)
            if not is_finite(number):
                raise ArgumentError(
                    f"LocalResponseNorm: {setting} must be a finite number, got {number!r}"
                )
            object.__setattr__(self, setting, float(number))

    def forward(self, *nodes: GraphNode) -> GraphNode:
        """See `Block.forward`."""
        (node,) = nodes
        if len(node.shape) < 2:
            raise ShapeError(
                f"LocalResponseNorm takes samples with places behind their channels, but gets "
                f"{times(node.shape)}"
            )
        _, _, *places = elementwise((1, *node.shape))
        where = "".join(f",{place.plain}" for place in places)
        square = f"X[n,c+i-q{where}]"
        text = f"S[n,c{where}] = Σ_{{i}} {square}·{square}"
        numbers = {"q": self.size // 2, "i": self.size, "c": node.shape[0]}
        squares = EquationLayer(text, numbers=numbers)(node)
        damped = f"x*({self.k!r} + {self.alpha / self.size!r}*s)**({-self.beta!r})"
        return Pointwise(damped, name=self.name)(node, squares)
