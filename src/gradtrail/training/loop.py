"""The training loop as it is called: everything checked, then a `Training` that runs.

What only a training needs is imported when there is one, so that gradtrail is imported quickly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..checking.arguments import flags, positive
from ..checking.calls import call_example
from ..data.augment import Augment
from ..engines import engine_for
from ..errors import ArgumentError, unknown
from ..graph.output_losses import network_loss
from ..layers import Loss
from ..layers.loss_functions import AnyLoss
from ..optimizers import Adam, Optimizer
from .history import History
from .observers import Observer
from .schedules import ReduceLROnPlateau, Schedule
from .stopping import EarlyStopping

if TYPE_CHECKING:
    from ..engines import Engine
    from ..engines.batch import Arrays
    from ..graph import Graph
    from .checkpoints import Checkpoints
    from .course import Course, Setup
    from .feed import Feed
    from .kept_features import Kept
    from .training import Training


@call_example("gt.train(network, (x, y), epochs=3)")
def train(
    network: Graph,
    data: Any,
    *,
    validation: Any = None,
    loss: AnyLoss | None = None,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    epochs: int = 1,
    batch_size: int = 64,
    accumulate: int = 1,
    shuffle: bool = True,
    drop_last: bool = False,
    augment: Augment | None = None,
    mixup: float = 0.0,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    average: float | None = None,
    stopping: EarlyStopping | None = None,
    threads: int | None = None,
    seed: int = 0,
    engine: str | Engine | None = None,
    progress: bool = True,
    watch: Sequence[str] | None = None,
    log: Sequence[Observer] = (),
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    cache_features: bool = True,
) -> History:
    """Train a network in place.

    Args:
        network: whose parameters and running statistics are changed.
        data: samples (N, *input_shape) and their labels, or `gt.data.Images` such as a folder.
        validation: likewise, to evaluate on after every epoch.
        loss: by default `CrossEntropy()`; of several outputs a mapping of theirs to a loss each, or
            to (loss, weight).
        optimizer: by default `Adam()`.
        schedule: how its learning rate changes in the course of the training; None for not.
        epochs: how often all samples are seen, at least 1.
        batch_size: samples per step; the last step of an epoch takes what is left.
        accumulate: how many batches, computed one after another, make one step. Without batch norm
            it is the step of one batch as large as all of them, to rounding, in the memory of one;
            each draws its own dropout. Steps, schedules and logs count updates.
        shuffle: whether each epoch has an order of its own.
        drop_last: whether the last samples of an epoch's order are left out where they fill no
            batch; with `shuffle`, others each time.
        augment: how images are changed at random each time they are seen; None for not.
        mixup: α of the Beta distribution by which two samples and their labels are mixed; 0 for
            not, 0.2 is usual.
        clip_norm: the greatest length of all gradients together; a longer one is shortened to it.
        clip_value: the greatest size of each element of the gradients, instead.
        average: how much of the weights' moving average each step leaves, such as 0.999. The
            network is evaluated, and ends, with the averages of weights and running statistics.
        stopping: when to end before the last epoch, and which weights to keep.
        threads: how many the engine may use; None for all. It changes no result.
        seed: what order, dropout and augmentation follow from. The same seed gives the same
            training of a new network. A network that was trained before draws on from there
            (`network.drawn`), so that several calls are one longer training, not a repeated one.
        engine: None for the default, "cpu", "reference", or an engine object.
        progress: a live view in a terminal, a line per epoch elsewhere; False for silence.
        watch: single weights such as "conv1.weight[2,0,1,1]" whose value, gradient and update are
            kept for every step, with the samples that brought most; see `History.watched`. A step
            takes several times as long then.
        log: who is told of every step and epoch.
        checkpoints: where and how often the training is kept on disk; None for not.
        resume: whether to go on from the newest of the checkpoints, bit by bit as if nothing had
            stopped it; where there is none, the training begins. `epochs` alone may be another
            number than before.
        cache_features: whether the features of frozen first layers are computed once and kept, in
            memory or on disk, where nothing moves or mixes the samples; the result is the same.

    Returns:
        The history. Stopped by Ctrl-C, it ends with the last finished step, and so does the
        network.

    Raises:
        ArgumentError: a setting out of its range, or another than that of the checkpoint.
        DataError: samples or labels that do not fit.
        FileError: a checkpoint cannot be written, or none can be read.
        NoRoomError: it needs more memory than there is.
        NonFiniteError: a NaN or an infinity appeared; the network is as before that step.
    """
    from .course import Course

    course = Course(
        loss=network_loss(network, loss),
        optimizer=Adam() if optimizer is None else optimizer,
        schedule=schedule,
        epochs=epochs,
        batch_size=batch_size,
        accumulate=accumulate,
        shuffle=shuffle,
        drop_last=drop_last,
        augment=augment,
        mixup=mixup,
        clip_norm=clip_norm,
        clip_value=clip_value,
        average=average,
        stopping=stopping,
        seed=seed,
    )
    flags("train", progress=progress, resume=resume, cache_features=cache_features)
    observers = _observers(log)
    if progress:
        from .progress_line import ProgressLine

        observers = [ProgressLine(), *observers]
    training = prepare_training(
        network,
        data,
        course,
        validation=validation,
        threads=threads,
        engine=engine,
        watch=watch,
        observers=observers,
        checkpoints=checkpoints,
        resume=resume,
        cache_features=cache_features,
    )
    return training.run()


def prepare_training(
    network: Graph,
    data: Any,
    course: Course,
    *,
    validation: Any = None,
    threads: int | None = None,
    engine: str | Engine | None = None,
    watch: Sequence[str] | None = None,
    observers: Sequence[Observer] = (),
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    cache_features: bool = True,
) -> Training:
    """A training that is checked and ready to run; see `train`."""
    from dataclasses import replace

    from .course import Setup, refuse_frozen
    from .memory_estimate import check_memory
    from .training import Training

    if threads is not None:
        positive("train", threads=threads)
    if checkpoints is not None:
        from .checkpoints import Checkpoints, CheckpointWriter

        if not isinstance(checkpoints, Checkpoints):
            raise ArgumentError(
                f'train: checkpoints must be an object such as gt.Checkpoints("kept"), got '
                f"{checkpoints!r}"
            )
    refuse_frozen("train", network)
    if len(network.outputs) > 1 and not course.loss.parts:
        course = replace(course, loss=network_loss(network, course.loss))
    runs = engine_for(engine, network, threads)
    feed, held_out = _feeds(network, data, validation, course, runs)
    course.fits(network, len(feed))
    optimizer = course.composed()
    setup = Setup(network, course, feed, held_out, runs, optimizer)
    check_memory(setup)
    start = found = None
    if checkpoints is not None:
        from .resuming import found_for

        found = found_for(setup, checkpoints, resume)
    elif resume:
        raise ArgumentError("train: resume=True goes on from checkpoints; say where they are kept")
    if found is not None:
        start = found.snapshot.values()
        optimizer.remember(network, found.snapshot.about["updates"], found.snapshot.state())
    kept = None
    if cache_features and network.frozen and not watch:
        kept = _kept(setup, start, 0 if found is None else found.snapshot.position().epoch)
    if kept is None:
        training = Training(setup, runs.trainer(network, course.loss, optimizer, start), observers)
    else:
        from .kept_features import HeadTrainer

        setup = setup._replace(feed=kept.feed)
        training = Training(setup, HeadTrainer(network, kept, setup, start), observers)
        training.judged = kept.head, kept.held_out
    if watch:
        from .weight_watcher import watch_elements

        training.watcher = watch_elements(training.trainer, network, course.loss, watch)
    if found is not None:
        found.snapshot.restore(training)
    if checkpoints is not None:
        training.writer = CheckpointWriter(checkpoints, training)
    return training


def _kept(setup: Setup, start: Arrays | None, epoch: int) -> Kept | None:
    """The features of a frozen trunk, with the weights that the training begins with."""
    from .kept_features import keep_features

    network = setup.network
    for held in (network.parameters, network.buffers):
        for name in held:
            if start is not None and name in network.frozen:
                held[name] = start[name]
    return keep_features(setup, setup.course.epochs - epoch)


def _feeds(
    network: Graph, data: Any, validation: Any, course: Course, engine: Engine
) -> tuple[Feed, Feed | None]:
    """What is learned from, and what is evaluated on after every epoch; both checked.

    Raises:
        ArgumentError: early stopping looks at what there is not.
        DataError: samples or labels that do not fit.
    """
    from .feed import feed_for

    loss = course.loss
    feed = feed_for(network, data, loss, engine, augment=course.augment, mixup=course.mixup)
    held_out = None
    if validation is not None:
        held_out = feed_for(network, validation, loss, engine, name="validation")
    if course.stopping is not None:
        _check_measure("stopping", course.stopping, loss, feed, held_out)
    if isinstance(course.schedule, ReduceLROnPlateau):
        _check_measure("schedule", course.schedule, loss, feed, held_out)
    return feed, held_out


def _observers(log: Any) -> Sequence[Observer]:
    """What `log=` holds, checked.

    Raises:
        ArgumentError: it is no list of observers.
    """
    if not isinstance(log, list | tuple) or not all(isinstance(o, Observer) for o in log):
        raise ArgumentError(
            f'train: log is a list of observers such as [CSVLog("log.csv")], got {log!r}'
        )
    return log


def _check_measure(
    what: str,
    stopping: EarlyStopping | ReduceLROnPlateau,
    loss: Loss,
    feed: Feed,
    held_out: Feed | None,
) -> None:
    """Whether there will be what early stopping, or a schedule, looks at.

    Raises:
        ArgumentError: it needs validation samples, or classes.
    """
    output, _, figure = stopping.measure.rpartition(".")
    looks = f"train: {what} looks at the {stopping.measure.replace('_', ' ')}, but"
    if stopping.of_validation and held_out is None:
        raise ArgumentError(
            f"{looks} there are no validation samples; pass validation=, or {what} with "
            'measure="loss"'
        )
    parts = {part.name: part for part in loss.parts}
    if output and output not in parts:
        raise ArgumentError(f"{looks} {unknown('output', output, parts)}")
    if parts and not output and stopping.of_classes:
        listed = ", ".join(f'"{name}.{figure}"' for name in parts)
        raise ArgumentError(
            f"{looks} the network has several outputs; name one of them, as in measure={listed}"
        )
    judge, labels, shape = loss, feed.y, feed.outputs
    if output:
        judge, labels, shape = parts[output].loss, feed.y[output], parts[output].shape
    if stopping.of_classes and judge.classes(labels[:1], (1, *shape)) is None:
        other = stopping.measure.replace("accuracy", "loss")
        raise ArgumentError(
            f'{looks} {type(judge).__name__} knows no classes; pass {what} with measure="{other}"'
        )


@call_example("gt.evaluate(network, (x, y))")
def evaluate(
    network: Graph,
    data: Any,
    *,
    loss: AnyLoss | None = None,
    batch_size: int = 256,
    engine: str | Engine | None = None,
) -> dict[str, float]:
    """Loss and accuracy of a network in evaluation.

    Args:
        network: is not changed.
        data: samples and labels, or `gt.data.Images` such as a folder.
        loss: by default `CrossEntropy()`; of several outputs a mapping of theirs to a loss each, or
            to (loss, weight).
        batch_size: how many samples are computed at once.
        engine: None for the default, "cpu", "reference", or an engine object.

    Returns:
        `loss`, the mean over all samples, and `accuracy` where there are classes; of several
        outputs also those of each, such as `a.loss` and `a.accuracy`.

    Raises:
        DataError: samples or labels that do not fit.
    """
    from .feed import feed_for
    from .training import mean_figures

    positive("evaluate", batch_size=batch_size)
    loss = network_loss(network, loss)
    runs = engine_for(engine, network)
    return mean_figures(network, feed_for(network, data, loss, runs), loss, batch_size, runs)
