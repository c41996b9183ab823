"""A linear layer's weight gradient: an outer product, summed over samples alone.

Most weights get their share block by block, as everywhere. Where a layer's weights are so many that
they do not stay near, every block would fetch and store them all again, and every group would have
a copy. There the blocks put down what is multiplied, and the whole batch is summed at once, behind
them (`at_once`): each weight's gradient is stored a single time.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ....equation import Access, Factor
from ..contraction import Form
from ..frame import Slot
from ..kernels.outer_product import BatchOuterProduct, OuterProduct, Transposed
from ..keys import ArrayKey
from ..layout import Layout
from ..program import KernelCall
from ..target import LANES, Target

if TYPE_CHECKING:
    from .draft import Draft, Job
    from .work import Work

_NEAR = 1 << 20
"""How many bytes of weights may stay near while a block goes through a network."""

_TASKS = 64
"""Into about how many tasks a sum over the whole batch is cut."""


def letters(form: Form) -> tuple[str, str] | None:
    """The letters of rows and columns where a weight gradient sums over samples alone."""
    if len(form.terms) != 1 or not form.over_lanes or not form.dense:
        return None
    (term,) = form.terms
    if len(term.factors) != 2 or term.summed != ("n",) or term.scale.value != 1:
        return None
    shown = [p.plain or "" for p in term.target.positions]
    by_index = {f.names[-1]: f.access.array for f in term.factors if len(f.names) == 2}
    if len(shown) != 2 or len(by_index) != 2 or set(by_index) != set(shown):
        return None
    if not all(_whole(f, form) for f in term.factors):
        return None
    return by_index[shown[0]], by_index[shown[1]]


def _whole(factor: Factor, form: Form) -> bool:
    """Whether a factor is an array of samples × features, each read where it stands."""
    if not isinstance(factor, Access) or len(factor.positions) != 2:
        return False
    size = form.equation.shape_of[factor.array][1]
    plain = factor.positions[1].plain
    return plain is not None and form.equation.range_of[plain] == size


def at_once(work: Work) -> frozenset[str]:
    """The parameters whose gradient is summed over the whole batch at once."""
    return frozenset(
        sent.receives
        for sent in work.sent
        if not sent.per_sample
        and len(sent.forms) == 1
        and len(work.received[sent.receives]) == 1
        and 4 * prod(work.system.shapes[sent.receives]) >= _NEAR
        and letters(sent.forms[0]) is not None
    )


def plan_outer_product(draft: Draft, job: Job, form: Form) -> None:
    """The calls of such a gradient; its input is transposed once."""
    found = letters(form)
    assert found is not None
    rows, columns = (job.arrays[letter] for letter in found)
    shape = form.equation.shape_of[form.target.array]
    if job.target.array in draft.at_once:
        _put_down(draft, job, rows, columns, shape)
        return
    outputs, features = shape
    transposed = _transposed(draft, job, columns, features, Slot.ARENA)
    tile = _tile(draft.target, outputs, min(draft.target.parts, 2))
    kernel = OuterProduct(outputs, features, *tile, draft.memory[rows].layout.origin)
    draft.call(kernel, (job.target, rows, transposed), job.layer, job.does, outputs * features)


def _put_down(
    draft: Draft, job: Job, rows: ArrayKey, columns: ArrayKey, shape: tuple[int, ...]
) -> None:
    """Every block puts down dZ and Xᵗ; what multiplies them follows behind all blocks."""
    outputs, features = shape
    transposed = _transposed(draft, job, columns, features, Slot.PARTIAL)
    put = ArrayKey("copied", rows.array, rows.kind)
    draft.copy(job, put, rows)
    kernel = BatchOuterProduct(
        outputs, features, *_tile(draft.target, outputs, max(draft.target.parts, 2))
    )
    length = kernel.length(draft.target)
    keys = (draft.in_first_group(job.target.array), *map(draft.of_all_blocks, (put, transposed)))
    call = KernelCall(kernel, keys, job.layer, job.does, outputs * features)
    draft.behind(call, length, max(1, length // _TASKS))


def _transposed(draft: Draft, job: Job, columns: ArrayKey, features: int, region: Slot) -> ArrayKey:
    """The layer's input with features as lanes, made once."""
    key = ArrayKey("transposed", columns.array, f"{columns.kind}, {region.name.lower()}")
    if key not in draft.memory:
        kernel = Transposed(features, draft.memory[columns].layout.origin)
        draft.memory.add(key, region, Layout((kernel.sixteens * LANES,), (), True))
        draft.call(kernel, (key, columns), job.layer, job.does)
    return key


def _tile(target: Target, outputs: int, columns: int) -> tuple[int, int]:
    """Rows, best a divisor of all, and registers of features that are held at once."""
    most = (24 if target.registers >= 32 else 8) // columns
    dividing = [r for r in range(most, most // 2, -1) if outputs % r == 0]
    return min(dividing[0] if dividing else most, outputs), columns
