"""Where batches come from: arrays as they are, or images that are read, moved and mixed first.

What needs no preparation is not copied: the engine reads its samples where they lie. Everything
else goes through a `StagedFeed`, which is imported when there is such a thing.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from ..engines import Batch, Engine, Samples
from ..streams import Drawn

if TYPE_CHECKING:
    from ..data.augment import Augment
    from ..graph import Graph
    from ..layers import Loss


class Epoch(NamedTuple):
    """One way through data, or what is left of it.

    Args:
        order: (M,) int64, places in the data.
        size: samples of a batch; the last takes what is left.
        seed: what random draws follow from.
        drawn: how far the draws are at the epoch's first batch.
        start: the first batch that is given.
    """

    order: np.ndarray
    size: int
    seed: int
    drawn: Drawn
    start: int

    def parts(self) -> Iterator[tuple[int, int, int]]:
        """Of each batch: the training's step, and where in the order it begins and ends."""
        for at in range(self.start, -(-len(self.order) // self.size)):
            begin = at * self.size
            yield self.drawn.steps + at, begin, min(begin + self.size, len(self.order))


class Feed(ABC):
    """Data to learn from, batch by batch.

    Args:
        y: the labels of all samples.
        outputs: the shape of one sample's output.
    """

    y: np.ndarray
    outputs: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def prediction(self) -> tuple[int, ...]:
        """The shape of all samples' outputs."""
        return (len(self), *self.outputs)

    def classified(self, loss: Loss) -> bool:
        """Whether outputs are classes to a loss, so that they are right or wrong."""
        return loss.classes(self.y[:1], (1, *self.outputs)) is not None

    def batches(
        self,
        order: np.ndarray,
        size: int,
        *,
        seed: int = 0,
        drawn: Drawn = Drawn(),  # noqa: B008, it is immutable
        start: int = 0,
    ) -> Generator[Batch, None, None]:
        """The batches of an epoch; one is used up before the next is asked for.

        Arguments are those of `Epoch`.
        """
        return self._batches(Epoch(order, size, seed, drawn, start))

    @abstractmethod
    def _batches(self, epoch: Epoch) -> Generator[Batch, None, None]:
        """See `batches`."""

    @abstractmethod
    def fingerprint(self, form: int = 2) -> int:
        """A number that other data are most unlikely to have: a checksum over all of them.

        Args:
            form: of checkpoints; the first looked at some of many images only.
        """

    @property
    def bytes_to_come(self) -> int:
        """Bytes of samples that will still be read in the course of an epoch, and kept."""
        return 0

    def identity(self, form: int = 2) -> dict[str, int]:
        """What tells these data from others, as JSON; see `fingerprint`."""
        return {"samples": len(self), "fingerprint": self.fingerprint(form)}

    def in_order(self, size: int) -> Generator[Batch, None, None]:
        """All samples, one batch after another, as they come; to be closed where it is left."""
        return self.batches(np.arange(len(self), dtype=np.int64), size)


@final
class ArrayFeed(Feed):
    """Arrays, read where they lie.

    Args:
        samples: checked.
    """

    def __init__(self, samples: Samples) -> None:
        self.samples, self.y, self.outputs = samples, samples.y, samples.outputs

    def _batches(self, epoch: Epoch) -> Generator[Batch, None, None]:
        for step, begin, end in epoch.parts():
            yield Batch(self.samples, epoch.order, epoch.seed, step, begin, end)

    def fingerprint(self, form: int = 2) -> int:
        """See `Feed.fingerprint`."""
        return labelled_checksum(self.y, checksum(self.samples.x))


def checksum(array: np.ndarray, start: int = 0) -> int:
    """CRC-32 of an array's bytes, behind those of another."""
    return zlib.crc32(np.ascontiguousarray(array).data.cast("B"), start)


def labelled_checksum(y: np.ndarray, start: int) -> int:
    """With labels, whatever type of whole numbers holds them; of several outputs one by one."""
    for name in y.dtype.names or ():
        start = labelled_checksum(y[name], start)
    if y.dtype.names:
        return start
    return checksum(y.astype(np.int64) if y.dtype.kind in "iu" else y, start)


def feed_for(
    network: Graph,
    data: Any,
    loss: Loss,
    engine: Engine,
    *,
    augment: Augment | None = None,
    mixup: float = 0.0,
    name: str = "data",
) -> Feed:
    """Data as the caller gave them, checked.

    Args:
        network: that they are for.
        data: a pair (samples, labels), or `Images`.
        loss: the loss.
        engine: which moves them.
        augment: how they are moved; None for not.
        mixup: α of the Beta distribution that two samples are mixed by; 0 for not.
        name: what the caller calls them.

    Raises:
        DataError: samples or labels that do not fit, or samples that are no images.
    """
    moves = augment is not None and augment.moves
    if isinstance(data, tuple | list) and not moves and not mixup:
        return ArrayFeed(Samples.of(network, data, loss, name))
    from .staged_feed import StagedFeed

    return StagedFeed(network, data, loss, engine, augment, mixup, name)
