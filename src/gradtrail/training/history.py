"""What a training leaves behind: the loss of every step and the metrics of every epoch."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, DataError, UnknownNameError, unknown
from ..renamed import former_attributes
from ..showing.shown import Printed

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from .watched_weights import Watched

_PER_STEP = ("step_losses", "rates")

_LATER = ("rates", "ends")
"""Those that earlier versions did not note."""

EPOCH_FIGURES = ("loss", "accuracy", "validation_loss", "validation_accuracy", "seconds", "ends")

OUTPUT_FIGURES = ("loss", "accuracy", "validation_loss", "validation_accuracy")
"""What there is of each of several outputs."""

FIGURES = (*_PER_STEP, *EPOCH_FIGURES)
"""The lists of a history."""

_IN_FILES = {"step_losses": "losses"}
"""What files call otherwise than a history does."""

_FACTS = ("interrupted", "stopped", "best")


@former_attributes
@dataclass
class History(Printed):
    """Plain lists, one entry per step or per epoch.

    Args:
        step_losses: the loss of every step, before its update.
        loss: per epoch, the mean over its samples.
        accuracy: per epoch, the share of samples whose greatest output was their class, as they
            were met in training; empty without classes.
        validation_loss: per epoch, on the validation samples in evaluation; empty without them.
        validation_accuracy: likewise.
        seconds: per epoch, validation left out.
        interrupted: whether the training was stopped by the keyboard.
        stopped: whether it ended early, since nothing became better.
        best: the number of the best epoch, the first being 0, where that was looked for.
        watched: the elements that were watched, with their steps.
        rates: the learning rate of every step; empty where an earlier version began the training,
            which did not note it.
        ends: per epoch, how many steps were done at its end; likewise.
        by_output: per epoch, the figures of each of several outputs, such as `a.loss`,
            `a.accuracy`, `a.validation_loss`; `loss` is then their weighted sum, and
            `history["a.loss"]` is one of these lists.
    """

    step_losses: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    interrupted: bool = False
    stopped: bool = False
    best: int | None = None
    watched: dict[str, Watched] = field(default_factory=dict, compare=False)
    rates: list[float] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    by_output: dict[str, list[float]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> list[float]:
        """A list of figures by its name, such as `loss` or, of an output, `a.loss`.

        Raises:
            UnknownNameError: there is none of this name.
        """
        if name in self.by_output:
            return self.by_output[name]
        if name not in FIGURES:
            raise UnknownNameError(unknown("figure", str(name), [*FIGURES, *self.by_output]))
        found: list[float] = getattr(self, name)
        return found

    @property
    def epochs(self) -> int:
        """How many epochs were finished."""
        return len(self.loss)

    @property
    def steps(self) -> int:
        """How many steps were finished."""
        return len(self.step_losses)

    def keep(self, steps: int, epochs: int) -> None:
        """Forget what was noted of steps and epochs beyond so many."""
        for name in FIGURES:
            del getattr(self, name)[epochs if name in EPOCH_FIGURES else steps :]
        for values in self.by_output.values():
            del values[epochs:]

    def note(self, loss: float, rate: float) -> None:
        """A step is done; its rate is kept where those of all steps before are."""
        if len(self.rates) == len(self.step_losses):
            self.rates.append(rate)
        self.step_losses.append(loss)

    def close(self, found: Mapping[str, float], seconds: float) -> None:
        """An epoch is over.

        Args:
            found: its figures, by their names here.
            seconds: that it took.
        """
        for name, value in found.items():
            if "." in name:
                self.by_output.setdefault(name, []).append(value)
            else:
                getattr(self, name).append(value)
        if len(self.ends) == len(self.seconds):
            self.ends.append(self.steps)
        self.seconds.append(seconds)

    def followed_by(self, after: History) -> History:
        """One history of two trainings, one behind the other; what was watched is left out."""
        lists = {name: getattr(self, name) + getattr(after, name) for name in FIGURES}
        lists["ends"] = self.ends + [self.steps + end for end in after.ends]
        for name in _LATER:
            whole = lists["step_losses" if name in _PER_STEP else "loss"]
            if len(lists[name]) < len(whole):
                lists[name] = []
        own, more = self.by_output, after.by_output
        outputs = {n: own.get(n, []) + more.get(n, []) for n in {**own, **more}}
        outputs = {n: held for n, held in outputs.items() if len(held) == len(lists["loss"])}
        return History(**lists, **after.facts(), by_output=outputs)

    def to_dict(self) -> dict[str, Any]:
        """The history as JSON, without what was watched."""
        found = {in_files(name): getattr(self, name) for name in (*FIGURES, *_FACTS)}
        return found | self.by_output

    def arrays(self) -> dict[str, np.ndarray]:
        """All figures, float64 (T,) per step and (E,) per epoch, by their names in files."""
        held = {in_files(name): getattr(self, name) for name in FIGURES} | self.by_output
        return {name: np.array(values, np.float64) for name, values in held.items()}

    def facts(self) -> dict[str, Any]:
        """What is no list, as JSON."""
        return {name: getattr(self, name) for name in _FACTS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> History:
        """The inverse of `arrays` and `facts`.

        Raises:
            DataError: one of them is missing, or is no figures or facts of a history.
        """
        arrays = {**{name: np.zeros(0) for name in _LATER}, **arrays}
        wanted = {*map(in_files, FIGURES), *filter(_of_output, arrays)}
        if arrays.keys() != wanted:
            raise DataError(f"its arrays are {_listed(arrays)}, but must be {_listed(wanted)}")
        for name, array in arrays.items():
            if array.dtype != np.float64 or array.ndim != 1:
                raise DataError(f"{name} is {array.dtype} {array.shape}, but must be float64 (n,)")
        if not isinstance(facts, Mapping) or facts.keys() != set(_FACTS):
            raise DataError(f"its facts must be {_listed(_FACTS)}")
        lists = {name: array.tolist() for name, array in arrays.items()}
        lists["ends"] = [int(end) if end.is_integer() else end for end in lists["ends"]]
        return cls.from_dict({**lists, **facts})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> History:
        """The inverse of `to_dict`.

        Raises:
            DataError: something else than lists of numbers, of other lengths, or other names.
        """
        known = {in_files(name): name for name in (*FIGURES, *_FACTS)}
        outputs = {}
        if isinstance(data, Mapping):
            outputs = {n: values for n, values in data.items() if n not in known and _of_output(n)}
        if not isinstance(data, Mapping) or not data.keys() <= known.keys() | outputs.keys():
            raise DataError("it has other entries than a history")
        own = {known[name]: value for name, value in data.items() if name in known}
        history = cls(**own, by_output=outputs)
        epochs, steps = (
            len(held) if isinstance(held, list) else -1
            for held in (history.loss, history.step_losses)
        )
        for name in (*FIGURES, *_FACTS):
            value = getattr(history, name)
            if name in ("interrupted", "stopped"):
                good = isinstance(value, bool)
            elif name == "best":
                good = value is None or (type(value) is int and 0 <= value < epochs)
            else:
                good = isinstance(value, list) and all(map(_finite, value))
                length = epochs if name in EPOCH_FIGURES else steps
                good = good and (not value or len(value) == length)
                good = good and (name != "ends" or _ascending(value, steps))
            if not good:
                raise DataError(f"{in_files(name)} is {reprlib.repr(value)}")
        for name, value in outputs.items():
            if not (isinstance(value, list) and all(map(_finite, value)) and len(value) == epochs):
                raise DataError(f"{name} is {reprlib.repr(value)}")
        return history

    def plot(self, path: str | Path | None = None) -> Figure:
        """Loss, accuracy and learning rate over the epochs, beside each other.

        The loss is there by step, faint, and as a mean over at most 60 steps; what was held out has
        a mark for each epoch.

        Args:
            path: where to write it; None for only giving it back.

        Raises:
            ArgumentError: there is no step.
            MissingPackageError: matplotlib is not there.
            FileError: the file cannot be written.
        """
        if not self.step_losses:
            raise ArgumentError("the history has no step, so there is nothing to draw")
        from ..showing.figures import save_figure
        from .curves import drawn

        return save_figure(drawn(self), path)

    def __str__(self) -> str:
        if not self.loss:
            return f"History: {self.steps} steps, no whole epoch"
        named = {"loss": self.loss, "accuracy": self.accuracy}
        named |= {"validation loss": self.validation_loss}
        named |= {"validation accuracy": self.validation_accuracy}
        named |= {name.replace("_", " "): values for name, values in self.by_output.items()}
        ends = ", ".join(f"{name} {values[-1]:.4f}" for name, values in named.items() if values)
        return f"History: {self.epochs} epochs, {self.steps} steps, {ends}"


def of_validation(name: str) -> str:
    """A figure of the validation samples: `validation_loss`, of an output `a.validation_loss`."""
    output, dot, figure = name.rpartition(".")
    return f"{output}{dot}validation_{figure}"


def _of_output(name: Any) -> bool:
    """Whether a name is that of an output's figure, such as `a.validation_accuracy`."""
    output, _, figure = name.rpartition(".") if isinstance(name, str) else ("", "", "")
    return bool(output.isidentifier() and figure in OUTPUT_FIGURES)


def in_files(name: str) -> str:
    """What a list of a history is called in files."""
    return _IN_FILES.get(name, name)


def _ascending(ends: list[Any], steps: int) -> bool:
    """Whether they are whole numbers that grow, up to the number of steps."""
    whole = all(type(end) is int for end in ends)
    return whole and all(a < b for a, b in zip([0, *ends], [*ends, steps + 1], strict=True))


def _finite(value: Any) -> bool:
    if type(value) is float:
        return math.isfinite(value)
    return type(value) is int and abs(value) < 1 << 64


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
