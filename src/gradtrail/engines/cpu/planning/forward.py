"""One node's calls in the forward pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....equation import LossEquation, Node, Normalisation, Selection, SoftmaxEquation
from ....equation.frozen import frozen
from ....errors import ArgumentError
from ....layers.layer import Draws
from ..activation import function_of
from ..kernels.masks import DrawMask
from ..kernels.max_pool import select_kernel
from ..keys import value
from ..nest import Epilogue
from . import winograd
from .batch_norms import normalise
from .draft import Draft, Ending, Job
from .loss_calls import plan_loss
from .sample_wise import normalise_samples, soften
from .work import maxima


def plan_forward(draft: Draft, place: int, node: Node) -> None:
    """The calls of a node.

    Args:
        draft: being written.
        place: of the node in the network.
        node: not one that is computed along with another.
    """
    if node is draft.work.joint or draft.shares(value(node.output)):
        return
    equation = node.equation
    _given(draft, place, node)
    if isinstance(equation, Selection):
        arrays = {a: value(name) for a, name in node.arrays}
        letters = (equation.result.array, equation.source.array, equation.winner)
        kernel = select_kernel(equation, draft.layouts(arrays))
        draft.call(kernel, [arrays[a] for a in letters], node.name, "forward")
    elif isinstance(equation, Normalisation):
        (normalise if equation.ties_samples else normalise_samples)(draft, node, equation)
    elif isinstance(equation, SoftmaxEquation):
        soften(draft, node, equation)
    elif isinstance(equation, LossEquation):
        plan_loss(draft, node, equation)
    else:
        _contract(draft, node)


def _given(draft: Draft, place: int, node: Node) -> None:
    """Masks are drawn; other given arrays are constants."""
    layer = draft.layers.get(node.name)
    if layer is None:
        return
    for letter, draw in layer.draws.items():
        if letter in node.array_of:
            name = value(node.array_of[letter])
            draft.call(
                DrawMask(draft.memory[name].layout, place, draw), (name,), node.name, "forward"
            )
    for letter, array in layer.given(node.equation, NoDraws(0, 0, place)).items():
        draft.constants[value(node.array_of[letter])] = array


@frozen
class NoDraws(Draws):
    """For layers whose given arrays are constants."""

    def words(self, samples: int, count: int) -> np.ndarray:
        """Refuse: an array drawn once would stay the same for all steps."""
        raise ArgumentError(
            "the cpu engine draws what a layer's `draws` names, but a layer asks for random words "
            'in its `given`; declare a `Draw`, or pass engine="reference"'
        )


def _contract(draft: Draft, node: Node) -> None:
    arrays = {a: value(name) for a, name in node.arrays}
    after = draft.work.fused.get(node.name)
    job = Job(arrays, node.name, "forward", value(node.output))
    if after is not None:
        endings = [Ending(Epilogue("apply", function_of(after)))]
        if draft.work.keeps(node):
            endings.insert(0, Ending(Epilogue("keep"), value(node.output)))
        does, target = f"forward, with {after.name}", value(after.output)
        job = replace(job, does=does, target=target, endings=tuple(endings))
    plane = draft.work.planes.get(node.name)
    if plane is not None:
        pool, winner = draft.work.pooled.get(node.name), None
        if pool is not None:
            output, winner = (value(name) for name in maxima(pool))
            job = replace(job, does=f"{job.does}, with {pool.name}", target=output)
        winograd.plan_convolution(draft, job, plane, adds=False, winner=winner)
        return
    for place, form in enumerate(draft.work.forward[node.name]):
        sets = form.sets or (place == 0 and form.covers)
        if place == 0 and not form.covers:
            draft.zero(job)
        draft.nest(job, form, adds=not sets)
