"""Tracing: every array of a learning step, and whether its gradients are right. See README.md."""

from .check import GradientReport, check_gradients
from .trace import Trace, trace

__all__ = ["GradientReport", "Trace", "check_gradients", "trace"]
