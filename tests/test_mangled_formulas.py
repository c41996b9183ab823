"""Random formulas, mangled: what is taken is what it says, and what is refused is said once.

Either the text is a layer whose values are the text's own, evaluated by NumPy, or there is one
error that names the column; never another exception.
"""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from comparing import FLOAT64, assert_close
from formula_oracle import NotJudgedError, evaluated
from random_formulas import DrawnFormula, drawn_formula
from tails import beginning, searched

import gradtrail as gt
from gradtrail.engines.reference import forward
from gradtrail.equation import Equation

EACH = 25
"""How many texts are made of a formula."""

TOKEN = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)?|.", re.S)
OTHERS = [
    *"ncykijXWZ[](){}+−-·*/=,_01239²|<",
    "Σ_{c}",
    "sum_{i}",
    "relu",
    "max_{i}",
    " ",
    "\n",
    "b",
]


def mangled(formula: DrawnFormula, draw: random.Random) -> tuple[str, dict[str, int]]:
    """A text with one to three tokens left out, doubled, exchanged or others, and its numbers."""
    tokens = TOKEN.findall(formula.text)
    for _ in range(draw.choice([0, 1, 1, 2, 3])):
        at, other = draw.randrange(len(tokens)), draw.randrange(len(tokens))
        match draw.randrange(5):
            case 0:
                tokens[at] = ""
            case 1:
                tokens.insert(at, tokens[other])
            case 2:
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens[at] = tokens[other]
            case _:
                tokens[at] = draw.choice(OTHERS)
    text = "".join(tokens)
    if draw.random() < 0.3:
        text = text.replace("Σ", "sum").replace("·", "*").replace("−", "-")
    numbers = dict(formula.numbers)
    if numbers and draw.random() < 0.1:
        numbers[draw.choice([*numbers])] = draw.choice([0, -1, 1, 7, 1 << 28])
    return text, numbers


def taken(text: str, numbers: dict[str, int], formula: DrawnFormula) -> Equation | None:
    """The equation of a text, or None where it is refused as it should be."""
    try:
        layer = gt.Equation(text, **numbers)
    except gt.ArgumentError as error:
        told = str(error)
    else:
        try:
            return layer.declare((3, *formula.shape), training=True).equation
        except gt.ShapeError as error:
            assert str(error)  # noqa: PT017
            return None
    about_numbers = numbers != formula.numbers or "does not occur in the formula" in told
    assert about_numbers or re.search(r"column \d+", told), told
    return None


@pytest.mark.parametrize("number", beginning(12, searched(120)))
def test_a_mangled_formula_is_what_it_says_or_refused_at_a_column(number: int) -> None:
    formula, draw = drawn_formula(number), random.Random(number)
    for _ in range(EACH):
        text, numbers = mangled(formula, draw)
        equation = taken(text, numbers, formula)
        if equation is None:
            continue
        make = np.random.default_rng(number)
        arrays = {a: np.asarray(make.normal(size=shape)) for a, shape in equation.shapes}
        try:
            expected = evaluated(text, numbers, equation.range_of, arrays)
        except NotJudgedError:
            continue
        assert_close(forward(equation, arrays)["Z"], expected, FLOAT64, text)


def test_some_are_taken_and_judged_and_some_are_refused() -> None:
    """So that the test above is one."""
    judged = refused = 0
    for number in range(12):
        formula, draw = drawn_formula(number), random.Random(number)
        for _ in range(EACH):
            text, numbers = mangled(formula, draw)
            equation = taken(text, numbers, formula)
            refused += equation is None
            if equation is not None:
                arrays = {a: np.zeros(shape) for a, shape in equation.shapes}
                try:
                    evaluated(text, numbers, equation.range_of, arrays)
                except NotJudgedError:
                    continue
                judged += 1
    assert judged > 30
    assert refused > 60
