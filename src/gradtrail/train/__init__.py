"""Training: optimisers, the loop, what it leaves behind. See README.md."""

from .history import History
from .loop import evaluate, train
from .optimizers import SGD, Adam, AdamW, Optimizer
from .schedules import Cosine, OneCycle, Schedule
from .watch import Watched, load_watched

__all__ = [
    "Adam",
    "AdamW",
    "Cosine",
    "History",
    "OneCycle",
    "Optimizer",
    "SGD",
    "Schedule",
    "Watched",
    "evaluate",
    "load_watched",
    "train",
]
