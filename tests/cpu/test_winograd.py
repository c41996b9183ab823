"""Winograd convolution in all three passes, against sums of products in float64.

Arrays lie in memory as the engine has them. Around what a kernel may read there are NaNs, and
around what it may write a number that must stay: so reading or writing outside is seen.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.engines.cpu.compiler import Compiler
from gradtrail.engines.cpu.frame import SLOTS, Slot
from gradtrail.engines.cpu.kernels.kernel import Kernel
from gradtrail.engines.cpu.layout import Layout
from gradtrail.engines.cpu.nest import Epilogue, Stream
from gradtrail.engines.cpu.planning import winograd
from gradtrail.engines.cpu.target import LANES
from gradtrail.engines.cpu.winograd import (
    Convolution,
    PackWeights,
    Tiles,
    UnpackGradient,
    WeightGradient,
    estimated_cycles,
    gradient,
    turned,
)
from gradtrail.engines.cpu.winograd.points import transforms
from gradtrail.equation.scalar import Function, Literal, Variable, maximum
from gradtrail.errors import ArgumentError

from .targets import FUSED, LONG, each_of, over, runs_here, target_named

TOLERANCE = {2: 1e-6, 4: 3e-6}
"""m → root mean square error relative to the result's. Up to 3.2e-7 and 1.3e-6 were seen; with one
of the transforms' coefficients wrong it is above 1e-2."""

UNTOUCHED = 7.0

Shape = tuple[int, int, int, int, int]
"""C, K, H, W of the outputs, padding."""

SHAPES = [(3, 5, 7, 6, 1), (20, 17, 5, 9, 0)]
MORE_SHAPES = [
    *((1, 1, 8, 8, 1), (5, 16, 26, 26, 0), (16, 20, 4, 4, 1)),
    *((20, 3, 6, 9, 2), (1, 64, 5, 5, 1), (64, 64, 8, 8, 1)),
]

TARGETS = over([2, 4], "avx512", "avx2", "baseline", *FUSED[2:])
LATER = [param for param in TARGETS if param.values[1] in ("avx2", "avx512")]
each_target_and_m = pytest.mark.parametrize(("m", "name"), TARGETS)
each_target_m_and_shapes = pytest.mark.parametrize(
    ("m", "name", "shapes"),
    [
        *(pytest.param(*p.values, SHAPES, marks=p.marks, id=p.id) for p in TARGETS),
        *(
            pytest.param(*p.values, MORE_SHAPES, marks=(*p.marks, LONG), id=f"{p.id}-more")
            for p in LATER
        ),
    ],
)
each_m = pytest.mark.parametrize("m", [2, 4])


