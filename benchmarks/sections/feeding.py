"""Training steps whose images are moved first, or read from files, against arrays as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import gradtrail as gt
from gradtrail.data import ImageFolder
from gradtrail.engines import Batch
from gradtrail.streams import Drawn
from gradtrail.training.feed import Feed, feed_for

from ..ours import engine
from ..report import Part, Table, milliseconds, number
from ..session import Session
from ..settings import FEEDING, FOLDER, TRAINING, Workload
from ..turns import Contender, Times, quartiles, ratio, take_turns

__all__ = ["measure"]

IMAGES = 4096
"""How many images there are."""

PLAIN, MOVED, FILES = "arrays", "arrays, moved", "a folder of PNGs, warm"

AUGMENT = gt.Augment(crop=2, flip=0.5, rotation=10, cutout=6)


def measure(session: Session) -> Part:
    """Every network that has a goal here."""
    part = Part("Feeding images")
    table = Table(("network / batch", "images", "median >", "quartiles >", "speed >"))
    for workload in session.workloads:
        if workload.name in FEEDING:
            with TemporaryDirectory() as folder:
                _compare(session, workload, Path(folder), table, part)
    part.body += [_EXPLAINED, table]
    return part


_EXPLAINED = (
    "A training step with everything around it that `gt.train` does for a batch. *Moved*: each "
    "image is shifted by up to two pixels, mirrored, turned by up to 10 degrees and partly "
    "covered, every time anew. *Folder*: as many PNG files, decoded once and kept as bytes. Speed "
    "is that of arrays as they are over this one's."
)


class _Learner:
    """A training that goes on; each call makes one step.

    Args:
        network: trained from its present weights.
        feed: its data.
        made: the engine.
        size: samples of a batch.
    """

    def __init__(self, network: gt.Network, feed: Feed, made: Any, size: int) -> None:
        loss, optimizer = gt.CrossEntropy(), gt.SGD(TRAINING.lr, momentum=TRAINING.momentum)
        self._trainer = made.trainer(network, loss, optimizer)
        self._batches = self._endless(feed, size)

    def _endless(self, feed: Feed, size: int) -> Iterator[Batch]:
        draw, drawn = np.random.default_rng(TRAINING.seed), Drawn()
        while True:
            order = draw.permutation(len(feed))
            yield from feed.batches(order, size, seed=TRAINING.seed, drawn=drawn)
            drawn = Drawn(drawn.epochs + 1, drawn.steps + -(-len(feed) // size))

    def __call__(self) -> None:
        """One step on the next batch."""
        if not self._trainer.step(next(self._batches)).finite:
            raise ArithmeticError("a step is not finite")


def _compare(session: Session, workload: Workload, folder: Path, table: Table, part: Part) -> None:
    """The sides of one network, as rows."""
    heading = f"feeding, {workload.title}"
    session.told(f"{heading}: getting ready")
    network = gt.architecture(workload.name).network(seed=TRAINING.seed)
    draw = np.random.default_rng(TRAINING.seed)
    pixels = draw.integers(0, 256, (IMAGES, *network.input_shape), np.uint8)
    y = draw.integers(0, 10, IMAGES)
    x = pixels.astype(np.float32) / 255
    made, loss = engine(session.threads, session.options), gt.CrossEntropy()
    feeds = {
        PLAIN: feed_for(network, (x, y), loss, made),
        MOVED: feed_for(network, (x, y), loss, made, augment=AUGMENT),
    }
    if workload.name in FOLDER:
        images = ImageFolder(_written(folder, pixels, y))
        feeds[FILES] = feed_for(network, images, loss, made)
    size = workload.batch_size
    contenders = [
        Contender(name, _Learner(_twin(network), feed, made, size)) for name, feed in feeds.items()
    ]
    times = take_turns(
        contenders, session.seconds, told=lambda text: session.told(f"{heading}: {text}")
    )
    for name, found in times.items():
        _row(workload, name, found, times[PLAIN], table, part)


def _row(
    workload: Workload, name: str, found: Times, plain: Times, table: Table, part: Part
) -> None:
    low, high = quartiles(found.all)
    speed = ratio(plain, found)
    table.add(
        workload.title, name, milliseconds(found.median),
        f"{number(1e3 * low)} – {number(1e3 * high)}", f"{speed:.1%}",
    )  # fmt: skip
    goal = {MOVED: FEEDING, FILES: FOLDER}.get(name, {}).get(workload.name)
    if goal is not None and speed < goal:
        part.failed.append(f"{workload.title}, {name}: {speed:.1%} of the speed, wanted {goal:.0%}")


def _twin(network: gt.Network) -> gt.Network:
    """The same network with weights of its own."""
    return gt.Network(network.input_shape, network.layers, seed=network.seed)


def _written(folder: Path, pixels: np.ndarray, y: np.ndarray) -> Path:
    """The images as PNG files, a folder per class."""
    from PIL import Image

    for number_, (image, label) in enumerate(zip(pixels, y, strict=True)):
        path = folder / str(label)
        path.mkdir(exist_ok=True)
        flat = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
        Image.fromarray(flat).save(path / f"{number_:05d}.png", compress_level=1)
    return folder
