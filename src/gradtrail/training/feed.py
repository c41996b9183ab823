"""Where batches come from: arrays as they are, or images that are read, moved and mixed first.

What needs no preparation is not copied: the engine reads its samples where they lie. Everything
else goes through one staging area of a batch, which every step fills anew.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ..data.images import Images
from ..engines import Batch, Engine, Samples
from ..engines.batch import check_mass, copied_labels
from ..errors import DataError
from ..machine.pinning import pin
from ..streams import Drawn, stream
from .fingerprints import of_arrays, of_images, of_some_images
from .read_ahead import pixels_ahead

if TYPE_CHECKING:
    from ..data.augment import Augment
    from ..graph import Graph
    from ..layers import Loss

NOTHING = Drawn()
"""No draw yet."""


class Feed(ABC):
    """Data to learn from, batch by batch.

    Args:
        y: the labels of all samples.
    """

    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    @abstractmethod
    def batches(
        self,
        order: np.ndarray,
        size: int,
        *,
        seed: int = 0,
        drawn: Drawn = NOTHING,
        start: int = 0,
    ) -> Generator[Batch, None, None]:
        """The batches of an epoch; one is used up before the next is asked for.

        Args:
            order: (M,) int64, places in the data.
            size: samples of a batch; the last takes what is left.
            seed: what random draws follow from.
            drawn: how far the draws are at the epoch's first batch.
            start: the first batch that is given.
        """

    @abstractmethod
    def fingerprint(self, form: int = 2) -> int:
        """A number that other data are most unlikely to have: a checksum over all of them.

        Args:
            form: of checkpoints; the first looked at some of many images only.
        """

    def identity(self, form: int = 2) -> dict[str, int]:
        """What tells these data from others, as JSON; see `fingerprint`."""
        return {"samples": len(self), "fingerprint": self.fingerprint(form)}

    def in_order(self, size: int) -> Generator[Batch, None, None]:
        """All samples, one batch after another, as they come; to be closed where it is left."""
        return self.batches(np.arange(len(self), dtype=np.int64), size)


@final
class Plain(Feed):
    """Arrays, read where they lie.

    Args:
        samples: checked.
    """

    def __init__(self, samples: Samples) -> None:
        self.samples, self.y = samples, samples.y

    def batches(
        self,
        order: np.ndarray,
        size: int,
        *,
        seed: int = 0,
        drawn: Drawn = NOTHING,
        start: int = 0,
    ) -> Generator[Batch, None, None]:
        """See `Feed.batches`."""
        for at in range(start, -(-len(order) // size)):
            end = min((at + 1) * size, len(order))
            yield Batch(self.samples, order, seed, drawn.steps + at, at * size, end)

    def fingerprint(self, form: int = 2) -> int:
        """See `Feed.fingerprint`."""
        return of_arrays(self.samples.x, self.y)


@final
class Staged(Feed):
    """Images that are prepared, a batch at a time.

    Args:
        network: that they are for.
        source: arrays, or images to be read.
        y: their labels, checked.
        loss: the loss.
        engine: which moves them.
        augment: how they are moved; None for not.
        mixup: α of the Beta distribution that two samples are mixed by; 0 for not.
    """

    def __init__(
        self,
        network: Graph,
        source: np.ndarray | Images,
        y: np.ndarray,
        loss: Loss,
        engine: Engine,
        augment: Augment | None,
        mixup: float,
    ) -> None:
        self.network, self.source, self.y, self.loss = network, source, y, loss
        self._pinned = pin(source) if isinstance(source, np.ndarray) else ()
        self.engine, self.augment, self.mixup = engine, augment, mixup
        self.outputs = network.system(1, loss=loss).shapes[network.output_name][1:]
        self.rows, self.by_class = loss.rows(y, (len(y), *self.outputs))
        if mixup and self.by_class:
            self.rows, self.by_class = np.eye(self.outputs[0]), False

    def batches(
        self,
        order: np.ndarray,
        size: int,
        *,
        seed: int = 0,
        drawn: Drawn = NOTHING,
        start: int = 0,
    ) -> Generator[Batch, None, None]:
        """See `Feed.batches`."""
        size, steps = min(size, len(order)), -(-len(order) // size)
        stage = _Stage(self, size)
        parts = [order[at * size : (at + 1) * size] for at in range(start, steps)]
        with pixels_ahead(self.source, parts) as ahead:
            for at, (places, (pixels, chosen)) in enumerate(zip(parts, ahead, strict=True), start):
                here = stage.x[: len(places)]
                self._move(pixels, chosen, here, at * size, seed, drawn.epochs)
                step = drawn.steps + at
                if self.mixup:
                    stage.mix(places, stream(seed, "mixup", step), self.mixup)
                else:
                    stage.take(places)
                yield _StagedBatch(stage, places, seed, step)

    def _move(
        self,
        pixels: np.ndarray,
        chosen: np.ndarray,
        out: np.ndarray,
        begin: int,
        seed: int,
        epoch: int,
    ) -> None:
        """Pixels as numbers from 0 to 1, or arrays as they are, moved where that is asked for."""
        divisor = 255.0 if pixels.dtype == np.uint8 else 1.0
        if self.augment is not None and self.augment.moves:
            height, width = out.shape[2:]
            moved = self.augment.drawn(begin, begin + len(out), (height, width), seed, epoch)
            self.engine.warp(pixels, chosen, *moved, divisor, out)
        else:
            np.divide(pixels[chosen], np.float32(divisor), out=out, dtype=np.float32)

    def fingerprint(self, form: int = 2) -> int:
        """See `Feed.fingerprint`; of images with their files' names."""
        if not isinstance(self.source, Images):
            return of_arrays(self.source, self.y)
        return (of_images if form > 1 else of_some_images)(self.source, self.y)


