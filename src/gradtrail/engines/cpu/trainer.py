"""A training in progress on the CPU engine: one native call per step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...equation.scalar import evaluate
from ..base import Batch, Computed, Stepped, Trainer
from .context import aligned, assembled
from .driver import PHASE
from .frame import Field
from .kernels.update import SumGroups, Update, folded
from .layout import Layout
from .program import Call, Options, build
from .running import Loaded, compiler_for

if TYPE_CHECKING:
    from ...layers import Loss
    from ...network import Network
    from ...train.optimizers import Optimizer
    from .engine import CPU

__all__ = ["CPUTrainer"]

_CHUNK = 4096
"""How many parameters a thread updates at a time."""


class CPUTrainer(Trainer):
    """Parameters, statistics and the optimiser's state as rows of float32.

    Every step writes the new ones beside the old ones and then exchanges the two, so the old ones
    are whole until the new ones are.
    """

    def __init__(
        self, engine: CPU, network: Network, loss: Loss, optimizer: Optimizer, threads: int
    ) -> None:
        self.engine, self.network, self.loss, self.optimizer = engine, network, loss, optimizer
        self.threads = threads
        self.loaded: Loaded | None = None
        self._steps, remembered = optimizer.remembered(network)
        self._remembered: Mapping[str, Mapping[str, np.ndarray]] = remembered
        self._rule = optimizer.rule
        names = frozenset(("weight", "gradient", *self._rule.state))
        self._assignments, self._scalars = folded(self._rule.assignments, names)

    def _load(self, by_class: bool) -> Loaded:
        """Build and compile at the first step, when the kind of labels is known."""
        network, engine = self.network, self.engine
        options = Options(training=True, backward=True)
        program = build(network, self.loss, options, engine, by_class)
        self.loaded = loaded = Loaded(program, engine.processor, self.threads)
        context = loaded.context
        context.fill(network.parameters)
        context.fill(network.buffers)
        length, states = context.length, max(1, len(self._rule.state))
        self._weights = [context.parameters, aligned(length)]
        self._states = [aligned(states * length), aligned(states * length)]
        self._numbers = np.zeros(max(1, len(self._scalars)), np.float32)
        context.frame[Field.SCALARS] = self._numbers.ctypes.data
        self._ends: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._restore()
        return loaded

    def _restore(self) -> None:
        """Put what the optimiser remembers of the network in its place."""
        assert self.loaded is not None
        for name, state in self._remembered.items():
            for place, kind in enumerate(self._rule.state):
                if kind in state:
                    self._state_of(name, place)[...] = state[kind]

    def _state_of(self, name: str, place: int) -> np.ndarray:
        assert self.loaded is not None
        buffer = self.loaded.program.memory[f"value {name}"]
        begin = place * self.loaded.context.length + buffer.offset
        held = self._states[0][begin : begin + buffer.layout.size]
        return held.view(np.float32).reshape(buffer.layout.shape)

    def _end(self, groups: int) -> np.ndarray:
        """The phases of a whole step with so many groups: the program's, then sum and update."""
        if groups not in self._ends:
            loaded = self.loaded
            assert loaded is not None
            memory, length = loaded.program.memory, loaded.context.length
            row = Layout((length // 4,), (), False)
            for name, field in (
                ("row of weights", Field.PARAMETERS),
                ("row of new weights", Field.UPDATED),
                ("row of gradients", Field.GRADIENTS_ALL),
                ("row of state", Field.STATE),
                ("row of new state", Field.STATE_UPDATED),
            ):
                memory.put(name, field, row, 0)
            update = Update(self._assignments, self._rule.state, len(self._scalars), length // 4)
            rows = ("row of weights", "row of gradients", "row of new weights")
            calls = [
                Call(SumGroups(groups), ("row of gradients",), "update", "sum of the groups"),
                Call(update, (*rows, "row of state", "row of new state"), "update", "update"),
            ]
            phase = ("chunks", calls, length // 4, _CHUNK)
            compiler = compiler_for(self.engine.processor)
            table, last = assembled([phase], loaded.program, compiler)
            phases = np.concatenate([loaded.phases, last]).reshape(-1, PHASE)
            self._ends[groups] = (table, phases)
        return self._ends[groups][1]

    def step(self, batch: Batch) -> Stepped:
        """See `Trainer.step`."""
        loaded = self.loaded or self._load(batch.samples.rows[1])
        context = loaded.context
        groups = loaded.feed(batch, labels=True)
        phases = self._end(groups)
        phases[: len(loaded.phases), 3] = loaded.phases[:, 3]
        values = self.optimizer.scalars(self._steps + 1)
        with np.errstate(over="ignore"):  # what becomes infinite is found in the weights
            for place, expression in enumerate(self._scalars):
                self._numbers[place] = evaluate(expression, values)
        frame = context.frame
        frame[Field.PARAMETERS] = self._weights[0].ctypes.data
        frame[Field.UPDATED] = self._weights[1].ctypes.data
        frame[Field.STATE] = self._states[0].ctypes.data
        frame[Field.STATE_UPDATED] = self._states[1].ctypes.data
        context.flag[0] = 0
        loaded.pool.run(phases, frame, self.threads)
        outcome = loaded.outcome(batch)
        finite = not context.flag[0] and bool(np.isfinite(outcome.loss))
        if finite and self.network.buffers:
            finite = self._keep_statistics()
        if finite:
            self._weights.reverse()
            self._states.reverse()
            self._steps += 1
        return Stepped(outcome.loss, outcome.correct, finite)

    def _keep_statistics(self) -> bool:
        """The running statistics after the step in place of those before, if all are finite."""
        assert self.loaded is not None
        context = self.loaded.context
        size = self.loaded.program.memory.sizes.get(Field.BUFFERS_UPDATED, 0)
        updated = context.updated_buffers[:size]
        if not np.isfinite(updated.view(np.float32)).all():
            return False
        context.constants[:size] = updated
        return True

    def computed(self, batch: Batch) -> Computed:
        """See `Trainer.computed`."""
        return self.engine.step(self.network, batch, self.loss, self._arrays())

    def _arrays(self) -> dict[str, np.ndarray]:
        """Parameters and statistics as they are now."""
        if self.loaded is None:
            return {**self.network.parameters, **self.network.buffers}
        context, memory = self.loaded.context, self.loaded.program.memory
        found: dict[str, np.ndarray] = {}
        for name in self.network.parameters:
            buffer = memory[f"value {name}"]
            held = self._weights[0][buffer.offset : buffer.offset + buffer.layout.size]
            found[name] = held.view(np.float32).reshape(buffer.layout.shape)
        return found | {n: context.array(f"value {n}") for n in self.network.buffers}

    def store(self) -> None:
        """See `Trainer.store`."""
        if self.loaded is None:
            return
        held: Any
        for name, array in self._arrays().items():
            held = self.network.parameters if name in self.network.parameters else None
            (self.network.buffers if held is None else held)[name] = array
        state = {
            name: {
                kind: self._state_of(name, place).copy()
                for place, kind in enumerate(self._rule.state)
            }
            for name in self.network.parameters
        }
        self.optimizer.remember(self.network, self._steps, state)
