"""Partial sums of products: what each sample, position or channel brings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checking.arguments import is_whole, positive
from ..errors import ArgumentError
from ..showing.shown import Shown
from ..showing.tables import Table
from .element_term import ElementTerm
from .records import data_frame, json_number
from .term_tables import shares_table

if TYPE_CHECKING:
    from pandas import DataFrame

Key = int | str | tuple[int | str, ...]
"""The value of the one index, or the values of several."""

LAYER = "layer"


@dataclass(frozen=True, eq=False)
class Shares(Shown, Mapping[Key, float]):
    """Partial sums by index values: `shares[17]`, `shares[3, 4]`; prints as a table.

    Args:
        element: what the sums add up to, as it is written.
        names: the indices.
        keys_array: (G, len(names)) their values, ascending; −1 where a product has no such index.
        sums: (G,) float64.
        magnitudes: (G,) the sums of the sizes.
        counts: (G,) how many products.
        layers: the names behind the values of "layer".
        chosen_of: what these are some of; None for all there are.
    """

    element: str
    names: tuple[str, ...]
    keys_array: np.ndarray
    sums: np.ndarray
    magnitudes: np.ndarray
    counts: np.ndarray
    layers: tuple[str, ...] = ()
    chosen_of: Shares | None = None

    @property
    def whole(self) -> Shares:
        """All partial sums, of which these are some or all."""
        return self if self.chosen_of is None else self.chosen_of

    def values_of(self, row: int) -> tuple[int | str, ...]:
        """The values of all indices in one row."""
        values = map(int, self.keys_array[row])
        return tuple(
            self.layers[v] if n == LAYER else v for n, v in zip(self.names, values, strict=True)
        )

    def __getitem__(self, key: Key) -> float:
        wanted = key if isinstance(key, tuple) else (key,)
        numbers = [self._number(n, v) for n, v in zip(self.names, wanted, strict=False)]
        if len(wanted) == len(self.names) and None not in numbers:
            for row in np.flatnonzero((self.keys_array == numbers).all(axis=1)):
                return float(self.sums[row])
        raise KeyError(key)

    def _number(self, name: str, value: object) -> int | None:
        """How an index's value stands among the keys; None for what is no value of it."""
        if name == LAYER:
            return self.layers.index(value) if value in self.layers else None
        return int(value) if is_whole(value) else None

    def __iter__(self) -> Iterator[Key]:
        rows = map(self.values_of, range(len(self)))
        return (values if len(self.names) > 1 else values[0] for values in rows)

    def __len__(self) -> int:
        return len(self.sums)

    def top(self, k: int = 10) -> Shares:
        """The k partial sums that are greatest in size, greatest first.

        Raises:
            ArgumentError: k is below 1.
        """
        positive("top", k=k)
        size = np.where(np.isnan(self.sums), np.inf, np.abs(self.sums))
        return self._chosen(np.lexsort((np.arange(len(self)), -size))[:k])

    def present(self) -> Shares:
        """Without the partial sums of products that lack one of the indices."""
        return self._chosen(np.flatnonzero((self.keys_array >= 0).all(axis=1)))

    def _chosen(self, rows: np.ndarray) -> Shares:
        columns = ("keys_array", "sums", "magnitudes", "counts")
        return replace(self, chosen_of=self.whole, **{n: getattr(self, n)[rows] for n in columns})

    def dense(self) -> np.ndarray:
        """The sums as an array with one axis per index, 0 where there is no product.

        Raises:
            ArgumentError: "layer" is among the indices, or a product lacks one.
        """
        if LAYER in self.names or (self.keys_array < 0).any():
            raise ArgumentError("dense: needs indices that every product has")
        shape = tuple(int(m) + 1 for m in self.keys_array.max(axis=0, initial=-1))
        found = np.zeros(shape)
        found[tuple(self.keys_array.T)] = self.sums
        return found

    def to_numpy(self) -> np.ndarray:
        """A structured array: the indices, `sum`, `magnitude`, `count`."""
        kinds = [(n, "U40" if n == LAYER else np.int64) for n in self.names]
        found = np.zeros(
            len(self), [*kinds, ("sum", float), ("magnitude", float), ("count", np.int64)]
        )
        for column, name in enumerate(self.names):
            values = self.keys_array[:, column]
            found[name] = np.array(self.layers)[values] if name == LAYER else values
        found["sum"], found["magnitude"] = self.sums, self.magnitudes
        found["count"] = self.counts
        return found

    def to_dict(self) -> list[dict[str, Any]]:
        """One entry per partial sum, as JSON has it."""
        return [
            dict(zip(self.names, self.values_of(row), strict=True))
            | {
                "sum": json_number(float(self.sums[row])),
                "magnitude": json_number(float(self.magnitudes[row])),
                "products": int(self.counts[row]),
            }
            for row in range(len(self))
        ]

    def to_pandas(self) -> DataFrame:
        """The same as a data frame."""
        return data_frame(self.to_numpy())

    def _table(self) -> Table:
        return shares_table(self)


