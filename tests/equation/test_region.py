"""Which elements read which, against every product that there is; and the algebra of regions."""

import random
from itertools import combinations
from itertools import product as cartesian

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tails import beginning

from gradtrail.equation import (
    Array,
    Equation,
    Region,
    adjoint,
    contraction,
    gather,
    image,
    indices,
    preimage,
    term,
)

from . import brute
from .lines import CROPPED, FITTING
from .samples import EQUATIONS, FORWARD, GATHERED, LOSSES, SOURCES, each

W, X, Z = map(Array, "WXZ")
y, i = indices("y i")
ON_A_LINE = [line.convolution() for line in FITTING]
ON_A_LINE += [line.pool() for line in FITTING]
ON_A_LINE += [line.transposed() for line in CROPPED]


def targets(e: Equation) -> tuple[int, ...]:
    return e.shape_of[e.target.array]


def some_boxes(shape: tuple[int, ...], seed: int) -> list[Region]:
    """Every box of few axes; of many, every whole row and some boxes with gaps."""
    generator = random.Random(seed)
    whole = [range(size) for size in shape]
    rows = [
        Region.box(*whole[:axis], [at], *whole[axis + 1 :])
        for axis, size in enumerate(shape)
        for at in range(size)
    ]
    ragged = [
        Region.box(*([p for p in axis if generator.random() < 0.6] or [0] for axis in whole))
        for _ in range(8)
    ]
    return [Region.whole(shape), *rows, *ragged]


def assert_exact(e: Equation, operand: str, regions: list[Region], back: list[Region]) -> None:
    together = brute.read(e, operand)
    for region in regions:
        assert set(preimage(e, operand, region)) == brute.preimage(together, region), region
    for region in back:
        assert set(image(e, operand, region)) == brute.image(together, region), region


@pytest.mark.parametrize("part", beginning(1, range(3)))
def test_single_elements_on_the_grid(part: int) -> None:
    for e in ON_A_LINE[part::3]:
        ahead = [Region.element(at) for at in brute.elements(targets(e))]
        behind = [Region.element(at) for at in brute.elements(e.shape_of["X"])]
        assert_exact(e, "X", ahead, behind)


@pytest.mark.parametrize("part", beginning(1, range(5)))
def test_intervals_on_the_grid(part: int) -> None:
    """Every fifth setting always: of each stride, padding, dilation, kernel and size some."""

    def intervals(size: int) -> list[Region]:
        return [Region.box(range(a, b)) for a, b in combinations(range(size + 1), 2)]

    for e in ON_A_LINE[part::5]:
        assert_exact(e, "X", intervals(targets(e)[0]), intervals(e.shape_of["X"][0]))


READING = {
    f"{name}, {letter}": (e, letter)
    for name, e in FORWARD.items()
    for letter in SOURCES.get(name, e.operands)
}
READING |= {
    f"{name}, {letter}": (e, letter)
    for name, e in GATHERED.items()
    for letter in e.operands
    if letter in ("dZ", *SOURCES.get(name.removesuffix(", gathered"), ()))
}


@each(READING, "e", "operand")
def test_single_elements(e: Equation, operand: str) -> None:
    ahead = [Region.element(at) for at in brute.elements(targets(e))]
    behind = [Region.element(at) for at in brute.elements(e.shape_of[operand])]
    assert_exact(e, operand, ahead, behind)


@each(READING, "e", "operand")
def test_boxes(e: Equation, operand: str) -> None:
    assert_exact(e, operand, some_boxes(targets(e), 1), some_boxes(e.shape_of[operand], 2))


ALL = {f"{name}, {letter}": (e, letter) for name, e in EQUATIONS.items() for letter in e.operands}


@pytest.mark.parametrize("from_", beginning(1, range(4)))
def test_no_product_is_missed_whatever_the_operand(from_: int) -> None:
    """Parameters, adjoints and gathered forms, too: a region may name more, never less."""
    for name, (e, operand) in list(ALL.items())[from_::4]:
        together = brute.read(e, operand)
        for target in {target for target, _ in together}:
            found = set(preimage(e, operand, Region.element(target)))
            assert found >= brute.preimage(together, [target]), name
        for source in {source for _, source in together}:
            found = set(image(e, operand, Region.element(source)))
            assert found >= brute.image(together, [source]), name


