"""Which samples of which run a command is about, as the command line says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from ..data.folder_options import Bad
from ..data.known import NAMES
from .path_types import PATH, WORD
from .word_meanings import words

F = TypeVar("F", bound=Callable[..., Any])

ENGINE = click.option("--engine", help="What computes: cpu or reference.")

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

OF_A_STEP = (
    click.option(
        "--evaluation",
        is_flag=True,
        help="Running statistics and no dropout, instead of a training step.",
    ),
    click.option("--seed", type=click.IntRange(0), default=0, help="Of dropout's masks."),
)

BAD = click.option(
    "--bad",
    type=click.Choice(["refuse", "skip"]),
    help="What is done about files in a folder that cannot be read: refuse the folder, which is "
    "the default, or skip them. A run has its own default, what it was trained with.",
)


def _names(
    context: click.Context, option: click.Parameter, written: str | None
) -> tuple[str, ...] | None:
    """`cat,dog` as names.

    Raises:
        click.BadParameter: one of them is empty.
    """
    if written is None:
        return None
    found = tuple(name.strip() for name in written.split(","))
    if not all(found):
        raise click.BadParameter(
            f"names with a comma between them are due, such as cat,dog; got {written!r}"
        )
    return found


_READING = (
    BAD,
    click.option(
        "--white",
        type=click.IntRange(1, 65535),
        help="In image files of 16 bits, the number that is white, such as 4095 for 12 bits.",
    ),
    click.option(
        "--channels-last/--channels-first",
        default=None,
        help="Whether an .npz has its images as (N, H, W, C) or as (N, C, H, W), where its shape "
        "does not tell.",
    ),
    click.option(
        "--classes",
        callback=_names,
        help="The classes in the order of their numbers, such as cat,dog: the names of folders, or "
        "of labels. A network that was trained with names knows its own. Names with commas are "
        "for a recipe.",
    ),
)


_READ_BY = ("bad", "white", "channels_last", "classes")


@dataclass(frozen=True)
class DataChoice:
    """What a command says of a run and its data.

    Args:
        run: the folder, or the weights in it.
        data: a data set's name or a path, instead of the run's own.
        data_path: where a named set's files are.
        split: "train", "validation" or "test"; None for what the network is best judged by.
        bad: what is done about files that cannot be read; None for what the run says.
        white: in files of 16 bits, the number that is white; None for what the run says.
        channels_last: whether an .npz has (N, H, W, C); None for what the run says.
        classes: for a network whose outputs have no names; None for none.
    """

    run: Path
    data: str | None = None
    data_path: Path | None = None
    split: str | None = None
    bad: Bad | None = None
    white: int | None = None
    channels_last: bool | None = None
    classes: tuple[str, ...] | None = None

    @property
    def folder(self) -> Path:
        """The run's."""
        return self.run if self.run.is_dir() else self.run.parent

    @property
    def reading(self) -> dict[str, Any]:
        """How images are to be read otherwise than the run says."""
        said = {name: getattr(self, name) for name in _READ_BY}
        return {name: value for name, value in said.items() if value is not None}

    @property
    def others(self) -> bool:
        """Whether other data than the run's are meant, or the run's read in another way."""
        return bool(self.data or self.data_path or self.reading)


def with_options(command: F, options: Iterable[Callable[[F], F]]) -> F:
    """A command with options, in this order in its help."""
    for option in reversed(tuple(options)):
        command = option(command)
    return command


def reading_options(command: F) -> F:
    """The options on how images are read; messages about images name them."""
    return with_options(command, _READING)


def data_arguments(split: str | None) -> Callable[[F], F]:
    """The argument and the options that say which data a command is about, as `choice`.

    Args:
        split: the usual part; None for what the network is best judged by.
    """
    shown: Any = True if split else "test where there is one, else what was held out, else all"
    options = (
        click.argument("run", type=PATH),
        click.option(
            "--data",
            type=WORD,
            shell_complete=words(lambda: NAMES),
            help="A name or a path, instead of the run's own data; see train.",
        ),
        click.option("--data-path", type=PATH, help="A named set's folder."),
        click.option(
            "--split",
            type=click.Choice(["train", "validation", "test"]),
            default=split,
            show_default=shown,
        ),
        *_READING,
    )

    def decorate(command: F) -> F:
        @wraps(command)
        def packed(**options: Any) -> None:
            own = {field.name: options.pop(field.name) for field in fields(DataChoice)}
            command(choice=DataChoice(**own), **options)

        return with_options(packed, options)  # type: ignore[return-value]

    return decorate
