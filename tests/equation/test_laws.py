"""The laws of equations: renaming, exchange, adjoints, each over the whole table.

All sums are exact (whole numbers and fractions), so equal means equal.
"""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtrail.equation import (
    Access,
    Array,
    Contraction,
    Equation,
    LossEquation,
    Number,
    Selection,
    Term,
    adjoint,
    contraction,
    indices,
    term,
)
from gradtrail.errors import EquationError

from .brute import draw, evaluate, forward, inner, sampled
from .samples import CONTRACTIONS, EQUATIONS, FORWARD, differentiable, each

V, W, X, Z = map(Array, "VWXZ")
y, i = indices("y i")


def rotated(equation: Equation) -> dict[str, str]:
    """Every index gets its neighbour's name, which only a simultaneous renaming survives."""
    names = [n for n, _ in equation.ranges]
    return dict(zip(names, [*names[1:], *names[:1]], strict=True))


@each(CONTRACTIONS, "e")
def test_renaming_indices_changes_no_value(e: Contraction) -> None:
    assert evaluate(e.renamed(rotated(e)), draw(e)) == sampled(e)


@each(EQUATIONS, "e")
def test_renaming_back_gives_the_equation_back(e: Equation) -> None:
    there = rotated(e)
    back = {new: old for old, new in there.items()}
    assert e.renamed(there).renamed(back) == e


@pytest.mark.parametrize("kind", ["conv", "max pool", "batch norm training", "squared error"])
def test_a_renaming_that_makes_two_indices_one_is_refused(kind: str) -> None:
    first, second = FORWARD[kind].ranges[0][0], FORWARD[kind].ranges[1][0]
    with pytest.raises(EquationError, match=rf"'{first}': '{second}'.* would make two indices one"):
        FORWARD[kind].renamed({first: second})


def test_a_renaming_to_another_indexs_prime_is_refused() -> None:
    with pytest.raises(EquationError, match="would make two indices one"):
        FORWARD["batch norm training"].renamed({"c": "n′"})


@each(CONTRACTIONS, "e")
def test_the_order_of_factors_changes_no_value(e: Contraction) -> None:
    turned = replace(e, terms=tuple(Term(t.target, t.factors[::-1], t.scale) for t in e.terms))
    assert evaluate(turned, draw(e)) == sampled(e)


@each(CONTRACTIONS, "e")
def test_putting_in_an_index_value_by_value_gives_the_whole(e: Contraction) -> None:
    name, size = e.ranges[-1]
    shown = tuple(t for t in e.terms if name in t.names)
    parts = tuple(t for v in range(size) for t in replace(e, terms=shown).at({name: v}))
    others = tuple(t for t in e.terms if name not in t.names)
    assert evaluate(replace(e, terms=(*parts, *others)), draw(e)) == sampled(e)


def linear(e: Contraction) -> list[str]:
    """The operands that every term holds at most once and bare."""
    uses = {
        letter: [[f for f in t.factors if f.access.array == letter] for t in e.terms]
        for letter in e.operands
    }
    return [
        letter
        for letter, found in uses.items()
        if all(len(f) < 2 and all(isinstance(one, Access) for one in f) for f in found)
    ]


LINEAR = {f"{n}, {op}": (e, op) for n, e in CONTRACTIONS.items() for op in linear(e)}


@each(LINEAR, "e", "operand")
def test_the_adjoint_is_the_transpose(e: Contraction, operand: str) -> None:
    """⟨u, E(v)⟩ = ⟨adjoint(u), v⟩, with a random cotangent u, over the terms that read v."""
    arrays, z = draw(e), e.target.array
    u = draw(e, seed=1)[z]
    reading = tuple(t for t in e.terms if any(f.access.array == operand for f in t.factors))
    there = evaluate(replace(e, terms=reading), arrays)
    back = evaluate(adjoint(e, operand), arrays | {"d" + z: u})
    assert inner(u, there) == inner(back, arrays[operand])


@each(LINEAR, "e", "operand")
def test_the_adjoints_adjoint_is_the_equation_again(e: Contraction, operand: str) -> None:
    z, v = e.target.array, operand
    again = adjoint(adjoint(e, v), "d" + z)
    letters = {z: "dd" + z, v: "dd" + v}
    expected = tuple(
        Term(
            t.target.to(letters[z]),
            tuple(f.to(letters[v]) if f.access.array == v else f for f in t.factors),
            t.scale,
        )
        for t in e.terms
        if any(f.access.array == v for f in t.factors)
    )
    assert again.terms == expected


SMOOTH = {
    f"{name}, {letter}": (e, letter)
    for name, e in FORWARD.items()
    for letter in differentiable(e)
    if (not isinstance(e, Contraction) or letter not in linear(e)) and not isinstance(e, Selection)
}


