"""Stochastic depth: in training whole samples of a branch are dropped, and others made up for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from ..checking.calls import call_example
from ..equation import Affine
from ..equation.frozen import frozen
from ..errors import ArgumentError
from .dropout import DropoutNd
from .layer import Draw, Shape


@final
@call_example('gt.StochasticDepth(0.2, "row")')
@frozen
class StochasticDepth(DropoutNd):
    """Sets samples to zero at random in training, as the last layer of a residual's body.

    Shapes: X and Z alike, the mask M (N,).

    Forward, in training, with M = 1/(1 − p) where a sample is kept and 0 where it is dropped:
        Z[n,c,y,x] = M[n]·X[n,c,y,x]

    Adjoints:
        dX[n,c,y,x] = M[n]·dZ[n,c,y,x]

    In evaluation:
        Z[n,c,y,x] = X[n,c,y,x]

    Args:
        p: the probability of being dropped, at least 0 and below 1.
        mode: "row" draws for each sample; "batch" draws once, and drops all samples or none.
        name: instead of dropout1, …

    Raises:
        ArgumentError: p outside its range, or another mode.

    Source: G. Huang et al., "Deep networks with stochastic depth" (2016).
    """

    mode: str = "row"

    def __post_init__(self) -> None:
        DropoutNd.__post_init__(self)
        if self.mode not in ("row", "batch"):
            raise ArgumentError(
                f'StochasticDepth: mode must be "row" or "batch", got {self.mode!r}'
            )

    @property
    def draws(self) -> Mapping[str, Draw]:
        """See `Layer.draws`."""
        return {"M": Draw.of(self.p, together=self.mode == "batch")}

    def drawn_at(self, shape: Shape, each: tuple[Affine, ...]) -> tuple[Affine, ...]:
        """See `DropoutNd.drawn_at`: n."""
        return each[:1]