def shares_of(
    parts: Sequence[ElementTerm],
    names: Sequence[str],
    known: Sequence[str],
    element: str,
) -> Shares:
    """Partial sums of several parts.

    Args:
        parts: the products.
        names: which indices.
        known: the indices there are.
        element: what they make up.
    """
    if not names:
        raise ArgumentError(f"by: name at least one of {', '.join((*known, LAYER))}")
    for name in names:
        if name not in known and name != LAYER:
            raise ArgumentError(
                f"by: {element} is no sum over {name!r}; its indices are "
                f"{', '.join((*known, LAYER))}"
            )
        if list(names).count(name) > 1:
            raise ArgumentError(f"by: {name!r} is named twice")
    layers = tuple(dict.fromkeys(part.sum.layer for part in parts))
    found = [_of_part(part, names, layers) for part in parts if len(part)]
    empty = np.zeros((0, len(names)), np.int64)
    keys = np.concatenate([empty, *(f[0] for f in found)])
    columns = np.concatenate([np.zeros((3, 0)), *(f[1] for f in found)], axis=1)
    groups, inverse = _distinct(keys)
    sums = [np.bincount(inverse, column, len(groups)) for column in columns]
    return Shares(element, tuple(names), groups, sums[0], sums[1], sums[2].astype(np.int64), layers)


def _of_part(
    part: ElementTerm, names: Sequence[str], layers: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Keys (M, names) and sums, magnitudes and counts (3, M), keys not yet distinct."""
    groups = part.points.groups
    kept = [axis for axis, group in enumerate(groups) if set(names) & set(group.names)]
    rest = tuple(axis for axis in range(len(groups)) if axis not in kept)
    sizes = [part.points.sizes[axis] for axis in kept]
    sums, magnitudes = np.zeros(sizes), np.zeros(sizes)
    with np.errstate(all="ignore"):
        for block in part.points.blocks():
            products = part.products(block)
            place = tuple(block[axis] for axis in kept)
            sums[place] += products.sum(axis=rest)
            magnitudes[place] += np.abs(products).sum(axis=rest)
    rows = np.indices(sizes).reshape(len(kept), -1) if kept else np.zeros((0, 1), np.int64)
    keys = np.full((rows.shape[1], len(names)), -1, np.int64)
    for column, name in enumerate(names):
        if name == LAYER:
            keys[:, column] = layers.index(part.sum.layer)
            continue
        for axis, row in zip(kept, rows, strict=True):
            if name in groups[axis].names:
                keys[:, column] = groups[axis].values[row, groups[axis].names.index(name)]
    each = len(part) // max(1, rows.shape[1])
    counts = np.full(rows.shape[1], each)
    return keys, np.stack([sums.ravel(), magnitudes.ravel(), counts])


def _distinct(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different rows, ascending, and which of them each row is."""
    code = np.zeros(len(keys), np.int64)
    for column in keys.T:
        code = code * (int(column.max(initial=0)) + 2) + column + 1
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    return keys[first], inverse
