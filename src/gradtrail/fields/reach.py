"""Receptive and projective fields: which elements an element depends on, and which depend on it.

    net.receptive_field("conv2", (5, 7))    what of the input conv2 sees at row 5, column 7
    net.projective_field("input", (9, 9))   which outputs that pixel reaches

Both are exact through strides, padding, dilation, groups and branches: they are the regions that
`System.preimage` and `System.image` give. What counts is the structure: a weight of 0 and a
closed ReLU still read. A trace gives the same for one step (`tracing/traced_fields.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..checking.arguments import is_whole
from ..equation import Region, System
from ..equation.frozen import frozen
from ..errors import ArgumentError, UnknownNameError, unknown
from ..showing.axis_names import place_names
from ..showing.shown import Shown
from ..showing.tables import Table
from .reach_view import reach_picture, reach_table, reach_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FieldDirection = Literal["receptive", "projective"]

_TOGETHER = "batch norm in training: the same elements of every other sample take part, too"


@frozen
class Reach(Shown):
    """The elements of one array that an element of another depends on, or that depend on it.

    It prints as a sentence; `len` counts the elements, `in` and iterating take indices.

    Args:
        direction: "receptive" where the asked elements depend on these, "projective" where these
            depend on the asked ones.
        asked: the name of the array that was asked about.
        position: which element of it; without the channel all channels.
        array: the name of the array whose elements these are.
        shape: its shape: (C, H, W) or (features,), a parameter's own, and of a trace with the
            samples first.
        axes: the names of its axes: channels, rows, columns; features; of a trace with samples
            first; of a parameter none. Along a sequence stand positions.
        region: the elements, as boxes that do not overlap.
        notes: what else there is to know, a line each.
        image: what the elements lie in, for pictures; None for nothing.
    """

    direction: FieldDirection
    asked: str
    position: tuple[int, ...]
    array: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    region: Region
    notes: tuple[str, ...] = ()
    image: np.ndarray | None = field(default=None, compare=False)

    @property
    def samples(self) -> tuple[int, ...]:
        """The samples that occur, of a trace."""
        return self.along("samples")

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels that occur, ascending."""
        return self.along("channels")

    @property
    def rows(self) -> tuple[int, ...]:
        """The rows that occur, ascending."""
        return self.along("rows")

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns that occur, ascending."""
        return self.along("columns")

    @property
    def features(self) -> tuple[int, ...]:
        """The positions that occur in a flat array, ascending."""
        return self.along("features")

    def along(self, axis: int | str) -> tuple[int, ...]:
        """The positions that occur on one axis, ascending.

        Args:
            axis: its number or its name.

        Raises:
            ArgumentError: the array has no such axis.
        """
        known: Sequence[object] = [*range(len(self.shape)), *self.axes]
        if axis not in known:
            named = f", called {', '.join(self.axes)}" if self.axes else ""
            raise ArgumentError(
                f"{self.array} has the shape {self.shape}{named}, and no axis {axis!r}"
            )
        return self.region.axis(axis if isinstance(axis, int) else self.axes.index(axis))

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Per axis the least and the greatest position; () where there is no element."""
        return self.region.bounds

    def mask(self) -> np.ndarray:
        """True for the elements, an array of `shape`, read-only."""
        return self._mask

    @cached_property
    def _mask(self) -> np.ndarray:
        found = np.zeros(self.shape, bool)
        for box in self.region.boxes:
            found[np.ix_(*box)] = True
        found.flags.writeable = False
        return found

    def __len__(self) -> int:
        return int(self._mask.sum())

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        yield from (tuple(map(int, index)) for index in np.argwhere(self._mask))

    def __contains__(self, index: Sequence[int]) -> bool:
        return len(index) == len(self.shape) and tuple(index) in self.region

    def plot(self, path: str | Path | None = None) -> Figure:
        """A picture: at each place, how many elements take part.

        Args:
            path: where to write it (PNG, SVG or PDF); None for only giving it back.

        Raises:
            MissingPackageError: matplotlib is not there.
            FileError: the file cannot be written.
        """
        return reach_picture(self, path)

    def _table(self) -> Table:
        return reach_table(self)

    def __str__(self) -> str:
        return reach_text(self)


def structural_field(
    direction: FieldDirection, system: System, name: str, position: Any, other: str
) -> Reach:
    """A field of one sample, whatever its numbers are.

    Args:
        direction: as of `Network.receptive_field` or of `Network.projective_field`.
        system: the equations.
        name: the layer or array that is asked about.
        position: which element of it.
        other: whose elements are meant.
    """
    asked, array = array_called(system, name), array_called(system, other)
    ways = system.between(*field_ends(direction, system, asked, array))
    at = _checked(system, asked, position)
    carried = system.preimage if direction == "receptive" else system.image
    region = carried(asked, _placed(system, asked, at), of=array)
    shape, axes = system.shapes[array], axes_of(system, array)
    if array not in system.parameters:
        # the other samples' elements are among this sample's: what ties them reads this one, too
        region = Region(tuple(box[1:] for box in region.boxes))
        shape, axes = shape[1:], axes[1:]
    tied = [n for n in system.nodes if n.output in ways and n.equation.ties_samples]
    notes = (_TOGETHER,) if tied else ()
    mask = Reach(direction, asked, at, array, shape, axes, region).mask()
    return Reach(direction, asked, at, array, shape, axes, region_of(mask), notes)


