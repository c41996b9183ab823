"""A training in progress on the CPU engine: one native call per step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...equation.scalar import evaluate
from ..base import Batch, Computed, Stepped, Trainer
from .context import Assembled, address, aligned, assembled
from .frame import Field
from .kernels.base import Kernel
from .kernels.update import SumGroups, Update, folded
from .listing import ListedPhase, Place
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


class _Side(NamedTuple):
    """All that a step changes, as rows of bytes, and where these lie."""

    weights: np.ndarray
    state: np.ndarray
    constants: np.ndarray
    places: tuple[int, int, int]

    @classmethod
    def of(cls, *rows: np.ndarray) -> _Side:
        weights, state, constants = rows
        places = (address(weights), address(state), address(constants))
        return cls(weights, state, constants, places)


_READ = (Field.PARAMETERS, Field.STATE, Field.CONSTANTS)
_MOVED = (
    Field.PARAMETERS,
    Field.GRADIENTS_ALL,
    Field.UPDATED,
    Field.STATE,
    Field.STATE_UPDATED,
)
_WRITTEN = (Field.UPDATED, Field.STATE_UPDATED, Field.CONSTANTS_UPDATED)


class CPUTrainer(Trainer):
    """Parameters, running statistics and the optimiser's state on two sides.

    A step reads one side and writes the other. They change roles by the count of finished steps
    alone, so that whatever interrupts a training finds a whole step.
    """

    def __init__(
        self, engine: CPU, network: Network, loss: Loss, optimizer: Optimizer, threads: int
    ) -> None:
        self.engine, self.network, self.loss, self.optimizer = engine, network, loss, optimizer
        self.threads = threads
        self.loaded: Loaded | None = None
        self._before, self._remembered = optimizer.remembered(network)
        self._rule = optimizer.rule
        names = frozenset(("weight", "gradient", *self._rule.state))
        self._scalar_values: dict[str, float] = {}
        self._assignments, self._scalars = folded(self._rule.assignments, names)

    def _load(self, by_class: bool) -> Loaded:
        """Build and compile at the first step, when the kind of labels is known."""
        network, options = self.network, Options(training=True, backward=True)
        loaded = load(self.engine, network, self.loss, options, by_class, self.threads)
        context = loaded.context
        context.fill(network.parameters)
        context.fill(network.buffers)
        context.updated[:] = context.constants
        length, states = context.length, max(1, len(self._rule.state))
        self._sides = (
            _Side.of(context.parameters, aligned(states * length), context.constants),
            _Side.of(aligned(length), aligned(states * length), context.updated),
        )
        self._numbers = np.zeros(max(1, len(self._scalars)), np.float32)
        context.frame[Field.SCALARS] = address(self._numbers)
        self._whole: dict[int, Assembled] = {}
        self.loaded = loaded
        for name, state in self._remembered.items():
            for place, kind in enumerate(self._rule.state):
                if kind in state:
                    self._state_of(name, place)[...] = state[kind]
        return loaded

    @property
    def _done(self) -> int:
        return self.finished[0]

    @property
    def _now(self) -> _Side:
        """The side that the next step reads."""
        return self._sides[self._done % 2]

    def _state_of(self, name: str, place: int) -> np.ndarray:
        assert self.loaded is not None
        buffer = self.loaded.listing.places[f"value {name}"]
        return _part(self._now.state, buffer, place * self.loaded.context.length)

    def _phases(self, loaded: Loaded) -> Assembled:
        """The phases of a whole step: the program's, then sum and update."""
        groups = loaded.context.groups
        if groups not in self._whole:
            self._whole[groups] = loaded.phases.grouped(groups, self._closing(loaded))
        return self._whole[groups]

    def _closing(self, loaded: Loaded) -> Assembled:
        """Sum and update; what has one gradient for the whole batch is only updated."""
        length, once = loaded.context.length, loaded.listing.at_once
        sums = SumGroups(loaded.context.groups)
        kernels: dict[str, Kernel] = {}
        phases = []
        for begin, end, shared in ((0, once, False), (once, length, True)):
            if begin == end:
                continue
            update = Update(
                self._assignments, self._rule.state, len(self._scalars), length // 4, clears=shared
            )
            calls = [(update.symbol, tuple((int(field), begin) for field in _MOVED))]
            kernels[update.symbol] = update
            if shared:
                calls.insert(0, (sums.symbol, ((int(Field.GRADIENTS_ALL), begin),)))
                kernels[sums.symbol] = sums
            phases.append(ListedPhase("chunks", tuple(calls), (end - begin) // 4, _CHUNK))
        compiler = compiler_for(self.engine.processor)
        pieces = [(s, s, partial(k.text, compiler.target)) for s, k in kernels.items()]
        return assembled(phases, dict(zip(kernels, compiler.addresses(pieces), strict=True)))

    def step(self, batch: Batch) -> Stepped:
        """See `Trainer.step`."""
        loaded = self.loaded or self._load(batch.samples.rows[1])
        loaded.feed(batch, labels=True)
        phases = self._phases(loaded)
        self._set_scalars()
        words, written = loaded.context.words, self._sides[(self._done + 1) % 2]
        for fields, side in ((_READ, self._now), (_WRITTEN, written)):
            for field, place in zip(fields, side.places, strict=True):
                words[field] = place
        loaded.pool.run(phases, loaded.context.at, self.threads)
        outcome = loaded.outcome(batch)
        finite = not words[Field.FLAGGED] and math.isfinite(outcome.loss)
        if finite:
            self.finished = (self._done + 1, outcome.loss)
        return Stepped(outcome.loss, outcome.correct, finite)

    def _set_scalars(self) -> None:
        """The numbers of the step that the update reads."""
        values = self.optimizer.scalars(self._before + self._done + 1)
        if values == self._scalar_values:
            return
        self._scalar_values = dict(values)
        with np.errstate(over="ignore"):  # what becomes infinite is found in the weights
            for place, expression in enumerate(self._scalars):
                self._numbers[place] = evaluate(expression, values)

    def computed(self, batch: Batch) -> Computed:
        """See `Trainer.computed`; directly, so that nothing spreads over a tile."""
        return self.engine.direct.step(self.network, batch, self.loss, self._arrays())

    def _arrays(self) -> dict[str, np.ndarray]:
        """Parameters and statistics as they are now."""
        if self.loaded is None:
            return {**self.network.parameters, **self.network.buffers}
        places, now = self.loaded.listing.places, self._now
        found = {n: _part(now.weights, places[f"value {n}"]) for n in self.network.parameters}
        return found | {n: _part(now.constants, places[f"value {n}"]) for n in self.network.buffers}

    def parameter(self, name: str) -> np.ndarray:
        """See `Trainer.parameter`."""
        if self.loaded is None:
            return self.network.parameters[name]
        return _part(self._now.weights, self.loaded.listing.places[f"value {name}"])

    def store(self) -> None:
        """See `Trainer.store`."""
        if self.loaded is None:
            return
        arrays = self._arrays()
        for held in (self.network.parameters, self.network.buffers):
            for name in held:
                held[name] = arrays[name]
        kinds = self._rule.state
        state: Mapping[str, Mapping[str, np.ndarray]] = {
            name: {k: self._state_of(name, i).copy() for i, k in enumerate(kinds)}
            for name in self.network.parameters
        }
        self.optimizer.remember(self.network, self._before + self._done, state)


def _part(row: np.ndarray, place: Place, begin: int = 0) -> np.ndarray:
    """An array in a row of bytes."""
    begin += place.offset
    held = row[begin : begin + place.layout.size]
    return held.view(np.float32).reshape(place.layout.shape)
