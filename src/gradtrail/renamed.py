"""What was called otherwise: old names give what they meant, with a warning, for one version.

Every former name stands in one of the tables here, beside its present one. What they say is read
where the name is: in the package's own `__getattr__`, by `former_attributes` above a class, and
where recipes and checkpoints are read. What a function's arguments were called stands above it, in
`keep_old_arguments`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from reprlib import repr as shortened
from types import ModuleType
from typing import Any, TypeVar, cast

from .errors import ArgumentError, warn

_PACKAGE = __name__.partition(".")[0]

C = TypeVar("C", bound=type)
T = TypeVar("T", bound=Callable[..., Any])

_MODULES = {
    "explore": ("exploring",),
    "files": ("network",),
    "layers.base": ("layers", "layers.layer"),
    "trace": ("tracing",),
    "train": ("training", "optimizers"),
}
"""Where what these held is now; the rest of it is the package's own."""

_NAMES = {
    **{name: f"schedules.{name}" for name in ("Constant", "Cosine", "OneCycle")},
    "Step": "schedules.StepDecay",
}
"""Of the package itself, `gt.Step`."""

_NAMES_WITHIN = {f"{_PACKAGE}.equation": {"Loss": "LossEquation"}}
"""Of packages within it."""

_ATTRIBUTES = {"History": {"losses": "step_losses"}}
"""Of objects, by their class."""

RECIPE_WORDS: Mapping[tuple[str, ...], str] = {
    ("augmentation",): "augment",
    ("loss", "class_weights"): "weight",
}
"""Of tables and keys in a recipe, by where they stand."""

SCHEDULES = {"Step": "StepDecay"}
"""Of a schedule's type, in recipes and checkpoints."""


class _OldModule(ModuleType):
    """A module by its old name: `from gradtrail.train import CSVLog`."""

    def __getattr__(self, name: str) -> Any:
        held = _MODULES[self.__name__.removeprefix(f"{_PACKAGE}.")]
        if name == "__all__":
            return [name for place in held for name in import_module(f"{_PACKAGE}.{place}").__all__]
        if name.startswith("__"):
            raise AttributeError(name)
        present = _NAMES.get(name, name)
        for place in (*(f"{_PACKAGE}.{one}" for one in held), _PACKAGE):
            found = _found(place, present)
            if found is not None and not isinstance(found, ModuleType):  # `trace.py` in `tracing`
                module, _, own = f"{place}.{present}".rpartition(".")
                warn(
                    f"{self.__name__} is {module} now, and its old name goes with the next "
                    f"version; write from {module} import {own}"
                )
                return found
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def _found(place: str, dotted: str) -> Any:
    """What a module has under a name with dots; None where it has nothing."""
    found: Any = import_module(place)
    for name in dotted.split("."):
        found = getattr(found, name, None)
    return found


def keep_old_modules() -> None:
    """Let old modules be imported from; as attributes of the package they are functions."""
    for old in _MODULES:
        sys.modules.setdefault(f"{_PACKAGE}.{old}", _OldModule(f"{_PACKAGE}.{old}"))


def with_former_names(find: Callable[[str], Any], package: str = _PACKAGE) -> Callable[[str], Any]:
    """A package's `__getattr__`, which gives what had a former name, too."""
    now = _NAMES_WITHIN.get(package, _NAMES)

    def find_both(name: str) -> Any:
        old = sys.modules.get(f"{package}.{name}")
        if isinstance(old, _OldModule) and name not in sys.modules[package].__all__:
            return old
        if name not in now:
            return find(name)
        _tell(f"{package}.{name}", f"{package}.{now[name]}")
        return _found(package, now[name])

    return find_both


def former_attributes(kind: C) -> C:
    """A class that takes, has and is unpickled with some attributes by their former names, too."""
    words = _ATTRIBUTES[kind.__name__]

    def set_state(held: Any, state: Mapping[str, Any]) -> None:
        vars(held).update({words.get(name, name): value for name, value in state.items()})

    for old, new in words.items():
        setattr(kind, old, _former_attribute(kind.__name__, old, new))
    kind.__init__ = keep_old_arguments(**words)(kind.__init__)  # type: ignore[misc]
    kind.__setstate__ = set_state  # type: ignore[attr-defined]
    return kind


def _former_attribute(kind: str, old: str, new: str) -> property:
    def get(held: Any) -> Any:
        _tell(f"{kind}.{old}", f"{kind}.{new}")
        return getattr(held, new)

    return property(get, doc=f"The former name of `{new}`.")


def keep_old_arguments(**now: str) -> Callable[[T], T]:
    """Let a function take arguments by what they were called.

    Args:
        now: old name → the name that it has now.
    """

    def keeping(function: T) -> T:
        name = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]

        @wraps(function)
        def called(*arguments: Any, **keywords: Any) -> Any:
            for old in now.keys() & keywords:
                new = now[old]
                if new in keywords:
                    raise ArgumentError(f"{name}: {old}= is the former name of {new}=; give one")
                warn(
                    f"{name}: {old}= is called {new}= now, and its old name goes with "
                    f"the next version; write {new}={shortened(keywords[old])}"
                )
                keywords[new] = keywords.pop(old)
            return function(*arguments, **keywords)

        return cast(T, called)

    return keeping


def _tell(old: str, new: str) -> None:
    warn(f"{old} is {new} now, and its old name goes with the next version")
