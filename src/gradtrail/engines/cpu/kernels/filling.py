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
        origin: where the source begins, behind its halo.
        adds: whether it is added to what is there.
    """

    size: int
    origin: int = 0
    adds: bool = False

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        sign = "added to what is there" if self.adds else "put down as it is"
        return [f"{sign}, for when all blocks have been here"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        target, source = code.argument(0), code.argument(1)
        if self.origin:
            source = code.at(source, self.origin)
        with code.loop("p", self.size, 0, code.width * 4) as p:
            value, place = code.load(code.at(source, p)), code.at(target, p)
            code.store(code.add(code.load(place), value) if self.adds else value, place)
