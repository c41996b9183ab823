"""The engine's own exp, log, tanh, sigmoid, erf, max, step, where, … against float64; its masks.

Errors are measured in ulp, the distance between two neighbouring float32, where results are normal.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest
from test_activations import EVERY, POINTS, computed

from gradtrail.engines.cpu.builder import Code
from gradtrail.engines.cpu.compiler import Compiler
from gradtrail.engines.cpu.frame import SLOTS, Slot
from gradtrail.engines.cpu.kernels.kernel import Kernel
from gradtrail.engines.cpu.kernels.masks import DrawMask
from gradtrail.engines.cpu.layout import Layout
from gradtrail.engines.cpu.target import LANES
from gradtrail.engines.cpu.vector_math import OPERATIONS, compile_expression, vector_log
from gradtrail.equation.frozen import frozen
from gradtrail.equation.scalar import OPERATIONS as SCALAR
from gradtrail.equation.scalar import Expression, Literal, Variable, maximum
from gradtrail.layers.activations import Activation
from gradtrail.layers.layer import Draw
from gradtrail.streams import philox

from .agreeing import assert_same_bits
from .targets import FUSED, PRESETS, each_of, runs_here, target_named

each_target = pytest.mark.parametrize("name", each_of(*PRESETS))

NORMAL = float(np.finfo(np.float32).tiny)
SMALLEST = 2.0**-149


@frozen
class Apply(Kernel):
    """Applies an operation to every element. Arguments: the results, then each operand."""

    operation: str
    operands: int
    count: int

    def lines(self) -> list[str]:
        return []

    def write(self, code: Code) -> None:
        function = {**OPERATIONS, "log of normal numbers": vector_log}[self.operation]
        with code.loop("e", self.count // code.width) as e:
            place = [code.at(code.argument(a), e, 4 * code.width) for a in range(1 + self.operands)]
            code.store(function(code, *map(code.load, place[1:])), place[0])


@frozen
class Evaluate(Kernel):
    """The same for an expression in x."""

    expression: Expression
    count: int

    def lines(self) -> list[str]:
        return []

    def write(self, code: Code) -> None:
        with code.loop("e", self.count // code.width) as e:
            to, source = (code.at(code.argument(a), e, 4 * code.width) for a in range(2))
            code.store(compile_expression(code, self.expression, {"x": code.load(source)}), to)


@cache
def compiler(name: str) -> Compiler:
    return Compiler(target_named(name))


def run(name: str, kernel: Kernel, arrays: Sequence[np.ndarray], **fields: int) -> None:
    """Call a kernel with arrays that begin at a cache line."""
    piece = kernel.symbol, repr(kernel), lambda: kernel.text(target_named(name))
    (address,) = compiler(name).addresses([piece])
    arguments = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    frame = np.zeros(SLOTS, np.uint64)
    for field, value in fields.items():
        frame[Slot[field]] = value
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(address)
    function(ctypes.addressof(arguments), frame.ctypes.data)


def aligned(values: np.ndarray) -> np.ndarray:
    """The values as float32 in a row that begins at a cache line."""
    memory = np.empty(values.size + LANES, np.float32)
    start = (-memory.ctypes.data // 4) % LANES
    held = memory[start : start + values.size]
    held[...] = values
    return held


def padded(values: np.ndarray) -> np.ndarray:
    """Zeros behind, until registers are full."""
    return aligned(np.pad(values, (0, -len(values) % LANES)))


def applied(name: str, operation: str, *operands: np.ndarray) -> np.ndarray:
    """What the target's code gives for each element."""
    held = [padded(o) for o in operands]
    result = aligned(np.full(held[0].size, np.nan))
    run(name, Apply(operation, len(held), result.size), [result, *held])
    return result[: len(operands[0])]


def grid(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, 100_000).astype(np.float32)


def spread() -> np.ndarray:
    """Every 40,009th of all float32: subnormals, infinities and NaNs too, and the ends by hand."""
    some = np.arange(0, 1 << 32, 40_009, dtype=np.uint32).view(np.float32)
    edges = np.float32([0, SMALLEST, NORMAL - SMALLEST, NORMAL, np.finfo(np.float32).max, np.inf])
    return np.concatenate([some, edges, -edges, [np.float32(np.nan)]])


