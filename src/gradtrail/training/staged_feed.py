"""Batches that are prepared: images read, samples moved and mixed.

They go through one staging area of a batch, which every step fills anew.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator
from math import prod
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ..data.images import Images
from ..engines import Batch, Engine, Samples
from ..engines.batch import check_mass, copied_labels
from ..engines.bilinear import WarpInput
from ..errors import DataError
from ..machine.pinning import pin
from ..streams import stream
from .feed import Epoch, Feed, checksum, labelled_checksum
from .read_ahead import Pixels, pixels_ahead

if TYPE_CHECKING:
    from ..data.augment import Augment
    from ..graph import Graph
    from ..layers import Loss

_LOOKED_AT = 512
"""How many images told that they are the same ones, before every image did."""


@final
class StagedFeed(Feed):
    """Images, or arrays that are moved or mixed, a batch at a time.

    Arguments and errors are those of `feed_for`.
    """

    def __init__(
        self,
        network: Graph,
        data: Any,
        loss: Loss,
        engine: Engine,
        augment: Augment | None,
        mixup: float,
        name: str,
    ) -> None:
        if augment is not None and augment.moves and len(network.sample_shape) != 3:
            raise DataError(
                "augmentation moves images (channels, height, width), but the network takes "
                f"samples of {network.sample_shape}; leave out augment"
            )
        self.source: np.ndarray | Images
        if isinstance(data, Images):
            self.source, self.y = data, _labels_of(network, data, loss, name)
        else:
            samples = Samples.of(network, data, loss, name)
            self.source, self.y = np.ascontiguousarray(samples.x, np.float32), samples.y
            self._pinned = pin(self.source)
        self.network, self.loss = network, loss
        self.engine, self.augment, self.mixup = engine, augment, mixup
        self.outputs = network.system(1, loss=loss).shapes[network.output_name][1:]
        self.rows, self.by_class = loss.rows(self.y, self.prediction)
        self._check_maps()
        if mixup and self.by_class:
            self.rows, self.by_class = np.eye(self.outputs[0]), False

    def _check_maps(self) -> None:
        """Refuse what would change images and leave their maps of labels as they are."""
        if len(self.outputs) == 1:
            return
        if self.augment is not None and self.augment.moves:
            raise DataError(
                f"augmentation moves images, but not the maps of {self.outputs} that they are "
                "compared with; leave out augment"
            )
        if self.mixup and self.by_class:
            raise DataError(
                "mixup mixes the labels of two samples, but a class of a position cannot be mixed; "
                "leave out mixup, or pass probabilities (N, K, …)"
            )

    def _batches(self, epoch: Epoch) -> Generator[Batch, None, None]:
        stage = _Stage(self, min(epoch.size, len(epoch.order)))
        parts = [*epoch.parts()]
        places = [epoch.order[begin:end] for _, begin, end in parts]
        with pixels_ahead(self.source, places) as ahead:
            for (step, begin, _), here, read in zip(parts, places, ahead, strict=True):
                self._move(read, stage.x[: len(here)], begin, epoch)
                if self.mixup:
                    stage.mix(here, stream(epoch.seed, "mixup", step), self.mixup)
                else:
                    stage.take(here)
                yield _StagedBatch(stage, here, epoch.seed, step)

    def _move(self, read: Pixels, out: np.ndarray, begin: int, epoch: Epoch) -> None:
        """Pixels as numbers from 0 to 1, or arrays as they are, moved where that is asked for."""
        pixels, chosen = read
        divisor = 255.0 if pixels.dtype == np.uint8 else 1.0
        if self.augment is not None and self.augment.moves:
            height, width = out.shape[2:]
            end, number = begin + len(out), epoch.drawn.epochs
            moved = self.augment.drawn(begin, end, (height, width), epoch.seed, number)
            self.engine.warp(WarpInput(pixels, chosen, *moved, divisor), out)
        else:
            np.divide(pixels[chosen], np.float32(divisor), out=out, dtype=np.float32)

    def fingerprint(self, form: int = 2) -> int:
        """See `Feed.fingerprint`; of images with shape, classes, and their files' names.

        The dates of files are not in it: a copy of the same images is the same data.
        """
        if not isinstance(self.source, Images):
            return labelled_checksum(self.y, checksum(self.source))
        if form > 1:
            looked_at = self.source.checksums()
        else:
            places = np.linspace(0, len(self) - 1, min(len(self), _LOOKED_AT)).astype(np.int64)
            looked_at = self.source.read(places)
        files = [f"{path.parent.name}/{path.name}" for path in self.source.paths]
        about = repr((self.source.shape, self.source.classes, files)).encode()
        return labelled_checksum(self.y, checksum(looked_at, zlib.crc32(about)))

    @property
    def bytes_to_come(self) -> int:
        """See `Feed.bytes_to_come`: those of images that are decoded."""
        source = self.source
        if not isinstance(source, Images) or source.memory is None or not source.paths:
            return 0
        return min((len(source) - source.cached) * prod(source.shape), source.memory)


class _Stage(Samples):
    """Samples that are written anew for every batch, always in the same place.

    Args:
        feed: whose batches they are.
        size: of a batch.
    """

    def __init__(self, feed: StagedFeed, size: int) -> None:
        self.feed = feed
        x = np.empty((size, *feed.network.sample_shape), np.float32)
        soft = bool(feed.mixup) and feed.y.ndim == 1 and feed.classified(feed.loss)
        y = np.zeros((size, *feed.outputs)) if soft else feed.y[:size].copy()
        if feed.mixup and not soft:
            y = y.astype(np.float64)
        super().__init__(x, y, feed.loss, feed.outputs)
        self.soft = soft
        known = feed.classified(feed.loss) and len(feed.outputs) == 1
        self.numbers = np.zeros(size, np.int64) if known else None
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
        if self.numbers is not None:
            found = self.loss.classes(self.y[:count], (count, *self.outputs))
            assert found is not None
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


def _labels_of(network: Graph, images: Images, loss: Loss, name: str) -> np.ndarray:
    """The labels of images that fit the network; a copy, see `Samples`."""
    images.check_shape(network.input_shape, name)
    y = copied_labels(images.y)
    outputs = network.system(1, loss=loss).shapes[network.output_name][1:]
    try:
        loss.check(y, (len(images), *outputs))
    except DataError as cause:
        raise DataError(f"{name}: {cause}") from None
    check_mass(y, loss, (len(images), *outputs), name)
    return y
