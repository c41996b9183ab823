"""Where a NaN or an infinity first appeared in a learning step."""

from __future__ import annotations

import numpy as np

from ..engines import Computed
from ..equation import System
from ..errors import indexed


def all_finite(computed: Computed) -> bool:
    """Whether no array of a step holds a NaN or an infinity."""
    arrays = (*computed.values.values(), *computed.gradients.values())
    return all(bool(np.isfinite(array).all()) for array in arrays)


def nonfinite_message(system: System, computed: Computed, samples: np.ndarray | None = None) -> str:
    """The first array, in the order of computation, that holds a NaN or an infinity.

    Args:
        system: the equations of the step.
        computed: all arrays of the step.
        samples: for each place in the batch, the number of the sample in the data.

    Returns:
        One sentence: layer, array, index, sample, value and what to do.
    """
    ordered = [name for name in system.shapes if name in computed.values]
    for name in ordered:
        if not np.isfinite(computed.values[name]).all():
            return _sentence(system, name, computed.values[name], samples, of="")
    for name in reversed([n for n in ordered if n in computed.gradients]):
        if not np.isfinite(computed.gradients[name]).all():
            return _sentence(system, name, computed.gradients[name], samples, of="the gradient of ")
    return (
        "values and gradients are finite, but the update would make a parameter or a running "
        "statistic too large for its dtype; lower the learning rate"
    )


def _sentence(
    system: System, name: str, array: np.ndarray, samples: np.ndarray | None, of: str
) -> str:
    """Which element of one array is not finite, and what may be done."""
    wrong = ~np.isfinite(array)
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    node = system.owner.get(name)
    where = f" of layer '{node.name}' ({node.kind})" if node and name != node.name else ""
    made = name in system.producer
    remedy = "lower the learning rate, or normalise the input"
    if not of and name in system.parameters:
        remedy = "it was so before this step; load finite weights, or lower the learning rate"
    elif not of and not made:
        remedy = "clean the data"
    sample = ""
    if index and name in system.by_sample:
        sample = f", sample {index[0] if samples is None else int(samples[index[0]])}"
    written = f"{of}{indexed(name, index)}{where}{sample}"
    return (
        f"{written} is {array[index]:g}, the first that is not finite "
        f"({int(wrong.sum()):,} of {array.size:,} there); {remedy}"
    )
