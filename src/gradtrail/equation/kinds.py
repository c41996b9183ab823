"""The kinds of equation, each a frozen table of accesses.

    Contraction     sums of products: convolution, linear, average pooling, add; with a function
                    in it pointwise (ReLU), with one bare factor reindex (flatten, concat)
    Selection       the first maximum over a window, and who won it
    LossEquation    softmax with cross-entropy, mean squared error, penalties of elements, overlaps

Those that weigh an element against others along some axes, normalisation and softmax, are in
`over_axes.py`.

Whatever the kind, the adjoint towards any operand is a Contraction (see `adjoints.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, Self

from ..errors import EquationError
from .access import Access, Applied, Indicator, Sparse, Term, sparse_of, unique
from .affine import Affine, index
from .equation import Dependence, Equation, count
from .frozen import frozen
from .infer import Shapes, Sizes
from .number import Number
from .scalar import Penalty

LossRule = Literal[
    "softmax cross-entropy",
    "squared error",
    "pointwise",
    "softmax pointwise",
    "softmax overlap",
    "sigmoid overlap",
]


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
            Dependence(
                t.target,
                f.access,
                tuple(g.access for g in t.factors if g is not f),
                sparse_of(t.factors),
            )
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
        within: constants that are 0 outside the window, where that is not all of `over`.
    """

    result: Access
    source: Access
    over: tuple[str, ...]
    winner: str
    within: tuple[Sparse, ...] = ()

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
        """Result, source and winner, and what says where a window lies."""
        windows = (one.access for one in self.within)
        return (self.result, self.source, self.result.to(self.winner), *windows)

    @property
    def saved(self) -> tuple[str, ...]:
        """The winner."""
        return (self.winner,)

    @property
    def reads(self) -> tuple[Dependence, ...]:
        """The result with the source."""
        return (Dependence(self.result, self.source, (), self.within),)

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
            within=tuple(one.rename(names) for one in self.within),
            ranges=ranges,
        )


def weight_positions(rule: LossRule, source: Access) -> tuple[Affine, ...]:
    """Where a loss's weight stands: by sample, or of the cross-entropy by sample and position."""
    samples, places = source.positions[:1], source.positions[2:]
    return (*samples, *places) if rule == "softmax cross-entropy" else samples


def element_positions(rule: LossRule, source: Access) -> tuple[Affine, ...]:
    """Where that stands which a loss is the mean of: by sample and class alone for overlaps."""
    return source.positions[:2] if rule.endswith("overlap") else source.positions


@frozen
class LossEquation(Equation):
    """The end of the forward pass: one number, whose own gradient is 1, or one of several of them.

    softmax cross-entropy   L = −(1/N)·Σ_{n,k} T[n,k]·log P[n,k] with P = softmax_k Z, by log-sum-
                            exp, over maps for every position and divided by their number
    squared error           L is the mean of (Z − T)² over all elements, or of S·(Z − T)²
    pointwise               L is the mean of E = penalty(Z, T, …), a scalar expression
    softmax pointwise       the same of −T·φ(log P), the mean over samples and positions
    … overlap               the mean over samples and classes of
                            E = 1 − (2·Σ P·T + s)/(Σ P + Σ T + s), the sums over positions; P is
                            the softmax or the sigmoid of Z

    The last four save what each element adds, and how that changes with each prediction.

    Args:
        rule: which of them.
        result: the loss, an access without positions.
        source: the prediction's element, samples on its first axis and classes on its second.
        labels: the letter of the array of targets, of the prediction's shape.
        probabilities: the letter of the saved softmax or sigmoid, or None.
        weight: the letter of a number for each sample, or None: the saved sum of its targets (of
            each position's, over maps), where that is not 1; of the squared error, whose targets
            hold none, a weight that is given.
        penalty: the expression, or None.
        elements: the letter of what each element adds, or None.
        slopes: the letter of its derivative along the prediction, or None.
        constants: the penalty's further variables, each with what it stands for.
        smooth: s, of an overlap.
        part: whether it is one of several losses, which are summed behind it: then its own gradient
            is a factor of what it sends back.
    """

    rule: LossRule
    result: Access
    source: Access
    labels: str
    probabilities: str | None = None
    weight: str | None = None
    penalty: Penalty | None = None
    elements: str | None = None
    slopes: str | None = None
    constants: tuple[tuple[str, Access], ...] = ()
    smooth: float = 0.0
    part: bool = False

    @property
    def mean(self) -> Number:
        """What the sum is divided by: samples and positions, elements, or samples and classes."""
        if self.rule in ("squared error", "pointwise"):
            return count(self.source.names, self.range_of)
        if self.rule.endswith("overlap"):
            return count(self.source.names[:2], self.range_of)
        samples, _, *places = self.source.names
        if not places:
            return Number(self.range_of[samples], "N")
        return count((samples, *places), self.range_of)

    @property
    def classed(self) -> bool:
        """Whether the outputs of a sample or position stand for classes, of which one is right."""
        return self.rule.startswith("softmax")

    @property
    def element(self) -> Access | None:
        """What one element adds, where that is saved."""
        if self.elements is None:
            return None
        return Access(self.elements, element_positions(self.rule, self.source))

    @property
    def label(self) -> Access:
        """The target of the prediction's element."""
        return self.source.to(self.labels)

    @property
    def weights(self) -> tuple[Access, ...]:
        """The weight of the prediction's sample or position, where there is one."""
        if not self.weight:
            return ()
        own = weight_positions(self.rule, self.source)
        return (Access(self.weight, own),)

    @property
    def factors(self) -> tuple[Access, ...]:
        """The weight where it is given, and so a factor of every product; not where it is saved."""
        return self.weights if self.rule == "squared error" else ()

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Result, source, labels, and what is saved or given for each sample."""
        softmax = (self.source.to(self.probabilities),) if self.probabilities else ()
        slopes = (self.source.to(self.slopes),) if self.slopes else ()
        own = (*softmax, *((self.element,) if self.element else ()), *slopes)
        constants = (access for _, access in self.constants)
        return (self.result, self.source, self.label, *own, *self.weights, *constants)

    @property
    def saved(self) -> tuple[str, ...]:
        """Probabilities and the sums of targets, where there are any."""
        own = () if self.factors else (self.probabilities, self.weight)
        own = (*own, self.elements, self.slopes)
        return tuple(letter for letter in own if letter)

    @property
    def reads(self) -> tuple[Dependence, ...]:
        """The loss reads every prediction, every label and every weight that is given."""
        constants = (access for _, access in self.constants)
        read = (self.source, self.label, *self.factors, *constants)
        return tuple(Dependence(self.result, access) for access in read)

    def _renamed(self, names: Mapping[str, str], ranges: tuple[tuple[str, int], ...]) -> Self:
        constants = tuple((variable, access.rename(names)) for variable, access in self.constants)
        source = self.source.rename(names)
        return replace(self, source=source, constants=constants, ranges=ranges)
