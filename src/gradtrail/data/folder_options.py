"""How a folder of images is to be read, checked once for all who ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

from ..checking.arguments import is_whole, positive, whole_number
from ..errors import ArgumentError
from .image_spec import FITS, Fit

Bad = Literal["refuse", "skip"]
"""What is done about files that cannot be read."""

_MAX = 1 << 26  # bytes of one decoded image


@final
@dataclass(frozen=True)
class FolderOptions:
    """The arguments of `ImageFolder`, which describes them.

    Raises:
        ArgumentError: one outside what is said there.
    """

    size: int | tuple[int, int] | None = None
    channels: int | None = None
    fit: Fit = "resize"
    bad: Bad = "refuse"
    memory: int = 1 << 30
    threads: int | None = None
    classes: Sequence[str] | None = None
    white: int | None = None

    def __post_init__(self) -> None:
        if self.channels not in (None, 1, 3) or isinstance(self.channels, bool):
            raise ArgumentError(
                "channels must be 1 for grey, 3 for red, green and blue, or None, got "
                f"{self.channels!r}"
            )
        if self.fit not in FITS:
            raise ArgumentError(f"fit must be one of {', '.join(FITS)}, got {self.fit!r}")
        if self.bad not in ("refuse", "skip"):
            raise ArgumentError(f"bad must be 'refuse' or 'skip', got {self.bad!r}")
        if self.white is not None:
            white_of(self.white)
        threads = {} if self.threads is None else {"threads": self.threads}
        positive("ImageFolder", memory=self.memory, **threads)
        object.__setattr__(self, "classes", names_of(self.classes))
        object.__setattr__(self, "size", None if self.size is None else _bounded(self.size))

    @property
    def pair(self) -> tuple[int, int] | None:
        """The size as rows and columns."""
        return self.size if isinstance(self.size, tuple) else None


def rows_and_columns(size: Any) -> tuple[int, int]:
    """A size as rows and columns; one number is both.

    Raises:
        ArgumentError: it is neither a whole number nor two.
    """
    both: list[Any] = list(size) if isinstance(size, tuple | list) else [size, size]
    if len(both) != 2 or not all(map(is_whole, both)):
        raise ArgumentError(f"size must be a whole number or (H, W), got {size!r}")
    return int(both[0]), int(both[1])


def white_of(white: Any) -> int:
    """A number for white in files of 16 bits, looked at.

    Raises:
        ArgumentError: it is no whole number from 1 to 65,535.
    """
    return whole_number("white", white, 1, (1 << 16) - 1)


def _bounded(size: Any) -> tuple[int, int]:
    """A size that an image can have."""
    height, width = rows_and_columns(size)
    if min(height, width) < 1 or 3 * height * width > _MAX:
        raise ArgumentError(
            f"size must be from 1 × 1 to {_MAX:,} bytes in three channels, got {height} × {width}"
        )
    return height, width


def names_of(classes: Any) -> tuple[str, ...] | None:
    """The classes as given, looked at."""
    if classes is None:
        return None
    names = () if isinstance(classes, str) else tuple(classes)
    if not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"classes must be a list of names, got {classes!r}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ArgumentError(f"classes has {twice!r} twice; each class needs a name of its own")
    return names
