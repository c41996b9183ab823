"""What is learned from: samples with their labels, checked, and the batches taken of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checking.input_samples import as_array
from ..errors import DataError
from ..graph.packed_samples import packed_shape
from ..machine.pinning import pin

if TYPE_CHECKING:
    from ..graph import Graph
    from ..layers import Loss

Arrays = Mapping[str, np.ndarray]
"""Arrays by name: `conv1.output`, `fc1.weight`, `loss.target`."""


_GOLDEN = 0x9E3779B97F4A7C15
"""Between the seeds of a batch's pieces: 2⁶⁴ over the golden ratio."""


class Samples:
    """Data to learn from, checked: samples, labels, and the loss that compares them.

    Labels are copied: engines read classes and targets by address, so what is read must be what was
    checked, whatever a caller does to the array meanwhile. Samples are read where they lie, and
    stay there; no value of theirs leads anywhere else.

    Args:
        x: (M, C, H, W), C-contiguous.
        y: (M, …), as the loss takes it.
        loss: the loss.
        outputs: the shape of one sample's output.

    Raises:
        DataError: labels that do not fit.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, loss: Loss, outputs: tuple[int, ...]) -> None:
        self.x, self.y, self.loss, self.outputs = x, y, loss, outputs
        self._pinned = pin(x)

    @classmethod
    def of(cls, network: Graph, data: Any, loss: Loss, name: str = "data") -> Samples:
        """Samples and labels as the caller gave them, all of them checked.

        Args:
            network: that they are for.
            data: a pair (samples, labels).
            loss: the loss.
            name: what the caller calls the pair.

        Raises:
            DataError: no pair, samples or labels that do not fit, or labels that do not count.
        """
        if not isinstance(data, tuple | list) or len(data) != 2:
            got = f"{len(data)} entries" if isinstance(data, tuple | list) else type(data).__name__
            raise DataError(f"{name} must be a pair (samples, labels), got {got}{_pair_hint(data)}")
        try:
            x = network.checked(data[0])
            y, outputs = _checked_labels(network, data[1], len(x), loss)
        except DataError as cause:
            raise DataError(str(cause) if name == "data" else f"{name}: {cause}") from None
        samples = cls(contiguous_view(x), y, loss, outputs)
        for part in samples.by_output:
            check_mass(part.y, part.loss, part.prediction, name)
        return samples

    @property
    def by_output(self) -> tuple[Samples, ...]:
        """The same samples with the labels of each output; itself where there is one."""
        return self._parts if self.loss.parts else (self,)  # kept, it would keep its samples

    @cached_property
    def _parts(self) -> tuple[Samples, ...]:
        return tuple(Samples(self.x, self.y[p.name], p.loss, p.shape) for p in self.loss.parts)

    @property
    def by_class(self) -> bool | tuple[bool, ...]:
        """Whether `rows` are of classes; of several outputs, of each."""
        if not self.loss.parts:
            return self.rows[1]
        return tuple(part.rows[1] for part in self.by_output)

    @property
    def prediction(self) -> tuple[int, ...]:
        """The shape of all samples' outputs."""
        return (len(self), *self.outputs)

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def mapped(self) -> bool:
        """Whether there are classes of positions; their numbers are read batch by batch."""
        return len(self.outputs) > 1 and self.classified

    @cached_property
    def classified(self) -> bool:
        """Whether outputs are classes, so that they are right or wrong."""
        return self.loss.classes(self.y[:1], (1, *self.outputs)) is not None

    @cached_property
    def classes(self) -> np.ndarray | None:
        """The class number of each sample, (M,) int64; None where there are no such."""
        if len(self.outputs) > 1:
            return None
        found = self.loss.classes(self.y, self.prediction)
        return None if found is None else np.ascontiguousarray(found, dtype=np.int64)

    @cached_property
    def rows(self) -> tuple[np.ndarray, bool]:
        """What the loss compares with, float32; one row per class (True) or per sample (False)."""
        rows, by_class = self.loss.rows(self.y, self.prediction)
        with np.errstate(over="ignore"):  # an infinity is told of by the step that meets it
            rows = rows.astype(np.float32)
        return np.ascontiguousarray(rows), by_class

    @cached_property
    def even(self) -> bool:
        """Whether every sample counts the same, see `Loss.even`."""
        return self.loss.even(self.y, self.prediction)

    @cached_property
    def places(self) -> np.ndarray:
        """0, 1, …, M − 1, int64."""
        return np.arange(len(self), dtype=np.int64)


