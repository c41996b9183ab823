"""A network as everything here knows it: a flat graph of equations, with the parameters in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checking.arguments import whole_number
from ..checking.calls import AnyNetwork, asked_inside, call_example
from ..checking.input_samples import checked_samples
from ..equation import System
from ..errors import ArgumentError, ShapeError
from ..layers import Declaration, Loss
from ..layers.bounds import check_bounded, checked_shape, warn_if_channels_last
from ..layers.functional import GraphPart
from ..layers.steps import INPUT, Step
from ..plan.plan import Outline
from ..streams import Drawn
from .construction import OUTPUT, from_chain, from_nodes, is_node_form
from .named_arrays import declared_buffers, declared_parameters
from .nodes import check_counts, layer_node, loss_nodes
from .packed_samples import packed, packed_shape, unpacked

if TYPE_CHECKING:
    from .freezing import FrozenNames


class Graph(AnyNetwork):
    """Layers as a flat list of steps, their equations, and the arrays that these name.

    Args and errors are those of `Network`, which is what users hold.
    """

    first_place = 0
    """The place of its first step in the network that it is a part of; its own draws go by it."""

    foreign_names: Mapping[str, str] = MappingProxyType({})
    """The names of arrays and layers here by what they are called in the model that this was read
    of, such as `layer1.0.conv1.weight`: a trace takes those, too. They are not saved."""

    def __init__(
        self,
        input_shape: Any,
        layers: Any,
        *,
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        if is_node_form(input_shape, layers):
            construction = from_nodes(input_shape, layers)
        else:
            shape = checked_shape("Network: input_shape", input_shape)
            if not asked_inside(__file__):  # a person wrote it
                warn_if_channels_last("Network: input_shape", shape)
            construction = from_chain(shape, layers)
        self.seed = whole_number("Network: seed", seed, 0)
        try:
            self.dtype = np.dtype(dtype)
        except TypeError:
            self.dtype = np.dtype(object)
        if self.dtype not in (np.float32, np.float64):
            raise ArgumentError(f"Network: dtype must be float32 or float64, got {dtype!r}")
        self.inputs, self.steps = dict(construction.wiring.inputs), construction.wiring.steps
        self.outputs, self._chain = dict(construction.outputs), construction.chain
        self._classes: tuple[str, ...] | None = None
        self._drawn = Drawn()
        self._frozen: frozenset[str] = frozenset()
        self._systems: dict[Any, System] = {}
        self._form = object()
        self._replaced: dict[str, object] = {}
        declared = construction.wiring.declared
        self.parameters = declared_parameters(self.steps, declared, self.dtype, self.seed)
        self.buffers = declared_buffers(self.steps, declared, self.dtype)

    @property
    def form(self) -> object:
        """Another object whenever the network's equations, or what is trained, become others."""
        return self._form

    @property
    def replaced(self) -> dict[str, object]:
        """By layer that stands in another's place: an object of its own, new for each that did."""
        return self._replaced

    @property
    def whole(self) -> Graph:
        """The network that it is a part of: itself."""
        return self

    @property
    def input_name(self) -> str:
        """The name of the input's array; of several the first."""
        return next(iter(self.inputs))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """One sample's shape.

        Raises:
            ArgumentError: there are several inputs; `inputs` has the shape of each.
        """
        if len(self.inputs) > 1:
            raise ArgumentError(
                f"the network has several inputs, {', '.join(self.inputs)}; network.inputs has "
                "the shape of each"
            )
        return self.inputs[self.input_name]

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """One sample's shape as engines take it: of several inputs one row, side by side."""
        return packed_shape(self.inputs)

    @property
    def output_name(self) -> str:
        """The name of the output's array.

        Raises:
            ArgumentError: there are several outputs; `outputs` has the array of each.
        """
        if len(self.outputs) > 1:
            raise ArgumentError(
                f"the network has several outputs, {', '.join(self.outputs)}, but this takes a "
                "network of one of them, such as gt.Network(x, node); network.outputs has the "
                "array of each"
            )
        return next(iter(self.outputs.values()))

    @property
    def is_chain(self) -> bool:
        """Whether a list of layers says all of it."""
        return self._chain is not None

    @property
    def layers(self) -> tuple[GraphPart, ...]:
        """The list of layers that the network can be written as, `Residual` and `Concat` in it.

        Raises:
            ArgumentError: its graph cannot be written so; `steps` has its layers.
        """
        if self._chain is None:
            raise ArgumentError(
                "the network is a graph, which no list of layers says; network.steps has its "
                "layers, each with the names of what it reads"
            )
        return self._chain

    @property
    def outline(self) -> Outline:
        """What the plan reads of it."""
        return Outline(self.inputs, self.steps, self.dtype.itemsize, self._frozen)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes that the outputs stand for; saved with the network.

        Raises:
            ArgumentError: when set, other than a name for every output, or None.
        """
        return self._classes

    @classes.setter
    def classes(self, names: Sequence[str] | None) -> None:
        if names is None:
            self._classes = None
            return
        outputs = self.system(1).shapes[self.output_name][1:]
        several = isinstance(names, Sequence) and not isinstance(names, str)
        listed = tuple(names) if several else ()
        if not all(isinstance(name, str) for name in listed) or outputs != (len(listed),):
            raise ArgumentError(
                f"classes must be names, one for each output of the network's {outputs}, got "
                f"{names!r}"
            )
        self._classes = listed

    @property
    def drawn(self) -> Drawn:
        """How far its trainings' random draws are: epochs begun, and steps made.

        The next training draws from there on, so that the same seed gives other orders, shifts and
        masks; see docs/design/randomness.md. It is saved, copied and pickled with the network. Set
        it to (0, 0) to draw as a new network does.

        Raises:
            ArgumentError: when set, other than two whole numbers from 0.
        """
        return self._drawn

    @drawn.setter
    def drawn(self, value: tuple[int, int]) -> None:
        drawn = Drawn.of(value)
        if drawn is None:
            raise ArgumentError(
                f"drawn must be (epochs, steps), whole numbers from 0, got {value!r}"
            )
        self._drawn = drawn

    @property
    def frozen(self) -> tuple[str, ...]:
        """The arrays that a training leaves as they are, running statistics among them.

        They are saved, copied and pickled with the network.

        Raises:
            ArgumentError: when set, to other than names of layers and arrays.
        """
        return tuple(name for name in self._arrays if name in self._frozen)

    @frozen.setter
    def frozen(self, names: Sequence[str]) -> None:
        from .freezing import listed_arrays  # most networks have nothing frozen

        self._freeze_only(listed_arrays(names, self._arrays, self.buffers))

    @property
    def trained(self) -> tuple[str, ...]:
        """The parameters that a training changes, in forward order."""
        return tuple(name for name in self.parameters if name not in self._frozen)

    @call_example('network.freeze("conv*")')
    def freeze(self, *patterns: str) -> FrozenNames:
        """Let trainings leave some arrays as they are; nothing is computed for them.

        A batch norm whose statistics are frozen keeps them, and normalises with them in training.

        Args:
            patterns: names of layers or arrays, or patterns over them such as `layer3_*`, `conv1.*`
                and `*.bias`; none for all. The statistics of a layer are frozen together.

        Returns:
            The names of the arrays that were not frozen before; it prints as a sentence.

        Raises:
            UnknownNameError: a pattern fits no layer and no array; the message lists near names.

        Example:
            >>> net = Network((1, 8, 8), [Conv2d(8, 3), ReLU(), Flatten(), Linear(10)])
            >>> net.freeze("conv*")
            froze conv1; 2,890 of 2,970 parameters are trained
        """
        from .freezing import meant_by

        new = meant_by("freeze", patterns, self._arrays, self.buffers) - self._frozen
        self._freeze_only(self._frozen | new)
        return self._told("froze", new)

    @call_example('network.unfreeze("conv*")')
    def unfreeze(self, *patterns: str) -> FrozenNames:
        """Let trainings change some arrays again; arguments, result and errors are `freeze`'s."""
        from .freezing import meant_by

        new = meant_by("unfreeze", patterns, self._arrays, self.buffers) & self._frozen
        self._freeze_only(self._frozen - new)
        return self._told("unfroze", new)

    @property
    def _arrays(self) -> tuple[str, ...]:
        from .freezing import arrays_in_order

        return arrays_in_order(self.parameters, self.buffers)

    def _freeze_only(self, names: frozenset[str]) -> None:
        if names != self._frozen:
            self._frozen = names
            self._systems, self._form = {}, object()

    def _told(self, did: str, names: Collection[str]) -> FrozenNames:
        from .freezing import told_freezing

        sizes = {name: prod(shape) for name, shape in self.parameters.shapes.items()}
        return told_freezing(did, names, self._arrays, sizes, self._frozen)

    def keeps_statistics(self, step: Step) -> bool:
        """Whether a layer's running statistics are frozen, so that it takes them in training."""
        running = step.layer.running.values()
        return any(f"{step.owner}.{buffer.name}" in self._frozen for buffer in running)

    def declarations(self, batch_size: int, *, training: bool) -> dict[str, Declaration]:
        """Each layer's declaration for a batch of this size, by layer name.

        Raises:
            ShapeError: a layer that does not fit, or whose output no memory would hold; the
                message holds the plan down to it.
        """
        shapes = {name: (batch_size, *shape) for name, shape in self.inputs.items()}
        found: dict[str, Declaration] = {}
        for step in self.steps:
            sources = [shapes[name] for name in step.sources]
            try:
                learns = training and not self.keeps_statistics(step)
                declaration = step.layer.declare(*sources, training=learns)
                check_bounded(declaration)
            except ShapeError as cause:
                from ..plan.misfit import misfit_error  # most networks fit

                raise misfit_error(self.outline, found, cause, batch_size) from None
            found[step.name] = declaration
            equation = declaration.equation
            shapes[step.output] = equation.shape_of[equation.target.array]
        return found

    def system(
        self, batch_size: int, *, training: bool = False, loss: Loss | None = None
    ) -> System:
        """The equations of a forward pass, with the loss at the end if one is given.

        Raises:
            ShapeError: the outputs are not what the loss compares.
        """
        key = (batch_size, training, loss)
        found = self._systems.get(key)  # other threads may clear them at any time
        if found is None:
            if len(self._systems) > 16:
                self._systems.clear()
            found = self._systems[key] = self._system(batch_size, training, loss)
        return found

    def _system(self, batch_size: int, training: bool, loss: Loss | None) -> System:
        declared = self.declarations(batch_size, training=training)
        nodes = [layer_node(step, declared[step.name]) for step in self.steps]
        check_counts(nodes)
        if loss is not None:
            nodes += [*loss_nodes(loss, self._compared(loss), nodes)]
        return System(tuple(nodes), tuple(self.inputs))

    def _compared(self, loss: Loss) -> dict[str, str]:
        """The outputs that a loss reads; of several each must have its own.

        Raises:
            ArgumentError: there are several outputs, but one loss.
        """
        outputs = self.outputs
        return outputs if loss.parts else dict.fromkeys([*outputs][:1], self.output_name)

    def checked(self, x: Any, name: str = "x") -> np.ndarray:
        """`x` as samples of this network, checked; of several inputs as rows.

        Raises:
            DataError: samples that do not fit.
        """
        if len(self.inputs) == 1 and not isinstance(x, Mapping):
            return checked_samples(x, self.input_shape, self.dtype, name=name)
        return packed(x, self.inputs, self.dtype, name).reshape(-1, *self.sample_shape)

    def by_input(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Samples as `checked` gives them, by the names of the inputs."""
        return unpacked(x, self.inputs)

    def architecture(self) -> dict[str, Any]:
        """Inputs, dtype, layers and what is frozen as JSON; see `from_architecture`."""
        from .description import architecture_of  # few programs save one

        if not self._frozen:
            return architecture_of(self)
        from .freezing import as_listed

        return architecture_of(self) | {"frozen": as_listed(self._frozen, self._arrays)}

    def __getstate__(self) -> dict[str, Any]:
        """Without the systems, which are made again when they are asked for."""
        return {name: held for name, held in vars(self).items() if name != "_form"} | {
            "_systems": {}
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was; a network of before is a list of layers and has nothing frozen."""
        if "inputs" not in state:
            held = {"inputs": {INPUT: state.pop("input_shape")}, "_chain": state.pop("layers")}
            state |= held | {"outputs": {OUTPUT: state.pop("output_name")}}
        vars(self).update({"_frozen": frozenset(), "_form": object(), "_replaced": {}} | state)

    def __repr__(self) -> str:
        if self._chain is None:
            from .written import functional_text  # most networks are lists

            return functional_text(self)
        inside = "".join(f"    {layer!r},\n" for layer in self._chain)
        return f"Network({self.input_shape}, [\n{inside}], seed={self.seed})"
