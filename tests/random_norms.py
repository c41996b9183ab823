"""Norms over any axes, softmax and local responses, for random networks over any places."""

from __future__ import annotations

from typing import Any

import gradtrail as gt

Shape = tuple[int, ...]


def normed(draw: Any, shape: Shape) -> Any:
    """A layer that weighs elements against others, which need not fit.

    With an ε that keeps what hardly varies from being normalised to its roundings.
    """
    rank, eps = len(shape) - 1, draw.one(1e-3, 0.1)
    axes = range(1, rank + 2)
    over = draw.one(None, 1, -1, tuple(axis for axis in axes if draw.chance(0.5)) or 1)
    kinds = [
        gt.LayerNorm(axes=over, eps=eps, elementwise_affine=draw.chance(0.8)),
        gt.RMSNorm(axes=over, eps=eps, elementwise_affine=draw.chance(0.8)),
        gt.GroupNorm(draw.one(1, 2, 3, shape[0]), eps=eps, affine=draw.chance(0.8)),
        draw.one(gt.Softmax, gt.LogSoftmax)(draw.whole(1, rank + 1)),
    ]
    if rank:
        settings = {"affine": draw.chance(0.5), "track_running_stats": draw.chance(0.3)}
        kinds.append(getattr(gt, f"InstanceNorm{rank}d")(eps=eps, **settings))
        kinds.append(getattr(gt, f"BatchNorm{rank}d")(eps=eps, affine=draw.chance(0.8)))
        kinds.append(gt.LocalResponseNorm(draw.whole(1, 5), alpha=0.5, k=draw.one(1.0, 2.0)))
    return draw.one(*kinds)
