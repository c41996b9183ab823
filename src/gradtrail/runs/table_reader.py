"""Tables of a recipe as objects: keys and types checked, every mistake noted with its place."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from ..checking.arguments import is_real, is_whole
from ..errors import GradtrailError, unknown
from .toml_lines import Path

T = TypeVar("T")


class Fault(NamedTuple):
    """One thing that is wrong.

    Args:
        path: of the key.
        what: a clause.
    """

    path: Path
    what: str


class Faults(list[Fault]):
    """What is wrong with a recipe, in the order it was met."""

    def add(self, path: Path, what: str) -> None:
        """Note one."""
        self.append(Fault(path, what))


def _keys_of(kind: Any) -> dict[str, Any]:
    """The keys that a table of this kind may have, with their types."""
    hints = get_type_hints(kind if is_dataclass(kind) else kind.__init__)
    return {name: hints.get(name, Any) for name in inspect.signature(kind).parameters}


def built(
    kind: type[T], table: Any, path: Path, faults: Faults, *, skip: Sequence[str] = ()
) -> T | None:
    """The object that a table describes; None where something is wrong with it.

    Args:
        kind: its class, whose arguments are the table's keys.
        table: the table.
        path: where it stands.
        faults: what is wrong is added to these.
        skip: keys of the table that are for others.
    """
    if not isinstance(table, Mapping):
        faults.add(path, f"must be a table, got {table!r}")
        return None
    known, before = _keys_of(kind), len(faults)
    settings = {key: value for key, value in table.items() if key not in skip}
    for key, value in settings.items():
        if key not in known:
            faults.add((*path, key), unknown("key", key, [*known, *skip]))
        elif not _fits(value, known[key]):
            faults.add((*path, key), f"must be {_written(known[key])}, got {value!r:.60}")
    for name in _needed(kind):
        if name not in settings:
            faults.add(path, f"needs the key {name!r}")
    if len(faults) > before:
        return None
    given = {
        key: tuple(value) if isinstance(value, list) and "tuple" in str(known[key]) else value
        for key, value in settings.items()
    }
    try:
        return kind(**given)
    except GradtrailError as cause:
        found = [str(cause), *_alone(kind, given)]
    for told in dict.fromkeys(found):
        key = _first_named(settings, told)
        faults.add(path if key is None else (*path, key), told.removeprefix(f"{key}: "))
    return None


def _first_named(keys: Iterable[str], told: str) -> str | None:
    """Which of the keys a message names first: those behind it are what else it says."""
    places = {key: re.search(rf"\b{re.escape(key)}\b", told) for key in keys}
    found = {key: place.start() for key, place in places.items() if place}
    return min(found, key=lambda key: found[key]) if found else None


def _alone(kind: type, given: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with each value by itself, beside those that are needed."""
    needed = {key: given[key] for key in _needed(kind)}
    for key in given.keys() - needed.keys():
        try:
            kind(**needed, **{key: given[key]})
        except GradtrailError as cause:
            if re.search(rf"\b{re.escape(key)}\b", str(cause)):
                yield str(cause)


def choice(kinds: Mapping[str, T], table: Any, path: Path, faults: Faults) -> T | None:
    """What a table's `type` names; None where it names nothing that there is.

    Args:
        kinds: by name.
        table: the table.
        path: where it stands.
        faults: what is wrong is added to these.
    """
    known = {bare_name(name): kind for name, kind in kinds.items()}
    if not isinstance(table, Mapping):
        faults.add(path, f"must be a table, got {table!r}")
    elif (name := table.get("type")) is None:
        faults.add(path, f"needs the key 'type': {', '.join(kinds)}")
    elif isinstance(name, str) and bare_name(name) in known:
        return known[bare_name(name)]
    else:
        faults.add((*path, "type"), unknown("type", name, kinds))
    return None


def bare_name(name: str) -> str:
    """`one-cycle` and `OneCycle` are one name."""
    return re.sub(r"[\W_]", "", name).lower()


def _needed(kind: type) -> list[str]:
    """The keys that have no default."""
    parameters = inspect.signature(kind).parameters.values()
    return [p.name for p in parameters if p.default is p.empty]


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value of TOML has a type; whole numbers are numbers, truth values are not."""
    if kind is Any:
        return True
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(_fits(value, k) for k in inner if k is not type(None))
    if origin in (tuple, Sequence, list):
        if not isinstance(value, list):
            return False
        if origin is tuple and Ellipsis not in inner:
            return len(value) == len(inner) and all(map(_fits, value, inner))
        return all(_fits(v, inner[0]) for v in value)
    if origin in (dict, Mapping) or kind is dict:
        return isinstance(value, dict)
    if kind in (int, float):
        return is_whole(value) if kind is int else is_real(value)
    return isinstance(value, kind)


_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def _written(kind: Any) -> str:
    """A type in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_written(k) for k in inner if k is not type(None)))
    if origin in (tuple, Sequence, list):
        counted = "" if Ellipsis in inner or origin is not tuple else f"{len(inner)} × "
        return f"a list of {counted}{_written(inner[0])}"
    return _NAMES.get(kind, "a table")
