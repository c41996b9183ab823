"""Samples to mean 0 and deviation 1: learned once, in float64, and kept beside the network.

It is not the network's own first layer, as `Normalize` would be: the numbers differ from one fit to
the next, so every fold of a search would have machine code of its own; and what lies far from 0 for
its deviation, such as a year, would lose digits in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from ...data.constant_channels import least_of_pixels
from ...errors import DataError, warn

_AT_ONCE = 1 << 20
"""About how many numbers are held in float64 at a time."""


@final
@dataclass(frozen=True, eq=False)
class Standardization:
    """Means and deviations of each channel of images, or of each feature of rows.

    Args:
        shape: of one sample, (channels, height, width) or (features,).
        mean: (channels,) or (features,), float64.
        deviation: likewise, above 0; 1 where all numbers are the same, but for their rounding, and
            where a channel of images is as good as constant, by the rule of `channel_statistics`.
    """

    shape: tuple[int, ...]
    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(
        cls,
        rows: np.ndarray,
        shape: tuple[int, ...],
        what: str = "X",
        weights: np.ndarray | None = None,
    ) -> Standardization:
        """Means and deviations (divided by the number, not by one less) of samples.

        Args:
            rows: (N, features), finite numbers.
            shape: of one sample.
            what: the samples' name in messages.
            weights: (N,) how much each sample counts, above 0; None for all alike.

        Raises:
            DataError: numbers so large that their squares have no sum.
        """
        each = np.ones(len(rows)) if weights is None else weights
        count = each.sum() * (rows.shape[1] // shape[0])
        # Less one of their own numbers first, so that what is constant has deviation 0 exactly.
        start = rows[0].astype(np.float64).reshape(shape[0], -1)[:, 0]
        with np.errstate(over="ignore", invalid="ignore"):
            mean = start + _total(rows, shape, start, each, 1) / count
            deviation = np.sqrt(_total(rows, shape, mean, each, 2) / count)
        lost = np.flatnonzero(~np.isfinite(deviation))
        if len(lost):
            kind = "channel" if len(shape) > 1 else "feature"
            raise DataError(
                f"{what} has numbers too large to be standardised in {kind} {lost[0]}: their "
                "variance is beyond float64; scale them down"
            )
        eps = float(np.finfo(rows.dtype).eps) if rows.dtype.kind == "f" else 0.0
        rounding = eps * np.abs(mean)
        least = rounding
        if len(shape) > 1:  # one of a thousand rows may well be what a feature is there for
            pixels = least_of_pixels(lambda: _parts(rows, shape), deviation, rows.dtype, weights)
            least = np.maximum(rounding, pixels)
            _tell_constant(np.flatnonzero(deviation <= least), what, mean, deviation > rounding)
        return cls(shape, mean, np.where(deviation <= least, 1.0, deviation))

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """Samples as the network takes them.

        Args:
            rows: (N, features).

        Returns:
            (N, *shape), float32.

        Raises:
            DataError: a number so far from the mean that float32 cannot hold it.
        """
        made = np.empty((len(rows), *self.shape), np.float32)
        mean, deviation = _over(self.mean, self.shape), _over(self.deviation, self.shape)
        at = 0
        with np.errstate(over="ignore"):
            for part in _parts(rows, self.shape):
                here = made[at : at + len(part)]
                here[...] = (part - mean) / deviation
                if not np.isfinite(here).all():
                    row = at + int(np.argmin(np.isfinite(here).reshape(len(here), -1).all(axis=1)))
                    raise DataError(
                        f"sample {row} of X lies beyond what float32 can hold, in deviations of "
                        "the samples that were fitted; look for a wrong number in it"
                    )
                at += len(part)
        return made

    def undo(self, rows: np.ndarray) -> np.ndarray:
        """Standardised rows (N, features) as they were, float64."""
        return np.asarray(rows.astype(np.float64) * self.deviation + self.mean)


def _tell_constant(channels: np.ndarray, what: str, mean: np.ndarray, changes: np.ndarray) -> None:
    """Say which channels got deviation 1, and whether they change at all."""
    for channel in channels:
        nearly = ", or nearly so" if changes[channel] else ""
        warn(
            f"channel {channel} of {what} is {mean[channel]:.4g} in all samples{nearly}: its "
            "deviation was set to 1, so that samples that differ in it do not drown the other "
            "channels"
        )


def _total(
    rows: np.ndarray, shape: tuple[int, ...], less: np.ndarray, weights: np.ndarray, power: int
) -> np.ndarray:
    """For each channel or feature, Σ weight·(number − less)^power."""
    axes, at, total = (0, *range(2, len(shape) + 1)), 0, np.zeros(shape[0])
    for part in _parts(rows, shape):
        here = weights[at : at + len(part)].reshape(-1, *[1] * len(shape))
        total = total + (here * (part - _over(less, shape)) ** power).sum(axis=axes)
        at += len(part)
    return total


def _parts(rows: np.ndarray, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """The samples in their shape, float64, some at a time."""
    step = max(1, _AT_ONCE // max(1, rows.shape[1]))
    for at in range(0, len(rows), step):
        part = rows[at : at + step]
        yield part.astype(np.float64).reshape(len(part), *shape)


def _over(numbers: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A number for each channel or feature, so that it broadcasts over samples."""
    return numbers.reshape(-1, *[1] * (len(shape) - 1))
