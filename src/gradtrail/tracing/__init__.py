"""Tracing: every number of a learning step asked where it came from. See README.md."""
