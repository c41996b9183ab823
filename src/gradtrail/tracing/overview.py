"""Overviews of a step, one line per layer: ties in maxima, dead units, vanishing gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

import numpy as np

from ..arrays.einsum import windows
from ..equation import Applied, Contraction, Node, Selection
from ..showing.numbers import number_text, percent_text, ranges_text
from ..showing.shown import Shown
from ..showing.tables import Table
from .element import element_text
from .element_term import function_values
from .records import json_data
from .traced_step import TracedStep

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Overview(Shown, Sequence[T], Generic[T]):
    """One entry per layer; prints as a table.

    Args:
        entries: in forward order.
        heads: of the table's columns.
        cells: an entry's texts.
        none: what is said where there is no entry.
    """

    entries: tuple[T, ...]
    heads: Sequence[str]
    cells: Callable[[T], Sequence[str]]
    none: str

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        return self.entries[place]

    def __len__(self) -> int:
        return len(self.entries)

    def _table(self) -> Table:
        above = () if self.entries else (self.none,)
        return Table(above, self.heads, [self.cells(entry) for entry in self.entries])

    def to_dict(self) -> list[dict[str, Any]]:
        """The entries as JSON has them."""
        return [json_data(entry) for entry in self.entries]


@dataclass(frozen=True)
class TiedLayer:
    """The windows of a maximum in which several elements are the greatest.

    Args:
        layer: the pooling layer's name.
        windows: how many there are, over all samples and channels.
        tied: in how many of them several elements are the maximum.
        at_zero: in how many of these it is 0, as after a ReLU.
        example: a tied window's index in the layer's output; empty without one.
    """

    layer: str
    windows: int
    tied: int
    at_zero: int
    example: tuple[int, ...]


@dataclass(frozen=True)
class DeadLayer:
    """The units of an activation whose slope is 0 for every sample.

    Args:
        layer: the activation's name.
        units: how many there are: channels times positions, or features.
        dead: how many are closed for the whole batch.
        channels: how many channels there are; features of a flat layer count as such.
        dead_channels: those of which every unit is dead.
        closed: the share of all elements whose slope is 0.
    """

    layer: str
    units: int
    dead: int
    channels: int
    dead_channels: tuple[int, ...]
    closed: float


@dataclass(frozen=True)
class GradientLayer:
    """How large the gradients of one layer are.

    Args:
        layer: its name.
        output: the root mean square of its output's gradient.
        relative: that, relative to the last layer's; what has vanished is small here.
        zeros: the share of the output's gradient that is exactly 0.
        weight: the root mean square of its weight's gradient; None without one.
        update: that, relative to the weight's own root mean square; None where there is no weight.
    """

    layer: str
    output: float
    relative: float
    zeros: float
    weight: float | None
    update: float | None


def ties(step: TracedStep) -> Overview[TiedLayer]:
    """Every layer that takes maxima, with its tied windows."""
    found = []
    for node in step.system.nodes:
        equation = node.equation
        if not isinstance(equation, Selection):
            continue
        source = np.asarray(step.array("value", node.inputs[0]), np.float64)
        best = np.asarray(step.array("value", node.output), np.float64)
        equal = windows(equation, source, np.nan) == best[..., None]
        tied = equal.sum(axis=-1) > 1
        example = tuple(map(int, np.argwhere(tied)[0])) if tied.any() else ()
        zero = int((tied & (best == 0)).sum())
        found.append(TiedLayer(node.name, tied.size, int(tied.sum()), zero, example))

    def cells(entry: TiedLayer) -> Sequence[str]:
        share = percent_text(entry.tied / entry.windows)
        place = element_text("value", "", entry.example)
        counts = (entry.windows, entry.tied, entry.at_zero)
        return (entry.layer, *(f"{count:,}" for count in counts), share, place)

    heads = ("layer", ">windows", ">tied", ">of them at 0", ">share", "such as")
    return Overview(tuple(found), heads, cells, "no layer takes maxima")


def dead(step: TracedStep) -> Overview[DeadLayer]:
    """Every activation that can be closed, with the units that are so for the whole batch."""
    found = []
    for node, slopes in _slopes(step):
        shut = slopes == 0
        units = shut.all(axis=0)
        channels = units.reshape(len(units), -1).all(axis=1)
        gone = tuple(int(c) for c in np.flatnonzero(channels))
        closed = float(shut.mean())
        found.append(
            DeadLayer(node.name, units.size, int(units.sum()), len(channels), gone, closed)
        )

    def cells(entry: DeadLayer) -> Sequence[str]:
        gone = ranges_text(entry.dead_channels) if entry.dead_channels else "none"
        whole = f"{len(entry.dead_channels)} of {entry.channels}"
        share = percent_text(entry.closed)
        return (entry.layer, f"{entry.units:,}", f"{entry.dead:,}", whole, gone, share)

    heads = ("layer", ">units", ">dead", ">dead channels", "which", ">closed elements")
    return Overview(tuple(found), heads, cells, "no activation can be closed")


def _slopes(step: TracedStep) -> Iterator[tuple[Node, np.ndarray]]:
    """The activations whose slope can be exactly 0 on one side, with their slopes."""
    for node in step.system.nodes:
        equation = node.equation
        if not isinstance(equation, Contraction) or equation.kind != "pointwise":
            continue
        factor = equation.terms[0].factors[0]
        assert isinstance(factor, Applied)
        slope = factor.function.derivative
        if slope(-1.0) == 0 or slope(1.0) == 0:
            x = step.array("value", node.inputs[0])
            yield node, function_values(Applied(slope, factor.access), x)


def vanishing(step: TracedStep) -> Overview[GradientLayer]:
    """Every layer with the size of its gradients, first to last."""
    ends = dict.fromkeys(node.inputs[0] for node in step.system.losses)
    base = root_mean_square(np.concatenate([step.array("grad", e).ravel() for e in ends]))
    found = []
    for node in step.system.nodes:
        if not node.equation.target.positions:
            continue  # a loss
        delta = step.array("grad", node.output)
        size = root_mean_square(delta)
        weight = update = None
        trained = [node.array_of[a] for a in node.parameters]
        name = next((n for n in trained if n.endswith(".weight")), None)
        if name is not None:
            weight = root_mean_square(step.array("grad", name))
            own = root_mean_square(step.array("value", name))
            update = weight / own if own else None
        zeros = float((delta == 0).mean())
        relative = size / base if base else 0.0
        found.append(GradientLayer(node.name, size, relative, zeros, weight, update))

    def cells(entry: GradientLayer) -> Sequence[str]:
        optional = ("" if v is None else number_text(v, 3) for v in (entry.weight, entry.update))
        sizes = (
            number_text(entry.output, 3),
            number_text(entry.relative, 3),
            percent_text(entry.zeros),
        )
        return (entry.layer, *sizes, *optional)

    heads = (
        "layer", ">rms of doutput", ">to the last", ">zeros", ">rms of dweight", ">to the weight",
    )  # fmt: skip
    return Overview(tuple(found), heads, cells, "there is no layer")


def root_mean_square(array: np.ndarray) -> float:
    """The root mean square, in float64."""
    held = np.asarray(array, np.float64)
    return float(np.sqrt(np.mean(np.square(held)))) if held.size else 0.0
