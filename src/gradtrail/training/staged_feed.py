"""Batches that are prepared: images read, samples moved and mixed.

They go through one staging area of a batch, which every step fills anew.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ..data.images import Images
from ..engines import Batch, Engine, Samples
from ..engines.batch import check_mass, copied_labels, output_shape, refuse_images
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
        self.outputs = output_shape(network, loss)
        moves = augment is not None and augment.moves
        if loss.parts:
            each = [(self.y[part.name], part.loss, part.shape) for part in loss.parts]
        else:
            each = [(self.y, loss, self.outputs)]
        self.labels = [_Labels(*own, moves=moves, mixup=bool(mixup)) for own in each]

    def _batches(self, epoch: Epoch) -> Generator[Batch, None, None]:
        x = np.empty((min(epoch.size, len(epoch.order)), *self.network.sample_shape), np.float32)
        stages = [_Stage(x, labels) for labels in self.labels]
        stage = _JointStage(stages, self.loss, self.outputs) if self.loss.parts else stages[0]
        parts = [*epoch.parts()]
        places = [epoch.order[begin:end] for _, begin, end in parts]
        with pixels_ahead(self.source, places) as ahead:
            for (step, begin, _), here, read in zip(parts, places, ahead, strict=True):
                self._move(read, x[: len(here)], begin, epoch)
                if self.mixup:
                    self._mix(stages, here, stream(epoch.seed, "mixup", step))
                else:
                    for own in stages:
                        own.take(here)
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

    def _mix(self, stages: Sequence[_Stage], places: np.ndarray, draw: np.random.Generator) -> None:
        """Every sample with another one of the batch, the labels likewise.

        Source: H. Zhang et al., "mixup: Beyond empirical risk minimization" (2017), figure 1.
        """
        share = float(draw.beta(self.mixup, self.mixup))
        other = draw.permutation(len(places))
        x = stages[0].x[: len(places)]
        x[...] = np.float32(share) * x + np.float32(1 - share) * x[other]
        for stage in stages:
            stage.mix(places, share, other)

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


class _Labels:
    """The labels of one output, as batches take them.

    Args:
        y: of all samples.
        loss: that compares them.
        outputs: the shape of one sample's output.
        moves: whether images are moved.
        mixup: whether samples are mixed.

    Raises:
        DataError: maps that would stay as they are, or that cannot be mixed.
    """

    def __init__(
        self, y: np.ndarray, loss: Loss, outputs: tuple[int, ...], *, moves: bool, mixup: bool
    ) -> None:
        self.y, self.loss, self.outputs = y, loss, outputs
        prediction = (len(y), *outputs)
        self.rows, self.by_class = loss.rows(y, prediction)
        self.classified = loss.classes(y[:1], (1, *outputs)) is not None
        self._check_maps(moves, mixup)
        if mixup and self.by_class:
            self.rows, self.by_class = np.eye(outputs[0]), False
        self.mixed, self.soft = mixup, mixup and y.ndim == 1 and self.classified

    def _check_maps(self, moves: bool, mixup: bool) -> None:
        """Refuse what would change images and leave their maps of labels as they are."""
        if len(self.outputs) == 1:
            return
        if moves:
            raise DataError(
                f"augmentation moves images, but not the maps of {self.outputs} that they are "
                "compared with; leave out augment"
            )
        if mixup and self.by_class:
            raise DataError(
                "mixup mixes the labels of two samples, but a class of a position cannot be mixed; "
                "leave out mixup, or pass probabilities (N, K, …)"
            )


class _Stage(Samples):
    """Samples that are written anew for every batch, always in the same place.

    Args:
        x: that place.
        labels: what they are compared with.
    """

    def __init__(self, x: np.ndarray, labels: _Labels) -> None:
        self.labels, size = labels, len(x)
        y = np.zeros((size, *labels.outputs)) if labels.soft else labels.y[:size].copy()
        if labels.mixed and not labels.soft:
            y = y.astype(np.float64)
        super().__init__(x, y, labels.loss, labels.outputs)
        known = labels.classified and len(labels.outputs) == 1
        self.numbers = np.zeros(size, np.int64) if known else None
        rows = labels.rows if labels.by_class else np.zeros((size, *labels.rows.shape[1:]))
        self.held = np.ascontiguousarray(rows, np.float32)

    @property
    def classes(self) -> np.ndarray | None:
        """See `Samples.classes`."""
        return self.numbers

    @property
    def rows(self) -> tuple[np.ndarray, bool]:
        """See `Samples.rows`."""
        return self.held, self.labels.by_class

    def take(self, places: np.ndarray) -> None:
        """The labels of a batch."""
        count = len(places)
        self.y[:count] = self.labels.y[places]
        if not self.labels.by_class:
            self.held[:count] = self.labels.rows[places]
        self._number(count)

    def mix(self, places: np.ndarray, share: float, other: np.ndarray) -> None:
        """The labels of every sample with those of another one of the batch."""
        count, labels = len(places), self.labels.y[places]
        if self.labels.soft:
            labels = self.labels.rows[labels.astype(np.int64)]  # a row for each class
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


class _JointStage(Samples):
    """The same with a stage for the labels of each of several outputs.

    Args:
        parts: these, all of them with one place for the samples.
        loss: the outputs'.
        outputs: the shape of a row of all outputs.
    """

    def __init__(self, parts: Sequence[_Stage], loss: Loss, outputs: tuple[int, ...]) -> None:
        x = parts[0].x
        super().__init__(x, np.zeros(len(x)), loss, outputs)  # labels are the parts'
        self._parts = tuple(parts)

    @property
    def by_output(self) -> tuple[Samples, ...]:
        """See `Samples.by_output`."""
        return self._parts


class _StagedBatch(Batch):
    """A batch in the staging area, which knows where its samples come from."""

    def __init__(self, stage: Samples, places: np.ndarray, seed: int, step: int) -> None:
        super().__init__(stage, stage.places, seed, step, 0, len(places))
        self._numbers = places

    @property
    def numbers(self) -> np.ndarray:
        """See `Batch.numbers`."""
        return self._numbers


def _labels_of(network: Graph, images: Images, loss: Loss, name: str) -> np.ndarray:
    """The labels of images that fit the network; a copy, see `Samples`."""
    images.check_shape(network.input_shape, name)
    refuse_images(loss, name)
    y = copied_labels(images.y)
    outputs = output_shape(network, loss)
    try:
        loss.check(y, (len(images), *outputs))
    except DataError as cause:
        raise DataError(f"{name}: {cause}") from None
    check_mass(y, loss, (len(images), *outputs), name)
    return y
