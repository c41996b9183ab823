"""Samples of a network with several inputs: a row of numbers for each, its inputs side by side.

So they are chosen, shuffled, split and handed to an engine as the samples of one input are. The
rows are a copy in the network's dtype; of one input nothing is copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from ..checking.calls import in_short
from ..checking.input_samples import checked_samples
from ..errors import DataError

Shape = tuple[int, ...]


def packed_shape(inputs: Mapping[str, Shape]) -> Shape:
    """The shape of one sample, as samples are held."""
    if len(inputs) == 1:
        return next(iter(inputs.values()))
    return (sum(map(prod, inputs.values())),)


def places_in_row(inputs: Mapping[str, Shape]) -> Iterator[tuple[str, Shape, int]]:
    """Each input with its shape and where in a row it begins."""
    begin = 0
    for name, shape in inputs.items():
        yield name, shape, begin
        begin += prod(shape)


def packed(x: Any, inputs: Mapping[str, Shape], dtype: np.dtype[Any], name: str) -> np.ndarray:
    """Samples as a caller gives them for several inputs, as rows.

    Args:
        x: a mapping by the inputs' names, as many arrays in the inputs' order, or rows.
        inputs: the shapes of one sample.
        dtype: of the network.
        name: what the caller calls them.

    Returns:
        (N, numbers of one sample).

    Raises:
        DataError: an input that is missing, unknown, or does not fit; or another number of samples.
    """
    if isinstance(x, np.ndarray) and x.shape[1:] == packed_shape(inputs):
        return checked_samples(x, packed_shape(inputs), dtype, name=name)
    given = _by_name(x, inputs, name)
    parts = [
        checked_samples(given[key], shape, dtype, name=f"{name}[{key!r}]")
        for key, shape in inputs.items()
    ]
    counts = {key: len(part) for key, part in zip(inputs, parts, strict=True)}
    if len({*counts.values()}) > 1:
        told = ", ".join(f"{count} of {key}" for key, count in counts.items())
        raise DataError(f"{name}: every input needs as many samples, got {told}")
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def unpacked(x: np.ndarray, inputs: Mapping[str, Shape]) -> dict[str, np.ndarray]:
    """Samples as they are held, by input; views of the same memory."""
    if len(inputs) == 1:
        return {next(iter(inputs)): x}
    return {
        name: x[:, begin : begin + prod(shape)].reshape(len(x), *shape)
        for name, shape, begin in places_in_row(inputs)
    }


def packed_outputs(values: Mapping[str, np.ndarray], outputs: Mapping[str, str]) -> np.ndarray:
    """What a network gives: its output, or of several a row for each sample.

    Args:
        values: the arrays of a forward pass.
        outputs: the outputs' names, each with its array's.
    """
    arrays = [values[array] for array in outputs.values()]
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)


def outputs_by_name(
    rows: np.ndarray, shapes: Mapping[str, Shape]
) -> np.ndarray | list[np.ndarray] | dict[str, np.ndarray]:
    """Rows of outputs as a caller wants them: by name, or in a list where they have none.

    Args:
        rows: as `packed_outputs` gives them.
        shapes: one sample's outputs, by name.
    """
    if len(shapes) == 1:
        return rows
    parts = unpacked(rows, shapes)
    numbered = [f"output{place}" for place in range(1, len(shapes) + 1)]
    return list(parts.values()) if [*shapes] == numbered else parts


def _by_name(x: Any, inputs: Mapping[str, Shape], name: str) -> Mapping[str, Any]:
    """What was given for each input."""
    listed = ", ".join(inputs)
    if isinstance(x, Mapping):
        for key in inputs:
            if key not in x:
                raise DataError(f"{name} lacks the input {key!r}; the network takes {listed}")
        for key in x:
            if key not in inputs:
                raise DataError(f"{name}: no input is called {key!r}; the network takes {listed}")
        return x
    if isinstance(x, Sequence) and not isinstance(x, str) and len(x) == len(inputs):
        return dict(zip(inputs, x, strict=True))
    raise DataError(
        f"{name} must be {{name: array}} or {len(inputs)} arrays in the order {listed}, for the "
        f"network has {len(inputs)} inputs; got {in_short(x)}"
    )
