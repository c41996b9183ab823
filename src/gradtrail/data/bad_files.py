"""What is wrong with which file of a folder of images, and whether the folder is refused for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    Args:
        root: the folder.
        found: what is in it.
        bad: "refuse" or "skip".

    Raises:
        DataError: nothing of a class is left.
    """

    def __init__(self, root: Path, found: ImageFiles, bad: Bad) -> None:
        self.root, self.found, self.bad = root, found, bad
        self.reasons: dict[int, str] = {}
        self.notes: list[str] = list(found.notes)
        self.drop({})

    def good(self) -> list[int]:
        """The files that nothing is wrong with so far, as positions in `found.files`."""
        return [file for file in range(len(self.found.files)) if file not in self.reasons]

    def skipped(self) -> tuple[tuple[Path, str], ...]:
        """All bad files by path, each with the reason."""
        ours = [(self.found.files[file], reason) for file, reason in self.reasons.items()]
        return tuple(sorted([*self.found.bad, *ours]))

    def drop(self, reasons: Mapping[int, str]) -> None:
        """Say what else is wrong.

        Raises:
            DataError: nothing of a class is left.
        """
        self.reasons |= reasons
        skipped = self.skipped()
        left = {self.found.labels[file] for file in self.good()}
        for path, _ in skipped:
            inside = path.relative_to(self.root).parts
            if len(inside) > 1 and self.found.classes.index(inside[0]) not in left:
                raise DataError(
                    f"class {inside[0]!r} in {self.root} has no image that can be used: "
                    f"{_first(skipped)}; mend them, or remove the class"
                )

    def conclude(self) -> None:
        """Note what is left out and what is odd, when all files have been decoded.

        Raises:
            BadFilesError: there are bad ones, and they are to be refused.
        """
        skipped, classes = self.skipped(), self.found.classes
        if skipped and self.bad == "refuse":
            raise BadFilesError(f"{self._counted(skipped)} cannot be used: {_first(skipped)}")
        if skipped:
            self.notes.append(f"{self._counted(skipped)} are left out: {_first(skipped)}")
        if len(classes) == 1:
            self.notes.append(
                f"{self.root} has one class only, {classes[0]!r}: nothing to tell apart"
            )

    def _counted(self, skipped: Sequence[object]) -> str:
        total = len(self.found.files) + len(self.found.bad)
        return f"{len(skipped):,} of {total:,} images in {self.root}"


def _first(skipped: Sequence[tuple[Path, str]]) -> str:
    """The first few bad files with their reasons, and how many more there are."""
    told = [f"{path}: {reason}" for path, reason in skipped[:_NAMED]]
    more = len(skipped) - len(told)
    return "; ".join([*told, f"and {more:,} more"] if more else told)
