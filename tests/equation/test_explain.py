"""How each size arose, in words: the arithmetic that is printed is true and gives the size."""

import math

import pytest

from gradtrail.equation import Array, Equation, adjoint, contraction, explain_size, indices, term

from .lines import CROPPED, FITTING
from .samples import FORWARD, each

W, X, Z = map(Array, "WXZ")
y, i = indices("y i")


def value(arithmetic: str) -> float:
    """The arithmetic of `explain_size`, by Python."""
    python = arithmetic.replace("⌊", "math.floor(").replace("⌋", ")")
    return eval(python.replace("·", "*").replace("−", "-"), {"math": math})


def assert_adds_up(e: Equation, axis: int) -> None:
    """What is explained is true, and is the real size."""
    explained = explain_size(e, axis)
    if explained:
        arithmetic, stated = explained.rsplit(" = ", 1)
        assert value(arithmetic) == int(stated), explained
        assert int(stated) == e.shape_of[e.target.array][axis], explained


@each(FORWARD, "e")
def test_every_explained_size_adds_up(e: Equation) -> None:
    for axis in range(len(e.shape_of[e.target.array])):
        assert_adds_up(e, axis)


def test_every_explained_size_adds_up_on_the_grid() -> None:
    for line in FITTING:
        assert_adds_up(line.convolution(), 0)
        assert_adds_up(line.pool(), 0)
    for line in CROPPED:
        assert_adds_up(line.transposed(), 0)


def test_no_size_that_is_explained_stays_silent() -> None:
    for e in (line.convolution() for line in FITTING):
        assert explain_size(e, 0)
    for e in (line.transposed() for line in CROPPED):
        assert explain_size(e, 0)


def test_a_gradients_size_is_not_explained_wrongly() -> None:
    for line in FITTING:
        assert_adds_up(adjoint(line.convolution(), "X"), 0)


def test_a_chosen_range_is_not_explained_by_what_would_fit() -> None:
    fewer = contraction(term(Z[y], W[i], X[y + i]), ranges={"i": 3, "y": 2}, shapes={"X": (7,)})
    assert_adds_up(fewer, 0)


@pytest.mark.parametrize(
    ("name", "axis", "explained"),
    [
        ("conv", 2, "(4 − 3)/1 + 1 = 2"),
        ("conv stride 2 padding 1", 2, "(5 + 2·1 − 3)/2 + 1 = 3"),
        ("conv stride 2 padding 1", 3, "⌊(4 + 2·1 − 3)/2⌋ + 1 = 2"),
        ("conv dilation 2", 2, "(4 + 2·1 − (2·(2 − 1) + 1))/1 + 1 = 4"),
        ("conv same", 2, "(3 + 0 + 1 − 2)/1 + 1 = 3"),
        ("conv groups 2", 1, "2·2 = 4"),
        ("max pool", 2, "⌊(5 − 2)/2⌋ + 1 = 2"),
        ("convt", 2, "(2 − 1)·1 + (3 − 1)·1 + 1 = 4"),
        ("convt stride 2 output_padding 1", 2, "(3 − 1)·2 + (3 − 1)·1 + 1 − 2·1 + 1 = 6"),
        ("convt dilation 2 no bias", 3, "(3 − 1)·1 + (2 − 1)·2 + 1 − 2·1 = 3"),
        ("flatten 3 axes", 1, "3·2·4 = 24"),
        ("join 3", 1, "1 + 3 + 2 = 6"),
        ("conv", 0, ""),
        ("conv", 1, ""),
        ("relu", 2, ""),
        ("global avg pool", 1, ""),
        ("batch norm training", 3, ""),
    ],
)
def test_golden_explanations(name: str, axis: int, explained: str) -> None:
    assert explain_size(FORWARD[name], axis) == explained
