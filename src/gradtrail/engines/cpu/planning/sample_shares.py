"""Each sample's gradient of a parameter: the lanes of its sum, kept apart and put down.

A block has a place of its own for them. A convolution's are the accumulators as they are before
the lanes would be added. A linear layer's are outer products of what the layer read and what came
back; those two are put down, and nothing is multiplied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contraction import by_rows, goes_by_rows, nest_of
from ..frame import Slot
from ..kernels.nest_kernel import NestKernel
from ..kernels.outer_product import Copied
from ..keys import ArrayKey, sample_share, share_factors
from ..layout import Layout
from .draft import products
from .linear_weights import letters

if TYPE_CHECKING:
    from .draft import Draft
    from .work import Sent


def put_down(draft: Draft, sent: Sent) -> None:
    """The calls that put down the shares of a block's samples."""
    does = f"backward towards {sent.receives}, per sample"
    found = letters(sent.forms[0]) if len(sent.forms) == 1 else None
    if found is not None:
        for key, letter in zip(share_factors(sent.receives), found, strict=True):
            _copy(draft, sent, key, sent.arrays[letter], does)
        return
    form, target = sent.forms[0], sample_share(sent.receives)
    layout = Layout(form.equation.shape_of[form.target.array][1:], (), True)
    draft.memory.add(target, Slot.PARTIAL, layout)
    if len(sent.forms) > 1 or not goes_by_rows(form, layout):
        draft.nests(sent, does, target)
        return
    # accumulators wait in memory between rows: here, where they are wanted
    draft.zero(target, sent.name, does)
    nest, order, tiling = nest_of(form, draft.layouts(sent.arrays), draft.target, adds=True)
    kernel = NestKernel(by_rows(nest, nest.target))
    names = tuple(sent.arrays[a] for a in order)
    draft.call(kernel, names, sent.name, does, products(form), tiling.cycles)


def _copy(draft: Draft, sent: Sent, key: ArrayKey, of: ArrayKey, does: str) -> None:
    layout = draft.memory[of].layout
    draft.memory.add(key, Slot.PARTIAL, Layout(layout.shape, (), True))
    draft.call(Copied(layout.size), (key, of), sent.name, does)
