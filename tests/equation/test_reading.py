"""What a person types, and the texts and JSON that are refused, each with its place."""

import contextlib
import json
import random

import pytest

from gradtrail.equation import Equation, context, dumps, loads, parse, text
from gradtrail.errors import EquationError, ShapeError

from .samples import EQUATIONS, FORWARD, each

CONV = FORWARD["conv stride 2 padding 1"]


def test_typed_signs_stand_for_the_printed_ones() -> None:
    typed = "Z[n,k,y,x] = b[k] + sum_{c,i,j} W[k,c,i,j]*X[n,c,2*y+i-1,x*2+j-1]"
    printed = text(CONV, numbers=True)
    given = {"ranges": {"k": 2, "i": 3, "j": 3}, "shapes": {"X": (2, 2, 5, 4)}}
    padding = {"X[n,c,y·2+i−1,x·2+j−1]": ((0, 0), (0, 0), (1, 1), (1, 1))}
    assert parse(typed, **given, padding=padding) == parse(printed, **given, padding=padding)


def test_typed_linear_is_the_layers() -> None:
    typed = "Z[n,k] = b[k] + sum_{f} W[k,f]*X[n,f]"
    assert parse(typed, ranges={"k": 3}, shapes={"X": (2, 4)}) == FORWARD["linear"]


def test_spaces_and_blank_lines_do_not_matter() -> None:
    typed = "\n  Z[n, k]=b [k]  +  W[k,f] * X[ n,f ]\n\n"
    assert parse(typed, ranges={"k": 3}, shapes={"X": (2, 4)}) == FORWARD["linear"]


def test_a_leading_minus_belongs_to_the_term() -> None:
    (t,) = parse("Z[n] = −2·X[n]", ranges={}, shapes={"X": (3,)}).terms
    assert t.scale.value == -2


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "needs at least one line"),
        ("Z[n]", r"expected = or \+= behind Z at column 5\n    Z\[n\]\n        \^$"),
        ("Z[n] X[n]", r"expected = or \+= behind Z at column 6\n    Z\[n\] X\[n\]\n         \^$"),
        ("Z[n] =", r"expected an element such as X\[n,c\], an index, a symbol or .* at column 7"),
        ("Z[n] = X[n", r"expected \] behind the positions of X at column 11\n.*\n {14}\^$"),
        ("Z[n] = X[n] X[n]", r"expected \+, − or · at column 13"),
        ("Z[n] = X[+]", r"expected an element such as .*, an index, a symbol .* at column 11"),
        ("Z[n] = X[q·m·X[n]]", r"expected an index, a symbol or a number at column 14"),
        ("Z[n] = 2X[n]", r"expected \+, − or · at column 9"),
        ("= X[n]", r"expected an array's letter, such as X at column 1\n    = X\[n\]\n    \^$"),
        ("Z[n] = f(X[n])", r"function f is not among the functions given at column 8"),
        ("Z[n] = X[n·s]", r"the value of s is not among the constants at column 12"),
        ("Z[n] = (1/|N|)·X[n]", r"the value of \|N\| is not among the constants at column 11"),
        ("Z[n] = X[n/s]", r"the value of s is not among the constants at column 12"),
        ("Z[n] = X[n] & 3", r"cannot read '& 3' at column 13"),
        ("Z[n] = Σ_{m X[n,m]", r"{ is not closed; expected } at column 10"),
        ("Z[n] = Σ{m} X[n,m]", r"{ stands behind Σ_ or max_ alone at column 9"),
        (
            "Z[n] = Σ_{m,} X[n,m]",
            r"expected indices with commas between them in Σ_{m,} at column 8",
        ),
        ("Z[n] = |n·X[n]", r"\| stands around one index alone, such as \|i\|.* at column 8"),
        ("Z[n] = X[n]^3", r"expected 2 behind \^: no other power is a product at column 12"),
        ("Z[n] = X[n]/(X[n] + 1)", "a quotient by a sum is no sum of products: have another .* 13"),
        ("Z[n] = (X[n]·2", r"expected \) to close the \( of column 8 at column 15"),
        ("Z[n] = 3", "expected an element such as .*; a number alone is none at column 8"),
        ("Z[n] = " + "(" * 20 + "X[n]", "more than 12 brackets stand in one another at column 20"),
        ("Z[n] = X[n]\nZ[n] = X[n", r"expected \] behind the positions of X at line 2, column 11"),
        ("L = log P[n]", r"'L = log P\[n\]'"),
        ("Z[n] = X[n,m]", r"X has 2 axes in the equation, but its shape is \(3,\)"),
        ("Z[n] = X[n]·W[m]", "nothing determines the range of m"),
    ],
)
def test_a_text_that_is_no_equation_is_refused(source: str, message: str) -> None:
    with pytest.raises((EquationError, ShapeError), match=message):
        parse(source, ranges={}, shapes={"X": (3,)})


