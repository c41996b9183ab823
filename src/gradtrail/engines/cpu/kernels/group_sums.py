"""The order in which the sums of the groups of blocks are added.

It is a tree that their number alone determines, whoever made the sums and when.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ....equation.frozen import frozen
from ..builder import Code
from ..frame import Slot
from ..ir_types import Value
from .kernel import Kernel
from .walking import each_of_chunk

_Part = TypeVar("_Part")


def join_pairs(parts: list[_Part], join: Callable[[_Part, _Part], _Part]) -> _Part:
    """All parts as one, in a tree that their number alone determines: neighbours, then pairs."""
    while len(parts) > 1:
        pairs = [join(a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)]
        parts = pairs + ([parts[-1]] if len(parts) % 2 else [])
    return parts[0]


@frozen
class SumGroups(Kernel):
    """Adds the groups' gradients into the first group's. Argument: the gradients of group 0.

    Args:
        groups: how many.
    """

    groups: int

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        names = [f"dW{group}" for group in range(self.groups)]
        tree = join_pairs(names, lambda a, b: f"({a} + {b})")
        return [f"for each parameter: dW = {tree.removeprefix('(').removesuffix(')')}"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        stride = code.frame(Slot.GRADIENTS_STRIDE)
        bases = [code.argument(0)]
        for _ in range(self.groups - 1):
            bases.append(code.at(bases[-1], stride))

        def add(offset: Value) -> None:
            values = [code.load(code.at(b, offset)) for b in bases]
            code.store(join_pairs(values, code.add), code.at(bases[0], offset))
            for base in bases[1:]:  # for the next step
                code.store(code.number(0.0), code.at(base, offset))

        if self.groups > 1:
            each_of_chunk(code, add)
