"""What was called otherwise: old names give what they meant, with a warning, for one version."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar, cast

from .errors import warn

__all__ = ["keep_old_arguments", "keep_old_modules"]

T = TypeVar("T", bound=Callable[..., Any])

_PACKAGE = __name__.partition(".")[0]

_MODULES = {"explore": "exploring", "files": "network", "trace": "tracing", "train": "training"}
"""Where what these held is now; the rest of it is the package's own."""


class _OldModule(ModuleType):
    """A module by its old name: `from gradtrail.train import CSVLog`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for place in (f"{_PACKAGE}.{_MODULES[self.__name__.rpartition('.')[2]]}", _PACKAGE):
            found = getattr(import_module(place), name, None)
            if found is not None:
                warn(
                    f"{self.__name__} is {place} now, and its old name goes with the next version; "
                    f"write from {place} import {name}"
                )
                return found
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def keep_old_modules() -> None:
    """Let old modules be imported from; as attributes of the package they are functions."""
    for old in _MODULES:
        sys.modules.setdefault(f"{_PACKAGE}.{old}", _OldModule(f"{_PACKAGE}.{old}"))


def keep_old_arguments(**now: str) -> Callable[[T], T]:
    """Let a function take arguments by what they were called.

    Args:
        now: old name → the name that it has now.
    """

    def keeping(function: T) -> T:
        @wraps(function)
        def called(*arguments: Any, **keywords: Any) -> Any:
            for old in now.keys() & keywords:
                new = now[old]
                warn(
                    f"{function.__name__}: {old}= is called {new}= now, and its old name goes with "
                    f"the next version; write {new}={keywords[old]!r}"
                )
                keywords[new] = keywords.pop(old)
            return function(*arguments, **keywords)

        return cast(T, called)

    return keeping
