"""Arrays in safetensors files, checked before memory is taken for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import FileError
from .files import open_file
from .foreign_files import reader_of

T = TypeVar("T")

_HEADER_LIMIT = 16 << 20
_FLOATS = ("F16", "F32", "F64", "C64")  # safetensors' names
_DTYPES = ("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", *_FLOATS)
_FOREIGN = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3", "F8_E5M2": "float8_e5m2"}
_UNKNOWN = re.compile("unknown variant `([^`]*)`, expected one of `BOOL`")


def read_arrays(source: Path) -> tuple[dict[str, np.ndarray], Mapping[str, str]]:
    """All arrays and the metadata of a safetensors file.

    Raises:
        FileError: it cannot be read, is no safetensors file, or holds numbers that NumPy has not.
    """
    return _read(
        source,
        lambda content, names: (
            {name: content.get_tensor(name) for name in names},
            content.metadata() or {},
        ),
    )


def read_shapes(source: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of all arrays of a safetensors file; errors are those of `read_arrays`."""
    return _read(
        source, lambda content, names: {n: tuple(content.get_slice(n).get_shape()) for n in names}
    )


def _read(source: Path, taken: Callable[[Any, list[str]], T]) -> T:
    """What is taken of an open file with arrays of these names."""
    from safetensors import SafetensorError, safe_open

    with open_file(source) as file:  # whatever hinders reading is told in the system's words
        length = file.read(8)
        if not length:
            raise FileError(f"cannot read {source}: it is empty")
        if int.from_bytes(length, "little") > _HEADER_LIMIT:
            unknown = "not a safetensors file, or one whose header is longer than "
            what = reader_of(source) or f"{unknown}{_HEADER_LIMIT >> 20} MiB"
            raise FileError(f"cannot read {source}: {what}")
    try:
        with safe_open(str(source), framework="numpy") as content:
            types = {name: content.get_slice(name).get_dtype() for name in content.keys()}  # noqa: SIM118
            foreign = next((name for name, dtype in types.items() if dtype not in _DTYPES), None)
            if foreign is None:
                return taken(content, list(types))
    except OSError as cause:
        raise FileError(f"cannot read {source}: {cause.strerror or cause}") from cause
    except (SafetensorError, TypeError, ValueError) as cause:
        if (named := _UNKNOWN.search(str(cause))) is not None:
            raise FileError(
                f"cannot read {source}: it has numbers of {named[1]!r:.40}, which the package "
                "safetensors does not know; save them as float32 or float64"
            ) from cause
        what = reader_of(source) or "not a safetensors file"
        raise FileError(f"cannot read {source}: {what} ({cause})") from cause
    raise FileError(
        f"{source}: array {foreign!r} holds numbers of "
        f"{_FOREIGN.get(types[foreign], types[foreign])}, which NumPy does not have; save it as "
        "float32 or float64"
    )
