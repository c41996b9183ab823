"""Images moved by the engine's threads, before a step reads them."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np

from ...machine.forking import renew_in_forks
from ..bilinear import WarpInput
from .checks import check_places
from .frame import SLOTS, Slot
from .kernels.warp import Warp
from .loading import compiler_for
from .options import EngineSetup
from .phases import FunctionCall, Phase, PhaseTable
from .pool import pool_for
from .raw import address, aligned, bits, next_line
from .target import LANES, Target

_CHUNK = 4
"""How many images a thread takes at a time."""

_WARPERS: dict[tuple[Target, tuple[int, ...], str, int], _Warper] = {}


class _Warper:
    """The compiled function for images of one shape, with its memory.

    Args:
        target: the processor.
        shape: of an image, (C, H, W).
        element: of the source, `float` or `i8`.
        threads: how many run it.
    """

    def __init__(self, target: Target, shape: tuple[int, ...], element: str, threads: int) -> None:
        self.pool, self.threads = pool_for(target), threads
        self.kernel = Warp(shape[0], shape[1], shape[2], element)
        symbol, compiler = self.kernel.symbol, compiler_for(target)
        piece = (symbol, symbol, partial(self.kernel.text, target))
        (self.address,) = compiler.addresses([piece])
        self.frame = np.zeros(SLOTS, np.int64)
        stride = next_line(4 * shape[0] * self.kernel.plane)
        self.scratch = aligned(threads * stride)
        self.frame[Slot.SCRATCH_ALL] = address(self.scratch)
        self.frame[Slot.SCRATCH_STRIDE] = stride
        count = shape[1] * shape[2]
        self.tables = np.zeros((2, count + LANES), np.int32)
        self.tables[:, :count] = np.indices(shape[1:]).reshape(2, count)
        self.frame[Slot.SHARED] = address(self.tables)
        self._phases: dict[int, PhaseTable] = {}
        renew_in_forks(self._free)

    def _free(self) -> None:
        self._running = threading.Lock()

    def run(self, inputs: WarpInput, out: np.ndarray) -> None:
        """See `engines.bilinear.warp`."""
        count, frame = len(inputs.places), self.frame
        if not count:
            return
        check_places(inputs.places, count, len(inputs.source))
        if count not in self._phases:
            phase = Phase("chunks", [FunctionCall(self.kernel.symbol)], count, _CHUNK)
            self._phases[count] = PhaseTable.made([phase], {self.kernel.symbol: self.address})
        with self._running:
            for field, array in (
                (Slot.SAMPLES, inputs.source),
                (Slot.CHOSEN, inputs.places),
                (Slot.PARAMETERS, inputs.maps),
                (Slot.CONSTANTS, inputs.boxes),
                (Slot.OUTPUT, out),
            ):
                frame[field] = address(array)
            frame[Slot.SHARE] = bits(inputs.divisor)
            self.pool.run(self._phases[count], address(frame), self.threads)


def warper_for(setup: EngineSetup, source: np.ndarray) -> _Warper:
    """What moves images of the source's shape and type."""
    element = {"float32": "float", "uint8": "i8"}[str(source.dtype)]
    key = (setup.target, source.shape[1:], element, setup.threads)
    if key not in _WARPERS:
        _WARPERS[key] = _Warper(*key)
    return _WARPERS[key]
