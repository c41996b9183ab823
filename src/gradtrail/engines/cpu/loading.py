"""Programs with their machine code and their memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, ref

import numpy as np

from ...machine.forking import renew_in_forks
from ..batch import Batch, Samples
from ..interface import Evaluated
from .checks import check_places, check_targets, class_maps
from .compiler import Compiler
from .context import Context
from .frame import Slot
from .kernels.loss_parts import PartWord
from .listing import Listing, listing_for
from .options import EngineSetup, Options
from .phases import PhaseTable
from .pool import Pool, pool_for
from .raw import address, bits
from .target import Target

if TYPE_CHECKING:
    from ...graph import Graph
    from ...layers import Loss
    from .kernels.kernel import Kernel
    from .program import Program

_COMPILERS: dict[Target, Compiler] = {}
_Programs = dict[tuple[object, ...], "LoadedProgram | None"]
_LOADED: WeakKeyDictionary[Graph, tuple[object, _Programs]] = WeakKeyDictionary()


_NOWHERE = np.zeros(0, np.int64)


def compiler_for(target: Target) -> Compiler:
    """The process's compiler for a target."""
    return _COMPILERS.setdefault(target, Compiler(target))


class LabelWords:
    """Where a loss finds its labels: the words of the frame, or of an output's row.

    Args:
        words: of the frame or of the row.
        places: which of them are what.
    """

    def __init__(self, words: Any, places: type[Slot | PartWord]) -> None:
        self.words = words
        self._at = [int(places[name]) for name in ("CLASSES", "TARGETS", "TARGET_SCALE")]
        self._classes = _NOWHERE.astype(np.int32)  # of the batch's positions

    def take(self, samples: Samples) -> None:
        """Tell where the labels of all samples lie."""
        classes, targets, scale = self._at
        self.words[targets] = address(samples.rows[0])
        if not samples.mapped:
            known = samples.classes
            self.words[classes] = 0 if known is None else address(known)
        self.words[scale] = bits(1.0)

    def tell(self, batch: Batch) -> None:
        """Tell what is a batch's own: the classes of its positions, and what its rows count."""
        classes, _, scale = self._at
        if batch.samples.mapped:
            self._classes = class_maps(batch)
            self.words[classes] = address(self._classes)
        if not batch.samples.even:
            self.words[scale] = bits(batch.scale)


