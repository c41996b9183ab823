"""Training: optimisers, the loop, what it leaves behind. See README.md."""

from .history import History
from .loop import evaluate, train
from .optimizers import SGD, Adam, AdamW, Optimizer
from .schedules import Cosine, OneCycle, Schedule

__all__ = [
    "Adam",
    "AdamW",
    "Cosine",
    "History",
    "OneCycle",
    "Optimizer",
    "SGD",
    "Schedule",
    "evaluate",
    "train",
]
