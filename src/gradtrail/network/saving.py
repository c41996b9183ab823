"""Networks as files: safetensors with the architecture as JSON in their metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..checking.calls import call_example, checked_path, is_of_torch
from ..errors import ArgumentError, FileError, ShapeError
from ..graph import Graph
from ..storage.arrays import read_arrays
from ..storage.files import file_errors, write_bytes
from ..storage.foreign_files import reader_of
from ..streams import Drawn
from .architecture import network_from
from .network import Network

WEIGHTS = "weights.safetensors"
_KEY, _FORMAT = "gradtrail", 1
_OTHER_FORMATS = {
    ".onnx": "ONNX, which gt.to_onnx(network, path) writes",
    **dict.fromkeys((".pt", ".pth"), "PyTorch, which takes gt.to_torch(network)"),
    **dict.fromkeys((".h5", ".keras"), "Keras, which nothing here writes"),
}


def save_network(network: Graph, path: str | os.PathLike[str]) -> None:
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
    content = save({n: np.asarray(a, order="C") for n, a in arrays.items()}, metadata)
    write_bytes(path, content)


@call_example('gt.load("run")')
def load(path: str | os.PathLike[str]) -> Network:
    """The network in a run's folder or in a file that `Network.save` wrote.

    Args:
        path: the folder, or the safetensors file.

    Raises:
        FileError: it is missing, damaged, or holds no gradtrail network.
    """
    hint = "; gt.from_torch(module, input_shape) takes a PyTorch module"
    source = checked_path("load", path, hint if is_of_torch(path) else "")
    with file_errors("read", source):
        if source.is_dir():
            source = source / WEIGHTS
            if not source.exists():
                what = reader_of(path) or "is it a run's folder?"
                raise FileError(f"{path} is a folder without {WEIGHTS}; {what}")
    arrays, metadata = read_arrays(source)
    if _KEY not in metadata:
        some = ", ".join(map(repr, list(arrays)[:2])) or "none at all"
        raise FileError(
            f"{source} holds no gradtrail network: its metadata have no {_KEY!r}; of arrays alone, "
            f"such as {some}, nobody can know the layers. Build the network, and "
            "gt.load_weights(network, path) puts them in where they are called as in "
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


def drawn_of(metadata: Mapping[str, str]) -> Drawn:
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
