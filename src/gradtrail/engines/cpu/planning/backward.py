"""What one node sends back: its calls in the backward pass."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ....equation import Access, Normalisation, SoftmaxEquation
from ..contraction import Form, goes_by_rows
from ..frame import Slot
from ..kernels.lanes import SumLanes
from ..keys import ArrayKey, gradient, value
from ..layout import Layout
from ..nest import Epilogue
from . import linear_weights, winograd
from .batch_norms import normalise_back
from .draft import Draft, Ending, Job
from .per_sample import put_down
from .sample_wise import normalise_samples_back, soften_back
from .work import Sent, slopes


def plan_backward(draft: Draft, sent: Sent) -> None:
    """The calls of an adjoint."""
    node, receives, work = sent.adjoint.node, sent.receives, draft.work
    if work.absorbs(sent):
        return
    if isinstance(node.equation, Normalisation):
        (normalise_back if node.equation.ties_samples else normalise_samples_back)(draft, sent)
        return
    if isinstance(node.equation, SoftmaxEquation):
        soften_back(draft, sent)
        return
    handed_on = draft.same(gradient(receives), gradient(node.output))
    if handed_on and sent.key not in work.absorbed and not sent.per_sample:
        draft.written.add(gradient(receives))
        return
    arrays = {a: draft.held(key) for a, key in sent.arrays.items()}
    job = Job(arrays, sent.name, f"backward towards {receives}", gradient(receives))
    if sent.per_sample:
        put_down(draft, job, sent)
    elif receives in draft.network.parameters:
        _towards_parameter(draft, job, sent)
    else:
        _towards_source(draft, job, sent)


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


def _towards_source(draft: Draft, job: Job, sent: Sent) -> None:
    """Through the slopes behind it to the last one's target; others may have added there before."""
    endings: list[Ending] = []
    targets, does, absorbed = [job.target], job.does, draft.work.absorbed
    through = absorbed.get(sent.key)
    while through is not None:
        for function, key in slopes(through):
            endings.append(Ending(Epilogue("slope", function), *_met(draft, sent, key)))
        targets.append(gradient(through.receives))
        does += f", through {through.name}"
        through = absorbed.get(through.key)
    first = not any(target in draft.written for target in targets)
    draft.written.update(targets)
    job = replace(job, does=does, target=targets[-1], endings=tuple(endings))
    if sent.plane is not None:
        winograd.plan_convolution(draft, job, sent.plane, adds=not first)
    else:
        draft.nests(job, sent.forms, first=first)


def _towards_parameter(draft: Draft, job: Job, sent: Sent) -> None:
    if sent.plane is not None:
        winograd.plan_weights(draft, job, sent.plane)
        return
    for form in sent.forms:
        if linear_weights.letters(form) is None:
            _weights(draft, job, form)
        else:
            linear_weights.plan_outer_product(draft, job, form)


def _weights(draft: Draft, job: Job, form: Form) -> None:
    """A weight gradient as a nest, row by row where its accumulators find room."""
    shape = form.equation.shape_of[form.target.array]
    waiting = Layout(shape, (), True)
    if not goes_by_rows(form, waiting):
        draft.nest(job, form, adds=True)
        return
    key = ArrayKey("waiting", detail=str(waiting.shape))
    draft.memory.add(key, Slot.ARENA, waiting)
    draft.nest_by_rows(replace(job, target=key), form)
    draft.call(SumLanes(prod(shape)), (job.target, key), job.layer, job.does)
