"""Which tensors of a traced graph lie in the same memory, and what each holds by now.

In PyTorch a view shares its memory with what it is a view of, and an operation in place (`relu_`,
`+=`) writes into that memory: whoever reads any of them afterwards reads what was written. A clone,
and every other result, has memory of its own. A graph of layers knows no memory, so each reading
here gives the value as it is then.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from .building import Builder


@dataclass(eq=False)
class _Held:
    """A piece of memory.

    Args:
        value: what was written last, in the shape of whoever wrote it.
        writes: how many there were.
    """

    value: Any
    writes: int = 0


class TensorMemory:
    """The tensors that were read so far, by their nodes.

    Args:
        builder: what gives a value another shape.
    """

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._held: dict[Hashable, _Held] = {}
        self._read: dict[Hashable, tuple[int, Any]] = {}  # after which write, and what

    def __contains__(self, node: Hashable) -> bool:
        return node in self._held

    def keep(self, node: Hashable, value: Any) -> None:
        """A node gives a tensor of its own."""
        self._place(node, _Held(value), value)

    def share(self, node: Hashable, source: Hashable, value: Any) -> None:
        """A node gives a view of another's tensor, or that tensor itself."""
        self._place(node, self._held[source], value)

    def _place(self, node: Hashable, held: _Held, value: Any) -> None:
        self._held[node] = held
        self._read[node] = (held.writes, value)

    def value(self, node: Hashable) -> Any:
        """What a node's tensor holds now, in its own shape."""
        held = self._held[node]
        writes, value = self._read[node]
        if writes != held.writes:
            value = self._builder.view_as(held.value, self._builder.shape(value))
            self._read[node] = (held.writes, value)
        return value

    def whole(self, node: Hashable) -> Any:
        """What lies in a node's memory now, in the shape in which it was written."""
        return self._held[node].value

    def write(self, node: Hashable, value: Any) -> None:
        """Write into a node's memory; all that share it hold that from now on.

        Args:
            node: whose memory.
            value: of the node's shape, or of that of `whole`.
        """
        held = self._held[node]
        held.value, held.writes = value, held.writes + 1
