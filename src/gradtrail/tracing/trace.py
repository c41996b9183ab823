"""One learning step with everything kept: forward, loss, backward; nothing is updated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checking.arguments import flags, whole_number
from ..checking.calls import call_example
from ..engines import Batch, Engine, engine_for
from ..equation import System
from ..graph.output_losses import network_loss
from ..layers import Loss
from ..layers.loss_functions import AnyLoss
from ..showing.tables import Table
from .overview import DeadLayer, GradientLayer, Overview, TiedLayer, dead, ties, vanishing
from .sides import Gradients, Values
from .traced_step import TracedStep

# For annotations alone: fields and the explorer are imported when they are asked for.
if TYPE_CHECKING:
    import os
    from pathlib import Path

    from ..exploring.explorer import Explorer
    from ..fields.reach import Reach
    from ..graph import Graph
    from ..optimizers import Optimizer


@dataclass(frozen=True, eq=False)
class Origin:
    """What a step was traced from.

    Args:
        network: the network itself, which may have been changed since.
        x: samples, (N, *input_shape).
        y: their labels.
        loss: at the end.
        training: batch statistics and dropout, or evaluation.
        seed: what dropout's masks follow from.
        engine: as it was asked for.
    """

    network: Graph
    x: np.ndarray
    y: np.ndarray
    loss: Loss
    training: bool
    seed: int
    engine: str | Engine | None


class Trace:
    """A traced step.

    Args:
        loss: the mean loss of the batch.
        step: the sums of the step.
        origin: what it was traced from.
    """

    def __init__(self, loss: float, step: TracedStep, origin: Origin) -> None:
        self.loss, self.step, self.origin = loss, step, origin
        self.value, self.grad = Values(step), Gradients(step)

    @property
    def system(self) -> System:
        """The equations of the step."""
        return self.step.system

    def ties(self) -> Overview[TiedLayer]:
        """Each layer that takes maxima: windows in which several elements are the greatest."""
        return ties(self.step)

    def dead(self) -> Overview[DeadLayer]:
        """Each activation that can be closed: units that are so for the whole batch."""
        return dead(self.step)

    def vanishing(self) -> Overview[GradientLayer]:
        """Each layer: how large its gradients are, beside the last layer's and its weights."""
        return vanishing(self.step)

    def receptive_field(self, name: str, index: Any = (), *, of: str = "input") -> Reach:
        """The elements that an element was made of in this step.

        As `Network.receptive_field`, but through a max pooling only from the element that won. A
        weight, a slope or a dropout mask of 0 cuts nothing.

        Args:
            name: a layer's, or an array's.
            index: which element, one whole number per axis, the sample first.
            of: "input", a layer before it, or a parameter.

        Returns:
            The elements, samples on the first axis; it prints as a sentence.

        Raises:
            UnknownNameError: no layer or array is called so.
            ArgumentError: an index that does not fit, or `of` not before the array.

        Example:
            >>> t = trace(net, x, y)
            >>> t.receptive_field("pool1", (3, 0, 2, 2), of="conv1")
            pool1 at (3, 0, 2, 2) sees conv1 row 5, column 4 of channel 0 in sample 3: 1 element
            through each max pooling only by the element that won
        """
        from .traced_fields import traced_field

        name, index = self.step.name_and_index("value", name, index)
        return traced_field("receptive", self.step, name, index, of)

    def projective_field(self, name: str, index: Any = (), *, to: str | None = None) -> Reach:
        """The elements that an element had a part in: the other direction.

        Args:
            name: "input", a layer's, or an array's; a parameter's, too.
            index: which element, one whole number per axis, the sample first.
            to: a layer behind it, or "loss"; None for the network's output.

        Returns:
            The elements, samples on the first axis; it prints as a sentence.

        Raises:
            UnknownNameError: no layer or array is called so.
            ArgumentError: an index that does not fit, or `to` not behind the array.
        """
        from .traced_fields import traced_field

        name, index = self.step.name_and_index("value", name, index)
        end = self.origin.network.output_name if to is None else to
        return traced_field("projective", self.step, name, index, end)

    @call_example("t.explore()")
    def explore(
        self,
        *,
        optimizer: Optimizer | None = None,
        open: bool = True,
        block: bool | None = None,
        port: int = 0,
        save: str | os.PathLike[str] | None = None,
        numbers: Sequence[int] | None = None,
        title: str = "",
    ) -> Explorer | Path:
        """Open a page on which the step can be looked at, taken apart and changed.

        It is served on this machine alone. In a Jupyter notebook nothing is opened: what comes back
        shows itself.

        Args:
            optimizer: what an update on the page is made by; by default SGD with a rate of 0.05.
            open: whether the browser is opened.
            block: whether to wait until Ctrl-C; None for doing so unless somebody types line by
                line, as in Python's or IPython's prompt.
            port: on 127.0.0.1; 0 for any that is free.
            save: a file that the page is written to, such as `step.html`, instead of serving it.
            numbers: (N,) the samples' places in the data that they are from; by default 0, 1, ….
            title: what the page is called.

        Returns:
            The explorer, with its `url`, the edited copy of the `network`, `save` and `close`;
            with `save=`, the file's path.

        Raises:
            ArgumentError: a setting out of its range, or a port that is taken.
            FileError: the file cannot be written.
        """
        from ..exploring.explorer import Explorer

        explorer = Explorer.of(self, optimizer=optimizer, numbers=numbers, title=title, port=port)
        return explorer.begin(open=open, block=block, save=save)

    def __repr__(self) -> str:
        return f"Trace(loss={self.loss:.6g}, {len(self.value)} values, {len(self.grad)} gradients)"

    def _repr_html_(self) -> str:
        gradients = set(self.step.names("grad"))
        listed = self.step.array_rows("value")
        rows = [(*row, "yes" if row[0] in gradients else "") for row in listed]
        return Table((repr(self),), ("name", "shape", "layer", "gradient"), rows).html()


