"""One training in progress: where it is, what it takes to go on from there, and its end.

All randomness follows from seed, epoch and step, counted on from the network's trainings before, so
a training's state is its arrays, its position and where it began; see `snapshot.py`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..engines import Batch, Engine, Evaluated, Stepped, Trainer
from ..errors import NonFiniteError
from ..optimizers.composed import Composed
from ..streams import Drawn, stream
from ..tracing.nonfinite import nonfinite_message
from .course import Setup
from .feed import Feed
from .first_epoch import warn_if_nothing_learned
from .history import History, of_validation
from .observers import Observer, Seen
from .stopping import Best

if TYPE_CHECKING:
    from ..graph import Graph
    from ..layers import Loss
    from .checkpoints import CheckpointWriter
    from .weight_watcher import WeightWatcher

_EVALUATED = 256
"""How many validation samples are computed at once."""


class Tally(NamedTuple):
    """The sums of one of several outputs; fields as those of `Position`."""

    total: float = 0.0
    mass: float = 0.0
    correct: int | None = 0
    answers: int = 0

    def after(self, done: Evaluated, batch: Batch) -> Tally:
        """One step further."""
        mass = batch.mass
        known = None if done.correct is None else (self.correct or 0) + done.correct
        total = self.total + done.loss * mass
        return Tally(total, self.mass + mass, known, self.answers + batch.answers)

    def figures(self) -> dict[str, float]:
        """The mean loss, and the accuracy where there are classes."""
        found = {"loss": self.total / self.mass if self.mass else 0.0}
        if self.correct is not None:
            found["accuracy"] = self.correct / self.answers if self.answers else 0.0
        return found


class Position(NamedTuple):
    """Where a training is, and the sums of the epoch so far.

    Args:
        epoch: the first being 0.
        place: how many of its steps are done.
        steps: how many steps there were in all.
        total: the losses, each times what its batch counts.
        mass: what these batches count.
        correct: how many samples were right; None without classes.
        seen: how many samples there were.
        seconds: how long it took.
        answers: how many classes of samples or positions could be right.
        parts: the sums of each of several outputs.
    """

    epoch: int = 0
    place: int = 0
    steps: int = 0
    total: float = 0.0
    mass: float = 0.0
    correct: int | None = 0
    seen: int = 0
    seconds: float = 0.0
    answers: int = 0
    parts: tuple[Tally, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Position:
        """The position that `settings` gave; without `answers`, one for each sample."""
        parts = tuple(Tally(*part) for part in settings.get("parts", ()))
        return cls(**{"answers": settings["seen"] or 0, **settings, "parts": parts})

    def settings(self) -> dict[str, Any]:
        """The position as JSON; `answers` where they are not as many as the samples."""
        found = self._asdict()
        if self.answers == self.seen:
            del found["answers"]
        del found["parts"]
        return found | ({"parts": list(map(list, self.parts))} if self.parts else {})

    @property
    def accuracy(self) -> float | None:
        """The share of right answers; None without classes, or where none counts."""
        return self.correct / self.answers if self.correct is not None and self.answers else None

    def after(self, done: Evaluated | Stepped, batch: Batch, seconds: float) -> Position:
        """One step further."""
        known = None if done.correct is None else (self.correct or 0) + done.correct
        mass = batch.mass
        tallies = self.parts or (Tally(),) * len(done.parts)
        own = zip(tallies, done.parts, batch.by_output if done.parts else (), strict=True)
        return self._replace(
            place=self.place + 1,
            steps=self.steps + 1,
            total=self.total + done.loss * mass,
            mass=self.mass + mass,
            correct=known,
            seen=self.seen + len(batch),
            seconds=self.seconds + seconds,
            answers=self.answers + batch.answers,
            parts=tuple(tally.after(part, labelled) for tally, part, labelled in own),
        )

    def figures(self, loss: Loss) -> dict[str, float]:
        """The mean loss, and the accuracy where there are classes; of several outputs, of each."""
        if loss.parts:
            return self._joint(loss)
        found = {"loss": self.total / self.mass}
        return found if self.accuracy is None else found | {"accuracy": self.accuracy}

    def _joint(self, loss: Loss) -> dict[str, float]:
        """The weighted sum of the outputs' mean losses, and the figures of each output."""
        each = [tally.figures() for tally in self.parts]
        known = list(zip(loss.parts, each, strict=True))
        total = sum(part.weight * own["loss"] for part, own in known)
        return {"loss": total} | {
            f"{part.name}.{figure}": value for part, own in known for figure, value in own.items()
        }


class StatisticsAverage:
    """The same average over all steps as `Composed` takes of the weights, in float64.

    Args:
        names: of the running statistics.
        decay: how much of the average each step leaves.
    """

    def __init__(self, names: Sequence[str], decay: float) -> None:
        self.names, self.decay = tuple(names), decay
        self.steps = 0
        self.sums: dict[str, np.ndarray] = {}

    def note(self, steps: int, arrays: Mapping[str, np.ndarray]) -> None:
        """A step is done; the same one twice counts once.

        Args:
            steps: how many there were.
            arrays: the running statistics behind it, and others.
        """
        if steps == self.steps:
            return
        d = self.decay
        found = {
            name: d * self.sums.get(name, 0.0) + (1 - d) * arrays[name].astype(np.float64)
            for name in self.names
        }
        self.steps, self.sums = steps, found

    def averages(self) -> dict[str, np.ndarray]:
        """What is evaluated with, and what a training ends with."""
        share = 1 - self.decay**self.steps
        return {name: total / share for name, total in self.sums.items()}


