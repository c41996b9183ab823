"""What a kernel is: a frozen description that writes its code and says what it does."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from functools import cached_property

from ....equation.frozen import frozen
from ..builder import Code
from ..target import Target


@frozen
class Kernel(ABC):
    """One native function `void (ptr args, ptr frame)`.

    Its `repr` is what its code follows from, besides the target: equal kernels are compiled once.
    """

    @abstractmethod
    def write(self, code: Code) -> None:
        """Write the function's body."""

    @abstractmethod
    def lines(self) -> list[str]:
        """What it does, as indented text."""

    @property
    def algorithm(self) -> str:
        """How, in a few words."""
        return type(self).__name__.lower()

    @cached_property
    def symbol(self) -> str:
        """The function's name in the object."""
        return "k" + hashlib.sha256(repr(self).encode()).hexdigest()[:24]

    def text(self, target: Target) -> str:
        """The module in LLVM's textual form."""
        code = Code(self.symbol, target)
        self.write(code)
        return code.text()