def in_float64(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return function(x.astype(np.float64))


def sigmoid(x: np.ndarray) -> np.ndarray:
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, decay) / (1.0 + decay)


erf = np.vectorize(math.erf, otypes=[float])


def ulps(got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.abs(got - expected) / np.spacing(np.abs(expected).astype(np.float32))


def assert_within(
    x: np.ndarray, got: np.ndarray, expected: np.ndarray, *, ulp: float = 0, absolute: float = 0
) -> None:
    """NaN where a NaN is expected; elsewhere off by so many ulp or by so much at most."""
    assert (np.isnan(got) == np.isnan(expected)).all()
    there = ~np.isnan(expected)
    x, got, expected = x[there], got[there].astype(np.float64), expected[there]
    off, difference = ulps(got, expected), np.abs(got - expected)
    wrong = ~((off <= ulp) | (difference <= absolute))
    if wrong.any():
        at = int(np.argmax(np.where(wrong, difference, -1)))
        raise AssertionError(
            f"at {x[at]!r} got {got[at]!r}, not {expected[at]!r}: off by {difference[at]:.3g}, "
            f"{off[at]:.3g} ulp; {wrong.sum()} of {len(x)} are wrong"
        )


@each_target
def test_exp(name: str) -> None:
    x = np.concatenate([grid(-104.5, 89.5), grid(-1, 1), spread()])
    got, expected = applied(name, "exp", x), in_float64(np.exp, x)
    lost = expected < SMALLEST / 2
    with np.errstate(over="ignore"):
        over = np.isinf(expected.astype(np.float32))
    assert (got[lost] == 0).all()
    assert (got[over] == np.inf).all()
    tiny = (expected < NORMAL) & ~lost
    assert tiny.sum() > 1000
    assert_within(x[tiny], got[tiny], expected[tiny], absolute=SMALLEST)
    rest = ~(lost | over | tiny)
    assert_within(x[rest], got[rest], expected[rest], ulp=2)
    assert applied(name, "exp", np.float32([0, -0.0, SMALLEST, -SMALLEST])).tolist() == [1.0] * 4


@each_target
def test_log_of_normal_numbers(name: str) -> None:
    """It is for normal positive numbers, and hands on ∞ and NaN."""
    x = np.concatenate([10.0 ** grid(-30, 30), grid(0.5, 2.0), spread()]).astype(np.float32)
    x = x[(np.isfinite(x) & (x >= NORMAL)) | np.isnan(x)]
    inside = ~((x < 1e-30) | (x > 1e30))
    got, expected = applied(name, "log of normal numbers", x), in_float64(np.log, x)
    assert_within(x[inside], got[inside], expected[inside], ulp=2)
    assert_within(x, got, expected, ulp=4)
    ends = applied(name, "log of normal numbers", np.float32([1, np.inf]))
    assert ends.tolist() == [0.0, np.inf]


@each_target
def test_log(name: str) -> None:
    """Of every number: −∞ at 0, a NaN below, and of subnormal numbers as of others."""
    x = np.concatenate([grid(0.5, 2.0), spread()])
    got, expected = applied(name, "log", x), in_float64(np.log, x)
    rest = ~np.isinf(expected)
    assert (got[~rest] == expected[~rest]).all()
    assert_within(x[rest], got[rest], expected[rest], ulp=4)


@each_target
@pytest.mark.parametrize(("operation", "function"), [("tanh", np.tanh), ("sigmoid", sigmoid)])
def test_tanh_and_sigmoid(name: str, operation: str, function: Callable) -> None:
    x = np.concatenate([grid(-20, 20), grid(-1, 1), spread()])
    got = applied(name, operation, x)
    assert_within(x, got, in_float64(function, x), ulp=4)
    assert (np.abs(got[~np.isnan(got)]) <= 1).all()
    ends = {"tanh": [-1.0, 1.0], "sigmoid": [0.0, 1.0]}[operation]
    assert applied(name, operation, np.float32([-np.inf, np.inf])).tolist() == ends


@each_target
def test_erf(name: str) -> None:
    """The greatest error is 1.9e-7 or 3.2 ulp, where the series meets the tail at 1."""
    x = np.concatenate([grid(-6, 6), grid(-1.001, 1.001), spread()])
    got, expected = applied(name, "erf", x), in_float64(erf, x)
    assert_within(x, got, expected, ulp=4)
    assert_within(x, got, expected, absolute=2e-7)
    assert applied(name, "erf", np.float32([-np.inf, 0, np.inf])).tolist() == [-1.0, 0.0, 1.0]


@each_target
def test_expm1_log1p_and_softplus(name: str) -> None:
    """All digits near 0, where exp(x) − 1 has lost them."""
    near = 10.0 ** grid(-30, -0.5)[::4]
    x = np.concatenate([grid(-18, 12), grid(-1, 1), near, -near, spread()]).astype(np.float32)
    for operation, ulp, function in (
        ("expm1", 2, np.expm1),
        ("log1p", 2, np.log1p),
        ("softplus", 2.5, lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))),
    ):
        got, expected = applied(name, operation, x), in_float64(function, x)
        with np.errstate(over="ignore"):
            ends = np.abs(expected) > 1e38
            np.testing.assert_allclose(got[ends], expected[ends].astype(np.float32), rtol=1e-6)
        assert_within(x[~ends], got[~ends], expected[~ends], ulp=ulp, absolute=NORMAL)
    zeros = np.float32([0.0, -0.0])
    for operation in ("expm1", "log1p"):
        assert np.signbit(applied(name, operation, zeros)).tolist() == [False, True]


