"""Layers that rearrange, resample or take axes together, drawn for samples of one to three axes
of places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradtrail as gt

if TYPE_CHECKING:
    from random_networks import Draws

Shape = tuple[int, ...]


def rearranged(draw: Draws, shape: Shape) -> Any:
    """A layer behind which a sample has as many axes as before; it need not fit."""
    kinds = (_slice, _permute, _reshape, _pixels, _shuffle, _mean, _pad, *(_resampled,) * 3)
    return draw.one(*kinds)(draw, shape)


def _axis(draw: Draws, shape: Shape) -> int:
    axis = draw.whole(1, len(shape))
    return axis if draw.chance(0.5) else axis - len(shape) - 1


def _slice(draw: Draws, shape: Shape) -> Any:
    bounds = draw.one(None, 0, 1, -3), draw.one(None, None, -1, 5), draw.one(None, 1, 2, -1, -2)
    if draw.chance(0.7):
        return gt.Slice(*bounds, axis=_axis(draw, shape))
    return gt.Slice(None, None, (bounds[2], draw.one(None, 2)), axis=(1, -1))


def _permute(draw: Draws, shape: Shape) -> Any:
    axes = draw.generator.permutation(len(shape)) + 1
    return gt.Permute((0, *axes.tolist()))


def _reshape(draw: Draws, shape: Shape) -> Any:
    """Two axes exchange a factor, or their sizes."""
    sizes = list(shape)
    one, other = draw.whole(0, len(shape) - 1), draw.whole(0, len(shape) - 1)
    factor = draw.one(*(f for f in range(1, sizes[one] + 1) if sizes[one] % f == 0))
    sizes[one], sizes[other] = sizes[one] // factor, sizes[other] * factor
    sizes[draw.whole(0, len(shape) - 1)] = -1
    return gt.Reshape(tuple(sizes))


def _pixels(draw: Draws, shape: Shape) -> Any:
    return draw.one(gt.PixelShuffle, gt.PixelUnshuffle)(draw.one(1, 2, 2, 3))


def _shuffle(draw: Draws, shape: Shape) -> Any:
    return gt.ChannelShuffle(draw.one(*(g for g in range(1, shape[0] + 1) if shape[0] % g == 0)))


def _mean(draw: Draws, shape: Shape) -> Any:
    axes = _axis(draw, shape) if draw.chance(0.5) else (1, -1)
    return draw.one(gt.Mean, gt.Sum, gt.Max)(axes, keepdim=True)


def _pad(draw: Draws, shape: Shape) -> Any:
    mode = draw.one("constant", "constant", "reflect", "replicate", "circular")
    if mode != "constant":
        sides = [draw.whole(-1, 2) for _ in range(2 * len(shape) - 2)]
        return gt.Pad(tuple(sides), mode=mode)
    value = draw.one(0.0, 0.0, -0.5, 1.5)
    if draw.chance(0.3):
        return gt.Pad(draw.whole(0, 2), value=value)
    sides = [draw.whole(-1, 2) for _ in range(2 * draw.whole(1, len(shape)))]
    return gt.Pad(tuple(sides), value=value)


def _resampled(draw: Draws, shape: Shape) -> Any:
    rank = len(shape) - 1
    if draw.chance(0.4):
        pools = (
            (gt.AdaptiveAvgPool1d, gt.AdaptiveMaxPool1d),
            (gt.AdaptiveAvgPool2d, gt.AdaptiveMaxPool2d),
            (gt.AdaptiveAvgPool3d, gt.AdaptiveMaxPool3d),
        )
        return draw.one(*pools[rank - 1])(tuple(draw.one(None, 1, 2, 3, 5) for _ in range(rank)))
    between = ("linear", "bilinear", "trilinear")[rank - 1]
    mode = draw.one("nearest", "nearest-exact", between, between, *["bicubic"] * (rank == 2))
    corners = None if mode.startswith("nearest") else draw.chance(0.5)
    if draw.chance(0.5):
        size = tuple(draw.whole(1, 6) for _ in range(rank))
        return gt.Upsample(size=size, mode=mode, align_corners=corners)
    factor = tuple(draw.one(0.5, 1.0, 1.5, 2.0, 2.0) for _ in range(rank))
    return gt.Upsample(factor, mode=mode, align_corners=corners)
