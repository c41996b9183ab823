"""What a layer is: settings, one equation, and the names of the arrays in it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import field, fields
from math import prod
from typing import Any, ClassVar, Self

import numpy as np

from ..equation import Affine, Equation, Margin, index
from ..equation.frozen import frozen
from ..errors import ArgumentError, ShapeError
from ..showing.axis_names import size_names
from ..streams import philox
from .functional import GraphNode, GraphPart, apply, as_json
from .initialization import draw_of, known_names

Shape = tuple[int, ...]
"""An array's shape, samples first: (N, C, H, W) or (N, features)."""


@frozen
class Parameter:
    """An array that training changes.

    Args:
        name: what it is called behind the layer's name: `weight`, `bias`.
        initialization: what `draw_of` knows, such as he_normal, or a number as text.
        fan_in: how many products one output sums.
        fan_out: how many outputs one input reaches.
    """

    name: str
    initialization: str = "zeros"
    fan_in: int = 1
    fan_out: int = 1


@frozen
class Buffer:
    """An array that is kept with the network but not trained: a running statistic.

    Args:
        name: what it is called behind the layer's name.
        initial: the value it starts with everywhere.
    """

    name: str
    initial: float


@frozen
class Declaration:
    """A layer's equation for one input shape, and what its letters stand for.

    Args:
        equation: solved: all ranges and shapes known.
        sources: the letters of the layer's inputs, in order.
        parameters: letters of trained arrays.
        buffers: letters of running statistics that the equation reads.
        saved: letters the forward pass keeps → what they are called (`winner`).
        given: letters that are neither: masks drawn for the step, constants, labels → name.
        asked: the padding of each spatial axis as it was asked for, where the last window may
            reach beyond it (`ceil_mode`); else empty.
    """

    equation: Equation
    sources: tuple[str, ...] = ("X",)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    buffers: Mapping[str, Buffer] = field(default_factory=dict)
    saved: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    asked: tuple[Margin, ...] = ()


