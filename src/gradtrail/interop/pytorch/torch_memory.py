"""Which tensors of a traced graph lie in the same memory, and what each holds by now.

In PyTorch a view shares its memory with what it is a view of, and an operation in place (`relu_`,
`+=`) writes into that memory: whoever reads any of them afterwards reads what was written. A clone,
and every other result, has memory of its own. A graph of layers knows no memory, so each reading
here gives the value as it is then.

A part of a tensor, or its axes in another order, is a view, too. What is written into the whole is
seen by reading the part again; what is written into the part stays there, and whoever reads the
whole afterwards is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from ..reading.building import Builder
from ..reading.refusals import Refusal


@dataclass(eq=False)
class _Held:
    """A piece of memory.

    Args:
        value: what was written last, in the shape of whoever wrote it.
        writes: how many there were.
        torn: whether something was written into a part of it.
        whole: the node whose part this is, with what reads the part again, and how many writes to
            the whole this one knows; None for memory of its own.
    """

    value: Any
    writes: int = 0
    torn: bool = False
    whole: tuple[Hashable, Callable[[], Any], int] | None = None


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

    def part(self, node: Hashable, source: Hashable, value: Any, again: Callable[[], Any]) -> None:
        """A node gives a part of another's tensor, or its axes in another order.

        Args:
            node: the node.
            source: whose tensor that is.
            value: of the part.
            again: what gives the value from what the source holds by then.
        """
        self._place(node, _Held(value, whole=(source, again, self._held[source].writes)), value)

    def _place(self, node: Hashable, held: _Held, value: Any) -> None:
        self._held[node] = held
        self._read[node] = (held.writes, value)

    def value(self, node: Hashable) -> Any:
        """What a node's tensor holds now, in its own shape."""
        held = self._current(node)
        writes, value = self._read[node]
        if writes != held.writes:
            value = self._builder.view_as(held.value, self._builder.shape(value))
            self._read[node] = (held.writes, value)
        return value

    def _current(self, node: Hashable) -> _Held:
        """A node's memory, with what was written into the whole that it is a part of.

        Raises:
            Refusal: something was written into a part of it.
        """
        held = self._held[node]
        if held.torn:
            raise Refusal("reads a tensor of which a part was written over, which no layer does")
        if held.whole is not None:
            source, again, known = held.whole
            now = self._held[source]
            if now.torn or self._current(source).writes != known:
                held.value, held.writes = again(), held.writes + 1
                held.whole = (source, again, now.writes)
        return held

    def whole(self, node: Hashable) -> Any:
        """What lies in a node's memory now, in the shape in which it was written."""
        return self._current(node).value

    def write(self, node: Hashable, value: Any) -> None:
        """Write into a node's memory; all that share it hold that from now on.

        Args:
            node: whose memory.
            value: of the node's shape, or of that of `whole`.
        """
        held = self._held[node]
        held.value, held.writes = value, held.writes + 1
        above, held.whole = held.whole, None  # nobody reads, so nobody writes, the whole again
        while above is not None:
            held = self._held[above[0]]
            held.torn, above = True, held.whole
