"""Windows that slide over the spatial axes: kernel size, stride, padding, dilation, for any rank.

Letters: y, x output positions; i, j kernel offsets; h, w input positions; s stride, p padding,
d dilation (s_y, s_x, … where the axes differ).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..checking.arguments import is_whole
from ..equation import Affine, Margin, Number, index
from ..equation.frozen import frozen
from ..errors import ArgumentError

PerAxis = int | tuple[int, ...]
"""One number for all spatial axes, or one per axis."""

Padding = int | tuple[int | Margin, ...]
"""One number for all sides; or one entry per axis, each a number or a pair (before, behind)."""

OUTPUTS = ("z", "y", "x")
OFFSETS = ("l", "i", "j")
INPUTS = ("t", "h", "w")


@frozen
class Windows:
    """The windows of one layer, one entry per spatial axis.

    Args:
        kernel: how many offsets.
        stride: how far one window lies from the next.
        margins: padding before and behind.
        dilation: how far one offset lies from the next.
        undilated: leave the dilation out of the formula (layers that have none).
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    margins: tuple[Margin, ...]
    dilation: tuple[int, ...]
    undilated: bool = False

    @property
    def rank(self) -> int:
        """How many spatial axes."""
        return len(self.kernel)

    @property
    def extents(self) -> tuple[int, ...]:
        """How many positions one window spans: d·(R − 1) + 1."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the window positions: y, x."""
        return OUTPUTS[3 - self.rank :]

    @property
    def offsets(self) -> tuple[str, ...]:
        """The names of the kernel offsets: i, j."""
        return OFFSETS[3 - self.rank :]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the input positions: h, w."""
        return INPUTS[3 - self.rank :]

    @property
    def ranges(self) -> dict[str, int]:
        """The ranges of the kernel offsets."""
        return dict(zip(self.offsets, self.kernel, strict=True))

    def positions(self, moving: Sequence[str]) -> tuple[Affine, ...]:
        """`y·s + i·d − p` per axis, with `moving` the names of y, x."""
        return tuple(
            index(moving[a]) * self._symbol("s", self.stride, a)
            + index(self.offsets[a])
            * (Number(1) if self.undilated else self._symbol("d", self.dilation, a))
            - self._symbol("p", tuple(before for before, _ in self.margins), a)
            for a in range(self.rank)
        )

    def _symbol(self, letter: str, values: tuple[int, ...], axis: int) -> Number:
        """The axis's value, written with one letter for all axes while they agree."""
        alike = len(set(values)) == 1
        return Number(values[axis], letter if alike else f"{letter}_{self.outputs[axis]}")


def per_axis(layer: str, name: str, value: object, rank: int, least: int = 1) -> tuple[int, ...]:
    """One whole number per spatial axis from a number or a sequence of them.

    Raises:
        ArgumentError: another number of entries, or one that is not whole or below `least`.
    """
    listed: tuple[Any, ...] = (
        tuple(value)
        if isinstance(value, Sequence) and not isinstance(value, str)
        else (value,) * rank
    )
    for entry in listed:
        if not is_whole(entry, least):
            raise ArgumentError(
                f"{layer}: {name} must be a whole number ≥ {least}"
                f"{f' or {rank} of them' if rank > 1 else ''}, got {value!r}"
            )
    if len(listed) != rank:
        raise ArgumentError(
            f"{layer}: {name} needs {rank} entries, one per spatial axis, got {len(listed)}"
            if rank > 1
            else f"{layer}: {name} needs one number, got {len(listed)}"
        )
    return tuple(map(int, listed))


def padding_margins(
    layer: str,
    padding: object,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    *,
    allow_names: bool = False,
) -> tuple[Margin, ...]:
    """Padding before and behind per axis: a number, a sequence, or a name.

    An entry of the sequence may be a pair, before and behind.

    With `allow_names`, "valid" is no padding, and "same" keeps the size and puts the odd row or
    column behind, as PyTorch does.

    Raises:
        ArgumentError: another word, or "same" with a stride.
    """
    if isinstance(padding, str) and not allow_names:
        raise ArgumentError(f"{layer}: padding must be a number, got {padding!r}")
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        if any(s != 1 for s in stride):
            raise ArgumentError(
                f'{layer}: padding="same" keeps the size only with stride 1, got stride {stride}; '
                "give the padding as a number"
            )
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((t // 2, t - t // 2) for t in total)
    if isinstance(padding, str):
        raise ArgumentError(
            f'{layer}: padding must be a number, "same" or "valid", got {padding!r}'
        )
    return _sides(layer, padding, len(kernel))


def _sides(layer: str, padding: object, rank: int) -> tuple[Margin, ...]:
    """Before and behind per axis, of numbers and pairs."""
    entries = padding if isinstance(padding, Sequence) else ()
    if rank == 1 and len(entries) == 2 and all(is_whole(entry, 0) for entry in entries):
        raise ArgumentError(
            f"{layer}: padding is one number, or a pair in brackets: padding=({tuple(entries)},)"
        )
    if not any(isinstance(entry, Sequence) for entry in entries):
        return tuple((p, p) for p in per_axis(layer, "padding", padding, rank, least=0))
    pairs = [entry if isinstance(entry, Sequence) else (entry, entry) for entry in entries]
    whole = all(len(pair) == 2 and all(is_whole(p, 0) for p in pair) for pair in pairs)
    if not whole or len(pairs) != rank:
        example = ", ".join(["(before, behind)"] * rank)
        raise ArgumentError(
            f"{layer}: padding with a pair needs {rank} entr{'ies' if rank > 1 else 'y'}, one per "
            f"spatial axis, each a whole number ≥ 0 or two of them: ({example},), got {padding!r}"
        )
    return tuple((int(before), int(behind)) for before, behind in pairs)
