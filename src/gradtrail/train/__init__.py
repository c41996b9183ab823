"""Training: optimisers, the loop, what it leaves behind. See README.md."""

from .history import History
from .loop import evaluate, train
from .optimizers import SGD, Adam, AdamW, Optimizer

__all__ = [
    "Adam",
    "AdamW",
    "History",
    "Optimizer",
    "SGD",
    "evaluate",
    "train",
]
