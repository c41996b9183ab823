"""Files: nothing half-written is left behind, nothing is unpickled, all that comes in is checked.

Weights are safetensors with the architecture as JSON in their metadata; settings are JSON.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from .architecture import network_from
from .calls import checked_path, is_of_torch, written
from .errors import ArgumentError, FileError, ShapeError
from .streams import Drawn

if TYPE_CHECKING:
    from .network import Network

__all__ = [
    "alone",
    "at_most",
    "check_writable",
    "free_name",
    "load",
    "load_weights",
    "opened",
    "read_arrays",
    "read_json",
    "save_network",
    "sweep",
    "write_bytes",
    "write_json",
]

WEIGHTS = "weights.safetensors"
_KEY, _FORMAT = "gradtrail", 1
_JSON_LIMIT = 16 << 20
_HEADER_LIMIT = 16 << 20
_OTHER_FORMATS = {
    ".onnx": "ONNX, which gt.to_onnx(network, path) writes",
    **dict.fromkeys((".pt", ".pth"), "PyTorch, which takes gt.to_torch(network)"),
    **dict.fromkeys((".h5", ".keras"), "Keras, which nothing here writes"),
}
_FLOATS = ("F16", "F32", "F64", "C64")  # safetensors' names
_DTYPES = ("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", *_FLOATS)
_FOREIGN = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3", "F8_E5M2": "float8_e5m2"}
_UNKNOWN = re.compile("unknown variant `([^`]*)`, expected one of `BOOL`")
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}")


@contextmanager
def _naming(action: str, path: Path) -> Iterator[None]:
    """Turn the system's errors into one that names the file."""
    try:
        yield
    except OSError as cause:
        raise FileError(f"cannot {action} {path}: {cause.strerror or cause}") from cause


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file for reading; what may never end, such as a pipe, is none.

    Raises:
        FileError: it is missing, no file, or cannot be read, in here too; in the system's words.
    """
    source = Path(path)
    with _naming("read", source):
        try:
            mode = source.stat().st_mode
        except FileNotFoundError:
            raise FileError(f"cannot read {source}: there is no such file") from None
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, a device or the like"
            raise FileError(f"cannot read {source}: it is {kind}, not a file")
        with source.open("rb") as file:
            yield file


def at_most(file: BinaryIO, limit: int) -> bytes | None:
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
    _check_folder(target, target.absolute().parent)


def _check_folder(target: Path, folder: Path) -> None:
    """Whether something new can be put into a folder, or into the first above that there is."""
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise FileError(f"cannot write {target}: {folder} is no folder")
    from tempfile import TemporaryFile  # which brings random, and that sha512

    with _naming("write", target):
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
    """Write a file under a temporary name, flush it, and rename it into place.

    Raises:
        FileError: the file cannot be written; an older one stays as it was.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        raise FileError(f"cannot write {target}: it is there, and no file")
    with _naming("write", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.urandom(8).hex()}")
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def alone(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Let no second process do the same with a file at the same time.

    Where the system has no such locks, nothing is locked.

    Args:
        path: of a file that stays where it is meanwhile.
        what: what happens, as a clause: `is training by`.

    Raises:
        FileError: another process is at it, or the file is not there.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with _naming("read", Path(path)):
        file = Path(path).open("rb")  # noqa: SIM115, only its own errors are named so
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            raise FileError(f"another process {what} {path}; wait for it, or end it") from cause
        yield


def sweep(folder: str | os.PathLike[str]) -> None:
    """Delete what `write_bytes` left in a folder when its process was killed in the middle."""
    with _naming("read", Path(folder)):
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
    with opened(source) as file:
        content = at_most(file, _JSON_LIMIT)
    if content is None:
        raise FileError(f"{source} is larger than 16 MiB; no settings are that long")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as cause:
        raise FileError(f"{source} is not JSON: {cause}") from cause


def save_network(network: Network, path: str | os.PathLike[str]) -> None:
    """Write weights and running statistics as safetensors, the architecture in its metadata.

    Raises:
        ArgumentError: the file's name says that it is of another format.
        FileError: the file cannot be written; an older one stays as it was.
    """
    from safetensors.numpy import save

    path = checked_path("save", path)
    other = _OTHER_FORMATS.get(path.suffix.lower())
    if other is not None:
        raise ArgumentError(
            f"save writes safetensors, and {path} has the ending of {other}; end it in .safetensors"
        )
    arrays = {**network.parameters, **network.buffers}
    # one key: safetensors writes several in an order that changes from run to run
    header: dict[str, Any] = {"format": _FORMAT, "architecture": network.architecture()}
    if network.classes is not None:
        header["classes"] = list(network.classes)
    if any(network.drawn):
        header["drawn"] = list(network.drawn)
    metadata = {_KEY: json.dumps(header, ensure_ascii=False)}
    content = save({n: np.ascontiguousarray(a) for n, a in arrays.items()}, metadata)
    write_bytes(path, content)


@written('gt.load("run")')
def load(path: str | os.PathLike[str]) -> Network:
    """The network in a run's folder or in a file that `Network.save` wrote.

    Args:
        path: the folder, or the safetensors file.

    Raises:
        FileError: it is missing, damaged, or holds no gradtrail network.
    """
    hint = "; gt.from_torch(module, input_shape) takes a PyTorch module"
    source = checked_path("load", path, hint if is_of_torch(path) else "")
    with _naming("read", source):
        if source.is_dir():
            source = source / WEIGHTS
            if not source.exists():
                what = _foreign(path, "is it a run's folder?")
                raise FileError(f"{path} is a folder without {WEIGHTS}; {what}")
    arrays, metadata = read_arrays(source)
    if _KEY not in metadata:
        raise FileError(
            f"{source} holds no gradtrail network: its metadata have no {_KEY!r}; of arrays alone, "
            f"such as {_named(arrays)}, nobody can know the layers. Build the network, and "
            "gradtrail.files.load_weights(network, path) puts them in where they are called as in "
            "network.parameters"
        )
    try:
        header = json.loads(metadata[_KEY])
    except (ValueError, RecursionError) as cause:
        raise FileError(f"{source}: its architecture cannot be read: {cause}") from cause
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise FileError(f"{source}: its format is not {_FORMAT}; a later gradtrail wrote it")
    try:
        network = network_from(header.get("architecture"))
        network.classes = header.get("classes")
        network.drawn = header.get("drawn", (0, 0))
    except (RecursionError, ArgumentError, ShapeError) as cause:
        raise FileError(f"{source}: its architecture cannot be read: {cause}") from cause
    _fill(network, arrays, source)
    return network


def _foreign(path: str | os.PathLike[str], otherwise: str) -> str:
    """What a path is that holds no network of ours, and what opens it, as far as anybody knows."""
    from .foreign_files import reader_of

    return reader_of(path) or otherwise


def read_arrays(source: Path) -> tuple[dict[str, np.ndarray], Mapping[str, str]]:
    """All arrays and the metadata of a safetensors file.

    Raises:
        FileError: it cannot be read, is no safetensors file, or holds numbers that NumPy has not.
    """
    from safetensors import SafetensorError, safe_open

    with opened(source) as file:  # whatever hinders reading is told in the system's words
        length = file.read(8)
        if not length:
            raise FileError(f"cannot read {source}: it is empty")
        if int.from_bytes(length, "little") > _HEADER_LIMIT:
            unknown = "not a safetensors file, or one whose header is longer than "
            what = _foreign(source, f"{unknown}{_HEADER_LIMIT >> 20} MiB")
            raise FileError(f"cannot read {source}: {what}")
    try:
        with safe_open(str(source), framework="numpy") as content:
            types = {name: content.get_slice(name).get_dtype() for name in content.keys()}  # noqa: SIM118
            foreign = next((name for name, dtype in types.items() if dtype not in _DTYPES), None)
            if foreign is None:
                return {name: content.get_tensor(name) for name in types}, content.metadata() or {}
    except OSError as cause:
        raise FileError(f"cannot read {source}: {cause.strerror or cause}") from cause
    except (SafetensorError, TypeError, ValueError) as cause:
        if (named := _UNKNOWN.search(str(cause))) is not None:
            raise FileError(
                f"cannot read {source}: it has numbers of {named[1]!r:.40}, which the package "
                "safetensors does not know; save them as float32 or float64"
            ) from cause
        what = _foreign(source, "not a safetensors file")
        raise FileError(f"cannot read {source}: {what} ({cause})") from cause
    raise FileError(
        f"{source}: array {foreign!r} holds numbers of "
        f"{_FOREIGN.get(types[foreign], types[foreign])}, which NumPy does not have; save it as "
        "float32 or float64"
    )


def _named(arrays: Mapping[str, np.ndarray]) -> str:
    """Some names."""
    return ", ".join(map(repr, list(arrays)[:2])) or "none at all"


def load_weights(network: Network, path: str | os.PathLike[str]) -> None:
    """Put a file's arrays into a network that has the same ones.

    Where gradtrail wrote the file, the network's random draws go on from there, too.

    Args:
        network: whose parameters and running statistics are changed.
        path: a safetensors file.

    Raises:
        FileError: it is missing, damaged, or its arrays are others; nothing was changed.
    """
    source = Path(path)
    arrays, metadata = read_arrays(source)
    _fill(network, arrays, source)
    network.drawn = _drawn(metadata)


def _drawn(metadata: Mapping[str, str]) -> Drawn:
    """How far the draws of a file's network are; from the start where it does not say."""
    try:
        return Drawn.of(json.loads(metadata[_KEY])["drawn"]) or Drawn()
    except (KeyError, TypeError, ValueError, RecursionError):
        return Drawn()


def _fill(network: Network, arrays: Mapping[str, np.ndarray], source: Path) -> None:
    """Put arrays into the network, each name once and none too many."""
    wanted = {**network.parameters.shapes, **network.buffers.shapes}
    for name in sorted(wanted.keys() ^ arrays.keys()):
        problem = "is missing" if name in wanted else "belongs to no layer"
        raise FileError(f"{source}: array {name!r} {problem}")
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise FileError(f"{source}: array {name!r} holds {array.dtype}, not real numbers")
        if array.shape != wanted[name]:
            raise FileError(
                f"{source}: array {name!r} has shape {array.shape}, but its layer needs "
                f"{wanted[name]}"
            )
    for name, array in arrays.items():
        side = network.parameters if name in network.parameters else network.buffers
        side[name] = array
