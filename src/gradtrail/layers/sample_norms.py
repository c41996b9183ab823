"""Norms of each sample by itself: over groups of channels, or over any of its axes."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, final

from ..checking.arguments import is_whole
from ..checking.calls import call_example
from ..equation import Array, Normalisation, Number, index, normalisation
from ..equation.frozen import frozen
from ..errors import ArgumentError, ShapeError
from .batch_norm import STATISTICS, check_eps
from .layer import Declaration, Layer, Parameter, Shape, canonical, elementwise
from .sample_axes import checked_axes, some_axes

X, Z, γ, β, v = map(Array, "XZγβv")


@final
@call_example("gt.GroupNorm(4)")
@frozen
class GroupNorm(Layer):
    """Normalises groups of neighbouring channels of each sample.

    Shapes: X and Z (N, C, …), with any axes behind the channels or none; γ and β (C,).

    Forward, with C_g = C/num_groups channels in each group:
        Z[n,g·C_g+c,y,x] = γ[g·C_g+c]·U[n,g·C_g+c,y,x] + β[g·C_g+c]
        U[n,g·C_g+c,y,x] = (X[n,g·C_g+c,y,x] − μ[n,g])·r[n,g]
        r[n,g] = 1/√(v[n,g] + ε)
        μ[n,g] = (1/(|c|·|y|·|x|))·Σ_{c,y,x} X[n,g·C_g+c,y,x]
        v[n,g] = (1/(|c|·|y|·|x|))·Σ_{c,y,x} (X[n,g·C_g+c,y,x] − μ[n,g])²

    Adjoints:
        dγ[g·C_g+c] = Σ_{n,y,x} dZ[n,g·C_g+c,y,x]·U[n,g·C_g+c,y,x]
        dβ[g·C_g+c] = Σ_{n,y,x} dZ[n,g·C_g+c,y,x]
        dX[n,g·C_g+c,y,x] = γ[g·C_g+c]·r[n,g]·dZ[n,g·C_g+c,y,x] − (1/(|c|·|y|·|x|))·Σ_{c′,y′,x′} γ[g·C_g+c′]·r[n,g]·dZ[n,g·C_g+c′,y′,x′] − (1/(|c|·|y|·|x|))·Σ_{c′,y′,x′} γ[g·C_g+c′]·r[n,g]·U[n,g·C_g+c,y,x]·dZ[n,g·C_g+c′,y′,x′]·U[n,g·C_g+c′,y′,x′]

    Samples do not meet, and evaluation is the same as training.

    Args:
        num_groups: into how many groups the channels are split; 1 is a layer norm with one γ for
            each channel.
        eps: ε.
        affine: whether γ and β are there.
        num_channels: C, inferred; if given, it is checked.
        name: instead of norm1, norm2, …

    Raises:
        ArgumentError: an argument out of its range.

    Source: Y. Wu and K. He, "Group normalization" (2018), section 3.
    """  # noqa: E501, the derived line is what it is

    prefix: ClassVar[str] = "norm"

    num_groups: int
    eps: float = field(default=1e-5, kw_only=True)
    affine: bool = field(default=True, kw_only=True)
    num_channels: int | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self, "affine")
        check_eps(self.kind, self.eps)
        if not is_whole(self.num_groups, 1):
            raise ArgumentError(
                f"GroupNorm: num_groups must be a whole number ≥ 1, got {self.num_groups!r}"
            )

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; the input is (N, C, …)."""
        (shape,) = sources
        channels = shape[1]
        if self.num_channels not in (None, channels):
            raise ShapeError(
                f"expects {self.num_channels} channels but gets {channels}",
                f"Set num_channels={channels}",
            )
        if channels % self.num_groups:
            raise ShapeError(
                f"num_groups={self.num_groups} does not divide the {channels} input channels",
                f"Set num_groups to a divisor of {channels}",
            )
        each = channels // self.num_groups
        n, _, *places = elementwise(shape)
        g = index("g")
        c = g * Number(each, "C_g") + index("c")
        equation = normalisation(
            Z[n, c, *places],
            X[n, c, *places],
            v[n, g],
            epsilon=self.eps,
            scale=γ[c] if self.affine else None,
            shift=β[c] if self.affine else None,
            letters=("μ", "r", "U"),
            ranges={"g": self.num_groups, "c": each},
            shapes={"X": shape},
        )
        parameters = {"γ": Parameter("weight", "ones"), "β": Parameter("bias")}
        used = parameters if self.affine else {}
        return Declaration(equation, parameters=used, saved=STATISTICS)


