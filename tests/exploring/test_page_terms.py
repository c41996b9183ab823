"""The page's terms and sums are the trace's: for random cells of all layers, row by row."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from exploring.browsing import chromium, load_step, modules_page
from traces import network

import gradtrail as gt
from gradtrail.exploring.session import Session
from gradtrail.layers.weighted_loss_functions import WeightedSquaredError

pytestmark = pytest.mark.browser

CELLS = 700

ASK = """
(cells) => import("gradtrail/step/terms.js").then(async ({ Terms }) => {
  const { formula, text } = await import("gradtrail/equation/printing.js");
  return cells.map(([side, name, index]) => {
    const terms = new Terms(step, side, name, index);
    const every = terms.indices.slice(0, 2);
    const texts = () => step.sums(side, name).map((sum) => text(formula(sum.printed, index)));
    return {
      value: terms.value, sum: terms.sum, magnitude: terms.magnitude, nonzero: terms.nonzero,
      length: terms.length, indices: terms.indices, given: terms.given,
      top: terms.top(20),
      by: terms.given ? [] : terms.by(...every).map((s) => [s.keys, s.sum, s.magnitude, s.count]),
      equations: terms.given ? [] : texts(),
    };
  });
})
"""

EVERYTHING = [
    gt.Normalize(0.3, 0.7),
    gt.Conv2d(4, 3, stride=2, padding=1, bias=False),
    gt.BatchNorm2d(),
    gt.ReLU(),
    gt.Conv2d(4, (3, 2), padding=(2, 1), dilation=(2, 1), groups=2),
    gt.LeakyReLU(0.1),
    gt.Residual([gt.Conv2d(4, 3, padding=1), gt.Tanh()]),
    gt.MaxPool2d(3, 2, 1),
    gt.Concat([gt.Conv2d(2, 1), gt.Sigmoid()], [gt.AvgPool2d(3, 1, 1, count_include_pad=False)]),
    gt.GELU(),
    gt.ConvTranspose2d(3, 3, stride=2, padding=1, output_padding=1),
    gt.SiLU(),
    gt.AvgPool2d(2),
    gt.Dropout(0.3),
    gt.Flatten(),
    gt.Linear(7),
    gt.GELU(approximate="tanh"),
    gt.Linear(5),
]


SEQUENCES = [
    *(gt.Conv1d(4, 3, padding=((2, 1),)), gt.MaxPool1d(3, 2, 1, ceil_mode=True), gt.Dropout1d(0.3)),
    *(gt.ConvTranspose1d(3, 3, stride=2), gt.AvgPool1d(3, 2, ceil_mode=True)),
    *(gt.Residual([gt.Tanh(), gt.StochasticDepth(0.3)]), gt.GlobalMaxPool1d(), gt.Linear(3)),
]
VOLUMES = [
    *(gt.Conv3d(3, (2, 3, 1), padding=(1, 0, 0)), gt.ReLU(), gt.MaxPool3d(2, ceil_mode=True)),
    *(gt.ConvTranspose3d(2, 2, stride=(1, 2, 1)), gt.AvgPool3d(2, 1), gt.GlobalAvgPool3d()),
    gt.Linear(3),
]

NAMES = (
    *("everything", "evaluation", "reference", "lenet5", "squared", "weighted"),
    *("sequences", "volumes"),
)


@cache
def steps() -> dict[str, gt.Trace]:
    draw = np.random.Generator(np.random.PCG64(5))
    whole = network(EVERYTHING, (2, 13, 12))
    x = draw.standard_normal((5, 2, 13, 12)).astype(np.float32)
    lenet = gt.architecture("lenet5").network(None, seed=0)
    digits = gt.data.enlarged(gt.data.digits().test[0][:16], 28, 28)
    labels = gt.data.digits().test[1][:16]
    pooled = network([gt.Conv2d(3, 3), gt.GlobalAvgPool2d(), gt.Flatten(), gt.Linear(2)], (2, 6, 5))
    weighted = gt.CrossEntropy(label_smoothing=0.1, weight=(1, 0, 2, 0.5, 1))
    squared = draw.standard_normal((4, 2))
    return {
        "everything": gt.trace(whole, x, [0, 1, 2, 3, 4]),
        "evaluation": gt.trace(whole, x, [0, 1, 2, 3, 4], training=False, loss=weighted),
        "reference": gt.trace(whole, x, [4, 3, 2, 1, 0], engine="reference", loss=weighted),
        "lenet5": gt.trace(lenet, digits, labels),
        "squared": gt.trace(
            pooled,
            draw.standard_normal((4, 2, 6, 5)),
            squared,
            loss=gt.MeanSquaredError(),
        ),
        "sequences": gt.trace(
            network(SEQUENCES, (2, 14)), draw.standard_normal((5, 2, 14)), [0, 1, 2, 2, 1]
        ),
        "volumes": gt.trace(
            network(VOLUMES, (2, 4, 5, 3)), draw.standard_normal((5, 2, 4, 5, 3)), [0, 1, 2, 2, 1]
        ),
        "weighted": gt.trace(
            pooled,
            draw.standard_normal((4, 2, 6, 5)),
            np.column_stack([squared, [0.5, 0, 2, 1.5]]),
            loss=WeightedSquaredError(),
        ),
    }


@pytest.fixture(scope="module")
def tab() -> Iterator[Any]:
    with chromium() as browser:
        yield modules_page(browser)


def cells_of(t: gt.Trace, count: int) -> list[tuple[str, str, list[int]]]:
    """Random elements: as many of every array, however large it is."""
    draw = np.random.Generator(np.random.PCG64(11))
    arrays = [("value", n) for n in t.value] + [("grad", n) for n in t.grad]
    found = []
    while len(found) < count:
        for side, name in arrays:
            shape = (t.value if side == "value" else t.grad)[name].shape
            found.append((side, name, [int(draw.integers(0, size)) for size in shape]))
    return found


def same(a: float | None, b: float, tolerance: float, scale: float = 0.0) -> bool:
    if a is None or not math.isfinite(b):
        return (a is None or math.isnan(a)) if math.isnan(b) else a == b
    return abs(a - b) <= tolerance * max(abs(b), scale)


@pytest.mark.parametrize("name", NAMES)
def test_terms_are_those_of_the_trace(tab: Any, name: str) -> None:
    t = steps()[name]
    load_step(tab, Session(t))
    cells = cells_of(t, CELLS // 5)
    answers = tab.evaluate(ASK, cells)
    for (side, array, index), got in zip(cells, answers, strict=True):
        terms = (t.value if side == "value" else t.grad).terms(array, tuple(index))
        where = terms.element
        assert got["value"] == terms.value, where
        assert got["length"] == len(terms), where
        assert tuple(got["indices"]) == terms.indices, where
        assert got["given"] == terms.given, where
        assert same(got["magnitude"], terms.magnitude, 1e-6), where
        assert same(got["sum"], terms.sum(), 1e-6, 1e-6 * terms.magnitude), where
        assert abs(got["nonzero"] - terms.nonzero) == 0, where
        for mine, row in zip(got["top"], terms.top(20), strict=True):
            assert same(mine["product"], row.product, 1e-6), where
            ours = terms[mine["number"]]
            assert mine["indices"] == dict(ours.indices), where
            assert mine["layer"] == ours.layer, where
            assert same(mine["product"], ours.product, 1e-6), where
            assert len(mine["factors"]) == len(ours.factors), where
            for factor, known in zip(mine["factors"], ours.factors, strict=True):
                assert (factor["side"], factor["name"]) == (known.side, known.name), where
                assert tuple(factor["index"]) == known.index, where
                assert factor["stored"] == known.stored, where
                assert factor["called"] == known.function, where
                assert same(factor["value"], known.value, 1e-6, 1e-7), where
        if not terms.given:
            assert tuple(got["equations"]) == terms.equations(), where
            if not terms.indices:
                continue
            shares = terms.by(*terms.indices[:2])
            assert len(got["by"]) == len(shares), where
            for row, (keys, total, magnitude, count) in enumerate(got["by"]):
                assert [-1 if k is None else k for k in keys] == shares.keys_array[row].tolist()
                assert same(total, float(shares.sums[row]), 1e-6, float(shares.magnitudes[row]))
                assert same(magnitude, float(shares.magnitudes[row]), 1e-6), where
                assert count == int(shares.counts[row]), where


@pytest.mark.parametrize("name", NAMES)
def test_the_page_computes_the_loss(tab: Any, name: str) -> None:
    """With weights of classes and of samples, from the outputs, the targets and these."""
    t = steps()[name]
    load_step(tab, Session(t))
    computed = """() => import("gradtrail/equation/forward.js").then(({ forward }) => {
        const { equation, arrays } = step.nodes.get("loss");
        const found = forward(equation, (letter) => step.array("value", arrays[letter]));
        return found[equation.result.array][0];
    })"""
    assert same(tab.evaluate(computed), t.loss, 1e-6)
