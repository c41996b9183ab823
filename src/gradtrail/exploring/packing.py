"""Arrays as one piece of bytes, the way the page takes them, saved or served.

    4 bytes     the length of the header, little-endian
    header      JSON in UTF-8, spaces behind it
    arrays      one behind the other, each from a multiple of 8 on, zeros between them

An array's `offset` counts from the first byte behind the header, which is a multiple of 8 from the
beginning, so that a browser can look at each array where it lies.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

_ALIGNED = 8


def pack(
    arrays: Iterable[tuple[Mapping[str, Any], np.ndarray]], about: Mapping[str, Any] | None = None
) -> bytes:
    """Arrays as bytes, with a header.

    Args:
        arrays: what each is called, as JSON, and its numbers; of what kind they are sent and where
            they lie is added: `dtype`, `offset` and `bytes`.
        about: what else is in the header, beside the list `arrays`; None for that list alone.
    """
    listed: list[Mapping[str, Any]] = []
    parts: list[bytes] = []
    offset = 0
    for called, array in arrays:
        sent = as_sent(array)
        content, kind = sent.tobytes(), sent.dtype.str[1:]
        listed.append({**called, "dtype": kind, "offset": offset, "bytes": len(content)})
        gap = -len(content) % _ALIGNED
        parts += [content, bytes(gap)]
        offset += len(content) + gap
    head = json_bytes(listed if about is None else {**about, "arrays": listed})
    head += b" " * (-(4 + len(head)) % _ALIGNED)
    return b"".join([len(head).to_bytes(4, "little"), head, *parts])


def as_sent(array: np.ndarray) -> np.ndarray:
    """An array as it is sent: floats in their precision, whole numbers as int32; little-endian."""
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return np.ascontiguousarray(array, "<i4")


def json_bytes(data: Any) -> bytes:
    """JSON without spaces, in UTF-8."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()
