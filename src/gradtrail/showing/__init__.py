"""How things look: tables, figures, notebooks, terminals, progress."""

__all__: list[str] = []
