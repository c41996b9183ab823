"""The arrays of an ONNX file, in it or in files beside it, checked before memory is taken.

PyTorch's exporter writes large arrays into a second file, `model.onnx.data`, and the model says
where in it each lies. Such a place is a path, an offset and a length from a file that comes from
outside. So only plain relative paths are taken, links are followed only within the model's folder,
offset and length must lie in the file, and all arrays together are bounded, since a thousand of
them may name the same bytes.

Source: https://onnx.ai/onnx/repo-docs/ExternalData.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ...errors import FileError
from ...storage.files import open_file
from ..reading.refusals import LimitReached, Refusal

MOST_BYTES = 1 << 30
"""Of the model's file, and of all arrays beside it."""

MOST_AXES = 8
_EXTERNAL = 1  # as `TensorProto.data_location`
_LONGEST_PATH = 1024
_NUMBER = re.compile(r"[0-9]{1,18}")
_REMEDY = "keep it in the model's folder, or write the model with external_data=False"

DTYPES: Mapping[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    9: np.dtype("?"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
    16: np.dtype("<u2"),
}
"""By ONNX's numbers; bfloat16 as the bits that it is."""

HALVES = (10, 16)
"""Float16 and bfloat16, whose numbers are all in float32, and are read as such."""

REMEDY = "make the model float32 or float64 first"
"""What helps where a model holds or takes other numbers."""

_FIELDS = {  # where numbers lie that are not raw
    1: "float_data",
    **dict.fromkeys((6, 9, *HALVES), "int32_data"),
    7: "int64_data",
    11: "double_data",
}


class Arrays:
    """Reads a model's arrays.

    Args:
        folder: the model's, beside which other files may lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._taken = 0

    def array(self, tensor: Any) -> np.ndarray:
        """One array, read-only.

        Args:
            tensor: ONNX's `TensorProto`.

        Raises:
            Refusal: its shape and its bytes do not agree, or it lies where nothing is read.
        """
        dtype, shape = _announced(tensor)
        numbers = getattr(tensor, _FIELDS[tensor.data_type])
        beside = tensor.data_location == _EXTERNAL
        if sum((bool(tensor.raw_data), beside, len(numbers) > 0)) > 1:
            raise Refusal("holds its numbers twice")
        if tensor.external_data and not beside:
            raise Refusal("does not say whether it lies in the file or beside it")
        raw = tensor.raw_data
        if beside:
            raw = self._beside(tensor, dtype.itemsize * prod(shape))
        held = len(raw) / dtype.itemsize if raw else len(numbers)
        if held != prod(shape):
            raise Refusal(
                f"announces {' × '.join(map(str, shape))} = {prod(shape):,} numbers, but {held:,g} "
                "follow"
            )
        if tensor.data_type in HALVES:
            found = np.frombuffer(raw, "<u2") if raw else np.array(numbers, np.int64)
            return _widened(found, dtype).reshape(shape)
        found = np.frombuffer(raw, dtype) if raw else np.fromiter(numbers, dtype, len(numbers))
        return found.reshape(shape).astype(dtype.newbyteorder("="), copy=False)

    def _beside(self, tensor: Any, needed: int) -> bytes:
        """An array's bytes from a file in the model's folder, at most as many as are needed."""
        location, offset, length = _place(tensor)
        path = self._path(location)
        try:
            with open_file(path) as file:
                there = os.fstat(file.fileno()).st_size
                length = there - offset if length is None else length
                if offset > there or offset + length > there:
                    raise Refusal(
                        f"lies at byte {offset:,} of {location!r:.100} and behind, up to byte "
                        f"{offset + max(length, 0):,}, and there are {there:,}; copy both files "
                        "anew, or export the model again"
                    )
                if length == needed:
                    self._counted(length)
                    file.seek(offset)
                    return file.read(length)
        except FileError as cause:
            raise Refusal(f"lies in another file: {cause}; {_REMEDY}") from cause
        raise Refusal(f"needs {needed:,} bytes, but has {length:,} of {location!r:.100}")

    def _counted(self, length: int) -> None:
        self._taken += length
        if self._taken > MOST_BYTES:
            raise LimitReached("exceeds the 1 GiB that is taken of arrays beside a model")

    def _path(self, location: str) -> Path:
        """A file within the model's folder, links followed.

        Raises:
            Refusal: it lies elsewhere; nothing has been opened.
        """
        parts = PurePosixPath(location).parts
        plain = 0 < len(location) <= _LONGEST_PATH and not re.search(r"[\x00-\x1f\\:]", location)
        if not plain or location.startswith("/") or ".." in parts or not parts:
            raise Refusal(
                f"lies in {location!r:.100}, and only files in the model's own folder are opened"
            )
        try:
            inside, path = self.folder.resolve(), self.folder.joinpath(*parts).resolve()
        except (OSError, RuntimeError) as cause:  # links that lead to each other
            raise Refusal(f"lies in {location!r:.100}, which leads nowhere: {cause}") from cause
        if not path.is_relative_to(inside):
            raise Refusal(
                f"lies in {location!r:.100}, a link that leads out of the model's folder; put the "
                "file itself there"
            )
        return path


def _widened(bits: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Float16 or bfloat16 as float32, from their bits."""
    if bits.size and not 0 <= int(bits.min()) <= int(bits.max()) < 1 << 16:
        raise Refusal("holds numbers of more than 16 bits")
    whole = bits.astype(np.uint16)
    if dtype == np.float16:
        return whole.view(np.float16).astype(np.float32)
    return (whole.astype(np.uint32) << 16).view(np.float32)


def _announced(tensor: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """An array's dtype and shape, as far as they can be."""
    dtype, shape = DTYPES.get(tensor.data_type), tuple(tensor.dims)
    if dtype is None:
        raise Refusal(f"holds numbers of {dtype_name(tensor, tensor.data_type)}; {REMEDY}")
    if len(shape) > MOST_AXES or any(size < 0 for size in shape):
        raise Refusal(f"says that its shape is {shape!r:.80}")
    return dtype, shape


def dtype_name(message: Any, number: int) -> str:
    """A dtype as ONNX calls it, such as `bfloat16`.

    Args:
        message: an array of the file, whose class lists the dtypes.
        number: of the dtype.
    """
    try:
        return str(message.DataType.Name(number)).lower()
    except ValueError:
        return f"the unknown dtype number {number}"


def _place(tensor: Any) -> tuple[str, int, int | None]:
    """Path, offset and length of an array beside the model; no length is all that is left."""
    told: dict[str, str] = {}
    for entry in tensor.external_data:
        key = checked_name(entry.key)
        if key in told:
            raise Refusal(f"names its {key!r:.40} twice")
        told[key] = checked_name(entry.value)
    if "location" not in told:
        raise Refusal("lies in another file, but does not say in which")
    for key in ("offset", "length"):
        if key in told and not _NUMBER.fullmatch(told[key]):
            raise Refusal(f"has {key}={told[key]!r:.40}, which is no number of bytes")
    length = int(told["length"]) if "length" in told else None
    return told["location"], int(told.get("offset", "0")), length


def checked_name(name: Any) -> str:
    """A name of the file, which protocol buffers hand over as bytes where it is no UTF-8.

    Raises:
        Refusal: it is none.
    """
    if not isinstance(name, str):
        raise Refusal(f"holds a name that is no text, {name!r:.80}")
    return name
