"""Equations written and read: text, repr and JSON and back; LaTeX, MathML; what cannot be read."""

import json
import re
from dataclasses import replace
from fractions import Fraction
from xml.etree import ElementTree

import pytest

import gradtrail.equation as core
from gradtrail.equation import (
    Access,
    Contraction,
    Equation,
    context,
    dumps,
    latex,
    loads,
    mathml,
    parse,
    text,
    to_data,
)
from gradtrail.equation import scalar as functions
from gradtrail.errors import EquationError

from .brute import draw, evaluate, sampled
from .samples import ADJOINTS, CONTRACTIONS, EQUATIONS, FORWARD, GATHERED, each

CONV = FORWARD["conv stride 2 padding 1"]
NAMES = {**vars(core), **vars(functions), "Fraction": Fraction}


@each(EQUATIONS, "e")
def test_the_text_reads_back(e: Equation) -> None:
    assert parse(text(e), **context(e)) == e


def test_two_functions_of_one_name_are_refused() -> None:
    x, n = functions.Variable("x"), core.index("n")
    twice, thrice = (functions.Function("relu", by * functions.maximum(x, 0)) for by in (2, 3))
    one, other = (core.Applied(f, core.Array("X")[n]) for f in (twice, thrice))
    alike = core.contraction(core.term(core.Array("Z")[n], one, one), ranges={}, shapes={"X": (4,)})
    assert parse(text(alike), **context(alike)) == alike
    differing = core.contraction(
        core.term(core.Array("Z")[n], one, other), ranges={}, shapes={"X": (4,)}
    )
    assert text(differing) == text(alike)
    with pytest.raises(EquationError, match="two functions are called 'relu'"):
        context(differing)


@each(EQUATIONS, "e")
def test_the_repr_evaluates_back(e: Equation) -> None:
    again = eval(repr(e), dict(NAMES))
    assert again == e
    assert hash(again) == hash(e)


@each(EQUATIONS, "e")
def test_json_reads_back(e: Equation) -> None:
    assert loads(dumps(e)) == e


@each(EQUATIONS, "e")
def test_json_is_plain(e: Equation) -> None:
    """Nothing in it but what every JSON reader knows."""
    assert json.loads(dumps(e)) == to_data(e)


def reread(e: Contraction, **style) -> Equation:
    """The text in this style, read again with the padding under its new name."""
    beside = context(e)
    beside["padding"] = {text(a, **style): a.padding for a in e.accesses if a.padding}
    return parse(text(e, **style), **beside)


@each(CONTRACTIONS, "e")
def test_the_text_with_numbers_says_the_same(e: Contraction) -> None:
    assert evaluate(reread(e, numbers=True), draw(e)) == sampled(e)


@each(CONTRACTIONS, "e")
def test_the_text_with_numbers_has_no_symbol_left(e: Contraction) -> None:
    symbols = set(context(e)["constants"]) - {n for n, _ in e.ranges}
    written = set(re.findall(r"[^\W\d]\w*", text(e, numbers=True))) - set(e.shape_of)
    assert not written & symbols


@each(CONTRACTIONS, "e")
def test_an_index_put_in_leaves_the_terms_it_has_there(e: Contraction) -> None:
    for name, size in (e.ranges[0], e.ranges[-1]):
        shown = replace(e, terms=tuple(t for t in e.terms if name in t.names))
        at = {name: size - 1}
        there = replace(shown, terms=shown.at(at))
        arrays = draw(e)
        assert evaluate(reread(shown, numbers=True, at=at), arrays) == evaluate(there, arrays)


@each(CONTRACTIONS, "e")
def test_an_index_put_in_is_gone(e: Contraction) -> None:
    name, size = e.ranges[0]
    assert not re.search(rf"(?<!\|)\b{name}\b(?!′)", text(e, at={name: size - 1}))


def test_putting_indices_in_leaves_one_sign_before_each_number() -> None:
    for name, e in CONTRACTIONS.items():
        for index, size in e.ranges:
            written = text(e, at={index: size - 1})
            assert not re.search(r"[+−]{2}|\[\+", written), (name, index, written)


@pytest.mark.parametrize(
    ("e", "style", "written"),
    [
        (CONV, {}, "Z[n,k,y,x] = b[k] + Σ_{c,i,j} W[k,c,i,j]·X[n,c,y·s+i·d−p,x·s+j·d−p]"),
        (
            CONV,
            {"numbers": True},
            "Z[n,k,y,x] = b[k] + Σ_{c<2,i<3,j<3} W[k,c,i,j]·X[n,c,y·2+i−1,x·2+j−1]",
        ),
        (
            CONV,
            {"numbers": True, "at": {"n": 1, "y": 2, "i": 0}},
            "Z[1,k,2,x] = b[k] + Σ_{c<2,j<3} W[k,c,0,j]·X[1,c,3,x·2+j−1]",
        ),
        (
            ADJOINTS["conv stride 2 padding 1 → dW"],
            {"at": {"k": 1, "c": 0}},
            "dW[1,0,i,j] = Σ_{n,y,x} dZ[n,1,y,x]·X[n,0,y·s+i·d−p,x·s+j·d−p]",
        ),
        (
            GATHERED["conv stride 2 padding 1 → dX, gathered"],
            {"numbers": True},
            "dX[n,c,h,w] = Σ_{k<2,i<3,j<3} W[k,c,i,j]·dZ[n,k,(h+1−i)/2,(w+1−j)/2]",
        ),
        (
            FORWARD["avg pool"],
            {"numbers": True},
            "Z[n,c,y,x] = (1/4)·Σ_{i<2,j<2} X[n,c,y·2+i,x·2+j]",
        ),
        (
            ADJOINTS["squared error → dZ"],
            {},
            "dZ[n,k] = (2/(|n|·|k|))·Z[n,k] − (2/(|n|·|k|))·T[n,k]",
        ),
    ],
)
def test_golden_texts(e: Equation, style: dict, written: str) -> None:
    assert text(e, **style) == written


