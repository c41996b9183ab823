"""What native code follows without looking, looked at once in front of it."""

from __future__ import annotations

from math import prod

import numpy as np

from ...equation import LossEquation
from ...errors import DataError
from ..batch import Batch, Samples


def check_places(places: np.ndarray, count: int, samples: int) -> None:
    """Look once, in front of native code, at what it follows without looking.

    Args:
        places: int64 (n,), in the samples.
        count: how many native code will follow.
        samples: how many there are.

    Raises:
        DataError: fewer places than that, or one where no sample is.
    """
    if len(places) != count or places.dtype != np.int64:
        raise DataError(f"a batch of {count} samples has {len(places)} places ({places.dtype})")
    # as numbers without sign, so that what is negative is very large
    if count and not np.maximum.reduce(places.view(np.uint64)) < samples:
        wrong = int(places[(places < 0) | (places >= samples)][0])
        raise DataError(f"a batch has place {wrong}, but samples go from 0 to {samples - 1}")


def check_targets(samples: Samples) -> None:
    """Refuse what machine code would be led astray by: a loss may be anybody's own.

    Raises:
        DataError: targets of another shape than the outputs', or a class without a row.
    """
    (rows, by_class), classes = samples.rows, samples.classes
    count, row = len(rows) if by_class else len(samples), samples.outputs
    equation = samples.loss.declare((1, *row)).equation
    if isinstance(equation, LossEquation) and equation.factors:
        row = (prod(row) + 1,)
    if by_class and samples.mapped:
        row = row[:1]
    if rows.shape != (count, *row) or (by_class and not samples.classified):
        raise DataError(
            f"the loss's rows have shape {rows.shape}, but {count} rows of {row} are "
            "compared with the outputs"
        )
    if classes is None:
        return
    most = len(rows) if by_class else samples.outputs[0]
    if classes.shape != (len(samples),) or not -1 <= classes.min() <= classes.max() < most:
        raise DataError(
            f"the loss gives classes from {classes.min()} to {classes.max()} of shape "
            f"{classes.shape}, but {len(samples)} from 0 to {most - 1} are compared"
        )


def class_maps(batch: Batch) -> np.ndarray:
    """The class numbers of a batch's positions, int32 (N, positions); −1 where none counts.

    Raises:
        DataError: one that is no class, or not one for each position: a loss may be anybody's own.
    """
    found, (classes, *places) = batch.classes, batch.samples.outputs
    assert found is not None
    if found.shape != (len(batch), *places) or not -1 <= found.min() <= found.max() < classes:
        raise DataError(
            f"the loss gives classes from {found.min()} to {found.max()} of shape {found.shape}, "
            f"but those of {(len(batch), *places)} are from −1 to {classes - 1}"
        )
    return np.ascontiguousarray(found, np.int32)