@call_example("gt.trace(network, x, y)", models=True)
def trace(
    network: Graph | Any,
    x: Any,
    y: Any,
    *,
    loss: AnyLoss | None = None,
    training: bool = True,
    seed: int = 0,
    step: int = 0,
    engine: str | Engine | None = None,
    per_sample: bool = False,
) -> Trace:
    """Run forward, loss and backward on one batch and keep every array; nothing is changed.

    Each number is the sum of products that its equation says, so what is zero is exactly zero; a
    training may use algorithms that compute several sums together (Winograd's) and differ in the
    last bits. An engine object is taken as it is.

    Args:
        network: any network, or a PyTorch module, which is read as `from_torch` reads it.
        x: samples, (N, *input_shape).
        y: their labels.
        loss: by default `CrossEntropy()`; of a module PyTorch's losses, too. Of several outputs a
            mapping of theirs to a loss each, or to (loss, weight).
        training: batch statistics and dropout; False for evaluation.
        seed: what dropout's masks follow from.
        step: which step of a network's trainings these masks are of.
        engine: None for the default, "cpu", "reference", or an engine object.
        per_sample: whether each sample's gradients are computed, too: `t.grad.per_sample`.

    Returns:
        The trace: `loss`, `value` and `grad`.

    Raises:
        ArgumentError: no network, or a flag that is neither True nor False.
        DataError: samples or labels that do not fit.
    """
    flags("trace", training=training, per_sample=per_sample)
    loss = network_loss(network, loss)
    samples, seed = network.checked(x), whole_number("trace: seed", seed, 0)
    batch = Batch.of(network, samples, y, loss, seed, whole_number("trace: step", step, 0))
    runs = engine_for(engine, network)
    if not isinstance(engine, Engine):
        runs = runs.direct
    computed = runs.compute(network, batch, loss, training=training, per_sample=per_sample)
    system = network.system(len(samples), training=training, loss=loss)
    sums = TracedStep(
        system, computed.values, computed.gradients, computed.per_sample, network.foreign_names
    )
    origin = Origin(network, samples, batch.y, loss, bool(training), seed, engine)
    return Trace(float(computed.values["loss"]), sums, origin)
