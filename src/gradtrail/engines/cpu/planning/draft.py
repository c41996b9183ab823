"""A program being written: its phases, its memory, and what all parts of the planning share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ....equation import Access
from ....equation.frozen import frozen
from ..addresses import access_stream
from ..contraction import Form, by_rows, nest_of, share_inside
from ..frame import Slot
from ..kernels.filling import Copied, Zero
from ..kernels.kernel import Kernel
from ..kernels.nest_kernel import NestKernel
from ..keys import ArrayKey, gradient, sample_share, value
from ..layout import Layout
from ..memory_plan import MemoryPlan
from ..nest import Epilogue
from ..phases import Phase
from ..program import KernelCall, Program
from ..target import LANES
from .linear_weights import at_once
from .work import Work

if TYPE_CHECKING:
    import numpy as np

    from ....graph import Graph
    from ....layers import Layer, Loss
    from ..kernels.channels import PackChannels
    from ..options import Options
    from ..winograd import PackWeights


class Ending(NamedTuple):
    """A step before storing.

    Args:
        step: without its stream.
        array: of its stream, where it has one.
        at: the element that is met there; None for the one at the target's own place.
    """

    step: Epilogue
    array: ArrayKey | None = None
    at: Access | None = None


@frozen
class Job:
    """What the calls that make one array have in common.

    Args:
        arrays: letter → array.
        layer: on whose behalf.
        does: what it is, in words.
        target: the array that is stored to.
        endings: what happens before storing.
    """

    arrays: Mapping[str, ArrayKey]
    layer: str
    does: str
    target: ArrayKey
    endings: tuple[Ending, ...] = ()


class Draft:
    """What is known and collected while a program is planned.

    Args:
        network: whose program it is.
        work: what there is to do.
        loss: at its end, or None.
    """

    def __init__(self, network: Graph, work: Work, loss: Loss | None = None) -> None:
        self.network, self.work, self.loss = network, work, loss
        self.target = work.setup.target
        self.layers: dict[str, Layer] = {s.name: s.layer for s in network.steps}
        self.owners = {step.name: step.owner for step in network.steps}
        self.moved: set[str] = set()
        self.memory = MemoryPlan()
        self.packing: Phase[KernelCall] = Phase("each")
        self.phases: list[Phase[KernelCall]] = [self.packing, Phase("blocks")]
        self.closing: list[Phase[KernelCall]] = []
        self.at_once = at_once(work)
        self.constants: dict[ArrayKey, np.ndarray] = {}
        self.written: set[ArrayKey] = set()
        self.repeated: dict[ArrayKey, KernelCall] = {}
        self._count = 0

    @property
    def options(self) -> Options:
        """What the program is for."""
        return self.work.options

    def call(
        self,
        kernel: Kernel,
        arguments: Sequence[ArrayKey],
        layer: str,
        does: str,
        work: int = 0,
        cycles: float = 0.0,
    ) -> None:
        """A call for each block."""
        for key in arguments:
            self.memory.used(key, self._count, len(self.phases))
        self._count += 1
        call = KernelCall(kernel, tuple(arguments), layer, does, work, cycles)
        self.phases[-1].calls.append(call)

    def for_the_batch(
        self, kernel: Kernel, arguments: Sequence[ArrayKey], layer: str, does: str
    ) -> None:
        """A call for the whole batch, between two barriers."""
        self.phases.append(Phase("one"))
        self.call(kernel, arguments, layer, does)
        self.phases.append(Phase("blocks"))

    def behind(self, call: KernelCall, length: int, chunk: int) -> None:
        """A call behind all others, whose `length` is shared out in pieces of `chunk`."""
        self.closing.append(Phase("chunks", [call], length, chunk))

    def of_all_blocks(self, key: ArrayKey) -> ArrayKey:
        """What every block has to itself, from the first block's on."""
        return self._also(key, f"{key.detail} of all blocks", Slot.PARTIAL_ALL)

    def in_first_group(self, parameter: str) -> ArrayKey:
        """A parameter's gradient in group 0, which no block has to itself."""
        return self._also(gradient(parameter), "first group", Slot.GRADIENTS_ALL)

    def _also(self, key: ArrayKey, detail: str, region: Slot) -> ArrayKey:
        """The same place, counted from where another region begins."""
        also, held = key._replace(detail=detail), self.memory[key]
        self.memory.put(also, region, held.layout, held.offset)
        return also

    def pack(
        self, kernel: PackChannels | PackWeights, of: ArrayKey, how: str, layer: str
    ) -> ArrayKey:
        """What an array is packed to before all calls, once a step for all that read it.

        Large ones come first, so that threads end together.
        """
        packed = ArrayKey("packed", of.array, how)
        if packed not in self.memory:
            self.memory.add(packed, Slot.PACKED, Layout((kernel.size // 4,), (), False))
            self.packing.calls.append(KernelCall(kernel, (packed, of), layer, "packing"))
            self.packing.calls.sort(key=lambda call: -self.memory[call.arguments[0]].layout.size)
        return packed

    def program(self, per_block: int = LANES) -> Program:
        """All that is planned, every array in its place."""
        several = sum(phase.kind == "blocks" and bool(phase.calls) for phase in self.phases) > 1
        self.memory.place(segmented=several)
        phases = [phase for phase in (*self.phases, *self.closing) if phase.calls]
        shapes = self.work.system.shapes
        return Program(phases, self.memory, shapes, self.options, self.constants, per_block)

    def scratch(self, size: int, begin: int = 0) -> ArrayKey:
        """An array of the thread's own, whose content lasts for one call."""
        key = ArrayKey("scratch", detail=f"{size} at {begin}")
        if key not in self.memory:
            self.memory.put(key, Slot.SCRATCH, Layout((-(-size // 4),), (), False), begin)
        return key

    def held(self, key: ArrayKey) -> ArrayKey:
        """The array where a value is found now.

        A call in `repeated` is made again in a later phase, from what lies in memory anyway: two
        passes over memory less than to keep its result from the forward pass to the backward pass.
        """
        made, phase = self.repeated.get(key), len(self.phases)
        if made is None or phase in self.memory[key].root.phases:
            return key
        again = key._replace(detail=f"again in phase {phase}")
        if again not in self.memory:
            self.memory.add(again, Slot.ARENA, self.memory[key].layout)
            self.call(made.kernel, (again, *made.arguments[1:]), made.layer, f"{made.does}, again")
        return again

    def zero(self, job: Job) -> None:
        """Set the target to zero."""
        zero = Zero(self.memory[job.target].layout.size)
        self.call(zero, (job.target,), job.layer, job.does)

    def copy(self, job: Job, to: ArrayKey, of: ArrayKey) -> None:
        """Put down an array of each block, once, for when all blocks have been here.

        Its places lie one behind the other: it has one axis, whose halo is left out.
        """
        if to not in self.memory:
            layout = self.memory[of].layout
            put = Layout(layout.shape, (), True)
            self.memory.add(to, Slot.PARTIAL, put)
            self.call(Copied(put.size, layout.origin), (to, of), job.layer, job.does)

    def running(self, name: str) -> ArrayKey:
        """Where a running statistic is: in a layer's second use, where its first has moved it."""
        again = name in self.moved
        self.moved.add(name)
        return ArrayKey("updated", name) if again else value(name)

    def share(self, parameter: str, layout: Layout) -> ArrayKey:
        """A place for each sample's share of a parameter's gradient; each use has its own."""
        key, use = sample_share(parameter), 1
        while key in self.memory:
            use += 1
            key = key._replace(detail=f"use {use}")
        self.memory.add(key, Slot.PARTIAL, layout)
        return key

    def join_share(self, parameter: str, key: ArrayKey, layer: str, does: str) -> None:
        """The share of a further use, which is there, added to that of the first."""
        first = sample_share(parameter)
        if key != first:
            size = self.memory[key].layout.size
            self.call(Copied(size, adds=True), (first, key), layer, does)

    def shares(self, key: ArrayKey) -> bool:
        """Whether an array is another's memory under its own shape."""
        return key in self.memory and self.memory[key].same is not None

    def same(self, one: ArrayKey, other: ArrayKey) -> bool:
        """Whether two arrays are one place."""
        known = one in self.memory and other in self.memory
        return known and self.memory[one].root is self.memory[other].root

    def layouts(self, arrays: Mapping[str, ArrayKey]) -> dict[str, Layout]:
        """Letter → layout."""
        return {a: self.memory[key].layout for a, key in arrays.items()}

    def nests(self, job: Job, forms: Sequence[Form], *, first: bool = True) -> None:
        """An adjoint's forms, added up in the target; `first` where nobody has added there yet.

        The first form stores where it reaches every element, and so do all that stand side by side.
        """
        for place, form in enumerate(forms):
            if first and place == 0 and not form.covers:
                self.zero(job)
                first = False
            stores = first and (place == 0 or form.sets)
            self.nest(job, form, adds=not stores)

    def nest(self, job: Job, form: Form, *, adds: bool) -> None:
        """A form as a nest; `adds` to what is at the target."""
        keys = {**job.arrays, form.target.array: job.target}
        letters = len(form.letters)
        steps: list[Epilogue] = []
        extra: list[ArrayKey] = []
        for step, key, at in job.endings:
            if key is not None:
                layout = self.memory[key].layout
                beside = access_stream(at or form.target, layout, letters + len(extra), key.name)
                step = replace(step, stream=beside)
                extra.append(key)
            steps.append(step)
        nest, order, tiling = nest_of(
            form, self.layouts(keys), self.target, adds=adds, epilogue=tuple(steps)
        )
        arguments = (*(keys[a] for a in order), *extra)
        kernel = NestKernel(nest)
        self.call(kernel, arguments, job.layer, job.does, _products(form), tiling.cycles)

    def nest_by_rows(self, job: Job, form: Form) -> None:
        """A weight gradient, row by row: at the target its accumulators wait, lane by lane."""
        self.zero(job)
        keys = {**job.arrays, form.target.array: job.target}
        nest, order, tiling = nest_of(form, self.layouts(keys), self.target, adds=True)
        lanes = nest.target
        if not lanes.lanes:
            lanes = replace(lanes, lanes=True, written=f"acc {form.target.array}")
        kernel, arguments = NestKernel(by_rows(nest, lanes)), [keys[a] for a in order]
        self.call(kernel, arguments, job.layer, job.does, _products(form), tiling.cycles)


def _products(form: Form) -> int:
    """Multiply–adds for one sample."""
    ranges = form.equation.range_of
    several = (t for t in form.terms if len(t.factors) > 1)
    total = sum(t.count({**ranges, "n": 1}) for t in several)
    return round(total * share_inside(form)) if form.inside else total
