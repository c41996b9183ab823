"""Optimisers: update rules as expressions, as layers are equations. See README.md."""

from .adam import Adam, AdamW
from .adam_variants import Lion, NAdam, RAdam
from .optimizer import Optimizer, Rule
from .rmsprop import Adagrad, RMSprop
from .sgd import SGD

__all__ = [
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rule",
    "SGD",
]