@frozen
class Draws:
    """Random words for one layer in one step; each follows from its place alone.

    Args:
        seed: the training's seed, ≥ 0; its lowest 64 bits count.
        step: which step of the training; its lowest 32 bits count.
        layer: the layer's place in the network.
    """

    seed: int
    step: int
    layer: int

    def words(self, samples: int, count: int) -> np.ndarray:
        """Uniform words: word e of sample n depends on seed, step, layer, n and e alone.

        It is word e mod 4 of Philox4x32-10 with the key (seed mod 2³², ⌊seed/2³²⌋ mod 2³²) and the
        counter (⌊e/4⌋, n, step mod 2³², layer).

        Args:
            samples: how many samples the batch has.
            count: how many words each of them needs.

        Returns:
            (samples, count), uint32.
        """
        word, blocks = 0xFFFFFFFF, -(-count // 4)
        key = self.seed & word, self.seed >> 32 & word
        block, sample = np.arange(blocks), np.arange(samples)[:, None]
        drawn = philox(key, (block, sample, self.step & word, self.layer))
        return drawn.reshape(samples, 4 * blocks)[:, :count]


@frozen
class Draw:
    """What a given array is drawn as: one random word for each of its elements decides.

    The axes are those that the array has in the equation: M[n,c,y,x] is drawn for every element,
    M[n,c] once for each channel, M[n] once for each sample.

    Args:
        threshold: an element whose word is below it is 0.
        kept: what it is otherwise.
        together: whether all samples have the words of the batch's first.
    """

    threshold: int
    kept: float
    together: bool = False

    @classmethod
    def of(cls, p: float, *, together: bool = False) -> Self:
        """0 with the probability p, to within 2⁻³², and else 1/(1 − p).

        Args:
            p: at least 0 and below 1; p·2³² is rounded (ties to even), and stays below 2³².
            together: whether all samples have the words of the batch's first.
        """
        return cls(min(round(p * 2**32), 2**32 - 1), 1.0 / (1.0 - p), together)

    def array(self, shape: Shape, draws: Draws) -> np.ndarray:
        """The array for a step.

        Args:
            shape: its shape, samples first.
            draws: the layer's words.
        """
        samples, *each = shape
        words = draws.words(1 if self.together else samples, prod(each))
        drawn = np.where(words < self.threshold, 0.0, self.kept)
        return np.broadcast_to(drawn, (samples, prod(each))).reshape(shape)


class Layer(GraphPart):
    """The base of all layers: frozen settings that `declare` an equation for an input shape."""

    prefix: ClassVar[str]
    """What names are counted by: `conv` makes conv1, conv2, …"""

    @property
    def kind(self) -> str:
        """What tables and messages call it."""
        return type(self).__name__

    def __new__(cls, *arguments: Any, **keywords: Any) -> Self:
        """Refuse more positional arguments than there are, before they land in the wrong place."""
        allowed = [f.name for f in fields(cls) if not f.kw_only]  # type: ignore[arg-type]
        if any(isinstance(argument, GraphNode) for argument in arguments):
            raise ArgumentError(
                f"{cls.__name__} takes its settings, and is called on a node then: "
                f"gt.{cls.__name__}(…)(node)"
            )
        if len(arguments) > len(allowed):
            listed = f" ({', '.join(allowed)})" if allowed else ""
            counted = f"{len(allowed) or 'no'} argument{'' if len(allowed) == 1 else 's'}"
            raise ArgumentError(
                f"{cls.__name__} takes {counted} by position{listed}, got {len(arguments)}; the "
                "input's channels and features are inferred, so leave them out, give several sizes "
                "or axes in brackets, and the others by name"
            )
        return super().__new__(cls)

    @abstractmethod
    def declare(self, *sources: Shape, training: bool) -> Declaration:
        """The equation for inputs of these shapes.

        Args:
            *sources: one shape per input, samples first.
            training: whether for training (batch statistics, dropout) or evaluation.

        Raises:
            ShapeError: the layer does not fit these inputs; one clause, without the layer's name.
        """

    def _applied(self, nodes: tuple[GraphNode, ...]) -> GraphNode:
        return apply(self, nodes)

    @property
    def running(self) -> Mapping[str, Buffer]:
        """The running statistics, by the letters of what they follow."""
        return {}

    def running_after(
        self, count: int, batch: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        """The running statistics after a training step.

        Args:
            count: how many elements each of the batch's statistics is taken over.
            batch: the batch's statistics by letter.
            before: the running statistics by letter.
        """
        return before

    @property
    def draws(self) -> Mapping[str, Draw]:
        """What is drawn at random for each step, by its letter; of the letters in `given` some."""
        return {}

    def given(self, equation: Equation, draws: Draws) -> Mapping[str, np.ndarray]:
        """The arrays behind the other `given` letters: constants of the equation.

        Args:
            equation: as declared.
            draws: random words, for what no `Draw` says; the CPU engine takes those alone.
        """
        return {
            sparse.access.array: np.array(sparse.dense(equation.shape_of[sparse.access.array][1]))
            for read in equation.reads
            for sparse in read.sparse
        }


def buffer_shape(declaration: Declaration, letter: str) -> Shape:
    """The shape of the running statistic that follows an array: without samples, if it has any."""
    equation = declaration.equation
    followed = next(a for a in equation.accesses if a.array == letter)
    shape = equation.shape_of[letter]
    return shape[1:] if followed.positions[0].plain == "n" else shape


_SPATIAL = ("z", "y", "x")


def elementwise(shape: Shape) -> tuple[Affine, ...]:
    """The indices of an array that is taken element by element: n,c,y,x or n,k."""
    if len(shape) == 2:
        return index("n"), index("k")
    return index("n"), index("c"), *spatial(len(shape) - 2)


def spatial(rank: int) -> tuple[Affine, ...]:
    """The indices of positions, of so many axes: (x), (y, x), (z, y, x)."""
    return tuple(index(name) for name in _SPATIAL[3 - rank :])


def canonical(layer: Layer, *flags: str) -> None:
    """Lists as tuples and NumPy's numbers as Python's, so that equal settings are equal.

    Args:
        layer: whose fields are rewritten.
        flags: the fields that must be True or False.

    Raises:
        ArgumentError: a flag that is neither.
    """
    for known in fields(layer):  # type: ignore[arg-type]
        value = _tuples(as_json(getattr(layer, known.name)))
        object.__setattr__(layer, known.name, value)
        if known.name in flags and not isinstance(value, bool):
            raise ArgumentError(f"{layer.kind}: {known.name} must be True or False, got {value!r}")


def _tuples(value: Any) -> Any:
    """Lists as tuples, the lists in them too."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def known_initialization(layer: str, name: str) -> None:
    """Check the name of an initialization.

    Raises:
        ArgumentError: listing the names there are.
    """
    if not isinstance(name, str) or draw_of(name) is None:
        raise ArgumentError(f"{layer}: initialization must be one of {known_names()}, got {name!r}")


def channels_of(layer: Layer, shape: Shape, rank: int, of: str = "in_channels") -> int:
    """The number of input channels, checked against what the layer was told.

    Raises:
        ShapeError: the input has not `rank` spatial axes, or other channels than told.
    """
    if len(shape) != rank + 2:
        axes = ", ".join(size_names(rank + 2)[1:])
        raise ShapeError(f"expects a sample of ({axes}) but gets {times(shape[1:])}")
    channels, told, groups = shape[1], getattr(layer, of, None), getattr(layer, "groups", 1)
    if told not in (None, channels):
        raise ShapeError(
            f"weight expects {told} channels but gets {channels}", f"Set {of}={channels}"
        )
    if channels % groups:
        raise ShapeError(
            f"groups={groups} does not divide the {channels} input channels",
            f"Set groups to a divisor of {channels}",
        )
    return channels


def times(sizes: Shape) -> str:
    """A shape in words: `20 × 8 × 8`."""
    return " × ".join(map(str, sizes))
