"""What the commands share: errors as one message, and the network that a word means."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ..architecture import ARCHITECTURES, architecture, network_from
from ..errors import ArgumentError, FileError, GradtrailError, ShapeError
from ..files import load, read_json
from ..network import Network

__all__ = ["SETTINGS", "STOPPED", "network_of", "one_error", "shape_of"]

SETTINGS = "settings.json"
STOPPED = 128 + signal.SIGINT


def one_error(command: Callable[..., None]) -> Callable[..., None]:
    """Gradtrail's errors as one message on standard error and exit status 2; Ctrl-C as 130."""

    @wraps(command)
    def run(*arguments: Any, **keywords: Any) -> None:
        try:
            command(*arguments, **keywords)
        except GradtrailError as error:
            click.echo(f"gradtrail: {error}", err=True)
            sys.exit(2)
        except KeyboardInterrupt:
            click.echo("gradtrail: stopped; nothing was kept", err=True)
            sys.exit(STOPPED)

    return run


def network_of(model: str, shape: tuple[int, ...] | None, seed: int) -> Network:
    """The network that MODEL means.

    Raises:
        FileError: a file that is none, or holds no network.
        UnknownNameError: neither a file nor a named architecture.
    """
    path = Path(model)
    if model in ARCHITECTURES or not path.exists():
        return architecture(model).network(shape, seed=seed)
    if path.suffix == ".onnx":
        from ..interop import from_onnx

        return from_onnx(path, input_shape=shape)
    if shape is not None:
        raise ArgumentError(f"--input-shape is for named architectures; {model} has its own")
    if path.is_dir() or path.suffix == ".safetensors":
        return load(path)
    data = read_json(path)
    try:
        return network_from(data | {"seed": seed} if isinstance(data, dict) else data)
    except (ArgumentError, ShapeError) as cause:
        raise FileError(f"{path}: {cause}") from cause


def shape_of(written: str | None) -> tuple[int, ...] | None:
    """`1,28,28` as a shape."""
    if written is None:
        return None
    try:
        return tuple(int(part) for part in written.replace("x", ",").split(","))
    except ValueError:
        raise ArgumentError(
            f"--input-shape is channels,height,width such as 1,28,28, got {written!r}"
        ) from None
