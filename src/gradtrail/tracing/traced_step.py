"""A traced step as the sums it consists of: for every element, what was multiplied and added.

A gradient is one sum for each layer that reads its array, by that layer's adjoint. A value is the
sum by which a layer made it. Everything else is given, as parameters, samples and labels are, or is
no sum, as winners and probabilities are: there is one row then, the element itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from ..arrays.einsum import contract
from ..arrays.loss_values import log_softmax
from ..engines import SampleGradients
from ..equation import (
    Access,
    Adjoint,
    Applied,
    Array,
    Contraction,
    LossEquation,
    Node,
    System,
    Term,
    index,
    sum_of,
)
from ..equation import Factor as EquationFactor
from ..equation.sum_of_products import LOG
from ..errors import ArgumentError, UnknownNameError, unknown
from ..layers.layer import times
from .element import Side, check_index, element_text, parse_element
from .element_term import ArraySum, ElementTerm, Operand
from .index_points import points_of

ArrayRole = Literal["input", "parameter", "output", "saved", "given"]

_KIND = {"value": "value", "grad": "gradient"}


class TracedStep:
    """The sums of one learning step.

    Args:
        system: the equations.
        values: every array of the forward pass.
        gradients: every gradient.
        per_sample: each sample's, where they were computed.
        foreign_names: of arrays and layers, see `Graph.foreign_names`.
    """

    def __init__(
        self,
        system: System,
        values: Mapping[str, np.ndarray],
        gradients: Mapping[str, np.ndarray],
        per_sample: SampleGradients | None = None,
        foreign_names: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.system, self.values, self.gradients = system, values, gradients
        self.per_sample, self._foreign = per_sample, foreign_names
        self._held: dict[tuple[Side, str], np.ndarray] = {}
        self._logarithms: dict[str, np.ndarray] = {}

    def _side(self, side: Side) -> Mapping[str, np.ndarray]:
        return self.values if side == "value" else self.gradients

    def names(self, side: Side) -> tuple[str, ...]:
        """The arrays of one side, in the order of the forward pass."""
        held = self._side(side)
        return tuple(name for name in self.system.shapes if name in held)

    def array_rows(self, side: Side) -> list[tuple[str, str, str]]:
        """Name, shape and the layer's kind of every array of one side; no array is touched."""
        shapes, owner = self.system.shapes, self.system.owner
        return [
            (name, times(shapes[name]), owner[name].kind if name in owner else "")
            for name in self.names(side)
        ]

    def array(self, side: Side, name: str) -> np.ndarray:
        """An array, read-only.

        Raises:
            UnknownNameError: there is none of this name on this side.
        """
        name = self.known_name(name)
        arrays, key = self._side(side), (side, name)
        if not isinstance(name, str) or name not in arrays:
            output = self.outputs.get(name) if isinstance(name, str) else None
            if output in arrays:
                what = f"the output of layer {name!r} is called {output!r}"
                raise UnknownNameError(f"no {_KIND[side]} is called {name!r}; {what}")
            raise UnknownNameError(unknown(_KIND[side], name, arrays))
        if key not in self._held:
            array = np.asarray(arrays[name]).view()
            array.flags.writeable = False
            self._held[key] = array
        return self._held[key]

    def known_name(self, name: Any) -> Any:
        """A name as it is here, where it is one of the model that the network was read of."""
        if not isinstance(name, str) or not self._foreign or name in self.system.shapes:
            return name
        return self._foreign.get(name, name)

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """Layer → the name of its output."""
        return {node.name: node.output for node in self.system.nodes}

    def role(self, name: str) -> ArrayRole:
        """What an array is to the step; labels, masks and statistics are given."""
        if name in self.system.inputs:
            return "input"
        if name in self.system.parameters:
            return "parameter"
        if name in self.system.producer:
            return "output" if self.system.producer[name].output == name else "saved"
        return "given"

    def is_mask(self, name: str) -> bool:
        """Whether a layer was given an array for every sample, as dropout is its mask."""
        return self.role(name) == "given" and name in self.system.by_sample

    def array_name(self, side: Side, name: object) -> str:
        """The array that is asked about: its own name, or a layer's for its output.

        Raises:
            UnknownNameError: there is none on this side.
        """
        arrays = self._side(side)
        if isinstance(name, str):
            name = str(self.known_name(name))
            for found in (name, self.outputs.get(name, name)):
                if found in arrays:
                    return found
        raise UnknownNameError(unknown(_KIND[side], name, [*arrays, *self.outputs]))

    def name_and_index(self, side: Side, name: str, index: object) -> tuple[str, object]:
        """The array and the index that are asked about, which may be written as one.

        Args:
            side: where it is asked.
            name: the array's or the layer's, or with its index, such as `conv1.weight[2,0,1,1]`; a
                gradient may have its d.
            index: which element; () where the name has it.

        Raises:
            ArgumentError: an index twice, a gradient asked of the values, or no element.
            UnknownNameError: there is no such array on this side.
        """
        if not (isinstance(name, str) and "[" in name):
            return name, index
        if not isinstance(index, tuple) or index:
            raise ArgumentError(f"{name} has its index already; leave out {index!r}")
        head, bracket, rest = name.partition("[")
        mark, bare = "", head.strip()
        if bare not in self._foreign and bare.startswith("d"):
            mark, bare = "d", bare[1:]
        name = mark + self.known_name(bare) + bracket + rest if bare in self._foreign else name
        there, gradients = ([*self._side(s), *self.outputs] for s in (side, "grad"))
        found, array, place = parse_element(name, there, gradients, self.system.shapes)
        if (found, side) == ("grad", "value"):
            raise ArgumentError(f"{name} is a gradient; ask t.grad for it")
        return array, place

    def element(self, side: Side, name: str, element: object) -> tuple[int, ...]:
        """An index, checked; negative positions count from the end.

        Raises:
            ArgumentError: it does not fit the array.
        """
        return check_index(element_text(side, name), self.array(side, name).shape, element)

    def nodes_between(self, first: str, last: str) -> tuple[Node, ...]:
        """The layers on the ways from one array to another, in forward order.

        Args:
            first: any array; what no layer reads leads nowhere.
            last: the output of a layer.
        """
        if first not in self.system.readers:
            return ()
        arrays = self.system.between(first, last)
        return tuple(n for n in self.system.nodes if n.output in arrays and n.output != first)

    def sums(self, side: Side, name: str) -> tuple[ArraySum, ...]:
        """The sums that make up an array; their elements are added."""
        found = self._gradient(name) if side == "grad" else self._value(name)
        return found or (_given(side, name, self.array(side, name).shape),)

    def _gradient(self, name: str) -> tuple[ArraySum, ...]:
        """One sum for each layer that sends something back."""
        found = []
        for sent in self.system.backward:
            if sent.receives != name:
                continue
            node, letter = sent.node, "d" + sent.node.equation.target.array
            arrays: dict[str, tuple[Side, str]] = {a: ("value", n) for a, n in node.arrays}
            arrays[letter] = ("grad", node.output)
            arrays[sent.equation.target.array] = ("grad", name)
            found.append(ArraySum(node.name, sent.equation, arrays, node))
        return tuple(found)

    def sent_back(self, sent: Adjoint) -> np.ndarray:
        """What one node sends back to an array, where others may send something, too."""
        name, node = sent.receives, sent.node
        if len(self.system.readers[name]) == 1:
            return self.array("grad", name)
        arrays = {a: self.array("value", n) for a, n in node.arrays if n in self.values}
        arrays["d" + node.equation.target.array] = self.array("grad", node.output)
        found = contract(sent.equation, arrays)
        return found.astype(self.array("grad", name).dtype)

    def _value(self, name: str) -> tuple[ArraySum, ...]:
        """The sum by which a layer made an array."""
        node = self.system.producer.get(name)
        if node is None:
            return ()
        made = (node.equation.target.array, *node.equation.saved)
        letter = next(a for a in made if node.array_of[a] == name)
        equation = sum_of(node.equation, letter)
        if equation is None:
            return ()
        arrays: dict[str, tuple[Side, str]] = {a: ("value", n) for a, n in node.arrays}
        return (ArraySum(node.name, equation, arrays, node),)

    def parts(self, side: Side, name: str, element: tuple[int, ...]) -> tuple[ElementTerm, ...]:
        """All products that make up one element, of each term of each sum."""
        found = []
        for one in self.sums(side, name):
            for number, term in enumerate(one.equation.terms):
                points = points_of(term, one.equation, element)
                operands = tuple(self._operand(one, factor) for factor in term.factors)
                found.append(ElementTerm(element, one, number, term, points, operands))
        return tuple(found)

    def _operand(self, one: ArraySum, factor: EquationFactor) -> Operand:
        side, name = one.arrays[factor.access.array]
        result = self._log_probabilities(one.node) if is_logarithm(one, factor) else None
        array = self.array(side, name)
        return Operand(factor, side, name, array, result, is_gate(one, factor))

    def _log_probabilities(self, node: Node | None) -> np.ndarray:
        """The logarithms of the softmax from the outputs, (N, K): what is stored is rounded."""
        assert node is not None
        if node.name in self._logarithms:
            return self._logarithms[node.name]
        outputs = np.asarray(self.values[node.inputs[0]], np.float64)
        with np.errstate(all="ignore"):
            return self._logarithms.setdefault(node.name, log_softmax(outputs))


