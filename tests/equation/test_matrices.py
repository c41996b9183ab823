"""Equations with constants of their own, an interpolation's or a window's, read back from text."""

from __future__ import annotations

import pytest

import gradtrail as gt
from gradtrail.equation import Contraction, adjoint, context, gather, parse, text

LAYERS = {
    "bilinear": gt.Upsample(scale_factor=2, mode="bilinear"),
    "adaptive mean": gt.AdaptiveAvgPool2d((3, 2)),
    "adaptive maximum": gt.AdaptiveMaxPool2d((3, 2)),
    "mirrored": gt.Pad((1, 2, 1, 0), mode="reflect"),
    "circular": gt.Pad((1, 2, 1, 0), mode="circular"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_text_reads_back(name: str) -> None:
    equation = LAYERS[name].declare((2, 3, 5, 4), training=True).equation
    assert context(equation)["matrices"]
    assert parse(text(equation), **context(equation)) == equation
    back = adjoint(equation, "X")
    for one in (back, gather(back)):
        assert isinstance(one, Contraction)
        assert parse(text(one), **context(one)) == one


def test_a_typed_one_has_the_numbers_that_are_passed() -> None:
    equation = LAYERS["bilinear"].declare((2, 3, 5, 4), training=True).equation
    typed = "Z[n,c,y,x] = sum_{h,w} V[x,w]*U[y,h]*X[n,c,h,w]"
    shapes = {"X": (2, 3, 5, 4), "U": (10, 5), "V": (8, 4)}
    read = parse(typed, ranges={}, shapes=shapes, matrices=context(equation)["matrices"])
    assert [f.access.array for f in read.terms[0].factors] == ["V", "U", "X"]
    assert set(read.terms[0].factors) == set(equation.terms[0].factors)


def test_a_window_is_of_the_matrices_that_are_passed() -> None:
    equation = LAYERS["adaptive maximum"].declare((2, 3, 5, 4), training=True).equation
    beside, written = context(equation), text(equation)
    with pytest.raises(gt.EquationError, match=r"window U\[y,h\]·V\[x,w\] .* passed are none"):
        parse(written, **beside | {"matrices": ()})
    with pytest.raises(gt.EquationError, match=r"window W\[y,h\]·V\[x,w\] .* U\[y,h\]·V\[x,w\]"):
        parse(written.replace("U[", "W["), **beside)
