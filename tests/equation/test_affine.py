"""Numbers with symbols and affine positions: their arithmetic agrees with that of their values."""

import re
from fractions import Fraction
from itertools import product as cartesian

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtrail.equation import Affine, Array, Number, index, indices, one_to_one, term

y, i, j = indices("y i j")
X, Z = Array("X"), Array("Z")
RANGES = {"y": 3, "i": 2, "j": 4}
POINTS = [dict(zip(RANGES, v, strict=True)) for v in cartesian(*map(range, RANGES.values()))]

symbols = st.sampled_from(["", "s", "p", "H·W"])
numbers = st.builds(Number, st.integers(-4, 4), symbols)
positions = st.builds(
    lambda coefficients, offset: (
        sum((index(n) * c for n, c in zip(RANGES, coefficients, strict=True)), Affine()) + offset
    ),
    st.tuples(numbers, numbers, numbers),
    numbers,
)


def value(written: str, symbol: dict[str, int]) -> int:
    """A symbol's arithmetic by Python, for these values of its letters."""
    python = written.replace("·", "*").replace("−", "-")
    return eval(
        re.sub(r"[A-Za-z]+", lambda name: f"{name[0]}_", python),
        {f"{name}_": held for name, held in symbol.items()},
    )


VALUES = {"s": 2, "p": 3, "H": 5, "W": 7}
named = st.sampled_from(
    [Number(held, name) for name, held in VALUES.items()] + [Number(held) for held in (0, 1, -1, 4)]
)


@given(named, named, named)
def test_a_numbers_symbol_says_its_value(a: Number, b: Number, c: Number) -> None:
    for found in (a + b, a - b, a * b, -a, (a + b) * c, a - (b + c), (a - b) * (c - a), -(a - b)):
        assert value(found.text(), VALUES) == found.value


@given(named, named, named)
def test_with_numbers_put_in_it_says_the_same(a: Number, b: Number, c: Number) -> None:
    found = a * b - c
    assert int(found.text(numbers=True).replace("−", "-")) == found.value


@pytest.mark.parametrize("value", [Fraction(1, 3), Fraction(-7, 2)])
def test_a_fraction_is_not_whole(value: Fraction) -> None:
    with pytest.raises(ValueError, match=f"{value} is not a whole number"):
        _ = Number(value).integer


@given(positions, positions, numbers)
def test_arithmetic_of_positions_is_that_of_their_values(a: Affine, b: Affine, c: Number) -> None:
    for point in POINTS:
        assert (a + b).at(point) == a.at(point) + b.at(point)
        assert (a - b).at(point) == a.at(point) - b.at(point)
        assert (a * c).at(point) == a.at(point) * c.value
        assert (a + c).at(point) == a.at(point) + c.value


@given(positions, st.integers(1, 5))
def test_a_quotient_exists_where_it_is_even(a: Affine, divisor: int) -> None:
    for point in POINTS:
        whole, remainder = divmod(a.at(point), divisor)
        assert (a / divisor).at(point) == (whole if remainder == 0 else None)


@given(positions, st.integers(1, 5))
def test_bounds_are_the_least_and_the_greatest_value(a: Affine, divisor: int) -> None:
    values = [Fraction(a.at(point), divisor) for point in POINTS]
    low, high = (a / divisor).bounds(RANGES)
    assert (low, high) == (-(-min(values) // 1), max(values) // 1)


@given(positions, positions, st.integers(1, 3))
def test_substitution_is_evaluation_in_two_steps(a: Affine, b: Affine, divisor: int) -> None:
    put_in = (a / divisor).substitute({"y": b, "i": 1})
    for point in POINTS:
        assert put_in.at(point) == (a / divisor).at(point | {"y": b.at(point), "i": 1})


def test_renaming_is_simultaneous() -> None:
    swapped = (y * 2 + i).rename({"y": "i", "i": "y"})
    assert swapped.at({"y": 1, "i": 10}) == 21


@given(positions)
def test_the_repr_of_a_position_evaluates_back(a: Affine) -> None:
    again = eval(repr(a), {"Affine": Affine, "Number": Number, "index": index})
    assert again == a
    assert hash(again) == hash(a)


@pytest.mark.parametrize(
    ("position", "plain"),
    [(y, "y"), (y * 1, "y"), (y + 0, "y"), (y * 2, None), (y + 1, None), (y / 2, None)],
)
def test_plain_is_a_bare_index_and_nothing_else(position: Affine, plain: str | None) -> None:
    assert position.plain == plain


@pytest.mark.parametrize("wrong", [lambda: y / 2 + i, lambda: (y / 2) * 3, lambda: (y / 2) / 2])
def test_a_quotient_takes_part_in_no_further_sum(wrong) -> None:
    with pytest.raises(ValueError, match="divide last"):
        wrong()


@pytest.mark.parametrize("divisor", [0, -2])
def test_a_divisor_is_positive(divisor: int) -> None:
    with pytest.raises(ValueError, match=rf"divided by a positive number, not by .*{divisor}"):
        y / divisor


@given(
    st.integers(-4, 4), st.integers(-4, 4), st.integers(-4, 4), st.tuples(*[st.integers(1, 4)] * 3)
)
def test_what_is_called_one_to_one_is(a: int, b: int, c: int, sizes: tuple[int, ...]) -> None:
    ranges = dict(zip("yij", sizes, strict=True))
    t = term(Z[y * a + i * b, j * c], X[y, i, j])
    reached = [t.target.at(dict(zip("yij", v, strict=True))) for v in cartesian(*map(range, sizes))]
    shown = {n: size for n, size in ranges.items() if n in t.target.names}
    if one_to_one(t, ranges) and len(shown) == 3:
        assert len(set(reached)) == len(reached)


@pytest.mark.parametrize("sizes", [(3, 2), (2, 3), (1, 4), (4, 1)])
def test_mixed_radix_is_one_to_one(sizes: tuple[int, int]) -> None:
    ranges = dict(zip("yi", sizes, strict=True))
    assert one_to_one(term(Z[y * sizes[1] + i], X[y, i]), ranges)


@pytest.mark.parametrize("target", [Z[y + i], Z[y, y], Z[y * 2 + i * 3]])
def test_windows_that_overlap_are_not_one_to_one(target) -> None:
    assert not one_to_one(term(target, X[y, i]), {"y": 4, "i": 3})
