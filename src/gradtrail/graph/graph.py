"""A network as everything here knows it: a flat graph of equations, with the parameters in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from ..checking.arguments import is_whole, whole_number
from ..checking.calls import AnyNetwork, asked_inside, in_short
from ..checking.input_samples import checked_samples, looks_last
from ..equation import Normalisation, System
from ..errors import ArgumentError, DataError, ShapeError, warn
from ..layers import Declaration, Loss
from ..layers.branches import chain
from ..layers.initialization import initial
from ..layers.layer import Draws
from ..layers.steps import INPUT, flat
from ..plan.misfit import misfit_error
from ..plan.plan import Outline
from ..streams import Drawn
from .named_arrays import NamedArrays
from .nodes import LARGEST, check_bounded, layer_node, loss_node

__all__ = ["Graph"]


class Graph(AnyNetwork):
    """Layers as a flat list of steps, their equations, and the arrays that these name.

    Args and errors are those of `Network`, which is what users hold.
    """

    input_name = INPUT

    def __init__(
        self,
        input_shape: Sequence[int],
        layers: Sequence[Any],
        *,
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        self.input_shape = _sample_shape(input_shape)
        _tell_if_last(self.input_shape)
        self.layers = chain("Network", layers)
        if not self.layers:
            raise ArgumentError("Network: needs at least one layer, got none")
        self.seed = whole_number("Network: seed", seed, 0)
        try:
            self.dtype = np.dtype(dtype)
        except TypeError:
            self.dtype = np.dtype(object)
        if self.dtype not in (np.float32, np.float64):
            raise ArgumentError(f"Network: dtype must be float32 or float64, got {dtype!r}")
        self._classes: tuple[str, ...] | None = None
        self._drawn = Drawn()
        self.steps = flat(self.layers)
        self.output_name = self.steps[-1].output
        self._systems: dict[Any, System] = {}
        self._layers = tuple(step.layer for step in self.steps)
        self._declare_arrays(self.declarations(batch_size=1, training=True))

    @property
    def outline(self) -> Outline:
        """What the plan reads of it."""
        return Outline(self.input_shape, self.steps, self.dtype.itemsize)

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

    def _declare_arrays(self, declared: Mapping[str, Declaration]) -> None:
        """Name all parameters and buffers; nothing is allocated."""
        shapes: dict[str, tuple[int, ...]] = {}
        made: dict[str, tuple[Any, ...]] = {}
        running: dict[str, tuple[int, ...]] = {}
        starts: dict[str, float] = {}
        for step in self.steps:
            declaration = declared[step.name]
            for letter, parameter in declaration.parameters.items():
                name = f"{step.name}.{parameter.name}"
                shapes[name] = declaration.equation.shape_of[letter]
                fans = (parameter.fan_in, parameter.fan_out)
                made[name] = (parameter.initialization, shapes[name], *fans, self.seed, len(made))
            for letter, buffer in step.layer.running.items():
                name = f"{step.name}.{buffer.name}"
                running[name] = declaration.equation.shape_of[letter]
                starts[name] = buffer.initial
        self.parameters = NamedArrays(shapes, self.dtype, partial(_drawn, made), "parameter")
        self.buffers = NamedArrays(running, self.dtype, partial(_filled, starts), "buffer")

    def declarations(self, batch_size: int, *, training: bool) -> dict[str, Declaration]:
        """Each layer's declaration for a batch of this size, by layer name.

        Raises:
            ShapeError: a layer that does not fit, or whose output no memory would hold; the
                message holds the plan down to it.
        """
        shapes = {INPUT: (batch_size, *self.input_shape)}
        found: dict[str, Declaration] = {}
        for step in self.steps:
            sources = [shapes[name] for name in step.sources]
            try:
                declaration = step.layer.declare(*sources, training=training)
                check_bounded(declaration)
            except ShapeError as cause:
                raise misfit_error(self.outline, found, step, cause, batch_size) from None
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
        for node in nodes:
            if isinstance(node.equation, Normalisation) and node.equation.count.integer == 1:
                raise DataError(
                    f"layer '{node.name}' ({node.kind}) normalises over samples and positions, but "
                    "a batch of 1 sample has 1 position there; choose a batch_size that leaves at "
                    "least 2 samples to every batch"
                )
        if loss is not None:
            equation = nodes[-1].equation
            prediction = equation.shape_of[equation.target.array]
            try:
                declaration = loss.declare(prediction)
            except ShapeError as cause:
                kind = type(loss).__name__
                last = f"layer {len(nodes)} '{nodes[-1].name}'"
                raise ShapeError(
                    f"loss ({kind}): {cause.cause} from {last}", cause.remedy
                ) from None
            nodes.append(loss_node(type(loss).__name__, declaration, self.output_name))
        return System(tuple(nodes))

    def checked(self, x: Any, name: str = "x") -> np.ndarray:
        """`x` as samples of this network; see `samples.checked_samples`."""
        return checked_samples(x, self.input_shape, self.dtype, name=name)

    def given(self, system: System, *, seed: int = 0, step: int = 0) -> dict[str, np.ndarray]:
        """The arrays that are neither computed nor trained: dropout's masks and constants."""
        found: dict[str, np.ndarray] = {}
        for place, (node, layer) in enumerate(zip(system.nodes, self._layers, strict=False)):
            arrays = layer.given(node.equation, Draws(seed, step, place))
            found |= {node.array_of[letter]: array for letter, array in arrays.items()}
        return found

    def targets(self, system: System, targets: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The loss's given arrays under their names: `loss.target`."""
        letters = system.nodes[-1].array_of
        return {letters[letter]: array for letter, array in targets.items()}

    def running_after(
        self,
        system: System,
        values: Mapping[str, np.ndarray],
        before: Mapping[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        """The running statistics after a training step, under their names.

        Args:
            system: the equations of the step.
            values: the arrays of the step.
            before: the running statistics before it.
        """
        found: dict[str, np.ndarray] = {}
        for node, layer in zip(system.nodes, self._layers, strict=False):
            if not layer.running:
                continue
            names = {a: f"{node.name}.{buffer.name}" for a, buffer in layer.running.items()}
            source = values[node.inputs[0]]
            after = layer.running_after(
                source.size // source.shape[1],
                {a: values[node.array_of[a]] for a in names},
                {a: before[name] for a, name in names.items()},
            )
            found |= {names[letter]: array for letter, array in after.items()}
        return found

    def architecture(self) -> dict[str, Any]:
        """Input shape, dtype and layers as JSON; see `from_architecture`."""
        return {
            "input_shape": list(self.input_shape),
            "dtype": str(self.dtype),
            "layers": [layer.settings() for layer in self.layers],
        }

    def __getstate__(self) -> dict[str, Any]:
        """Without the systems, which are made again when they are asked for."""
        return {**vars(self), "_systems": {}}

    def __repr__(self) -> str:
        inside = "".join(f"    {layer!r},\n" for layer in self.layers)
        return f"Network({self.input_shape}, [\n{inside}], seed={self.seed})"


def _drawn(made: Mapping[str, tuple[Any, ...]], name: str) -> np.ndarray:
    """A parameter's starting values."""
    return initial(*made[name])


def _filled(starts: Mapping[str, float], name: str) -> float:
    """A running statistic's starting value."""
    return starts[name]


def _sample_shape(input_shape: Any) -> tuple[int, ...]:
    """The shape of one sample, checked."""
    if isinstance(input_shape, np.ndarray) and input_shape.ndim == 1 and len(input_shape) <= 4:
        input_shape = input_shape.tolist()
    shape = tuple(input_shape) if isinstance(input_shape, Sequence) else (input_shape,)
    if not all(is_whole(s, 1) for s in shape) or not 1 <= len(shape) <= 4:
        raise ArgumentError(
            "Network: input_shape is one sample's (channels, height, width) or (features,), whole "
            f"numbers ≥ 1 and without the batch, got {in_short(input_shape)}"
        )
    if prod(shape) > LARGEST:
        raise ArgumentError(
            f"Network: one sample of {shape} has {prod(shape):,} numbers; at most {LARGEST:,} are "
            "taken, more would not fit into memory"
        )
    return tuple(int(s) for s in shape)


def _tell_if_last(shape: tuple[int, ...]) -> None:
    """Say that a shape looks like (height, width, channels), where a person wrote it.

    A network that a file, a model of another library or images gave its shape is told of nothing.
    """
    if looks_last(shape) and not asked_inside(__file__):
        channels, height, width = shape
        warn(
            f"Network: input_shape {shape} is taken to be {channels} channels of {height} × "
            f"{width}, (channels, height, width); if the channels are last, write "
            f"{(width, channels, height)}, and pass x.transpose(0, 3, 1, 2)"
        )
