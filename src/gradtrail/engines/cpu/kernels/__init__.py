"""Kernels: what a program calls, each a frozen description that writes its own code."""
