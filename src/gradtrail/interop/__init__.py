"""Networks from and for other libraries and formats. See README.md."""

__all__: list[str] = []
