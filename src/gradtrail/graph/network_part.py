"""Some steps of a network in a row, as a graph of their own: a frozen trunk, and its head.

A part shares the network's arrays: what is written to one is written to the other.
"""

from __future__ import annotations

from typing import Any, final

from ..equation import Normalisation
from .construction import OUTPUT
from .graph import Graph


@final
class NetworkPart(Graph):
    """The steps from one place to another, which read a single array from before.

    Args:
        whole: the network.
        first: the place of the first step.
        last: the place behind the last.
    """

    def __init__(self, whole: Graph, first: int, last: int) -> None:
        self._whole, self.first_place, self._last = whole, first, last
        self.steps = whole.steps[first:last]
        source = whole.steps[first - 1].output if first else whole.input_name
        self.inputs = {source: whole.system(1).shapes[source][1:]}
        ends = {OUTPUT: self.steps[-1].output}
        self.outputs = whole.outputs if last == len(whole.steps) else ends
        self.dtype, self.seed, self._classes = whole.dtype, whole.seed, None
        self._drawn, self._chain = whole.drawn, None
        self._frozen, self._systems, self._form = frozenset(whole.frozen), {}, object()
        owners = {step.owner for step in self.steps}
        self.parameters = whole.parameters.of_layers(owners)
        self.buffers = whole.buffers.of_layers(owners)

    @property
    def whole(self) -> Graph:
        """See `Graph.whole`."""
        return self._whole

    def architecture(self) -> dict[str, Any]:
        """The network's, and which part of it this is."""
        return self._whole.architecture() | {"part": [self.first_place, self._last]}


def frozen_trunk(network: Graph) -> int:
    """How many steps, from the first on, give the same for a sample in all of a training.

    Nothing in them is trained, is random, or looks at other samples; and the steps behind them read
    no array of theirs but the last one's output. 0 where nothing frozen is among these, and where
    samples are several arrays.
    """
    if len(network.inputs) > 1:
        return 0
    learned = network.declarations(2, training=True)
    judged = network.declarations(2, training=False)
    trained = {name.rpartition(".")[0] for name in network.trained}
    still = 0
    for step in network.steps:
        equation = learned[step.name].equation
        alike = equation == judged[step.name].equation
        coupled = isinstance(equation, Normalisation) and "n" in equation.over
        if step.owner in trained or not alike or coupled:
            break
        still += 1
    while still and not _parted(network, still):
        still -= 1
    frozen = {name.rpartition(".")[0] for name in network.parameters}
    return still if any(step.owner in frozen for step in network.steps[:still]) else 0


def _parted(network: Graph, place: int) -> bool:
    """Whether nothing from a place on, and no output, needs more than the output just before it."""
    steps = network.steps
    before = {step.output for step in steps[: place - 1]} | network.inputs.keys()
    behind = {name for step in steps[place:] for name in step.sources}
    ends = {*network.outputs.values()}
    return (
        place < len(steps)
        and behind.isdisjoint(before)
        and ends <= {step.output for step in steps[place:]}
    )
