"""The memory that a program runs in, and the frame that tells kernels where it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple
from weakref import ref

import numpy as np

from .frame import SLOTS, Slot
from .kernels.group_sums import join_pairs
from .kernels.loss_parts import PART_WORDS, PartWord
from .keys import ArrayKey, gradient, value
from .layout import Layout
from .listing import Listing
from .raw import address, aligned, bits, padded
from .target import LANES

GROUPS = 16
"""Into how many groups a batch's blocks are put at most. Each group's gradients are summed by
themselves, so this number is part of what a result is, and independent of the threads."""


_ONE_OF_A_KIND = (Slot.PARAMETERS, Slot.CONSTANTS, Slot.SHARED, Slot.PACKED)
"""The regions of which there is one, whatever the batch and the threads."""


class Lent:
    """As long as one of these lives, what it was given out for is not written again."""


def _nothing() -> None:
    """Nothing is lent."""


class Piece(NamedTuple):
    """What every block has to itself.

    Args:
        arenas: the blocks' arrays.
        partial: what each block sums for itself.
        lent: to whom; None where nobody has it.
    """

    arenas: np.ndarray
    partial: np.ndarray
    lent: Callable[[], Lent | None]


class Context:
    """Memory for one program, and its frame.

    Args:
        listing: what will run.
        threads: by how many threads.
    """

    def __init__(self, listing: Listing, threads: int) -> None:
        self.listing, self.threads = listing, threads
        self.frame = np.zeros(SLOTS, np.int64)
        self.words = self.frame.data  # the same, for what every step writes and reads
        self.numbers = self.frame.view(np.float64).data
        self.at = address(self.frame)
        self.frame[Slot.FLAG] = self.at + 8 * Slot.FLAGGED
        size = listing.size
        self._regions = {slot: aligned(padded(size(slot))) for slot in _ONE_OF_A_KIND}
        self.parameters = self._regions[Slot.PARAMETERS]
        self.constants = self._regions[Slot.CONSTANTS]
        self.updated = aligned(len(self.constants))
        self.scratch = aligned(threads * padded(size(Slot.SCRATCH)))
        self._blocks = self._groups = 0
        self.count = self.groups = 0
        self._lent: Callable[[], Lent | None] = _nothing
        self._spare: Piece | None = None
        self.frame[Slot.PER_BLOCK] = listing.per_block
        told = listing.options.by_class
        self.parts = np.zeros((0 if isinstance(told, bool) else len(told), PART_WORDS), np.int64)
        self.frame[Slot.PARTS] = address(self.parts)
        beside = {Slot.CONSTANTS_UPDATED: self.updated, Slot.SCRATCH_ALL: self.scratch}
        for field, array in (self._regions | beside).items():
            self.frame[field] = address(array)
        self.frame[Slot.SCRATCH_STRIDE] = padded(size(Slot.SCRATCH))
        for key, values in listing.constants.items():
            self.array(key)[...] = values

    @property
    def length(self) -> int:
        """Bytes of all parameters in a row."""
        return padded(self.listing.size(Slot.PARAMETERS))

    @property
    def row(self) -> int:
        """Bytes of those that have gradients, which come first."""
        return padded(self.listing.size(Slot.GRADIENTS))

    def reserve(self, samples: int) -> None:
        """Make room for a batch.

        Where that is interrupted or there is no room, the next call begins anew: what counts how
        much there is, is set last.
        """
        self.count = 0
        size, options = self.listing.size, self.listing.options
        blocks = -(-samples // self.listing.per_block)
        groups = min(blocks, GROUPS)
        if blocks > self._blocks:
            self._blocks = 0
            arena = padded(size(Slot.ARENA))
            own = self.listing.segmented or options.keep
            per_block = own or blocks < self.threads  # so that only as many are reserved
            self.arenas = aligned((blocks if per_block else self.threads) * arena)
            self.frame[Slot.ARENAS] = address(self.arenas)
            self.frame[Slot.ARENA_STRIDE] = arena
            self.frame[Slot.ARENA_PER_BLOCK] = int(per_block)
            partial = padded(size(Slot.PARTIAL))
            self.partial = aligned(blocks * partial)
            self.frame[Slot.PARTIAL_ALL] = address(self.partial)
            self.frame[Slot.PARTIAL_STRIDE] = partial
            self._lent, self._spare = _nothing, None
            self._blocks = blocks
        if options.backward and groups > self._groups:
            self._groups = 0
            once = self.listing.at_once
            self.gradients = aligned(once + groups * (self.row - once))
            self.frame[Slot.GRADIENTS_ALL] = address(self.gradients)
            self.frame[Slot.GRADIENTS_STRIDE] = self.row - once
            self._groups = groups
        self.groups = groups
        self.results = np.zeros((len(self.parts) or 1, blocks, 2), np.float32)
        self.frame[Slot.RESULT] = address(self.results)
        for part, result in zip(self.parts, self.results, strict=False):
            part[PartWord.RESULT] = address(result)
        self.frame[Slot.COUNT], self.frame[Slot.BLOCKS] = samples, blocks
        self.frame[Slot.GROUPS] = groups
        self.frame[Slot.SHARE] = bits(1.0 / samples)
        self.count = samples

    def renew(self) -> None:
        """Other memory for what every block has to itself, where that is still lent from before.

        The piece that was lent last is remembered, and taken before new memory if it is back: steps
        that are looked at one after another need two pieces. An older one is held by those that
        have it alone, and goes with them.
        """
        if self._lent() is None:
            return
        count, blocks, spare = self.count, self._blocks, self._spare
        self.count = self._blocks = 0  # should this be interrupted
        taken = self._fresh() if spare is None or spare.lent() is not None else spare
        self._spare = Piece(self.arenas, self.partial, self._lent)
        self.arenas, self.partial, self._lent = taken.arenas, taken.partial, _nothing
        self.frame[Slot.ARENAS] = address(self.arenas)
        self.frame[Slot.PARTIAL_ALL] = address(self.partial)
        self._blocks, self.count = blocks, count

    def _fresh(self) -> Piece:
        """Memory of the present size; arenas only where they are what is kept."""
        keep = self.listing.options.keep
        arenas = aligned(len(self.arenas)) if keep else self.arenas
        return Piece(arenas, aligned(len(self.partial)), _nothing)

    def lend(self) -> Lent:
        """What keeps that from being written again, as long as somebody holds it."""
        lent = Lent()
        self._lent = ref(lent)
        return lent

    def blocks_of(self, key: ArrayKey) -> np.ndarray:
        """What every block has of an array to itself, (B, *shape, lanes), as it lies there."""
        place, stride = self.listing.places[key], int(self.frame[Slot.PARTIAL_STRIDE])
        blocks = int(self.frame[Slot.BLOCKS])
        rows = self.partial[: blocks * stride].reshape(blocks, stride)
        part = rows[:, place.offset : place.offset + place.layout.size].view(np.float32)
        return part.reshape(blocks, *place.layout.shape, LANES)

    def array(self, key: ArrayKey) -> np.ndarray:
        """Parameters, what is given and what blocks share, as they lie there."""
        return self.listing.places[key].within(self._regions[self.listing.places[key].region])

    def gradient(self, name: str) -> np.ndarray:
        """A parameter's gradient, its groups added as a training adds them."""
        place, once = self.listing.places[gradient(name)], self.listing.at_once
        size, step = place.layout.size, self.row - once
        copies = 1 if place.offset < once else self.groups
        starts = (place.offset + group * step for group in range(copies))
        parts = [self.gradients[at : at + size].view(np.float32) for at in starts]
        return join_pairs(parts, np.add).reshape(place.layout.shape).copy()

    def take_gradients(self) -> np.ndarray:
        """All gradients in a row, their groups added as a training adds them; then they are 0."""
        once, step = self.listing.at_once, self.row - self.listing.at_once
        parts = [
            self.gradients[once + group * step : once + (group + 1) * step].view(np.float32)
            for group in range(self.groups)
        ]
        found = np.concatenate([self.gradients[:once].view(np.float32), join_pairs(parts, np.add)])
        self.gradients[:] = 0
        return found

    def put_gradients(self, row: np.ndarray) -> None:
        """Have these in the place of the first group's."""
        self.gradients[: self.row] = row.view(np.uint8)

    def samples_of(self, key: ArrayKey, count: int, lent: Lent) -> Callable[[], np.ndarray]:
        """What copies an array out of the arenas as they are now, (count, …).

        Args:
            key: the array's.
            count: how many samples.
            lent: keeps the arenas from being written again, for as long as this can be called.
        """
        place, blocks = self.listing.places[key], -(-count // LANES)
        arena = self.arenas.reshape(-1, int(self.frame[Slot.ARENA_STRIDE]))[:blocks]
        part = arena[:, place.offset : place.offset + place.layout.size]
        return partial(_by_sample, part, place.layout, count, lent)

    def fill(self, arrays: Mapping[str, np.ndarray]) -> bool:
        """Copy parameters and running statistics in.

        Returns:
            Whether a bit of them was another before.
        """
        changed = False
        for name, values in arrays.items():
            held = self.array(value(name))
            given = np.ascontiguousarray(values, np.float32)
            if not (held.view(np.int32) == given.view(np.int32)).all():
                held[...], changed = given, True
        return changed


def _by_sample(part: np.ndarray, layout: Layout, count: int, _: Lent) -> np.ndarray:
    """An array as it lies in each block's arena, (B, bytes), in the usual order: (count, …)."""
    kind = {"float": np.float32, "i8": np.uint8, "i32": np.int32}[layout.element]
    blocks = len(part)
    if len(layout.extents) > 1:  # without the padding of the first axis
        rows = part.reshape(blocks, layout.extents[0], layout.strides[0])
        part = rows[:, :, : layout.extents[1] * layout.strides[1]]
    held = np.ascontiguousarray(part).view(kind).reshape(blocks, *layout.extents, LANES)
    held = held[(slice(None), *layout.inside)]
    rows = np.moveaxis(held, -1, 1).reshape(blocks * LANES, *layout.shape)
    return np.ascontiguousarray(rows[:count])