@pytest.mark.parametrize(
    "source",
    [
        "Z[n] = X[n/0]",
        "Z[n] = (1/0)·X[n]",
        "Z[n] = X[n]\nZ[n] = X[n·²]",
        "L = −(1/N)·Σ_{n,k} T[n,k]·log P[n,k]",
    ],
)
def test_whatever_is_wrong_the_error_is_an_equation_error(source: str) -> None:
    with pytest.raises(EquationError, match=r"."):
        parse(source, ranges={}, shapes={"X": (3,)})


@pytest.mark.parametrize(
    "source",
    [
        "Z[n] = Σ_{q} X[n]",
        "Z[n] = max_{n,i} X[n+i]",
        "Z[n] = max_{i} X[n+i] + 3",
        "Z[n] = X[n+m/2]",
    ],
)
def test_a_text_that_says_another_thing_is_refused(source: str) -> None:
    """A sum over what no factor shows, a maximum over the target, more behind the end, n+(m/2)."""
    with pytest.raises(EquationError, match=r"[qni3/]"):
        parse(source, ranges={"i": 2, "m": 1}, shapes={"X": (3,)})


@each(EQUATIONS, "e")
def test_a_damaged_text_is_read_or_refused_with_one_kind_of_error(e: Equation) -> None:
    generator, beside = random.Random(1), context(e)
    for _ in range(5):
        letters = list(text(e))
        letters[generator.randrange(len(letters))] = generator.choice("[]()+−·/=,012sn ")
        with contextlib.suppress(EquationError, ShapeError):
            parse("".join(letters), **beside)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{", "not JSON: Expecting property name"),
        ("", "not JSON: Expecting value"),
        ('{"type":"Tensor"}', "not the JSON of an equation: type 'Tensor'"),
        ('{"terms":[]}', "not the JSON of an equation: type None"),
        ('{"type":"Term"}', "type 'Term' .*missing 2 required .* 'target' and 'factors'"),
        ('{"type":"Number","value":1,"size":2}', "type 'Number' .*unexpected keyword .*'size'"),
        ('{"type":"Fraction","value":"a half"}', "type 'Fraction' .*'a half'"),
    ],
)
def test_malformed_json_is_refused(source: str, message: str) -> None:
    with pytest.raises(EquationError, match=message):
        loads(source)


def changed(old: str, new: str) -> str:
    """The convolution's JSON with one piece of it replaced."""
    written = dumps(CONV)
    assert old in written
    return written.replace(old, new)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (changed('["X",[2,2,5,4]]', '["X",[2,2,2,4]]'), "axis 2 of X is accessed from -1 to 5"),
        (changed('["X",[2,2,5,4]]', '["X",[2,2,5]]'), r"accessed with 4 positions, .*\(2, 2, 5\)"),
        (changed('["b",[2]],', ""), "b is accessed with 1 positions, but its shape is unknown"),
        (changed('["j",3]', '["j",0]'), "index j of X runs over 0 values|index j of W"),
        (changed('["j",3]', '["l",3]'), "index j of W runs over None values"),
    ],
)
def test_json_that_contradicts_itself_is_refused(source: str, message: str) -> None:
    with pytest.raises(EquationError, match=message):
        loads(source)


@pytest.mark.parametrize(
    "source",
    [
        '{"type":"Fraction","value":"1/0"}',
        changed("[[0,0],[0,0],[1,1],[1,1]]", "[[0,0],[0,0]]"),
        changed('"symbol":"s"', '"symbol":2.5'),
        changed('["j",3]', '["j",3.0]'),
        changed('"scale":{"type":"Number","value":1,"symbol":""}', '"scale":true'),
        '{"type":"Contraction","terms":[],"ranges":[],"shapes":[]}',
        "[" * 100_000,
    ],
    ids=["1/0", "padding of other axes", "symbol", "range", "scale", "no terms", "too deep"],
)
def test_whatever_is_wrong_with_json_the_error_is_an_equation_error(source: str) -> None:
    with pytest.raises(EquationError, match=r"JSON"):
        loads(source)


def test_data_keeps_fractions_exact() -> None:
    e = FORWARD["avg pool"]
    data = json.loads(dumps(e))
    assert data["terms"][0]["scale"]["value"] == {"type": "Fraction", "value": "1/4"}
