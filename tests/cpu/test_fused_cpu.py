"""Parts of a step that are computed together, or share a place: each has a training here."""

from __future__ import annotations

import numpy as np
import pytest
from own_layers import Mirrored
from tails import beginning

import gradtrail as gt
from gradtrail.engines import CPU

OVERLAPPING = [(9, "f4"), (7, "f2"), (6, "off")]
OVERLAPPING += [(s, w) for s in (6, 7, 9) for w in ("off", "f2", "f4") if (s, w) not in OVERLAPPING]


@pytest.mark.parametrize("setting", beginning(1, OVERLAPPING), ids=str)
def test_slopes_behind_sums_where_tiles_overlap(setting: tuple[int, str]) -> None:
    """A ReLU whose gradient comes from two sides: the last one adds and multiplies, once."""
    size, winograd = setting
    body = [gt.Conv2d(4, 3, padding=1), gt.ReLU(), gt.Conv2d(4, 3, padding=1)]
    net = gt.Network(
        (2, size, size),
        [
            *(gt.Conv2d(4, 3, padding=1), gt.ReLU(), gt.Residual(body), gt.ReLU()),
            *(gt.Residual(body), gt.ReLU(), gt.Flatten(), gt.Linear(3)),
        ],
        seed=4,
    )
    draw = np.random.Generator(np.random.PCG64(size))
    x, y = draw.random((21, 2, size, size), dtype=np.float32) - 0.5, draw.integers(0, 3, 21)
    expected = gt.trace(net, x, y, engine="reference")
    before = {name: array.copy() for name, array in net.parameters.items()}
    gt.train(
        net, (x, y), optimizer=gt.SGD(1.0), shuffle=False, engine=CPU(winograd=winograd),
        progress=False,
    )  # fmt: skip
    for name, array in net.parameters.items():
        moved, wanted = before[name] - array, expected.grad[name]
        np.testing.assert_allclose(moved, wanted, atol=2e-5 * np.abs(wanted).max() + 2e-7)


CONV = gt.Conv2d(5, 3, padding=1)
POOLED = {
    "relu": (True, [CONV, gt.ReLU(), gt.MaxPool2d(2)]),
    "tanh": (True, [CONV, gt.Tanh(), gt.MaxPool2d(2)]),
    "bare": (True, [CONV, gt.MaxPool2d(2)]),
    "relu behind": (True, [CONV, gt.MaxPool2d(2), gt.ReLU()]),
    "two": (True, [CONV, gt.ReLU(), gt.MaxPool2d(2), CONV, gt.ReLU(), gt.MaxPool2d(2)]),
    "gelu, which needs what it was given": (False, [CONV, gt.GELU(), gt.MaxPool2d(2)]),
    "batch norm between": (False, [CONV, gt.BatchNorm2d(), gt.ReLU(), gt.MaxPool2d(2)]),
    "overlapping windows": (False, [CONV, gt.ReLU(), gt.MaxPool2d(3, 2)]),
    "windows over the edge": (False, [CONV, gt.ReLU(), gt.MaxPool2d(2, padding=1)]),
    "means": (False, [CONV, gt.ReLU(), gt.AvgPool2d(2)]),
    "read twice": (False, [CONV, gt.ReLU(), gt.Concat([gt.MaxPool2d(2)], [gt.AvgPool2d(2)])]),
}
"""Whether the convolution takes the maxima itself, and the layers."""


PLANES = [("f4", (11, 13)), ("f2", (8, 8)), ("f4", (9, 10))]
PLANES += [("f2", (11, 13)), ("f4", (8, 8)), ("f2", (9, 10))]
TAKEN = [(kind, *plane) for plane in PLANES for kind in POOLED]


