"""What one node sends back: its calls in the backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from ....equation import Access, Normalisation
from ..addresses import access_stream
from ..contraction import Form, by_rows, goes_by_rows, nest_of
from ..frame import Slot
from ..kernels.lanes import SumLanes
from ..kernels.nest_kernel import NestKernel
from ..keys import ArrayKey, gradient, value
from ..layout import Layout
from ..nest import Epilogue
from . import linear_weights, winograd
from .batch_norms import normalise_back
from .draft import Draft, Ending, products
from .sample_shares import put_down
from .work import Sent, slopes


def plan_backward(draft: Draft, sent: Sent) -> None:
    """The calls of an adjoint."""
    node, receives, work = sent.adjoint.node, sent.receives, draft.work
    if work.absorbs(sent):
        return
    if isinstance(node.equation, Normalisation):
        normalise_back(draft, sent)
        return
    handed_on = draft.same(gradient(receives), gradient(node.output))
    if handed_on and sent.key not in work.absorbed and not sent.per_sample:
        draft.written.add(gradient(receives))
        return
    does = f"backward towards {receives}"
    sent = replace(sent, arrays={a: draft.held(key) for a, key in sent.arrays.items()})
    if sent.per_sample:
        put_down(draft, sent)
        return
    if receives in draft.network.parameters:
        _towards_parameter(draft, sent, does)
        return
    endings: list[Ending] = []
    targets, through = [gradient(receives)], work.absorbed.get(sent.key)
    while through is not None:
        for function, key in slopes(through):
            endings.append(Ending(Epilogue("slope", function), *_met(draft, sent, key)))
        targets.append(gradient(through.receives))
        does += f", through {through.name}"
        through = work.absorbed.get(through.key)
    _towards_source(draft, sent, targets, does, endings)


def _met(draft: Draft, sent: Sent, key: ArrayKey) -> tuple[ArrayKey, Access | None]:
    """The array where a value is found that a slope follows from, and at which element.

    Of a map that was never stored, only its maxima: a pool sends something to these alone.
    """
    pool = draft.work.only_maxima.get(key)
    if pool is None:
        return draft.held(key), None
    letter = "d" + pool.equation.target.array
    (term,) = sent.forms[0].terms
    return value(pool.output), next(f.access for f in term.factors if f.access.array == letter)


def _towards_source(
    draft: Draft, sent: Sent, targets: Sequence[ArrayKey], does: str, endings: Sequence[Ending]
) -> None:
    """Store to the last of the targets; others may have added to one of them before."""
    first = not any(target in draft.written for target in targets)
    draft.written.update(targets)
    target = targets[-1]
    if sent.plane is not None:
        winograd.plan_convolution(
            draft, sent.plane, sent.arrays, sent.name, does, endings, target, adds=not first
        )
        return
    draft.nests(sent, does, target, first=first, endings=endings)


def _towards_parameter(draft: Draft, sent: Sent, does: str) -> None:
    if sent.plane is not None:
        winograd.plan_weights(draft, sent.plane, sent.arrays, sent.name, does)
        return
    for form in sent.forms:
        if linear_weights.letters(form) is None:
            _weights(draft, sent, form, does)
        else:
            linear_weights.plan_outer_product(draft, sent, form, does)


def _weights(draft: Draft, sent: Sent, form: Form, does: str) -> None:
    """A weight gradient as a nest, row by row where its accumulators find room."""
    name, memory = sent.name, draft.memory
    shape = form.equation.shape_of[form.target.array]
    waiting = Layout(shape, (), True)
    if not goes_by_rows(form, waiting):
        draft.nest(form, sent.arrays, name, does, adds=True)
        return
    nest, letters, tiling = nest_of(form, draft.layouts(sent.arrays), draft.target, adds=True)
    lanes = access_stream(form.target, waiting, 0, f"acc {form.target.array}")
    key = ArrayKey("waiting", detail=str(waiting.shape))
    memory.add(key, Slot.ARENA, waiting)
    draft.zero(key, name, does)
    names = (key, *(sent.arrays[a] for a in letters[1:]))
    kernel = NestKernel(by_rows(nest, replace(lanes, lanes=True)))
    draft.call(kernel, names, name, does, products(form), tiling.cycles)
    draft.call(SumLanes(prod(shape)), (sent.arrays[form.target.array], key), name, does)
