"""An estimator's parameters as the objects that `gradtrail.train` takes."""

from __future__ import annotations

import multiprocessing
import os
from typing import Any

from ...checking.arguments import positive
from ...engines import CPU
from ...errors import ArgumentError
from ...optimizers import SGD, Adam, AdamW, Optimizer
from ...training.schedules import Cosine, OneCycle, Schedule, StepDecay

RATES = {"sgd": 0.03, "adam": 0.003, "adamw": 0.003}
"""The learning rate of each optimiser where none is given."""

DECAYS = {"sgd": 0.0, "adam": 0.0, "adamw": 0.3}
"""The weight decay likewise. AdamW's is multiplied by the rate; small data sets need much of it."""

_STEPS, _LEAST, _MOST = 1000, 10, 200


def optimizer_for(
    name: Any, lr: float | None, momentum: float, weight_decay: float | None
) -> Optimizer:
    """A new optimiser.

    Args:
        name: "sgd", "adam" or "adamw".
        lr: the learning rate, above 0; None for the optimiser's in `RATES`.
        momentum: of "sgd" alone, Nesterov's; at least 0.
        weight_decay: λ, at least 0; None for the optimiser's in `DECAYS`.

    Raises:
        ArgumentError: another name, or a number out of its range.
    """
    if not isinstance(name, str) or name not in RATES:
        known = ", ".join(f'"{n}"' for n in RATES)
        raise ArgumentError(f"optimizer must be one of {known}, got {name!r}")
    rate = RATES[name] if lr is None else lr
    decay = DECAYS[name] if weight_decay is None else weight_decay
    if name == "sgd":
        return SGD(rate, momentum, nesterov=momentum != 0, weight_decay=decay)
    return (Adam if name == "adam" else AdamW)(rate, weight_decay=decay)


def schedule_for(schedule: Any) -> Schedule | None:
    """A schedule by its name, or the object itself; None for a constant rate.

    Raises:
        ArgumentError: neither.
    """
    named = {"constant": None, "step": StepDecay(), "cosine": Cosine(), "one-cycle": OneCycle()}
    if isinstance(schedule, str) and schedule in named:
        return named[schedule]
    if schedule is not None and not isinstance(schedule, Schedule):
        known = ", ".join(f'"{n}"' for n in named)
        raise ArgumentError(
            f"schedule must be one of {known}, or an object such as gt.schedules.OneCycle(), "
            f"got {schedule!r}"
        )
    return schedule


def epochs_for(epochs: int | None, samples: int, batch_size: int) -> int:
    """How many epochs; None for as many as make 1,000 steps, at least 10 and at most 200.

    Raises:
        ArgumentError: a number that is not whole, or below 1.
    """
    positive("fit", batch_size=batch_size)
    if epochs is None:
        steps = -(-samples // batch_size)
        return min(_MOST, max(_LEAST, -(-_STEPS // steps)))
    positive("fit", epochs=epochs)
    return int(epochs)


def threads_for(threads: int | None) -> int | None:
    """How many threads the engine may use; None for all processors.

    Where several processes work side by side, each must take its share. joblib tells its workers
    how much that is by `OMP_NUM_THREADS`, as other numerical libraries are told; a process of
    another kind that was started by a Python process takes one.

    Raises:
        ArgumentError: a number that is not whole, or below 1.
    """
    if threads is not None:
        positive("fit", threads=threads)
        return int(threads)
    told = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if told.isdecimal() and int(told) >= 1:
        return min(int(told), CPU().setup.threads)
    return None if multiprocessing.parent_process() is None else 1