class _Stage(Samples):
    """Samples that are written anew for every batch, always in the same place.

    Args:
        feed: whose batches they are.
        size: of a batch.
    """

    def __init__(self, feed: Staged, size: int) -> None:
        self.feed = feed
        x = np.empty((size, *feed.network.input_shape), np.float32)
        soft = bool(feed.mixup) and feed.y.ndim == 1 and feed.loss.classes(feed.y) is not None
        y = np.zeros((size, *feed.outputs)) if soft else feed.y[:size].copy()
        if feed.mixup and not soft:
            y = y.astype(np.float64)
        super().__init__(x, y, feed.loss, feed.outputs)
        self.soft = soft
        known = feed.loss.classes(feed.y[:size])
        self.numbers = None if known is None else np.zeros(size, np.int64)
        rows = feed.rows if feed.by_class else np.zeros((size, *feed.rows.shape[1:]))
        self.held = np.ascontiguousarray(rows, np.float32)

    @property
    def classes(self) -> np.ndarray | None:
        """See `Samples.classes`."""
        return self.numbers

    @property
    def rows(self) -> tuple[np.ndarray, bool]:
        """See `Samples.rows`."""
        return self.held, self.feed.by_class

    def take(self, places: np.ndarray) -> None:
        """The labels of a batch."""
        count = len(places)
        self.y[:count] = self.feed.y[places]
        if not self.feed.by_class:
            self.held[:count] = self.feed.rows[places]
        self._number(count)

    def mix(self, places: np.ndarray, draw: np.random.Generator, alpha: float) -> None:
        """Every sample with another one of the batch, the labels likewise.

        Source: H. Zhang et al., "mixup: Beyond empirical risk minimization" (2017), figure 1.
        """
        count = len(places)
        share, other = float(draw.beta(alpha, alpha)), draw.permutation(count)
        labels = self.feed.y[places]
        if self.soft:
            labels = self.feed.rows[labels.astype(np.int64)]  # a row for each class
        x = self.x[:count]
        x[...] = np.float32(share) * x + np.float32(1 - share) * x[other]
        self.y[:count] = share * labels + (1 - share) * labels[other]
        rows, _ = self.loss.rows(self.y[:count], (count, *self.outputs))
        self.held[:count] = rows
        self._number(count)

    def _number(self, count: int) -> None:
        """The classes, of mixed samples that of the greater part."""
        found = self.loss.classes(self.y[:count])
        if self.numbers is not None and found is not None:
            self.numbers[:count] = found


class _StagedBatch(Batch):
    """A batch in the staging area, which knows where its samples come from."""

    def __init__(self, stage: _Stage, places: np.ndarray, seed: int, step: int) -> None:
        super().__init__(stage, stage.places, seed, step, 0, len(places))
        self._numbers = places

    @property
    def numbers(self) -> np.ndarray:
        """See `Batch.numbers`."""
        return self._numbers


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
    if moves and len(network.input_shape) != 3:
        raise DataError(
            f"augmentation moves images (channels, height, width), but the network takes samples "
            f"of {network.input_shape}; leave out augment"
        )
    if isinstance(data, Images):
        y = _labels_of(network, data, loss, name)
        return Staged(network, data, y, loss, engine, augment, mixup)
    samples = Samples.of(network, data, loss, name)
    if not moves and not mixup:
        return Plain(samples)
    x = np.ascontiguousarray(samples.x, np.float32)
    return Staged(network, x, samples.y, loss, engine, augment, mixup)


def _labels_of(network: Graph, images: Images, loss: Loss, name: str) -> np.ndarray:
    """The labels of images that fit the network; a copy, see `Samples`."""
    images.check_shape(network.input_shape, name)
    y = copied_labels(images.y)
    outputs = network.system(1, loss=loss).shapes[network.output_name][1:]
    try:
        loss.targets(y, (len(images), *outputs))
    except DataError as cause:
        raise DataError(f"{name}: {cause}") from None
    check_mass(y, loss, name)
    return y
