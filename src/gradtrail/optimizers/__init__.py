"""Optimisers: update rules as expressions, as layers are equations."""

from .rules import SGD, Adam, AdamW, Optimizer, Rule

__all__ = ["Adam", "AdamW", "Optimizer", "Rule", "SGD"]
