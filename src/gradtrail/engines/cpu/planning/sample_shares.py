"""Each sample's gradient of a parameter: the lanes of its sum, kept apart and put down.

A block has a place of its own for them. A convolution's are the accumulators as they are before
the lanes would be added. A linear layer's are outer products of what the layer read and what came
back; those two are put down, and nothing is multiplied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contraction import Form, by_rows, goes_by_rows, nest_of
from ..frame import Slot
from ..kernels.kernel import NestKernel
from ..kernels.outer_product import Copied
from ..keys import ArrayKey, sample_share, share_factors
from ..layout import Layout
from .draft import products
from .linear_weights import letters

if TYPE_CHECKING:
    from .draft import Draft
    from .work import Sent

__all__ = ["put_down"]


def put_down(draft: Draft, sent: Sent) -> None:
    """The calls that put down the shares of a block's samples."""
    does = f"backward towards {sent.receives}, per sample"
    found = letters(sent.forms[0]) if len(sent.forms) == 1 else None
    if found is not None:
        for key, letter in zip(share_factors(sent.receives), found, strict=True):
            _copy(draft, sent, key, sent.arrays[letter], does)
        return
    form, first = sent.forms[0], True
    shape = form.equation.shape_of[form.target.array][1:]
    draft.memory.add(sample_share(sent.receives), Slot.PARTIAL, Layout(shape, (), True))
    if len(sent.forms) == 1 and goes_by_rows(
        form, draft.memory[sample_share(sent.receives)].layout
    ):
        _by_rows(draft, sent, form, does)
        return
    for form in sent.forms:
        if first and not form.covers:
            draft.zero(sample_share(sent.receives), sent.name, does)
            first = False
        draft.nest(form, sent.arrays, sent.name, does, adds=not first or not form.sets)
        first = False


def _by_rows(draft: Draft, sent: Sent, form: Form, does: str) -> None:
    """The nest whose accumulators wait in memory: here, where they are wanted."""
    target = sample_share(sent.receives)
    draft.zero(target, sent.name, does)
    nest, order, tiling = nest_of(form, draft.layouts(sent.arrays), draft.target, adds=True)
    kernel = NestKernel(by_rows(nest, nest.target))
    names = tuple(sent.arrays[a] for a in order)
    draft.call(kernel, names, sent.name, does, products(form), tiling.cycles)


def _copy(draft: Draft, sent: Sent, key: ArrayKey, of: ArrayKey, does: str) -> None:
    layout = draft.memory[of].layout
    draft.memory.add(key, Slot.PARTIAL, Layout(layout.shape, (), True))
    draft.call(Copied(layout.size), (key, of), sent.name, does)
