"""Wrong layers on purpose, of the kinds that are no windows: some case must catch each of them.

Gates, shared layers, norms and plans of the CPU engine have mutants beside their own tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import floor
from typing import Any

import numpy as np
import pytest
from cases import CASES
from test_window_mutants import wrong

import gradtrail as gt
from gradtrail.engines.reference import forward
from gradtrail.equation import Affine, index
from gradtrail.layers import adaptive_pooling, prelu, rearranging, resampling, shuffles, softmax
from gradtrail.layers.formula import EquationLayer
from gradtrail.layers.padding import Pad
from gradtrail.layers.rearranging import Permute
from gradtrail.layers.selecting import IndexSelect
from gradtrail.layers.windows import Windows


def neighbours_exchanged(right: Any) -> Any:
    """The farther neighbour counts more."""
    return lambda place, size: right(2 * floor(place) + 1 - place, size)


def ends_rounded_down(right: Any) -> Any:
    """Windows do not overlap where sizes do not divide: ⌊ ⌋ at both ends."""

    def windows(size: int, count: int, share: bool) -> Any:
        rows = right(size, count, share)
        found = []
        for y, (start, held) in enumerate(rows):
            width = max((y + 1) * size // count - start, 1)
            found.append((start, (1 / width if share else held[0],) * width))
        return tuple(found)

    return windows


def of_one_width(right: Any) -> Any:
    """Each mean is divided by the first window's width."""
    return lambda size, count, share: tuple(
        (start, (right(size, count, share)[0][1][0],) * len(held))
        for start, held in right(size, count, share)
    )


def edge_repeated(right: Any) -> Any:
    """The mirror stands behind the last element, not in it."""

    def repeated(self: Pad, place: int, size: int) -> int:
        if self.mode != "reflect" or 0 <= place < size:
            return right(self, place, size)
        return -place - 1 if place < 0 else 2 * size - 1 - place

    return repeated


def turned(right: Any) -> Any:
    """What stands beyond an axis comes from its other end."""
    return lambda self, place, size: (
        right(self, place, size) if 0 <= place < size else size - 1 - right(self, place, size)
    )


def backwards(right: Any) -> Any:
    """Axes go where those come from that should take their places."""
    return lambda self, *sources, training: right(
        replace(self, dims=tuple(map(int, np.argsort(self.dims)))), *sources, training=training
    )


def offsets_exchanged(right: Any) -> Any:
    """Of a block's elements, columns count before rows."""

    def shuffled(shape: Any, factor: int) -> Any:
        channel, fine, ranges = right(shape, factor)
        names = [*ranges]
        renamed = {a: index(b) for a, b in zip(names, names[::-1], strict=True)}
        return channel.substitute(renamed), fine, ranges

    return shuffled


def another_axis(right: Any) -> Any:
    """The next axis, the last one's being the channels."""
    return lambda dims, shape: tuple(axis % (len(shape) - 1) + 1 for axis in right(dims, shape))


def axes_reversed(right: Any) -> Any:
    """The first axis is dilated and strides as the last one should."""
    return lambda self, moving: right(
        replace(self, stride=self.stride[::-1], dilation=self.dilation[::-1]), moving
    )


def last_twice(right: Any) -> Any:
    """Of each line of several products the last one counts twice."""
    return lambda self, constants: [
        [*line, line[-1]] if len(line) > 1 else line for line in right(self, constants)
    ]


def in_order(right: Any) -> Any:
    """Positions are taken from the first one on."""
    return lambda self, *sources, training: right(
        replace(self, positions=tuple(sorted(self.positions))), *sources, training=training
    )


def column_by_column(right: Any) -> Any:
    """Where an axis holds what were several, the first of these counts fastest."""

    def laid(sizes: Any, digits: Any, names: Any) -> Any:
        found = []
        for position in right(sizes, digits, names):
            turned, step = Affine(), 1
            for name in position.names:
                turned += index(name) * step
                step *= next(size for low, size in digits.items() if names[low] == name)
            found.append(turned)
        return found

    return laid


def kernel_turned(right: Any) -> Any:
    """Along a sequence the last offset of a kernel comes first."""

    def turned(self: Windows, moving: Any) -> Any:
        found = right(self, moving)
        if self.rank > 1:
            return found
        (name,), (size,) = self.offsets, self.kernel
        return tuple(position.substitute({name: -1 * index(name) + size - 1}) for position in found)

    return turned


Change = tuple[Any, str, Callable[[Any], Any], str]

MUTANTS: dict[str, Change] = {
    "neighbours exchanged": (resampling, "_between", neighbours_exchanged, "upsample"),
    "adaptive windows that end too soon": (
        adaptive_pooling, "_windows", ends_rounded_down, "adaptive",
    ),
    "adaptive means of one width": (adaptive_pooling, "_windows", of_one_width, "adaptive-average"),
    "a mirror behind the edge": (Pad, "_repeated", edge_repeated, "reflect"),
    "a circle turned round": (Pad, "_repeated", turned, "circular"),
    "axes permuted backwards": (Permute, "declare", backwards, "permute"),
    "a block's columns before its rows": (shuffles, "_shuffled", offsets_exchanged, "pixel"),
    "a slope on the wrong side": (prelu, "NEGATIVE", lambda right: prelu.POSITIVE, "prelu"),
    "reshaped column by column": (rearranging, "_positions", column_by_column, "reshape"),
    "a sequence's kernel turned round": (Windows, "positions", kernel_turned, "conv1d"),
    "softmax over another axis": (softmax, "checked_axes", another_axis, "softmax"),
    "axes of a volume reversed": (Windows, "positions", axes_reversed, "3d"),
    "a formula's last product twice": (EquationLayer, "_terms", last_twice, "equation"),
    "positions in order": (IndexSelect, "declare", in_order, "select"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_case_catches_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, change, among = MUTANTS[name]
    cases = [case for case in CASES if among in case.id]
    assert wrong(cases) == []
    monkeypatch.setattr(owner, attribute, change(vars(owner)[attribute]))
    assert wrong(cases) != []


def multiplied(**flags: bool) -> np.ndarray:
    draw = np.random.default_rng(3)
    a, b = draw.normal(size=(2, 3, 3)), draw.normal(size=(2, 3, 3))
    declared = gt.MatMul(**flags).declare(a.shape, b.shape, training=True)
    return forward(declared.equation, {"A": a, "B": b})["Z"]


@pytest.mark.parametrize("flags", [{"transpose_a": True}, {"transpose_b": True}], ids=str)
def test_the_other_matrix_transposed_is_caught(flags: dict[str, bool]) -> None:
    """On square matrices, where no shape tells."""
    draw = np.random.default_rng(3)
    a, b = draw.normal(size=(2, 3, 3)), draw.normal(size=(2, 3, 3))
    turn = (0, 2, 1)
    expected = a.transpose(turn) @ b if "transpose_a" in flags else a @ b.transpose(turn)
    np.testing.assert_allclose(multiplied(**flags), expected, rtol=1e-12)
    (other,) = {"transpose_a", "transpose_b"} - flags.keys()
    for mistake in ({other: True}, {}, {"transpose_a": True, "transpose_b": True}):
        assert np.abs(multiplied(**mistake) - expected).max() > 0.1
