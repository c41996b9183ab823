"""What flows along the edges of a foreign graph while it is read.

Many things there are not layers yet. `Arithmetic` is arithmetic on single numbers, which may turn
out to be a GELU or the normalisation of the input; `Padded` waits for a window, `Reshaped` for
the axes to be one, `Softmaxed` for the end of the network. Sizes are numbers, and the batch's is
`BATCH`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import numpy as np

from ...equation.frozen import frozen
from ...equation.scalar import Expression
from ...layers import Layer
from .margins import Margins


class LastSoftmax(Enum):
    """What becomes of a softmax, or its logarithm, at a model's end."""

    LOGITS = "left out"
    LOGARITHMS = "left out, and it must be the logarithm"
    WHOLE = "a layer"


Shape = tuple[int, ...]
"""Of one sample, without the batch."""


@frozen
class BatchSize:
    """The size of the batch, which no network knows."""

    def __repr__(self) -> str:
        return "N"


BATCH: Final = BatchSize()


class Places:
    """Where maxima were, which no layer gives."""

    def __repr__(self) -> str:
        return "the places of maxima"


PLACES: Final = Places()

TRACED: Final = 7919
"""How many samples a module is told that it gets: a number that no other size is."""


@frozen
class Tensor:
    """What a node of the graph gives.

    Args:
        node: its place in the graph, −1 for the input.
        shape: of one sample.
    """

    node: int
    shape: Shape


@dataclass(frozen=True, eq=False, repr=False)
class Weights:
    """An array that comes with the foreign model.

    Args:
        name: what it is called there; one array in two places is shared.
        values: in any dtype.
        trained: whether the model says that training changes it.
        frozen: whether a training of the network is to leave it as it is.
        running: whether no gradient changes it, but the batches do: a running statistic.
    """

    name: str
    values: np.ndarray
    trained: bool = False
    frozen: bool = False
    running: bool = False

    def __repr__(self) -> str:
        return f"the array {self.name!r:.60}"


@dataclass(frozen=True, eq=False)
class Arithmetic:
    """A function of each element of `base` by itself.

    Args:
        base: what it is applied to.
        curve: its values at `arithmetic.GRID`, (points,) float64; None where it differs by channel.
        body: the function as an expression in x; None where it differs by channel.
        affine: (mean, std) if it is (x − mean)/std: numbers, or arrays (C,); else None.
        outer: the layer that computes it, and the values that the layer reads; None for arithmetic.
        name: what the layer is to be called, or None.
        where: the node, for messages.
    """

    base: Tensor
    curve: np.ndarray | None
    body: Expression | None
    affine: tuple[np.ndarray, np.ndarray] | None
    outer: tuple[Layer, tuple[Any, ...]] | None
    name: str | None
    where: str

    @property
    def shape(self) -> Shape:
        """Of one sample."""
        return self.base.shape


@dataclass(frozen=True, eq=False)
class Padded:
    """A tensor with zeros around its maps, which the next window takes for its padding.

    Args:
        base: without them.
        margins: of each axis of the maps, how many zeros before and behind.
        where: the node, for messages.
    """

    base: Tensor
    margins: Margins
    where: str

    @property
    def shape(self) -> Shape:
        """Of one sample."""
        channels, *sizes = self.base.shape
        return channels, *(s + sum(m) for s, m in zip(sizes, self.margins, strict=True))


@dataclass(frozen=True, eq=False)
class Reshaped:
    """A tensor whose elements are looked at in another shape, as (C, H·W) or (C, 1).

    Args:
        base: as it was.
        shape: of one sample.
        where: the node, for messages.
    """

    base: Tensor
    shape: Shape
    where: str


@dataclass(frozen=True, eq=False)
class Permuted:
    """A tensor or a view whose axes are looked at in another order.

    Args:
        base: as it was.
        dims: which axis of the base each axis is, that of the samples first.
        shape: of one sample.
        where: the node, for messages.
    """

    base: Tensor | Reshaped
    dims: tuple[int, ...]
    shape: Shape
    where: str


@dataclass(frozen=True, eq=False)
class Expanded:
    """A tensor whose axes of size 1 are repeated, which most arithmetic does by itself.

    Args:
        base: as it was.
        shape: of one sample.
        where: the node, for messages.
    """

    base: Tensor
    shape: Shape
    where: str


@dataclass(frozen=True, eq=False)
class Softmaxed:
    """Probabilities, or their logarithms; at the end of the network they are left out.

    Args:
        base: the logits.
        axis: over which, that of the samples being 0.
        logarithm: whether these are the logarithms.
        where: the node, for messages.
    """

    base: Any
    axis: int
    logarithm: bool
    where: str

    @property
    def shape(self) -> Shape:
        """Of one sample."""
        return tuple(self.base.shape)


Value = Tensor | Arithmetic | Padded | Reshaped | Permuted | Expanded | Softmaxed


@dataclass(frozen=True, eq=False)
class SamplesBehind:
    """A value whose axis of samples stands behind others in the file.

    Args:
        base: with the samples first.
        place: which of the file's axes is theirs, from 1 on.
    """

    base: Value
    place: int


@dataclass(frozen=True, eq=False)
class OneSample:
    """A value of a file that computes with one sample, whose axis stands nowhere in particular.

    Args:
        base: one sample's; its shape is all of the shape that the file knows.
    """

    base: Value
