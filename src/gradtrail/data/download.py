"""Downloads: checked, taken up again where they broke off, from one mirror after another.

What has come so far lies beside the target as `<name>.part`, packed as it came, and the next try
asks the server for the rest. The target appears when its checksum is right.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FileError
from ..storage.files import lock_file, write_whole
from .sets import Remote
from .task_progress import TaskProgress

if TYPE_CHECKING:
    import requests

OFFLINE = "GRADTRAIL_OFFLINE"
"""The environment variable that forbids to download, unless it is empty or 0."""

_CHUNK = 1 << 16
_TIMEOUT = (10.0, 30.0)  # seconds to connect, and between one piece and the next
_RANGE = re.compile(r"bytes ([0-9]+)-[0-9]*(?:/([0-9]+))?")
_TRIES = 20  # of all mirrors together; only a connection that brought bytes is tried again


class _CutError(Exception):
    """The connection broke after new bytes had come: the rest may be had."""


class _RefusedError(Exception):
    """This mirror will not give the file."""


class _DamagedError(Exception):
    """The bytes that came are not the file's."""


def forbidden() -> bool:
    """Whether the environment forbids to download."""
    return os.environ.get(OFFLINE, "") not in ("", "0")


def fetch(remote: Remote, folder: Path) -> Path:
    """The file in the folder, downloaded unless it is there with the right checksum.

    Args:
        remote: what to download.
        folder: where to keep it; it is made if it is not there.

    Returns:
        The file's path.

    Raises:
        FileError: no mirror gave the file whole, or it cannot be written; the message has each
            mirror's reason. What had come of it stays for the next time.
    """
    target, lock = folder / remote.name, folder / f"{remote.name}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.touch()  # and stays: to delete it would let a third process in beside a second
        with lock_file(lock):
            if not (target.exists() and _is_whole(target, remote)):
                _from_mirrors(remote, target)
    except FileError:
        raise
    except OSError as cause:
        raise FileError(
            f"cannot write {remote.name} into {folder}: {cause.strerror or cause}; make room there "
            "or choose another cache folder with XDG_CACHE_HOME"
        ) from cause
    return target


def _is_whole(path: Path, remote: Remote) -> bool:
    """Whether a file has the right checksum."""
    kind, _, digest = remote.checksum.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, partial(hashlib.new, kind, usedforsecurity=False))
    return found.hexdigest() == digest


def _from_mirrors(remote: Remote, target: Path) -> None:
    """Bring the file from the first mirror that gives it whole."""
    part = target.with_name(f"{remote.name}.part")
    mirrors, reasons = list(remote.urls), dict[str, str]()
    for _ in range(_TRIES):
        if not mirrors:
            break
        url = mirrors.pop(0)
        started = part.exists()
        try:
            _gather(remote, url, part)
            _unpack(remote, part, target)
            return
        except _CutError as cut:
            reasons[url] = str(cut)
            mirrors.append(url)
        except _RefusedError as refused:
            reasons[url] = str(refused)
        except _DamagedError as damaged:
            part.unlink()
            reasons[url] = str(damaged)
            if started:  # the beginning may be to blame, which another mirror or version gave
                mirrors.insert(0, url)
    each = "; ".join(f"{url}: {reason}" for url, reason in reasons.items())
    raise FileError(f"{remote.name} could not be downloaded ({each})")


def _unpack(remote: Remote, part: Path, target: Path) -> None:
    """Put what came in its place, and its part away."""
    left = remote.limit
    with (gzip.open if remote.packed else open)(part, "rb") as content, write_whole(target) as file:
        try:
            while chunk := content.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise _DamagedError("what came unpacks to more than the file has")
                file.write(chunk)
        except (EOFError, zlib.error, gzip.BadGzipFile) as cause:
            message = f"what came is no whole gzip file ({cause}), and was deleted"
            raise _DamagedError(message) from cause
        file.flush()
        if not _is_whole(Path(file.name), remote):
            raise _DamagedError(
                f"what came has not the checksum {remote.checksum}, and was deleted"
            )
    part.unlink()


def _gather(remote: Remote, url: str, part: Path) -> None:
    """Bring what is missing of the part.

    Raises:
        _CutError, _RefusedError, _DamagedError: it did not come, or not whole.
        OSError: it cannot be written.
    """
    import requests

    have = part.stat().st_size if part.exists() else 0
    # gzip would be undone on the way, and a range counts the bytes as they are stored
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT)
    except requests.RequestException as cause:
        raise _RefusedError(_reason(cause)) from cause
    with response:
        if response.status_code == 416:
            if response.headers.get("Content-Range") == f"bytes */{have}":
                return  # all of it is here
            part.unlink()
            raise _CutError("the server has no such range; starting anew")
        if response.status_code not in (200, 206):
            raise _RefusedError(f"HTTP {response.status_code} {response.reason}".rstrip())
        _append(remote, url, response, part, have)


def _append(remote: Remote, url: str, response: requests.Response, part: Path, have: int) -> None:
    """Write what the response brings behind what is there."""
    begins, total = _span(response)
    if begins != have:
        if begins:
            raise _RefusedError(f"bytes from {have:,} on were wanted, {begins:,} came")
        have = 0  # a server that ignores ranges sends everything
    came = have
    with (
        part.open("ab" if have else "wb") as file,
        TaskProgress(f"downloading {remote.name} from {url}", total, "bytes") as progress,
    ):
        for chunk in _pieces(response):
            came += len(chunk)
            if came > remote.limit:
                raise _DamagedError(f"more than {remote.limit:,} bytes came")
            file.write(chunk)
            progress.to(came, total)
    if total is not None and came < total:
        message = f"the connection ended after {came:,} of {total:,} bytes"
        raise _CutError(message) if came > have else _RefusedError(message)


def _span(response: requests.Response) -> tuple[int, int | None]:
    """The place of the first byte that will come, and how many the whole file has, if known."""
    if response.status_code == 206:
        told = _RANGE.match(response.headers.get("Content-Range", ""))
        if told is None:
            raise _RefusedError("it sends a part of the file without saying which")
        return int(told[1]), int(told[2]) if told[2] else None
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The body as it is sent, not decoded; a broken connection is a cut if it brought anything."""
    import urllib3

    brought: type[Exception] = _RefusedError
    while True:
        try:
            chunk = response.raw.read(_CHUNK, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as cause:
            raise brought(_reason(cause)) from cause
        if not chunk:
            return
        brought = _CutError
        yield chunk


def _reason(cause: BaseException) -> str:
    """A network's error in a few words; requests wraps the system's own several times."""
    import requests
    import urllib3

    if isinstance(cause, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return "no answer in time"
    if isinstance(cause, urllib3.exceptions.HTTPError):
        return "the connection broke"
    if isinstance(cause, requests.ConnectionError):
        return "no connection"
    return f"no answer that can be read ({type(cause).__name__})"