def smooth(e: Equation) -> dict[str, dict]:
    """Random numbers away from 0; the targets of a sample sum to 1 unless it has a weight."""
    arrays = {a: {k: (held or 1) / 4 for k, held in v.items()} for a, v in draw(e).items()}
    if isinstance(e, LossEquation) and e.probabilities and not e.weight:
        labels = arrays[e.labels]
        last = e.shape_of[e.labels][1] - 1
        for n in range(e.shape_of[e.labels][0]):
            labels[n, last] = 1 - sum(labels[n, k] for k in range(last))
    return arrays


@each(SMOOTH, "e", "operand")
def test_the_adjoint_is_the_slope_where_the_equation_is_not_linear(
    e: Equation, operand: str
) -> None:
    """⟨u, (E(v + hw) − E(v − hw))/2h⟩ = ⟨adjoint(u), w⟩, for random u and w."""
    h, z, arrays = 2**-16, e.target.array, smooth(e)
    u = draw(e, seed=1)[z] if e.shape_of[z] else {(): 1}
    w = draw(e, seed=2)[operand]

    def moved(by: float) -> dict:
        there = {k: v + by * w[k] for k, v in arrays[operand].items()}
        return forward(e, arrays | {operand: there})[z]

    ahead, behind = moved(h), moved(-h)
    slope = {k: (ahead[k] - behind[k]) / (2 * h) for k in ahead}
    made = forward(e, arrays)  # an adjoint may read what is saved, and of a softmax the result
    back = evaluate(adjoint(e, operand), arrays | made | {"d" + z: u})
    assert float(inner(back, w)) == pytest.approx(float(inner(u, slope)), rel=1e-5)


@pytest.mark.parametrize("name", [n for n, e in FORWARD.items() if isinstance(e, Selection)])
def test_a_maximums_gradient_goes_to_its_first_winner(name: str) -> None:
    """With the winners held, a selection is linear: ⟨u, E(v)⟩ = ⟨adjoint(u), v⟩, ties included."""
    e = FORWARD[name]
    x = {k: held // 3 for k, held in draw(e)["X"].items()}  # few values, so that many tie
    found = forward(e, {"X": x})
    u = draw(e, seed=1)["Z"]
    back = evaluate(adjoint(e, "X"), {"A": found["A"], "dZ": u})
    assert inner(u, found["Z"]) == inner(back, x)


def test_a_factor_that_occurs_twice_has_two_shares() -> None:
    (n,) = indices("n")
    square = contraction(term(Z[n], X[n], X[n]), ranges={}, shapes={"X": (3,)})
    x, u = {(0,): 2, (1,): 5, (2,): -3}, {(0,): 1, (1,): 10, (2,): 100}
    assert evaluate(adjoint(square, "X"), {"X": x, "dZ": u}) == {(0,): 4, (1,): 100, (2,): -600}


def test_renaming_and_adjoint_commute() -> None:
    e = FORWARD["conv stride 2 padding 1"]
    for operand in e.operands:
        renamed = adjoint(e.renamed(rotated(e)), operand)
        assert renamed.terms == adjoint(e, operand).renamed(rotated(e)).terms


@pytest.mark.parametrize(
    ("kind", "operand", "message"),
    [
        ("conv", "Q", "Z does not read Q; it reads b, W, X"),
        ("cross-entropy", "T", "T holds the labels"),
    ],
)
def test_an_adjoint_there_is_not_is_refused(kind: str, operand: str, message: str) -> None:
    with pytest.raises(EquationError, match=message):
        adjoint(FORWARD[kind], operand)


def test_an_adjoint_after_winners_is_refused() -> None:
    with pytest.raises(EquationError, match="A"):
        adjoint(CONTRACTIONS["max pool → dX"], "A")


def test_a_contraction_has_one_target_array() -> None:
    with pytest.raises(EquationError, match="V"):
        contraction(term(Z[y], X[y]), term(V[y], X[y]), ranges={}, shapes={"X": (3,)})


small = st.integers(-4, 4)
FAR = (30, 30)
"""More padding than the random positions below can reach."""


@given(small, small, small, small, small, small, st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_the_adjoint_is_the_transpose_for_any_positions(a, b, p, c, d, q, size, kernel) -> None:
    """`Z[y·a+i·b+p] += (2/3)·W[i]·X[y·c+i·d+q]·V[y]`, absent wherever it leaves."""
    z, x = Z[y * a + i * b + p].padded(FAR), X[y * c + i * d + q].padded(FAR)
    t = term(z, W[i], x, V[y], scale=Number(Fraction(2, 3)))
    shapes = {"Z": (5,), "X": (4,)}
    e = contraction(t, ranges={"y": size, "i": kernel}, shapes=shapes)
    arrays = draw(e) | {"dZ": draw(e, seed=1)["Z"]}
    there = inner(arrays["dZ"], evaluate(e, arrays))
    for operand in e.operands:
        assert inner(evaluate(adjoint(e, operand), arrays), arrays[operand]) == there