def _pair_hint(data: Any) -> str:
    """How to come to a pair from what other libraries, or this one, hold samples in."""
    if isinstance(data, str | PathLike):
        return "; gt.data.ImageFolder(path) opens a folder of images, gt.data.read(path) others"
    if hasattr(data, "train") and hasattr(data, "held_out"):
        return "; pass a part of what gt.data.read found, such as data.train"
    if hasattr(data, "dataset") and hasattr(data, "batch_size"):
        return "; collect what it gives, tuple(np.concatenate(part) for part in zip(*loader))"
    if isinstance(data, Mapping):
        return "; pass its two arrays, in this order"
    if isinstance(data, tuple | list) and len(data) == 3:
        return "; pass (x, y), and other arrays by name, as validation=(x, y)"
    if isinstance(data, tuple | list) and all(
        isinstance(entry, tuple | list) and len(entry) == 2 for entry in data
    ):
        return "; make two arrays of its pairs, tuple(map(np.stack, zip(*data)))"
    if hasattr(data, "shape"):
        return "; the labels are missing: pass (x, y)"
    return ""


def output_shape(network: Graph, loss: Loss) -> tuple[int, ...]:
    """The shape of one sample's output; of several that of a row of all of them.

    Raises:
        ShapeError: outputs that the loss does not compare.
    """
    shapes = network.system(1, loss=loss).shapes
    return packed_shape({name: shapes[array][1:] for name, array in network.outputs.items()})


def refuse_images(loss: Loss, name: str) -> None:
    """Refuse a folder of images for several outputs: an image has one label.

    Raises:
        DataError: there are several.
    """
    if loss.parts:
        listed = ", ".join(part.name for part in loss.parts)
        raise DataError(
            f"{name} has one label for each image, but the network has the outputs {listed}; pass "
            "arrays, (x, {name: labels})"
        )


def _checked_labels(
    network: Graph, labels: Any, samples: int, loss: Loss
) -> tuple[np.ndarray, tuple[int, ...]]:
    """A copy of labels, checked, and the shape of one sample's output that they are for.

    Of several outputs, labels are a structured array.

    Raises:
        DataError: labels that do not fit.
    """
    outputs = output_shape(network, loss)
    if not loss.parts and isinstance(labels, Mapping) and labels.keys() == network.outputs.keys():
        (labels,) = labels.values()
    y = gathered_labels(labels, loss)
    loss.check(y, (samples, *outputs))
    return y, outputs


def gathered_labels(labels: Any, loss: Loss) -> np.ndarray:
    """A copy of labels that nobody else has; of several outputs a structured array.

    Raises:
        DataError: no array, or not one for each output.
    """
    if not loss.parts:
        return copied_labels(labels)
    from ..layers.joint_loss import JointLoss  # few networks have several outputs

    assert isinstance(loss, JointLoss)
    found = loss.gathered(labels)
    found.flags.writeable = False
    return found


def copied_labels(labels: Any) -> np.ndarray:
    """A copy of labels that nobody else has; it cannot be written to.

    Raises:
        DataError: rows that differ in length, or no array at all.
    """
    array = as_array(labels, "y").copy()
    array.flags.writeable = False
    return array


def contiguous_view(x: np.ndarray) -> np.ndarray:
    """Samples C-contiguous, the same memory where they are so: with a shape of its own.

    A caller's `x.shape = …` changes only the caller's array.
    """
    return np.ascontiguousarray(x).view()


def check_mass(labels: np.ndarray, loss: Loss, prediction: tuple[int, ...], name: str) -> None:
    """Check that some of the labels count.

    Raises:
        DataError: all of them are left out, or their classes have weight 0.
    """
    if loss.mass(labels, prediction) == 0:
        left_out = not loss.answers(labels, prediction)
        why = "are left out by ignore_index" if left_out else "are of classes with weight 0"
        raise DataError(f"all labels in {name} {why}; nothing would count")