@pytest.mark.parametrize("taken", beginning(len(POOLED) + 1, TAKEN), ids=str)
def test_maxima_that_a_convolution_takes(taken: tuple[str, str, tuple[int, int]]) -> None:
    """Training and prediction, without the map, are the reference's; rows may be left over."""
    kind, winograd, size = taken
    alone, layers = POOLED[kind]
    net = gt.Network((2, *size), [*layers, gt.Flatten(), gt.Linear(3)], seed=6)
    draw = np.random.Generator(np.random.PCG64(size[1]))
    x, y = draw.standard_normal((37, 2, *size), dtype=np.float32), draw.integers(0, 3, 37)
    engine = CPU(2, winograd=winograd)
    does = [call.does for call in net.explain("pool1", engine=engine).calls]
    assert any("with pool1" in text for text in does) == alone
    predicted = net.predict(x, engine="reference")
    np.testing.assert_allclose(net.predict(x, engine=engine), predicted, atol=2e-5)
    expected = gt.trace(net, x, y, engine="reference", training=True)
    before = {name: array.copy() for name, array in net.parameters.items()}
    settings = {"optimizer": gt.SGD(1.0), "shuffle": False, "batch_size": 37, "progress": False}
    gt.train(net, (x, y), engine=engine, **settings)
    for name, array in net.parameters.items():
        moved, wanted = before[name] - array, expected.grad[name]
        np.testing.assert_allclose(moved, wanted, atol=4e-5 * np.abs(wanted).max() + 3e-7)


def keeping(*layers: gt.Layer) -> list[gt.Layer]:
    return [gt.Conv2d(4, 3, padding=1), *layers]


SAME = gt.Conv2d(4, 3, padding=1)
SLOPES = {
    "residual": keeping(gt.ReLU(), gt.Dropout(0.3), gt.Residual([SAME, gt.ReLU()])),
    "shortcut": keeping(gt.ReLU(), gt.Dropout(0.3), gt.Residual([SAME], [gt.Conv2d(4, 1)])),
    "concat": keeping(gt.Tanh(), gt.Dropout(0.3), gt.Concat([SAME], [gt.Conv2d(3, 5, padding=2)])),
    "three": keeping(gt.ReLU(), gt.Sigmoid(), gt.Dropout(0.3), gt.Residual([gt.Tanh(), SAME])),
    "norm": keeping(gt.BatchNorm2d(), gt.ReLU(), gt.Dropout(0.3), gt.Residual([SAME])),
    "dropouts": keeping(gt.Dropout(0.3), gt.Dropout(0.2), gt.Residual([gt.ReLU()])),
}


@pytest.mark.parametrize(
    "sent", beginning(len(SLOPES) + 1, [(k, w) for w in ("f4", "off") for k in SLOPES]), ids=str
)
def test_slopes_in_a_row_whose_gradient_comes_from_several_sides(sent: tuple[str, str]) -> None:
    """All of them have one place: the first who adds and the last who multiplies mean the same."""
    kind, winograd = sent
    net = gt.Network((2, 7, 7), [*SLOPES[kind], gt.Flatten(), gt.Linear(3)], seed=4)
    draw = np.random.Generator(np.random.PCG64(8))
    x, y = draw.standard_normal((21, 2, 7, 7), dtype=np.float32), draw.integers(0, 3, 21)
    expected = gt.trace(net, x, y, engine="reference", training=True, seed=0)
    before = {name: array.copy() for name, array in net.parameters.items()}
    gt.train(
        net, (x, y), optimizer=gt.SGD(1.0), shuffle=False, engine=CPU(winograd=winograd),
        seed=0, progress=False,
    )  # fmt: skip
    for name, array in net.parameters.items():
        moved, wanted = before[name] - array, expected.grad[name]
        np.testing.assert_allclose(moved, wanted, atol=4e-5 * np.abs(wanted).max() + 3e-7)


def test_the_first_of_several_terms_finds_nothing_from_the_step_before() -> None:
    """Of a gradient that several forms add up, the first one stores where it reaches everything."""
    net = gt.Network((1, 4, 1), [Mirrored()])
    x, y = np.array([1, 2, 3, 4.0]).reshape(1, 1, 4, 1), np.zeros((1, 1, 4, 1))
    for _ in range(3):
        step = gt.trace(net, x, y, loss=gt.MeanSquaredError(), engine="cpu")
        assert step.value["mirrored1.output"].ravel().tolist() == [13, 11, 9, 7]
        assert step.grad["input"].ravel().tolist() == [17, 19, 21, 23]