@pytest.mark.parametrize(
    ("e", "style", "written"),
    [
        (
            CONV,
            {},
            r"Z_{n,\,k,\,y,\,x} = b_{k} + \sum_{c,i,j} W_{k,\,c,\,i,\,j} \cdot "
            r"X_{n,\,c,\,y \cdot s+i \cdot d-p,\,x \cdot s+j \cdot d-p}",
        ),
        (
            GATHERED["max pool asymmetric → dX, gathered"],
            {"numbers": True},
            r"\mathrm{d}X_{n,\,c,\,h,\,w} = \sum_{i<2,j<3} "
            r"\left[A_{n,\,c,\,h-i,\,\frac{w-j}{2}} = i \cdot 3+j\right] \cdot "
            r"\mathrm{d}Z_{n,\,c,\,h-i,\,\frac{w-j}{2}}",
        ),
        (
            FORWARD["relu of features"],
            {},
            r"Z_{n,\,k} = \mathrm{relu}\left(X_{n,\,k}\right)",
        ),
        (
            FORWARD["cross-entropy"],
            {},
            "\\begin{aligned}\n"
            "L &= -\\left(1/N\\right) \\cdot \\sum_{n,k} T_{n,\\,k} \\cdot \\log P_{n,\\,k} \\\\\n"
            "P_{n,\\,k} &= \\frac{\\left(\\exp Z_{n,\\,k}\\right)}"
            "{\\left(\\sum_{k} \\exp Z_{n,\\,k}\\right)}\n"
            "\\end{aligned}",
        ),
    ],
)
def test_golden_latex(e: Equation, style: dict, written: str) -> None:
    assert latex(e, **style) == written


@pytest.mark.parametrize("numbers", [False, True])
@each(EQUATIONS, "e")
def test_latex_closes_what_it_opens(e: Equation, numbers: bool) -> None:
    written = latex(e, numbers=numbers)
    depth = 0
    for letter in written:
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0
    assert depth == 0
    assert written.count(r"\left") == written.count(r"\right")


@pytest.mark.parametrize("numbers", [False, True])
@each(EQUATIONS, "e")
def test_latex_is_ascii(e: Equation, numbers: bool) -> None:
    """Whatever Unicode the text has, LaTeX has a command for it."""
    assert latex(e, numbers=numbers).isascii()


def test_every_latex_line_is_aligned_at_its_equals_sign() -> None:
    aligned = [e for e in EQUATIONS.values() if latex(e).startswith(r"\begin{aligned}")]
    assert aligned
    for e in aligned:
        rows = latex(e).splitlines()[1:-1]
        assert [row.count("&") for row in rows] == [1] * len(rows), rows


def test_a_function_with_two_words_stays_one_word_in_latex() -> None:
    assert r"leaky\_relu" in latex(FORWARD["leaky relu"])


def test_each_prime_of_a_composed_symbol_stays_in_latex() -> None:
    position = core.index("c") * core.Number(6, "H′·W′")
    assert latex(Access("X", (position,))) == r"X_{c \cdot H' \cdot W'}"


@pytest.mark.parametrize("numbers", [False, True])
@each(EQUATIONS, "e")
def test_mathml_is_well_formed(e: Equation, numbers: bool) -> None:
    root = ElementTree.fromstring(mathml(e, numbers=numbers))
    assert root.tag == "{http://www.w3.org/1998/Math/MathML}math"
    for script in root.iter("{http://www.w3.org/1998/Math/MathML}msub"):
        assert len(script) == 2


@each(EQUATIONS, "e")
def test_mathml_says_what_the_text_says(e: Equation) -> None:
    """The same letters and numbers in the same order, signs and brackets aside."""
    root = ElementTree.fromstring(mathml(e))
    written = "".join(root.itertext()).replace("∑", "Σ")
    said, plain = (re.sub(r"[^\w′]|_", "", t) for t in (written, text(e).replace("²", "2")))
    assert said == plain


def test_a_renamed_equation_shows_no_old_name() -> None:
    renamed = FORWARD["avg pool"].renamed({"i": "a", "j": "b"})
    assert text(renamed) == "Z[n,c,y,x] = (1/(|a|·|b|))·Σ_{a,b} X[n,c,y·s+a−p,x·s+b−p]"


def test_an_access_prints_by_itself() -> None:
    access = CONV.terms[1].factors[1]
    assert isinstance(access, Access)
    assert text(access) == "X[n,c,y·s+i·d−p,x·s+j·d−p]"


def test_what_is_no_equation_does_not_print() -> None:
    with pytest.raises(TypeError, match="str is no equation"):
        text("Z[n]")  # type: ignore[arg-type]
