"""The kinds of equation, each a frozen table of accesses.

    Contraction     sums of products: convolution, linear, average pooling, add; with a function
                    in it pointwise (ReLU), with one bare factor reindex (flatten, concat)
    Selection       the first maximum over a window, and who won it
    Normalisation   batch norm: subtract the mean, divide by the deviation, scale and shift
    LossEquation    softmax with cross-entropy, mean squared error

Whatever the kind, the adjoint towards any operand is a Contraction (see `adjoints.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Literal, Self

from ..errors import EquationError
from .access import Access, Applied, Term, unique
from .affine import Affine, index
from .equation import Dependence, Equation, count
from .frozen import frozen
from .number import Number

LossRule = Literal["softmax cross-entropy", "squared error"]


@frozen
class Contraction(Equation):
    """A sum of products: `Z[n,k] = b[k] + Σ_f W[k,f]·X[n,f]`.

    Args:
        terms: each adds its products to the same target array, wherever its indices lead.
    """

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        targets = unique([t.target.array for t in self.terms])
        if len(targets) != 1:
            raise EquationError(
                f"a contraction defines one array, not {', '.join(targets) or 'none'}"
            )
        Equation.__post_init__(self)

    @property
    def kind(self) -> str:
        """`pointwise`, `reindex`, or else `contraction`."""
        single = all(len(t.factors) == 1 and not t.summed for t in self.terms)
        if single and len(self.terms) == 1 and isinstance(self.terms[0].factors[0], Applied):
            return "pointwise"
        bare = all(isinstance(f, Access) for t in self.terms for f in t.factors)
        apart = len({t.target for t in self.terms}) == len(self.terms)
        return "reindex" if single and bare and apart else "contraction"

    @property
    def target(self) -> Access:
        """The first term's target."""
        return self.terms[0].target

    @property
    def accesses(self) -> tuple[Access, ...]:
        """The accesses of all terms."""
        return tuple(a for t in self.terms for a in t.accesses)

    @property
    def operands(self) -> tuple[str, ...]:
        """The letters of all factors."""
        return unique([f.access.array for t in self.terms for f in t.factors])

    @property
    def saved(self) -> tuple[str, ...]:
        """Nothing: a contraction's operands are all its adjoints need."""
        return ()

    @property
    def reads(self) -> tuple[Dependence, ...]:
        """Each term's target with each of its factors."""
        return tuple(
            Dependence(t.target, f.access, tuple(g.access for g in t.factors if g is not f))
            for t in self.terms
            for f in t.factors
        )

    def at(self, values: Mapping[str, int]) -> tuple[Term, ...]:
        """The terms with numbers put in for some indices."""
        return tuple(t.substitute(values) for t in self.terms)

    def _renamed(self, names: Mapping[str, str], ranges: tuple[tuple[str, int], ...]) -> Self:
        return replace(self, terms=tuple(t.rename(names) for t in self.terms), ranges=ranges)


