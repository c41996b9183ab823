"""What the files of a folder were found to hold that a person may have meant otherwise.

F files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

NO_DEPTH = -1  # of a file that has no 16 bits
_MANY = 1 << 14  # numbers of 16 bits below this leave fewer than 64 of 256 levels
_WHITE = (1 << 16) - 1


def folder_notes(
    root: Path, paths: Sequence[Path], highest: np.ndarray, several: np.ndarray, white: int | None
) -> list[str]:
    """The notes on a folder whose files have all been decoded.

    Args:
        root: the folder.
        paths: the files, F of them.
        highest: for each, a number of 16 bits that none of its own exceeds, or `NO_DEPTH`;
            int64 (F,).
        several: whether each holds more pictures than its first; bool (F,).
        white: the number of 16 bits that was taken for white; None if nobody said one.
    """
    notes = []
    count = int(several.sum())
    if count:
        notes.append(
            f"{count:,} of {len(paths):,} images in {root} hold several pictures, such as "
            f"{paths[int(several.argmax())]}: the first of each was taken; save the others as "
            "files of their own to use them"
        )
    deep = highest[highest != NO_DEPTH]
    top = int(deep.max(initial=0))
    if white is not None:
        return notes + _under(root, white, len(deep), top)
    if 0 < top < _MANY:
        likely = (1 << max(8, top.bit_length())) - 1
        notes.append(
            f"the numbers of the {len(deep):,} images with 16 bits in {root} never exceed "
            f"{top:,}: they were taken as they are, with {_WHITE:,} for white, which leaves "
            f"{(top >> 8) + 1} of 256 levels; if {likely:,} is their white, pass white={likely} "
            f"(--white {likely})"
        )
    return notes


def _under(root: Path, white: int, count: int, top: int) -> list[str]:
    """The notes on a white that somebody gave."""
    if not count:
        return [f"no image in {root} has 16 bits, so white={white} says nothing there"]
    if top > white:
        return [
            f"numbers of the {count:,} images with 16 bits in {root} go up to {top:,}: all above "
            f"white={white} were taken for white"
        ]
    return []
