"""What is asked of a network in evaluation: its outputs, or its loss and how often it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...graph.packed_samples import packed_shape
from ..batch import Batch, Samples
from ..interface import Evaluated
from .frame import Slot
from .loading import LoadedProgram, program_for, single_program_for
from .options import EngineSetup, Options
from .raw import address

if TYPE_CHECKING:
    from ...graph import Graph

_FEW = 3
"""Up to how many samples are predicted one by one, with channels as lanes."""


def predict_outputs(setup: EngineSetup, network: Graph, x: np.ndarray) -> np.ndarray:
    """See `Engine.predict`."""
    loaded = single_program_for(setup, network) if len(x) <= _FEW else None
    if loaded is None:
        loaded = program_for(setup, network, None, Options(training=False, outputs=True))
    samples = Samples(np.ascontiguousarray(x), np.zeros(len(x)), None, ())  # type: ignore[arg-type]
    shapes = {n: loaded.listing.shapes[array][1:] for n, array in network.outputs.items()}
    outputs = np.empty((len(x), *packed_shape(shapes)), np.float32)
    with loaded.lock:
        loaded.context.frame[Slot.OUTPUT] = address(outputs)
        _run(loaded, network, Batch(samples, samples.places), labels=False)
    return outputs


def evaluate_batch(setup: EngineSetup, network: Graph, batch: Batch) -> Evaluated:
    """See `Engine.evaluate`."""
    options = Options(training=False, by_class=batch.samples.by_class)
    loaded = program_for(setup, network, batch.samples.loss, options)
    with loaded.lock:
        _run(loaded, network, batch, labels=True)
        return loaded.outcome(batch)


def _run(loaded: LoadedProgram, network: Graph, batch: Batch, *, labels: bool) -> None:
    loaded.fill({**network.parameters, **network.buffers})
    loaded.feed(batch, labels=labels)
    loaded.run()
