"""The plan: every shape before there is any data, and what is said where one does not fit."""

__all__: list[str] = []
