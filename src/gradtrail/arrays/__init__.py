"""Equations on NumPy's arrays: products over strided windows, and functions of numbers."""
