"""Tracing: every array of a learning step, and whether its gradients are right. See README.md."""

from .check import GradientReport, check_gradients
from .influence import Influence, influence
from .trace import Trace, trace

__all__ = ["GradientReport", "Influence", "Trace", "check_gradients", "influence", "trace"]