class AxesNorm(Layer):
    """What norms over chosen axes of a sample share."""

    prefix: ClassVar[str] = "norm"
    letters: ClassVar[tuple[str | None, str, str]] = ("μ", "r", "U")

    axes: int | tuple[int, ...] | None
    eps: float
    elementwise_affine: bool
    shifts: bool

    def check(self) -> None:
        """Check the settings.

        Raises:
            ArgumentError: an argument out of its range.
        """
        check_eps(self.kind, self.eps)
        if self.axes is not None:
            some_axes(self, self.axes)

    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """See `Layer.declare`; any shape."""
        (shape,) = sources
        each = elementwise(shape)
        chosen = range(1, len(shape)) if self.axes is None else some_axes(self, self.axes)
        over = sorted(checked_axes(tuple(chosen), shape))
        along = [each[axis] for axis in over]
        statistic = v[tuple(p for axis, p in enumerate(each) if axis not in over)]
        equation: Normalisation = normalisation(
            Z[each],
            X[each],
            statistic,
            epsilon=self.eps,
            scale=γ[tuple(along)] if self.elementwise_affine else None,
            shift=β[tuple(along)] if self.shifts else None,
            letters=self.letters,
            shapes={"X": shape},
        )
        parameters = {"γ": Parameter("weight", "ones"), "β": Parameter("bias")}
        there = {p.array for p in equation.parameters}
        kept = {a: name for a, name in self.kept.items() if a in equation.saved}
        used: dict[str, Parameter] = {a: p for a, p in parameters.items() if a in there}
        return Declaration(equation, parameters=used, saved=kept)

    @property
    def kept(self) -> dict[str, str]:
        """What is kept for the backward pass, by letter."""
        return STATISTICS


@final
@call_example("gt.LayerNorm()")
@frozen
class LayerNorm(AxesNorm):
    """Normalises each sample over all of its axes, or over some of them.

    `LayerNorm()` is PyTorch's `nn.LayerNorm(sample.shape)`; `LayerNorm(axes=1)` is over the
    channels alone, at each position by itself, as ConvNeXt has it: `nn.LayerNorm(C)` on arrays
    with their channels last, timm's and torchvision's `LayerNorm2d`; `LayerNorm(axes=(-2, -1))`
    is `nn.LayerNorm((H, W))`. γ and β have the sizes of these axes.

    Shapes: X and Z (N, …); γ and β (C, H, W), or for axes=1 (C,).

    Forward:
        Z[n,c,y,x] = γ[c,y,x]·U[n,c,y,x] + β[c,y,x]
        U[n,c,y,x] = (X[n,c,y,x] − μ[n])·r[n]
        r[n] = 1/√(v[n] + ε)
        μ[n] = (1/(|c|·|y|·|x|))·Σ_{c,y,x} X[n,c,y,x]
        v[n] = (1/(|c|·|y|·|x|))·Σ_{c,y,x} (X[n,c,y,x] − μ[n])²

    Adjoints:
        dγ[c,y,x] = Σ_{n} dZ[n,c,y,x]·U[n,c,y,x]
        dβ[c,y,x] = Σ_{n} dZ[n,c,y,x]
        dX[n,c,y,x] = γ[c,y,x]·r[n]·dZ[n,c,y,x] − (1/(|c|·|y|·|x|))·Σ_{c′,y′,x′} γ[c′,y′,x′]·r[n]·dZ[n,c′,y′,x′] − (1/(|c|·|y|·|x|))·Σ_{c′,y′,x′} γ[c′,y′,x′]·r[n]·U[n,c,y,x]·dZ[n,c′,y′,x′]·U[n,c′,y′,x′]

    Over the channels alone, with axes=1, the gradient towards X is
        dX[n,c,y,x] = γ[c]·r[n,y,x]·dZ[n,c,y,x] − (1/|c|)·Σ_{c′} γ[c′]·r[n,y,x]·dZ[n,c′,y,x] − (1/|c|)·Σ_{c′} γ[c′]·r[n,y,x]·U[n,c,y,x]·dZ[n,c′,y,x]·U[n,c′,y,x]

    Samples do not meet, and evaluation is the same as training.

    Args:
        axes: an axis or several, counted as PyTorch counts them (0 are the samples); None for all
            of a sample.
        eps: ε.
        elementwise_affine: whether γ and β are there.
        bias: whether β is there beside γ.
        name: instead of norm1, norm2, …

    Raises:
        ArgumentError: an argument out of its range.

    Source: J. L. Ba et al., "Layer normalization" (2016), equation 3.
    """  # noqa: E501, the derived line is what it is

    axes: int | tuple[int, ...] | None = field(default=None, kw_only=True)
    eps: float = field(default=1e-5, kw_only=True)
    elementwise_affine: bool = field(default=True, kw_only=True)
    bias: bool = field(default=True, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self, "elementwise_affine", "bias")
        self.check()

    @property
    def shifts(self) -> bool:  # type: ignore[override]
        """Whether β is there."""
        return self.elementwise_affine and self.bias


