"""Fields of one step: as the structure's, but through a max pooling only from where it took.

A set of elements is carried from array to array as a mask of zeros and ones, by the equations
themselves: a layer's target reads an operand wherever a product ties the two, so

    forward     S_Z[n,k,y,x] = Σ_{c,i,j} S_X[n,c,y·s+i·d−p,x·s+j·d−p]
    backward    S_X[n,c,y·s+i·d−p,x·s+j·d−p] += Σ_k S_Z[n,k,y,x]
    a maximum   S_Z[n,c,y,x] = Σ_{i,j} [A[n,c,y,x] = i·S+j]·S_X[n,c,y·s+i,x·s+j]

and what is not 0 takes part. The other factors count only by being there: at padding there is no
product. Weights, slopes and masks of 0 cut nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..arrays.einsum import contract
from ..equation import Contraction, Indicator, Node, Selection, Term, of_samples
from ..equation import Factor as EquationFactor
from ..equation.equation import Dependence
from ..fields.reach import FieldDirection, Reach, array_called, axes_of, field_ends, region_of
from .traced_step import TracedStep

_FROM, _TO, _WON = "_from", "_to", "_won"  # letters that no equation has

_STATISTICS = (
    "by the statistics of batch norm, too, which read the whole batch in training; "
    "net.receptive_field and net.projective_field leave them out"
)
_WINNERS = "through each max pooling only by the element that won"


def traced_field(
    direction: FieldDirection, step: TracedStep, name: str, index: object, other: str
) -> Reach:
    """A field of one step; see `Trace.receptive_field` and `Trace.projective_field`.

    Args:
        direction: which of them.
        step: the step.
        name: the layer or array that is asked about.
        index: which element of it.
        other: whose elements are meant.
    """
    asked, array = array_called(step.system, name), array_called(step.system, other)
    first, last = field_ends(direction, step.system, asked, array)
    element = step.element("value", asked, index)
    ways = _Ways(step, first, last, asked, element)
    found = ways.back() if direction == "receptive" else ways.ahead()
    shape, axes = step.array("value", array).shape, axes_of(step.system, array)
    mask = found
    if ways.sample is not None and axes:
        mask = np.zeros(shape, bool)
        mask[ways.sample] = found[0]
    chosen = any(isinstance(node.equation, Selection) for node in ways.nodes)
    tied = any(node.equation.ties_samples for node in ways.nodes)
    notes = (*((_WINNERS,) if chosen else ()), *((_STATISTICS,) if tied else ()))
    image = step.array("value", array) if array in step.system.inputs else None
    return Reach(direction, asked, element, array, shape, axes, region_of(mask), notes, image)


@dataclass(frozen=True)
class _Ways:
    """The equations between two arrays, and the masks that are carried through them.

    Args:
        step: the traced step.
        first: the name of the array that the ways begin with.
        last: the name of the array that they end in.
        asked: which of the two the element is of.
        element: its index.
    """

    step: TracedStep
    first: str
    last: str
    asked: str
    element: tuple[int, ...]

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The layers on the ways, in forward order."""
        return self.step.nodes_between(self.first, self.last)

    @cached_property
    def sample(self) -> int | None:
        """The element's sample where it meets no other one, so that all masks are of this one."""
        tied = any(node.equation.ties_samples for node in self.nodes)
        return None if tied or not axes_of(self.step.system, self.asked) else self.element[0]

    def ahead(self) -> np.ndarray:
        """What depends on the element: a mask of the last array."""
        masks = {self.first: self._seed()}
        for node in self.nodes:
            found = {a: masks[name] for a, name in node.depends_on.items() if name in masks}
            carried = [self._carried(node, a, mask, True) for a, mask in found.items()]
            masks[node.output] = np.logical_or.reduce(carried)
        return masks[self.last]

    def back(self) -> np.ndarray:
        """What the element depends on: a mask of the first array."""
        masks, arrays = {self.last: self._seed()}, self.step.system.between(self.first, self.last)
        for node in reversed(self.nodes):
            for letter, source in node.depends_on.items():
                if source in arrays:
                    found = self._carried(node, letter, masks[node.output], False)
                    masks[source] = masks[source] | found if source in masks else found
        return masks[self.first]

    def _seed(self) -> np.ndarray:
        """A mask with the element, of its sample or of all."""
        shape, element = self.step.array("value", self.asked).shape, self.element
        if self.sample is not None:
            shape, element = (1, *shape[1:]), (0, *element[1:])
        mask = np.zeros(shape, bool)
        mask[element] = True
        return mask

    def _carried(self, node: Node, letter: str, mask: np.ndarray, forward: bool) -> np.ndarray:
        """A mask of an operand as one of the target, or the other way."""
        reads = node.equation.reads_of(letter)
        found = [self._through(node, read, mask, forward) for read in reads]
        return np.asarray(np.logical_or.reduce(found))

    def _through(self, node: Node, read: Dependence, mask: np.ndarray, forward: bool) -> np.ndarray:
        """A mask carried by one product of an equation."""
        equation = node.equation
        start, end = (read.operand, read.target) if forward else (read.target, read.operand)
        beside = [access for access in read.beside if access.padding]
        factors: list[EquationFactor] = [start.to(_FROM), *beside, *read.sparse]
        shape_of = {**equation.shape_of, _FROM: equation.shape_of[start.array]}
        shape_of[_TO] = equation.shape_of[end.array]
        arrays = {_FROM: mask.astype(np.float64)}
        if isinstance(equation, Selection):
            factors.append(Indicator(equation.result.to(_WON), equation.place))
            shape_of[_WON] = equation.shape_of[equation.winner]
            winners = self.step.array("value", node.array_of[equation.winner])
            arrays[_WON] = winners if self.sample is None else winners[[self.sample]]
        term = Term(end.to(_TO), tuple(factors))
        carried = Contraction.of([term], equation.range_of, shape_of)
        if self.sample is not None:
            carried = of_samples(carried, 1)
        others = (*beside, *(one.access for one in read.sparse))
        arrays |= {a.array: np.ones(carried.shape_of[a.array]) for a in others}
        return np.asarray(contract(carried, arrays) != 0)
