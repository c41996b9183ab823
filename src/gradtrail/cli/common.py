"""What the commands share: errors as one message, and the network that a word means."""

from __future__ import annotations

import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, Literal

import click

from ..data.known import NAMES
from ..errors import (
    ArgumentError,
    FileError,
    GradtrailError,
    GradtrailWarning,
    UnknownNameError,
    unknown,
    visible,
)
from ..network import Network
from ..network.architecture import ARCHITECTURES, architecture
from ..runs.preparing import network_from_file
from .paths import check_outputs, is_path

__all__ = [
    "STOPPED",
    "is_data_name",
    "is_model_file",
    "network_of",
    "one_error",
    "said",
    "shape_of",
    "size_of",
    "words",
]

STOPPED = 128 + signal.SIGINT


def said(text: str, *, err: bool = False) -> None:
    """Print a sentence or a table; names in it tell a terminal nothing."""
    click.echo(visible(text), err=err)


def one_error(command: Callable[..., None]) -> Callable[..., None]:
    """Gradtrail's errors as one message on standard error and exit status 2; Ctrl-C as 130.

    Its warnings are one line each there, or nothing with --quiet. Before the command runs, the
    files that it is to write are looked at.
    """

    @wraps(command)
    def run(*arguments: Any, **keywords: Any) -> None:
        try:
            with warnings.catch_warnings():
                shown: Literal["ignore", "always"] = "ignore" if keywords.get("quiet") else "always"
                warnings.simplefilter(shown, GradtrailWarning)
                warnings.showwarning = _told(warnings.showwarning)
                check_outputs(click.get_current_context())
                command(*arguments, **keywords)
        except GradtrailError as error:
            said(f"gradtrail: {error}", err=True)
            sys.exit(2)
        except KeyboardInterrupt:
            kept = "the run is as it was" if keywords.get("resumed") else "nothing was kept"
            said(f"gradtrail: stopped; {kept}", err=True)
            sys.exit(STOPPED)
        except BrokenPipeError:
            raise  # somebody closed the other end, and click knows what to do
        except MemoryError as error:
            told = str(error) or "what was asked for is too large"
            said(f"gradtrail: there is not enough memory: {told}", err=True)
            sys.exit(2)
        except (OSError, UnicodeEncodeError) as error:
            said(f"gradtrail: {ascii(str(error))[1:-1]}", err=True)
            sys.exit(2)

    return run


def _told(otherwise: Callable[..., None]) -> Callable[..., None]:
    """Shows gradtrail's warnings as a sentence, each once, and others as they were shown before."""
    told: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if issubclass(category, GradtrailWarning):
            if str(message) not in told:
                said(f"gradtrail: {message}", err=True)
            told.add(str(message))
        else:
            otherwise(message, category, *where)

    return show


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


def shape_of(written: str) -> tuple[int, ...]:
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


def size_of(written: str) -> list[int]:
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
