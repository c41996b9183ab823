"""A training in progress on the CPU engine: one native call per step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...equation.scalar import Expression, evaluate_scalar
from ...optimizers.optimizer import Optimizer, ParameterGroup, Rule
from ..batch import Arrays, Batch
from ..interface import TRAINING, Computed, Evaluated, Finished, Stepped, Trainer
from .frame import Slot
from .kernels.group_sums import SumGroups
from .kernels.kernel import Kernel
from .kernels.squares import SumSquares
from .kernels.update import Update, fold_scalars
from .keys import value
from .loading import LoadedProgram, compiler_for, load_program
from .options import EngineSetup, Options
from .phases import Argument, FunctionCall, Phase, PhaseTable
from .raw import address, aligned, next_line

if TYPE_CHECKING:
    from ...graph import Graph
    from ...layers import Loss

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
        self._parts = _parts_of(optimizer, network)
        self._kinds = {name: part.rule.state for part in self._parts for name in part.group.names}
        self._scalar_values: list[dict[str, float]] = []

    def _load(self, by_class: bool | tuple[bool, ...]) -> LoadedProgram:
        """Build and compile at the first step, when the kind of labels is known."""
        whole = len(self._parts) == 1 and not self.network.whole.frozen
        apart = () if whole else tuple(part.group.names for part in self._parts)
        options = Options(training=True, backward=True, by_class=by_class, parts=apart)
        arrays = self.arrays()  # made first: what they are drawn in is gone when rows are reserved
        loaded = load_program(self.setup, self.network, self.loss, options)
        context = loaded.context
        context.fill(arrays)
        context.updated[:] = context.constants
        length, states = context.row, max(len(part.rule.state) for part in self._parts)
        self._sides = (
            _Side.of(context.parameters, aligned(states * length), context.constants),
            _Side.of(aligned(context.length), aligned(states * length), context.updated),
        )
        self._sides[1].weights[:] = context.parameters  # what no step writes
        count = sum(len(part.scalars) for part in self._parts)
        self._numbers = np.zeros(max(1, count), np.float32)
        context.frame[Slot.SCALARS] = address(self._numbers)
        self._ranges = _ranges_of(loaded, self._parts)
        chunks = sum(r.chunks for r in self._ranges)
        self._squares = np.zeros(chunks)
        context.frame[Slot.SQUARES] = address(self._squares)
        self._whole: dict[int, tuple[PhaseTable, ...]] = {}
        self.loaded = loaded
        for name, state in self._remembered.items():
            for place, kind in enumerate(self._kinds.get(name, ())):
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
        begin = place * self.loaded.context.row
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

        for part in self._ranges:
            update = Update(
                part.moved.assignments,
                part.moved.rule.state,
                len(part.moved.scalars),
                loaded.context.row // 4,
                clears=part.grouped,
                first=part.moved.first,
            )
            gradients = Argument(Slot.GRADIENTS_ALL, part.begin)
            summed = [call(sums, gradients)] if part.grouped else []
            moved = call(update, *(Argument(slot, part.begin) for slot in _MOVED))
            if self._norm:
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
        loaded = self.loaded or self._load(batch.samples.by_class)
        if self.piece is not None and len(batch) > self.piece:
            return self._accumulated(loaded, batch, self.piece)
        loaded.feed(batch, labels=True)
        phases = self._phases(loaded)
        self._turn(loaded)
        flagged = self._run(loaded, phases)
        return self._stepped(loaded.outcome(batch), flagged)

    def _turn(self, loaded: LoadedProgram) -> None:
        """Read one side, write the other."""
        words, written = loaded.context.words, self._sides[(self._done + 1) % 2]
        for fields, side in ((_READ, self._now), (_WRITTEN, written)):
            for field, place in zip(fields, side.places, strict=True):
                words[field] = place

    def _run(self, loaded: LoadedProgram, phases: Sequence[PhaseTable]) -> bool:
        """Run what ends with the update; gives whether something was not finite."""
        flagged = False
        for number, part in enumerate(phases, 1):
            if number == len(phases):
                self._set_scalars()
            loaded.pool.run(part, loaded.context.at, self.setup.threads)
            flagged |= bool(loaded.context.words[Slot.FLAGGED])
        return flagged

    def _stepped(self, judged: Evaluated, flagged: bool) -> Stepped:
        """What a step reports; it is finished where all of it is finite."""
        done = Stepped.of(judged, finite=not flagged and math.isfinite(judged.loss))
        if done.finite:
            self.finished = Finished(self._done + 1, done)
        return done

    def _accumulated(self, loaded: LoadedProgram, batch: Batch, piece: int) -> Stepped:
        """A step whose batch is computed in pieces, which count by what they weigh in the whole.

        Gradients are added in the order of the pieces; running statistics go from one to the next.
        """
        context, words = loaded.context, loaded.context.words
        pieces = [*batch.parts(piece)]
        masses = [part.mass for part in pieces]
        whole, judged, flagged = sum(masses), list[Evaluated](), False
        shares = [mass / whole if whole else 0.0 for mass in masses]
        total = np.zeros(context.row // 4, np.float32)
        self._turn(loaded)
        for number, (part, share) in enumerate(zip(pieces, shares, strict=True)):
            loaded.feed(part, labels=True)
            if number:
                words[Slot.CONSTANTS] = words[Slot.CONSTANTS_UPDATED]
            table = loaded.phases.grouped(context.groups)
            loaded.pool.run(table, context.at, self.setup.threads)
            flagged |= bool(words[Slot.FLAGGED])
            judged.append(loaded.outcome(part))
            total += np.float32(share) * context.take_gradients()
        context.put_gradients(total)
        flagged |= self._run(loaded, self._closing(loaded))
        return self._stepped(Evaluated.mean(self.loss, judged, shares), flagged)

    @property
    def _norm(self) -> bool:
        """Whether the update reads the length of all gradients."""
        return any(part.rule.norm for part in self._parts)

    def _set_scalars(self) -> None:
        """The numbers of the step that the update reads."""
        step = self._before + self._done + 1
        values = [dict(self.optimizer.within(p.group).scalars(step)) for p in self._parts]
        if self._norm:
            norm = math.sqrt(self._squares.sum())
            for of_part in values:
                of_part["norm"] = norm
        if values == self._scalar_values:
            return
        self._scalar_values = values
        with np.errstate(over="ignore"):  # what becomes infinite is found in the weights
            for part, of_part in zip(self._parts, values, strict=True):
                for place, expression in enumerate(part.scalars, part.first):
                    self._numbers[place] = evaluate_scalar(expression, of_part)

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
        if not self._stored:
            self._stored = {
                name: {k: self._state_of(name, i).copy() for i, k in enumerate(kinds)}
                for name, kinds in self._kinds.items()
            }
        else:  # in place, since a second copy beside the first may not fit
            for name, state in self._stored.items():
                for i, k in enumerate(self._kinds[name]):
                    state[k][...] = self._state_of(name, i)
        self.optimizer.remember(self.network, self._before + self._done, self._stored)


class _Part(NamedTuple):
    """Parameters that are moved alike, and how.

    Args:
        group: they.
        rule: the optimiser's for them.
        assignments: the rule's, without what holds for a whole step.
        scalars: what does, to be evaluated once a step.
        first: how many of these the parts before have.
    """

    group: ParameterGroup
    rule: Rule
    assignments: tuple[tuple[str, Expression], ...]
    scalars: tuple[Expression, ...]
    first: int


def _parts_of(optimizer: Optimizer, network: Graph) -> list[_Part]:
    """A network's parameters by how they are moved."""
    found: list[_Part] = []
    first = 0
    groups = optimizer.grouped(network) or (ParameterGroup((), {}),)  # of nothing, still one
    for group in groups:
        rule = optimizer.within(group).rule
        names = frozenset(("weight", "gradient", *rule.state))
        assignments, scalars = fold_scalars(rule.assignments, names)
        found.append(_Part(group, rule, assignments, scalars, first))
        first += len(scalars)
    return found


