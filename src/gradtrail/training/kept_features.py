"""The features of a frozen trunk, computed once and kept: what a fine-tuning's steps begin with.

Where nothing changes what the first layers give for a sample, from one epoch to the next, they are
computed for every sample before the first step, and the steps are those of the rest of the network,
its head. The bits are the same: the head's equations, draws and sums are those of the whole, and
the CPU engine gives a sample the same bits whatever is beside it. In the reference NumPy's products
may round otherwise where other samples are beside it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import closing
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from ..engines import Batch, Engine, Samples, Stepped, Trainer
from ..engines.batch import Arrays
from ..engines.interface import Computed, Finished
from ..errors import warn
from ..graph.network_part import NetworkPart, frozen_trunk
from ..machine.free_memory import rooms
from ..optimizers import Optimizer
from ..showing.numbers import bytes_text
from ..streams import Drawn
from .feed import Epoch, Feed

if TYPE_CHECKING:
    from ..graph import Graph
    from ..layers import Loss
    from .course import Setup

_AT_ONCE = 256
"""How many samples go through the trunk at once."""

_LEAST = 4
"""As many are computed together at least: of fewer, an engine may take another way."""

_SHARE = 4
"""One of how many bytes that are free features may take, in memory or on disk."""


class Kept(NamedTuple):
    """What is kept of a training's data.

    Args:
        head: the rest of the network.
        feed: the data to learn from.
        held_out: those to evaluate on; None for none.
    """

    head: NetworkPart
    feed: Feed
    held_out: Feed | None


def keep_features(setup: Setup, epochs: int) -> Kept | None:
    """The features of all samples, where they are worth it; None where they are not, or not told.

    Args:
        setup: of the training.
        epochs: how many there are to come.

    Warns:
        GradtrailWarning: they lie on disk, or nowhere, since there is no room.
    """
    network, course, feed, held_out, engine, _ = setup
    moved = (course.augment is not None and course.augment.moves) or course.mixup
    if not network.frozen or moved or epochs < 2:
        return None
    place = frozen_trunk(network)
    if not place:
        return None
    trunk = NetworkPart(network, 0, place)
    head = NetworkPart(network, place, len(network.steps))
    feeds = [one for one in (feed, held_out) if one is not None]
    number = 8 if engine.name == "reference" else network.dtype.itemsize
    each = number * prod(head.input_shape)
    store = _store_for(each * sum(map(len, feeds)))
    if store is None:
        return None
    kept = [KeptFeed(one, _features(trunk, one, engine, store), course.loss) for one in feeds]
    return Kept(head, kept[0], kept[1] if held_out is not None else None)


class _Store:
    """Where features lie.

    Args:
        folder: where files may be made; None for memory.
    """

    def __init__(self, folder: str | None) -> None:
        self.folder = folder

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> np.ndarray:
        """Room for features; a file of it has no name, and goes with the array."""
        if self.folder is None:
            return np.empty(shape, dtype)
        with tempfile.TemporaryFile(dir=self.folder) as file:  # whose map outlives it
            return np.memmap(file, dtype, "w+", shape=shape)


def _store_for(size: int) -> _Store | None:
    """Memory, or else disk; None, which is told, where neither has room."""
    free = min((room.free for room in rooms()), default=0)
    if size <= free // _SHARE:
        return _Store(None)
    told = f"the features of the frozen layers take {bytes_text(size)}"
    folder = tempfile.gettempdir()
    if size <= shutil.disk_usage(folder).free // _SHARE:
        warn(f"{told}, too much to keep in memory: they are kept on disk for the training")
        return _Store(folder)
    warn(
        f"{told}, too much to keep in memory or on disk: they are computed anew in every epoch, "
        "with the same result; cache_features=False says nothing of it"
    )
    return None


def _features(trunk: NetworkPart, feed: Feed, engine: Engine, store: _Store) -> np.ndarray:
    """What the trunk gives for every sample, in the precision of the engine."""
    found: np.ndarray | None = None
    done = 0
    with closing(feed.in_order(_AT_ONCE)) as batches:
        for batch in batches:
            x, count = batch.x, len(batch)
            if count < _LEAST:
                x = np.concatenate([x, *[x[-1:]] * (_LEAST - count)])
            given = engine.predict(trunk, x)[:count]
            if found is None:
                found = store.empty((len(feed), *given.shape[1:]), given.dtype)
            found[done : done + count] = given
            done += count
    assert found is not None
    return found


@final
class KeptFeed(Feed):
    """Data of which the features are known.

    Args:
        feed: the data.
        features: (M, …), of every sample.
        loss: the loss.
    """

    def __init__(self, feed: Feed, features: np.ndarray, loss: Loss) -> None:
        self.feed, self.y, self.features = feed, feed.y, features
        outputs = self.outputs = feed.outputs
        self.samples = Samples(features, feed.y, loss, outputs)

    def _batches(self, epoch: Epoch) -> Generator[Batch, None, None]:
        for step, begin, end in epoch.parts():
            yield KeptBatch(self, epoch, step, (begin, end))

    def fingerprint(self, form: int = 2) -> int:
        """That of the data."""
        return self.feed.fingerprint(form)


@final
class KeptBatch(Batch):
    """Features of some samples; `whole` are the samples themselves."""

    def __init__(self, feed: KeptFeed, epoch: Epoch, step: int, part: tuple[int, int]) -> None:
        super().__init__(feed.samples, epoch.order, epoch.seed, step, *part)
        self._feed = feed.feed

    @cached_property
    def whole(self) -> Batch:
        """See `Batch.whole`; read anew."""
        places = np.ascontiguousarray(self.chosen)
        drawn = Drawn(0, self.step)
        with closing(self._feed.batches(places, len(self), seed=self.seed, drawn=drawn)) as one:
            return next(one)


@final
class HeadTrainer(Trainer):
    """A training of a network's head, which answers for the whole.

    Args:
        network: the whole.
        kept: its head and the features.
        setup: of the training.
        start: see `Engine.trainer`.
    """

    def __init__(self, network: Graph, kept: Kept, setup: Setup, start: Arrays | None) -> None:
        optimizer: Optimizer = setup.optimizer
        super().__init__(network, setup.course.loss, optimizer)
        self.engine, head = setup.engine, kept.head
        optimizer.remember(head, *optimizer.remembered(network))
        known = {*head.parameters, *head.buffers}
        began = {name: array for name, array in (start or {}).items() if name in known}
        self.head = self.engine.trainer(head, self.loss, optimizer, began)

    @property
    def finished(self) -> Finished:  # type: ignore[override]
        """See `Trainer`."""
        return self.head.finished

    def step(self, batch: Batch) -> Stepped:
        """See `Trainer.step`."""
        self.head.piece = self.piece
        return self.head.step(batch)

    def computed(self, batch: Batch) -> Computed:
        """See `Trainer.computed`: of the whole network."""
        return self.engine.direct.step(self.network, batch.whole, self.loss, self.arrays())

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Trainer.arrays`."""
        return {**self.network.parameters, **self.network.buffers, **self.head.arrays()}

    def parameter(self, name: str) -> np.ndarray:
        """See `Trainer.parameter`."""
        known = name in self.head.network.parameters
        return self.head.parameter(name) if known else self.network.parameters[name]

    def store(self) -> None:
        """See `Trainer.store`; the optimiser remembers it of the whole network."""
        self.head.store()
        self.optimizer.remember(self.network, *self.optimizer.remembered(self.head.network))
