"""Instance norm: each channel of each sample to mean 0 and variance 1 over its positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from math import prod
from typing import ClassVar, final

import numpy as np

from ..checking.calls import call_example
from ..equation import Array, normalisation
from ..equation.frozen import frozen
from ..errors import ShapeError
from .batch_norm import STATISTICS, ChannelNorm
from .layer import Buffer, Declaration, Shape, channels_of, elementwise

X, Z, γ, β, v = map(Array, "XZγβv")


@frozen
class InstanceNormNd(ChannelNorm):
    """What instance norms of every rank share."""

    flags: ClassVar[tuple[str, ...]] = ("track_running_stats",)

    eps: float = field(default=1e-5, kw_only=True)
    momentum: float = field(default=0.1, kw_only=True)
    affine: bool = field(default=False, kw_only=True)
    track_running_stats: bool = field(default=False, kw_only=True)
    num_features: int | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, …)."""
        (shape,) = sources
        channels_of(self, shape, self.rank, of="num_features")
        if self.track_running_stats and not training:
            return self.by_running(shape)
        if prod(shape[2:]) == 1:
            raise ShapeError(
                "normalises over the positions of a channel, but gets one alone",
                "Use BatchNorm or LayerNorm there",
            )
        n, c, *_ = each = elementwise(shape)
        equation = normalisation(
            Z[each],
            X[each],
            v[n, c],
            epsilon=self.eps,
            scale=γ[c] if self.affine else None,
            shift=β[c] if self.affine else None,
            letters=("μ", "r", "U"),
            shapes={"X": shape},
        )
        return Declaration(equation, parameters=self.parameters, saved=STATISTICS)

    @property
    def running(self) -> dict[str, Buffer]:
        """The running statistics, where they are kept, by the letters of what they follow."""
        return ChannelNorm.running.fget(self) if self.track_running_stats else {}  # type: ignore[attr-defined]

    def running_after(
        self, count: int, batch: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        """See `Layer.running_after`: the means over the samples, of variances the unbiased ones."""
        places = count // len(batch["μ"])
        now = {
            "μ": batch["μ"].mean(axis=0),
            "v": batch["v"].mean(axis=0) * (places / (places - 1)),
        }
        return {a: (1 - self.momentum) * before[a] + self.momentum * now[a] for a in now}


@final
@call_example("gt.InstanceNorm2d()")
@frozen
class InstanceNorm2d(InstanceNormNd):
    """Normalises each channel of each sample over its positions.

    Shapes: X and Z (N, C, H, W); γ, β, the running mean and the running variance (C,).

    Forward:
        Z[n,c,y,x] = γ[c]·U[n,c,y,x] + β[c]
        U[n,c,y,x] = (X[n,c,y,x] − μ[n,c])·r[n,c]
        r[n,c] = 1/√(v[n,c] + ε)
        μ[n,c] = (1/(|y|·|x|))·Σ_{y,x} X[n,c,y,x]
        v[n,c] = (1/(|y|·|x|))·Σ_{y,x} (X[n,c,y,x] − μ[n,c])²

    Adjoints:
        dγ[c] = Σ_{n,y,x} dZ[n,c,y,x]·U[n,c,y,x]
        dβ[c] = Σ_{n,y,x} dZ[n,c,y,x]
        dX[n,c,y,x] = γ[c]·r[n,c]·dZ[n,c,y,x] − (1/(|y|·|x|))·Σ_{y′,x′} γ[c]·r[n,c]·dZ[n,c,y′,x′] − (1/(|y|·|x|))·Σ_{y′,x′} γ[c]·r[n,c]·U[n,c,y,x]·dZ[n,c,y′,x′]·U[n,c,y′,x′]

    Samples do not meet. It computes the same in evaluation; only with `track_running_stats` it
    takes running statistics there, which a training step moves by the mean over its samples (of
    the unbiased variances): running ← (1 − momentum)·running + momentum·mean.

    Args:
        eps: ε.
        momentum: how much of the running statistics each step replaces.
        affine: whether γ and β are there.
        track_running_stats: whether running statistics are kept, and used in evaluation.
        num_features: C, inferred; if given, it is checked.
        name: instead of norm1, norm2, …

    Raises:
        ArgumentError: an argument out of its range.

    Source: D. Ulyanov et al., "Instance normalization" (2016), equation 3.
    """  # noqa: E501, the derived line is what it is

    rank: ClassVar[int] = 2


@final
@call_example("gt.InstanceNorm1d()")
@frozen
class InstanceNorm1d(InstanceNormNd):
    """Normalises each channel of each sequence over its positions, as InstanceNorm2d does maps.

    Shapes: X and Z (N, C, L); γ, β, the running mean and the running variance (C,).

    Forward:
        Z[n,c,x] = γ[c]·U[n,c,x] + β[c]
        U[n,c,x] = (X[n,c,x] − μ[n,c])·r[n,c]
        r[n,c] = 1/√(v[n,c] + ε)
        μ[n,c] = (1/|x|)·Σ_{x} X[n,c,x]
        v[n,c] = (1/|x|)·Σ_{x} (X[n,c,x] − μ[n,c])²

    Adjoints:
        dγ[c] = Σ_{n,x} dZ[n,c,x]·U[n,c,x]
        dβ[c] = Σ_{n,x} dZ[n,c,x]
        dX[n,c,x] = γ[c]·r[n,c]·dZ[n,c,x] − (1/|x|)·Σ_{x′} γ[c]·r[n,c]·dZ[n,c,x′] − (1/|x|)·Σ_{x′} γ[c]·r[n,c]·U[n,c,x]·dZ[n,c,x′]·U[n,c,x′]

    Args:
        eps, momentum, affine, track_running_stats, num_features, name: as InstanceNorm2d's.

    Raises:
        ArgumentError: an argument out of its range.
    """  # noqa: E501, the derived line is what it is

    rank: ClassVar[int] = 1


@final
@call_example("gt.InstanceNorm3d()")
@frozen
class InstanceNorm3d(InstanceNormNd):
    """Normalises each channel of each volume over its positions, as InstanceNorm2d does maps.

    Shapes: X and Z (N, C, D, H, W); γ, β, the running mean and the running variance (C,).

    Forward:
        Z[n,c,z,y,x] = γ[c]·U[n,c,z,y,x] + β[c]
        U[n,c,z,y,x] = (X[n,c,z,y,x] − μ[n,c])·r[n,c]
        r[n,c] = 1/√(v[n,c] + ε)
        μ[n,c] = (1/(|z|·|y|·|x|))·Σ_{z,y,x} X[n,c,z,y,x]
        v[n,c] = (1/(|z|·|y|·|x|))·Σ_{z,y,x} (X[n,c,z,y,x] − μ[n,c])²

    Adjoints:
        dγ[c] = Σ_{n,z,y,x} dZ[n,c,z,y,x]·U[n,c,z,y,x]
        dβ[c] = Σ_{n,z,y,x} dZ[n,c,z,y,x]
        dX[n,c,z,y,x] = γ[c]·r[n,c]·dZ[n,c,z,y,x] − (1/(|z|·|y|·|x|))·Σ_{z′,y′,x′} γ[c]·r[n,c]·dZ[n,c,z′,y′,x′] − (1/(|z|·|y|·|x|))·Σ_{z′,y′,x′} γ[c]·r[n,c]·U[n,c,z,y,x]·dZ[n,c,z′,y′,x′]·U[n,c,z′,y′,x′]

    Args:
        eps, momentum, affine, track_running_stats, num_features, name: as InstanceNorm2d's.

    Raises:
        ArgumentError: an argument out of its range.
    """  # noqa: E501, the derived line is what it is

    rank: ClassVar[int] = 3
