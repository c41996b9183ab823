"""The program of a network: every node forward, then every adjoint that somebody needs."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ....graph.packed_samples import places_in_row
from ..kernels.gathering import GatherSamples, ScatterOutputs
from ..keys import value
from ..options import EngineSetup, Options
from ..program import Program
from ..target import LANES
from .backward import plan_backward
from .draft import Draft
from .forward import plan_forward
from .places import declare
from .work import Work

if TYPE_CHECKING:
    from ....graph import Graph
    from ....layers import Loss


def plan_program(
    network: Graph, loss: Loss | None, options: Options, setup: EngineSetup
) -> Program:
    """The program of a network.

    Args:
        network: any.
        loss: at its end, or None.
        options: what the program is for.
        setup: for which processor, and with which algorithms.
    """
    system = network.system(LANES, training=options.training, loss=loss)
    handed_out = network.outputs.values() if options.outputs else ()
    work = Work(system, options, setup, network.trained, handed_out)
    draft = Draft(network, work, loss)
    declare(draft)
    for name, _, begin in places_in_row(network.inputs):
        row = prod(network.sample_shape) if len(network.inputs) > 1 else 0
        gather = GatherSamples(draft.memory[value(name)].layout, row, begin)
        draft.call(gather, (value(name),), name, "forward")
    along = work.along
    for place, node in enumerate(system.nodes, network.first_place):
        if node.name not in along:
            plan_forward(draft, place, node)
    if options.outputs:
        shapes = {name: system.shapes[array][1:] for name, array in network.outputs.items()}
        row = sum(map(prod, shapes.values())) if len(shapes) > 1 else 0
        for name, _, begin in places_in_row(shapes):
            output = value(network.outputs[name])
            scatter = ScatterOutputs(draft.memory[output].layout, row, begin)
            draft.call(scatter, (output,), name, "forward")
    for sent in work.sent:
        plan_backward(draft, sent)
    return draft.program()
