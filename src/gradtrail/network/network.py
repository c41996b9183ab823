"""The network that users hold: a graph, and whom it hands each question over to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checking.arguments import positive
from ..checking.calls import call_example
from ..equation import System
from ..errors import ArgumentError
from ..graph import Graph
from ..layers import Layer
from ..layers.loss_functions import AnyLoss
from ..machine.pinning import pin

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from ..engines import Engine
    from ..engines.explanation import Explanation
    from ..exploring import Explorer
    from ..fields.reach import Reach
    from ..optimizers import Optimizer
    from ..plan.plan import Plan


@call_example("gt.Network(input_shape, [layer, …])")
class Network(Graph):
    """Layers with their parameters.

    Args:
        input_shape: one sample without the batch axis: (channels, height, width) or (features,).
            For a graph what `gt.Input` gave, or a list of such.
        layers: the layers in order; branches are `Residual` and `Concat`. For a graph the node
            that it ends with, or several, in a list or by their names; see docs/graphs.md.
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

    @call_example("network.plan(batch_size=64)")
    def plan(self, batch_size: int = 1) -> Plan:
        """Every shape and how it arose, parameters, multiply–adds, memory and receptive fields.

        Nothing is allocated for it.

        Args:
            batch_size: N, at least 1.

        Raises:
            ArgumentError: a batch size below 1.
        """
        from ..plan.plan import make_plan

        positive("plan", batch_size=batch_size)
        declared = self.declarations(int(batch_size), training=True)
        return make_plan(self.outline, declared, int(batch_size))

    @call_example("network.predict(x)")
    def predict(self, x: Any, *, batch_size: int = 256, engine: str | Engine | None = None) -> Any:
        """The outputs of the last layer, in evaluation (running statistics, no dropout).

        Args:
            x: samples, (N, *input_shape), or `gt.data.Images` such as a folder; of several inputs
                a mapping by their names, or as many arrays in their order.
            batch_size: how many samples are computed at once; it changes memory, not results.
            engine: None for the default, "cpu", "reference", or an engine object.

        Returns:
            (N, classes), of the network's dtype; of several outputs one each, by their names, or
            in a list where the network was given a list.

        Raises:
            DataError: samples of another shape or without numbers.
        """
        from ..engines import engine_for
        from ..engines.predicting import predict
        from ..graph.packed_samples import outputs_by_name

        positive("predict", batch_size=batch_size)
        taken, count = self._taken(x)
        rows = predict(self, taken, count, int(batch_size), engine_for(engine, self))
        if len(self.outputs) == 1:
            return rows
        shapes = self.system(1).shapes
        return outputs_by_name(rows, {n: shapes[a][1:] for n, a in self.outputs.items()})

    def _taken(self, x: Any) -> tuple[Callable[[int, int], np.ndarray], int]:
        """How to get at some of the samples, checked, as this network takes them; and how many.

        Raises:
            DataError: samples of another shape or without numbers.
        """
        from ..data.images import Images

        if isinstance(x, Images):
            x.check_shape(self.input_shape, "x")
            kind = self.dtype
            return (lambda begin, end: x.numbers(begin, end).astype(kind, copy=False)), len(x)
        samples = self.checked(x).view()
        return partial(_some, samples, pin(samples)), len(samples)

    @call_example('network.explain("conv1")')
    def explain(
        self, layer: str, *, loss: AnyLoss | None = None, engine: str | Engine | None = None
    ) -> Explanation:
        """How a layer is computed in a training step: equations, schedules, loops.

        Args:
            layer: its name, or `loss`.
            loss: by default `CrossEntropy()`; of several outputs a mapping, as of `gt.trace`.
            engine: None for the default, "cpu", "reference", or an engine object.

        Returns:
            What prints as text; `.ir(number)` and `.assembly(number)` give a call's code.

        Raises:
            UnknownNameError: no layer is called so.
        """
        from ..engines import engine_for
        from ..graph.output_losses import network_loss

        return engine_for(engine, self).explain(self, layer, network_loss(self, loss))

    @call_example("network.explore(x, y, samples=16)")
    def explore(
        self,
        x: Any = None,
        y: Any = None,
        *,
        samples: int = 16,
        loss: AnyLoss | None = None,
        training: bool = True,
        seed: int = 0,
        engine: str | Engine | None = None,
        optimizer: Optimizer | None = None,
        open: bool = True,
        block: bool | None = None,
        port: int = 0,
        save: str | PathLike[str] | None = None,
        numbers: Sequence[int] | None = None,
        title: str = "",
    ) -> Explorer | Path:
        """Open a page on which one learning step can be looked at, taken apart and changed.

        Args:
            x: samples, (N, *input_shape); None for digits from the test part, brought to the
                network's size, where it takes them: one channel, at least 8 × 8, ten outputs or
                more. Any other network gets normal noise with the label 0.
            y: their labels, with `x`.
            samples: how many of the samples are shown, the first ones.
            loss: as of `gt.trace`, and so are `training`, `seed` and `engine`.
            training: batch statistics and dropout; False for evaluation.
            seed: what dropout's masks, and noise, follow from.
            engine: None for the default, "cpu", "reference", or an engine object.
            optimizer: as of `Trace.explore`, and so are all that follow.
            open: whether the browser is opened.
            block: whether to wait until Ctrl-C.
            port: on 127.0.0.1; 0 for any that is free.
            save: a file that the page is written to instead of serving it.
            numbers: (N,) the samples' places in the data that they are from.
            title: what the page is called.

        Returns:
            See `Trace.explore`. Nothing that is done on the page changes this network.

        Raises:
            ArgumentError: a setting out of its range.
            DataError: samples or labels that do not fit.
        """
        from ..exploring.explorer import explore

        return explore(
            self,
            x,
            y,
            samples=samples,
            loss=loss,
            training=training,
            seed=seed,
            engine=engine,
            optimizer=optimizer,
            open=open,
            block=block,
            port=port,
            save=save,
            numbers=numbers,
            title=title,
        )

    def _field_system(self, training: bool) -> System:
        """The equations for fields: in training batch norm needs a second sample to see one."""
        return self.system(2 if training else 1, training=training)

    @call_example('network.receptive_field("conv1", (y, x))')
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
        from ..fields.reach import structural_field

        system = self._field_system(training)
        return structural_field("receptive", system, layer, position, of)

    @call_example('network.projective_field("input", (y, x))')
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
        from ..fields.reach import structural_field

        end = self.output_name if to is None else to
        system = self._field_system(training)
        return structural_field("projective", system, layer, position, end)

    @call_example('network.save("net.safetensors")')
    def save(self, path: Any) -> None:
        """Write weights, running statistics and architecture as one safetensors file.

        Raises:
            ArgumentError: the file's name says that it is of another format.
            FileError: the file cannot be written; an older one stays as it was.
        """
        from ..network.saving import save_network

        save_network(self, path)

    @call_example("network.replace_head(gt.Linear(5))")
    def replace_head(self, layer: Layer, name: str | None = None) -> None:
        """Put a fresh layer in the place of the last one that has parameters, in this network.

        All other layers keep their arrays, and what is frozen stays so; the new layer is trained.
        The names of the classes are forgotten.

        Args:
            layer: such as `gt.Linear(5)`. It takes the old one's name, unless it has its own.
            name: of the layer to replace, instead of the last.

        Raises:
            ArgumentError: no layer, or there is none to replace.
            ShapeError: it does not fit there, or what is behind does not fit it; nothing was
                changed.
            UnknownNameError: no layer with parameters is called `name`.
        """
        from .heads import with_head

        made = with_head(self, layer, name)
        vars(self).update(vars(made))

    if not TYPE_CHECKING:  # so that a type checker still knows what there is

        def __getattr__(self, name: str) -> Any:
            """What other libraries' networks have is named with what to write here."""
            from ..checking.other_libraries import attribute_for

            known = [] if name.startswith("_") else [step.name for step in self.steps]
            raise AttributeError(f"a network has no attribute {name!r}{attribute_for(name, known)}")

        def __call__(self, *arguments: Any, **keywords: Any) -> Any:
            """Refused: a network predicts, or is traced."""
            raise ArgumentError(
                "a network is not called: write network.predict(x), or gt.trace(network, x, y) "
                "for all that it computes"
            )


def _some(samples: np.ndarray, _held: object, begin: int, end: int) -> np.ndarray:
    """Some samples, which stay where they are from one batch to the next."""
    return samples[begin:end]
