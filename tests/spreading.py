"""The oracle for fields: a NaN put into one element, and where it arrives.

A NaN passes every weight, a closed ReLU and a mask of 0, and wins every maximum, so the elements
that turn NaN are those that depend on the one, by structure alone. Fields of one step take each
maximum from where it was taken in the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product as cartesian

import numpy as np

import gradtrail as gt
from gradtrail.engines.reference import forward
from gradtrail.equation import Node, Selection, System
from gradtrail.graph.step_arrays import given_arrays

Element = tuple[int, ...]
Masks = dict[str, np.ndarray]


def spread(net: gt.Network, start: str, elements: Sequence[Sequence[Element]]) -> Masks:
    """For each set of elements of `start` (a sample each), what depends on any, by array.

    Returns:
        Boolean arrays with one entry per set on their first axis.
    """
    system = net.system(len(elements))
    draw = np.random.Generator(np.random.PCG64(3))
    sample = draw.uniform(0.1, 1, net.input_shape)
    values: dict[str, np.ndarray] = {**net.parameters, **net.buffers, **given_arrays(net, system)}
    values = {name: np.asarray(array, np.float64) for name, array in values.items()}
    values[system.input] = np.broadcast_to(sample, (len(elements), *sample.shape)).copy()
    places = [(n, *at) for n, some in enumerate(elements) for at in some]
    return _run(system, values, start, places, {})


def followed(
    t: gt.Trace, start: str, elements: Sequence[Element], winners: Mapping[str, np.ndarray]
) -> Masks:
    """What depends on any of the elements in one step, by array; `winners` is `taken(t)`."""
    values = {name: np.array(array, np.float64) for name, array in t.value.items()}
    return _run(t.system, values, start, elements, winners)


def _run(
    system: System,
    values: dict[str, np.ndarray],
    start: str,
    places: Sequence[Element],
    winners: Mapping[str, np.ndarray],
) -> Masks:
    """The forward pass, with NaN at `places` of `start`."""
    if start not in {node.output for node in system.nodes}:  # an input
        _put(values[start], places)
    with np.errstate(all="ignore"):
        for node in system.nodes:
            letters = {a: values[name] for a, name in node.arrays if name in values}
            if node.output in winners:
                found = _taken(values[node.inputs[0]], winners[node.output])
                values[node.output] = found
            else:
                made = forward(node.equation, letters)
                values |= {node.array_of[a]: array for a, array in made.items()}
            if node.output == start:
                values[start] = np.array(values[start])
                _put(values[start], places)
    return {name: np.isnan(array) for name, array in values.items()}


def _put(array: np.ndarray, places: Sequence[Element]) -> None:
    for at in places:
        array[at] = np.nan


def _taken(source: np.ndarray, winners: np.ndarray) -> np.ndarray:
    """The elements at flat places; 0 where a window lay in the padding altogether."""
    return np.where(winners < 0, 0.0, source.ravel()[winners])


def taken(t: gt.Trace) -> dict[str, np.ndarray]:
    """For each max pooling's output, the place in its source's memory that each element is from."""
    found = {}
    for node in t.system.nodes:
        if isinstance(node.equation, Selection):
            found[node.output] = _places(node, t.value[f"{node.name}.winner"])
    return found


def _places(node: Node, winners: np.ndarray) -> np.ndarray:
    equation = node.equation
    assert isinstance(equation, Selection)
    sizes = [equation.range_of[n] for n in equation.over]
    shape = equation.shape_of[equation.source.array]
    places = np.full(winners.shape, -1)
    for at in cartesian(*map(range, winners.shape)):
        window = map(int, np.unravel_index(int(winners[at]), sizes))
        point = dict(zip(equation.result.names, at, strict=True))
        index = equation.source.at(point | dict(zip(equation.over, window, strict=True)))
        assert index is not None
        if all(0 <= i < size for i, size in zip(index, shape, strict=True)):
            places[at] = np.ravel_multi_index(index, shape)
    return places


def traced(net: gt.Network, samples: int, training: bool, engine: str = "reference") -> gt.Trace:
    """A step on random samples, with the squared error of random targets at its end."""
    draw = np.random.Generator(np.random.PCG64(11))
    x = draw.uniform(-1, 1, (samples, *net.input_shape))
    y = draw.uniform(-1, 1, net.system(samples).shapes[net.output_name])
    loss = gt.MeanSquaredError()
    return gt.trace(net, x, y, loss=loss, training=training, engine=engine)
