"""What one sample is: scikit-learn's rows of features read as images, or as they are."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt, prod
from typing import Any

import numpy as np

from ...checking.arguments import is_whole
from ...data.channel_axis import channel_axis
from ...errors import ArgumentError, DataError
from ...layers.layer import times

SMALLEST_SQUARE = 8
"""The least side that rows of features are taken for a square image from."""

_COLOURS = (1, 3, 4)


def rows_of(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Images as rows of features; rows of features as they come.

    Args:
        X: (N, features), (N, H, W), (N, C, H, W) or (N, C, D, H, W), an array or what can be made
            one.

    Returns:
        (N, features), and the shape of one sample as it came; None where that was a row. What is no
        array of three or more axes is handed back as it is, to be checked by scikit-learn.

    Raises:
        DataError: more than five axes.
    """
    axes = getattr(X, "ndim", None)
    if axes is None and isinstance(X, Sequence):
        try:
            X = np.asarray(X)
        except ValueError:  # rows that differ in length: scikit-learn says so
            return X, None
        axes = X.ndim
    if not isinstance(axes, int) or axes < 3:
        return X, None
    array = np.asarray(X)
    if axes > 5:
        raise DataError(
            f"X has shape {array.shape}, but samples are rows of features (N, features) or images "
            "(N, height, width) or (N, channels, height, width), or volumes (N, channels, depth, "
            "height, width); reshape it to one of these"
        )
    shape = array.shape[1:]
    return array.reshape(len(array), prod(shape)), shape


def label_shape(y: Any) -> tuple[int, ...]:
    """The shape of labels; () where their rows differ in length."""
    try:
        return tuple(getattr(y, "shape", None) or np.asarray(y).shape)
    except ValueError:
        return ()


def refuse_maps(y: Any, what: str) -> None:
    """Refuse labels that are maps.

    Args:
        y: labels.
        what: they would be.

    Raises:
        DataError: they have more than two axes; it names what takes them.
    """
    shape = label_shape(y)
    if len(shape) > 2:
        raise DataError(
            f"y has shape {shape}, {what}, and an estimator takes one label for each sample, "
            f"({shape[0]},); a network whose outputs are maps learns numbers for every position "
            "by gt.train(network, (x, y), loss=gt.MeanSquaredError())"
        )


def sample_shape(
    features: int, came: tuple[int, ...] | None, told: Any, *, known: str = "input_shape"
) -> tuple[int, ...]:
    """The shape of one sample as the network takes it.

    Args:
        features: how many numbers a sample has.
        came: the shape it came in; None for a row.
        told: (channels, height, width) or (features,); None to infer it.
        known: what `told` is called in messages.

    Returns:
        (channels, height, width) or (features,).

    Raises:
        ArgumentError: `told` is no such shape.
        DataError: the samples are not of the shape that was told, or seem to be channels last.
    """
    if told is None:
        return _row_shape(features) if came is None else _image_shape(came)
    shape = _checked(told)
    if prod(shape) != features:
        numbers = times(shape) + f" = {prod(shape)}" if len(shape) > 1 else str(shape[0])
        raise DataError(
            f"{known}={shape} asks for {numbers} numbers in each sample, but X has {features}; "
            "give the shape of one sample of X"
        )
    without_channel = shape[1:] if shape[0] == 1 else shape
    if came is not None and came not in (shape, without_channel) and len(shape) > 1:
        raise DataError(
            f"the samples of X have shape {came}, but {known}={shape}"
            + (
                "; X is channels last, pass X.transpose(0, 3, 1, 2)"
                if came == (*shape[1:], shape[0])
                else "; give X in that shape, or as rows of features in its order"
            )
        )
    return shape


def _row_shape(features: int) -> tuple[int, ...]:
    """A row is a square grey image from 8 × 8 on; smaller squares are more often plain features."""
    side = isqrt(features)
    if side * side == features and side >= SMALLEST_SQUARE:
        return (1, side, side)
    return (features,)


def _image_shape(came: tuple[int, ...]) -> tuple[int, ...]:
    if len(came) == 2:
        return (1, *came)
    if len(came) == 4:
        return came
    if came[-1] in _COLOURS and came[0] not in _COLOURS:
        raise DataError(
            f"the samples of X have shape {came}, which looks like images with their channels last;"
            " pass X.transpose(0, 3, 1, 2), or input_shape where they are (channels, height, width)"
        )
    if channel_axis(came) == "none that can be told":
        raise DataError(
            f"the samples of X have shape {came}, and no axis that counts 1 or 3 channels: pass "
            "input_shape=(channels, height, width) where they are images of so many channels; of "
            "volumes, each slice can be a sample, X.reshape(-1, height, width)"
        )
    return came


def _checked(told: Any) -> tuple[int, ...]:
    shape = tuple(told) if isinstance(told, Sequence | np.ndarray) else ()
    if not 1 <= len(shape) <= 4 or not all(is_whole(s, 1) for s in shape):
        raise ArgumentError(
            "input_shape must be one sample's (channels, height, width), (features,), "
            "(channels, length) or (channels, depth, height, width), whole numbers ≥ 1, got "
            f"{told!r}"
        )
    return tuple(map(int, shape))
