"""Benchmarks: `python -m benchmarks.training` and `python -m benchmarks.accuracy`.

See docs/benchmarks.md for what is measured, how, and what the figures mean.
"""