class LoadedProgram:
    """A program with its machine code and its memory.

    Args:
        listing: the program as numbers.
        program: gives the program itself, where code must be written.
        setup: on which processor, and by how many threads.
    """

    def __init__(
        self, listing: Listing, program: Callable[[], Program], setup: EngineSetup
    ) -> None:
        self.listing, self.threads, target = listing, setup.threads, setup.target
        self.context = Context(listing, setup.threads)
        self.pool: Pool = pool_for(target)

        known: dict[str, Kernel] = {}

        def text(symbol: str) -> str:
            if not known:
                known.update((c.kernel.symbol, c.kernel) for c in program().calls)
            return known[symbol].text(target)

        pieces = [(s, s, partial(text, s)) for s in listing.symbols]
        found = compiler_for(target).addresses(pieces)
        addresses = dict(zip(listing.symbols, found, strict=True))
        self.phases = PhaseTable.made(listing.phases, addresses)
        self._grouped: dict[tuple[int, bool], PhaseTable] = {}
        self._packed = False
        self._samples: ReferenceType[Samples] | None = None
        self._labels = [LabelWords(row, PartWord) for row in self.context.parts]
        self._labels = self._labels or [LabelWords(self.context.words, Slot)]
        self._order, self._first = _NOWHERE, 0
        renew_in_forks(self._free)

    def _free(self) -> None:
        self.lock = threading.RLock()

    def feed(self, batch: Batch, *, labels: bool) -> None:
        """Tell the frame about a batch.

        Raises:
            DataError: the batch has places that the samples do not; native code would not notice.
        """
        context, samples = self.context, batch.samples
        check_places(batch.chosen, batch.end - batch.begin, len(samples))
        if batch.end - batch.begin != context.count:
            context.reserve(len(batch))
        if self._samples is None or self._samples() is not samples:
            self._take(samples, labels)
        if batch.order is not self._order:
            self._order = _NOWHERE  # should this be interrupted
            self._first = address(batch.order)
            self._order = batch.order
        words = context.words
        words[Slot.CHOSEN] = self._first + 8 * batch.begin
        words[Slot.SEED] = (batch.seed & (1 << 64) - 1) - (batch.seed & 1 << 63) * 2
        words[Slot.STEP] = batch.step
        if labels:
            for part, place in zip(batch.by_output, self._labels, strict=True):
                place.tell(part)

    def _take(self, samples: Samples, labels: bool) -> None:
        """Tell the frame where the samples lie."""
        self._samples = None  # should this be interrupted
        if labels:
            for part in samples.by_output:
                check_targets(part)
        self.context.frame[Slot.SAMPLES] = address(samples.x)
        if labels:
            for part, place in zip(samples.by_output, self._labels, strict=True):
                place.take(part)
            for weighed, place in zip(samples.loss.parts, self._labels, strict=False):
                place.words[PartWord.WEIGHT] = bits(weighed.weight)
        self._samples = ref(samples)  # the data are not kept beyond their use

    def fill(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Copy parameters and running statistics in; where they are the same, they stay packed."""
        packed, self._packed = self._packed, False  # should this be interrupted
        changed = self.context.fill(arrays)
        self._packed = packed and not changed

    def run(self) -> None:
        """Run all phases; those that pack the weights only where these have changed."""
        key = self.context.groups, self._packed
        if key not in self._grouped:
            phases = self.phases.without("each") if self._packed else self.phases
            self._grouped[key] = phases.grouped(self.context.groups)
        self.pool.run(self._grouped[key], self.context.at, self.threads)
        self._packed = True

    def outcome(self, batch: Batch) -> Evaluated:
        """Loss and right answers of the batch that ran."""
        numbers, loss = self.context.numbers, batch.samples.loss
        if not loss.parts:
            hits = int(numbers[Slot.HITS]) if batch.samples.classified else None
            return Evaluated(numbers[Slot.LOSS], hits)
        sums = self.context.results.sum(axis=1, dtype=np.float64)
        parts = [
            Evaluated(float(own), int(right) if part.classified else None)
            for (own, right), part in zip(sums, batch.samples.by_output, strict=True)
        ]
        return Evaluated.joint(loss, parts)


def load_program(
    setup: EngineSetup, network: Graph, loss: Loss | None, options: Options
) -> LoadedProgram:
    """A network's program, compiled, with memory of its own."""
    return LoadedProgram(*listing_for(setup, network, loss, options), setup)


def _known_of(network: Graph) -> _Programs:
    """A network's programs; none where it has another form than when they were made."""
    form, known = _LOADED.get(network, (None, _Programs()))
    if form is not network.form:
        known = _Programs()
        _LOADED[network] = network.form, known
    return known


def program_for(
    setup: EngineSetup, network: Graph, loss: Loss | None, options: Options
) -> LoadedProgram:
    """A network's program for a purpose, loaded at its first use."""
    known, key = _known_of(network), (setup, loss, options)
    found = known.get(key)
    if found is None:
        found = known[key] = load_program(setup, network, loss, options)
    return found


def single_program_for(setup: EngineSetup, network: Graph) -> LoadedProgram | None:
    """A network's program for one sample at a time; None where it has none."""
    known, key = _known_of(network), (setup, "single")
    if key not in known:
        from .single import single

        program = single(network, setup)
        known[key] = None
        if program is not None:
            known[key] = LoadedProgram(Listing.of(program), lambda: program, setup)
    return known[key]
