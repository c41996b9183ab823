"""Single weights watched during a training: what they were, what moved them, and which samples.

Before a watched step all of its arrays are computed once more and kept, so that the weight's
gradient can be asked for its terms; that makes such a step several times as long, and changes
nothing. Of each element at most `MOST` steps are kept: when they are full, every other one is
forgotten and from then on every second step is watched, then every fourth, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..engines import Batch, Trainer
from ..errors import ArgumentError, warn
from ..layers import Loss
from ..tracing.element import element_text, example_element, parse_element
from ..tracing.terms import Terms
from ..tracing.traced_step import TracedStep
from .watched_weights import ELEMENTS, FIELDS, SAMPLES, Watched, tell_left

if TYPE_CHECKING:
    from ..graph import Graph

MOST = 4096
"""How many steps of an element are kept at most."""


class _Row(NamedTuple):
    """One watched step: a row of the columns of `Watched`, called as they are.

    What it brings (`update`) is 0 until it is made.
    """

    steps: int
    weight: float
    gradient: float
    update: float
    samples: list[int]
    shares: list[float]


class _Record:
    """One element's steps as they come."""

    def __init__(self, element: str, name: str, index: tuple[int, ...]) -> None:
        self.element, self.name, self.index = element, name, index
        self.rows: list[_Row] = []

    @property
    def last(self) -> int:
        """The number of the last step that was kept; −1 before there is one."""
        return self.rows[-1].steps if self.rows else -1

    def go_on(self, watched: Watched) -> None:
        """Begin with these steps."""
        columns = (getattr(watched, field).tolist() for field in FIELDS)
        self.rows = [_Row(*row) for row in zip(*columns, strict=True)]

    def watched(self) -> Watched:
        columns = list(zip(*self.rows, strict=True)) or [()] * len(FIELDS)
        arrays = (
            np.array(column, kind).reshape(-1, *shape)
            for column, (kind, shape) in zip(columns, FIELDS.values(), strict=True)
        )
        return Watched(self.element, *arrays)


class WeightWatcher:
    """Looks at elements before and behind each step of a training.

    Args:
        trainer: what trains.
        network: the network.
        loss: its loss.
        records: the elements.
    """

    def __init__(
        self, trainer: Trainer, network: Graph, loss: Loss, records: Sequence[_Record]
    ) -> None:
        self.trainer, self.network, self.loss, self.records = trainer, network, loss, records
        self.every, self._before = 1, 0
        self._noted: list[_Row] = []

    def look(self, batch: Batch) -> None:
        """Note each element before a step, if that is one to be watched."""
        self.settle()
        if self._count % self.every == 0:
            self._noted = self._looked_at(batch)

    @property
    def _count(self) -> int:
        """How many steps there were, those before a checkpoint among them."""
        return self._before + self.trainer.finished[0]

    def settle(self) -> None:
        """Keep what was noted of the last step if that was made, though Ctrl-C came behind it."""
        if not self._noted or self._count == self._noted[0].steps:
            return
        for record, row in zip(self.records, self._noted, strict=True):
            if record.last < row.steps:
                update = float(self.trainer.parameter(record.name)[record.index]) - row.weight
                record.rows.append(row._replace(update=update))
        if max(len(record.rows) for record in self.records) >= MOST:
            self.every *= 2
            for record in self.records:
                record.rows = [row for row in record.rows if row.steps % self.every == 0]
        self._noted = []

    def go_on(self, watched: Mapping[str, Watched], every: int, steps: int) -> None:
        """Begin where another training of the same network was.

        Args:
            watched: what it had kept; an element that it did not watch begins here.
            every: which steps it watched.
            steps: how many there were.
        """
        self.every, self._before = every, steps
        own = {record.element: record for record in self.records}
        for element in own.keys() & watched.keys():
            own[element].go_on(watched[element])
        begun, left = own.keys() - watched.keys(), watched.keys() - own.keys()
        if begun and steps:
            are = "are" if len(begun) > 1 else "is"
            warn(
                f"{' and '.join(sorted(begun))} {are} watched from step {steps:,} on: nothing was "
                "kept of the steps before the checkpoint"
            )
        tell_left(left)

    def _looked_at(self, batch: Batch) -> list[_Row]:
        """Each element before the step."""
        computed = self.trainer.computed(batch)
        system = self.network.system(len(batch), training=True, loss=self.loss)
        step = TracedStep(system, computed.values, computed.gradients)
        found = []
        for record in self.records:
            terms = Terms(step, "grad", record.name, record.index)
            best = terms.by("n").top(SAMPLES)
            numbers = [int(batch.numbers[n]) for n in best.keys_array[:, 0]]
            lacking = SAMPLES - len(numbers)
            weight = float(self.trainer.parameter(record.name)[record.index])
            samples, shares = [*numbers, *[-1] * lacking], [*best.sums, *[0.0] * lacking]
            found.append(_Row(self._count, weight, terms.value, 0.0, samples, shares))
        return found

    def watched(self) -> dict[str, Watched]:
        """What was kept, by element."""
        self.settle()
        return {record.element: record.watched() for record in self.records}


def watch_elements(
    trainer: Trainer, network: Graph, loss: Loss, elements: Sequence[str]
) -> WeightWatcher:
    """Who watches these elements, at least one.

    Raises:
        ArgumentError: an element that is no parameter's, one twice, or too many of them.
        UnknownNameError: no parameter is called so.
    """
    if isinstance(elements, str) or not isinstance(elements, Sequence):
        shapes = network.parameters.shapes
        such = [example_element(name, shape) for name, shape in list(shapes.items())[:1]]
        raise ArgumentError(f"train: watch is a list of elements such as {such}, got {elements!r}")
    if len(elements) > ELEMENTS:
        raise ArgumentError(f"train: at most {ELEMENTS} elements are watched, got {len(elements)}")
    records: dict[str, _Record] = {}
    for text in elements:
        _, name, index = parse_element(text, network.parameters, (), network.parameters.shapes)
        step = TracedStep(network.system(1), network.parameters, {})
        index = step.element("value", name, index)
        element = element_text("value", name, index)
        if element in records:
            raise ArgumentError(f"train: {element} is watched twice")
        records[element] = _Record(element, name, index)
    return WeightWatcher(trainer, network, loss, list(records.values()))
