"""What `why` finds, before any language says it: a tree of small facts.

    Fact("zero inputs", layer="conv1", element="input[0,0,0,0]", count=64, of=64, every=True)

Elements and products stand in them as they are written everywhere: `dconv1.weight[2,0,1,1]`. The
page finds the same facts with the same names (`exploring/page/why`); as JSON they go from one to
the other. `wording.py` says them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

from .records import json_number

Held = Union[str, int, float, bool, None, "Fact", tuple["Held", ...]]
"""What a field of a fact may be."""


@dataclass(frozen=True, init=False, repr=False)
class Fact:
    """One fact, with others inside it.

    Args:
        kind: which one, as the files in `words/` list them.
        held: its fields by name.
    """

    kind: str
    fields: tuple[tuple[str, Held], ...]

    def __init__(self, kind: str, /, **held: Held) -> None:
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "fields", tuple(held.items()))

    def __getitem__(self, name: str) -> Held:
        return dict(self.fields)[name]

    def __repr__(self) -> str:
        held = (f", {name}={value!r}" for name, value in self.fields)
        return f"Fact({self.kind!r}{''.join(held)})"

    def to_dict(self) -> dict[str, Any]:
        """The fact as JSON has it: its kind, and its fields beside it."""
        return {"kind": self.kind} | {name: _to_data(value) for name, value in self.fields}


def fact_from(data: Mapping[str, Any]) -> Fact:
    """A fact from its `to_dict`."""
    held = {name: _from_data(value) for name, value in data.items() if name != "kind"}
    return Fact(data["kind"], **held)


def _to_data(value: Held) -> Any:
    if isinstance(value, Fact):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_to_data(one) for one in value]
    return json_number(value)


def _from_data(value: Any) -> Held:
    if isinstance(value, dict):
        return fact_from(value)
    return tuple(map(_from_data, value)) if isinstance(value, list) else value
