"""The static memory plan: where every array of a step lies, known before there is any data.

Each array lives in a region of its own kind (`Slot`): activations in a block's arena, parameters
in one row, gradients in a copy of that row per group (but see `Memory.at_once`). Where barriers cut
the step, so that every block has an arena, an activation that lives between two barriers lies in
its thread's memory instead: it stays in the caches, and the arenas stay small.

In the arena and in a thread's memory, arrays of equal layout share a place where their lives do not
overlap; the layouts must be equal because halos are set to zero only once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from .frame import Slot
from .layout import Layout

__all__ = ["Buffer", "Memory", "next_line"]

_ALIGN = 64


@dataclass
class Buffer:
    """An array's place.

    Args:
        name: such as `value conv1.output`.
        field: the region.
        layout: how it lies there.
        place: where, in bytes; None until planned.
        first: the call that writes it first.
        last: the call that uses it last.
        phases: those of the calls that use it.
        kept: whether it must outlive the step's calls.
        same: the buffer whose memory this one is, under another shape; None for one of its own.
    """

    name: str
    field: Slot
    layout: Layout
    place: int | None = None
    first: int = -1
    last: int = -1
    phases: set[int] = dataclasses.field(default_factory=set)
    kept: bool = False
    same: Buffer | None = None

    @property
    def root(self) -> Buffer:
        """The buffer whose memory it is."""
        return self if self.same is None else self.same.root

    @property
    def offset(self) -> int:
        """Where it lies, in bytes."""
        place = self.root.place
        assert place is not None, f"{self.name} has no place"
        return place


class Memory:
    """All buffers by name, and how large each region is.

    The first `at_once` bytes of the parameters' row are those of whose gradients there is one copy,
    summed over the whole batch at once, not one per group.
    """

    def __init__(self) -> None:
        self.buffers: dict[str, Buffer] = {}
        self.sizes: dict[Slot, int] = {}
        self.at_once = 0

    def __getitem__(self, name: str) -> Buffer:
        return self.buffers[name]

    def __contains__(self, name: str) -> bool:
        return name in self.buffers

    def add(self, name: str, field: Slot, layout: Layout, *, kept: bool = False) -> Buffer:
        """A buffer, to be placed by `place`; outside the arena it is placed at once."""
        if name not in self.buffers:
            self.buffers[name] = Buffer(name, field, layout, kept=kept)
            if field is not Slot.ARENA:
                self.buffers[name].place = self._take(field, layout.size)
        return self.buffers[name]

    def put(self, name: str, field: Slot, layout: Layout, offset: int) -> Buffer:
        """A buffer at a given place."""
        self.buffers[name] = Buffer(name, field, layout, offset, kept=True)
        self.sizes[field] = max(self.sizes.get(field, 0), offset + layout.size)
        return self.buffers[name]

    def used(self, name: str, call: int, phase: int = 0) -> None:
        """Note that a call of a phase uses a buffer."""
        buffer = self[name].root
        if buffer.first < 0:
            buffer.first = call
        buffer.last = max(buffer.last, call)
        buffer.phases.add(phase)

    def place(self, *, segmented: bool = False) -> None:
        """Give every buffer of the arena its offset.

        Args:
            segmented: whether blocks have arenas of their own, and what lives within one phase
                belongs into the thread's memory.
        """
        everything = list(self.buffers.values())
        waiting = [b for b in everything if b.field is Slot.ARENA and b.first >= 0]
        free: dict[tuple[Slot, Layout], list[tuple[int, int]]] = {}
        for buffer in sorted(waiting, key=lambda b: b.first):
            if segmented and len(buffer.phases) == 1 and not buffer.kept:
                buffer.field = Slot.SCRATCH
            vacant = free.setdefault((buffer.field, buffer.layout), [])
            fitting = [entry for entry in vacant if entry[0] < buffer.first]
            if fitting:
                vacant.remove(fitting[0])
                buffer.place = fitting[0][1]
            else:
                buffer.place = self._take(buffer.field, buffer.layout.size)
            if not buffer.kept:
                vacant.append((buffer.last, buffer.offset))
        for buffer in everything:
            buffer.field = buffer.root.field

    def _take(self, field: Slot, size: int) -> int:
        begin = next_line(self.sizes.get(field, 0))
        self.sizes[field] = begin + next_line(size)
        return begin


def next_line(place: int) -> int:
    """The next place where a cache line begins."""
    return -(-place // _ALIGN) * _ALIGN
