"""Layers that move, resample or take together: what reads what, NaN, refusals, wrong gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.engines import Reference
from gradtrail.equation import Contraction, Region, Selection, Sparse, image, preimage, sum_of
from gradtrail.equation.codec import dumps, loads

X = (1, 2, 4, 5)

RESAMPLED = {
    "bilinear": gt.Upsample(2, mode="bilinear"),
    "corners": gt.Upsample(size=(3, 7), mode="bilinear", align_corners=True),
    "smaller": gt.Upsample(size=(3, 2)),
    "average": gt.AdaptiveAvgPool2d(3),
    "maximum": gt.AdaptiveMaxPool2d((3, 4)),
    "reflected": gt.Pad((1, 2, -1, 3), mode="reflect"),
    "wrapped": gt.Pad(2, mode="circular"),
}


@pytest.mark.parametrize("name", RESAMPLED)
def test_what_reads_what_is_what_the_products_say(name: str) -> None:
    equation = RESAMPLED[name].declare(X, training=True).equation
    assert loads(dumps(equation)) == equation
    products = sum_of(equation, "Z")
    assert products is not None
    read: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
    reached: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
    (term,) = products.terms
    source = next(f.access for f in term.factors if f.access.array == "X")
    for point in term.points(products.range_of, products.shape_of):
        z, x = term.target.at(point), source.at(point)
        read.setdefault(z, set()).add(x)
        reached.setdefault(x, set()).add(z)
    assert term.count(products.range_of) == sum(map(len, read.values()))
    for z in list(np.ndindex(*equation.shape_of["Z"]))[::7]:
        assert set(preimage(equation, "X", Region.element(z))) == read.get(z, set())
    for x in list(np.ndindex(*X))[::3]:
        assert set(image(equation, "X", Region.element(x))) == reached.get(x, set())


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_a_nan_reaches_those_that_take_it_and_no_others(engine: str) -> None:
    x = np.ones(X, np.float32)
    x[0, 1, 2, 3] = np.nan
    for name in ("bilinear", "average", "maximum", "wrapped"):
        layer = RESAMPLED[name]
        net = gt.Network(X[1:], [layer])
        equation = layer.declare(X, training=True).equation
        found = np.isnan(net.predict(x, engine=engine))
        taken = set(image(equation, "X", Region.element((0, 1, 2, 3))))
        assert set(map(tuple, np.argwhere(found).tolist())) == taken, layer


def test_a_split_is_slices_side_by_side() -> None:
    x = gt.Input((6, 2, 4))
    first, second, third = gt.split(x, 3)
    left, right = gt.split(x, [1, 3], axis=-1)
    assert [first.shape, left.shape, right.shape] == [(2, 2, 4), (6, 2, 1), (6, 2, 3)]
    net = gt.Network(x, gt.concat(third, first, second), seed=0)
    image = np.arange(48.0, dtype=np.float32).reshape(1, 6, 2, 4)
    np.testing.assert_array_equal(net.predict(image), image[:, [4, 5, 0, 1, 2, 3]])


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing left": (lambda: gt.Slice(4, 4), r"takes none of the 2 positions of axis 1"),
    "no axis": (
        lambda: gt.Slice(0, 1, axis=4),
        r"axis 4 does not exist among the axes 1 to 3 of 2",
    ),
    "step": (
        lambda: gt.Slice(0, 1, 0),
        r"step must be a whole number other than 0, or None, got 0",
    ),
    "dims": (lambda: gt.Permute((1, 0, 2, 3)), r"of the samples, 0, first.*got \(1, 0, 2, 3\)"),
    "elements": (lambda: gt.Reshape((3, -1)), r"2 × 4 × 5 = 40 elements as 3 × -1"),
    "digits": (lambda: gt.Reshape((5, 8)), r"no size divides the other where they meet"),
    "pixels": (lambda: gt.PixelShuffle(2), r"lays out 4 channels as one but gets 2"),
    "groups": (lambda: gt.ChannelShuffle(3), r"groups=3 does not divide the 2 channels"),
    "all axes": (lambda: gt.Mean((1, 2, 3)), r"takes all axes of the sample of 2 × 4 × 5"),
    "sides": (lambda: gt.Pad((1, 2, 3)), r"or two for each axis.*got \(1, 2, 3\)"),
    "mode": (lambda: gt.Pad(1, mode="mirror"), r"mode must be one of constant, .*got 'mirror'"),
    "mirror": (
        lambda: gt.Pad(4, mode="reflect"),
        "padding of 4 is more than the 3 .*for a height of 4",
    ),
    "both": (lambda: gt.Upsample(), r"give either size or scale_factor"),
    "axes": (
        lambda: gt.Upsample(size=5, mode="linear"),
        r"expects a sample of \(channels, length\)",
    ),
    "none": (lambda: gt.Upsample(0.1), r"which is none"),
    "corners": (lambda: gt.Upsample(2, align_corners=True), r"leave align_corners out"),
    "size": (lambda: gt.AdaptiveAvgPool2d((3, 0)), r"output_size must be .* got \(3, 0\)"),
    "parts": (lambda: gt.split(gt.Input((4, 3)), 3), r"4 positions, which are not 3 equal parts"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name: str) -> None:
    made, said = REFUSED[name]
    with pytest.raises((gt.ArgumentError, gt.ShapeError), match=said):
        gt.Network(X[1:], [made()])


# -- wrong on purpose ---------------------------------------------------------------------------


class Mutant(Reference):
    """The reference with wrong constants on the way back, or axes in a wrong order."""

    def __init__(self, kind: type, change: Callable[[Sparse], Sparse] | None) -> None:
        self.kind, self.change = kind.__name__, change

    def adjoint(self, sent, values, gradients):
        if sent.node.kind != self.kind:
            return super().adjoint(sent, values, gradients)
        if self.change is None:
            return super().adjoint(sent, values, gradients).swapaxes(2, 3)
        factors = tuple(
            self.change(f) if isinstance(f, Sparse) else f for f in sent.equation.terms[0].factors
        )
        term = replace(sent.equation.terms[0], factors=factors)
        wrong = Contraction.of([term], sent.equation.range_of, sent.equation.shape_of)
        return super().adjoint(replace(sent, equation=wrong), values, gradients)


def off_by_one(one: Sparse) -> Sparse:
    """The band a row too low."""
    return replace(one, rows=(*one.rows[1:], one.rows[0]))


def edge_lost(one: Sparse) -> Sparse:
    """The last row takes nothing of its last column."""
    start, numbers = one.rows[-1]
    return replace(one, rows=(*one.rows[:-1], (start, numbers[:-1])))


MUTANTS = {
    "band off by one": Mutant(gt.Upsample, off_by_one),
    "edge lost": Mutant(gt.Upsample, edge_lost),
    "average off by one": Mutant(gt.AdaptiveAvgPool2d, off_by_one),
    "mirrored row lost": Mutant(gt.Pad, edge_lost),
    "window's edge lost": Mutant(gt.AdaptiveMaxPool2d, edge_lost),
    "order not undone": Mutant(gt.Permute, None),
}


def network() -> gt.Network:
    layers = [gt.Pad(1, mode="reflect"), gt.Upsample(size=(6, 6), mode="bilinear"), gt.Tanh()]
    layers += [gt.Permute((0, 1, 3, 2)), gt.AdaptiveAvgPool2d(4), gt.AdaptiveMaxPool2d(3)]
    return gt.Network((2, 3, 3), [*layers, gt.Flatten(), gt.Linear(3)], seed=1, dtype=np.float64)


def data() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(3))
    return draw.random((3, 2, 3, 3)) * 2 - 1, np.array([0, 2, 1])


def test_the_right_gradients_are_confirmed() -> None:
    assert gt.check_gradients(network(), *data(), engine="reference").layers


@pytest.mark.parametrize("name", MUTANTS)
def test_wrong_gradients_are_caught(name: str) -> None:
    with pytest.raises(gt.GradientError, match=r"array [\w.]+, read by layer '\w+\d'"):
        gt.check_gradients(network(), *data(), engine=MUTANTS[name])


def test_a_maximum_of_windows_says_where_they_lie() -> None:
    equation = gt.AdaptiveMaxPool1d(3).declare((1, 1, 5), training=True).equation
    assert isinstance(equation, Selection)
    (within,) = equation.within
    assert within.partners("x", 3) == ((0, 1), (1, 2, 3), (3, 4))
    assert within.partners("w", 5) == ((0,), (0, 1), (1,), (1, 2), (2,))
