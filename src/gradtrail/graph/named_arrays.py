"""A network's arrays by name: parameters, and running statistics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..checking.input_samples import as_array
from ..errors import DataError, ShapeError, UnknownNameError, unknown
from ..layers import Declaration
from ..layers.initialization import initial
from ..layers.layer import buffer_shape
from ..layers.steps import Step


class NamedArrays(MutableMapping[str, np.ndarray]):
    """Arrays by name in forward order; assigning copies the values in and keeps shape and dtype.

    An array is made when it is first asked for.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        dtype: np.dtype[Any],
        make: Callable[[str], np.ndarray | float],
        what: str,
    ) -> None:
        self.shapes = dict(shapes)
        self._dtype, self._make, self._what = dtype, make, what
        self._arrays: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        shape = self._shape(name)
        if name not in self._arrays:
            made = np.broadcast_to(self._make(name), shape)
            self._arrays[name] = made.astype(self._dtype)
        return self._arrays[name]

    def __setitem__(self, name: str, values: Any) -> None:
        shape = self._shape(name)
        array = as_array(values, name)
        if array.shape != shape:
            raise ShapeError(f"{name} has shape {shape}, but got {array.shape}")
        if array.dtype.kind not in "biuf":
            raise DataError(f"{name} must hold real numbers, got dtype {array.dtype}")
        if name in self._arrays:
            self._arrays[name][...] = array
        else:  # nothing is drawn for what is written over
            self._arrays[name] = np.array(array, self._dtype, order="C")

    def of_layers(self, layers: Collection[str]) -> NamedArrays:
        """The arrays of some layers; each is one and the same here and there."""
        shapes = {n: s for n, s in self.shapes.items() if n.rpartition(".")[0] in layers}
        found = NamedArrays(shapes, self._dtype, self._make, self._what)
        found._arrays = self._arrays
        return found

    def _shape(self, name: str) -> tuple[int, ...]:
        if name not in self.shapes:
            raise UnknownNameError(unknown(self._what, name, self.shapes))
        return self.shapes[name]

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"{name} belongs to the network and cannot be taken out")

    def __contains__(self, name: object) -> bool:
        return name in self.shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        return f"{{{inside}}}"


def declared_parameters(
    steps: Sequence[Step], declared: Mapping[str, Declaration], dtype: np.dtype[Any], seed: int
) -> NamedArrays:
    """The parameters that the layers declare; each is drawn when it is first asked for."""
    shapes: dict[str, tuple[int, ...]] = {}
    starts: dict[str, tuple[Any, ...]] = {}
    for step in (step for step in steps if step.shares is None):
        declaration = declared[step.name]
        for letter, parameter in declaration.parameters.items():
            name = f"{step.name}.{parameter.name}"
            shape = shapes[name] = declaration.equation.shape_of[letter]
            fans = (parameter.fan_in, parameter.fan_out)
            starts[name] = (parameter.initialization, shape, *fans, seed, len(starts))
    return NamedArrays(shapes, dtype, partial(_drawn, starts), "parameter")


def declared_buffers(
    steps: Sequence[Step], declared: Mapping[str, Declaration], dtype: np.dtype[Any]
) -> NamedArrays:
    """The running statistics that the layers keep."""
    shapes: dict[str, tuple[int, ...]] = {}
    starts: dict[str, float] = {}
    for step in (step for step in steps if step.shares is None):
        for letter, buffer in step.layer.running.items():
            name = f"{step.name}.{buffer.name}"
            shapes[name] = buffer_shape(declared[step.name], letter)
            starts[name] = buffer.initial
    return NamedArrays(shapes, dtype, starts.__getitem__, "buffer")


def _drawn(starts: Mapping[str, tuple[Any, ...]], name: str) -> np.ndarray:
    """A parameter's starting values; no closure, so that networks can be pickled."""
    return initial(*starts[name])
