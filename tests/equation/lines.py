"""The equations of one axis, and the exhaustive small grid they are tested on.

The equation core knows no rank: what holds for one axis on every setting holds for two, which are
laid out independently. Letters: s stride, p padding, d dilation; y output, i offset, h input.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product as cartesian

from gradtrail.equation import (
    Array,
    Contraction,
    Number,
    Selection,
    contraction,
    indices,
    selection,
    term,
)

A, W, X, Z = map(Array, "AWXZ")
y, i, h = indices("y i h")


@dataclass(frozen=True)
class Line:
    """One setting of a window that slides along one axis."""

    stride: int
    padding: int
    dilation: int
    kernel: int
    size: int

    def position(self, moving):
        """`y·s + i·d − p`."""
        s, d = Number(self.stride, "s"), Number(self.dilation, "d")
        return moving * s + i * d - Number(self.padding, "p")

    @property
    def starts(self) -> list[int]:
        """Where windows begin, by trying: every stride-th place while the last offset fits."""
        end = self.size + self.padding
        reach = self.dilation * (self.kernel - 1)
        return [at for at in range(-self.padding, end, self.stride) if at + reach < end]

    def windows(self) -> list[list[int]]:
        """The positions inside the array that each window covers."""
        offsets = range(0, self.dilation * self.kernel, self.dilation)
        return [[at + o for o in offsets if 0 <= at + o < self.size] for at in self.starts]

    def convolution(self) -> Contraction:
        """`Z[y] = Σ_{i} W[i]·X[y·s+i·d−p]`."""
        padded = X[self.position(y)].padded((self.padding, self.padding))
        ranges, shapes = {"i": self.kernel}, {"X": (self.size,)}
        return contraction(term(Z[y], W[i], padded), ranges=ranges, shapes=shapes)

    def transposed(self) -> Contraction:
        """`Z[h·s+i·d−p] += W[i]·X[h]`."""
        padded = Z[self.position(h)].padded((self.padding, self.padding))
        ranges, shapes = {"i": self.kernel}, {"X": (self.size,)}
        return contraction(term(padded, W[i], X[h]), ranges=ranges, shapes=shapes)

    def pool(self) -> Selection:
        """`Z[y] = max_{i} X[y·s+i·d−p]`."""
        padded = X[self.position(y)].padded((self.padding, self.padding))
        ranges, shapes = {"i": self.kernel}, {"X": (self.size,)}
        return selection(Z[y], padded, over="i", winner="A", ranges=ranges, shapes=shapes)


def grid() -> Iterator[Line]:
    """Every setting: stride 1–3, padding 0–2, dilation 1–2, kernel 1–4, size 1–7."""
    settings = cartesian(range(1, 4), range(3), range(1, 3), range(1, 5), range(1, 8))
    return (Line(*setting) for setting in settings)


FITTING = [line for line in grid() if line.starts]
TOO_WIDE = [line for line in grid() if not line.starts]
CROPPED = [
    line
    for line in grid()
    if (line.size - 1) * line.stride + line.dilation * (line.kernel - 1) + 1 > 2 * line.padding
]
"""The settings in which a transposed convolution's padding leaves anything of its output."""
