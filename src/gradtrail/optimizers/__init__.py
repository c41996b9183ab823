"""Optimisers: update rules as expressions, as layers are equations. See README.md."""

from .adam import Adam, AdamW
from .optimizer import Optimizer, Rule
from .sgd import SGD

__all__ = ["Adam", "AdamW", "Optimizer", "Rule", "SGD"]
