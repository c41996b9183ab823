"""What a step takes beside samples and parameters, and what it leaves beside gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..equation import Node, System
from ..layers.layer import Draws

if TYPE_CHECKING:
    from .graph import Graph

Arrays = Mapping[str, np.ndarray]


def given_arrays(
    network: Graph, system: System, *, seed: int = 0, step: int = 0
) -> dict[str, np.ndarray]:
    """The arrays that are neither computed nor trained: dropout's masks and constants.

    Args:
        network: whose layers give them.
        system: the equations of the step.
        seed: of the masks, the training's.
        step: which step of the training it is.
    """
    found: dict[str, np.ndarray] = {}
    pairs = zip(system.nodes, network.steps, strict=False)  # the loss is none of the layers
    for place, (node, known) in enumerate(pairs, network.first_place):
        draws, shapes = Draws(seed, step, place), node.equation.shape_of
        arrays = {
            letter: draw.array(shapes[letter], draws)
            for letter, draw in known.layer.draws.items()
            if letter in shapes  # in evaluation nothing is drawn
        }
        arrays |= known.layer.given(node.equation, draws)
        found |= {node.array_of[letter]: array for letter, array in arrays.items()}
    return found


def target_arrays(node: Node, targets: Arrays) -> dict[str, np.ndarray]:
    """A loss's given arrays under their names, such as `loss.target`, from those by letter."""
    letters = node.array_of
    return {letters[letter]: array for letter, array in targets.items()}


def running_statistics(
    network: Graph, system: System, values: Arrays, before: Arrays
) -> dict[str, np.ndarray]:
    """The running statistics after a training step, under their names.

    Args:
        network: whose layers keep them.
        system: the equations of the step.
        values: the arrays of the step.
        before: the running statistics before it.
    """
    found: dict[str, np.ndarray] = {}
    for node, step in zip(system.nodes, network.steps, strict=False):
        names = {a: f"{step.owner}.{buffer.name}" for a, buffer in step.layer.running.items()}
        if not names or network.keeps_statistics(step):
            continue
        source = values[node.inputs[0]]
        after = step.layer.running_after(
            source.size // source.shape[1],
            {a: values[node.array_of[a]] for a in names},
            {a: found.get(name, before[name]) for a, name in names.items()},
        )
        found |= {names[letter]: array for letter, array in after.items()}
    return found