class Training:
    """A training in progress.

    Args:
        setup: what it is made of.
        trainer: the engine's training of its network, by its optimiser.
        observers: who are told.
    """

    def __init__(self, setup: Setup, trainer: Trainer, observers: Sequence[Observer] = ()) -> None:
        network, course, self.feed, self.held_out, self.engine, optimizer = setup
        self.network, self.course, self.optimizer = network, course, optimizer
        self.trainer, self.observers = trainer, tuple(observers)
        if course.accumulate > 1:
            trainer.piece = course.batch_size
        self.steps = course.steps(len(self.feed))
        self.start = self.position = Position()
        self.drawn = network.drawn  # when it began: its draws go on from there
        self.history = History()
        self.best, self.rate = Best(course.stopping), optimizer.lr
        self.settings = course.settings()  # with the rate before any schedule
        running = [n for n in network.buffers if n not in network.frozen]
        running = running if course.average is not None else []
        self.statistics = StatisticsAverage(running, course.average or 0.0)
        self.judged = network, self.held_out  # or its head, and features
        self.writer: CheckpointWriter | None = None
        self.watcher: WeightWatcher | None = None
        self.asked = False
        self.failed: Batch | None = None  # that of a step that was not finite
        self.judging = False  # whether that was in an evaluation
        self._heard = [self.position] * len(self.observers)
        self._batch: Batch | None = None

    def ask_to_stop(self) -> None:
        """Let the training end before its next step, as Ctrl-C does."""
        self.asked = True

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do."""
        return self.position.epoch >= self.course.epochs or self.best.over(self.history)

    def run(self) -> History:
        """Train to the end, or until Ctrl-C.

        Raises:
            NonFiniteError: a NaN or an infinity appeared; the network is as before that step.
        """
        history = self.history
        try:
            self._heard = [self.position] * len(self.observers)
            for observer in self.observers:
                observer.begin(history, self.course.epochs, self.steps)
            while not self.over:
                self._epoch()
                self._close_epoch()
                if self.writer is not None:
                    self.writer.due()
            history.stopped = self.position.epoch < self.course.epochs
        except KeyboardInterrupt:
            history.interrupted = True
            self._catch_up()
            self._tell_rest()
            if self.writer is not None:
                self.writer.now()
        finally:
            self._end()
        return history

    def _epoch(self) -> None:
        """The steps of an epoch that are left."""
        course, start = self.course, self.position
        before = self.drawn
        drawn = Drawn(before.epochs + start.epoch, before.steps + start.epoch * self.steps)
        order, place = self._taken(start.epoch), start.place
        batches = self.feed.batches(
            order, course.of_step, seed=course.seed, drawn=drawn, start=place
        )
        with closing(batches):
            since = time.perf_counter()
            for batch in batches:
                if self.asked:
                    raise KeyboardInterrupt
                self._step(batch, since)
                if self.writer is not None:
                    self.writer.due()
                since = time.perf_counter()

    def _step(self, batch: Batch, since: float) -> None:
        self._set_rate()
        self._batch = batch
        if self.watcher is not None:
            self.watcher.look(batch)
        done = self.trainer.step(batch)
        if self.watcher is not None:
            self.watcher.settle()
        if not done.finite:
            self.failed = batch.whole
            system = self.network.system(len(batch), training=True, loss=self.course.loss)
            where = nonfinite_message(system, self.trainer.computed(batch), batch.numbers)
            raise NonFiniteError(f"step {self.position.steps + 1}: {where}")
        self._note(done, batch, time.perf_counter() - since)
        self._tell()

    def _note(self, done: Stepped, batch: Batch, seconds: float) -> None:
        """A step is done: that it is, is one assignment, wherever Ctrl-C comes."""
        if self.course.average is not None:
            self.statistics.note(self.position.steps + 1, self.trainer.arrays())
        self.history.note(done.loss, self.optimizer.lr)
        self.position = self.position.after(done, batch, seconds)

    def _catch_up(self) -> None:
        """Note the last step where Ctrl-C came before its note; forget what is half noted."""
        self.history.keep(self.position.steps, self.position.epoch)
        finished, last = self.trainer.finished
        unnoted = self.start.steps + finished > self.position.steps
        if unnoted and last is not None and self._batch is not None:
            self._note(last, self._batch, 0.0)

    def _tell(self) -> None:
        """Tell every observer of the step or epoch that is done."""
        for number in range(len(self.observers)):
            self._tell_one(number)

    def _tell_rest(self) -> None:
        """Tell those that Ctrl-C kept from hearing, or that may have heard half of it.

        Should it have come from one of them, it does not matter any more.
        """
        for number, heard in enumerate(self._heard):
            if heard != self.position:
                with suppress(KeyboardInterrupt):
                    self._tell_one(number)

    def _tell_one(self, number: int) -> None:
        at, observer = self.position, self.observers[number]
        if at.place:
            observer.step(self._seen(at))
        else:
            observer.epoch(self.history)
        self._heard[number] = at

    def _seen(self, at: Position) -> Seen:
        """The last step, as observers are told of it."""
        loss, rate = self.history.step_losses[-1], self.optimizer.lr
        return Seen(at.steps, at.epoch + 1, at.place, loss, rate, at.seen, at.accuracy)

    def _close_epoch(self) -> None:
        """Evaluate, and note the epoch's figures."""
        at, history = self.position, self.history
        self.show()
        found = at.figures(self.course.loss)
        network, held_out = self.judged
        if self.held_out is not None and held_out is not None:
            held = mean_figures(network, held_out, self.course.loss, _EVALUATED, self.engine)
            if not np.isfinite(held["loss"]):
                where = self._first_held_out(self.held_out)
                raise NonFiniteError(
                    f"epoch {at.epoch + 1}: the validation loss is {held['loss']}{where}"
                )
            found |= {of_validation(name): value for name, value in held.items()}
        history.close(found, at.seconds)
        best = self.best.after(history, {**self.network.parameters, **self.network.buffers})
        # together, so that a checkpoint's best epoch is one that is over
        self.best, self.position = best, Position(at.epoch + 1, 0, at.steps)
        history.best = best.epoch
        self._tell()
        if at.epoch == 0 and self._batch is not None:
            warn_if_nothing_learned(self, self._batch)

    def _first_held_out(self, feed: Feed) -> str:
        """Where an evaluation is not finite, as a clause; the first such batch is kept."""
        loss = self.course.loss
        with closing(feed.in_order(self.course.batch_size)) as batches:
            for batch in batches:
                if not np.isfinite(self.engine.evaluate(self.network, batch).loss):
                    self.failed, self.judging = batch, True
                    found = self.engine.compute(self.network, batch, loss, training=False)
                    system = self.network.system(len(batch), training=False, loss=loss)
                    return f": {nonfinite_message(system, found, batch.numbers)}"
        return "; look for NaN in the validation data, or lower the learning rate"

    def _set_rate(self) -> None:
        """The learning rate of the step that comes, taken at its middle."""
        schedule = self.course.schedule
        if schedule is not None:
            progress = (self.position.steps + 0.5) / (self.course.epochs * self.steps)
            self.optimizer.take_settings(self.course.optimizer)  # which an observer may change
            self.optimizer.lr = self.rate * schedule.factor_after(progress, self.history)

    def order(self, epoch: int) -> np.ndarray:
        """The order of one epoch, from the seed and the epochs of the network alone."""
        if not self.course.shuffle:
            return np.arange(len(self.feed), dtype=np.int64)
        draw = stream(self.course.seed, "order", self.drawn.epochs + epoch)
        return draw.permutation(len(self.feed)).astype(np.int64, copy=False)

    def _taken(self, epoch: int) -> np.ndarray:
        """The part of an epoch's order that its steps take."""
        return self.order(epoch)[: self.steps * self.course.of_step]

    def show(self) -> None:
        """Write to the network what the training is to be judged by: averages, where they are."""
        self.trainer.store()
        # those that were made, since an error may have come before the last one's note
        steps = self.start.steps + self.trainer.finished[0]
        if self.course.average is not None and steps:
            assert isinstance(self.optimizer, Composed)
            found = self.optimizer.averages(self.network, steps)
            self._write(found | self.statistics.averages())

    def _write(self, arrays: Mapping[str, np.ndarray]) -> None:
        for held in (self.network.parameters, self.network.buffers):
            for name in held:
                if name in arrays:
                    held[name] = arrays[name]

    def _draws_done(self) -> Drawn:
        """How far the network's draws are now; an epoch that was begun is not drawn again."""
        at, before = self.position, self.drawn
        begun = at.epoch + (1 if at.place else 0)
        return Drawn(before.epochs + begun, before.steps + at.steps)

    def _end(self) -> None:
        """The weights as they are; Ctrl-C in the middle comes too late."""
        self.network.drawn = self._draws_done()
        for _ in range(2):
            try:
                self.show()
                if self.over and not self.history.interrupted:
                    self._write(self.best.arrays)
                break
            except KeyboardInterrupt:
                self.history.interrupted = True
        with ExitStack() as ending:  # one that fails keeps no other from its end
            for observer in reversed(self.observers):
                ending.callback(observer.end, self.history)
            if self.watcher is not None:
                self.history.watched = self.watcher.watched()


def mean_figures(
    network: Graph, feed: Feed, loss: Loss, size: int, engine: Engine
) -> dict[str, float]:
    """Loss and, where there are classes, accuracy over all samples in evaluation."""
    at = Position()
    with closing(feed.in_order(size)) as batches:
        for batch in batches:
            at = at.after(engine.evaluate(network, batch), batch, 0.0)
    return at.figures(loss)
