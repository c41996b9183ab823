"""Every error that gradtrail raises, one tree.

    GradtrailError
    ├── EquationError      an equation that cannot be built           (ValueError)
    ├── ArgumentError      an argument no layer or function can take  (ValueError)
    ├── ShapeError         layers or arrays that do not fit together  (ValueError)
    ├── DataError          samples or labels that cannot be learned   (ValueError)
    ├── UnknownNameError   a name that no array or model has          (KeyError)
    ├── GradientError      a gradient that differs from differences   (AssertionError)
    ├── NonFiniteError     a NaN or infinity in a learning step       (FloatingPointError)
    ├── FileError          a file that cannot be read or written      (ValueError, OSError)
    ├── NoRoomError        what the machine's memory cannot hold      (MemoryError)
    └── MissingPackageError  an optional package is not installed     (ImportError)

Each message is one sentence of cause, and names what was expected, what came, how that number
arose and what to change.

Beside the tree stands `GradtrailWarning`: work goes on, and the sentence says how something was
understood and how to say otherwise. `warn` gives one.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_PACKAGE = str(Path(__file__).parent)

_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that move the cursor, change colours or turn the order of others about."""


class GradtrailError(Exception):
    """The root of the tree: catch this to catch whatever gradtrail refuses."""

    def __str__(self) -> str:  # names in it come from outside, and a traceback goes to a terminal
        return visible(super().__str__())


class EquationError(GradtrailError, ValueError):
    """An equation whose indices, ranges or accesses contradict each other."""


class ArgumentError(GradtrailError, ValueError):
    """An argument outside what the layer or function is defined for."""


class ShapeError(GradtrailError, ValueError):
    """A layer that does not fit behind the one before it, or an array of another shape.

    Args:
        cause: what was expected and what came.
        remedy: what to change, without a full stop.
        axis: the axis of the layer's input that the cause speaks of, if one.
    """

    def __init__(self, cause: str, remedy: str = "", axis: int | None = None) -> None:
        super().__init__(f"{cause}. {remedy}." if remedy else cause)
        self.cause, self.remedy, self.axis = cause, remedy, axis


class DataError(GradtrailError, ValueError):
    """Samples or labels that the network cannot take: layout, range, type or number."""


class UnknownNameError(GradtrailError, KeyError):
    """A name that no array, layer or architecture has; the message lists near ones."""

    def __str__(self) -> str:  # KeyError would print the quoted repr
        return visible(str(self.args[0])) if self.args else ""


class GradientError(GradtrailError, AssertionError):
    """A gradient that central differences do not confirm."""


class NonFiniteError(GradtrailError, FloatingPointError):
    """A NaN or an infinity; the message says in which array, at which index, for which sample."""


class FileError(GradtrailError, ValueError, OSError):
    """A file that is missing, damaged, of another format, or that cannot be written.

    `errno`, `strerror` and `filename` are those of the system's error that it came of; None where
    the system has nothing against the file.
    """

    @property
    def _of_the_system(self) -> OSError:
        cause = self.__cause__ or self.__context__
        return cause if isinstance(cause, OSError) else OSError()

    @property
    def errno(self) -> int | None:  # type: ignore[override]
        """The system's number, such as `errno.ENOENT`."""
        return self._of_the_system.errno

    @property
    def strerror(self) -> str | None:  # type: ignore[override]
        """The system's words."""
        return self._of_the_system.strerror

    @property
    def filename(self) -> Any:
        """The path that the system was asked for."""
        return self._of_the_system.filename


class NoRoomError(GradtrailError, MemoryError):
    """A training that needs more memory than there is; the message says what would fit."""


class MissingPackageError(GradtrailError, ImportError):
    """An optional package that is not installed; the message says how to install it."""


class GradtrailWarning(UserWarning):
    """How something was understood that could be meant otherwise; the message says how to."""


def warn(sentence: str) -> None:
    """A `GradtrailWarning` at the caller's own line: the first outside this package.

    Args:
        sentence: what was understood and how to say otherwise, without a full stop.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(visible(sentence), GradtrailWarning, stacklevel=level)


def indexed(name: str, index: Iterable[object]) -> str:
    """An element as messages write it and questions take it: `conv1.weight[2,0,1,1]`.

    Args:
        name: the array's; "" for the index alone.
        index: () for an array of one number, which has none.
    """
    place = ",".join(map(str, index))
    return f"{name}[{place}]" if place else name


def typed(path: str | os.PathLike[str]) -> str:
    """A path as it is typed behind a command, so that advice can be copied: quoted where need be.

    Args:
        path: such as one with a space in it.
    """
    import shlex

    return shlex.quote(os.fspath(path))


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """The message for a name that is not there, with near ones."""
    import difflib

    listed = list(dict.fromkeys(known))
    if not listed:
        return f"no {what} is called {name!r}; there are none"
    near = difflib.get_close_matches(str(name), listed, n=3)
    shown = ", ".join(near or listed[:16])
    return f"no {what} is called {name!r}; {'did you mean' if near else 'there are'}: {shown}"


def visible(text: str) -> str:
    r"""A text whose control characters are written out, such as `\x1b`.

    Names of files and classes come from outside, and a terminal does what such characters say.
    """
    return _COMMANDS.sub(lambda found: ascii(found[0])[1:-1], text)


def escaped(text: str, quote: bool = True) -> str:
    """A text as HTML shows it: a page's words, too, change their order as such characters say.

    Args:
        text: what is to be read.
        quote: whether quotation marks are replaced, as in an attribute they have to be.
    """
    from html import escape  # whose table of entities few programs need

    return escape(visible(text), quote)
