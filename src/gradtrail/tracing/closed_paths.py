"""What closes every path between a gradient of zero and the loss.

The element's own products are looked at one by one; from there on, all elements that a path still
reaches go through the layers together, as a mask of True and False: what a factor of 0 stops is
counted, what is left goes on. Where nothing is left, the causes are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from ..arrays.einsum import contract, windows
from ..equation import (
    Adjoint,
    Applied,
    Contraction,
    LossEquation,
    Node,
    Selection,
    Sparse,
    Term,
    of_samples,
)
from ..equation import Factor as EquationFactor
from ..equation.system import JOINT
from .clauses import (
    Closure,
    coefficient_clause,
    factor_clause,
    lost_clause,
    saturated_clause,
    uncounted_clause,
    unread_clause,
    unweighted_clause,
)
from .element import Element
from .element_term import ElementTerm, function_values
from .loss_weights import counted_weights, differing, over_classes
from .traced_step import TracedStep


def closed_paths(step: TracedStep, name: str, index: tuple[int, ...]) -> list[Closure]:
    """The causes, nearest the element first; none where something reaches the loss.

    Args:
        step: the step.
        name: the array whose gradient is zero.
        index: which element.
    """
    return _Search(step, name, index).closed()


class _Search:
    """Masks of what is still reached, array by array, from the element towards the loss."""

    def __init__(self, step: TracedStep, name: str, index: tuple[int, ...]) -> None:
        self.step, self.name, self.index = step, name, index
        self.samples = self._samples()
        self.reached: dict[str, np.ndarray] = {}
        self.open = False

    def _samples(self) -> slice:
        """The one sample that the element lies in, or all."""
        nodes = self.step.system.nodes
        coupled = any(n.equation.ties_samples for n in nodes)
        between = self.name in self.step.system.inputs or any(n.output == self.name for n in nodes)
        alone = between and not coupled and len(self.index) > 1
        return slice(self.index[0], self.index[0] + 1) if alone else slice(None)

    def closed(self) -> list[Closure]:
        """Everything that stops something; empty where a path is open to the end."""
        sends: dict[str, list[Adjoint]] = {}
        for sent in self.step.system.backward:
            sends.setdefault(sent.node.name, []).append(sent)
        found: list[Closure] = []
        for node in self.step.system.nodes:
            here: list[Closure] = []
            for sent in sends[node.name]:
                if sent.receives == self.name:
                    here += self._first(sent)
                elif sent.receives in self.reached:
                    here += self._through(sent, self.reached[sent.receives])
            left = self.reached.get(node.output)
            last = left is None or not left.any()
            once = {(c.cause, c.example.name): c for c in sorted(here, key=lambda c: c.count)}
            found += [replace(c, last=last) for c in once.values()]
        return [] if self.open else found

    def _reach(self, name: str, mask: np.ndarray) -> None:
        if mask.any():
            known = self.reached.get(name)
            self.reached[name] = mask if known is None else known | mask

    def array(self, name: str, by_sample: bool) -> np.ndarray:
        """A value, of the samples that matter."""
        array = self.step.array("value", name)
        return array[self.samples] if by_sample else array

    def example(self, name: str, mask: np.ndarray) -> Element:
        """The first element of a mask, its sample counted in the whole batch."""
        index = tuple(int(i) for i in np.argwhere(mask)[0])
        begin = self.samples.start or 0
        whole = self.step.array("value", name).shape
        shifted = len(whole) > 0 and mask.shape[0] != whole[0]
        return Element("value", name, (index[0] + begin, *index[1:]) if shifted else index)

    # -- the element's own products -----------------------------------------------------------

    def _first(self, sent: Adjoint) -> list[Closure]:
        parts = self.step.parts("grad", self.name, self.index)
        parts = tuple(part for part in parts if part.sum.equation is sent.equation)
        if not any(map(len, parts)):
            return [unread_clause(sent, 1, self.index)]
        if isinstance(sent.node.equation, LossEquation):
            return self._loss(sent, self._only(self.index))
        if isinstance(sent.node.equation, Selection):
            return self._selection(sent, self._only(self.index))
        if sent.node.kind == JOINT and not any(part.scale for part in parts):
            return [uncounted_clause(self.name, 1, Element("value", self.name, self.index))]
        found: list[Closure] = []
        for part in filter(len, parts):
            found += self._walk(sent, part)
        return found

    def _only(self, index: tuple[int, ...]) -> np.ndarray:
        mask = np.zeros(self.step.array("value", self.name).shape, bool)
        mask[index] = True
        return self._of_samples(mask)

    def _of_samples(self, mask: np.ndarray) -> np.ndarray:
        """A mask over an array's elements, of the samples that matter; a loss is of all."""
        return mask[self.samples] if mask.ndim else mask

    def _walk(self, sent: Adjoint, part: ElementTerm) -> Iterator[Closure]:
        """One part of the element: each of its products, factor by factor."""
        if part.scale == 0:
            own = Element("value", self.name, self.index)
            yield coefficient_clause(sent, len(part), own, len(part))
            return
        gradient = next(o for o in part.operands if o.side == "grad")
        values = [o for o in part.operands if o is not gradient]
        reached = np.zeros(gradient.array.size, bool)
        stopped: dict[int, tuple[int, tuple[int, ...]]] = {}
        for block in part.points.blocks():
            sizes = tuple(s.stop - s.start for s in block)
            shut = np.zeros(sizes, bool)
            for which, operand in enumerate(values):
                zero = operand.zeros(part.points, block) & ~shut
                if zero.any():
                    at = part.points.start(block) + int(np.flatnonzero(zero)[0])
                    place = operand.element(part.points.at(at))
                    count, first = stopped.get(which, (0, place))
                    stopped[which] = (count + int(zero.sum()), first)
                shut |= zero
            places = np.broadcast_to(gradient.places(part.points, block), sizes)
            reached[places[~shut]] = True
        mask = reached.reshape(gradient.array.shape)
        self._reach(gradient.name, self._of_samples(mask))
        for which, (count, place) in sorted(stopped.items()):
            yield factor_clause(self.step, sent, values[which].factor, count, place, len(part))

    # -- whole masks ----------------------------------------------------------------------------

    def _through(self, sent: Adjoint, mask: np.ndarray) -> list[Closure]:
        """What becomes of a mask at one reader of its array."""
        equation = sent.node.equation
        if isinstance(equation, LossEquation):
            return self._loss(sent, mask)
        found = self._uncovered(sent, mask)
        if isinstance(equation, Selection):
            return found + self._selection(sent, mask)
        for term in sent.equation.terms:
            found += self._term(sent, term, mask)
        return found

    def _uncovered(self, sent: Adjoint, mask: np.ndarray) -> list[Closure]:
        """Elements that the layer does not read at all."""
        equation = self._sized(sent.equation)
        read = np.zeros(mask.shape, bool)
        for term in equation.terms:
            read |= self._reads(sent.node, equation, term)
        lost = mask & ~read
        if not lost.any():
            return []
        place = self.example(sent.receives, lost)
        return [unread_clause(sent, int(lost.sum()), place.index)]

    def _reads(self, node: Node, equation: Contraction, term: Term) -> np.ndarray:
        """Which elements of the target a term has a product for."""
        held = {
            f.access.array: self._nonzero(node, f) for f in term.factors if isinstance(f, Sparse)
        }
        ones = tuple(f.access for f in term.factors)
        return self._contract(equation, Term(term.target, ones), held) > 0

    def _term(self, sent: Adjoint, term: Term, mask: np.ndarray) -> Iterator[Closure]:
        """One term: which of its factors are 0 on the way, and what is reached behind them."""
        equation = self._sized(sent.equation)
        if float(term.scale.value) == 0:
            lost = mask & self._reads(sent.node, equation, term)
            if count := int(lost.sum()):
                yield coefficient_clause(sent, count, self.example(sent.receives, lost), count)
            return
        letter = "d" + sent.node.equation.target.array
        gradient = next(f.access for f in term.factors if f.access.array == letter)
        nonzero: dict[str, np.ndarray] = {term.target.array: mask}
        constants = [f for f in term.factors if isinstance(f, Sparse)]
        nonzero |= {f.access.array: self._nonzero(sent.node, f) for f in constants}
        factors: list[EquationFactor] = [f.access for f in constants]
        there = (term.target, *factors)
        for factor in term.factors:
            if factor.access.array == letter or isinstance(factor, Sparse):
                continue
            held = self._nonzero(sent.node, factor)
            if not held.all():
                key = f"{factor.access.array}{len(factors)}"
                nonzero[key] = held
                factors.append(replace(factor.access, array=key))
                met = self._contract(equation, Term(factor.access, there), nonzero)
                zero = np.where(held, 0, met)
                if zero.any():
                    name = sent.node.array_of[factor.access.array]
                    place = self.example(name, zero > 0).index
                    counts = round(float(zero.sum())), round(float(met.sum()))
                    yield factor_clause(self.step, sent, factor, counts[0], place, counts[1])
        left = self._contract(equation, Term(gradient, (term.target, *factors)), nonzero)
        self._reach(sent.node.output, left > 0)

    def _nonzero(self, node: Node, factor: EquationFactor) -> np.ndarray:
        access = factor.access
        by_sample = bool(access.positions) and access.positions[0].plain in ("n", "n′")
        array = self.array(node.array_of[access.array], by_sample)
        if isinstance(factor, Applied):
            array = function_values(factor, array)
        return np.asarray(array != 0)

    def _sized(self, equation: Contraction) -> Contraction:
        """The equation for the samples that matter."""
        alone = self.samples != slice(None)
        return of_samples(equation, 1) if alone else equation

    def _contract(
        self, equation: Contraction, term: Term, arrays: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """A term over masks; an array that is not given is all ones."""
        shapes = dict(equation.shapes) | {letter: held.shape for letter, held in arrays.items()}
        letters = [factor.access.array for factor in term.factors]
        ones = {letter: np.ones(shapes[letter]) for letter in letters if letter not in arrays}
        given = ones | {letter: np.asarray(held, np.float64) for letter, held in arrays.items()}
        one = Contraction.of([term], equation.range_of, shapes)
        return contract(one, {letter: given[letter] for letter in letters})

    # -- particular layers ------------------------------------------------------------------------

    def _selection(self, sent: Adjoint, mask: np.ndarray) -> list[Closure]:
        """A maximum: who won each window that the mask takes part in."""
        equation = sent.node.equation
        assert isinstance(equation, Selection)
        source = self.array(sent.receives, True).astype(np.float64)
        own, values = windows(equation, mask, False), windows(equation, source, -np.inf)
        winner = self.array(sent.node.array_of[equation.winner], True)
        best = self.array(sent.node.output, True)
        won = np.arange(own.shape[-1]) == winner[..., None]
        passed = (own & won).any(axis=-1)
        self._reach(sent.node.output, passed)
        shut = own & ~passed[..., None]
        tied = shut & (values == best[..., None])
        lost = shut & ~tied.any(axis=-1, keepdims=True)
        asked = self.index if sent.receives == self.name else None
        found = []
        for cause, which in (("lost maximum", lost), ("lost tie", tied)):
            if which.any():
                *at, place = (int(i) for i in np.argwhere(which)[0])
                at[0] += self.samples.start or 0
                count = int(which.any(axis=-1).sum())
                found.append(lost_clause(self.step, sent, cause, count, tuple(at), place, asked))
        return found

    def _loss(self, sent: Adjoint, mask: np.ndarray) -> list[Closure]:
        """The end: what comes back from the loss is 0, or a path was open."""
        delta = self.step.sent_back(sent)[self.samples]
        if (delta[mask] != 0).any():
            self.open = True
            return []
        equation, name = sent.node.equation, sent.receives
        assert isinstance(equation, LossEquation)
        if equation.part and self.step.array("grad", sent.node.output) == 0:
            count, place = int(mask.sum()), self.example(name, mask)
            return [uncounted_clause(sent.node.output, count, place)]
        found = []
        weights = counted_weights(self.step, sent.node, self.samples)
        counts = np.ones(len(mask), bool) if weights is None else weights != 0
        counted = over_classes(counts, mask.shape)
        if (level := mask & counted).any():
            if (level & differing(self.step, sent.node, self.samples)).any():
                self.open = True  # what comes back is too small for its precision
                return []
            place = self.example(name, level)
            found.append(saturated_clause(self.step, sent, int(level.sum()), place.index))
        if (left := mask & ~counted).any():
            reached = left.any(axis=1 if counts.ndim > 1 else tuple(range(1, mask.ndim)))
            place = self.example(name, left)
            clause = unweighted_clause(sent, int(left.sum()), place, int(reached.sum()))
            found.append(clause)
        return found
