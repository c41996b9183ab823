"""Each sample's gradient of a parameter: the lanes of its sum, kept apart and put down.

A block has a place of its own for them. A convolution's are the accumulators as they are before
the lanes would be added. A linear layer's are outer products of what the layer read and what came
back; those two are put down, and nothing is multiplied.
"""

from __future__ import annotations

from dataclasses import replace

from ..contraction import goes_by_rows
from ..keys import sample_share, share_factors
from ..layout import Layout
from .draft import Draft, Job
from .linear_weights import letters
from .work import Sent


def put_down(draft: Draft, job: Job, sent: Sent) -> None:
    """The calls that put down the shares of a block's samples."""
    job = replace(job, does=f"{job.does}, per sample", target=sample_share(sent.receives))
    once = draft.work.uses[sent.receives] == 1
    found = letters(sent.forms[0]) if once and len(sent.forms) == 1 else None
    if found is not None:
        for key, letter in zip(share_factors(sent.receives), found, strict=True):
            draft.copy(job, key, job.arrays[letter])
        return
    form = sent.forms[0]
    layout = Layout(form.equation.shape_of[form.target.array][1:], (), True)
    key = draft.share(sent.receives, layout)
    job = replace(job, target=key)
    if len(sent.forms) > 1 or not goes_by_rows(form, layout):
        draft.nests(job, sent.forms)
    else:  # accumulators wait in memory between rows: here, where they are wanted
        draft.nest_by_rows(job, form)
    draft.join_share(sent.receives, key, job.layer, job.does)
