"""Files that only save time: found by a key, checked, and made anew where anything is wrong.

A file is written whole or not at all, and begins with a checksum of its name and its content. A
full disk or a read-only folder keeps nothing.

`GRADTRAIL_CACHE` names the folder; empty, nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from functools import cache
from pathlib import Path

from ...errors import FileError
from ...machine.folders import expand_home, user_cache

_LIMIT = 64 << 20


@cache
def cache_folder() -> Path | None:
    """Where files are kept; None where nowhere."""
    named = os.environ.get("GRADTRAIL_CACHE")
    if named is not None:
        return expand_home(named) if named else None
    base = user_cache()
    return None if base is None else base / "gradtrail" / "code"


@cache
def source_digest(*folders: Path) -> bytes:
    """Of all Python files in some folders: what follows from them is found while none changes."""
    digest = hashlib.sha256()
    for path in sorted(p for folder in folders for p in folder.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


def stored_path(key: str, suffix: str) -> Path | None:
    """The file of a key, a hexadecimal digest; None where nothing is kept."""
    folder = cache_folder()
    return None if folder is None else folder / key[:2] / f"{key[2:40]}.{suffix}"


def read_stored(path: Path | None) -> bytes | None:
    """What was written there; None where there is nothing, or it is damaged."""
    if path is None:
        return None
    from ...storage.files import open_file, read_at_most  # by the first network, not by the import

    try:
        with open_file(path) as file:
            content = read_at_most(file, _LIMIT)
    except FileError:
        return None
    if content is None:
        return None
    checksum, kept = content[:32], content[32:]
    return kept if kept and _checksum(path, kept) == checksum else None


def _checksum(path: Path, content: bytes) -> bytes:
    """Of a file's name and content: one that took another's place is damaged, too."""
    return hashlib.sha256(f"{path.parent.name}/{path.name}".encode() + b"\0" + content).digest()


def write_stored(path: Path | None, content: bytes) -> None:
    """Keep `content`, if that can be done."""
    if path is None:
        return
    from ...storage.files import write_whole

    with contextlib.suppress(OSError), write_whole(path, flush=False) as file:
        file.write(_checksum(path, content) + content)
