"""The two sides of a traced step: what the forward pass computed, and what came back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..checking.calls import call_example
from ..engines import SampleGradients
from ..equation import Equation
from ..errors import ArgumentError
from ..showing.tables import Table
from .traced_step import TracedStep

# What answers a question is imported when the question is asked.
if TYPE_CHECKING:
    from .element import Side
    from .follow import PathEnd, Paths
    from .terms import Terms
    from .why import Answer

_LINE = 100
"""How many characters names may take in one line; more of them stand one in a line."""


class SideArrays(Mapping[str, np.ndarray]):
    """The arrays of one side of a step by name, read-only.

    Questions about an element take a layer's name for its output, too, and name and index written
    as one: `conv1.weight[2,0,1,1]`.

    Args:
        step: the step they belong to.
    """

    side: ClassVar[Side]

    def __init__(self, step: TracedStep) -> None:
        self._step = step
        self._names = step.names(self.side)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._step.array(self.side, name)

    def __contains__(self, name: object) -> bool:
        return self._step.known_name(name) in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @call_example('t.grad.terms("conv1.weight", (2, 0, 1, 1))')
    def terms(self, name: str, index: Any = ()) -> Terms:
        """Every product that makes up one element.

        Args:
            name: an array's, or a layer's for its output.
            index: which element, one whole number per axis.

        Returns:
            The rows, made when they are asked for; it prints as a table.

        Raises:
            UnknownNameError: no array or layer has this name.
            ArgumentError: an index that does not fit the array.
        """
        from .terms import Terms

        return Terms(self._step, self.side, *self._step.name_and_index(self.side, name, index))

    @call_example('t.grad.why("conv1.weight", (2, 0, 1, 1))')
    def why(self, name: str, index: Any = (), language: str = "en") -> Answer:
        """Why one element is what it is: what dominates it, or what made it zero or not finite.

        Args:
            name: an array's, or a layer's for its output.
            index: which element, one whole number per axis.
            language: what the answer prints in: `en` or `ko`.

        Returns:
            One or two sentences, and the cause by name.

        Raises:
            UnknownNameError: no array or layer has this name, or there are no words in this
                language.
            ArgumentError: an index that does not fit the array.
        """
        from .why import why

        name, index = self._step.name_and_index(self.side, name, index)
        return why(self._step, self.side, name, index, language)

    def __repr__(self) -> str:
        shapes = self._step.system.shapes
        texts = [f"{name} {shapes[name]}" for name in self]
        line = f"{{{', '.join(texts)}}}"
        return line if len(line) <= _LINE else "{" + ",\n ".join(texts) + "}"

    def _repr_html_(self) -> str:
        return Table((), ("name", "shape", "layer"), self._step.array_rows(self.side)).html()


class Values(SideArrays):
    """What the forward pass computed: `t.value["conv1.output"]`."""

    side = "value"

    @call_example('t.value.follow("input", (0, 0, 11, 15))')
    def follow(self, name: str, index: Any = (), k: int = 5, to: PathEnd = None) -> Paths:
        """The strongest paths from one element on to the network's outputs.

        A path is a chain of products, one per layer: `t.value.follow("input", (0, 0, 11, 15),
        to=7)` says how a pixel comes to count for class 7. A path's product is the element times
        the local derivatives. The products of all paths to one output add up to the element times
        the derivative of that output: in a network that is linear in pieces, what the element
        contributes to it. So an element that is 0 has none.

        Args:
            name: the input's, a parameter's or an output's; a layer's for its output.
            index: which element, one whole number per axis.
            k: how many paths.
            to: a class, the index of one of the outputs, or the name of a layer or of its output;
                by default all of the network's outputs.

        Returns:
            The paths, strongest first, fewer where there are fewer; it prints.

        Raises:
            UnknownNameError: no array or layer has this name.
            ArgumentError: an index that does not fit, k below 1, or an end that no path leads to.
        """
        from .follow import follow_value

        name, index = self._step.name_and_index(self.side, name, index)
        return follow_value(self._step, name, index, k, to)

    def equations(self, name: str) -> tuple[Equation, ...]:
        """The equation that an array, or a layer's output, was computed by; none if it was given.

        Raises:
            UnknownNameError: no array or layer has this name.
        """
        name = self._step.array_name(self.side, name)
        node = self._step.system.producer.get(name)
        return () if node is None else (node.equation,)


class Gradients(SideArrays):
    """What the backward pass computed: `t.grad["conv1.weight"]`."""

    side = "grad"

    @property
    def per_sample(self) -> SampleGradients:
        """Each sample's gradient of every parameter, of `trace(…, per_sample=True)`.

        `t.grad.per_sample["conv1.weight"]` is (N, *shape); the mean over the samples is the batch's
        gradient. Norms and inner products are there without making such arrays.

        Raises:
            ArgumentError: the trace was made without them.
        """
        if self._step.per_sample is None:
            raise ArgumentError("this trace has no gradients per sample; pass per_sample=True")
        return self._step.per_sample

    @call_example('t.grad.follow("conv1.weight", (2, 0, 1, 1))')
    def follow(self, name: str, index: Any = (), k: int = 5, row: int | None = None) -> Paths:
        """The strongest paths from the loss down to one element.

        A path is a chain of products, one per layer: `t.grad.follow("conv1.weight", (2, 0, 1, 1))`
        gives the sample, the output, the place in every layer, and what is multiplied there. The
        products of all paths add up to the gradient.

        Args:
            name: an array's, or a layer's for its output.
            index: which element, one whole number per axis.
            k: how many paths.
            row: only the paths through this row of `terms(name, index)`.

        Returns:
            The paths, strongest first, fewer where there are fewer; it prints.

        Raises:
            UnknownNameError: no array or layer has this name.
            ArgumentError: an index that does not fit, k below 1, or a row that there is not.
        """
        from .follow import follow_gradient

        name, index = self._step.name_and_index(self.side, name, index)
        return follow_gradient(self._step, name, index, k, row)

    def equations(self, name: str) -> tuple[Equation, ...]:
        """The sums that make up the gradient of an array, or a layer's output: one per reader.

        Raises:
            UnknownNameError: no array or layer has this name.
        """
        name = self._step.array_name(self.side, name)
        return tuple(sent.equation for sent in self._step.system.backward if sent.receives == name)
