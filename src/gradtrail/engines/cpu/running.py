"""Programs compiled for a network, with their memory, and what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from ..base import Batch, Computed, Evaluated, Samples
from .compiler import Compiler
from .context import Context, assembled
from .frame import Field
from .pool import Pool, pool_for
from .program import Options, Program, build
from .single import single
from .target import Target

if TYPE_CHECKING:
    from ...layers import Loss
    from ...network import Network
    from .engine import CPU

__all__ = ["Loaded", "compiler_for", "evaluated", "predicted", "stepped"]

_COMPILERS: dict[Target, Compiler] = {}
_LOADED: WeakKeyDictionary[Network, dict[tuple[object, ...], Any]] = WeakKeyDictionary()


def compiler_for(target: Target) -> Compiler:
    """The process's compiler for a target."""
    return _COMPILERS.setdefault(target, Compiler(target))


class Loaded:
    """A program with its machine code and its memory.

    Args:
        program: the program.
        target: the processor.
        threads: how many run it.
    """

    def __init__(self, program: Program, target: Target, threads: int) -> None:
        self.program = program
        self.context = Context(program, threads)
        self.pool: Pool = pool_for(target)
        self.threads = threads
        listed = [(p.kind, p.calls, 0, 0) for p in program.phases]
        self.calls, self.phases = assembled(listed, program, compiler_for(target))
        self._blocks = self.phases[:, 0] == 0

    def feed(self, batch: Batch, *, labels: bool) -> int:
        """Tell the frame about a batch.

        Returns:
            The number of groups.
        """
        groups = self.context.reserve(len(batch))
        frame, samples = self.context.frame, batch.samples
        frame[Field.SAMPLES] = samples.x.ctypes.data
        frame[Field.CHOSEN] = batch.chosen.ctypes.data
        frame[Field.SEED] = np.uint64(batch.seed & (1 << 64) - 1).astype(np.int64)
        frame[Field.STEP] = batch.step
        if labels:
            rows, _ = samples.rows
            frame[Field.TARGETS] = rows.ctypes.data
            classes = samples.classes
            frame[Field.CLASSES] = 0 if classes is None else classes.ctypes.data
            frame[Field.TARGET_SCALE] = np.float32(batch.scale).view(np.uint32)
        self.phases[self._blocks, 3] = groups
        return groups

    def run(self) -> None:
        """Run all phases."""
        self.pool.run(self.phases, self.context.frame, self.threads)

    def outcome(self, batch: Batch) -> Evaluated:
        """Loss and right answers of the batch that ran."""
        result = self.context.result[: self.context.frame[Field.BLOCKS]]
        loss = float(result[:, 0].sum(dtype=np.float64))
        if batch.samples.classes is None:
            return Evaluated(loss, None)
        return Evaluated(loss, int(result[:, 1].sum()))


def predicted(engine: CPU, network: Network, x: np.ndarray) -> np.ndarray:
    """See `Engine.predict`."""
    loaded = _singly(engine, network) if len(x) <= _FEW else None
    if loaded is None:
        loaded = _loaded(engine, network, None, Options(training=False, outputs=True))
    samples = Samples(np.ascontiguousarray(x), np.zeros(len(x)), None, ())  # type: ignore[arg-type]
    batch = Batch(samples, samples.places)
    _fill(loaded.context, network)
    loaded.feed(batch, labels=False)
    shape = loaded.program.system.shapes[network.output_name][1:]
    outputs = np.empty((len(x), *shape), np.float32)
    loaded.context.frame[Field.OUTPUT] = outputs.ctypes.data
    loaded.run()
    return outputs


def evaluated(engine: CPU, network: Network, batch: Batch) -> Evaluated:
    """See `Engine.evaluate`."""
    options, samples = Options(training=False), batch.samples
    loaded = _loaded(engine, network, samples.loss, options, by_class=samples.rows[1])
    _fill(loaded.context, network)
    loaded.feed(batch, labels=True)
    loaded.run()
    return loaded.outcome(batch)


def stepped(
    engine: CPU,
    network: Network,
    batch: Batch,
    loss: Loss,
    arrays: Mapping[str, np.ndarray],
    training: bool,
    backward: bool,
) -> Computed:
    """Forward, loss and backward from the given parameters and buffers, everything kept."""
    options = Options(training, backward, keep=True)
    loaded = _loaded(engine, network, loss, options, by_class=batch.samples.rows[1])
    context = loaded.context
    context.fill(arrays)
    groups = loaded.feed(batch, labels=True)
    if backward:
        context.gradients[:] = 0
    loaded.run()
    return _everything(network, loaded, batch, groups, arrays)


_FEW = 3
"""Up to how many samples are predicted one by one, with channels as lanes."""


def _singly(engine: CPU, network: Network) -> Loaded | None:
    """A network's program for one sample at a time; None where it has none."""
    known = _LOADED.setdefault(network, {})
    key = (engine, engine.processor, "single")
    if key not in known:
        program = single(network, engine)
        known[key] = program and Loaded(program, engine.processor, engine.count())
    return known[key]


def _loaded(
    engine: CPU,
    network: Network,
    loss: Loss | None,
    options: Options,
    by_class: bool = True,
) -> Loaded:
    """A network's program for a purpose, built and compiled at its first use."""
    known = _LOADED.setdefault(network, {})
    key = (engine, engine.processor, loss, options, by_class)
    if key not in known:
        program = build(network, loss, options, engine, by_class)
        known[key] = Loaded(program, engine.processor, engine.count())
    return known[key]


def _fill(context: Context, network: Network) -> None:
    context.fill(network.parameters)
    context.fill(network.buffers)


def _everything(
    network: Network,
    loaded: Loaded,
    batch: Batch,
    groups: int,
    arrays: Mapping[str, np.ndarray],
) -> Computed:
    """All arrays of a step that was kept whole."""
    context, memory, count = loaded.context, loaded.program.memory, len(batch)
    values = {name: np.array(arrays[name]) for name in network.buffers}
    gradients: dict[str, np.ndarray] = {}
    for name in loaded.program.system.shapes:
        if name == "loss":
            values[name] = np.asarray(np.float32(loaded.outcome(batch).loss))
            continue
        buffer = memory[f"value {name}"]
        if name in arrays:
            values[name] = np.array(arrays[name])
        elif buffer.field is Field.ARENA:
            values[name] = context.samples_of(f"value {name}", count)
        else:
            values[name] = context.array(f"value {name}").copy()
    if loaded.program.options.backward:
        total = _tree(context.gradients.view(np.float32).reshape(-1, context.length // 4)[:groups])
        for name in values:
            if name in network.parameters:
                held = memory[f"gradient {name}"]
                begin, size = held.offset // 4, held.layout.size // 4
                gradients[name] = total[begin : begin + size].reshape(held.layout.shape).copy()
            elif f"gradient {name}" in memory and memory[f"gradient {name}"].first >= 0:
                gradients[name] = context.samples_of(f"gradient {name}", count)
        gradients["loss"] = np.ones((), np.float32)
    return Computed(values, gradients)


def _tree(rows: np.ndarray) -> np.ndarray:
    """The sum of the groups' gradients, in the order in which a training adds them."""
    parts = list(rows)
    while len(parts) > 1:
        pairs = [a + b for a, b in zip(parts[::2], parts[1::2], strict=False)]
        parts = pairs + ([parts[-1]] if len(parts) % 2 else [])
    return np.asarray(parts[0])
