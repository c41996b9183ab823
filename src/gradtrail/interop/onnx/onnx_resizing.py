"""ONNX's operators for maps of another size: those of `Upsample`, and `Resize` for all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor
from typing import Any

from ... import layers as available
from ...equation.frozen import frozen
from ..reading.building import MOST_SPATIAL, Builder
from ..reading.margins import collapse_axes
from ..reading.refusals import Refusal
from ..reading.values import BATCH
from .onnx_sizes import Converter
from .onnx_view import View


@frozen
class _Placing:
    """How a node places positions, in ONNX's words.

    Args:
        mode: nearest, linear or cubic.
        where: how outputs lie in the input.
        nearest: which element a position takes.
        cubic: the cubic's number.
        others: `Resize`'s flags.
    """

    mode: str
    where: str
    nearest: str
    cubic: float
    others: Mapping[str, bool]


def _resize(b: Builder, n: View) -> Any:
    """Maps of another size: what PyTorch's way of placing positions covers."""
    x = n.value(0)
    before = n.opset < 11
    mode = n.word("mode", "nearest")
    where = "asymmetric" if before else n.word("coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if before else n.word("nearest_mode", "round_prefer_floor")
    cubic = n.number("cubic_coeff_a", -0.75)
    others = {name: n.flag(name, False) for name in ("antialias", "exclude_outside")}
    n.number("extrapolation_value", 0.0)
    if where == "tf_crop_and_resize":
        raise Refusal("crops before it resizes (tf_crop_and_resize), which no layer here does")
    policy = n.word("keep_aspect_ratio_policy", "stretch")
    own = b.shape(x)
    axes = n.axes("axes", -1) if "axes" in n.attributes else list(range(len(own) + 1))
    scales, sizes = n.resized(1 if before else 2, None if before else 3)
    if n.opset < 7:
        scales = [1.0, 1.0, n.number("height_scale", 1.0), n.number("width_scale", 1.0)]
    if sizes and policy != "stretch":
        known = [(0, *own)[axis % (len(own) + 1)] for axis in axes]
        sizes, scales = [], _common_scale(policy, sizes, known)
    wanted = [*own]
    factors = [1.0] * len(own)
    for place, axis in enumerate(axes):
        at = axis % (len(own) + 1)
        if at == 0:
            if (scales and scales[place] != 1) or (
                sizes and sizes[place] not in (BATCH, 1, n.declared_batch)
            ):
                raise Refusal("resizes the axis of the samples")
            continue
        if sizes:
            wanted[at - 1] = sizes[place]
            factors[at - 1] = sizes[place] / own[at - 1]
        else:
            exact = own[at - 1] * scales[place]
            wanted[at - 1] = int(exact if policy == "stretch" else exact + 0.5)
            factors[at - 1] = scales[place]
    placing = _Placing(mode, where, nearest, cubic, others)
    return _resized(b, x, tuple(wanted), factors, placing)


def _common_scale(policy: str, sizes: Sequence[Any], own: Sequence[int]) -> list[float]:
    """One factor for all axes, so that none is larger, or none smaller, than is wanted."""
    if policy not in ("not_larger", "not_smaller") or not all(own):
        raise Refusal(f"resizes with keep_aspect_ratio_policy={policy!r:.40}")
    ratios = [wanted / size for wanted, size in zip(sizes, own, strict=True)]
    return [min(ratios) if policy == "not_larger" else max(ratios)] * len(own)


def _resized(
    b: Builder, x: Any, sizes: tuple[int, ...], factors: Sequence[float], placing: _Placing
) -> Any:
    """Maps of another size; channels may stand behind their maps.

    Raises:
        Refusal: channels are resized, or there are too many axes.
    """
    own = b.shape(x)
    if sizes == own and set(factors) == {1.0}:
        return x
    rank = len(own)
    if not 2 <= rank <= MOST_SPATIAL + 1 or (sizes[0] != own[0] and sizes[-1] != own[-1]):
        raise Refusal(f"resizes samples of {own} to {sizes}")
    if sizes[0] != own[0]:  # channels are last
        first, last = (0, rank, *range(1, rank)), (0, *range(2, rank + 1), 1)
        turned, wanted = b.permute(x, first), (sizes[-1], *sizes[:-1])
        found = _resized(b, turned, wanted, (factors[-1], *factors[:-1]), placing)
        return b.permute(found, last)
    triples = [*zip(sizes, own, factors, strict=True)]
    whole = all(abs(s - o * f) < 1e-6 * s for s, o, f in triples)
    if placing.where == "align_corners" and not whole:
        _check_corners(triples)
    exact = whole or all(s == floor(o * f) for s, o, f in triples)
    mode, corners = _as_upsample(placing, sizes, factors)
    if mode is None or not exact:
        return b.layer(_general(own, sizes, factors, placing), x)
    if whole:
        size = collapse_axes(sizes[1:])
        return b.layer(available.Upsample(None, mode, corners, size=size), x)
    return b.layer(available.Upsample(collapse_axes(factors[1:]), mode), x)


def _check_corners(triples: Sequence[tuple[int, int, float]]) -> None:
    """Refuse factors that make no whole size where corners lie on each other.

    ONNX's text and ONNX Runtime take the size that came of it, ONNX's interpreter and its own
    cases the product.
    """
    for size, own, factor in triples:
        if size > 1 and abs(size - own * factor) >= 1e-6 * size:
            raise Refusal(
                f"aligns the corners of {own} positions with those of {own} · {factor:g} = "
                f"{own * factor:g}, which programs place in two ways; export it with sizes instead "
                f"of factors, as of nn.Upsample(size={size}, …)"
            )


def _as_upsample(
    placing: _Placing, sizes: Sequence[int], factors: Sequence[float]
) -> tuple[str | None, bool | None]:
    """The mode of `Upsample` that is this, if one is, and whether corners lie on each other."""
    where, rank = placing.where, len(sizes) - 1
    if any(placing.others.values()):
        return None, None
    if placing.mode == "nearest":
        if (where, placing.nearest) == ("asymmetric", "floor"):
            return "nearest", None
        if (where, placing.nearest) == ("half_pixel", "round_prefer_ceil"):
            return None, None
        grown = all(factor == int(factor) for factor in factors)
        half = where in ("half_pixel", "pytorch_half_pixel")
        usual = half and grown and placing.nearest.startswith("round")
        return ("nearest" if usual else None), None
    smooth = {"linear": ("linear", "bilinear", "trilinear")[rank - 1]}
    if rank == 2 and placing.cubic == -0.75:
        smooth["cubic"] = "bicubic"
    usual = where == "half_pixel" or (where == "pytorch_half_pixel" and min(sizes[1:]) > 1)
    known = usual or where == "align_corners"
    return (smooth.get(placing.mode) if known else None), where == "align_corners" or None


def _general(
    own: Sequence[int], sizes: Sequence[int], factors: Sequence[float], placing: _Placing
) -> Any:
    """A `Resize`; settings that say nothing in a mode are left out."""
    usual = all(s / o == f for s, o, f in zip(sizes, own, factors, strict=True))
    settings: dict[str, Any] = {"positions": placing.where, **placing.others}
    if placing.mode == "nearest":
        settings = {"positions": placing.where, "rounding": placing.nearest}
    elif placing.mode == "cubic":
        settings["cubic"] = placing.cubic
    scale = None if usual else collapse_axes(tuple(factors[1:]))
    return available.Resize(collapse_axes(sizes[1:]), placing.mode, scale, **settings)


RESIZING: Mapping[str, Converter] = {"Resize": _resize, "Upsample": _resize}
"""By name."""
