"""Arrays filled as a whole: with zeros, for products to be added to them, or with another's."""

from __future__ import annotations

from ....equation.frozen import frozen
from ..builder import Code
from .kernel import Kernel


@frozen
class Zero(Kernel):
    """An array set to zero. Argument: the array.

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


@frozen
class Copied(Kernel):
    """An array as it is, elsewhere. Arguments: target, source.

    Args:
        size: in bytes, of whole lines.
    """

    size: int

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["put down as it is, for when all blocks have been here"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        target, source = code.argument(0), code.argument(1)
        with code.loop("p", self.size, 0, code.width * 4) as p:
            code.store(code.load(code.at(source, p)), code.at(target, p))
