"""Networks over one, two and three axes of places: windows of every kind, in every setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from random_networks import Draws, built, fitting
from random_norms import normed

import gradtrail as gt

Shape = tuple[int, ...]


def ranked_network(rank: int) -> Callable[[Draws], tuple[gt.Network, bool]]:
    """What draws a network over so many axes; it tells classes apart."""
    most = {1: 24, 2: 9, 3: 6}[rank]

    def network(draw: Draws) -> tuple[gt.Network, bool]:
        shape = (draw.one(1, 2, 3, 6, 17), *(draw.whole(1, most) for _ in range(rank)))
        start, layers = shape, []
        for _ in range(draw.one(1, 2, 2, 3, 4)):
            layer, shape = fitting(draw, shape, windowed)
            layers.append(layer)
        ending = draw.one(gt.Flatten(), of_rank("GlobalAvgPool", rank)(), _global_max(draw, rank))
        layers += [ending, gt.Linear(draw.whole(2, 6))]
        return built(start, layers, seed=draw.whole(0, 2**31)), True

    return network


def of_rank(kind: str, rank: int) -> Any:
    """A class by its name without the rank."""
    return getattr(gt, f"{kind}{rank}d")


def windowed(draw: Draws, shape: Shape) -> Any:
    """A layer over all places, which need not fit."""
    kinds = (_convolution,) * 4 + (_transposed, _max, _max, _mean, _mean, _pointwise, _pointwise)
    return draw.one(*kinds, _dropped, _residual, normed, normed, normed)(draw, shape)


def _each(draw: Draws, rank: int, *options: Any) -> Any:
    """One number, or at times one per axis."""
    if draw.chance(0.6):
        return draw.one(*options)
    return tuple(draw.one(*options) for _ in range(rank))


def _padding(draw: Draws, rank: int, most: int = 2) -> Any:
    """Numbers, or at times pairs."""
    if draw.chance(0.5):
        return _each(draw, rank, 0, 0, 1, min(2, most))
    return tuple((draw.whole(0, most), draw.whole(0, most)) for _ in range(rank))


def _channels(draw: Draws, channels: int) -> tuple[int, int]:
    groups = draw.one(1, 1, *(g for g in range(1, channels + 1) if channels % g == 0))
    return groups * draw.whole(1, max(1, 6 // groups)), groups


def _convolution(draw: Draws, shape: Shape) -> Any:
    rank, (channels, groups) = len(shape) - 1, _channels(draw, shape[0])
    return of_rank("Conv", rank)(
        channels,
        _each(draw, rank, 1, 2, 3, 3),
        stride=_each(draw, rank, 1, 1, 2, 3),
        padding="same" if draw.chance(0.2) else _padding(draw, rank),
        dilation=_each(draw, rank, 1, 1, 2),
        groups=groups,
        bias=draw.chance(0.7),
    )


def _transposed(draw: Draws, shape: Shape) -> Any:
    rank, (channels, groups) = len(shape) - 1, _channels(draw, shape[0])
    return of_rank("ConvTranspose", rank)(
        channels,
        _each(draw, rank, 1, 2, 3),
        stride=_each(draw, rank, 1, 2),
        padding=_padding(draw, rank, 1),
        output_padding=_each(draw, rank, 0, 0, 1),
        dilation=_each(draw, rank, 1, 1, 2),
        groups=groups,
    )


def _window(draw: Draws, rank: int) -> dict[str, Any]:
    return {
        "kernel_size": _each(draw, rank, 1, 2, 2, 3),
        "stride": draw.one(None, _each(draw, rank, 1, 2, 3)),
        "padding": _padding(draw, rank, 1),
        "ceil_mode": draw.chance(0.5),
    }


def _max(draw: Draws, shape: Shape) -> Any:
    rank = len(shape) - 1
    return of_rank("MaxPool", rank)(**_window(draw, rank), dilation=_each(draw, rank, 1, 1, 2))


def _mean(draw: Draws, shape: Shape) -> Any:
    rank = len(shape) - 1
    return of_rank("AvgPool", rank)(
        **_window(draw, rank),
        count_include_pad=draw.chance(0.5),
        divisor_override=draw.one(None, None, None, 3),
    )


def _global_max(draw: Draws, rank: int) -> Any:
    return of_rank("GlobalMaxPool", rank)()


def _pointwise(draw: Draws, shape: Shape) -> Any:
    return draw.one(gt.ReLU(), gt.ReLU(), gt.Tanh(), gt.SiLU())


def _dropped(draw: Draws, shape: Shape) -> Any:
    whole = of_rank("Dropout", len(shape) - 1)
    return draw.one(whole(0.3), gt.Dropout(0.3), _path(draw))


def _path(draw: Draws) -> Any:
    return gt.StochasticDepth(0.3, draw.one("row", "batch"))


def _residual(draw: Draws, shape: Shape) -> Any:
    rank = len(shape) - 1
    kernel = of_rank("Conv", rank)(shape[0], 3, padding=((2, 0),) * rank)
    return gt.Residual([kernel, _pointwise(draw, shape), _path(draw)])
