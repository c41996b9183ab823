"""Sets an array to zero before products are added to it place by place."""

from __future__ import annotations

from ....equation.frozen import frozen
from ..builder import Code
from .kernel import Kernel


@frozen
class Zero(Kernel):
    """Argument: the array.

    Args:
        size: in bytes, halo included.
    """

    size: int

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["every element = 0"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        target, step = code.argument(0), code.width * 4
        if self.size % step:  # winners of one byte
            with code.loop("p", self.size) as p:
                code.store(code.whole(0, "i8"), code.at(target, p))
            return
        with code.loop("p", self.size, 0, step) as p:
            code.store(code.number(0.0), code.at(target, p))
