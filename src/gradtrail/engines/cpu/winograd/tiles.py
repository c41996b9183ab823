"""The plane of outputs in tiles of m × m, and the transform of what each tile reads.

Where m does not divide the plane, the last tile of a row or column is moved back until it fits, and
overlaps its neighbour: no tile reads or writes outside. What overlaps is computed twice with the
same result; where it must not count twice, `Place` says how many of its rows and columns are old.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ....equation.frozen import frozen
from ....errors import ArgumentError
from ..builder import Code
from ..ir_types import Value
from ..kernels.kernel import Kernel
from ..nest import Stream
from .matrix import multiply_both, square
from .points import transforms

LINE = 64
"""Bytes of sixteen lanes, which is also a cache line."""


def spaced(size: int) -> int:
    """At least `size` bytes, and an odd number of cache lines.

    The α² values of a tile lie this far apart. A power of two would send them all to the same few
    places in the cache.
    """
    return (-(-size // LINE) | 1) * LINE


@contextmanager
def each_part(code: Code) -> Iterator[Value]:
    """A loop over the registers of one value; gives the offset in bytes."""
    with code.loop("part", code.target.parts) as part:
        yield code.mul_index(part, code.width * 4)


def prefetch(
    code: Code, corner: Value, rows: tuple[int, int], column: int, *, writing: bool = False
) -> None:
    """Have a square of lines brought near, here those of the next channel.

    Their rows lie too far apart for the processor to foresee them. Behind the last channel they are
    somebody else's, which does no harm.

    Args:
        code: being written.
        corner: the address of the first.
        rows: how many a side, and bytes from one row to the next.
        column: bytes from one column to the next.
        writing: whether they will be written.
    """
    side, row = rows
    for i in range(side):
        for j in range(side):
            code.prefetch(code.at(corner, i * row + j * column), writing=writing)


@frozen
class Place:
    """A tile's first output.

    Args:
        y, x: its position.
        old_rows, old_columns: how many of the tile belong to the tile before, too.
    """

    y: Value
    x: Value
    old_rows: Value
    old_columns: Value


@frozen
class Tiles:
    """A plane in tiles, numbered row by row.

    Args:
        m: outputs a side.
        height: of the plane.
        width: of the plane.
        backwards: whether the last tile is number 0; of turned planes it is the first in memory.

    Raises:
        ArgumentError: the plane is smaller than a tile.
    """

    m: int
    height: int
    width: int
    backwards: bool = False

    def __post_init__(self) -> None:
        transforms(self.m)
        if min(self.height, self.width) < self.m:
            raise ArgumentError(
                f"Winograd tiles of {self.m} × {self.m} outputs do not fit into "
                f"{self.height} × {self.width} outputs"
            )

    @property
    def alpha(self) -> int:
        """How many neighbours a tile reads in each direction."""
        return self.m + 2

    @property
    def columns(self) -> int:
        """Tiles beside each other."""
        return -(-self.width // self.m)

    @property
    def count(self) -> int:
        """Tiles in all."""
        return -(-self.height // self.m) * self.columns

    @property
    def rows_overlap(self) -> bool:
        """Whether the last row of tiles overlaps the one before."""
        return self.height % self.m != 0

    @property
    def columns_overlap(self) -> bool:
        """Whether the last column of tiles overlaps the one before."""
        return self.width % self.m != 0

    def place(self, code: Code, t: Value) -> Place:
        """Where tile t lies."""
        if self.backwards:
            t = code.sub_index(self.count - 1, t)
        row = code.new("i64", f"udiv {t}, {self.columns}")
        column = code.sub_index(t, code.mul_index(row, self.columns))
        wanted_y, wanted_x = code.mul_index(row, self.m), code.mul_index(column, self.m)
        y = code.least(wanted_y, self.height - self.m)
        x = code.least(wanted_x, self.width - self.m)
        return Place(y, x, code.sub_index(wanted_y, y), code.sub_index(wanted_x, x))


def turned(stream: Stream, height: int, width: int) -> Stream:
    """A plane turned by half: from its last row and column to the first.

    Args:
        stream: over channel, row and column.
        height: of the plane.
        width: of the plane.
    """
    (c, channel), (y, row), (x, column) = stream.strides
    offset = stream.offset + (height - 1) * row + (width - 1) * column
    return replace(stream, strides=((c, channel), (y, -row), (x, -column)), offset=offset)


@frozen
class Transformed:
    """Where V[ξ][t][c][16] lies, the transformed tiles of a strip, for ξ < α².

    Args:
        base: address.
        point: bytes from one ξ to the next.
        tile: bytes from one group of tiles to the next.
        channel: bytes from one channel to the next.
        group: how many tiles lie side by side in a channel.
    """

    base: Value
    point: int
    tile: int
    channel: int
    group: int = 1

    def at(self, code: Code, t: Value) -> Value:
        """The address of tile t, for ξ = 0 and channel 0."""
        if self.group == 1:
            return code.at(self.base, t, self.tile)
        row = code.new("i64", f"udiv {t}, {self.group}")
        within = code.sub_index(t, code.mul_index(row, self.group))
        return code.at(code.at(self.base, row, self.tile), within, LINE)


@frozen
class StripKernel(Kernel):
    """A kernel that goes through a plane strip by strip, and first transforms what the tiles read.

    Args:
        tiles: the plane of outputs.
        in_channels: C.
        out_channels: K.
        source: X over `c`, `y`, `x`: the element that output (y, x) meets with offset (0, 0).
    """

    tiles: Tiles
    in_channels: int
    out_channels: int
    source: Stream

    @property
    def algorithm(self) -> str:
        """See `Kernel.algorithm`."""
        return f"Winograd F({self.tiles.m}×{self.tiles.m}, 3×3)"

    @contextmanager
    def strips(self, code: Code, size: int, v: Transformed) -> Iterator[tuple[Value, Value]]:
        """A loop over strips of so many tiles, each transformed; gives the first tile and how many.

        Args:
            code: being written.
            size: of a strip.
            v: where the transformed tiles go.
        """
        with code.loop("s", self.tiles.count, 0, size) as s:
            count = code.least(code.sub_index(self.tiles.count, s), size)
            self._transform_input(code, s, count, v)
            yield s, count

    def _transform_input(self, code: Code, first: Value, count: Value, v: Transformed) -> None:
        """V[ξ] = Bᵀ·X·B for every tile of a strip and every channel."""
        source, tiles = self.source, self.tiles
        base = code.at(code.argument(source.argument), source.offset)
        matrix, alpha = transforms(tiles.m).input, tiles.alpha
        channel, row, column = (source.stride(n, code.width) for n in "cyx")
        with code.loop("t", count) as t:
            place = tiles.place(code, code.add_index(first, t))
            corner = code.at(code.at(base, place.y, row), place.x, column)
            target = v.at(code, t)
            with code.loop("c", self.in_channels) as c:
                x = code.at(corner, c, channel)
                prefetch(code, code.at(x, channel), (alpha, row), column)
                to = code.at(target, c, v.channel)
                with each_part(code) as offset:
                    read, write = code.at(x, offset), code.at(to, offset)
                    found = multiply_both(code, matrix, square(code, read, row, column))
                    for point, value in enumerate(found):
                        code.store(value, code.at(write, point * v.point))
