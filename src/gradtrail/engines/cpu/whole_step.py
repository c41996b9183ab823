"""A step of which everything is kept, or each sample's gradients, in memory that is lent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, final

import numpy as np

from ..batch import Arrays, Batch
from ..interface import Computed, Extent
from ..sample_gradients import OuterShares, ParameterShares, SampleGradients, StoredShares
from .context import Lent
from .frame import Slot
from .keys import gradient, sample_share, share_factors, value
from .loading import LoadedProgram, program_for
from .options import EngineSetup, Options

if TYPE_CHECKING:
    from ...graph import Graph
    from ...layers import Loss


def compute_step(
    setup: EngineSetup, network: Graph, batch: Batch, loss: Loss, arrays: Arrays, extent: Extent
) -> Computed:
    """See `Engine.step`."""
    options = Options(
        extent.training,
        extent.backward,
        keep=True,
        per_sample=extent.backward and extent.per_sample,
        by_class=batch.samples.by_class,
    )
    loaded = program_for(setup, network, loss, options)
    with loaded.lock:
        lent = _run(loaded, arrays, batch)
        computed = _everything(network, loaded, batch, arrays, lent)
        if options.per_sample:
            return replace(computed, per_sample=_shares(network, loaded, lent))
        return computed


def compute_sample_gradients(
    setup: EngineSetup, network: Graph, batch: Batch, loss: Loss, training: bool
) -> SampleGradients:
    """See `Engine.per_sample`."""
    by_class = batch.samples.by_class
    options = Options(training, backward=True, per_sample=True, by_class=by_class)
    loaded = program_for(setup, network, loss, options)
    with loaded.lock:
        lent = _run(loaded, {**network.parameters, **network.buffers}, batch)
        return _shares(network, loaded, lent)


def _run(loaded: LoadedProgram, arrays: Arrays, batch: Batch) -> Lent:
    """Run a program, and borrow what it has written."""
    context, options = loaded.context, loaded.listing.options
    loaded.fill(arrays)
    loaded.feed(batch, labels=True)
    if options.keep and options.backward:
        context.gradients[:] = 0
    context.renew()
    loaded.run()
    return context.lend()


def _shares(network: Graph, loaded: LoadedProgram, lent: Lent) -> SampleGradients:
    """Each sample's gradients, where they lie."""
    blocks_of, parts = loaded.context.blocks_of, dict[str, ParameterShares]()
    for name in network.parameters:
        if sample_share(name) in loaded.listing.places:
            parts[name] = StoredShares(blocks_of(sample_share(name)))
        else:
            parts[name] = OuterShares(*map(blocks_of, share_factors(name)))
    return SampleGradients(parts, loaded.context.count, lent)


def _everything(
    network: Graph, loaded: LoadedProgram, batch: Batch, arrays: Arrays, lent: Lent
) -> Computed:
    """All arrays of a step that was kept; those of samples are put in order when asked for."""
    context, places, count = loaded.context, loaded.listing.places, len(batch)
    values: dict[str, np.ndarray | Callable[[], np.ndarray]] = {
        name: np.array(arrays[name]) for name in network.buffers
    }
    gradients: dict[str, np.ndarray | Callable[[], np.ndarray]] = {}
    outcome, parts = loaded.outcome(batch), batch.samples.loss.parts
    losses = {part.array: own.loss for part, own in zip(parts, outcome.parts, strict=True)}
    losses |= {"loss": outcome.loss}
    for name in loaded.listing.shapes:
        if name in losses:
            values[name] = np.asarray(np.float32(losses[name]))
        elif name in arrays:
            values[name] = np.array(arrays[name])
        elif places[value(name)].region is Slot.ARENA:
            values[name] = context.samples_of(value(name), count, lent)
        else:
            values[name] = context.array(value(name)).copy()
    if loaded.listing.options.backward:
        for name in values:
            if name in network.parameters:
                gradients[name] = context.gradient(name)
            elif gradient(name) in places:
                gradients[name] = context.samples_of(gradient(name), count, lent)
        weights = {part.array: part.weight for part in parts} | {"loss": 1.0}
        gradients |= {name: np.asarray(np.float32(own)) for name, own in weights.items()}
    return Computed(LazyArrays(values), LazyArrays(gradients))


@final
class LazyArrays(Mapping[str, np.ndarray]):
    """Arrays by name; each is put in order once, when it is first asked for.

    In memory sixteen samples stand side by side; an array in the usual order is a copy. A trace is
    mostly asked for a few of its arrays, so the step's memory is kept as it is instead, and the
    next step is given another. What makes an array holds that memory; once the last array is made,
    nothing does.

    Args:
        arrays: each array, or what makes it.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray | Callable[[], np.ndarray]]) -> None:
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> np.ndarray:
        held = self._arrays[name]
        if not isinstance(held, np.ndarray):
            held = self._arrays[name] = held()
        return held

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)
