"""Frozen dataclasses whose `repr` is short and evaluates back: defaults are left out."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A class as a frozen, hashable dataclass with a `concise` repr."""
    if "__repr__" not in vars(cls):
        cls.__repr__ = concise  # type: ignore[method-assign]
    return dataclass(frozen=True, repr=False)(cls)


def concise(thing: Any) -> str:
    """`Class(field, …, keyword=field)`: positional first, fields at their default left out."""
    positional: list[str] = []
    named: list[str] = []
    for place, known in enumerate(fields(thing)):
        value = getattr(thing, known.name)
        if known.default is not MISSING and value == known.default:
            continue
        if not known.kw_only and not named and len(positional) == place:
            positional.append(repr(value))
        else:
            named.append(f"{known.name}={value!r}")
    return f"{type(thing).__name__}({', '.join([*positional, *named])})"
