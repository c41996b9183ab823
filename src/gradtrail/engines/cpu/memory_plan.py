"""The static memory plan: where every array of a step lies, known before there is any data.

Each array lives in a region of its own kind (`Slot`): activations in a block's arena, parameters
in one row, gradients in a copy of that row per group (but see `MemoryPlan.at_once`). Where barriers
cut the step, so that every block has an arena, an activation that lives between two barriers lies
in its thread's memory instead: it stays in the caches, and the arenas stay small.

In the arena and in a thread's memory, arrays of equal layout share a place where their lives do not
overlap; the layouts must be equal because halos are set to zero only once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .frame import Slot
from .keys import ArrayKey
from .layout import Layout
from .raw import next_line


@dataclass
class Allocation:
    """An array's place.

    Args:
        key: what it is found by.
        region: where in the frame its region is told.
        layout: how it lies there.
        place: where, in bytes; None until planned.
        first: the call that writes it first.
        last: the call that uses it last.
        phases: those of the calls that use it.
        lasting: whether it must outlive the step's calls.
        same: the array whose memory this one is, under another shape; None for one of its own.
    """

    key: ArrayKey
    region: Slot
    layout: Layout
    place: int | None = None
    first: int = -1
    last: int = -1
    phases: set[int] = field(default_factory=set)
    lasting: bool = False
    same: Allocation | None = None

    @property
    def root(self) -> Allocation:
        """The array whose memory it is."""
        return self if self.same is None else self.same.root

    @property
    def offset(self) -> int:
        """Where it lies, in bytes."""
        place = self.root.place
        assert place is not None, f"{self.key} has no place"
        return place


class MemoryPlan:
    """All arrays by key, and how large each region is.

    The first `at_once` bytes of the parameters' row are those of whose gradients there is one copy,
    summed over the whole batch at once, not one per group.
    """

    def __init__(self) -> None:
        self.arrays: dict[ArrayKey, Allocation] = {}
        self.sizes: dict[Slot, int] = {}
        self.at_once = 0

    def __getitem__(self, key: ArrayKey) -> Allocation:
        return self.arrays[key]

    def __contains__(self, key: ArrayKey) -> bool:
        return key in self.arrays

    def add(
        self, key: ArrayKey, region: Slot, layout: Layout, *, lasting: bool = False
    ) -> Allocation:
        """An array, to be placed by `place`; outside the arena it is placed at once."""
        if key not in self.arrays:
            self.arrays[key] = Allocation(key, region, layout, lasting=lasting)
            if region is not Slot.ARENA:
                self.arrays[key].place = self._take(region, layout.size)
        return self.arrays[key]

    def put(self, key: ArrayKey, region: Slot, layout: Layout, offset: int) -> Allocation:
        """An array at a given place."""
        self.arrays[key] = Allocation(key, region, layout, offset, lasting=True)
        self.sizes[region] = max(self.sizes.get(region, 0), offset + layout.size)
        return self.arrays[key]

    def used(self, key: ArrayKey, call: int, phase: int = 0) -> None:
        """Note that a call of a phase uses an array."""
        array = self[key].root
        if array.first < 0:
            array.first = call
        array.last = max(array.last, call)
        array.phases.add(phase)

    def place(self, *, segmented: bool = False) -> None:
        """Give every array of the arena its offset.

        Args:
            segmented: whether blocks have arenas of their own, and what lives within one phase
                belongs into the thread's memory.
        """
        everything = list(self.arrays.values())
        waiting = [a for a in everything if a.region is Slot.ARENA and a.first >= 0]
        free: dict[tuple[Slot, Layout], list[tuple[int, int]]] = {}
        for array in sorted(waiting, key=lambda a: a.first):
            if segmented and len(array.phases) == 1 and not array.lasting:
                array.region = Slot.SCRATCH
            vacant = free.setdefault((array.region, array.layout), [])
            fitting = [entry for entry in vacant if entry[0] < array.first]
            if fitting:
                vacant.remove(fitting[0])
                array.place = fitting[0][1]
            else:
                array.place = self._take(array.region, array.layout.size)
            if not array.lasting:
                vacant.append((array.last, array.offset))
        for array in everything:
            array.region = array.root.region

    def _take(self, region: Slot, size: int) -> int:
        begin = next_line(self.sizes.get(region, 0))
        self.sizes[region] = begin + next_line(size)
        return begin
