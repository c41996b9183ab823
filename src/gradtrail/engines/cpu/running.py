"""Programs compiled for a network, with their memory, and what is asked of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, ref

import numpy as np

from ...equation import Loss as LossEquation
from ...errors import DataError
from ...machine.forking import renewed
from ..base import Computed, Evaluated
from ..batch import Batch, Samples
from ..sample_gradients import Factors, Part, SampleGradients, Summed
from .compiler import Compiler
from .context import Assembled, Context, Lent, address, assembled, bits, check_places
from .frame import Slot
from .kept import Kept
from .listing import Listing, listed, listing_of
from .options import Options, Setup
from .pool import Pool, pool_for
from .target import Target

if TYPE_CHECKING:
    from ...graph import Graph
    from ...layers import Loss
    from .kernels.base import Kernel
    from .program import Program

__all__ = ["Loaded", "compiler_for", "evaluated", "load", "predicted", "sampled", "stepped"]

_COMPILERS: dict[Target, Compiler] = {}
_LOADED: WeakKeyDictionary[Graph, dict[tuple[object, ...], Any]] = WeakKeyDictionary()


_NOWHERE = np.zeros(0, np.int64)


def compiler_for(target: Target) -> Compiler:
    """The process's compiler for a target."""
    return _COMPILERS.setdefault(target, Compiler(target))


class Loaded:
    """A program with its machine code and its memory.

    Args:
        listing: the program as numbers.
        program: gives the program itself, where code must be written.
        setup: on which processor, and by how many threads.
    """

    def __init__(self, listing: Listing, program: Callable[[], Program], setup: Setup) -> None:
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
        self.phases = assembled(listing.phases, addresses)
        self._grouped: dict[tuple[int, bool], Assembled] = {}
        self._packed = False
        self._samples: ReferenceType[Samples] | None = None
        self._order, self._first = _NOWHERE, 0
        renewed(self._free)

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
        if labels and not samples.even:
            words[Slot.TARGET_SCALE] = bits(batch.scale)

    def _take(self, samples: Samples, labels: bool) -> None:
        """Tell the frame where the samples lie."""
        self._samples = None  # should this be interrupted
        if labels:
            _check_targets(samples)
        frame = self.context.frame
        frame[Slot.SAMPLES] = address(samples.x)
        if labels:
            frame[Slot.TARGETS] = address(samples.rows[0])
            frame[Slot.CLASSES] = 0 if samples.classes is None else address(samples.classes)
            frame[Slot.TARGET_SCALE] = bits(1.0)
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
        numbers = self.context.numbers
        hits = None if batch.samples.classes is None else int(numbers[Slot.HITS])
        return Evaluated(numbers[Slot.LOSS], hits)


def _check_targets(samples: Samples) -> None:
    """Refuse what machine code would be led astray by: a loss may be anybody's own.

    Raises:
        DataError: targets of another shape than the outputs', or a class without a row.
    """
    (rows, by_class), classes = samples.rows, samples.classes
    count, row = len(rows) if by_class else len(samples), samples.outputs
    equation = samples.loss.declare((1, *row)).equation
    if isinstance(equation, LossEquation) and equation.factor:
        row = (prod(row) + 1,)
    if rows.shape != (count, *row) or (by_class and classes is None):
        raise DataError(
            f"the loss's rows have shape {rows.shape}, but {count} rows of {row} are "
            "compared with the outputs"
        )
    if classes is None:
        return
    most = len(rows) if by_class else samples.outputs[0]
    if classes.shape != (len(samples),) or not 0 <= classes.min() <= classes.max() < most:
        raise DataError(
            f"the loss gives classes from {classes.min()} to {classes.max()} of shape "
            f"{classes.shape}, but {len(samples)} from 0 to {most - 1} are compared"
        )


def load(
    setup: Setup, network: Graph, loss: Loss | None, options: Options, by_class: bool
) -> Loaded:
    """A network's program, compiled, with memory of its own."""
    return Loaded(*listed(setup, network, loss, options, by_class), setup)


def predicted(setup: Setup, network: Graph, x: np.ndarray) -> np.ndarray:
    """See `Engine.predict`."""
    loaded = _singly(setup, network) if len(x) <= _FEW else None
    if loaded is None:
        loaded = _loaded(setup, network, None, Options(training=False, outputs=True))
    samples = Samples(np.ascontiguousarray(x), np.zeros(len(x)), None, ())  # type: ignore[arg-type]
    batch = Batch(samples, samples.places)
    shape = loaded.listing.shapes[network.output_name][1:]
    outputs = np.empty((len(x), *shape), np.float32)
    with loaded.lock:
        _fill(loaded, network)
        loaded.feed(batch, labels=False)
        loaded.context.frame[Slot.OUTPUT] = address(outputs)
        loaded.run()
    return outputs


