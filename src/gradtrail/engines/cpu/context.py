"""The memory that a program runs in, and the frame that tells kernels where it is."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from .compiler import Compiler
from .driver import CALL, PHASE
from .frame import FIELDS, Field
from .program import Call, Program
from .target import LANES

__all__ = ["Context", "aligned", "assembled"]

GROUPS = 16
"""Into how many groups a batch's blocks are put at most. Each group's gradients are summed by
themselves, so this number is part of what a result is, and independent of the threads."""

_PAGE = 64


def aligned(size: int) -> np.ndarray:
    """So many zero bytes, beginning at a multiple of 64."""
    held = np.zeros(size + _PAGE, np.uint8)
    skip = -held.ctypes.data % _PAGE
    return held[skip : skip + size]


def assembled(
    phases: Sequence[tuple[str, Sequence[Call], int, int]],
    program: Program,
    compiler: Compiler,
) -> tuple[np.ndarray, np.ndarray]:
    """Calls as the driver reads them.

    Args:
        phases: kind (`blocks`, `one`, `chunks`), calls, length, chunk.
        program: whose buffers the calls name.
        compiler: which gives the kernels' addresses.

    Returns:
        The calls, (n, CALL) int64, and the phases, (P, PHASE) int64, which point at them.
    """
    calls = [c for _, listed, _, _ in phases for c in listed]
    kernels = {c.kernel.symbol: c.kernel for c in calls}
    target = compiler.target
    pieces = [
        (symbol, symbol, (lambda k=kernel: k.text(target))) for symbol, kernel in kernels.items()
    ]
    addresses = dict(zip(kernels, compiler.addresses(pieces), strict=True))
    table = np.zeros((max(1, len(calls)), CALL), np.int64)
    for row, call in zip(table, calls, strict=False):
        row[0], row[1] = addresses[call.kernel.symbol], len(call.arguments)
        for place, name in enumerate(call.arguments):
            buffer = program.memory[name]
            row[2 + 2 * place], row[3 + 2 * place] = int(buffer.field), buffer.offset
    found = np.zeros((len(phases), PHASE), np.int64)
    begin = 0
    for row, (kind, listed, length, chunk) in zip(found, phases, strict=True):
        tasks = 1 if kind == "one" else -(-length // chunk) if kind == "chunks" else 0
        address = table.ctypes.data + begin * CALL * 8
        row[:] = (int(kind != "blocks"), address, len(listed), tasks, length, chunk)
        begin += len(listed)
    return table, found


class Context:
    """Memory for one program, and its frame.

    Args:
        program: what will run.
        threads: by how many threads.
    """

    def __init__(self, program: Program, threads: int) -> None:
        self.program, self.threads = program, threads
        self.frame = np.zeros(FIELDS, np.int64)
        sizes = program.memory.sizes
        self.parameters = aligned(_padded(sizes.get(Field.PARAMETERS, 0)))
        self.constants = aligned(_padded(sizes.get(Field.CONSTANTS, 0)))
        self.shared = aligned(_padded(sizes.get(Field.SHARED, 0)))
        self.packed = aligned(_padded(sizes.get(Field.PACKED, 0)))
        self.updated_buffers = aligned(_padded(sizes.get(Field.BUFFERS_UPDATED, 0)))
        self.scratch = aligned(threads * _padded(sizes.get(Field.SCRATCH, 0)))
        self.flag = np.zeros(1, np.int64)
        self._blocks = self._groups = 0
        self._held: list[np.ndarray] = []
        for field, array in (
            (Field.PARAMETERS, self.parameters),
            (Field.CONSTANTS, self.constants),
            (Field.SHARED, self.shared),
            (Field.PACKED, self.packed),
            (Field.BUFFERS_UPDATED, self.updated_buffers),
            (Field.SCRATCH_ALL, self.scratch),
            (Field.FLAG, self.flag),
        ):
            self.frame[field] = array.ctypes.data
        self.frame[Field.SCRATCH_STRIDE] = _padded(sizes.get(Field.SCRATCH, 0))
        for name, values in program.constants.items():
            self.array(name)[...] = values

    @property
    def length(self) -> int:
        """Bytes of all parameters in a row."""
        return _padded(self.program.memory.sizes.get(Field.PARAMETERS, 0))

    def reserve(self, samples: int) -> int:
        """Make room for a batch.

        Returns:
            Into how many groups its blocks are put.
        """
        sizes, options = self.program.memory.sizes, self.program.options
        blocks = -(-samples // self.program.per_block)
        groups = min(blocks, GROUPS)
        if blocks > self._blocks:
            self._blocks = blocks
            arena = _padded(sizes.get(Field.ARENA, 0))
            per_block = self.program.segmented or options.keep
            self.arenas = aligned((blocks if per_block else self.threads) * arena)
            self.frame[Field.ARENAS] = self.arenas.ctypes.data
            self.frame[Field.ARENA_STRIDE] = arena
            self.frame[Field.ARENA_PER_BLOCK] = int(per_block)
            partial = _padded(sizes.get(Field.PARTIAL, 0))
            self.partial = aligned(blocks * partial)
            self.frame[Field.PARTIAL_ALL] = self.partial.ctypes.data
            self.frame[Field.PARTIAL_STRIDE] = partial
            self.result = np.zeros((blocks, 2), np.float32)
            self.frame[Field.RESULT] = self.result.ctypes.data
        if options.backward and groups > self._groups:
            self._groups = groups
            self.gradients = aligned(groups * self.length)
            self.frame[Field.GRADIENTS_ALL] = self.gradients.ctypes.data
            self.frame[Field.GRADIENTS_STRIDE] = self.length
        self.frame[Field.COUNT], self.frame[Field.BLOCKS] = samples, blocks
        self.frame[Field.PER_BLOCK] = self.program.per_block
        self.frame[Field.GROUPS] = groups
        self.frame[Field.SHARE] = _bits(1.0 / samples)
        return groups

    def array(self, name: str) -> np.ndarray:
        """An array outside the arena, as it lies there."""
        buffer = self.program.memory[name]
        regions = {
            Field.PARAMETERS: self.parameters,
            Field.CONSTANTS: self.constants,
            Field.SHARED: self.shared,
            Field.BUFFERS_UPDATED: self.updated_buffers,
        }
        if buffer.field is Field.GRADIENTS:
            regions[Field.GRADIENTS] = self.gradients
        region = regions[buffer.field][buffer.offset : buffer.offset + buffer.layout.size]
        return region.view(np.float32).reshape(buffer.layout.shape)

    def samples_of(self, name: str, count: int) -> np.ndarray:
        """An array of the arena, (count, …), as a copy.

        Args:
            name: the buffer's.
            count: how many samples.
        """
        buffer = self.program.memory[name]
        layout = buffer.layout
        blocks = -(-count // LANES)
        arena = self.arenas.reshape(-1, int(self.frame[Field.ARENA_STRIDE]))[:blocks]
        kind = {"float": np.float32, "i8": np.uint8, "i32": np.int32}[layout.element]
        part = arena[:, buffer.offset : buffer.offset + layout.size]
        held = part.reshape(blocks, -1).view(kind).reshape(blocks, *layout.held, LANES)
        margins = layout.margins or ((0, 0),) * len(layout.shape)
        inside = tuple(slice(a, a + s) for (a, _), s in zip(margins, layout.shape, strict=True))
        held = held[(slice(None), *inside)]
        rows = np.moveaxis(held, -1, 1).reshape(blocks * LANES, *layout.shape)
        return np.ascontiguousarray(rows[:count])

    def fill(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Copy parameters and running statistics in."""
        for name, values in arrays.items():
            self.array(f"value {name}")[...] = values


def _padded(size: int) -> int:
    return max(_PAGE, -(-size // _PAGE) * _PAGE)


def _bits(value: float) -> int:
    """A float32 as it lies in a field."""
    return int(struct.unpack("<I", struct.pack("<f", value))[0])