def is_logarithm(one: ArraySum, factor: EquationFactor) -> bool:
    """Whether a factor is the cross-entropy's log P, which is computed from the outputs.

    A logarithm that another layer takes is of what that layer reads.
    """
    of_loss = one.node is not None and isinstance(one.node.equation, LossEquation)
    return of_loss and isinstance(factor, Applied) and factor.function == LOG


def is_gate(one: ArraySum, factor: EquationFactor) -> bool:
    """Whether a product in which this factor is 0 is 0 whatever the others are."""
    return not (isinstance(factor, Access) or is_logarithm(one, factor)) or _weighs(one, factor)


def _weighs(one: ArraySum, factor: EquationFactor) -> bool:
    """Whether a factor is a class's weight in the cross-entropy.

    Where that is 0 the class adds nothing, however improbable it is.
    """
    equation = None if one.node is None else one.node.equation
    if not isinstance(equation, LossEquation) or equation.probabilities is None:
        return False
    own = one.equation.target.array == equation.result.array
    return own and factor.access.array == equation.labels


def _given(side: Side, name: str, shape: tuple[int, ...]) -> ArraySum:
    """What is given is a sum of one product: itself."""
    positions = tuple(index(f"a{axis}") for axis in range(len(shape)))
    element = Array(name)[positions]
    ranges = tuple((f"a{axis}", size) for axis, size in enumerate(shape))
    equation = Contraction((Term(element, (element,)),), ranges=ranges, shapes=((name, shape),))
    layer = name.partition(".")[0] if "." in name else ""
    return ArraySum(layer, equation, {name: (side, name)})
