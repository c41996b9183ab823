"""What objects print: the same text by `str`, by `repr` and in a prompt; in a notebook tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tables import Table


class Printed:
    """What a prompt shows as `str` says it, dataclass or not."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__repr__ = cls.__str__  # type: ignore[method-assign]  # or a dataclass writes its own


class Shown(Printed, ABC):
    """What prints as a table, and is one in a notebook."""

    @abstractmethod
    def _table(self) -> Table:
        """What is printed, or the first of it."""

    def _tables(self) -> Sequence[Table]:
        return (self._table(),)

    def __str__(self) -> str:
        return "\n\n".join(table.text() for table in self._tables())

    def _repr_html_(self) -> str:
        return "".join(table.html() for table in self._tables())
