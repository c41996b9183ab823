"""Batch norm: each channel to mean 0 and variance 1 over the batch, then scaled and shifted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from numbers import Real
from typing import ClassVar, final

import numpy as np

from ..checking.arguments import is_finite
from ..checking.calls import call_example
from ..equation import (
    Applied,
    Array,
    Contraction,
    Normalisation,
    contraction,
    normalisation,
    term,
)
from ..equation.frozen import frozen
from ..equation.scalar import Function, Variable, sqrt
from ..errors import ArgumentError
from .layer import Buffer, Declaration, Layer, Parameter, Shape, canonical, channels_of, elementwise

X, Z, γ, β, μ, v = map(Array, "XZγβμv")

STATISTICS = {"μ": "mean", "v": "variance", "r": "inverse_deviation", "U": "normalised"}
"""What a norm keeps for the backward pass, by letter."""


def check_eps(layer: str, eps: object) -> None:
    """Refuse what cannot be added to a variance.

    Raises:
        ArgumentError: not a finite number above 0.
    """
    if not is_finite(eps) or eps <= 0:
        raise ArgumentError(f"{layer}: eps must be above 0, got {eps!r}")


class ChannelNorm(Layer):
    """What norms share that have one γ and β for each channel, and may follow statistics."""

    prefix: ClassVar[str] = "norm"
    rank: ClassVar[int]
    flags: ClassVar[tuple[str, ...]] = ()
    """The settings of its own that are True or False."""

    eps: float
    momentum: float
    affine: bool
    num_features: int | None

    def __post_init__(self) -> None:
        canonical(self, "affine", *self.flags)
        check_eps(self.kind, self.eps)
        if not isinstance(self.momentum, Real) or not 0 <= self.momentum <= 1:
            raise ArgumentError(
                f"{self.kind}: momentum must lie between 0 and 1, got {self.momentum!r}"
            )

    @property
    def parameters(self) -> dict[str, Parameter]:
        """γ and β, where they are there."""
        return {"γ": Parameter("weight", "ones"), "β": Parameter("bias")} if self.affine else {}

    @property
    def running(self) -> dict[str, Buffer]:
        """The running statistics, by the letters of what they follow."""
        return {"μ": Buffer("running_mean", 0.0), "v": Buffer("running_var", 1.0)}

    def by_running(self, shape: Shape) -> Declaration:
        """With the running statistics in the place of any of the samples at hand."""
        each = elementwise(shape)
        z, c = Z[each], each[1]
        rsqrt = Applied(Function("rsqrt", 1 / sqrt(Variable("x") + self.eps)), v[c])
        inverse = (γ[c], rsqrt) if self.affine else (rsqrt,)
        terms = [term(z, *inverse, X[each]), term(z, *inverse, μ[c], scale=-1)]
        if self.affine:
            terms.append(term(z, β[c]))
        equation: Contraction = contraction(*terms, ranges={}, shapes={"X": shape})
        return Declaration(equation, parameters=self.parameters, buffers=self.running)


@frozen
class BatchNormNd(ChannelNorm):
    """What batch norms of every rank share."""

    eps: float = field(default=1e-5, kw_only=True)
    momentum: float = field(default=0.1, kw_only=True)
    affine: bool = field(default=True, kw_only=True)
    num_features: int | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, …)."""
        (shape,) = sources
        flat = self.rank == 1 and len(shape) == 2
        channels_of(self, shape, 0 if flat else self.rank, of="num_features")
        if not training:
            return self.by_running(shape)
        return Declaration(self._training(shape), parameters=self.parameters, saved=STATISTICS)

    def running_after(
        self, count: int, batch: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        """See `Layer.running_after`."""
        now = {"μ": batch["μ"], "v": batch["v"] * (count / (count - 1))}
        return {a: (1 - self.momentum) * before[a] + self.momentum * now[a] for a in now}

    def _training(self, shape: Shape) -> Normalisation:
        each = elementwise(shape)
        return normalisation(
            Z[each],
            X[each],
            v[each[1]],
            epsilon=self.eps,
            scale=γ[each[1]] if self.affine else None,
            shift=β[each[1]] if self.affine else None,
            letters=("μ", "r", "U"),
            shapes={"X": shape},
        )


@final
@call_example("gt.BatchNorm1d()")
@frozen
class BatchNorm1d(BatchNormNd):
    """Normalises each channel of a sequence, or each feature, as BatchNorm2d does a map's channels.

    Shapes: X and Z (N, C, L) or (N, C); γ, β, the running mean and the running variance (C,).

    Forward, in training:
        Z[n,c,x] = γ[c]·U[n,c,x] + β[c]
        U[n,c,x] = (X[n,c,x] − μ[c])·r[c]
        r[c] = 1/√(v[c] + ε)
        μ[c] = (1/(|n|·|x|))·Σ_{n,x} X[n,c,x]
        v[c] = (1/(|n|·|x|))·Σ_{n,x} (X[n,c,x] − μ[c])²

    Adjoints, in training:
        dγ[c] = Σ_{n,x} dZ[n,c,x]·U[n,c,x]
        dβ[c] = Σ_{n,x} dZ[n,c,x]
        dX[n,c,x] = γ[c]·r[c]·dZ[n,c,x] − (1/(|n|·|x|))·Σ_{n′,x′} γ[c]·r[c]·dZ[n′,c,x′] − (1/(|n|·|x|))·Σ_{n′,x′} γ[c]·r[c]·U[n,c,x]·dZ[n′,c,x′]·U[n′,c,x′]

    Args:
        eps: ε.
        momentum: how much of the running statistics each step replaces.
        affine: whether γ and β are there.
        num_features: C, inferred; if given, it is checked.
        name: instead of norm1, norm2, …

    Raises:
        ArgumentError: an argument out of its range.
    """  # noqa: E501, the derived line is what it is

    rank: ClassVar[int] = 1


@final
@call_example("gt.BatchNorm2d()")
@frozen
class BatchNorm2d(BatchNormNd):
    """Normalises each channel over samples and positions.

    Shapes: X and Z (N, C, H, W); γ, β, the running mean and the running variance (C,).

    Forward, in training:
        Z[n,c,y,x] = γ[c]·U[n,c,y,x] + β[c]
        U[n,c,y,x] = (X[n,c,y,x] − μ[c])·r[c]
        r[c] = 1/√(v[c] + ε)
        μ[c] = (1/(|n|·|y|·|x|))·Σ_{n,y,x} X[n,c,y,x]
        v[c] = (1/(|n|·|y|·|x|))·Σ_{n,y,x} (X[n,c,y,x] − μ[c])²

    Adjoints, in training (through the mean and the variance as well):
        dγ[c] = Σ_{n,y,x} dZ[n,c,y,x]·U[n,c,y,x]
        dβ[c] = Σ_{n,y,x} dZ[n,c,y,x]
        dX[n,c,y,x] = γ[c]·r[c]·dZ[n,c,y,x] − (1/(|n|·|y|·|x|))·Σ_{n′,y′,x′} γ[c]·r[c]·dZ[n′,c,y′,x′] − (1/(|n|·|y|·|x|))·Σ_{n′,y′,x′} γ[c]·r[c]·U[n,c,y,x]·dZ[n′,c,y′,x′]·U[n′,c,y′,x′]

    In evaluation, μ and v are the running statistics:
        Z[n,c,y,x] = γ[c]·rsqrt(v[c])·X[n,c,y,x] − γ[c]·rsqrt(v[c])·μ[c] + β[c]
        dX[n,c,y,x] = γ[c]·rsqrt(v[c])·dZ[n,c,y,x]

    Training normalises with the biased variance (divided by M = |n|·|y|·|x|) and keeps running
    statistics with the unbiased one (M − 1): running ← (1 − momentum)·running + momentum·batch.

    Args:
        eps: ε.
        momentum: how much of the running statistics each step replaces.
        affine: whether γ and β are there.
        num_features: C, inferred; if given, it is checked.
        name: instead of norm1, norm2, …

    Raises:
        ArgumentError: an argument out of its range.

    Source: S. Ioffe and C. Szegedy, "Batch normalization" (2015), algorithm 1.
    """  # noqa: E501, the derived line is what it is

    rank: ClassVar[int] = 2


@final
@call_example("gt.BatchNorm3d()")
@frozen
class BatchNorm3d(BatchNormNd):
    """Normalises each channel of a volume, as BatchNorm2d does a map's.

    Shapes: X and Z (N, C, D, H, W); γ, β, the running mean and the running variance (C,).

    Forward, in training:
        Z[n,c,z,y,x] = γ[c]·U[n,c,z,y,x] + β[c]
        U[n,c,z,y,x] = (X[n,c,z,y,x] − μ[c])·r[c]
        r[c] = 1/√(v[c] + ε)
        μ[c] = (1/(|n|·|z|·|y|·|x|))·Σ_{n,z,y,x} X[n,c,z,y,x]
        v[c] = (1/(|n|·|z|·|y|·|x|))·Σ_{n,z,y,x} (X[n,c,z,y,x] − μ[c])²

    Adjoints, in training:
        dγ[c] = Σ_{n,z,y,x} dZ[n,c,z,y,x]·U[n,c,z,y,x]
        dβ[c] = Σ_{n,z,y,x} dZ[n,c,z,y,x]
        dX[n,c,z,y,x] = γ[c]·r[c]·dZ[n,c,z,y,x] − (1/(|n|·|z|·|y|·|x|))·Σ_{n′,z′,y′,x′} γ[c]·r[c]·dZ[n′,c,z′,y′,x′] − (1/(|n|·|z|·|y|·|x|))·Σ_{n′,z′,y′,x′} γ[c]·r[c]·U[n,c,z,y,x]·dZ[n′,c,z′,y′,x′]·U[n′,c,z′,y′,x′]

    Args:
        eps: ε.
        momentum: how much of the running statistics each step replaces.
        affine: whether γ and β are there.
        num_features: C, inferred; if given, it is checked.
        name: instead of norm1, norm2, …

    Raises:
        ArgumentError: an argument out of its range.
    """  # noqa: E501, the derived line is what it is

    rank: ClassVar[int] = 3
