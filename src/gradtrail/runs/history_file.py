"""A run's history as a file: eight bytes for each number, however long the training was.

Its arrays are those of `History`, as every tool reads them from safetensors; what is no list is in
the metadata. Earlier versions wrote JSON, which is read where there is nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import DataError, FileError, typed
from ..storage.arrays import read_arrays
from ..storage.files import open_file, read_at_most, write_bytes
from ..training import History

HISTORY, _EARLIER = "history.safetensors", "history.json"

_MOST = 64 << 20
"""Bytes of an earlier history: some 2.8 million steps."""


def save_history(folder: Path, history: History) -> None:
    """Write a run's history; one that an earlier version left goes.

    Raises:
        FileError: it cannot be written.
    """
    from safetensors.numpy import save

    metadata = {"history": json.dumps(history.facts())}
    write_bytes(folder / HISTORY, save(history.arrays(), metadata))
    (folder / _EARLIER).unlink(missing_ok=True)


def load_history(folder: Path) -> History:
    """A run's history.

    Raises:
        FileError: it is missing or damaged.
    """
    path = folder / HISTORY
    if not path.exists() and (folder / _EARLIER).exists():
        return _earlier(folder / _EARLIER)
    arrays, metadata = read_arrays(path)
    try:
        return History.from_arrays(arrays, json.loads(metadata["history"]))
    except (KeyError, RecursionError, ValueError) as cause:
        raise FileError(f"{path} is no history: {cause}") from None


def _earlier(path: Path) -> History:
    """What a version that wrote JSON left.

    Raises:
        FileError: it is too large, or no history.
    """
    with open_file(path) as file:
        content = read_at_most(file, _MOST)
    if content is None:
        raise FileError(
            f"{path} is larger than {_MOST >> 20} MiB; gradtrail train --resume "
            f"{typed(path.parent)} writes {HISTORY} anew from the checkpoints"
        )
    try:
        if content.count(b"[") + content.count(b"{") > 16:  # lists within lists grow in memory
            raise DataError("it has other entries than a history")
        return History.from_dict(json.loads(content))
    except (RecursionError, ValueError) as cause:
        raise FileError(f"{path} is no history: {cause}") from None