def evaluated(setup: Setup, network: Graph, batch: Batch) -> Evaluated:
    """See `Engine.evaluate`."""
    options, samples = Options(training=False), batch.samples
    loaded = _loaded(setup, network, samples.loss, options, by_class=samples.rows[1])
    with loaded.lock:
        _fill(loaded, network)
        loaded.feed(batch, labels=True)
        loaded.run()
        return loaded.outcome(batch)


def stepped(
    setup: Setup,
    network: Graph,
    batch: Batch,
    loss: Loss,
    arrays: Mapping[str, np.ndarray],
    training: bool = True,
    backward: bool = True,
    per_sample: bool = False,
) -> Computed:
    """Forward, loss and backward from the given parameters and buffers, everything kept."""
    options = Options(training, backward, keep=True, per_sample=backward and per_sample)
    loaded = _loaded(setup, network, loss, options, by_class=batch.samples.rows[1])
    context = loaded.context
    with loaded.lock:
        loaded.fill(arrays)
        loaded.feed(batch, labels=True)
        if backward:
            context.gradients[:] = 0
        context.renew()
        loaded.run()
        lent = context.lend()
        computed = _everything(network, loaded, batch, arrays, lent)
        if options.per_sample:
            return replace(computed, per_sample=_shares(network, loaded, lent))
        return computed


def sampled(
    setup: Setup, network: Graph, batch: Batch, loss: Loss, training: bool
) -> SampleGradients:
    """See `Engine.per_sample`."""
    options = Options(training, backward=True, per_sample=True)
    loaded = _loaded(setup, network, loss, options, by_class=batch.samples.rows[1])
    with loaded.lock:
        _fill(loaded, network)
        loaded.feed(batch, labels=True)
        loaded.context.renew()
        loaded.run()
        return _shares(network, loaded, loaded.context.lend())


def _shares(network: Graph, loaded: Loaded, lent: Lent) -> SampleGradients:
    """The parts of each sample's gradients, where they lie, in memory that is lent."""
    context, parts = loaded.context, dict[str, Part]()
    for name in network.parameters:
        whole = f"per sample {name}"
        if whole in loaded.listing.places:
            parts[name] = Summed(context.blocks_of(whole))
        else:
            parts[name] = Factors(*(context.blocks_of(f"{whole}, {a}") for a in ("dZ", "X")))
    return SampleGradients(parts, context.count, lent)


_FEW = 3
"""Up to how many samples are predicted one by one, with channels as lanes."""


def _singly(setup: Setup, network: Graph) -> Loaded | None:
    """A network's program for one sample at a time; None where it has none."""
    known = _LOADED.setdefault(network, {})
    key = (setup, "single")
    if key not in known:
        from .single import single

        program = single(network, setup)
        if program is None:
            known[key] = None
        else:
            made = listing_of(program)
            known[key] = Loaded(made, lambda: program, setup)
    found: Loaded | None = known[key]
    return found


def _loaded(
    setup: Setup,
    network: Graph,
    loss: Loss | None,
    options: Options,
    by_class: bool = True,
) -> Loaded:
    """A network's program for a purpose, built and compiled at its first use."""
    known = _LOADED.setdefault(network, {})
    key = (setup, loss, options, by_class)
    if key not in known:
        known[key] = load(setup, network, loss, options, by_class)
    found: Loaded = known[key]
    return found


def _fill(loaded: Loaded, network: Graph) -> None:
    loaded.fill({**network.parameters, **network.buffers})


def _everything(
    network: Graph,
    loaded: Loaded,
    batch: Batch,
    arrays: Mapping[str, np.ndarray],
    lent: Lent,
) -> Computed:
    """All arrays of a step that was kept; those of samples are put in order when asked for."""
    context, places, count = loaded.context, loaded.listing.places, len(batch)
    values: dict[str, np.ndarray | Callable[[], np.ndarray]] = {
        name: np.array(arrays[name]) for name in network.buffers
    }
    gradients: dict[str, np.ndarray | Callable[[], np.ndarray]] = {}
    for name in loaded.listing.shapes:
        if name == "loss":
            values[name] = np.asarray(np.float32(loaded.outcome(batch).loss))
            continue
        if name in arrays:
            values[name] = np.array(arrays[name])
        elif places[f"value {name}"].field is Slot.ARENA:
            values[name] = context.samples_of(f"value {name}", count, lent)
        else:
            values[name] = context.array(f"value {name}").copy()
    if loaded.listing.options.backward:
        for name in values:
            if name in network.parameters:
                gradients[name] = context.gradient(name)
            elif f"gradient {name}" in places:
                gradients[name] = context.samples_of(f"gradient {name}", count, lent)
        gradients["loss"] = np.ones((), np.float32)
    return Computed(Kept(values), Kept(gradients))
