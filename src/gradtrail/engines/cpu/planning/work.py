"""What a step has to do: every node forward, and every adjoint that somebody needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ....equation import (
    Access,
    Adjoint,
    Applied,
    Contraction,
    LossEquation,
    Node,
    Normalisation,
    Selection,
    SoftmaxEquation,
    System,
    Term,
)
from ....equation import per_sample as shares
from ....equation.scalar import Function
from ....equation.system import JOINT
from ..activation import function_of, slope_of_value
from ..contraction import Form, forms
from ..kernels.max_pool import halves
from ..keys import ArrayKey, gradient, sample_share, value
from ..options import EngineSetup, Options
from .linear_weights import letters
from .winograd import Plane, choose

SentKey = tuple[str, str]
"""Who sends something back, and to which operand."""


@dataclass(frozen=True)
class Sent:
    """What a node sends back to one of its operands, in the form it is run.

    Args:
        adjoint: node and operand.
        forms: the nests; none for a norm or a softmax.
        arrays: letter → array.
        slope: where every factor stands at the target's own place, the one term; else None.
        plane: the convolution that Winograd's algorithm computes, or None.
        per_sample: whether it is each sample's share that is computed, and not the sum.
    """

    adjoint: Adjoint
    forms: tuple[Form, ...]
    arrays: dict[str, ArrayKey]
    slope: Term | None = None
    plane: Plane | None = None
    per_sample: bool = False

    @property
    def name(self) -> str:
        """The layer's."""
        return self.adjoint.node.name

    @property
    def receives(self) -> str:
        """The array whose gradient it is."""
        return self.adjoint.receives

    @property
    def key(self) -> SentKey:
        """Layer and operand."""
        return (self.name, self.adjoint.operand)


