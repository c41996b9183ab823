"""The static memory plan: where every array of a step lies, known before there is any data.

Each array lives in a region of its own kind (`Field`): activations in a block's arena, parameters
in one row, gradients in a copy of that row per group. In the arena, arrays of equal layout share
a place where their lives do not overlap; the layouts must be equal because halos are set to zero
only once.
"""

from __future__ import annotations

from dataclasses import dataclass

from .frame import Field
from .layout import Layout

__all__ = ["Buffer", "Memory"]

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
        kept: whether it must outlive the step's calls.
        same: the buffer whose memory this one is, under another shape; None for one of its own.
    """

    name: str
    field: Field
    layout: Layout
    place: int | None = None
    first: int = -1
    last: int = -1
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
    """All buffers by name, and how large each region is."""

    def __init__(self) -> None:
        self.buffers: dict[str, Buffer] = {}
        self.sizes: dict[Field, int] = {}

    def __getitem__(self, name: str) -> Buffer:
        return self.buffers[name]

    def __contains__(self, name: str) -> bool:
        return name in self.buffers

    def add(self, name: str, field: Field, layout: Layout, *, kept: bool = False) -> Buffer:
        """A buffer, to be placed by `place`; outside the arena it is placed at once."""
        if name not in self.buffers:
            self.buffers[name] = Buffer(name, field, layout, kept=kept)
            if field is not Field.ARENA:
                self.buffers[name].place = self._take(field, layout.size)
        return self.buffers[name]

    def put(self, name: str, field: Field, layout: Layout, offset: int) -> Buffer:
        """A buffer at a given place."""
        self.buffers[name] = Buffer(name, field, layout, offset, kept=True)
        self.sizes[field] = max(self.sizes.get(field, 0), offset + layout.size)
        return self.buffers[name]

    def used(self, name: str, call: int) -> None:
        """Note that a call uses a buffer."""
        buffer = self[name].root
        if buffer.first < 0:
            buffer.first = call
        buffer.last = max(buffer.last, call)

    def place(self) -> None:
        """Give every buffer of the arena its offset."""
        everything = self.buffers.values()
        waiting = [b for b in everything if b.field is Field.ARENA and b.first >= 0]
        free: dict[Layout, list[tuple[int, int]]] = {}
        for buffer in sorted(waiting, key=lambda b: b.first):
            vacant = free.setdefault(buffer.layout, [])
            fitting = [entry for entry in vacant if entry[0] < buffer.first]
            if fitting:
                vacant.remove(fitting[0])
                buffer.place = fitting[0][1]
            else:
                buffer.place = self._take(Field.ARENA, buffer.layout.size)
            if not buffer.kept:
                vacant.append((buffer.last, buffer.offset))

    def _take(self, field: Field, size: int) -> int:
        begin = self.sizes.get(field, 0)
        self.sizes[field] = begin + -(-size // _ALIGN) * _ALIGN
        return begin
