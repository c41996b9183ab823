"""Files that somebody wrote on purpose: sound in form, with right digests, and wrong in a field."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from gradtrail.training.checkpoints import _digest

Arrays = dict[str, np.ndarray]

CHECKPOINT = "gradtrail checkpoint"

LEAVES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 5, 1 << 31, 1 << 53, 1 << 64, -(1 << 63), 10**400),
    *(0.0, -0.5, 1e-300, 1e308, float("nan"), float("inf"), float("-inf")),
    *("", "a", "cpu", "\0", "\x1b[2J", "x" * 5000, [], {}, [[]], [None], {"a": {}}),
)
"""What is put in the place of a value."""


def opened(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Arrays and metadata of a safetensors file."""
    with safe_open(str(path), framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def recrafted(
    path: Path,
    about: Callable[[dict[str, Any]], Any] | None = None,
    arrays: Callable[[Arrays], Any] | None = None,
) -> None:
    """Change a checkpoint and write its digest anew.

    Args:
        path: of the checkpoint.
        about: changes its JSON.
        arrays: changes its arrays.
    """
    held, metadata = opened(path)
    told = json.loads(json.loads(metadata[CHECKPOINT])["about"])
    if about is not None:
        about(told)
    if arrays is not None:
        arrays(held)
    text = json.dumps(told)
    whole = json.dumps({"digest": _digest(text, held), "about": text})
    save_file({n: np.ascontiguousarray(a) for n, a in held.items()}, path, {CHECKPOINT: whole})


def changed_tree(tree: Any, draw: random.Random) -> Any:
    """JSON or TOML with one to three of its values, keys or entries changed."""
    held = {"": tree}
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        places = list(_places(held))
        at, key = draw.choice(places)
        way = draw.randrange(8)
        if way == 0 and isinstance(at, dict) and at is not held:
            del at[key]
        elif way == 1 and isinstance(at, dict) and at is not held:
            at[draw.choice(["", "a", "type", "steps", key + "s"])] = _leaf(draw)
        elif way == 2 and isinstance(at[key], int | float) and not isinstance(at[key], bool):
            step = draw.choice((-2, -1, 1, 2, 0.5, 1000))
            at[key] += step if abs(at[key]) < 1e300 else int(step)
        elif way == 3 and isinstance(at[key], list) and at[key]:
            at[key] = at[key] * draw.choice((0, 2, 50))
        elif way == 4:
            other, name = draw.choice(places)
            at[key] = json.loads(json.dumps(other[name])) if other is not held else None
        else:
            at[key] = _leaf(draw)
    return held[""]


def _leaf(draw: random.Random) -> Any:
    return copy.deepcopy(draw.choice(LEAVES))  # which is changed in its turn


def _places(tree: Any) -> Any:
    """Every value of a tree, as what it is in and its key there."""
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(entries):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def changed_arrays(arrays: Arrays, draw: random.Random) -> None:
    """One to three arrays that are gone, called otherwise, of another shape, type or content."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        name = draw.choice(sorted(arrays)) if arrays else ""
        way = draw.randrange(7)
        if not arrays or way == 0:
            arrays[draw.choice(["a", "value/a.weight", f"{name}.x"])] = np.zeros(2, np.float32)
        elif way == 1:
            del arrays[name]
        elif way == 2:
            arrays[name + "s"] = arrays.pop(name)
        elif way == 3:
            kinds = (np.float64, np.float16, np.int64, np.uint8, np.bool_, np.int32)
            with np.errstate(all="ignore"):
                arrays[name] = arrays[name].astype(draw.choice(kinds))
        elif way == 4:
            array = arrays[name]
            shapes = (array[None], array.ravel(), array[:0], array[1:], np.repeat(array, 3, 0))
            arrays[name] = draw.choice(shapes) if array.ndim else array[None]
        else:
            array = arrays[name] = arrays[name].copy()
            extremes = (0, -1, 1 << 62, -(1 << 62), 1e300, float("nan"), float("inf"), 1e38)
            value = draw.choice(extremes)
            if array.size and array.dtype.kind == "f":
                with np.errstate(over="ignore"):
                    array.flat[draw.randrange(array.size)] = value
            elif array.size and np.isfinite(value) and abs(value) < 2**63:
                wrapped = np.int64(value).astype(array.dtype)  # which may be narrower by now
                array.flat[draw.randrange(array.size)] = wrapped
