"""All that a training needs to go on as if nothing had happened, as arrays and JSON.

Arrays are the engine's own, in its own precision: parameters and running statistics, what the
optimiser remembers, averages, the best epoch's weights, and the losses so far. Everything random
follows from the seed and the position.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from ..streams import Drawn
from ..version import VERSION
from .history import History
from .stopping import Best
from .training import Position, Training
from .watched_weights import tell_left, watched_arrays, watched_from

if TYPE_CHECKING:
    from ..engines import Engine

_NOT_PROMISED = (
    "the seconds; and the last bits of what follows, with another version of gradtrail or where "
    "'bits' is another"
)

UNKNOWN_PROVENANCE: Mapping[str, str] = {
    "gradtrail": "0.1.0",
    "processor": "",
    "bits": "",
    "not_promised": "",
}
"""Of checkpoints whose format did not say it."""


@dataclass(frozen=True)
class Snapshot:
    """A training as it was at one moment.

    Args:
        arrays: by name, such as `value/conv1.weight` and `state/velocity/conv1.weight`.
        about: position, figures and settings, as JSON.
    """

    arrays: Mapping[str, np.ndarray]
    about: Mapping[str, Any]

    @classmethod
    def of(cls, training: Training, data: Mapping[str, Any]) -> Snapshot:
        """Of a training between two steps.

        Args:
            training: it goes on from here.
            data: what tells its data from others: `data` and `validation`.
        """
        training.trainer.store()  # hands the optimiser's state over
        step, remembered = training.optimizer.remembered(training.network)
        watcher = training.watcher
        watched = {} if watcher is None else watcher.watched()
        parts = {
            "value": training.trainer.arrays(),
            "state": _state_arrays(remembered),
            "statistics": training.statistics.sums,
            "best": training.best.arrays,
            "watched": watched_arrays(watched),
            "history": training.history.arrays(),
        }
        arrays = {
            f"{part}/{name}": array
            for part, arrays_of_part in parts.items()
            for name, array in arrays_of_part.items()
        }
        about = {
            "position": training.position.settings(),
            "updates": step,
            "drawn": list(training.drawn),
            "best": training.best.epoch,
            "course": training.settings,
            "architecture": training.network.architecture(),
            "engine": training.engine.settings(),
            "watched": None
            if watcher is None
            else {"every": watcher.every, "elements": list(watched)},
            "written": provenance(training.engine),
            **data,
        }
        return cls(arrays, about)

    def values(self) -> dict[str, np.ndarray]:
        """Parameters and running statistics, as the engine had them."""
        return self.under("value/")

    def position(self) -> Position:
        """Where the training was."""
        return Position.of(self.about["position"])

    def drawn(self) -> Drawn:
        """How far the network's random draws were when the training began.

        Raises:
            DataError: that is no two numbers.
        """
        found = Drawn.of(self.about["drawn"])
        if found is None:
            raise DataError("drawn must be two whole numbers from 0")
        return found

    def history(self) -> History:
        """The figures so far.

        Raises:
            DataError: they are none of a history.
        """
        facts = {"interrupted": False, "stopped": False, "best": self.about["best"]}
        return History.from_arrays(self.under("history/"), facts)

    def state(self) -> dict[str, dict[str, np.ndarray]]:
        """What the optimiser remembered: parameter → kind → array."""
        found: dict[str, dict[str, np.ndarray]] = {}
        for name, array in self.under("state/").items():
            kind, _, parameter = name.partition("/")
            found.setdefault(parameter, {})[kind] = array
        return found

    def restore(self, training: Training) -> None:
        """Put a training that has not begun where this one was; all of it was inspected.

        Its trainer must have been made from `values`, and its optimiser must remember `state`.
        """
        position = self.position()
        training.start = training.position = position
        training.drawn = self.drawn()
        training.history = self.history()
        rule, best = training.course.stopping, training.history.best
        training.best = Best(rule, best, self.under("best/"))
        training.statistics.sums = self.under("statistics/")
        training.statistics.steps = position.steps if training.statistics.sums else 0
        kept = self.about["watched"] or {"every": 1, "elements": []}
        if training.watcher is None:
            tell_left(kept["elements"])
        else:
            watched = watched_from(self.under("watched/"), kept["elements"])
            training.watcher.go_on(watched, kept["every"], position.steps)

    def under(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays whose names begin so, by the rest of their names."""
        return {n.removeprefix(prefix): a for n, a in self.arrays.items() if n.startswith(prefix)}


def _state_arrays(
    remembered: Mapping[str, Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """What an optimiser remembers, parameter → kind → array, as `kind/parameter` → array."""
    return {
        f"{kind}/{parameter}": array
        for parameter, arrays_by_kind in remembered.items()
        for kind, array in arrays_by_kind.items()
    }


def provenance(engine: Engine) -> dict[str, str]:
    """The version and the processor, as JSON.

    Returns:
        `gradtrail`, the version; `processor`; `bits`, on which processors the same bits follow;
        `not_promised`, what may differ all the same.
    """
    processor, bits = engine.runs_on()
    return {
        "gradtrail": VERSION,
        "processor": processor,
        "bits": bits,
        "not_promised": _NOT_PROMISED,
    }


def differing_bits(written: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """What differs between two provenances so that the same bits are not promised, as clauses."""
    promise = "the training goes on, but not bit by bit as if nothing had stopped it"
    if written["gradtrail"] != now["gradtrail"]:
        yield (
            f"was written by gradtrail {written['gradtrail']}, and this is {now['gradtrail']}: "
            f"{promise}"
        )
    elif written["bits"] and written["bits"] != now["bits"]:
        yield (
            f"was written on {written['processor']} ({written['bits']}), and this is "
            f"{now['processor']} ({now['bits']}): {promise}"
        )
