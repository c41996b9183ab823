"""What the machine gives: memory, folders, processes that fork, packages that may be missing."""

__all__: list[str] = []
