"""A network: layers laid out as a flat graph of equations, with the parameters in it.

The file is long by its docstrings: all that a network is asked is found here, and most methods hand
over to the module that answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from .calls import asked_inside, told, written
from .equation import Access, Node, Normalisation, System
from .equation.frozen import frozen
from .errors import ArgumentError, DataError, ShapeError, warn
from .layers import Declaration, Layer, Loss
from .layers.base import Draws, positive, seeded
from .layers.branches import chain
from .layers.initialization import initial
from .named_arrays import NamedArrays
from .pinned import pinned
from .samples import checked_samples, looks_last
from .streams import Drawn

if TYPE_CHECKING:
    from pathlib import Path

    from .engines import Engine
    from .engines.explanation import Explanation
    from .explore.explorer import Explorer
    from .plan import Plan
    from .reach import Reach

__all__ = ["Network", "Step"]

INPUT, LOSS = "input", "loss"

_LARGEST = 1 << 28


@frozen
class Step:
    """One layer in the flat graph.

    Args:
        name: such as `conv1`.
        layer: its settings.
        sources: the names of the arrays it reads, in order.
    """

    name: str
    layer: Layer
    sources: tuple[str, ...]

    @property
    def output(self) -> str:
        """The name of the array it makes."""
        return f"{self.name}.output"


@written("gt.Network(input_shape, [layer, …])")
class Network:
    """Layers with their parameters.

    Args:
        input_shape: one sample without the batch axis: (channels, height, width) or (features,).
        layers: the layers in order; branches are `Residual` and `Concat`.
        seed: what the parameters are drawn from. The same seed gives the same network.
        dtype: of the parameters, float32 or float64.

    Raises:
        ArgumentError: an argument out of its range, or a name given twice.
        ShapeError: a layer that does not fit; the message holds the plan down to it.

    Example:
        >>> net = Network((1, 8, 8), [Conv2d(8, 3), ReLU(), Flatten(), Linear(10)], seed=0)
        >>> net.parameters["conv1.weight"].shape
        (8, 1, 3, 3)
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
        self.seed = seeded("Network", seed)
        try:
            self.dtype = np.dtype(dtype)
        except TypeError:
            self.dtype = np.dtype(object)
        if self.dtype not in (np.float32, np.float64):
            raise ArgumentError(f"Network: dtype must be float32 or float64, got {dtype!r}")
        self._classes: tuple[str, ...] | None = None
        self._drawn = Drawn()
        self.steps = _flat(self.layers)
        self.output_name = self.steps[-1].output
        self._systems: dict[Any, System] = {}
        self._layers = tuple(step.layer for step in self.steps)
        self._declare_arrays(self.declarations(batch_size=1, training=True))

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
                _bounded(declaration)
            except ShapeError as cause:
                from .plan import misfit

                raise misfit(self, found, step, cause, batch_size) from None
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
        nodes = [_node(step, declared[step.name]) for step in self.steps]
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
            nodes.append(_loss_node(type(loss).__name__, declaration, self.output_name))
        return System(tuple(nodes))

    @written("network.plan(batch_size=64)")
    def plan(self, batch_size: int = 1) -> Plan:
        """Every shape and how it arose, parameters, multiply–adds, memory and receptive fields.

        Nothing is allocated for it.

        Args:
            batch_size: N, at least 1.

        Raises:
            ArgumentError: a batch size below 1.
        """
        from .plan import make_plan

        positive("plan", batch_size=batch_size)
        return make_plan(self, int(batch_size))

    @written("network.predict(x)")
    def predict(
        self, x: Any, *, batch_size: int = 256, engine: str | Engine | None = None
    ) -> np.ndarray:
        """The outputs of the last layer, in evaluation (running statistics, no dropout).

        Args:
            x: samples, (N, *input_shape), or `gt.data.Images` such as a folder.
            batch_size: how many samples are computed at once; it changes memory, not results.
            engine: None for the default, "cpu", "reference", or an engine object.

        Returns:
            (N, classes), of the network's dtype.

        Raises:
            DataError: samples of another shape or without numbers.
        """
        from .engines import engine_for

        positive("predict", batch_size=batch_size)
        taken = self._taken(x)
        runs = engine_for(engine, self)
        parts = [
            runs.predict(self, taken(at, min(at + batch_size, len(x))))
            for at in range(0, len(x), batch_size)
        ]
        with np.errstate(over="ignore"):  # beyond float32 is infinity on either engine
            return np.concatenate(parts).astype(self.dtype, copy=False)

    def _taken(self, x: Any) -> Callable[[int, int], np.ndarray]:
        """How to get at some of the samples, checked, as this network takes them.

        Raises:
            DataError: samples of another shape or without numbers.
        """
        from .data.images import Images

        if isinstance(x, Images):
            x.check_shape(self.input_shape, "x")
            return lambda begin, end: x.numbers(begin, end).astype(self.dtype, copy=False)
        samples = self.checked(x).view()
        return partial(_some, samples, pinned(samples))

    @written('network.explain("conv1")')
    def explain(
        self, layer: str, *, loss: Loss | None = None, engine: str | Engine | None = None
    ) -> Explanation:
        """How a layer is computed in a training step: equations, schedules, loops.

        Args:
            layer: its name, or `loss`.
            loss: by default `CrossEntropy()`.
            engine: None for the default, "cpu", "reference", or an engine object.

        Returns:
            What prints as text; `.ir(number)` and `.assembly(number)` give a call's code.

        Raises:
            UnknownNameError: no layer is called so.
        """
        from .engines import engine_for
        from .layers.losses import loss_for

        return engine_for(engine, self).explain(self, layer, loss_for(loss))

    def explore(self, x: Any = None, y: Any = None, **settings: Any) -> Explorer | Path:
        """Open a page on which one learning step can be looked at, taken apart and changed.

        Args:
            x: samples, (N, *input_shape); None for digits from the test part, brought to the
                network's size, where it takes them: one channel, at least 8 × 8, ten outputs or
                more. Any other network gets normal noise with the label 0.
            y: their labels, with `x`.
            settings: `samples`, how many of the samples are shown, by default the first 16; `loss`,
                `training`, `seed` and `engine` as of `gt.trace`; and the arguments of
                `Trace.explore`.

        Returns:
            See `Trace.explore`. Nothing that is done on the page changes this network.

        Raises:
            ArgumentError: a setting out of its range.
            DataError: samples or labels that do not fit.
        """
        from .explore.explorer import explore_network

        return explore_network(self, x, y, **settings)

    @written('network.receptive_field("conv1", (y, x))')
    def receptive_field(
        self, layer: str, position: Any, *, of: str = "input", training: bool = False
    ) -> Reach:
        """The elements that an output of a layer depends on, exactly; no data is needed.

        Args:
            layer: a layer's name, or an array's.
            position: (y, x) for all channels there, or (c, y, x); in a flat array one number.
            of: "input", a layer before it, or a parameter: which weights take part.
            training: in training batch norm reads its whole channel; else each element alone.

        Returns:
            The elements of one sample; it prints as a sentence.

        Raises:
            UnknownNameError: no layer or array is called so.
            ArgumentError: a position that does not fit, or `of` not before `layer`.

        Example:
            >>> net = Network((1, 28, 28), [Conv2d(6, 5), MaxPool2d(2), Conv2d(16, 5)])
            >>> net.receptive_field("conv2", (1, 3))
            conv2 at (1, 3) sees input rows 2–15, columns 6–19 of 1 channel: all 196 elements there
            >>> net.receptive_field("conv2", (1, 3), of="pool1").rows
            (1, 2, 3, 4, 5)
        """
        from .reach import receptive_field

        return receptive_field(self, layer, position, of, training=training)

    @written('network.projective_field("input", (y, x))')
    def projective_field(
        self, layer: str, position: Any, *, to: str | None = None, training: bool = False
    ) -> Reach:
        """The elements that depend on an element, directly or through others: the other direction.

        Args:
            layer: "input", a layer's name, or an array's; a parameter's, too.
            position: (y, x) for all channels there, or (c, y, x); in a flat array one number, in a
                parameter one for each axis.
            to: a layer behind it; None for the network's output.
            training: in training batch norm reads its whole channel; else each element alone.

        Returns:
            The elements of one sample; it prints as a sentence.

        Raises:
            UnknownNameError: no layer or array is called so.
            ArgumentError: a position that does not fit, or `to` not behind `layer`.

        Example:
            >>> net = Network((1, 28, 28), [Conv2d(6, 5), MaxPool2d(2), Conv2d(16, 5)])
            >>> net.projective_field("input", (0, 9), to="conv1").columns
            (5, 6, 7, 8, 9)
        """
        from .reach import projective_field

        return projective_field(self, layer, position, to, training=training)

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

    @written('network.save("net.safetensors")')
    def save(self, path: Any) -> None:
        """Write weights, running statistics and architecture as one safetensors file.

        Raises:
            ArgumentError: the file's name says that it is of another format.
            FileError: the file cannot be written; an older one stays as it was.
        """
        from .files import save_network

        save_network(self, path)

    if not TYPE_CHECKING:  # so that a type checker still knows what there is

        def __getattr__(self, name: str) -> Any:
            """What other libraries' networks have is named with what to write here."""
            from .other_libraries import attribute_for

            known = [] if name.startswith("_") else [step.name for step in self.steps]
            raise AttributeError(f"a network has no attribute {name!r}{attribute_for(name, known)}")

        def __call__(self, *arguments: Any, **keywords: Any) -> Any:
            """Refused: a network predicts, or is traced."""
            raise ArgumentError(
                "a network is not called: write network.predict(x), or gt.trace(network, x, y) "
                "for all that it computes"
            )

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
    whole = all(
        isinstance(s, int | np.integer) and not isinstance(s, bool) and s > 0 for s in shape
    )
    if not whole or not 1 <= len(shape) <= 4:
        raise ArgumentError(
            "Network: input_shape is one sample's (channels, height, width) or (features,), whole "
            f"numbers ≥ 1 and without the batch, got {told(input_shape)}"
        )
    if prod(shape) > _LARGEST:
        raise ArgumentError(
            f"Network: one sample of {shape} has {prod(shape):,} numbers; at most {_LARGEST:,} are "
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


def _flat(layers: Sequence[Any]) -> tuple[Step, ...]:
    """The layers in topological order, named and tied together.

    Raises:
        ArgumentError: a name that is taken, or that cannot be told from an array's.
    """
    counts: dict[str, int] = {}
    steps: list[Step] = []

    def add(layer: Layer, sources: tuple[str, ...]) -> str:
        counts[layer.prefix] = counts.get(layer.prefix, 0) + 1
        name = layer.name or f"{layer.prefix}{counts[layer.prefix]}"
        if not isinstance(name, str) or not name.isidentifier() or name in (INPUT, LOSS):
            raise ArgumentError(
                f"a layer's name is a word of letters, digits and _, and not {INPUT} or {LOSS}; "
                f"got {name!r}"
            )
        if any(step.name == name for step in steps):
            raise ArgumentError(f"two layers are called {name!r}; give one another name")
        steps.append(Step(name, layer, sources))
        return steps[-1].output

    def follow(chained: Sequence[Any], source: str) -> str:
        for entry in chained:
            if isinstance(entry, Layer):
                source = add(entry, (source,))
            else:
                ends = tuple([follow(branch, source) for branch in entry.branches])
                source = add(entry.join, ends)
        return source

    follow(layers, INPUT)
    return tuple(steps)


def _node(step: Step, declaration: Declaration) -> Node:
    """A layer's equation with its letters tied to array names."""
    named: dict[str, str] = {}
    for letters in (declaration.parameters, declaration.buffers):
        named |= {letter: entry.name for letter, entry in letters.items()}
    named |= {**declaration.given, **declaration.saved}
    named[declaration.equation.target.array] = "output"
    tied = dict(zip(declaration.sources, step.sources, strict=True))
    tied |= {letter: f"{step.name}.{name}" for letter, name in named.items()}
    return Node(
        step.name,
        step.layer.kind,
        declaration.equation,
        tuple(tied.items()),
        declaration.sources,
        tuple(declaration.parameters),
    )


def _loss_node(kind: str, declaration: Declaration, prediction: str) -> Node:
    """The loss, which is called just `loss`."""
    equation = declaration.equation
    named = {**declaration.given, **declaration.saved}
    tied = {declaration.sources[0]: prediction}
    tied |= {letter: f"{LOSS}.{name}" for letter, name in named.items()}
    tied[equation.target.array] = LOSS
    return Node(LOSS, kind, equation, tuple(tied.items()), declaration.sources)


def _bounded(declaration: Declaration) -> None:
    """Refuse an output or an input, with the padding that its accesses declare, beyond any memory.

    A plan, which counts positions that are read, would not fit either.

    Raises:
        ShapeError: it is so.
    """
    equation = declaration.equation
    kept = {equation.target.array, *declaration.sources}
    met = (equation.target, *(a for a in equation.accesses if a.array in kept))
    count = max(_padded(access, equation.shape_of[access.array]) for access in met)
    if count > _LARGEST:
        numbers = f"{count:,}" if count < 10**15 else "more than 10¹⁵"
        raise ShapeError(
            f"takes and gives at most {_LARGEST:,} numbers for one sample, but would make "
            f"{numbers}",
            "Use fewer channels or features, less padding, or a smaller input",
        )


def _padded(access: Access, shape: tuple[int, ...]) -> int:
    """How many numbers of one sample an access may look for, the padding included."""
    margins = (access.margin(axis) for axis in range(1, len(shape)))
    sizes = zip(shape[1:], margins, strict=True)
    return prod(size + max(p, 0) + max(q, 0) for size, (p, q) in sizes)


def _some(samples: np.ndarray, _held: object, begin: int, end: int) -> np.ndarray:
    """Some samples, which stay where they are from one batch to the next."""
    return samples[begin:end]