class Batch:
    """Some of the samples, for one step; gathered when they are asked for.

    Args:
        samples: what they are chosen from.
        order: places in the samples, int64, C-contiguous.
        seed: what the step's random draws follow from.
        step: which step of the training this is, for the same purpose.
        begin, end: the part of the order that this batch takes; by default the whole.
        scales: of a part of a batch that the whole of it is divided by: what the whole's rows are
            multiplied by, of each output. None for what its own labels say.
    """

    def __init__(
        self,
        samples: Samples,
        order: np.ndarray,
        seed: int = 0,
        step: int = 0,
        begin: int = 0,
        end: int | None = None,
        scales: Sequence[float] | None = None,
    ) -> None:
        self.samples, self.order, self.seed, self.step = samples, order, seed, step
        self.scales = scales
        self.begin, self.end = begin, len(order) if end is None else end

    @classmethod
    def of(
        cls, network: Graph, x: np.ndarray, y: Any, loss: Loss, seed: int = 0, step: int = 0
    ) -> Batch:
        """A batch from checked samples and labels as the caller gave them.

        Raises:
            DataError: labels that do not fit.
        """
        network.system(len(x), loss=loss)  # which refuses what does not fit
        labels, outputs = _checked_labels(network, y, len(x), loss)
        samples = Samples(contiguous_view(x), labels, loss, outputs)
        return cls(samples, samples.places, seed, step)

    def __len__(self) -> int:
        return self.end - self.begin

    @property
    def whole(self) -> Batch:
        """The batch with its samples, where it holds features of theirs instead."""
        return self

    @property
    def by_output(self) -> tuple[Batch, ...]:
        """It with the labels of each output; itself where there is one."""
        return self._parts if self.samples.loss.parts else (self,)

    @cached_property
    def _parts(self) -> tuple[Batch, ...]:
        told = (self.order, self.seed, self.step, self.begin, self.end)
        scales = self.scales or (None,) * len(self.samples.by_output)
        each = zip(self.samples.by_output, scales, strict=True)
        return tuple(Batch(part, *told, None if s is None else (s,)) for part, s in each)

    def parts(self, size: int) -> Iterator[Batch]:
        """It in pieces that are computed one after another, each with random draws of its own.

        The first draws what the whole would. Of several outputs, whose labels may count differently
        in each, pieces are divided by what the whole counts.

        Args:
            size: of a piece; the last takes what is left.
        """
        joint = len(self.by_output) > 1
        scales = [part.scale for part in self.by_output] if joint else None
        for number, begin in enumerate(range(self.begin, self.end, size)):
            seed = (self.seed + number * _GOLDEN) % (1 << 64)
            end = min(begin + size, self.end)
            yield Batch(self.samples, self.order, seed, self.step, begin, end, scales)

    @cached_property
    def chosen(self) -> np.ndarray:
        """The places of its samples."""
        return self.order[self.begin : self.end]

    @property
    def numbers(self) -> np.ndarray:
        """Which samples of the data these are."""
        return self.chosen

    @cached_property
    def x(self) -> np.ndarray:
        """(N, C, H, W)."""
        return np.asarray(self.samples.x[self.chosen])

    @cached_property
    def y(self) -> np.ndarray:
        """The labels."""
        return np.asarray(self.samples.y[self.chosen])

    @cached_property
    def targets(self) -> Arrays:
        """The arrays behind the loss's given letters, from `Loss.targets`."""
        found = self.samples.loss.targets(self.y, self.prediction)
        own = self._own_scale if self.scales else 0.0  # where nothing counts, all are 0 anyway
        factor = self.scale / own if own else 1.0
        return found if factor == 1.0 else {a: factor * array for a, array in found.items()}

    @property
    def prediction(self) -> tuple[int, ...]:
        """The shape of the outputs."""
        return (len(self), *self.samples.outputs)

    @cached_property
    def classes(self) -> np.ndarray | None:
        """The class number of each sample (N,) or position (N, …); None where there are none."""
        known = self.samples.classes
        if known is not None or not self.samples.classified:
            return None if known is None else known[self.chosen]
        return self.samples.loss.classes(self.y, self.prediction)

    @property
    def answers(self) -> int:
        """How many outputs can be right or wrong: what an accuracy is taken over."""
        if self.samples.even and not self.samples.mapped:
            return len(self)
        return self.samples.loss.answers(self.y, self.prediction)

    @property
    def mass(self) -> float:
        """How much the batch's mean loss counts beside other batches', from `Loss.mass`."""
        if self.samples.even:
            return float(len(self))
        return self.samples.loss.mass(self.y, self.prediction)

    @property
    def scale(self) -> float:
        """What the samples' target rows are multiplied by in this batch, from `Loss.scale`."""
        return self._own_scale if self.scales is None else self.scales[0]

    @property
    def _own_scale(self) -> float:
        if self.samples.even:
            return 1.0
        return self.samples.loss.scale(self.y, self.prediction)
