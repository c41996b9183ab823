"""What is wrong with which file of a folder of images, and whether the folder is refused for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import DataError
from .folder_options import Bad
from .image_files import ImageFiles

_NAMED = 3  # bad files in a message


class BadFilesError(DataError):
    """Files of a folder that cannot be used; who needs all of them has another remedy.

    Args:
        cause: how many of how many, the first ones and why.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(
            f"{cause}; mend or remove them, or pass bad='skip' (--bad skip) to leave them out"
        )
        self.cause = cause


class Judge:
    """Keeps what is wrong with which file, and refuses the folder where it is to be refused.

    `left` has the files that nothing is wrong with so far, each with its label; `skipped` the bad
    ones by path, each with the reason; `notes` what a person should be told.

    Args:
        root: the folder.
        found: what is in it.
        bad: "refuse" or "skip".

    Raises:
        DataError: nothing of a class is left.
    """

    def __init__(self, root: Path, found: ImageFiles, bad: Bad) -> None:
        self.root, self.found, self.bad = root, found, bad
        self.left = dict(found.labels)
        self.skipped, self.notes = list(found.bad), list(found.notes)
        self.drop({})

    def drop(self, reasons: Mapping[Path, str]) -> None:
        """Say what else is wrong.

        Raises:
            DataError: nothing of a class is left.
        """
        for path in reasons:
            del self.left[path]
        self.skipped = sorted([*self.skipped, *reasons.items()])
        classes = set(self.left.values())
        for path, _ in self.skipped:
            inside = path.relative_to(self.root).parts
            if len(inside) > 1 and self.found.classes.index(inside[0]) not in classes:
                raise DataError(
                    f"class {inside[0]!r} in {self.root} has no image that can be used: "
                    f"{self._first()}; mend them, or remove the class"
                )

    def conclude(self) -> None:
        """Note what is left out and what is odd, when all files have been decoded.

        Raises:
            BadFilesError: there are bad ones, and they are to be refused.
        """
        count, classes = len(self.skipped), self.found.classes
        if count:
            total = count + len(self.left)
            counted = f"{count:,} of {total:,} images in {self.root}"
            if self.bad == "refuse":
                raise BadFilesError(f"{counted} cannot be used: {self._first()}")
            self.notes.append(f"{counted} are left out: {self._first()}")
        if len(classes) == 1:
            self.notes.append(
                f"{self.root} has one class only, {classes[0]!r}: nothing to tell apart"
            )

    def _first(self) -> str:
        """The first few bad files with their reasons, and how many more there are."""
        told = [f"{path}: {reason}" for path, reason in self.skipped[:_NAMED]]
        more = len(self.skipped) - len(told)
        return "; ".join([*told, f"and {more:,} more"] if more else told)
