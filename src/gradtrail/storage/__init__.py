"""Bytes in files: written whole or not at all, read within bounds."""

__all__: list[str] = []