class Work:
    """All that a step does.

    Args:
        system: the equations, for a block of sixteen samples.
        options: what the step is for.
        setup: for which processor, and with which algorithms.
        trained: the parameters that a training changes; None for all. Where everything is kept, or
            each sample's share, all gradients are computed.
        outputs: the arrays that are handed out, wherever in the network they are.
    """

    def __init__(
        self,
        system: System,
        options: Options,
        setup: EngineSetup,
        trained: Collection[str] | None = None,
        outputs: Collection[str] = (),
    ) -> None:
        self.system, self.options, self.setup = system, options, setup
        self.handed_out = {value(name) for name in outputs}
        last = system.nodes[-1]
        self.joint = last if last.kind == JOINT else None  # summed when all blocks are done
        losses = (n for n in system.nodes if isinstance(n.equation, LossEquation))
        self.compared = {name for node in losses for name in node.inputs}
        self.planes: dict[str, Plane] = {}
        self.forward: dict[str, tuple[Form, ...]] = {}
        for node in system.nodes:
            if isinstance(node.equation, Contraction) and node is not self.joint:
                self.forward[node.name], plane = self._chosen(forms(node.equation, node.parameters))
                if plane is not None:
                    self.planes[node.name] = plane
        every = trained is None or options.keep or options.per_sample
        self.towards = set(system.parameters if every or trained is None else trained)
        self.wanted = self._wanted()
        self.uses = Counter(n.array_of[a] for n in system.nodes for a in n.parameters)
        self.sent = list(self._sent()) if options.backward else []
        self.read_later = {k for s in self.sent for k in s.arrays.values() if k.kind == "value"}
        self.read_later |= self.handed_out
        self.sums: dict[str, tuple[Node, str]] = {}
        self.pooled: dict[str, Node] = {}
        self.fused = {} if options.keep else self._fusions()
        self.sums = {} if options.keep else self._sums()
        self.received: dict[str, list[Sent]] = {}
        for sent in self.sent:
            if not sent.per_sample:
                self.received.setdefault(sent.receives, []).append(sent)
        self.in_place: dict[str, str] = {}
        self.absorbed = {} if options.keep else self._absorptions()
        self.only_maxima: dict[ArrayKey, Node] = {}
        if not options.keep:
            self._pool()

    def _chosen(self, several: tuple[Form, ...]) -> tuple[tuple[Form, ...], Plane | None]:
        """The forms, and the plane where Winograd's algorithm takes less time."""
        plane = choose(several, self.setup)
        return (several if plane is None else (replace(several[0], inside=False),)), plane

    def _wanted(self) -> set[str]:
        """The arrays whose gradients lead to a parameter, or to the input where all is kept."""
        found = {*self.system.inputs} if self.options.keep else set()
        for node in self.system.nodes:
            learned = {node.array_of[letter] for letter in node.parameters} & self.towards
            if learned or any(name in found for name in node.inputs):
                found.add(node.output)
            found |= learned
        return found

    def _sent(self) -> Sequence[Sent]:
        """The backward pass, without what nobody asks for."""
        found = []
        for adjoint in self.system.backward_towards(self.wanted):
            node = adjoint.node
            if isinstance(node.equation, LossEquation) or node is self.joint:
                continue  # which a loss sends along with itself
            if isinstance(node.equation, Normalisation):
                arrays = {"X": value(node.inputs[0]), "dZ": gradient(node.output)}
                found.append(Sent(adjoint, (), arrays))
                continue
            if isinstance(node.equation, SoftmaxEquation):
                arrays = {"Z": value(node.output), "dZ": gradient(node.output)}
                found.append(Sent(adjoint, (), arrays))
                continue
            equation = slope_of_value(node, adjoint.equation)
            arrays = {a: value(name) for a, name in node.arrays}
            arrays["d" + node.equation.target.array] = gradient(node.output)
            arrays["d" + adjoint.operand] = gradient(adjoint.receives)
            used = {a.array for t in equation.terms for a in t.accesses}
            arrays = {a: key for a, key in arrays.items() if a in used}
            if self.options.per_sample and adjoint.operand in node.parameters:
                found.append(self._share(adjoint, equation, arrays))
                if not self.options.sums:
                    continue
            several, plane = self._chosen(forms(equation, node.parameters))
            found.append(Sent(adjoint, several, arrays, _elementwise(equation), plane))
        return found

    def _share(
        self, adjoint: Adjoint, equation: Contraction, arrays: Mapping[str, ArrayKey]
    ) -> Sent:
        """Each sample's share of a parameter's gradient; of an outer product, what is multiplied.

        Not where several layers use the parameter: their products have nothing in common.
        """
        held = adjoint.node.parameters
        several = forms(equation, held)
        if self.uses[adjoint.receives] > 1 or len(several) > 1 or letters(several[0]) is None:
            # rows outside, as in a sum over samples: halos instead of narrowed ranges
            several = tuple(replace(f, inside=False) for f in forms(shares(equation), held))
        target = {"d" + adjoint.operand: sample_share(adjoint.receives)}
        return Sent(adjoint, several, {**arrays, **target}, per_sample=True)

    def readers(self, name: str) -> Sequence[tuple[Node, str]]:
        """Who reads an array."""
        return self.system.readers.get(name, ())

    def _fusions(self) -> dict[str, Node]:
        """Nodes that compute a function along with their own result: name → that function's.

        Where the function's slope needs what it is applied to, that is stored as well.
        """
        found: dict[str, Node] = {}
        for before, node in functions_behind(self.system):
            if self.keeps(before) and _summands(before):
                continue  # which a batch norm may add up
            one = self.forward.get(before.name, ())
            stores = len(one) == 1 and one[0].sets and before.equation.kind != "pointwise"
            if stores and not one[0].covers:  # elsewhere stand zeros, which the function must keep
                function = function_of(node)
                stores = function is not None and function(0.0) == 0
            stores = stores and not copies(one)  # which may be no call at all
            if stores or isinstance(before.equation, Normalisation):
                found[before.name] = node
        return found

    def keeps(self, node: Node) -> bool:
        """Whether what a node makes is read in the backward pass."""
        return value(node.output) in self.read_later

    def _sums(self) -> dict[str, tuple[Node, str]]:
        """Sums that a batch norm adds up as it stores: its name → the sum, and what is added."""
        places = {node.name: place for place, node in enumerate(self.system.nodes)}
        found: dict[str, tuple[Node, str]] = {}
        for node in self.system.nodes:
            operands = _summands(node)
            producers = [self.system.producer.get(name) for name in operands]
            if len(operands) != 2 or None in producers or node.name in self.along:
                continue
            last = max((p for p in producers if p is not None), key=lambda p: places[p.name])
            other = operands[1 - producers.index(last)]
            alone = len(self.readers(last.output)) == 1 and last.name not in self.fused
            unread = value(last.output) not in self.read_later
            if isinstance(last.equation, Normalisation) and alone and unread:
                found[last.name] = (node, other)
        return found

    @property
    def along(self) -> set[str]:
        """The nodes that are computed along with others."""
        after = (*self.fused.values(), *self.pooled.values(), *(n for n, _ in self.sums.values()))
        return {node.name for node in after}

    def _absorptions(self) -> dict[SentKey, Sent]:
        """Slopes that are applied as a gradient is stored: by whom → the slope's adjoint.

        The last who adds to an activation's gradient multiplies it by the activation's slope, and
        by that of the activation before, and so on. Where others have added before, the gradient
        and all these products have one place (`in_place`). What several read, as of a product of
        two arrays, stays as it is.
        """
        found: dict[SentKey, Sent] = {}
        reads = Counter(
            key for sent in self.sent for key in {*sent.arrays.values()} - {gradient(sent.receives)}
        )
        for sent in self.sent:
            output = sent.adjoint.node.output
            alone = reads[gradient(output)] == 1
            if sent.slope is None or not alone or not self.receives_once(sent.receives):
                continue
            above = self.received.get(output, [])
            if above and len(above[-1].forms) == 1 and above[-1].forms[0].sets:
                found[above[-1].key] = sent
                if len(above) > 1 or output in self.in_place or output in self.compared:
                    self.in_place[sent.receives] = output
        return found

    def receives_once(self, name: str) -> bool:
        """Whether one node alone sends something back to an array; a loss sends to outputs."""
        return len(self.received[name]) == 1 and name not in self.compared

    def _pool(self) -> None:
        """Maxima of 2 × 2 that a convolution in tiles takes before it stores: its name → the pool.

        The map is not stored then. The slope of the function between them, which its values give,
        is that of the maxima: to the others the pool sends nothing.
        """
        for node in self.system.nodes:
            plane, after = self.planes.get(node.name), self.fused.get(node.name)
            stored = (after or node).output
            readers = self.readers(stored)
            if plane is None or plane.kind != "forward" or len(readers) != 1:
                continue
            if value(stored) in self.handed_out:
                continue
            ((pool, _),) = readers
            if after is not None and self.keeps(node):
                continue
            fits = min(plane.size) // 2 * 2 >= plane.m
            if not (fits and isinstance(pool.equation, Selection) and halves(pool.equation)):
                continue
            through = [s for (name, _), s in self.absorbed.items() if name == pool.name]
            later = [s for s in self.sent if value(stored) in s.arrays.values()]
            if all(s in through and s.adjoint.node is after for s in later):
                self.pooled[node.name] = self.only_maxima[value(stored)] = pool

    def absorbs(self, sent: Sent) -> bool:
        """Whether a slope is applied elsewhere."""
        return any(slope is sent for slope in self.absorbed.values())


