"""Each sample's share in a gradient: the laws, over every adjoint that sums over samples."""

from collections.abc import Mapping

import pytest

import gradtrail as gt
from gradtrail.equation import (
    Array,
    Contraction,
    adjoint,
    context,
    contraction,
    indices,
    of_samples,
    parse,
    per_sample,
    term,
    text,
)
from gradtrail.errors import EquationError

from .brute import draw, evaluate, sampled
from .samples import ADJOINTS, FORWARD, each

SUMMED: Mapping[str, Contraction] = {
    name: e for name, e in ADJOINTS.items() if all("n" in t.summed for t in e.terms)
}


def test_every_parameter_is_among_them() -> None:
    letters = {name.rpartition(" → ")[2] for name in SUMMED}
    assert letters >= {"dW", "db", "dγ", "dβ"}


@each(SUMMED, "e")
def test_the_shares_add_up_to_the_gradient(e: Contraction) -> None:
    found = dict.fromkeys(sampled(e), 0)
    for (_, *element), share in evaluate(per_sample(e), draw(e)).items():
        found[tuple(element)] += share
    assert found == sampled(e)


@each(SUMMED, "e")
def test_a_share_is_what_remains_where_the_other_samples_send_nothing(e: Contraction) -> None:
    arrays, shares = draw(e), evaluate(per_sample(e), draw(e))
    for sample in range(e.range_of["n"]):
        alone = arrays | {
            "dZ": {k: v if k[0] == sample else 0 for k, v in arrays["dZ"].items()},
        }
        assert evaluate(e, alone) == {k[1:]: v for k, v in shares.items() if k[0] == sample}


@each(SUMMED, "e")
def test_it_reads_back(e: Contraction) -> None:
    shown = per_sample(e)
    assert parse(text(shown), **context(shown)) == shown


@pytest.mark.parametrize(
    ("kind", "letter", "expected"),
    [
        (
            "conv stride 2 padding 1",
            "W",
            "dW[n,k,c,i,j] = Σ_{y,x} dZ[n,k,y,x]·X[n,c,y·s+i·d−p,x·s+j·d−p]",
        ),
        ("conv", "b", "db[n,k] = Σ_{y,x} dZ[n,k,y,x]"),
        (
            "conv groups 2",
            "W",
            "dW[n,g·K_g+k,c,i,j] = Σ_{y,x} dZ[n,g·K_g+k,y,x]·X[n,g·C_g+c,y·s+i·d−p,x·s+j·d−p]",
        ),
        ("linear", "W", "dW[n,k,f] = dZ[n,k]·X[n,f]"),
        ("linear", "b", "db[n,k] = dZ[n,k]"),
        ("batch norm training", "γ", "dγ[n,c] = Σ_{y,x} dZ[n,c,y,x]·U[n,c,y,x]"),
        ("batch norm training", "β", "dβ[n,c] = Σ_{y,x} dZ[n,c,y,x]"),
    ],
)
def test_the_sample_stands_on_the_left(kind: str, letter: str, expected: str) -> None:
    assert text(per_sample(adjoint(FORWARD[kind], letter))) == expected


def test_the_shape_begins_with_the_samples() -> None:
    e = per_sample(adjoint(FORWARD["conv"], "W"))
    assert e.shape_of["dW"] == (2, 3, 2, 3, 3)
    assert e.shape_of["dZ"] == FORWARD["conv"].shape_of["Z"]


def test_another_index_may_run_over_the_samples() -> None:
    e = adjoint(FORWARD["linear"], "b").renamed({"n": "m"})
    assert text(per_sample(e, "m")) == "db[m,k] = dZ[m,k]"
    with pytest.raises(EquationError, match="db has no sum over n; its terms sum over m"):
        per_sample(e)


def test_a_gradient_that_goes_by_samples_already_is_refused() -> None:
    e = adjoint(FORWARD["conv"], "X")
    with pytest.raises(EquationError, match="dX has no sum over n; its terms sum over k"):
        per_sample(e)


def test_padding_of_the_target_moves_along() -> None:
    y, i, n = indices("y i n")
    W, X, Z = map(Array, "WXZ")
    reached = term(Z[n, y], W[y + i - 1].padded((1, 1)), X[n, i])
    e = adjoint(contraction(reached, ranges={"y": 3}, shapes={"W": (3,), "X": (2, 3)}), "W")
    shown = per_sample(e)
    assert shown.target.padding == ((0, 0), (1, 1))
    assert sum(evaluate(shown, draw(e)).values()) == sum(sampled(e).values())


def test_sums_over_some_samples_are_the_same_sums() -> None:
    """Of a convolution's adjoints, over three of eight samples; the scale of a loss stays 1/8."""
    net = gt.Network((2, 6, 6), [gt.Conv2d(3, 3), gt.Flatten(), gt.Linear(2)])
    system = net.system(8, loss=gt.CrossEntropy())
    for sent in system.backward:
        shorter = of_samples(sent.equation, 3)
        assert shorter.range_of["n"] == 3
        assert [t.scale for t in shorter.terms] == [t.scale for t in sent.equation.terms]
        for letter, shape in sent.equation.shape_of.items():
            parameter = letter.removeprefix("d") in sent.node.parameters
            assert shorter.shape_of[letter] == (shape if parameter else (3, *shape[1:]))
        assert of_samples(sent.equation, 8) is sent.equation
