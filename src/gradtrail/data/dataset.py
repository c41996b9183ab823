"""What was found at a path: up to three parts, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass

from .images import Images
from .splitting import Pair

Part = Pair | Images


@dataclass(frozen=True, eq=False)
class DataSet:
    """What `read` found.

    Each part is a pair of arrays, x float32 (N, C, H, W) and y int64 (N,), or `Images`.

    Args:
        kind: what the path holds, in words.
        train: to learn from.
        validation: to watch the training by, if there is such a part.
        test: to judge the result by, if there is such a part.
        classes: the classes' names in the order of their labels; None where the files have none.
        notes: what a person should be told, a sentence each.
    """

    kind: str
    train: Part
    validation: Part | None = None
    test: Part | None = None
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def held_out(self) -> Part | None:
        """The part that is not learned from: for validation if there is one, else for testing."""
        return self.test if self.validation is None else self.validation