def functions_behind(system: System) -> Iterator[tuple[Node, Node]]:
    """Nodes that apply a function to what nobody else reads, each behind the one that made it."""
    for node in system.nodes:
        if function_of(node) is not None:
            before = system.producer.get(node.inputs[0])
            if before is not None and len(system.readers[before.output]) == 1:
                yield before, node


def maxima(pool: Node) -> tuple[str, str]:
    """The arrays of a pool's results and winners."""
    assert isinstance(pool.equation, Selection)
    return pool.output, pool.array_of[pool.equation.winner]


def _summands(node: Node) -> tuple[str, ...]:
    """The names of the arrays whose plain sum a node is; none if it is something else."""
    equation = node.equation
    if not isinstance(equation, Contraction) or len(equation.terms) != 2:
        return ()
    for term in equation.terms:
        bare = len(term.factors) == 1 and isinstance(term.factors[0], Access)
        same = bare and term.factors[0].access.positions == equation.target.positions
        if not same or term.target != equation.target or term.scale.value != 1:
            return ()
    return tuple(node.array_of[t.factors[0].access.array] for t in equation.terms)


def _elementwise(equation: Contraction) -> Term | None:
    """The one term, where every factor stands at the target's own place."""
    if len(equation.terms) != 1:
        return None
    (term,) = equation.terms
    alike = all(f.access.positions == term.target.positions for f in term.factors)
    plain = all(isinstance(f, Access | Applied) for f in term.factors)
    return term if alike and plain and len(term.factors) > 1 and term.scale.value == 1 else None


def slopes(sent: Sent) -> list[tuple[Function | None, ArrayKey]]:
    """What multiplies a gradient that passes through: functions of arrays, or the arrays."""
    assert sent.slope is not None
    through = "d" + sent.adjoint.node.equation.target.array
    return [
        (f.function if isinstance(f, Applied) else None, sent.arrays[f.access.array])
        for f in sent.slope.factors
        if f.access.array != through
    ]


def copies(several: Sequence[Form]) -> bool:
    """Whether a node only hands its operand on, element by element in the same order."""
    if len(several) != 1 or len(several[0].terms) != 1:
        return False
    (form,) = several
    (term,) = form.terms
    bare = len(term.factors) == 1 and isinstance(term.factors[0], Access)
    if not (bare and form.sets and form.covers) or term.summed or term.scale.value != 1:
        return False
    return _row_major(form.equation, term.target) == _row_major(
        form.equation, term.factors[0].access
    )


def _row_major(equation: Contraction, access: Access) -> tuple[int, int, dict[str, int]]:
    """An array as one row: its length, where it begins, and how far one step of each index goes."""
    step, start, found = 1, 0, dict[str, int]()
    shape = equation.shape_of[access.array]
    for position, size in zip(reversed(access.positions), reversed(shape), strict=True):
        start += position.offset.integer * step
        for name, coefficient in position.terms:
            found[name] = found.get(name, 0) + coefficient.integer * step
        step *= size
    found.pop("n", None)
    return step, start, {n: s for n, s in found.items() if equation.range_of[n] > 1}
