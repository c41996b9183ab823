"""A loop nest as a kernel: apart, since what runs code that was written before needs no nests."""

from __future__ import annotations

from ....equation.frozen import frozen
from ..builder import Code
from ..nest import Nest
from ..writing import write_nest
from .kernel import Kernel


@frozen
class NestKernel(Kernel):
    """A loop nest by itself."""

    nest: Nest

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        write_nest(code, self.nest)

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return self.nest.lines()
