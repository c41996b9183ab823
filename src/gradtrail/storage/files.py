"""Files: nothing half-written is left behind, and what never ends is not read."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import FileError

_JSON_LIMIT = 16 << 20
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}")


@contextmanager
def file_errors(action: str, path: Path) -> Iterator[None]:
    """Turn the system's errors into one that names the file; one of ours stays as it is.

    Args:
        action: what is done to it, such as `read`.
        path: of the file.

    Raises:
        FileError: in place of an `OSError`.
    """
    try:
        yield
    except FileError:
        raise
    except OSError as cause:
        raise FileError(f"cannot {action} {path}: {cause.strerror or cause}") from cause


@contextmanager
def open_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file for reading; what may never end, such as a pipe, is none.

    Raises:
        FileError: it is missing, no file, or cannot be read, in here too; in the system's words.
    """
    source = Path(path)
    with file_errors("read", source):
        try:
            mode = source.stat().st_mode
        except FileNotFoundError:
            raise FileError(f"cannot read {source}: there is no such file") from None
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, a device or the like"
            raise FileError(f"cannot read {source}: it is {kind}, not a file")
        with source.open("rb") as file:
            yield file


def read_at_most(file: BinaryIO, limit: int) -> bytes | None:
    """All bytes of a file; None where they are more than `limit`, which are not read then.

    Room is made for those that are there alone: Python would make it for all that is asked for,
    which an address space may not have.
    """
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        return None
    content = file.read(size + 1)
    if len(content) > size:  # it grows meanwhile, or its system knows no sizes
        content += file.read(limit - size)
    return content if len(content) <= limit else None


def check_writable(path: str | os.PathLike[str]) -> None:
    """See whether a file, or a folder of this name, can be written, and leave nothing behind.

    Folders that are not there are no hindrance: they are made with the file.

    Args:
        path: of the file.

    Raises:
        FileError: something else has this name, or its folder lets nothing in.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        raise FileError(f"cannot write {target}: it is there, and no file")
    folder = target.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise FileError(f"cannot write {target}: {folder} is no folder")
    from tempfile import TemporaryFile  # which brings random, and that sha512

    with file_errors("write", target):
        TemporaryFile(dir=folder).close()


def free_name(path: Path, endings: Sequence[str] = ()) -> Path:
    """The first name after this one that nothing has: `net-2.onnx` after `net.onnx`.

    Args:
        path: that something has.
        endings: of the files beside it, which are to be free as well.
    """
    for number in count(2):
        found = path.with_stem(f"{path.stem}-{number}")
        if not any(found.with_suffix(ending).exists() for ending in endings or [path.suffix]):
            return found
    raise AssertionError("numbers do not end")


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        FileError: the file cannot be written; an older one stays as it was.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        raise FileError(f"cannot write {target}: it is there, and no file")
    with file_errors("write", target), write_whole(target) as file:
        file.write(content)


@contextmanager
def write_whole(target: Path, *, flush: bool = True) -> Iterator[BinaryIO]:
    """A file to write, under a temporary name until it is whole: then it takes its place.

    Args:
        target: the place; folders that are not there are made.
        flush: whether it must have reached the disk by then.

    Raises:
        OSError: it cannot be written; an older one stays as it was, as after any error in here.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.urandom(8).hex()}")
    try:
        with temporary.open("xb") as file:
            yield file
            if flush:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def lock_file(path: str | os.PathLike[str], what: str | None = None) -> Iterator[None]:
    """Let no second process do the same with a file at the same time.

    Where the system has no such locks, nothing is locked.

    Args:
        path: of a file that stays where it is meanwhile.
        what: what happens, as a clause: `is training by`; None to wait for another process.

    Raises:
        FileError: another process is at it, or the file is not there.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with file_errors("read", Path(path)):
        file = Path(path).open("rb")  # noqa: SIM115, only its own errors are named so
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if what else 0))
        except OSError as cause:
            if what is None:
                raise
            raise FileError(f"another process {what} {path}; wait for it, or end it") from cause
        yield


def delete_unfinished(folder: str | os.PathLike[str]) -> None:
    """Delete what `write_whole` left in a folder when its process was killed in the middle."""
    with file_errors("read", Path(folder)):
        for path in Path(folder).glob(".*"):
            if _TEMPORARY.fullmatch(path.name):
                path.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], data: Any) -> None:
    """Write data as indented JSON; see `write_bytes`."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file of at most 16 MiB.

    Raises:
        FileError: it is missing, too large, or not JSON.
    """
    source = Path(path)
    with open_file(source) as file:
        content = read_at_most(file, _JSON_LIMIT)
    if content is None:
        raise FileError(f"{source} is larger than 16 MiB; no settings are that long")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as cause:
        raise FileError(f"{source} is not JSON: {cause}") from cause
