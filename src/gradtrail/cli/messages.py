"""What commands say: sentences and tables, errors and warnings as one message each."""

from __future__ import annotations

import json
import signal
import sys
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal

import click

from ..errors import GradtrailError, GradtrailWarning, visible
from .path_types import check_outputs

STOPPED = 128 + signal.SIGINT


def said(text: str, *, err: bool = False) -> None:
    """Print a sentence or a table; names in it tell a terminal nothing."""
    click.echo(visible(text), err=err)


def print_json(data: Any) -> None:
    """Print an answer as JSON."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


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
