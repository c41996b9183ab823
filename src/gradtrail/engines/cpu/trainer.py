"""A training in progress on the CPU engine: one native call per step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...equation.scalar import evaluate
from ..base import Batch, Computed, Stepped, Trainer
from .context import address, aligned, assembled
from .driver import PHASE
from .frame import Field
from .kernels.update import SumGroups, Update, folded
from .listing import ListedPhase
from .options import Options
from .running import Loaded, compiler_for, load

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
        self._scalar_values: dict[str, float] = {}
        self._assignments, self._scalars = folded(self._rule.assignments, names)

    def _load(self, by_class: bool) -> Loaded:
        """Build and compile at the first step, when the kind of labels is known."""
        network, options = self.network, Options(training=True, backward=True)
        loaded = load(self.engine, network, self.loss, options, by_class, self.threads)
        self.loaded = loaded
        context = loaded.context
        context.fill(network.parameters)
        context.fill(network.buffers)
        length, states = context.length, max(1, len(self._rule.state))
        self._weights = [context.parameters, aligned(length)]
        self._states = [aligned(states * length), aligned(states * length)]
        self._numbers = np.zeros(max(1, len(self._scalars)), np.float32)
        context.frame[Field.SCALARS] = address(self._numbers)
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
        buffer = self.loaded.listing.places[f"value {name}"]
        begin = place * self.loaded.context.length + buffer.offset
        held = self._states[0][begin : begin + buffer.layout.size]
        return held.view(np.float32).reshape(buffer.layout.shape)

    def _end(self, groups: int) -> np.ndarray:
        """The phases of a whole step with so many groups: the program's, then sum and update."""
        if groups not in self._ends:
            loaded = self.loaded
            assert loaded is not None
            length = loaded.context.length
            sums = SumGroups(groups)
            update = Update(self._assignments, self._rule.state, len(self._scalars), length // 4)
            weights, new, gradients, state, after = (
                (int(f), 0)
                for f in (
                    Field.PARAMETERS,
                    Field.UPDATED,
                    Field.GRADIENTS_ALL,
                    Field.STATE,
                    Field.STATE_UPDATED,
                )
            )
            calls = (
                (sums.symbol, (gradients,)),
                (update.symbol, (weights, gradients, new, state, after)),
            )
            compiler = compiler_for(self.engine.processor)
            pieces = [
                (k.symbol, k.symbol, partial(k.text, compiler.target)) for k in (sums, update)
            ]
            addresses = compiler.addresses(pieces)
            phase = ListedPhase("chunks", calls, length // 4, _CHUNK)
            table, last = assembled(
                [phase], dict(zip((sums.symbol, update.symbol), addresses, strict=True))
            )
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
        self._set_scalars()
        frame = context.frame
        frame[Field.PARAMETERS], frame[Field.UPDATED] = map(address, self._weights)
        frame[Field.STATE], frame[Field.STATE_UPDATED] = map(address, self._states)
        context.flag[0] = 0
        loaded.pool.run(phases, frame, self.threads)
        outcome = loaded.outcome(batch)
        finite = not context.flag[0] and math.isfinite(outcome.loss)
        if finite and self.network.buffers:
            finite = self._keep_statistics()
        if finite:
            self._weights.reverse()
            self._states.reverse()
            self._steps += 1
        return Stepped(outcome.loss, outcome.correct, finite)

    def _set_scalars(self) -> None:
        """The numbers of the step that the update reads."""
        values = self.optimizer.scalars(self._steps + 1)
        if values == self._scalar_values:
            return
        self._scalar_values = dict(values)
        with np.errstate(over="ignore"):  # what becomes infinite is found in the weights
            for place, expression in enumerate(self._scalars):
                self._numbers[place] = evaluate(expression, values)

    def _keep_statistics(self) -> bool:
        """The running statistics after the step in place of those before, if all are finite."""
        assert self.loaded is not None
        context = self.loaded.context
        size = self.loaded.listing.size(Field.BUFFERS_UPDATED)
        updated = context.updated_buffers[:size]
        if not np.isfinite(updated.view(np.float32)).all():
            return False
        context.constants[:size] = updated
        return True

    def computed(self, batch: Batch) -> Computed:
        """See `Trainer.computed`; directly, so that nothing spreads over a tile."""
        engine = replace(self.engine, winograd="off")
        return engine.step(self.network, batch, self.loss, self._arrays())

    def _arrays(self) -> dict[str, np.ndarray]:
        """Parameters and statistics as they are now."""
        if self.loaded is None:
            return {**self.network.parameters, **self.network.buffers}
        context, places = self.loaded.context, self.loaded.listing.places
        found: dict[str, np.ndarray] = {}
        for name in self.network.parameters:
            buffer = places[f"value {name}"]
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
