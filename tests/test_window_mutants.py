"""Wrong windows and wrong draws on purpose: some case of the table must catch each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import CASES, Case, ours
from comparing import FLOAT64, assert_all_close

import gradtrail as gt
from gradtrail.equation import Selection
from gradtrail.layers import pooling, windows
from gradtrail.layers.channel_dropout import ChannelDropout
from gradtrail.layers.conv_transpose import ConvTransposeNd
from gradtrail.layers.layer import Draw
from gradtrail.layers.pooling import AvgPool, PoolNd

FROZEN = Path(__file__).parent / "frozen" / "cases.npz"


def sides_exchanged(right: Any) -> Any:
    """What is padded before, behind, and the other way round."""
    return lambda *settings: tuple((behind, before) for before, behind in right(*settings))


def counts_all(right: Any) -> Any:
    """Each window is divided by as many positions as it has."""
    return lambda self, equation: [
        np.full_like(counted, k)
        for counted, k in zip(right(self, equation), self.windows.kernel, strict=True)
    ]


def counts_beyond(right: Any) -> Any:
    """What `ceil_mode` reaches beyond the padding counts as padding does."""
    return lambda self, equation: (
        counts_all(right)(self, equation)
        if self.ceil_mode and self.count_include_pad
        else right(self, equation)
    )


def counts_nothing(right: Any) -> Any:
    """The padding never counts."""
    return lambda self, equation: right(replace(self, count_include_pad=False), equation)


def before(right: Any) -> Any:
    """The output padding stands before, not behind."""

    def crop(self: ConvTransposeNd) -> Any:
        found = right.fget(self)
        margins = zip(found.margins, self.added, strict=True)
        return replace(found, margins=tuple((p - e, q + e) for (p, q), e in margins))

    return property(crop)


def columns_first(right: Any) -> Any:
    """The places of a window are counted with the first axis the fastest, and backwards there."""
    return property(lambda self: right.fget(replace(self, over=self.over[::-1])))


Change = tuple[Any, str, Callable[[Any], Any], str]

MUTANTS: dict[str, Change] = {
    "the last window dropped": (
        PoolNd, "reached", lambda right: lambda self, shape: self.windows.margins, "ceil",
    ),
    "a window more that begins behind": (
        pooling, "_one_more",
        lambda right: lambda size, before, behind, spanned, stride: (
            -(size + before + behind - spanned) % stride
        ),
        "ceil",
    ),
    "a window more that begins in the padding is left out": (
        pooling, "_one_more",
        lambda right: lambda size, before, *rest: right(size - before, before, *rest), "ceil",
    ),
    "all positions of a window count": (AvgPool, "_counted", counts_all, "avg"),
    "positions beyond the padding count": (AvgPool, "_counted", counts_beyond, "avg"),
    "the padding never counts": (AvgPool, "_counted", counts_nothing, "avg"),
    "the padding's sides exchanged": (windows, "_sides", sides_exchanged, "pair"),
    "output padding before": (ConvTransposeNd, "windows", before, "convt"),
    "winners counted column by column": (Selection, "place", columns_first, "max"),
    "a channel's elements drawn one by one": (
        ChannelDropout, "drawn_at", lambda right: lambda self, shape, each: each, "dropout",
    ),
    "each sample drawn alone": (
        Draw, "of",
        lambda right: classmethod(lambda cls, p, together=False: right(p)), "stochastic",
    ),
    "the batch drawn at once": (
        Draw, "of",
        lambda right: classmethod(lambda cls, p, together=False: right(p, together=True)),
        "stochastic",
    ),
}  # fmt: skip


def wrong(cases: list[Case]) -> list[str]:
    """The cases whose output or gradients are not PyTorch's."""
    found = []
    with (
        np.load(FROZEN, allow_pickle=False) as stored,
        np.errstate(divide="ignore", invalid="ignore"),
    ):
        for case in cases:
            try:
                got = ours(case)
                assert_all_close(got, {name: stored[f"{case.id}/{name}"] for name in got}, FLOAT64)
            except (AssertionError, gt.EquationError, gt.ShapeError):
                found.append(case.id)
    return found


@pytest.mark.parametrize("name", MUTANTS)
def test_a_case_catches_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, change, among = MUTANTS[name]
    cases = [case for case in CASES if among in case.id]
    assert wrong(cases) == []
    right = vars(owner)[attribute] if attribute != "of" else Draw.of
    monkeypatch.setattr(owner, attribute, change(right))
    assert wrong(cases) != []
