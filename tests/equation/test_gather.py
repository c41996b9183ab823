"""Adjoints as loops of their own: gather and scatter are the same sums, whatever the positions.

All sums are exact (whole numbers and fractions), so equal means equal.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tails import beginning

from gradtrail.equation import Array, Contraction, adjoint, contraction, gather, indices, term

from .brute import draw, elements, evaluate, sampled
from .lines import CROPPED, FITTING
from .samples import CONTRACTIONS, GATHERED, each

U, V, W, X, Z = map(Array, "UVWXZ")
y, i, h = indices("y i h")


@pytest.mark.parametrize("name", [n.removesuffix(", gathered") for n in GATHERED])
def test_gather_and_scatter_give_the_same_array(name: str) -> None:
    scatter = CONTRACTIONS[name]
    assert evaluate(GATHERED[f"{name}, gathered"], draw(scatter)) == sampled(scatter)


@pytest.mark.parametrize("name", [n.removesuffix(", gathered") for n in GATHERED])
def test_gather_makes_bare_whatever_it_solves(name: str) -> None:
    before, after = CONTRACTIONS[name].terms, GATHERED[f"{name}, gathered"].terms
    solved = [
        new.plain
        for t, g in zip(before, after, strict=True)
        for old, new in zip(t.target.positions, g.target.positions, strict=True)
        if old != new
    ]
    assert solved
    assert all(solved)


@each({n: e for n, e in GATHERED.items() if "dX" in n or n.startswith("convt")}, "e")
def test_gather_solves_every_spatial_axis(e: Contraction) -> None:
    assert all(p.plain for t in e.terms for p in t.target.positions[2:])


@each(GATHERED, "e")
def test_gathering_twice_changes_nothing(e: Contraction) -> None:
    assert gather(e) == e


def test_a_gathered_quotient_exists_exactly_where_it_divides() -> None:
    """With stride s and dilation d, row h is read from offset i only if i·d ≡ h + p mod s."""
    for line in FITTING:
        e = gather(adjoint(line.convolution(), "X"))
        (t,) = e.terms
        quotient = t.factors[1].access
        for row, offset in elements((line.size, line.kernel)):
            divides = (row + line.padding - offset * line.dilation) % line.stride == 0
            assert (quotient.at({"h": row, "i": offset}) is not None) == divides, (line, row)


@pytest.mark.parametrize("part", beginning(1, range(3)))
def test_gather_and_scatter_agree_on_the_whole_grid(part: int) -> None:
    scattered = [adjoint(line.convolution(), "X") for line in FITTING]
    scattered += [adjoint(line.pool(), "X") for line in FITTING]
    scattered += [line.transposed() for line in CROPPED]
    for e in scattered[part::3]:
        assert evaluate(gather(e), draw(e)) == evaluate(e, draw(e)), e


small = st.integers(-4, 4)
FAR = (30, 30)
"""More padding than the random positions below can reach."""


@given(small, small, small, small, small, st.integers(1, 4), st.integers(1, 3), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_gather_and_scatter_agree_for_any_positions(a, b, p, c, d, size, kernel, length) -> None:
    """`Z[y·a+i·b+p] += W[i]·X[y]·V[y·c+i·d] + U[h]`, absent wherever it leaves."""
    v = V[y * c + i * d].padded(FAR)
    products = term(Z[y * a + i * b + p].padded(FAR), W[i], X[y], v)
    shapes = {"Z": (length,), "V": (4,)}
    e = contraction(products, term(Z[h], U[h]), ranges={"i": kernel, "y": size}, shapes=shapes)
    assert evaluate(gather(e), draw(e)) == evaluate(e, draw(e))


@given(st.integers(1, 3), small, small, st.integers(1, 4), st.integers(1, 3), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_gather_solves_what_one_factor_shows_bare(a, b, p, size, kernel, length) -> None:
    """`Z[y·a+i·b+p] += W[i]·X[y]`."""
    t = term(Z[y * a + i * b + p].padded(FAR), W[i], X[y])
    e = contraction(t, ranges={"i": kernel, "y": size}, shapes={"Z": (length,)})
    assert gather(e).target.positions[0].plain


# What no layer declares, but the core takes: gather must get it right or leave it as it is.
UNUSUAL = {
    "a target index backwards": contraction(
        term(Z[y * -1 + 4], X[y]), ranges={}, shapes={"X": (5,)}
    ),
    "a solved index in a second sum": contraction(
        term(Z[y * 2 + i], X[y], V[y + i], W[i]), ranges={"i": 2}, shapes={"X": (3,)}
    ),
    "one index on two target axes": adjoint(
        contraction(term(Z[y], X[y * 2, y + i], W[i]), ranges={"i": 2}, shapes={"X": (5, 4)}), "X"
    ),
    "a new name that another term uses": contraction(
        term(Z[y * 2], X[y]), term(Z[h], V[h]), ranges={}, shapes={"X": (4,), "V": (3,)}
    ),
}


@each(UNUSUAL, "e")
def test_gather_is_right_or_changes_nothing(e: Contraction) -> None:
    assert evaluate(gather(e), draw(e)) == evaluate(e, draw(e))