@final
@call_example("gt.RMSNorm()")
@frozen
class RMSNorm(AxesNorm):
    """Divides each sample by its root mean square, over all of its axes or over some of them.

    `RMSNorm()` is PyTorch's `nn.RMSNorm(sample.shape)`; `RMSNorm(axes=1)` is over the channels
    alone, at each position by itself. γ has the sizes of these axes.

    Shapes: X and Z (N, …); γ (C, H, W), or for axes=1 (C,).

    Forward:
        Z[n,c,y,x] = γ[c,y,x]·U[n,c,y,x]
        U[n,c,y,x] = X[n,c,y,x]·r[n]
        r[n] = 1/√(v[n] + ε)
        v[n] = (1/(|c|·|y|·|x|))·Σ_{c,y,x} X[n,c,y,x]²

    Adjoints:
        dγ[c,y,x] = Σ_{n} dZ[n,c,y,x]·U[n,c,y,x]
        dX[n,c,y,x] = γ[c,y,x]·r[n]·dZ[n,c,y,x] − (1/(|c|·|y|·|x|))·Σ_{c′,y′,x′} γ[c′,y′,x′]·r[n]·U[n,c,y,x]·dZ[n,c′,y′,x′]·U[n,c′,y′,x′]

    Samples do not meet, and evaluation is the same as training.

    Args:
        axes: an axis or several, counted as PyTorch counts them (0 are the samples); None for all
            of a sample.
        eps: ε; by default 2⁻²³, which PyTorch takes for float32.
        elementwise_affine: whether γ is there.
        name: instead of norm1, norm2, …

    Raises:
        ArgumentError: an argument out of its range.

    Source: B. Zhang and R. Sennrich, "Root mean square layer normalization" (2019), equation 4.
    """  # noqa: E501, the derived line is what it is

    letters: ClassVar[tuple[str | None, str, str]] = (None, "r", "U")
    shifts: ClassVar[bool] = False  # type: ignore[misc]

    axes: int | tuple[int, ...] | None = field(default=None, kw_only=True)
    eps: float = field(default=2.0**-23, kw_only=True)
    elementwise_affine: bool = field(default=True, kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        canonical(self, "elementwise_affine")
        self.check()

    @property
    def kept(self) -> dict[str, str]:
        """What is kept for the backward pass, by letter."""
        return {**STATISTICS, "v": "mean_square"}