def region_of(mask: np.ndarray) -> Region:
    """The elements where a mask is True, as boxes that do not overlap; one for each set."""
    return Region(tuple(_boxes(mask)))


def _boxes(mask: np.ndarray) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Slices along the first axis that are alike make one box, each slice taken apart likewise."""
    if mask.ndim == 0:
        yield from [()] if mask else []
        return
    alike: dict[bytes, list[int]] = {}
    for place in np.flatnonzero(mask.reshape(len(mask), -1).any(axis=1)):
        alike.setdefault(mask[place].tobytes(), []).append(int(place))
    for places in alike.values():
        yield from ((tuple(places), *rest) for rest in _boxes(mask[places[0]]))


def axes_of(system: System, array: str) -> tuple[str, ...]:
    """What the axes of an array are called, the samples' among them; a parameter's not at all."""
    return () if array in system.parameters else place_names(len(system.shapes[array]))


def array_called(system: System, name: Any) -> str:
    """The array of a name: an array's own, or a layer's for its output.

    Raises:
        UnknownNameError: no layer, input, output or parameter is called so.
    """
    layers = {node.name: node.output for node in system.nodes}
    if name == "input" and len(system.inputs) == 1:
        return system.input  # whatever it is called
    if name == "input" and name not in system.shapes:
        raise UnknownNameError(f"no input is called 'input'; there are: {', '.join(system.inputs)}")
    arrays = [*system.inputs, *layers.values()]
    arrays += [name for name in system.shapes if name in system.parameters]
    if name in arrays:
        return str(name)
    if not isinstance(name, str) or name not in layers:
        raise UnknownNameError(unknown("layer or array", name, [*layers, *arrays]))
    return layers[name]


def field_ends(
    direction: FieldDirection, system: System, asked: str, array: str
) -> tuple[str, str]:
    """The arrays that a field's ways begin with and end in.

    Raises:
        ArgumentError: the wrong one depends on the other, or neither; with the arrays that there is
            a field of.
    """
    first, last = (array, asked) if direction == "receptive" else (asked, array)
    if first != last and system.between(first, last):
        return first, last
    named = [n for n in (*system.inputs, *(node.output for node in system.nodes)) if n != asked]
    if direction == "receptive":
        known = [n for n in named if system.between(n, asked)]
        choose = "of= takes what lies before it"
    else:
        known = [n for n in named if system.between(asked, n)]
        choose = f"to= takes what lies behind {asked}"
    listed = (", ".join(known[:6]) or "nothing") + (", …" if len(known) > 6 else "")
    cause = "is itself no field of" if first == last else "does not depend on"
    raise ArgumentError(f"{last} {cause} {first}; {choose}: {listed}")


def _checked(system: System, array: str, position: Any) -> tuple[int, ...]:
    """A position without the sample, each number within its axis; negative ones from the end.

    Raises:
        ArgumentError: it does not fit the array.
    """
    shape, names = system.shapes[array], axes_of(system, array)
    if names:
        shape, names = shape[1:], names[1:]
    listed = position if isinstance(position, tuple | list | np.ndarray) else (position,)
    whole = all(map(is_whole, listed))
    lengths = {len(shape), len(shape) - 1} if "channels" in names else {len(shape)}
    if not whole or len(listed) not in lengths:
        singular = [name.removesuffix("s") for name in names]
        takes = f"{len(shape)} whole numbers" if len(shape) > 1 else "one whole number"
        if "channels" in names:
            takes = f"({', '.join(singular)}), or ({', '.join(singular[1:])}) for all channels"
        raise ArgumentError(
            f"{array} has the shape {shape}: a position in it is {takes}; got {position!r}"
        )
    first = len(shape) - len(listed)
    for axis, i in enumerate(listed, first):
        if not -shape[axis] <= i < shape[axis]:
            called = f"{axis} ({names[axis]})" if names else f"{axis}"
            raise ArgumentError(
                f"{array} has the shape {shape}: position {int(i)} on axis {called} lies outside "
                f"0 … {shape[axis] - 1}"
            )
    return tuple(int(i) % size for i, size in zip(listed, shape[first:], strict=True))


def _placed(system: System, array: str, position: tuple[int, ...]) -> Region:
    """The elements at a checked position, those of the first sample."""
    shape = system.shapes[array]
    axes: list[Sequence[int]] = [(i,) for i in position]
    if array not in system.parameters:
        if len(position) == len(shape) - 2:
            axes.insert(0, range(shape[1]))
        axes.insert(0, (0,))
    return Region.box(*axes)