@given(
    *(st.integers(1, 3) for _ in range(2)),
    *(st.integers(-3, 3) for _ in range(3)),
    st.integers(1, 4),
    st.integers(1, 3),
    st.data(),
)
@settings(max_examples=150, deadline=None)
def test_any_positions(a, c, b, d, shift, size, kernel, data) -> None:
    """`Z[y·a+i·b] += X[y·c+i·d+shift]`, absent wherever it leaves: the axes share both indices."""
    far = (20, 20)
    t = term(Z[y * a + i * b].padded(far), X[y * c + i * d + shift].padded(far))
    e = contraction(t, ranges={"y": size, "i": kernel}, shapes={"Z": (6,), "X": (5,)})
    ahead = Region.box(data.draw(st.sets(st.integers(0, 5))))
    behind = Region.box(data.draw(st.sets(st.integers(0, 4))))
    assert_exact(e, "X", [ahead], [behind])


# What no layer declares: a range chosen smaller than its axis, and gradients as loops of their own.
PARTIAL = {
    "crop": (contraction(term(Z[y], X[y]), ranges={"y": 3}, shapes={"X": (5,)}), "X"),
    "pad": (contraction(term(Z[y], X[y]), ranges={"y": 3}, shapes={"X": (3,), "Z": (5,)}), "X"),
    "diagonal": (contraction(term(Z[y], X[y, y]), ranges={}, shapes={"X": (3, 3)}), "X"),
    "rows between windows": (gather(adjoint(FORWARD["conv stride 3 > kernel"], "X")), "dZ"),
    "a branch's gradient": (adjoint(FORWARD["join 3"], "B"), "dZ"),
}


@each(PARTIAL, "e", "operand")
def test_the_whole_array_where_only_a_part_takes_part(e: Equation, operand: str) -> None:
    whole = [Region.whole(targets(e))], [Region.whole(e.shape_of[operand])]
    assert_exact(e, operand, *whole)


positions = st.sets(st.integers(0, 3), min_size=1)
boxes = st.lists(st.tuples(positions, positions, positions), max_size=5)


def union(listed) -> tuple[Region, set]:
    found, elements = Region(), set()
    for axes in listed:
        found |= Region.box(*axes)
        elements |= set(cartesian(*axes))
    return found, elements


@given(boxes)
def test_a_region_is_the_union_of_its_boxes(listed) -> None:
    region, elements = union(listed)
    assert list(region) == sorted(elements)


@given(boxes)
def test_a_region_counts_each_element_once(listed) -> None:
    region, elements = union(listed)
    assert len(region) == len(elements)
    assert bool(region) == bool(elements)


@given(boxes)
def test_a_region_contains_its_elements_and_no_other(listed) -> None:
    region, elements = union(listed)
    assert {at for at in brute.elements((4, 4, 4)) if at in region} == elements


@given(boxes.filter(bool))
def test_bounds_and_axes_are_those_of_the_elements(listed) -> None:
    region, elements = union(listed)
    axes = [tuple(sorted(set(axis))) for axis in zip(*elements, strict=True)]
    assert region.bounds == tuple((axis[0], axis[-1]) for axis in axes)
    assert tuple(map(region.axis, range(3))) == tuple(axes)


def test_a_box_takes_positions_in_any_order() -> None:
    box = Region.box([3, 0, 3], [1])
    assert (len(box), list(box)) == (2, [(0, 1), (3, 1)])
    assert box == Region.box([0, 3], [1])


def test_boxes_that_lie_side_by_side_become_one() -> None:
    parts = [Region.box([at], range(3)) | Region.box([at], [3, 4]) for at in range(4)]
    whole = parts[0] | parts[1] | parts[2] | parts[3]
    assert whole == Region.whole((4, 5))


def test_a_box_inside_another_adds_none() -> None:
    small, large = Region.box([2], [1, 3], [0]), Region.box(range(4), range(4), range(2))
    assert small | large == large | small == large


def test_the_empty_region_and_the_single_number() -> None:
    assert not Region.box([1], [])
    assert len(Region()) == 0
    assert list(Region.whole(())) == [()]
    assert image(LOSSES["cross-entropy"], "Z", Region()) == Region()