def aligned(*shape: int) -> np.ndarray:
    """An array of NaNs that begins at a cache line."""
    size = int(np.prod(shape))
    memory = np.full(size + 16, np.nan, np.float32)
    start = (-memory.ctypes.data // 4) % 16
    return memory[start : start + size].reshape(shape)


def scratch(size: int) -> np.ndarray:
    return aligned(size // 4)


def drawn(seed: int, *shape: int) -> np.ndarray:
    found = aligned(*shape)
    found[...] = np.random.Generator(np.random.PCG64(seed)).standard_normal(shape)
    return found


def planes(values: np.ndarray, margin: int, around: float) -> tuple[np.ndarray, np.ndarray]:
    """Values (channels, H, W, 16 samples) with a margin; the whole array and the part within."""
    channels, height, width, _ = values.shape
    whole = aligned(channels, height + 2 * margin, width + 2 * margin, LANES)
    whole[...] = around
    within = whole[:, margin : margin + height, margin : margin + width]
    within[...] = values
    return whole, within


def padded(values: np.ndarray, padding: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def stream(argument: int, whole: np.ndarray, names: str, margin: int) -> Stream:
    """Over all of an array but the margin."""
    strides = whole.strides[:3]
    return Stream(argument, tuple(zip(names, strides, strict=True)), margin * sum(strides[1:]))


_COMPILERS: dict[str, Compiler] = {}


def run(name: str, kernel: Kernel, arrays: Sequence[np.ndarray], stop: int = 0) -> None:
    target = target_named(name)
    compiler = _COMPILERS.setdefault(name, Compiler(target))
    piece = kernel.symbol, repr(kernel), lambda: kernel.text(target)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(
        compiler.addresses([piece])[0]
    )
    arguments = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    frame = np.zeros(SLOTS, np.int64)
    for start, end in pairwise([0, *range(1, stop), stop] if stop else [0, 0]):  # slice by slice
        frame[Slot.START], frame[Slot.STOP] = start, end
        function(ctypes.addressof(arguments), frame.ctypes.data)


def packed(name: str, kernel: PackWeights, weights: np.ndarray) -> np.ndarray:
    found = scratch(kernel.size)
    run(name, kernel, [found, weights], kernel.sixteens)
    return found


def correlation(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Z[k,y,x,n] = Σ_{c,i,j} W[k,c,i,j]·X[c,y+i,x+j,n] in float64, X with its padding."""
    height, width = x.shape[1] - 2, x.shape[2] - 2
    return sum(
        np.einsum(
            "kc,cyxn->kyxn",
            weights[:, :, i, j].astype(np.float64),
            x[:, i : i + height, j : j + width].astype(np.float64),
        )
        for i in range(3)
        for j in range(3)
    )


def weight_gradient(x: np.ndarray, dz: np.ndarray) -> np.ndarray:
    """dW[k,c,i,j] = Σ_{n,y,x} dZ[k,y,x,n]·X[c,y+i,x+j,n] in float64, X with its padding."""
    height, width = dz.shape[1:3]
    found = np.empty((len(dz), len(x), 3, 3))
    for i, j in np.ndindex(3, 3):
        window = x[:, i : i + height, j : j + width].astype(np.float64)
        found[:, :, i, j] = np.einsum("kyxn,cyxn->kc", dz.astype(np.float64), window)
    return found


def assert_near(got: np.ndarray, expected: np.ndarray, m: int, what: object) -> None:
    error = np.sqrt(np.mean((got - expected) ** 2) / np.mean(expected**2))
    assert error <= TOLERANCE[m], f"{what}: relative error {error:.3g}, allowed {TOLERANCE[m]}"


def assert_untouched(whole: np.ndarray, margin: int) -> None:
    edge = np.ones(whole.shape, bool)
    edge[:, margin:-margin, margin:-margin] = False
    assert (whole[edge] == UNTOUCHED).all()


@each_m
def test_matrices_correlate_exactly(m: int) -> None:
    matrices = transforms(m)
    x = [Fraction(n * n - 7, 3) for n in range(m + 2)]
    w = [Fraction(2), Fraction(-1, 5), Fraction(4)]

    def times(matrix, vector):
        return [sum(c * v for c, v in zip(row, vector, strict=True)) for row in matrix]

    products = [
        a * b for a, b in zip(times(matrices.weights, w), times(matrices.input, x), strict=True)
    ]
    direct = [sum(w[i] * x[y + i] for i in range(3)) for y in range(m)]
    assert times(matrices.output, products) == direct


def forward(
    name: str, m: int, shape: tuple[int, int, int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Z and what it should be."""
    C, K, H, W, p = shape
    x = drawn(1, C, H + 2 - 2 * p, W + 2 - 2 * p, LANES)
    weights, bias = drawn(2, K, C, 3, 3), drawn(3, K)
    source, _ = planes(padded(x, p), 1, np.nan)
    target, z = planes(np.zeros((K, H, W, LANES)), 1, UNTOUCHED)
    kernel = Convolution(
        Tiles(m, H, W), C, K, stream(1, source, "cyx", 1), stream(0, target, "kyx", 1), 2, 3, bias=4
    )
    u = packed(name, kernel.packed, weights)
    run(name, kernel, [target, source, u, scratch(kernel.scratch_size), bias])
    assert_untouched(target, 1)
    return z, correlation(padded(x, p), weights) + bias[:, None, None, None]


@each_target_m_and_shapes
def test_forward(name: str, m: int, shapes: list[Shape]) -> None:
    for shape in shapes:
        assert_near(*forward(name, m, shape), m, shape)


@each_target_m_and_shapes
def test_towards_input(name: str, m: int, shapes: list[Shape]) -> None:
    """DX is the convolution of dZ with the kernels turned, with padding 2 − p; U is Z's."""
    for C, K, H, W, p in shapes:
        height, width = H + 2 - 2 * p, W + 2 - 2 * p  # of X
        if min(height, width) < m:
            continue
        dz, weights = drawn(1, K, H, W, LANES), drawn(2, K, C, 3, 3)
        source, _ = planes(padded(dz, 2 - p), 1, np.nan)
        target, dx = planes(np.zeros((C, height, width, LANES)), 1, UNTOUCHED)
        streams = (
            turned(stream(1, source, "cyx", 1), height + 2, width + 2),
            turned(stream(0, target, "kyx", 1), height, width),
        )
        kernels = weights.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
        for backwards in (True, False):
            tiles = Tiles(m, height, width, backwards)
            kernel = Convolution(tiles, K, C, *streams, 2, 3, exchanged=True)
            u = packed(name, kernel.packed, weights)
            run(name, kernel, [target, source, u, scratch(kernel.scratch_size)])
            assert_near(dx, correlation(padded(dz, 2 - p), kernels), m, (C, K, H, W, p))
            assert_untouched(target, 1)


def towards_weights(
    name: str, m: int, shape: tuple[int, int, int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """DW of two blocks added to what was there, and what it should be."""
    C, K, H, W, p = shape
    dw = drawn(9, K, C, 3, 3)
    expected = dw.astype(np.float64)
    for block in range(2):
        x = drawn(2 * block, C, H + 2 - 2 * p, W + 2 - 2 * p, LANES)
        dz = drawn(2 * block + 1, K, H, W, LANES)
        source, _ = planes(padded(x, p), 1, np.nan)
        gradient, _ = planes(dz, 1, np.nan)
        streams = stream(0, source, "cyx", 1), stream(1, gradient, "kyx", 1)
        kernel = WeightGradient(Tiles(m, H, W), C, K, *streams, 2, 3, adds=block > 0)
        if block == 0:
            du = scratch(kernel.unpack.size)
        run(name, kernel, [source, gradient, du, scratch(kernel.scratch_size)])
        expected += weight_gradient(padded(x, p), dz)
    unpack = kernel.unpack
    run(name, unpack, [dw, du, scratch(unpack.scratch_size)], unpack.sixteens)
    return dw, expected


@pytest.mark.parametrize("near", [1, 2, 5])
@each_target_and_m
def test_towards_weights_by_rounds(
    name: str, m: int, near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bits as with all of dU before it is added to dW."""
    monkeypatch.setattr(gradient, "nearby_sixteens", lambda *_: near)
    C, K, H, W = 5, 37, m + 1, 2 * m
    x, dz, before = drawn(1, C, H + 2, W + 2, LANES), drawn(2, K, H, W, LANES), drawn(3, K, C, 3, 3)
    streams = stream(0, x, "cyx", 0), stream(1, dz, "kyx", 0)
    kernel = WeightGradient(Tiles(m, H, W), C, K, *streams, 2, 3, strip=4)
    whole, parts = before.copy(), before.copy()
    du = scratch(kernel.unpack.size)
    run(name, kernel, [x, dz, du, scratch(kernel.scratch_size)])
    unpack = kernel.unpack
    run(name, unpack, [whole, du, scratch(unpack.scratch_size)], unpack.sixteens)
    kernel = replace(kernel, unpacked=4)
    assert kernel.unpack.sixteens == min(near, 3)
    run(name, kernel, [x, dz, scratch(kernel.unpack.size), scratch(kernel.scratch_size), parts])
    np.testing.assert_array_equal(parts, whole)
    assert_near(parts, before + weight_gradient(x, dz), m, "dW")


@each_target_m_and_shapes
def test_towards_weights(name: str, m: int, shapes: list[Shape]) -> None:
    for shape in shapes:
        assert_near(*towards_weights(name, m, shape), m, shape)


@pytest.mark.parametrize("name", each_of(*FUSED))
@each_m
def test_same_bits_on_every_processor(name: str, m: int) -> None:
    if not runs_here("avx2"):
        pytest.skip("this machine lacks AVX2")
    for passed in (forward, towards_weights):
        assert (passed(name, m, SHAPES[1])[0] == passed("avx2", m, SHAPES[1])[0]).all()


RELU = Function("relu", maximum(Variable("x"), Literal(0.0)))


@pytest.mark.parametrize("back", [False, True])
@each_target_and_m
def test_adds_once_and_then_the_epilogue(name: str, m: int, back: bool) -> None:
    """Where tiles overlap, what is there is not added to twice, and what is kept is kept once."""

    def by_place(*of: object) -> Stream:
        found = stream(*of)
        return turned(found, H, W) if back else found

    C, K, H, W = 3, 5, 7, 6
    x, weights, before = drawn(1, C, H, W, LANES), drawn(2, K, C, 3, 3), drawn(3, K, H, W, LANES)
    more, slopes = drawn(4, K, H, W, LANES), drawn(5, K, H, W, LANES)
    source, _ = planes(padded(x, 1), 1, np.nan)
    target, z = planes(before, 1, UNTOUCHED)
    kept, inside = planes(np.zeros_like(before), 2, UNTOUCHED)
    steps = (
        Epilogue("add", stream=by_place(4, more, "kyx", 0)),
        Epilogue("keep", stream=by_place(5, kept, "kyx", 2)),
        Epilogue("apply", RELU),
        Epilogue("slope", RELU.derivative, by_place(6, slopes, "kyx", 0)),
    )
    read = stream(1, source, "cyx", 1)
    streams = turned(read, H + 2, W + 2) if back else read, by_place(0, target, "kyx", 1)
    tiles = Tiles(m, H, W, back)
    kernel = Convolution(tiles, C, K, *streams, 2, 3, adds=True, epilogue=steps)
    u = packed(name, kernel.packed, weights[:, :, ::-1, ::-1].copy() if back else weights)
    run(name, kernel, [target, source, u, scratch(kernel.scratch_size), more, kept, slopes])
    expected = before + correlation(padded(x, 1), weights) + more
    assert_near(inside, expected, m, "kept")
    assert_near(z, np.where(slopes > 0, np.maximum(expected, 0.0), 0.0), m, "stored")
    assert_untouched(target, 1)
    assert_untouched(kept, 2)


@each_target_and_m
def test_maxima_of_windows_are_those_of_the_map(name: str, m: int) -> None:
    """The same bits as of the map that is stored otherwise; the first of equals wins, and a NaN."""
    C, K, H, W = 3, 5, 8, 6
    x, weights, bias = drawn(1, C, H, W, LANES), drawn(2, K, C, 3, 3), drawn(3, K)
    bias[1] = np.nan
    weights[2], bias[2] = 0, -1  # nothing but zeros behind the ReLU
    source, _ = planes(padded(x, 1), 1, np.nan)
    whole, z = planes(np.zeros((K, H, W, LANES)), 1, UNTOUCHED)
    steps, read = (Epilogue("apply", RELU),), stream(1, source, "cyx", 1)
    stored = Convolution(
        Tiles(m, H, W), C, K, read, stream(0, whole, "kyx", 1), 2, 3, bias=4, epilogue=steps
    )
    halves, maxima = planes(np.zeros((K, H // 2, W // 2, LANES)), 1, UNTOUCHED)
    winners = np.full((K, H // 2, W // 2, LANES), 99, np.uint8)
    layout = Layout((K, H // 2, W // 2), (), True, "i8")
    numbers = Stream(5, tuple(zip("kyx", layout.strides, strict=True)), element="i8")
    pooled = replace(stored, target=stream(0, halves, "kyx", 1), winner=numbers)
    u = packed(name, stored.packed, weights)
    room = scratch(max(stored.scratch_size, pooled.scratch_size))
    run(name, stored, [whole, source, u, room, bias])
    run(name, pooled, [halves, source, u, room, bias, winners])
    windows = z.reshape(K, H // 2, 2, W // 2, 2, LANES).transpose(0, 1, 3, 5, 2, 4)
    windows = windows.reshape(K, H // 2, W // 2, LANES, 4)
    number = windows.argmax(-1)  # the first maximum, or the first NaN
    expected = np.take_along_axis(windows, number[..., None], -1)[..., 0]
    np.testing.assert_array_equal(maxima, expected)
    np.testing.assert_array_equal(winners, number)
    assert not winners[2].any()
    assert_untouched(halves, 1)


def test_a_plane_smaller_than_a_tile_is_refused() -> None:
    with pytest.raises(
        ArgumentError, match=r"tiles of 4 × 4 outputs do not fit into 3 × 8 outputs"
    ):
        Tiles(4, 3, 8)
    with pytest.raises(ArgumentError, match=r"must be 2 or 4 outputs a side, got 3"):
        Tiles(3, 8, 8)


def test_the_estimate_knows_what_large_tiles_waste() -> None:
    target = target_named("avx2")
    large, small = ({m: Tiles(m, n, n) for m in (2, 4)} for n in (32, 5))
    for weights in (False, True):
        cycles = {
            (n, m): estimated_cycles(target, tiles[m], 64, 64, gradient=weights)
            for n, tiles in (("large", large), ("small", small))
            for m in (2, 4)
        }
        assert cycles["large", 4] < 0.7 * cycles["large", 2]
        assert cycles["small", 2] < cycles["small", 4]


def test_lines_say_what_is_summed() -> None:
    streams = Stream(0, ()), Stream(1, ())
    kernel = WeightGradient(Tiles(4, 7, 8), 3, 5, *streams, 2, 3)
    assert kernel.algorithm == "Winograd F(4×4, 3×3)"
    assert kernel.lines()[0] == "for 4 tiles of 4 × 4 outputs, 2 at a time:"
    assert kernel.lines()[-1] == "    dU[ξ,k,c] += Σ_{t,n} D[ξ,k,t,n]·V[ξ,t,c,n]"
    assert UnpackGradient(4, 5, 3) == kernel.unpack


@pytest.mark.parametrize(("channels", "m"), [(64, 4), (976, 4), (977, 2), (4096, 2)])
def test_auto_leaves_large_tiles_where_channels_are_many(channels: int, m: int) -> None:
    """Their error grows with the root of the channels: 6.6e-6 at 2,048, above the 5e-6 promised."""
    plane = winograd.Plane("forward", "W", "X", None, (channels, 64), (16, 16), (-1, -1))
    assert winograd._deviation(replace(plane, m=m)) <= 5e-6
    net = gt.Network((channels, 16, 16), [gt.Conv2d(64, 3, padding=1), gt.Flatten(), gt.Linear(2)])
    calls = net.explain("conv1", engine=gt.CPU(target="avx2")).calls
    first = next(call for call in calls if call.work)
    assert first.algorithm.startswith(f"Winograd F({m}×{m}, 3×3)")


@pytest.mark.parametrize("pass_", ["forward", "towards the input"])
def test_auto_keeps_its_bound_at_two_thousand_channels(pass_: str) -> None:
    c, k = (2048, 16) if pass_ == "forward" else (16, 2048)
    draw = np.random.Generator(np.random.PCG64(2))
    x = draw.standard_normal((1, c, 8, 8)).astype(np.float32)
    y = draw.standard_normal((1, k, 8, 8)).astype(np.float32)
    net = gt.Network((c, 8, 8), [gt.Conv2d(k, 3, padding=1)], seed=0)
    found, right = (
        gt.trace(net, x, y, loss=gt.MeanSquaredError(), engine=engine)
        for engine in ("cpu", "reference")
    )
    for got, expected in (
        (found.value["conv1.output"], right.value["conv1.output"]),
        (found.grad["input"], right.grad["input"]),
    ):
        error = np.sqrt(np.mean((got - expected) ** 2) / np.mean(expected**2))
        assert error < 5e-6
