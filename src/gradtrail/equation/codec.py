"""Equations as JSON and back: what the page's interpreter and a saved run read.

Every object is `{"type": <class>, <field>: …}`, where `LossEquation` is written `Loss` and
`SoftmaxEquation` `Softmax`; tuples are
lists, fractions `"1/64"`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..errors import EquationError
from . import access, affine, kinds, number, over_axes, scalar, system

_CLASSES: Mapping[str, type] = {
    c.__name__.removesuffix("Equation"): c
    for c in (
        number.Number,
        affine.Affine,
        access.Access,
        access.Applied,
        access.Indicator,
        access.Sparse,
        access.Term,
        scalar.Literal,
        scalar.Variable,
        scalar.Call,
        scalar.Function,
        scalar.Penalty,
        kinds.Contraction,
        kinds.Selection,
        over_axes.Normalisation,
        over_axes.SoftmaxEquation,
        kinds.LossEquation,
        system.Node,
        system.Adjoint,
        system.System,
    )
}


_NAMES = {kind: name for name, kind in _CLASSES.items()}


def to_data(thing: Any) -> Any:
    """An equation, or any part of one, as dictionaries, lists, strings and numbers."""
    if is_dataclass(thing) and type(thing) in _NAMES:
        inside = {f.name: to_data(getattr(thing, f.name)) for f in fields(thing)}
        return {"type": _NAMES[type(thing)], **inside}
    if isinstance(thing, tuple):
        return [to_data(item) for item in thing]
    if isinstance(thing, Fraction):
        return {"type": "Fraction", "value": f"{thing.numerator}/{thing.denominator}"}
    finite = isinstance(thing, float) and math.isfinite(thing)
    if finite or thing is None or isinstance(thing, str | int):
        return thing
    raise EquationError(f"{thing!r} is no part of an equation")


def from_data(data: Any) -> Any:
    """The inverse of `to_data`.

    Raises:
        EquationError: an unknown type, or fields that it does not have or that contradict.
    """
    if isinstance(data, list):
        return tuple(from_data(item) for item in data)
    if not isinstance(data, dict):
        return data
    name = data.get("type")
    inside = {key: from_data(value) for key, value in data.items() if key != "type"}
    try:
        if name == "Fraction":
            return Fraction(inside["value"])
        made = _CLASSES[str(name)](**inside)
        for field, hint in _hints(str(name)).items():
            if not _fits(getattr(made, field), hint):
                raise TypeError(f"{field} is {getattr(made, field)!r}")
        return made
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as cause:
        raise EquationError(f"not the JSON of an equation: type {name!r} ({cause})") from cause


@cache
def _hints(name: str) -> dict[str, Any]:
    """The types that the fields of a class were declared with."""
    found = get_type_hints(_CLASSES[name])
    return {f.name: found[f.name] for f in fields(_CLASSES[name])}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a declared type: classes, unions, literals and tuples."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inside)
    if origin is Literal:
        return value in inside
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(inside) == 2 and inside[1] is Ellipsis:
            return all(_fits(entry, inside[0]) for entry in value)
        return len(value) == len(inside) and all(map(_fits, value, inside))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))


def dumps(thing: Any) -> str:
    """`thing` as a JSON text."""
    return json.dumps(to_data(thing), ensure_ascii=False, separators=(",", ":"))


def loads(source: str) -> Any:
    """The inverse of `dumps`.

    Raises:
        EquationError: not JSON, or not that of an equation.
    """
    try:
        return from_data(json.loads(source))
    except json.JSONDecodeError as cause:
        raise EquationError(f"not JSON: {cause}") from cause
    except RecursionError as cause:
        raise EquationError("not the JSON of an equation: nested too deep") from cause
