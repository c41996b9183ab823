"""The kinds of equation that weigh an element against others along some of its axes.

    Normalisation     mean and variance over any set of indices: batch, layer, group, instance norm;
                      without the mean the root mean square alone
    SoftmaxEquation   exp over the sum of exp, or the logarithm of that

Which indices they run over decides what an element meets: where the sample's is not among them,
samples stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Self

from ..errors import EquationError
from .access import Access, Applied
from .equation import Dependence, Equation, count
from .frozen import frozen
from .number import Number
from .scalar import Function, Variable, exp

EXP = Function("exp", exp(Variable("x")))
"""The exponential, as the adjoint of a logarithm of a softmax takes it of its result."""


@frozen
class _OverAxes(Equation):
    """What both share: a result, a source at the same indices, and the others along the axes.

    Args:
        result: the element that is computed.
        source: the element that it is computed from, at the same indices.
    """

    result: Access
    source: Access

    @property
    def over(self) -> tuple[str, ...]:
        """The indices along which an element meets others."""
        raise NotImplementedError

    @property
    def elsewhere(self) -> Mapping[str, str]:
        """`over`, with names for the same indices at another element: `n′`."""
        return {n: n + "′" for n in self.over}

    @property
    def ties_samples(self) -> bool:
        """Whether an element meets those of other samples."""
        return self.source.positions[0].plain in self.over

    @cached_property
    def range_of(self) -> Mapping[str, int]:
        """Index name → range; `n′` runs as `n` does."""
        ranges = dict(self.ranges)
        return ranges | {there: ranges[n] for n, there in self.elsewhere.items() if n in ranges}


@frozen
class Normalisation(_OverAxes):
    """`Z = γ·U + β` with `U = (X − μ)·r`, `r = 1/√(v + ε)`; without a mean `U = X·r`.

    The mean `μ` and the biased variance `v`, or without a mean the mean of the squares, are taken
    over the indices that the statistics' access does not show.

    Args:
        statistic: the access of the variance (`v[c]`); mean and `r` have the same.
        epsilon: what is added to the variance.
        scale: the access of γ, whose indices need not be the statistics'; None without one.
        shift: the access of β; None without one.
        mean: the letter of the saved mean; None where nothing is subtracted.
        inverse: the letter of the saved 1/√(v + ε).
        normalised: the letter of the saved U.
    """

    statistic: Access
    epsilon: float
    scale: Access | None
    shift: Access | None
    mean: str | None
    inverse: str
    normalised: str

    def __post_init__(self) -> None:
        Equation.__post_init__(self)
        own = [p.plain for p in self.statistic.positions]
        if own != [n for n in self.result.names if n in own]:
            raise EquationError(
                f"{self.statistic.array} is to show some of the indices of {self.result.array} "
                f"({', '.join(self.result.names)}), bare and in their order"
            )

    @property
    def over(self) -> tuple[str, ...]:
        """The indices that mean and variance run over."""
        return tuple(n for n in self.result.names if n not in self.statistic.names)

    @property
    def count(self) -> Number:
        """How many elements one mean is taken over."""
        return count(self.over, self.range_of)

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Result, source, normalised value, parameters and statistics."""
        whole = (self.result, self.source, self.result.to(self.normalised))
        return (*whole, *self.parameters, *self.statistics)

    @property
    def parameters(self) -> tuple[Access, ...]:
        """Scale and shift, where there are any."""
        return tuple(p for p in (self.scale, self.shift) if p is not None)

    @property
    def centre(self) -> Access | None:
        """The mean's access, where there is a mean."""
        return None if self.mean is None else self.statistic.to(self.mean)

    @property
    def statistics(self) -> tuple[Access, ...]:
        """Mean, where there is one, variance and inverse deviation."""
        mean = () if self.centre is None else (self.centre,)
        return (*mean, self.statistic, self.statistic.to(self.inverse))

    @property
    def saved(self) -> tuple[str, ...]:
        """The statistics, and the normalised values."""
        return (*(s.array for s in self.statistics), self.normalised)

    @property
    def reads(self) -> tuple[Dependence, ...]:
        """Every element reads all that its statistics are taken over."""
        read = (self.source.rename(self.elsewhere), *self.parameters)
        return tuple(Dependence(self.result, access) for access in read)

    def _renamed(self, names: Mapping[str, str], ranges: tuple[tuple[str, int], ...]) -> Self:
        return replace(
            self,
            result=self.result.rename(names),
            source=self.source.rename(names),
            statistic=self.statistic.rename(names),
            scale=self.scale and self.scale.rename(names),
            shift=self.shift and self.shift.rename(names),
            ranges=ranges,
        )


@frozen
class SoftmaxEquation(_OverAxes):
    """`Z = exp X / Σ exp X`, the sum over some indices; or the logarithm of that.

    Args:
        along: the indices that the sum runs over.
        log: whether it is the logarithm: `Z = X − log Σ exp X`.
    """

    along: tuple[str, ...]
    log: bool = False

    def __post_init__(self) -> None:
        Equation.__post_init__(self)
        unknown = [n for n in self.along if n not in self.result.names]
        if unknown or not self.along:
            raise EquationError(
                f"the sum of a softmax runs over indices of {self.result.array} "
                f"({', '.join(self.result.names)}), not over {', '.join(unknown) or 'none'}"
            )

    @property
    def kind(self) -> str:
        """`softmax`."""
        return "softmax"

    @property
    def over(self) -> tuple[str, ...]:
        """The indices that the sum runs over."""
        return self.along

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Result and source."""
        return (self.result, self.source)

    @property
    def reads(self) -> tuple[Dependence, ...]:
        """Every element reads all that is summed with it."""
        return (Dependence(self.result, self.source.rename(self.elsewhere)),)

    @property
    def probability(self) -> Access | Applied:
        """What the sum's share of an element is, as a factor: Z, or exp Z of a logarithm."""
        return Applied(EXP, self.result) if self.log else self.result

    def _renamed(self, names: Mapping[str, str], ranges: tuple[tuple[str, int], ...]) -> Self:
        return replace(
            self,
            result=self.result.rename(names),
            source=self.source.rename(names),
            along=tuple(names.get(n, n) for n in self.along),
            ranges=ranges,
        )
