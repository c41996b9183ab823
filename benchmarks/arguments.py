"""Command-line arguments that several benchmarks take, checked."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import click

from gradtrail.errors import UnknownNameError, unknown

from .ours import engine_options
from .settings import Workload, workload

__all__ = ["build_folder", "engine_arguments", "listed", "workloads"]


def listed(known: Collection[str], what: str) -> Callable[[Any, Any, str], list[str]]:
    """A click callback: names with commas between, each of which must be known."""

    def check(context: Any, parameter: Any, text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if not names:
            raise click.BadParameter(f"name at least one {what}: {', '.join(known)}")
        for name in names:
            if name not in known:
                raise click.BadParameter(unknown(what, name, known))
        return list(dict.fromkeys(names))

    return check


def workloads(context: Any, parameter: Any, text: str) -> list[Workload]:
    """A click callback: architectures by name, with commas between."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise click.BadParameter("name at least one network")
    try:
        return [workload(name) for name in dict.fromkeys(names)]
    except UnknownNameError as cause:
        raise click.BadParameter(str(cause)) from None


def engine_arguments(context: Any, parameter: Any, texts: tuple[str, ...]) -> dict[str, Any]:
    """A click callback: further arguments of our engine as NAME=VALUE."""
    try:
        return engine_options(texts)
    except ValueError as cause:
        raise click.BadParameter(str(cause)) from None


def build_folder(context: Any, parameter: Any, text: str | None) -> Path | None:
    """A click callback: a checkout's folder, or None where none is named."""
    if text is None:
        return None
    folder = Path(text)
    if not (folder / "src" / "gradtrail" / "__init__.py").is_file():
        raise click.BadParameter(f"{text} is no checkout: it has no src/gradtrail")
    return folder
