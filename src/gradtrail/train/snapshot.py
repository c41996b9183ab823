"""All that a training needs to go on as if nothing had happened, as arrays and JSON.

Arrays are the engine's own, in its own precision: parameters and running statistics, what the
optimiser remembers, averages, the best epoch's weights, and the losses so far. Everything random
follows from the seed and the position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..streams import Drawn
from .history import History
from .training import Position, Training

__all__ = ["Snapshot"]

_KEPT_APART = ("losses", "interrupted", "stopped")


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
        arrays = {f"value/{name}": a for name, a in training.trainer.arrays().items()}
        for name, state in remembered.items():
            arrays |= {f"state/{kind}/{name}": a for kind, a in state.items()}
        arrays |= {f"statistics/{name}": a for name, a in training.statistics.sums.items()}
        arrays |= {f"best/{name}": a for name, a in training.best.arrays.items()}
        watching, watched = training.watching, None
        if watching is not None:
            from .watch import watched_arrays

            kept = watching.watched()
            arrays |= {f"watched/{name}": a for name, a in watched_arrays(kept).items()}
            watched = {"every": watching.every, "elements": list(kept)}
        arrays["history/losses"] = np.array(training.history.losses, np.float64)
        history = training.history.to_dict()
        about = {
            "position": training.position._asdict(),
            "updates": step,
            "drawn": list(training.drawn),
            "best": training.best.epoch,
            "history": {k: v for k, v in history.items() if k not in _KEPT_APART},
            "course": training.settings,
            "architecture": training.network.architecture(),
            "engine": training.engine.settings(),
            "watched": watched,
            **data,
        }
        return cls(arrays, about)

    def values(self) -> dict[str, np.ndarray]:
        """Parameters and running statistics, as the engine had them."""
        return self._under("value/")

    def state(self) -> dict[str, dict[str, np.ndarray]]:
        """What the optimiser remembered: parameter → kind → array."""
        found: dict[str, dict[str, np.ndarray]] = {}
        for name, array in self._under("state/").items():
            kind, _, parameter = name.partition("/")
            found.setdefault(parameter, {})[kind] = array
        return found

    def restore(self, training: Training) -> None:
        """Put a training that has not begun where this one was.

        Its trainer must have been made from `values`, and its optimiser must remember `state`.
        """
        position = Position(**self.about["position"])
        training.start = training.position = position
        training.drawn = Drawn.of(self.about.get("drawn")) or Drawn()  # older ones have none
        losses = self.arrays["history/losses"].tolist()
        training.history = History(**{**self.about["history"], "losses": losses})
        training.best.epoch = self.about["best"]
        training.best.arrays = self._under("best/")
        training.statistics.sums = self._under("statistics/")
        training.statistics.steps = position.steps if training.statistics.sums else 0
        kept = self.about["watched"]
        if training.watching is not None:
            from .watch import watched_from

            watched = watched_from(self._under("watched/"), kept["elements"]) if kept else {}
            every = kept["every"] if kept else 1
            training.watching.go_on(watched, every, position.steps)

    def _under(self, prefix: str) -> dict[str, np.ndarray]:
        return {n.removeprefix(prefix): a for n, a in self.arrays.items() if n.startswith(prefix)}
