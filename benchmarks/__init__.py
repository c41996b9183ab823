"""Benchmarks: `python -m benchmarks.training`, and others beside it.

See docs/benchmarks.md for what is measured, how, and what the figures mean.
"""
