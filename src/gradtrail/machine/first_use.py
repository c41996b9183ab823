"""Names that a package imports at their first use, so that not every program waits for them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def at_first_use(
    package: str, places: Mapping[str, str], hint: Callable[[str], str] = lambda name: ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of a package's face.

    Args:
        package: its `__name__`.
        places: for each name that is to wait, the module in the package that has it.
        hint: what is said behind the refusal of a name that there is not.
    """

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}{hint(name)}")
        found = getattr(import_module(f"{package}.{places[name]}"), name)
        vars(sys.modules[package])[name] = found  # nobody asks here for it again
        return found

    def names() -> list[str]:
        """With what has not been imported yet, so that completion offers it."""
        face = vars(sys.modules[package])
        return sorted({*face, *face["__all__"]})

    return find, names
