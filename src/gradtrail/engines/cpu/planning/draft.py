"""A program being written: its phases, its memory, and what all parts of the planning share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from ....equation import Access
from ..addresses import stream
from ..contraction import Form, nest_of, share_inside
from ..frame import Slot
from ..kernels.base import Kernel, NestKernel
from ..kernels.zero import Zero
from ..layout import Layout
from ..memory import Memory
from ..nest import Epilogue
from ..program import Call, Phase
from .outer import at_once
from .work import Work, gradient

if TYPE_CHECKING:
    import numpy as np

    from ....graph import Graph
    from ....layers import Layer
    from ..options import Options

__all__ = ["Draft", "Ending"]


class Ending(NamedTuple):
    """A step before storing.

    Args:
        step: without its stream.
        buffer: of its stream, where it has one.
        at: the element that is met there; None for the one at the target's own place.
    """

    step: Epilogue
    buffer: str | None = None
    at: Access | None = None


class Draft:
    """What is known and collected while a program is planned.

    Args:
        network: whose program it is.
        work: what there is to do.
        by_class: whether the rows of the targets belong to classes, or to samples.
    """

    def __init__(self, network: Graph, work: Work, by_class: bool) -> None:
        self.network, self.work, self.by_class = network, work, by_class
        self.target = work.setup.target
        self.layers: dict[str, Layer] = {s.name: s.layer for s in network.steps}
        self.memory = Memory()
        self.packing = Phase("each")
        self.phases: list[Phase] = [self.packing, Phase("blocks")]
        self.closing: list[Phase] = []
        self.at_once = at_once(work)
        self.constants: dict[str, np.ndarray] = {}
        self.written: set[str] = set()
        self.repeated: dict[str, Call] = {}
        self._count = 0

    @property
    def options(self) -> Options:
        """What the program is for."""
        return self.work.options

    def call(
        self,
        kernel: Kernel,
        arguments: Sequence[str],
        layer: str,
        does: str,
        work: int = 0,
        cycles: float = 0.0,
    ) -> None:
        """A call for each block."""
        for name in arguments:
            self.memory.used(name, self._count, len(self.phases))
        self._count += 1
        self.phases[-1].calls.append(Call(kernel, tuple(arguments), layer, does, work, cycles))

    def alone(self, kernel: Kernel, arguments: Sequence[str], layer: str, does: str) -> None:
        """A call for the whole batch, between two barriers."""
        self.phases.append(Phase("one"))
        self.call(kernel, arguments, layer, does)
        self.phases.append(Phase("blocks"))

    def behind(
        self,
        length: int,
        chunk: int,
        kernel: Kernel,
        arguments: Sequence[str],
        layer: str,
        does: str,
        work: int,
    ) -> None:
        """A call behind all others, whose `length` is shared out in pieces of `chunk`."""
        phase = Phase("chunks", [Call(kernel, tuple(arguments), layer, does, work)], length, chunk)
        self.closing.append(phase)

    def of_all_blocks(self, buffer: str) -> str:
        """What every block has to itself, from the first block's on."""
        name, held = f"{buffer} of all blocks", self.memory[buffer]
        self.memory.put(name, Slot.PARTIAL_ALL, held.layout, held.offset)
        return name

    def in_first_group(self, parameter: str) -> str:
        """A parameter's gradient in group 0, which no block has to itself."""
        name, held = f"first {gradient(parameter)}", self.memory[gradient(parameter)]
        self.memory.put(name, Slot.GRADIENTS_ALL, held.layout, held.offset)
        return name

    def pack(self, kernel: Kernel, arguments: Sequence[str], layer: str) -> None:
        """A call before all others, once a step; large ones first, so that threads end together."""
        self.packing.calls.append(Call(kernel, tuple(arguments), layer, "packing"))
        self.packing.calls.sort(key=lambda call: -self.memory[call.arguments[0]].layout.size)

    def scratch(self, size: int, begin: int = 0) -> str:
        """A buffer of the thread's own, whose content lasts for one call."""
        name = f"scratch {size} at {begin}"
        if name not in self.memory:
            self.memory.put(name, Slot.SCRATCH, Layout((-(-size // 4),), (), False), begin)
        return name

    def held(self, buffer: str) -> str:
        """The buffer where a value is found now.

        A call in `repeated` is made again in a later phase, from what lies in memory anyway: two
        passes over memory less than to keep its result from the forward pass to the backward pass.
        """
        made, phase = self.repeated.get(buffer), len(self.phases)
        if made is None or phase in self.memory[buffer].root.phases:
            return buffer
        again = f"{buffer}, again in phase {phase}"
        if again not in self.memory:
            self.memory.add(again, Slot.ARENA, self.memory[buffer].layout)
            self.call(made.kernel, (again, *made.arguments[1:]), made.layer, f"{made.does}, again")
        return again

    def zero(self, buffer: str, layer: str, does: str) -> None:
        """Set a buffer to zero."""
        self.call(Zero(self.memory[buffer].layout.size), (buffer,), layer, does)

    def shares(self, name: str) -> bool:
        """Whether a buffer is another's memory under its own shape."""
        return name in self.memory and self.memory[name].same is not None

    def same(self, one: str, other: str) -> bool:
        """Whether two buffers are one place."""
        known = one in self.memory and other in self.memory
        return known and self.memory[one].root is self.memory[other].root

    def layouts(self, arrays: Mapping[str, str]) -> dict[str, Layout]:
        """Letter → layout."""
        return {a: self.memory[b].layout for a, b in arrays.items()}

    def nest(
        self,
        form: Form,
        arrays: Mapping[str, str],
        layer: str,
        does: str,
        *,
        adds: bool,
        endings: Sequence[Ending] = (),
        target: str | None = None,
    ) -> None:
        """A form as a nest.

        Args:
            form: the terms.
            arrays: letter → buffer.
            layer: on whose behalf.
            does: what it is, in words.
            adds: whether to what is at the target.
            endings: what happens before storing.
            target: the buffer stored to, instead of the target letter's.
        """
        buffers = dict(arrays)
        if target is not None:
            buffers[form.target.array] = target
        letters = len(dict.fromkeys(a.array for t in form.terms for a in t.accesses))
        steps: list[Epilogue] = []
        extra: list[str] = []
        for step, buffer, at in endings:
            if buffer is not None:
                layout, written = self.memory[buffer].layout, buffer.split(" ", 1)[1]
                beside = stream(at or form.target, layout, letters + len(extra), written)
                step = replace(step, stream=beside)
                extra.append(buffer)
            steps.append(step)
        nest, order, tiling = nest_of(
            form, self.layouts(buffers), self.target, adds=adds, epilogue=tuple(steps)
        )
        names = (*(buffers[a] for a in order), *extra)
        self.call(NestKernel(nest), names, layer, does, products(form), tiling.cycles)


def products(form: Form) -> int:
    """Multiply–adds for one sample."""
    ranges = form.equation.range_of
    several = (t for t in form.terms if len(t.factors) > 1)
    total = sum(prod(ranges[n] for n in t.names if n != "n") for t in several)
    return round(total * share_inside(form)) if form.inside else total
