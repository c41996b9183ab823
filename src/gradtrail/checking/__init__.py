"""What comes from callers, checked: calls, paths, samples; and the words of other libraries."""

__all__: list[str] = []
