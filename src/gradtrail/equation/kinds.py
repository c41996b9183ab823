"""The kinds of equation, each a frozen table of accesses.

    Contraction     sums of products: convolution, linear, average pooling, add; with a function
                    in it pointwise (ReLU), with one bare factor reindex (flatten, concat)
    Selection       the first maximum over a window, and who won it
    LossEquation    softmax with cross-entropy, mean squared error

Those that weigh an element against others along some axes, normalisation and softmax, are in
`over_axes.py`.

Whatever the kind, the adjoint towards any operand is a Contraction (see `adjoints.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, Self

from ..errors import EquationError
from .access import Access, Applied, Indicator, Term, unique
from .affine import Affine, index
from .equation import Dependence, Equation, count
from .frozen import frozen
from .infer import Shapes, Sizes
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

    @classmethod
    def of(cls, terms: Sequence[Term], ranges: Sizes, shapes: Shapes) -> Self:
        """A contraction of terms; of ranges and shapes it has those that occur in them."""
        names = unique([n for t in terms for n in t.names])
        letters = unique([a.array for t in terms for a in t.accesses])
        return cls(
            tuple(terms),
            ranges=tuple((n, ranges[n]) for n in names),
            shapes=tuple((a, tuple(shapes[a])) for a in letters),
        )

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
    def accesses(self) -> tuple[Access, ...]:
        """The accesses of all terms."""
        return tuple(a for t in self.terms for a in t.accesses)

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
    def won(self) -> Indicator:
        """1 at the point of the window that won: `[A[n,c,y,x] = i·S+j]`."""
        return Indicator(self.result.to(self.winner), self.place)

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Result, source and winner."""
        return (self.result, self.source, self.result.to(self.winner))

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
    def mean(self) -> Number:
        """What the sum is divided by: samples, or elements of the squared error."""
        if self.rule == "softmax cross-entropy":
            return Number(self.shape_of[self.source.array][0], "N")
        return count(self.source.names, self.range_of)

    @property
    def label(self) -> Access:
        """The target of the prediction's element."""
        return self.source.to(self.labels)

    @property
    def weights(self) -> tuple[Access, ...]:
        """The weight of the prediction's sample, where there is one."""
        return (Access(self.weight, self.source.positions[:1]),) if self.weight else ()

    @property
    def factors(self) -> tuple[Access, ...]:
        """The weight where it is given, and so a factor of every product; not where it is saved."""
        return self.weights if self.rule == "squared error" else ()

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Result, source, labels, and what is saved or given for each sample."""
        softmax = (self.source.to(self.probabilities),) if self.probabilities else ()
        return (self.result, self.source, self.label, *softmax, *self.weights)

    @property
    def saved(self) -> tuple[str, ...]:
        """Probabilities and the sums of targets, where there are any."""
        own = () if self.factors else (self.probabilities, self.weight)
        return tuple(letter for letter in own if letter)

    @property
    def reads(self) -> tuple[Dependence, ...]:
        """The loss reads every prediction, every label and every weight that is given."""
        read = (self.source, self.label, *self.factors)
        return tuple(Dependence(self.result, access) for access in read)

    def _renamed(self, names: Mapping[str, str], ranges: tuple[tuple[str, int], ...]) -> Self:
        return replace(self, source=self.source.rename(names), ranges=ranges)
