"""Laws of the nest generator: what a schedule may change, and what it must not.

Around what a nest may read there are NaNs, and around what it may write there is a number that must
stay. Whole numbers are summed without rounding, so they are compared with NumPy for equality.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest

from gradtrail.engines.cpu.compiler import Compiler
from gradtrail.engines.cpu.frame import SLOTS
from gradtrail.engines.cpu.kernels.kernel import Kernel
from gradtrail.engines.cpu.kernels.lanes import SumLanes
from gradtrail.engines.cpu.kernels.nest_kernel import NestKernel
from gradtrail.engines.cpu.nest import PART, Clip, Factor, LoopSchedule, Nest, Stream, TermSum
from gradtrail.engines.cpu.target import LANES
from gradtrail.equation.scalar import Function, Literal, Variable, maximum

from .agreeing import assert_same_bits
from .targets import FUSED, each_of, over, runs_here, target_named

UNTOUCHED = 7.0
GUARD = 12
"""Rows of lanes before and behind every array."""

NAMES = ("avx2", "avx512", "baseline", *FUSED[2:])
each_target = pytest.mark.parametrize("name", each_of(*NAMES))


@cache
def compiler(name: str) -> Compiler:
    return Compiler(target_named(name))


def run_all(name: str, calls: Sequence[tuple[Kernel, Sequence[np.ndarray]]]) -> None:
    """Call kernels, which are compiled together."""
    target = target_named(name)
    pieces = [(k.symbol, repr(k), lambda k=k: k.text(target)) for k, _ in calls]
    addresses = compiler(name).addresses(pieces)
    frame = np.zeros(SLOTS, np.int64)
    for address, (_, arrays) in zip(addresses, calls, strict=True):
        arguments = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(address)
        function(ctypes.addressof(arguments), frame.ctypes.data)


def run(name: str, kernel: Kernel, arrays: Sequence[np.ndarray]) -> None:
    run_all(name, [(kernel, arrays)])


def placed(values: object, around: float = np.nan, dtype: type = np.float32) -> np.ndarray:
    """The values at a cache line, `around` them something else."""
    values = np.asarray(values, dtype)
    edge = GUARD * LANES
    memory = np.full(values.size + 2 * edge + 64, around, dtype)
    start = edge + (-(memory.ctypes.data + edge * values.itemsize) % 64) // values.itemsize
    held = memory[start : start + values.size].reshape(values.shape)
    held[...] = values
    return held


def target_array(values: object) -> np.ndarray:
    return placed(values, UNTOUCHED)


def assert_untouched(array: np.ndarray) -> None:
    memory = array.base
    while memory.base is not None:
        memory = memory.base
    start = (array.ctypes.data - memory.ctypes.data) // array.itemsize
    outside = np.delete(memory, np.s_[start : start + array.size])
    assert (outside == UNTOUCHED).all()


def drawn(seed: int, *shape: int) -> np.ndarray:
    return placed(np.random.Generator(np.random.PCG64(seed)).standard_normal(shape))


def whole(seed: int, *shape: int) -> np.ndarray:
    """Whole numbers, whose sums of products are exact in float32."""
    return placed(np.random.Generator(np.random.PCG64(seed)).integers(-9, 10, shape))


def stream(argument: int, array: np.ndarray, names: str, *, lanes: bool = True) -> Stream:
    """An array whose axes are one index each."""
    return Stream(argument, tuple(zip(names, array.strides, strict=False)), lanes=lanes)


def scheduled(nest: Nest, **changes: object) -> NestKernel:
    return NestKernel(replace(nest, schedule=replace(nest.schedule, **changes)))


# -- what a schedule must not change -----------------------------------------------------------

K, X, C, J = 5, 7, 3, 4


def convolution() -> tuple[Nest, list[np.ndarray]]:
    """Z[k,x] = b[k] + Σ_{c,j} W[k,c,j]·X[c,x+j]."""
    source, weights, bias = drawn(1, C, X + J - 1, LANES), drawn(2, K, C, J), drawn(3, K)
    moving = Stream(1, (("c", source.strides[0]), ("x", 64), ("j", 64)))
    terms = (
        TermSum((Factor(stream(3, bias, "k", lanes=False)),)),
        TermSum((Factor(stream(2, weights, "kcj", lanes=False)), Factor(moving)), ("c", "j")),
    )
    result = Stream(0, (("k", X * 64), ("x", 64)))
    ranges = (("k", K), ("x", X), ("c", C), ("j", J))
    return Nest(result, terms, ranges, LoopSchedule(("k", "x", PART))), [source, weights, bias]


def convolved(name: str, adds: bool = False, **changes: object) -> np.ndarray:
    nest, arrays = convolution()
    before = drawn(4, K, X, LANES) if adds else np.full((K, X, LANES), np.nan)
    z = target_array(before)
    run(name, scheduled(replace(nest, adds=adds), **changes), [z, *arrays])
    assert_untouched(z)
    return z


def assert_same(got: np.ndarray, expected: np.ndarray, what: object) -> None:
    assert_same_bits({"Z": got}, {"Z": expected}, str(what))


@each_target
def test_the_nest_is_the_sum_that_it_says(name: str) -> None:
    _, (source, weights, bias) = convolution()
    windows = np.lib.stride_tricks.sliding_window_view(source.astype(np.float64), J, axis=1)
    expected = bias[:, None, None] + np.einsum("kcj,cxnj->kxn", weights.astype(float), windows)
    np.testing.assert_allclose(convolved(name), expected, rtol=0, atol=1e-5)
    added = drawn(4, K, X, LANES) + expected
    np.testing.assert_allclose(convolved(name, adds=True), added, rtol=0, atol=1e-5)


@each_target
def test_any_tile_gives_the_same_bits(name: str) -> None:
    """Sizes that divide a range and others; `overlap` is not for what adds to its target."""
    once, adding = convolved(name), convolved(name, adds=True)
    parts = target_named(name).parts
    for k, x, part in ((1, 1, parts), (2, 3, 1), (3, 2, parts), (4, 5, 1), (K, X, parts)):
        tile = (("k", k), ("x", x), (PART, part))
        for rest in ("overlap", "shorter"):
            assert_same(convolved(name, tile=tile, rest=rest), once, (tile, rest))
        assert_same(convolved(name, True, tile=tile, rest="shorter"), adding, tile)


@each_target
def test_a_tile_wider_than_its_range_is_the_range(name: str) -> None:
    tile = (("k", K + 2), ("x", X + 1))
    for rest in ("overlap", "shorter"):
        assert_same(convolved(name, tile=tile, rest=rest), convolved(name), rest)


@each_target
def test_unrolled_or_looped_sums_give_the_same_bits(name: str) -> None:
    """The innermost summed indices are those that may be written out."""
    for unrolled in (("j",), ("c", "j")):
        got = convolved(name, unrolled=unrolled, tile=(("x", 2),))
        assert_same(got, convolved(name), unrolled)


@each_target
def test_outer_loops_apart_or_in_any_order_give_the_same_bits(name: str) -> None:
    for outer in (("k", "x", PART), (PART, "x", "k")):
        for apart in ((), ("k",), ("x",), ("k", "x")):
            got = convolved(name, outer=outer, apart=apart, unrolled=("j",))
            assert_same(got, convolved(name), (outer, apart))


@pytest.mark.parametrize("name", each_of(*FUSED))
def test_same_bits_with_any_fused_target(name: str) -> None:
    if not runs_here("avx2"):
        pytest.skip("this machine lacks AVX2")
    tile = (("k", 2), ("x", 3), (PART, target_named(name).parts))
    got = convolved(name, tile=tile, rest="shorter", unrolled=("c", "j"))
    assert_same(got, convolved("avx2"), name)


# -- indices that leave their arrays -----------------------------------------------------------

SIZE, Y, I = 6, 5, 3
COEFFICIENTS = [*product((1, 2, 3, -1, -2), (1, -2), (-3, 0, 4)), (1, 1, -20), (-1, 1, 30)]
"""Factors of y and of i in a position, and what is added; some leave nothing inside."""


def position(s: int, d: int, constant: int, y: int, i: int) -> int:
    return s * y + d * i + constant


def placing(s: int, d: int, constant: int, **changes: object) -> Nest:
    """T[s·y + d·i + constant] += W[i]·D[y], where the position is inside T."""
    return Nest(
        Stream(0, (("y", 64 * s), ("i", 64 * d)), 64 * constant),
        (TermSum((Factor(Stream(1, (("i", 4),), lanes=False)), Factor(Stream(2, (("y", 64),))))),),
        (("y", Y), ("i", I)),
        LoopSchedule(**{"outer": ("i", "y", PART), "rest": "shorter", **changes}),
        adds=True,
        clips=(Clip("y", s, (("i", d),), constant, SIZE),),
    )


def gathering(s: int, d: int, constant: int, **changes: object) -> Nest:
    """Z[i] = Σ_y W[y]·X[s·y + d·i + constant], over the y whose position is inside X."""
    moving = Stream(2, (("y", 64 * s), ("i", 64 * d)), 64 * constant)
    return Nest(
        Stream(0, (("i", 64),)),
        (TermSum((Factor(Stream(1, (("y", 4),), lanes=False)), Factor(moving)), ("y",)),),
        (("y", Y), ("i", I)),
        LoopSchedule(**{"outer": ("i", PART), **changes}),
        clips=(Clip("y", s, (("i", d),), constant, SIZE),),
    )


def inside(s: int, d: int, constant: int) -> list[tuple[int, int, int]]:
    """All y, i and their positions, where they are inside."""
    found = ((y, i, position(s, d, constant, y, i)) for y in range(Y) for i in range(I))
    return [(y, i, at) for y, i, at in found if 0 <= at < SIZE]


def assert_placed(name: str, numbers: Sequence[tuple[int, int, int]], **changes: object) -> None:
    weights, source, before = whole(1, I), whole(2, Y, LANES), whole(3, SIZE, LANES)
    results = [target_array(before) for _ in numbers]
    kernels = [NestKernel(placing(*n, **changes)) for n in numbers]
    calls = [(k, [t, weights, source]) for k, t in zip(kernels, results, strict=True)]
    run_all(name, calls)
    for n, result in zip(numbers, results, strict=True):
        expected = before.copy()
        for y, i, at in inside(*n):
            expected[at] += weights[i] * source[y]
        np.testing.assert_array_equal(result, expected, str(n))
        assert_untouched(result)


def assert_gathered(name: str, numbers: Sequence[tuple[int, int, int]], **changes: object) -> None:
    weights, source = whole(1, Y), whole(2, SIZE, LANES)
    results = [target_array(np.full((I, LANES), np.nan)) for _ in numbers]
    kernels = [NestKernel(gathering(*n, **changes)) for n in numbers]
    calls = [(k, [t, weights, source]) for k, t in zip(kernels, results, strict=True)]
    run_all(name, calls)
    for n, result in zip(numbers, results, strict=True):
        expected = np.zeros((I, LANES))
        for y, i, at in inside(*n):
            expected[i] += weights[y] * source[at]
        np.testing.assert_array_equal(result, expected, str(n))
        assert_untouched(result)


SCHEDULES: Mapping[str, dict[str, object]] = {
    "by one": {},
    "tiled": {"tile": (("y", 2),)},
    "apart": {"apart": ("i",)},
    "apart, tiled": {"apart": ("i",), "tile": (("y", 3),)},
}


@pytest.mark.parametrize(("schedule", "name"), over(SCHEDULES, *NAMES))
def test_an_outer_index_runs_inside_the_target_only(schedule: str, name: str) -> None:
    assert_placed(name, COEFFICIENTS, **SCHEDULES[schedule])


@each_target
def test_a_summed_index_runs_inside_the_factor_only(name: str) -> None:
    assert_gathered(name, COEFFICIENTS)


def always_some(numbers: tuple[int, int, int]) -> bool:
    return {i for _, i, _ in inside(*numbers)} == set(range(I))


@each_target
def test_a_summed_index_whose_bounds_are_numbers(name: str) -> None:
    """Where the outer index is written out, bounds are known while writing."""
    some = [n for n in COEFFICIENTS if always_some(n)]
    assert len(some) > 10
    assert_gathered(name, some, apart=("i",))


@each_target
def test_a_sum_that_is_known_to_be_empty_is_0(name: str) -> None:
    none = [n for n in COEFFICIENTS if not always_some(n)]
    assert_gathered(name, none, apart=("i",))


# -- sums over the lanes -----------------------------------------------------------------------


def halved(lanes: np.ndarray) -> np.ndarray:
    """Halves of the last axis are added in float32 until one number is left."""
    while lanes.shape[-1] > 1:
        half = lanes.shape[-1] // 2
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes[..., 0]


@each_target
@pytest.mark.parametrize("adds", [False, True])
def test_lanes_are_summed_in_halves(name: str, adds: bool) -> None:
    """DW[k] = Σ_n D[k,n], one product each, so that only the tree rounds."""
    source, before = drawn(1, K, LANES), drawn(2, K)
    term = TermSum((Factor(stream(1, source, "k")),))
    parts = (PART, target_named(name).parts)
    for tile in ((parts,), (("k", 2), parts), (("k", K), parts)):
        schedule = LoopSchedule(("k", PART), tile, rest="shorter")
        result = Stream(0, (("k", 4),), lanes=False)
        nest = Nest(result, (term,), (("k", K),), schedule, adds, over_lanes=True)
        target = target_array(before)
        run(name, NestKernel(nest), [target, source])
        expected = before + halved(source) if adds else halved(source)
        assert_same(target, expected, tile)
        assert_untouched(target)


@each_target
def test_lanes_that_waited_in_memory_are_summed_in_the_same_halves(name: str) -> None:
    for count in (1, 3, LANES, 2 * LANES + 5):
        source, before = drawn(1, count, LANES), drawn(2, count)
        target = target_array(before)
        run(name, SumLanes(count), [target, source])
        assert_same(target, before + halved(source), count)
        assert_untouched(target)


def test_the_tree_is_no_other() -> None:
    """The numbers above tell halves from neighbours and from one after the other."""
    lanes = drawn(1, K, LANES)
    neighbours = lanes
    while neighbours.shape[-1] > 1:
        neighbours = neighbours[..., ::2] + neighbours[..., 1::2]
    assert (halved(lanes) != neighbours[..., 0]).any()
    assert (halved(lanes) != np.cumsum(lanes, axis=-1, dtype=np.float32)[:, -1]).any()


# -- gates -------------------------------------------------------------------------------------

RELU = Function("relu", maximum(Variable("x"), Literal(0.0)))
SQUARED = Function("sq", maximum(Variable("x"), Literal(0.0)) * maximum(Variable("x"), 0.0))


@each_target
@pytest.mark.parametrize("element", ["i8", "i32"])
def test_a_gate_that_is_closed_lets_no_nan_through(name: str, element: str) -> None:
    """Z[y] = Σ_i [A[y] = 2·i + 1]·D[y,i], where all that does not win is a NaN."""
    draw = np.random.Generator(np.random.PCG64(5))
    winner = draw.integers(0, 3, (Y, LANES))
    source = drawn(1, Y, I, LANES)
    np.moveaxis(source, 1, 2)[np.arange(I) != winner[..., None]] = np.nan
    kind = np.int8 if element == "i8" else np.int32
    held = placed(2 * winner + 1, 0, kind)
    a = Stream(1, (("y", LANES * held.itemsize),), element=element)
    gate = Factor(a, equals=((("i", 2),), 1))
    terms = (TermSum((gate, Factor(stream(2, source, "yi"))), ("i",)),)
    expected = np.take_along_axis(source, winner[:, None], axis=1)[:, 0]
    for changes in ({}, {"unrolled": ("i",)}, {"tile": (("y", 2),)}):
        schedule = LoopSchedule(**{"outer": ("y", PART), **changes})
        nest = Nest(Stream(0, (("y", 64),)), terms, (("y", Y), ("i", I)), schedule)
        target = target_array(np.full((Y, LANES), np.nan))
        run(name, NestKernel(nest), [target, held, source])
        np.testing.assert_array_equal(target, expected, str(changes))
        assert_untouched(target)


@each_target
@pytest.mark.parametrize("function", [RELU, SQUARED], ids=lambda f: f.name)
def test_a_slope_of_0_lets_no_nan_through(name: str, function: Function) -> None:
    """Z[y] = f′(V[y])·D[y]: nothing where f′ is 0, and a NaN where it is not and D is one."""
    slopes, source = drawn(1, Y, LANES), drawn(2, Y, LANES)
    slopes[0, :2] = 0.0, -0.0
    source[slopes <= 0] = np.nan
    source[1] = np.nan
    factors = Factor(stream(1, slopes, "y"), function.derivative), Factor(stream(2, source, "y"))
    nest = Nest(
        Stream(0, (("y", 64),)), (TermSum(factors),), (("y", Y),), LoopSchedule(("y", PART))
    )
    target = target_array(np.full((Y, LANES), UNTOUCHED))
    run(name, NestKernel(nest), [target, slopes, source])
    slope = 1.0 if function is RELU else 2 * slopes
    np.testing.assert_allclose(target, np.where(slopes <= 0, 0, slope * source), rtol=1e-6)
    assert np.isnan(target[1][slopes[1] > 0]).all()
    assert not np.isnan(target[2]).any()
    assert_untouched(target)
