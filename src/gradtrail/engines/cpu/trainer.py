"""A training in progress on the CPU engine: one native call per step."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...equation.scalar import evaluate_scalar
from ..batch import Arrays, Batch
from ..interface import TRAINING, Computed, Finished, Stepped, Trainer
from .frame import Slot
from .kernels.group_sums import SumGroups
from .kernels.kernel import Kernel
from .kernels.squares import SumSquares
from .kernels.update import Update, fold_scalars
from .keys import value
from .loading import LoadedProgram, compiler_for, load_program
from .options import EngineSetup, Options
from .phases import Argument, FunctionCall, Phase, PhaseTable
from .raw import address, aligned

if TYPE_CHECKING:
    from ...graph import Graph
    from ...layers import Loss
    from ...optimizers import Optimizer

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


_READ = (Slot.PARAMETERS, Slot.STATE, Slot.CONSTANTS)
_MOVED = (
    Slot.PARAMETERS,
    Slot.GRADIENTS_ALL,
    Slot.UPDATED,
    Slot.STATE,
    Slot.STATE_UPDATED,
)
_WRITTEN = (Slot.UPDATED, Slot.STATE_UPDATED, Slot.CONSTANTS_UPDATED)


class CPUTrainer(Trainer):
    """Parameters, running statistics and the optimiser's state on two sides.

    A step reads one side and writes the other. They change roles by the count of finished steps
    alone, so that whatever interrupts a training finds a whole step.
    """

    def __init__(
        self, setup: EngineSetup, network: Graph, loss: Loss, optimizer: Optimizer, start: Arrays
    ) -> None:
        super().__init__(network, loss, optimizer)
        self.setup, self._start = setup, start
        self.loaded: LoadedProgram | None = None
        self._before, self._remembered = optimizer.remembered(network)
        self._stored: dict[str, dict[str, np.ndarray]] = {}
        self._rule = optimizer.rule
        names = frozenset(("weight", "gradient", *self._rule.state))
        self._scalar_values: dict[str, float] = {}
        self._assignments, self._scalars = fold_scalars(self._rule.assignments, names)

    def _load(self, by_class: bool) -> LoadedProgram:
        """Build and compile at the first step, when the kind of labels is known."""
        options = Options(training=True, backward=True, by_class=by_class)
        arrays = self.arrays()  # made first: what they are drawn in is gone when rows are reserved
        loaded = load_program(self.setup, self.network, self.loss, options)
        context = loaded.context
        context.fill(arrays)
        context.updated[:] = context.constants
        length, states = context.length, len(self._rule.state)
        self._sides = (
            _Side.of(context.parameters, aligned(states * length), context.constants),
            _Side.of(aligned(length), aligned(states * length), context.updated),
        )
        self._numbers = np.zeros(max(1, len(self._scalars)), np.float32)
        context.frame[Slot.SCALARS] = address(self._numbers)
        chunks = sum(r.chunks for r in _ranges_of(loaded))
        self._squares = np.zeros(chunks)
        context.frame[Slot.SQUARES] = address(self._squares)
        self._whole: dict[int, tuple[PhaseTable, ...]] = {}
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
        begin = place * self.loaded.context.length
        return self.loaded.listing.places[value(name)].within(self._now.state, begin)

    def _phases(self, loaded: LoadedProgram) -> tuple[PhaseTable, ...]:
        """The phases of a whole step: the program's, sums and update.

        In two parts where the rule reads the length of all gradients: that must be known before any
        weight is moved.
        """
        groups = loaded.context.groups
        if groups not in self._whole:
            first, *rest = self._closing(loaded)
            self._whole[groups] = (loaded.phases.grouped(groups, first), *rest)
        return self._whole[groups]

    def _closing(self, loaded: LoadedProgram) -> list[PhaseTable]:
        """What comes behind the program: sums and update, or sums and squares, and then the update.

        What has one gradient for the whole batch is not summed.
        """
        sums = SumGroups(loaded.context.groups)
        squares = SumSquares(_CHUNK)
        kernels: dict[str, Kernel] = {}
        before, behind, chunks = [], [], 0

        def call(kernel: Kernel, *arguments: Argument) -> FunctionCall:
            kernels[kernel.symbol] = kernel
            return FunctionCall(kernel.symbol, arguments)

        for part in _ranges_of(loaded):
            update = Update(
                self._assignments,
                self._rule.state,
                len(self._scalars),
                loaded.context.length // 4,
                clears=part.grouped,
            )
            gradients = Argument(Slot.GRADIENTS_ALL, part.begin)
            summed = [call(sums, gradients)] if part.grouped else []
            moved = call(update, *(Argument(slot, part.begin) for slot in _MOVED))
            if self._rule.norm:
                summed.append(call(squares, gradients, Argument(Slot.SQUARES, 8 * chunks)))
                before.append(Phase("chunks", summed, part.length, _CHUNK))
                summed = []
            behind.append(Phase("chunks", [*summed, moved], part.length, _CHUNK))
            chunks += part.chunks
        compiler = compiler_for(self.setup.target)
        pieces = [(s, s, partial(k.text, compiler.target)) for s, k in kernels.items()]
        addresses = dict(zip(kernels, compiler.addresses(pieces), strict=True))
        return [PhaseTable.made(phases, addresses) for phases in (before, behind) if phases]

    def step(self, batch: Batch) -> Stepped:
        """See `Trainer.step`."""
        loaded = self.loaded or self._load(batch.samples.rows[1])
        loaded.feed(batch, labels=True)
        phases = self._phases(loaded)
        words, written = loaded.context.words, self._sides[(self._done + 1) % 2]
        for fields, side in ((_READ, self._now), (_WRITTEN, written)):
            for field, place in zip(fields, side.places, strict=True):
                words[field] = place
        flagged = False
        for number, part in enumerate(phases, 1):
            if number == len(phases):
                self._set_scalars()
            loaded.pool.run(part, loaded.context.at, self.setup.threads)
            flagged |= bool(words[Slot.FLAGGED])
        outcome = loaded.outcome(batch)
        finite = not flagged and math.isfinite(outcome.loss)
        done = Stepped(outcome.loss, outcome.correct, finite)
        if finite:
            self.finished = Finished(self._done + 1, done)
        return done

    def _set_scalars(self) -> None:
        """The numbers of the step that the update reads."""
        values = dict(self.optimizer.scalars(self._before + self._done + 1))
        if self._rule.norm:
            values["norm"] = math.sqrt(self._squares.sum())
        if values == self._scalar_values:
            return
        self._scalar_values = values
        with np.errstate(over="ignore"):  # what becomes infinite is found in the weights
            for place, expression in enumerate(self._scalars):
                self._numbers[place] = evaluate_scalar(expression, values)

    def computed(self, batch: Batch) -> Computed:
        """See `Trainer.computed`; directly, so that nothing spreads over a tile."""
        from .whole_step import compute_step

        direct = replace(self.setup, winograd="off")
        return compute_step(direct, self.network, batch, self.loss, self.arrays(), TRAINING)

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Trainer.arrays`."""
        if self.loaded is None:
            return {**self.network.parameters, **self.network.buffers, **self._start}
        places, now = self.loaded.listing.places, self._now
        found = {n: places[value(n)].within(now.weights) for n in self.network.parameters}
        return found | {n: places[value(n)].within(now.constants) for n in self.network.buffers}

    def parameter(self, name: str) -> np.ndarray:
        """See `Trainer.parameter`; a view of one array, without one of every other."""
        if self.loaded is None:
            return super().parameter(name)
        return self.loaded.listing.places[value(name)].within(self._now.weights)

    def store(self) -> None:
        """See `Trainer.store`; the optimiser is given a copy of its state."""
        super().store()
        if self.loaded is None:
            return
        kinds = self._rule.state
        if not self._stored:
            self._stored = {
                name: {k: self._state_of(name, i).copy() for i, k in enumerate(kinds)}
                for name in self.network.parameters
            }
        else:  # in place, since a second copy beside the first may not fit
            for name, state in self._stored.items():
                for i, k in enumerate(kinds):
                    state[k][...] = self._state_of(name, i)
        self.optimizer.remember(self.network, self._before + self._done, self._stored)


class _Range(NamedTuple):
    """Parameters in a row of bytes that are summed and moved alike.

    Args:
        begin: of the first.
        end: behind the last.
        grouped: whether each group of blocks has gradients of its own, to be summed.
    """

    begin: int
    end: int
    grouped: bool

    @property
    def length(self) -> int:
        """How many numbers they are."""
        return (self.end - self.begin) // 4

    @property
    def chunks(self) -> int:
        """In how many pieces they are shared out."""
        return -(-self.length // _CHUNK)


def _ranges_of(loaded: LoadedProgram) -> list[_Range]:
    length, once = loaded.context.length, loaded.listing.at_once
    both = (_Range(0, once, grouped=False), _Range(once, length, grouped=True))
    return [part for part in both if part.length]