@each_target
@pytest.mark.parametrize(
    ("exponent", "ulp"), [(2, 1), (3, 2), (-1, 1), (0.5, 1), (-2.5, 4), (7, 5)]
)
def test_powers_by_products_and_roots(name: str, exponent: float, ulp: float) -> None:
    x = np.concatenate([grid(-9, 9), spread()])
    result = aligned(np.zeros(padded(x).size))
    run(name, Evaluate(Variable("x") ** exponent, result.size), [result, padded(x)])
    got, expected = result[: len(x)], in_float64(lambda x: x**exponent, x)
    with np.errstate(over="ignore"):
        there = np.isfinite(expected.astype(np.float32)) & (np.abs(expected) > 1e-20)
    there &= np.abs(expected) < 1e20  # where no product on the way leaves the range
    assert_within(x[there], got[there], expected[there], ulp=ulp)
    above = x > -np.inf  # whose root is a NaN here, whatever the power
    assert (np.isnan(got) == np.isnan(expected))[above].all()


@each_target
def test_other_powers_by_the_logarithm(name: str) -> None:
    """To |c·log x| ulp."""
    x = np.float32([0, 1e-3, 0.5, 1, 2, 700, np.inf, np.nan, -1])
    result = aligned(np.zeros(LANES))
    run(name, Evaluate(Variable("x") ** 1.3, LANES), [result, padded(x)])
    expected = in_float64(lambda x: x**1.3, x)
    np.testing.assert_allclose(result[: len(x)], expected, rtol=2e-6)


@pytest.mark.parametrize("layer", EVERY, ids=repr)
def test_activations_and_their_slopes(layer: Activation) -> None:
    """As machine code in float32, at the points where PyTorch's are compared."""
    x = POINTS.astype(np.float32)
    values, slopes = computed(layer, x.astype(np.float64))
    for expected, function in ((values, layer.function), (slopes, layer.function.derivative)):
        result = aligned(np.zeros(padded(x).size))
        run("baseline", Evaluate(function.body, result.size), [result, padded(x)])
        np.testing.assert_allclose(result[: len(x)], expected, rtol=3e-6, atol=1e-6)


def pairs() -> list[np.ndarray]:
    """Every pair of some numbers, and numbers at random."""
    some = np.float32([0, SMALLEST, -SMALLEST, 1, -1, 3e38, -3e38, np.inf, -np.inf, np.nan])
    draw = np.random.Generator(np.random.PCG64(3))
    both = np.meshgrid(some, some)
    return [np.append(b.ravel(), draw.standard_normal(60)).astype(np.float32) for b in both]


def assert_equal(got: np.ndarray, expected: Sequence[float]) -> None:
    np.testing.assert_array_equal(got, np.float32(expected))