class _Range(NamedTuple):
    """Parameters in a row of bytes that are summed and moved alike.

    Args:
        begin: of the first.
        end: behind the last.
        grouped: whether each group of blocks has gradients of its own, to be summed.
        moved: the part that they are of.
    """

    begin: int
    end: int
    grouped: bool
    moved: _Part

    @property
    def length(self) -> int:
        """How many numbers they are."""
        return (self.end - self.begin) // 4

    @property
    def chunks(self) -> int:
        """In how many pieces they are shared out."""
        return -(-self.length // _CHUNK)


def _ranges_of(loaded: LoadedProgram, parts: list[_Part]) -> list[_Range]:
    """The ranges of the parameters' row: of each part those that are summed at once, and others."""
    length, once = loaded.context.row, loaded.listing.at_once
    if not loaded.listing.options.parts:
        both = ((0, once, False), (once, length, True))
        return [_Range(*r, parts[0]) for r in both if r[1] > r[0]]
    found = []
    for grouped in (False, True):
        for part in parts:
            places = [loaded.listing.places[value(name)] for name in part.group.names]
            mine = [p for p in places if (p.offset >= once) is grouped]
            if mine:
                end = next_line(max(p.offset + p.layout.size for p in mine))
                found.append(_Range(min(p.offset for p in mine), end, grouped, part))
    return found
