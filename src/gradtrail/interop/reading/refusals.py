"""Why a foreign model is no network here: every reason that was met, in the order of the model.

A reader that stopped at the first node it cannot take would have to be asked again and again. So a
refusal is noted, a stand-in takes the refused node's place (`Elementwise.stand_in`), and reading
goes on. What only follows from a refusal is none of the reasons: a node that reads `UNKNOWN`, a
value of which not even the shape is known, is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, final

from ...equation.frozen import frozen
from ...errors import ArgumentError

_MOST_SHOWN = 12


class Refusal(ArgumentError):  # noqa: N818, it becomes an error where a function is left
    """Something that no layer here computes.

    Args:
        clause: why, without the node.
        where: the node, if it is not the one that is being read.
        sentence: all of it, where there are several reasons.
    """

    def __init__(self, clause: str, where: str | None = None, sentence: str | None = None) -> None:
        super().__init__(clause)
        self.where = where
        self._sentence = sentence

    @property
    def complete(self) -> bool:
        """Whether all reasons are in it."""
        return self._sentence is not None

    @property
    def sentence(self) -> str:
        """The reason with its node, or all reasons, one on each line."""
        return self._sentence or f"{self.where or 'the model'} {self}"


@final
class LimitReached(Refusal):
    """A limit that is reached: reading on would take more time or memory than a model may."""


@frozen
class Unknown:
    """What a refused node would have given, where nobody knows its shape."""


UNKNOWN: Final = Unknown()


class Refusals:
    """All that was refused so far, in order, each once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], str] = {}  # (where, clause): kind

    @property
    def found(self) -> bool:
        """Whether there are any."""
        return bool(self._found)

    def note(self, cause: Exception | str, where: str, kind: str = "") -> None:
        """Add a reason; a `Refusal` that names its own place belongs there.

        Args:
            cause: why, without the place.
            where: the node, for messages.
            kind: its operator. What is refused for one reason at nodes of one kind is told once.

        Raises:
            Refusal: with all of them, if nothing can be read after this one.
        """
        self._found.setdefault((getattr(cause, "where", None) or where, str(cause)), kind)
        if isinstance(cause, LimitReached):
            raise self.refusal() from cause

    @contextmanager
    def noting(self, where: str = "the model", kind: str = "") -> Iterator[None]:
        """Note what is refused in here, and go on behind it."""
        try:
            yield
        except Refusal as cause:
            self.note(cause, where, kind)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Whatever refusal ends this block, it comes with all reasons before it."""
        try:
            yield
        except Refusal as cause:
            if not cause.complete:
                self.note(cause, "the model")
            raise self.refusal() from cause

    def check(self) -> None:
        """Go on only if nothing was refused.

        Raises:
            Refusal: with all reasons.
        """
        if self._found:
            raise self.refusal()

    def refusal(self) -> Refusal:
        """All reasons as one: a sentence, or a line for each."""
        alike: dict[tuple[str, str], list[str]] = {}
        for (where, clause), kind in self._found.items():
            alike.setdefault((clause, kind), []).append(where)
        lines = [
            f"{first} {clause}" + (f" ({len(others)} more like it)" if others else "")
            for (clause, _), (first, *others) in alike.items()
        ]
        if len(lines) == 1:
            (where, clause), *_ = self._found
            return Refusal(clause, where, lines[0])
        hidden = len(lines) - _MOST_SHOWN
        shown = [*lines[:_MOST_SHOWN], f"and {hidden} more"] if hidden > 1 else lines
        head = f"{len(lines)} things in the model are no layer here:"
        return Refusal(head, None, "\n  ".join([head, *shown]))
