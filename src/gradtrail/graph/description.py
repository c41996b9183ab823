"""Networks as JSON, read.

{"input_shape": [1, 28, 28], "layers": [{"type": "Conv2d", "out_channels": 6, …}, …]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .. import layers as available
from ..errors import ArgumentError, unknown
from ..layers import Concat, Layer, Residual


def arguments_from(data: Any) -> dict[str, Any]:
    """What a network is made of that JSON describes, as the arguments of `Network`.

    What is frozen, `frozen`, is none of them: the network is told when it is there.

    Args:
        data: what `Network.architecture` gives.

    Raises:
        ArgumentError: a key that is missing, unknown or of the wrong type; it is named.
    """
    if not isinstance(data, dict) or not {"input_shape", "layers"} <= data.keys():
        raise ArgumentError('an architecture is {"input_shape": […], "layers": […]}')
    surplus = data.keys() - {"input_shape", "layers", "dtype", "seed", "frozen"}
    if surplus:
        raise ArgumentError(f"an architecture has no key {sorted(surplus)[0]!r}")
    if not isinstance(data["input_shape"], list):
        raise ArgumentError(f"input_shape must be a list, got {data['input_shape']!r}")
    dtype = data.get("dtype", "float32")
    if dtype not in ("float32", "float64"):
        raise ArgumentError(f"dtype must be float32 or float64, got {dtype!r}")
    return {
        "input_shape": data["input_shape"],
        "layers": _chain(data["layers"], "layers"),
        "seed": data.get("seed", 0),
        "dtype": dtype,
    }


def _chain(data: Any, where: str) -> list[Any]:
    if not isinstance(data, list):
        raise ArgumentError(f"{where} must be a list of layers, got {data!r}")
    return [layer_from(entry, f"{where}[{place}]") for place, entry in enumerate(data)]


def layer_from(data: Any, where: str) -> Any:
    """One layer or branching from its JSON.

    Args:
        data: `type` and arguments.
        where: what messages call it.

    Raises:
        ArgumentError: a key that is missing, unknown or of the wrong type; it is named.
    """
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        raise ArgumentError(f'{where} must be {{"type": "Conv2d", …}}, got {data!r}')
    settings = {key: value for key, value in data.items() if key != "type"}
    kind = data["type"]
    if kind == "Residual":
        _known(settings, ("body", "shortcut", "name"), where, kind)
        shortcut = settings.get("shortcut")
        return Residual(
            _chain(settings.get("body"), f"{where}.body"),
            None if shortcut is None else _chain(shortcut, f"{where}.shortcut"),
            name=settings.get("name"),
        )
    if kind == "Concat":
        _known(settings, ("branches", "name"), where, kind)
        branches = settings.get("branches")
        if not isinstance(branches, list):
            raise ArgumentError(f"{where}.branches must be a list of lists, got {branches!r}")
        chains = [_chain(b, f"{where}.branches[{i}]") for i, b in enumerate(branches)]
        return Concat(*chains, name=settings.get("name"))
    made = _layer_class(kind)
    if made is None:
        named = [name for name in available.__all__ if _layer_class(name)]
        raise ArgumentError(f"{where}: {unknown('layer', kind, [*named, 'Residual', 'Concat'])}")
    _known(settings, [f.name for f in fields(made)], where, kind)  # type: ignore[arg-type]
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    try:
        return made(**arguments)
    except (ArgumentError, TypeError) as cause:
        raise ArgumentError(f"{where}: {cause}") from cause


def _layer_class(name: str) -> type[Layer] | None:
    """The class of layers that is called so, if one is."""
    found = getattr(available, name) if name in available.__all__ else None
    is_layer = isinstance(found, type) and issubclass(found, Layer) and found is not Layer
    return found if is_layer else None


def _known(settings: Mapping[str, Any], known: Any, where: str, kind: str) -> None:
    for key in settings:
        if key not in known:
            raise ArgumentError(f"{where}: {unknown(f'argument of {kind}', key, list(known))}")
    name = settings.get("name")
    if name is not None and not isinstance(name, str):
        raise ArgumentError(f"{where}: name must be a word, got {name!r}")
