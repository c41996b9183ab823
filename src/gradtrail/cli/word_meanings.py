"""What a word on the command line means: a network, a data set, a shape, a size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from ..data.known import NAMES
from ..errors import ArgumentError, FileError, UnknownNameError, unknown
from ..network import Network
from ..network.architecture import ARCHITECTURES, architecture
from ..runs.run_inputs import network_from_file
from .path_types import is_path


def words(known: Callable[[], Iterable[str]]) -> Any:
    """What a shell completes an argument to: these words, and files."""
    from click.shell_completion import CompletionItem

    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> Any:
        found = [CompletionItem(word) for word in known() if word.startswith(begun)]
        return [*found, CompletionItem(begun, type="file")]

    return complete


_SAVED = (".json", ".onnx", ".safetensors")


def network_of(model: str, shape: tuple[int, ...] | None, seed: int) -> Network:
    """The network that MODEL means.

    Raises:
        FileError: a file that is none, or holds no network.
        UnknownNameError: neither a file nor a named architecture.
    """
    if not is_model_file(model):
        return architecture(model).network(shape, seed=seed)
    return network_from_file(Path(model), seed, shape)


def is_model_file(model: str) -> bool:
    """Whether a word means a file or a folder, there or not, and no named architecture."""
    return model not in ARCHITECTURES and is_path(model, _SAVED)


def is_data_name(data: str) -> bool:
    """Whether a word names a data set, and is no path.

    Raises:
        FileError: it is a path where nothing is.
        UnknownNameError: it is neither.
    """
    if data in NAMES or Path(data).exists():
        return data in NAMES
    if is_path(data, (".npz",)):
        raise FileError(f"--data {data}: there is no such file or folder")
    reason = unknown("data set", data, NAMES)
    raise UnknownNameError(f"--data: {reason}; and there is no file or folder {data}")


def shape_from(written: str) -> tuple[int, ...]:
    """`1,28,28` as a shape.

    Args:
        written: sizes with commas or × between them.

    Raises:
        ArgumentError: they are no numbers.
    """
    shape = _sizes(written)
    if not shape:
        raise ArgumentError(
            f"--input-shape is channels,height,width such as 1,28,28, got {written!r}"
        )
    return shape


def size_from(written: str) -> list[int]:
    """`48,64` as rows and columns; one number is both.

    Raises:
        ArgumentError: it is neither.
    """
    sizes = _sizes(written)
    if len(sizes) not in (1, 2):
        raise ArgumentError(f"--size is rows,columns such as 48,64, or one number, got {written!r}")
    return [sizes[0], sizes[-1]]


def _sizes(written: str) -> tuple[int, ...]:
    """Whole numbers with commas, x or × between them; none where it is something else."""
    try:
        return tuple(int(part) for part in re.split("[,x×]", written))
    except ValueError:
        return ()