@each_target
def test_choices_are_those_of_scalar(name: str) -> None:
    """They round nothing; to `max` and `min` a NaN is the greatest and the least, not above 0."""
    x, y = pairs()
    z = np.roll(x, 7)
    choices = {"max": (x, y), "min": (x, y), "step": (x,), "where": (x, y, z)}
    whole = np.append(x, np.float32([0.5, 1.5, 2.5, -0.5, -1.5, 8388609, -8388607.5]))
    choices |= dict.fromkeys(("abs", "sign", "floor", "round"), (whole,))
    for operation, operands in choices.items():
        expected = [SCALAR[operation](*map(float, each)) for each in zip(*operands, strict=True)]
        assert_equal(applied(name, operation, *operands), expected)


@each_target
def test_the_positive_part_is_max_with_0(name: str) -> None:
    x = padded(spread())
    result = aligned(np.zeros(x.size))
    run(name, Evaluate(maximum(Variable("x"), Literal(0.0)), x.size), [result, x])
    assert_equal(result, np.where(np.isnan(x) | (x > 0), x, 0))


@pytest.mark.parametrize("name", each_of(*(n for n in FUSED if n != "avx2")))
def test_same_bits_with_any_fused_target(name: str) -> None:
    """Which NaN it is may differ; that it is one may not."""
    if not runs_here("avx2"):
        pytest.skip("this machine lacks AVX2")
    x = np.concatenate([grid(-104, 89), grid(-2, 2), spread()])
    for operation in ("exp", "expm1", "log", "log1p", "softplus", "tanh", "sigmoid", "erf", "step"):
        ours, theirs = (applied(n, operation, x) for n in (name, "avx2"))
        for bits in (ours, theirs):
            bits[np.isnan(bits)] = np.nan
        assert_same_bits({operation: ours}, {operation: theirs}, name)


# seed, step, layer, the block's first sample
PLACES = [
    (0, 0, 0, 0),
    (1, 0, 0, 16),
    (7 << 32 | 5, 3, 2, 0),
    ((1 << 64) - 1, (1 << 32) - 1, 300, (1 << 20) + 48),
]


@each_target
@pytest.mark.parametrize(("seed", "step", "layer", "first"), PLACES)
@pytest.mark.parametrize("p", [0.0, 0.3, 0.999])
def test_masks_are_the_words_of_philox(
    name: str, seed: int, step: int, layer: int, first: int, p: float
) -> None:
    count = 4 * 9 + 3
    draw = Draw.of(p, together=first == 16)  # then all lanes have the words of the batch's first
    mask = aligned(np.full((count + 1) * LANES, np.nan))
    kernel = DrawMask(Layout((count,)), layer, draw)
    run(name, kernel, [mask], SEED=seed, STEP=step, FIRST=first)

    element, sample = np.arange(count)[:, None], first + np.arange(LANES)
    sample = 0 * sample if draw.together else sample
    drawn = philox((seed & 0xFFFFFFFF, seed >> 32), (element // 4, sample, step, layer))
    words = np.take_along_axis(drawn, (element % 4)[..., None], axis=-1)[..., 0]
    expected = np.where(words < draw.threshold, 0, np.float32(1 / (1 - p)))
    assert_equal(mask[: count * LANES].reshape(count, LANES), expected)
    assert np.isnan(mask[count * LANES :]).all()  # nothing is written behind


@each_target
def test_a_word_at_the_threshold_is_kept(name: str) -> None:
    """So every bit of a word counts."""
    words = philox((3, 0), (np.arange(2)[:, None], np.arange(LANES), 1, 4))
    words = words.transpose(0, 2, 1).reshape(8, LANES)
    for element, sample in ((0, 0), (2, 9), (5, 15), (7, 3)):
        word = int(words[element, sample])
        for threshold in (word, word + 1):
            mask = aligned(np.zeros(8 * LANES))
            kernel = DrawMask(Layout((8,)), 4, Draw(threshold, 2.0))
            run(name, kernel, [mask], SEED=3, STEP=1)
            expected = np.where(words < threshold, 0, 2)
            assert_equal(mask.reshape(8, LANES), expected)