@frozen
class Selection(Equation):
    """The first maximum of a window: `Z[n,c,y,x] = max_{i,j} X[n,c,y·s+i,x·s+j]`.

    First means row-major order of `over`; padding never wins; a NaN wins.

    Args:
        result: the element that gets the maximum.
        source: the elements compared.
        over: the indices the window runs over, outermost first.
        winner: the letter of the saved array that holds, for each target element, which point
            of the window won, counted row-major.
    """

    result: Access
    source: Access
    over: tuple[str, ...]
    winner: str

    def __post_init__(self) -> None:
        Equation.__post_init__(self)
        hidden = [n for n in self.source.names if n not in self.result.names]
        if sorted(self.over) != sorted(hidden):
            raise EquationError(
                f"the maximum runs over {', '.join(self.over) or 'nothing'}, but the indices that "
                f"{self.result.array} does not show are {', '.join(hidden) or 'none'}"
            )

    @property
    def target(self) -> Access:
        """The result."""
        return self.result

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Result, source and winner."""
        return (self.result, self.source, self.result.to(self.winner))

    @property
    def operands(self) -> tuple[str, ...]:
        """The source."""
        return (self.source.array,)

    @property
    def saved(self) -> tuple[str, ...]:
        """The winner."""
        return (self.winner,)

    @property
    def reads(self) -> tuple[Dependence, ...]:
        """The result with the source."""
        return (Dependence(self.result, self.source),)

    @property
    def place(self) -> Affine:
        """The point of the window, counted row-major: `i·S+j`."""
        total = Affine()
        for name in self.over:
            size = self.range_of[name]
            total = total * Number(size, f"|{name}|") + index(name) if total.terms else index(name)
        return total

    def _renamed(self, names: Mapping[str, str], ranges: tuple[tuple[str, int], ...]) -> Self:
        return replace(
            self,
            result=self.result.rename(names),
            source=self.source.rename(names),
            over=tuple(names.get(n, n) for n in self.over),
            ranges=ranges,
        )


@frozen
class Normalisation(Equation):
    """Batch norm: `Z = γ·U + β` with `U = (X − μ)·r`, `r = 1/√(v + ε)`, per channel.

    The mean `μ` and the biased variance `v` are taken over the indices that the statistics'
    access does not show.

    Args:
        result: the element that gets the normalised value.
        source: the element normalised, at the same indices.
        statistic: the access of the mean (`μ[c]`); variance, `r`, scale and shift have the same.
        epsilon: what is added to the variance.
        scale: the letter of the scale, or None without one.
        shift: the letter of the shift, or None without one.
        variance: the letter of the saved variance.
        inverse: the letter of the saved 1/√(v + ε).
        normalised: the letter of the saved U.
    """

    result: Access
    source: Access
    statistic: Access
    epsilon: float
    scale: str | None
    shift: str | None
    variance: str
    inverse: str
    normalised: str

    @property
    def target(self) -> Access:
        """The result."""
        return self.result

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
        """Result, source, parameters and what is saved."""
        of_channel = (*self.operands[1:], *self.saved[:3])
        return (
            self.result,
            self.source,
            self.result.to(self.normalised),
            *(self.statistic.to(letter) for letter in of_channel),
        )

    @property
    def operands(self) -> tuple[str, ...]:
        """The source, then scale and shift where there are any."""
        return (self.source.array, *(p for p in (self.scale, self.shift) if p is not None))

    @property
    def saved(self) -> tuple[str, ...]:
        """Mean, variance, inverse deviation, normalised values."""
        return (self.statistic.array, self.variance, self.inverse, self.normalised)

    @property
    def reads(self) -> tuple[Dependence, ...]:
        """Every element of the channel reads the whole channel."""
        elsewhere = {n: n + "′" for n in self.over}
        parameters = (self.statistic.to(letter) for letter in self.operands[1:])
        read = (self.source.rename(elsewhere), *parameters)
        return tuple(Dependence(self.result, access) for access in read)

    @cached_property
    def range_of(self) -> Mapping[str, int]:
        """Index name → range; `n′` runs as `n` does."""
        ranges = dict(self.ranges)
        return ranges | {n + "′": ranges[n] for n in self.over if n in ranges}

    def _renamed(self, names: Mapping[str, str], ranges: tuple[tuple[str, int], ...]) -> Self:
        return replace(
            self,
            result=self.result.rename(names),
            source=self.source.rename(names),
            statistic=self.statistic.rename(names),
            ranges=ranges,
        )


@frozen
class LossEquation(Equation):
    """The end of the forward pass: one number, whose own gradient is 1.

    `L = −(1/N)·Σ_{n,k} T[n,k]·log P[n,k]` with `P = softmax_k Z`, by log-sum-exp; or
    `L` is the mean of `(Z − T)²` over all elements, or of `S·(Z − T)²`.

    Args:
        rule: which of the two.
        result: the loss, an access without positions.
        source: the prediction's element, samples on its first axis.
        labels: the letter of the array of targets, of the prediction's shape.
        probabilities: the letter of the saved softmax; None for the squared error.
        weight: the letter of a number for each sample, or None: the saved sum of its targets, where
            that is not 1; of the squared error, whose targets hold none, a weight that is given.
    """

    rule: LossRule
    result: Access
    source: Access
    labels: str
    probabilities: str | None = None
    weight: str | None = None

    @property
    def target(self) -> Access:
        """The result."""
        return self.result

    @property
    def mean(self) -> Number:
        """What the sum is divided by: samples, or elements of the squared error."""
        if self.rule == "softmax cross-entropy":
            return Number(self.shape_of[self.source.array][0], "N")
        return count(self.source.names, self.range_of)

    @property
    def factor(self) -> Access | None:
        """The weight that is given for each sample, or None."""
        if self.weight is None or self.rule == "softmax cross-entropy":
            return None
        return Access(self.weight, self.source.positions[:1])

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Result, source, labels, and what is saved or given for each sample."""
        sample = Access(self.weight or "", self.source.positions[:1])
        return (
            self.result,
            self.source,
            self.source.to(self.labels),
            *([self.source.to(self.probabilities)] if self.probabilities else []),
            *([sample] if self.weight else []),
        )

    @property
    def operands(self) -> tuple[str, ...]:
        """The prediction, the labels, and weights that are given."""
        return (self.source.array, self.labels, *([self.factor.array] if self.factor else []))

    @property
    def saved(self) -> tuple[str, ...]:
        """Probabilities and the sums of targets, where there are any."""
        if self.factor is not None:
            return ()
        return tuple(letter for letter in (self.probabilities, self.weight) if letter)

    @property
    def reads(self) -> tuple[Dependence, ...]:
        """The loss reads every prediction, every label and every weight that is given."""
        given = (self.factor,) if self.factor else ()
        read = (self.source, self.source.to(self.labels), *given)
        return tuple(Dependence(self.result, access) for access in read)

    def _renamed(self, names: Mapping[str, str], ranges: tuple[tuple[str, int], ...]) -> Self:
        return replace(self, source=self.source.rename(names), ranges=ranges)
