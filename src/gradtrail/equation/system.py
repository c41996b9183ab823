"""Equations tied together by the arrays they share: a whole network, forward and backward.

Each node is one equation, its letters tied to array names (`Z` → `conv1.output`). The backward
pass is read off the forward pass: for every node, last first, the adjoints towards whatever needs
a gradient; where several nodes read an array, its gradient is the sum of what they send back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

from ..errors import UnknownNameError
from .adjoints import adjoint
from .equation import Equation
from .frozen import frozen
from .kinds import Contraction
from .region import Region, image, preimage

JOINT = "JointLoss"
"""The kind of the node that sums the losses of several outputs."""


@frozen
class Node:
    """One equation of a system.

    Args:
        name: the layer's name.
        kind: the layer's class, such as `Conv2d`.
        equation: its equation.
        arrays: each letter of the equation with the name of the array it stands for.
        sources: the letters that come from nodes before, or from the input.
        parameters: the letters of what is trained.
    """

    name: str
    kind: str
    equation: Equation
    arrays: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]
    parameters: tuple[str, ...] = ()

    @cached_property
    def array_of(self) -> Mapping[str, str]:
        """Letter → array name."""
        return dict(self.arrays)

    @property
    def output(self) -> str:
        """The name of the array that the equation defines."""
        return self.array_of[self.equation.target.array]

    @cached_property
    def depends_on(self) -> Mapping[str, str]:
        """Letter → array name, of sources and parameters: not of labels, masks, statistics."""
        return {letter: self.array_of[letter] for letter in (*self.sources, *self.parameters)}

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the arrays that come from elsewhere in the network."""
        return tuple(self.array_of[letter] for letter in self.sources)


@frozen
class Adjoint:
    """One sum of the backward pass: what a node sends back to one of its operands.

    Args:
        node: the node.
        operand: the letter of the operand.
        equation: the contraction; its letter `dA` stands for the gradient of what `A` stands for.
    """

    node: Node
    operand: str
    equation: Contraction

    @property
    def receives(self) -> str:
        """The name of the array whose gradient is added to."""
        return self.node.array_of[self.operand]


@frozen
class System:
    """The equations of a network in the order they are computed.

    Args:
        nodes: each reads only the input, given arrays, and outputs of nodes before it.
        inputs: the names of the network's inputs.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...] = ("input",)

    @property
    def input(self) -> str:
        """The name of the first input, or of the only one."""
        return self.inputs[0]

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Array name → shape, in forward order."""
        found: dict[str, tuple[int, ...]] = {}
        for node in self.nodes:
            for letter in (*node.sources, *(a for a, _ in node.arrays)):
                found.setdefault(node.array_of[letter], node.equation.shape_of[letter])
        return found

    @cached_property
    def producer(self) -> Mapping[str, Node]:
        """Array name → the node whose equation defines or saves it."""
        return {
            node.array_of[letter]: node
            for node in self.nodes
            for letter in (node.equation.target.array, *node.equation.saved)
        }

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The names of what is trained."""
        return frozenset(node.array_of[a] for node in self.nodes for a in node.parameters)

    @cached_property
    def owner(self) -> Mapping[str, Node]:
        """Array name → the first node whose own it is: that makes it, or is the first to hold it.

        An input is nobody's.
        """
        found: dict[str, Node] = {}
        for node in self.nodes:
            for letter, array in node.arrays:
                if letter not in node.sources:
                    found.setdefault(array, node)
        return found

    @cached_property
    def losses(self) -> tuple[Node, ...]:
        """The nodes that compare outputs with labels: the last one, or those that it sums."""
        last = self.nodes[-1]
        return tuple(self.producer[name] for name in last.inputs) if last.kind == JOINT else (last,)

    @cached_property
    def by_sample(self) -> frozenset[str]:
        """The names of the arrays whose first axis counts samples."""
        return frozenset(
            node.array_of[access.array]
            for node in self.nodes
            for access in node.equation.accesses
            if access.positions and access.positions[0].plain == "n"
        )

    @cached_property
    def readers(self) -> Mapping[str, tuple[tuple[Node, str], ...]]:
        """Array name → the nodes that read it, each with the letter it reads it by."""
        found: dict[str, list[tuple[Node, str]]] = {}
        for node in self.nodes:
            for letter, array in node.depends_on.items():
                found.setdefault(array, []).append((node, letter))
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def backward(self) -> tuple[Adjoint, ...]:
        """The adjoints in the order they are computed, towards parameters and sources."""
        return self.backward_towards({*self.inputs, *self.parameters, *self.shapes})

    def backward_towards(self, wanted: Collection[str]) -> tuple[Adjoint, ...]:
        """The adjoints that the gradients of some arrays follow from, and no others.

        Args:
            wanted: the names of arrays.

        Returns:
            In the order they are computed; nothing for what lies before all of these.
        """
        found = set(wanted)
        for node in self.nodes:
            if not found.isdisjoint(node.depends_on.values()):
                found.add(node.output)
        return tuple(
            Adjoint(node, letter, adjoint(node.equation, letter))
            for node in reversed(self.nodes)
            for letter in (*node.parameters, *node.sources)
            if node.array_of[letter] in found
        )

    def between(self, first: str, last: str) -> frozenset[str]:
        """The names of the arrays on the ways from one array to another, both among them.

        Args:
            first: the name of the input, of a parameter, or of a node's output.
            last: likewise.

        Returns:
            Nothing where `last` does not depend on `first`.

        Raises:
            UnknownNameError: no array has one of the names.
        """
        behind, before = {self._known(first)}, {self._known(last)}
        for node in self.nodes:
            if not behind.isdisjoint(node.depends_on.values()):
                behind.add(node.output)
        for node in reversed(self.nodes):
            if node.output in before:
                before.update(node.depends_on.values())
        return frozenset(behind & before)

    def preimage(self, array: str, region: Region, of: str | None = None) -> Region:
        """The elements of `of` (the input by default) that elements of `array` depend on.

        Exact through chains and branches: the union over all ways.

        Args:
            array: the name of a node's output.
            region: elements of it.
            of: the name of an array before it, a parameter among them.

        Raises:
            UnknownNameError: no array has one of the names.
        """
        start = of or self.input
        ways = self.between(start, array)
        wanted: dict[str, Region] = {array: region}
        for node in reversed(self.nodes):
            here = wanted.get(node.output)
            if here is None or node.output == start:
                continue
            for letter, source in node.depends_on.items():
                if source in ways:
                    read = preimage(node.equation, letter, here)
                    wanted[source] = wanted.get(source, Region()) | read
        return wanted.get(start, Region())

    def image(self, array: str, region: Region, of: str) -> Region:
        """The elements of `of` that depend on elements of `array`.

        Args:
            array: the name of the input, of a parameter, or of a node's output.
            region: elements of it.
            of: the name of an array behind it.

        Raises:
            UnknownNameError: no array has one of the names.
        """
        ways = self.between(array, of)
        reached: dict[str, Region] = {array: region}
        for node in self.nodes:
            if node.output == array or node.output not in ways:
                continue
            found = Region()
            for letter, source in node.depends_on.items():
                if source in reached:
                    found |= image(node.equation, letter, reached[source])
            reached[node.output] = found
        return reached.get(of, Region())

    def _known(self, name: str) -> str:
        """`name`, which must be the input, a parameter, or a node's output."""
        if name not in self.readers and all(node.output != name for node in self.nodes):
            listed = ", ".join([*self.readers][:6])
            raise UnknownNameError(
                f"no array of the network is called {name!r}; there are {listed}, …"
            )
        return name
