"""Paths on the command line: those that are read, and those that are to be written.

A path to be written is looked at before any work, so that nothing is computed in vain.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, final

import click

from ..errors import ArgumentError, FileError
from ..machine.folders import locate
from ..showing.figures import endings
from ..storage.files import check_writable, free_name

_NAMED = 3  # endings in a message


class _Path(click.Path):
    """A path, whose `~` a shell may have left: bash does not read it in `--data=~/photos`."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        given = value if value == "" else super().convert(value, param, ctx)
        return _located(self, given, param, ctx)


@final
class _Word(click.types.StringParamType):
    """A name or a path."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        meant = value == "" or value.startswith("~")
        return str(_located(self, value, param, ctx)) if meant else value


def _located(kind: click.ParamType[Any], given: Any, param: Any, ctx: Any) -> Path:
    """The path that is meant, or click's way to refuse it."""
    if given == "":
        kind.fail("it is empty; '.' is the working folder", param, ctx)
    try:
        return locate(given)
    except FileError as cause:
        kind.fail(str(cause), param, ctx)


PATH, WORD = _Path(), _Word()


@final
class OutputPath(_Path):
    """A file that a command writes.

    Args:
        endings: gives what its name may end in; a `MissingPackageError` where what writes it is not
            installed.
    """

    def __init__(self, endings: Callable[[], Collection[str]]) -> None:
        super().__init__()
        self.endings = endings


HTML = OutputPath(lambda: (".html", ".htm"))
CSV = OutputPath(lambda: (".csv",))
PICTURE = OutputPath(endings)


def check_outputs(context: click.Context) -> None:
    """See whether all files that a command is to write can be written.

    Args:
        context: of the command, with its options.

    Raises:
        ArgumentError: a name with another ending, or of a file that is there already.
        FileError: there is no folder for it, or nothing can be written there.
        MissingPackageError: what draws it is not installed.
    """
    for option in context.command.params:
        path = context.params.get(option.name or "")
        if isinstance(option.type, OutputPath) and path is not None:
            check_ending(option.opts[0], path, option.type.endings())
            if context.params.get("overwrite") is False:
                check_taken(option.opts[0], path)
            check_writable(path)


def check_ending(option: str, path: Path, known: Collection[str]) -> None:
    """See whether a file's name says what it holds.

    Raises:
        ArgumentError: it does not, or is a folder's.
    """
    first, *others = list(known)[:_NAMED]
    if path.is_dir():
        raise ArgumentError(
            f"{path} is there already, and a folder; name a file with {option}, such as "
            f"{path / f'a{first}'}"
        )
    if path.suffix.lower() not in known:
        told = f"{', '.join([first, *others[:-1]])} or {others[-1]}" if others else first
        such = path.with_suffix(first)
        raise ArgumentError(f"{option} {path}: the file's name must end in {told}, as {such} does")


def check_taken(option: str, *paths: Path) -> None:
    """See whether files of one name are there already.

    Args:
        option: that names them.
        paths: the first as it is named, and what is written beside it.

    Raises:
        ArgumentError: one of them is.
    """
    for path in paths:
        if path.exists():
            free = free_name(paths[0], [path.suffix for path in paths])
            raise ArgumentError(
                f"{path} is there already; give {option} another name or --overwrite: {free} is "
                "free"
            )


def is_path(word: str, endings: Collection[str] = ()) -> bool:
    """Whether a word that may be a name means a path, there or not.

    Args:
        word: such as `lenet5`, `net.onnx` or `nets/mine`.
        endings: that only files have.
    """
    path = Path(word)
    return path.suffix in endings or bool({"/", os.sep} & set(word)) or path.exists()
