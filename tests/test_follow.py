"""t.grad.follow and t.value.follow: on networks small enough, every path is enumerated."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tails import beginning

import gradtrail as gt
from gradtrail.tracing.follow import Paths
from gradtrail.tracing.path_search import PathSearch
from gradtrail.tracing.traced_step import TracedStep


@dataclass(frozen=True)
class Small:
    """A network with few paths.

    Args:
        shape: of the input, samples first.
        layers: without the last.
        training: training or evaluation.
        loss: of the step.
    """

    shape: tuple[int, ...]
    layers: tuple[Any, ...]
    training: bool = True
    loss: gt.Loss | None = None


SMALL = {
    "conv-relu-pool": Small(
        (2, 1, 5, 5), (gt.Conv2d(2, 2), gt.ReLU(), gt.MaxPool2d(2), gt.Flatten())
    ),
    "two-convs": Small(
        (1, 1, 5, 5),
        (gt.Conv2d(2, 2), gt.ReLU(), gt.Conv2d(2, 2), gt.LeakyReLU(0.1), gt.AvgPool2d(3),
         gt.Flatten()),
    ),
    "residual": Small(
        (2, 2, 3, 3),
        (gt.Conv2d(2, 1), gt.Residual([gt.Conv2d(2, 3, padding=1), gt.ReLU()]),
         gt.GlobalAvgPool2d()),
    ),
    "shortcut": Small(
        (2, 1, 4, 4),
        (gt.Residual([gt.Conv2d(2, 2, stride=2)], shortcut=[gt.Conv2d(2, 1, stride=2)]),
         gt.Sigmoid(), gt.Flatten()),
    ),
    "concat": Small(
        (2, 1, 4, 4),
        (gt.Concat([gt.Conv2d(1, 3, padding=1)], [gt.Conv2d(2, 1), gt.Tanh()], []),
         gt.AvgPool2d(2), gt.Flatten()),
    ),
    "norm": Small((2, 1, 3, 3), (gt.Conv2d(2, 2), gt.BatchNorm2d(), gt.ReLU(), gt.Flatten())),
    "norm-evaluated": Small(
        (2, 1, 3, 3), (gt.Conv2d(2, 2), gt.BatchNorm2d(), gt.ReLU(), gt.Flatten()), training=False
    ),
    "dropout": Small((3, 1, 3, 3), (gt.Conv2d(2, 2), gt.Dropout(0.5), gt.SiLU(), gt.Flatten())),
    "overlapping-pool": Small(
        (2, 1, 6, 6),
        (gt.Conv2d(2, 2), gt.MaxPool2d(3, stride=1, padding=1), gt.GELU(),
         gt.MaxPool2d(3, stride=2), gt.Flatten()),
    ),
    "stride-padding": Small(
        (2, 2, 5, 5), (gt.Conv2d(2, 3, stride=2, padding=1, dilation=1), gt.ReLU(), gt.Flatten())
    ),
    "groups": Small(
        (2, 4, 3, 3), (gt.Conv2d(4, 2, groups=2), gt.ReLU(), gt.Conv2d(4, 2, groups=4),
                       gt.Flatten()),
    ),
    "transposed": Small(
        (1, 1, 2, 2), (gt.ConvTranspose2d(2, 2, stride=2), gt.ReLU(), gt.Flatten())
    ),
    "squared-error": Small((3, 4), (gt.Linear(4), gt.Tanh()), loss=gt.MeanSquaredError()),
}  # fmt: skip


@cache
def small(name: str, shift: float = 0.0, at: tuple[int, ...] = ()) -> gt.Trace:
    """A step of a small network in float64, one pixel moved."""
    case = SMALL[name]
    draw = np.random.Generator(np.random.PCG64(sum(map(ord, name))))
    network = gt.Network(case.shape[1:], [*case.layers, gt.Linear(3)], seed=2, dtype=np.float64)
    for parameter in network.parameters:
        network.parameters[parameter] = draw.standard_normal(network.parameters[parameter].shape)
    x = draw.standard_normal(case.shape)
    y: Any = draw.integers(0, 3, case.shape[0])
    if isinstance(case.loss, gt.MeanSquaredError):
        y = draw.standard_normal((case.shape[0], 3))
    if at:
        x[at] += shift
    return gt.trace(network, x, y, loss=case.loss, training=case.training)


Listed = tuple[float, tuple[tuple[str, tuple[int, ...]], ...]]
"""A product, and the elements that a path goes through, the asked one first."""


def ends(t: gt.Trace) -> str:
    return t.system.nodes[-1].inputs[0]


def every(t: gt.Trace, name: str, index: tuple[int, ...], seed: np.ndarray) -> Iterator[Listed]:
    """Every path from an element to the network's outputs, by recursion over the rows."""
    here = ((name, index),)
    if name == ends(t):
        yield float(seed[index]), here
        return
    for local, *onward in ways_on(t, name, index):
        for product, elements in every(t, *onward, seed):
            yield local * product, here + elements


@cache
def ways_on(
    t: gt.Trace, name: str, index: tuple[int, ...]
) -> list[tuple[float, str, tuple[int, ...]]]:
    """One step further: each row's factor, unless it is 0, and the element that it leads to.

    Many paths come through one element, so its rows are read once.
    """
    found = []
    for row in t.grad.terms(name, index):
        local = row.scale
        for factor in row.factors:
            if factor.side == "value":
                local *= factor.value
        if local != 0:
            (handed,) = (f for f in row.factors if f.side == "grad")
            found.append((local, handed.name, handed.index))
    return found


def compare(found: Paths, listed: list[Listed], value: float = 1.0) -> None:
    """The paths are the strongest of all, with the products, shares and totals of all."""
    listed = [(value * product, way) for product, way in listed if value * product]
    listed.sort(key=lambda one: -abs(one[0]))
    assert len(found) == min(5, len(listed))
    sizes = [abs(p.product) for p in found]
    assert sizes == pytest.approx([abs(product) for product, _ in listed[:5]], rel=1e-12)
    magnitude = sum(abs(product) for product, _ in listed)
    assert found.magnitude == pytest.approx(magnitude, rel=1e-10)
    total = sum(product for product, _ in listed)
    assert found.total == pytest.approx(total, rel=1e-9, abs=1e-12 * magnitude)
    if not listed:
        return
    assert found.covers == pytest.approx(sum(sizes) / magnitude, rel=1e-9)
    seen = set()
    for path in found:
        way = tuple((hop.name, hop.index) for hop in path.hops)
        way = way[::-1] if found.side == "grad" else way
        same = [p for p, elements in listed if elements == way]
        assert any(p == pytest.approx(path.product, rel=1e-12) for p in same)
        steps = tuple((hop.name, hop.index, tuple(hop.indices.items()), hop.local, hop.text)
                      for hop in path.hops)  # fmt: skip
        assert steps not in seen
        seen.add(steps)
        assert math.prod(hop.local for hop in path.hops) == pytest.approx(path.product, rel=1e-12)
        assert path.weight == pytest.approx(abs(path.product) / magnitude, rel=1e-9)


def some_elements(t: gt.Trace, count: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    draw = np.random.Generator(np.random.PCG64(3))
    names = [n for n in t.grad if n != "loss"]
    for name in names:
        for _ in range(count):
            yield name, tuple(int(draw.integers(0, size)) for size in t.grad[name].shape)


EVEN, ODD = [*SMALL][::2], [*SMALL][1::2]
"""What one direction has always is the other's long tail."""


@pytest.mark.parametrize("count", beginning(1, [1, 3]))
@pytest.mark.parametrize("name", beginning(4, [*EVEN, *ODD]))
def test_backwards_it_finds_exactly_the_strongest_of_all_paths(name: str, count: int) -> None:
    t = small(name)
    for array, index in some_elements(t, count):
        listed = list(every(t, array, index, t.grad[ends(t)]))
        gradient = float(t.grad[array][index])
        magnitude = sum(abs(product) for product, _ in listed)
        assert sum(product for product, _ in listed) == pytest.approx(
            gradient, rel=1e-9, abs=1e-12 * magnitude
        )
        found = t.grad.follow(array, index)
        compare(found, listed)
        assert found.value == found.total == gradient
        for path in found:
            assert path.share == (path.product / gradient if gradient else None)
        json.dumps(found.to_dict())
        assert "<table>" in found._repr_html_() or not len(found)


@pytest.mark.parametrize("name", SMALL)
def test_the_bound_beyond_an_element_is_the_greatest_path_from_it(name: str) -> None:
    """A bound that is too great would be found out by nothing else but time."""
    t = small(name)
    end, seed = ends(t), t.grad[ends(t)]
    for array, index in some_elements(t, 2):
        ways = PathSearch(t.step, "input", (0,) * t.value["input"].ndim, end, seed)
        if array in ways._strengths.arrays and index[0] in range(seed.shape[0])[ways.samples]:
            listed = [abs(product) for product, _ in every(t, array, index, seed)]
            place = np.ravel_multi_index(index, t.grad[array].shape)
            found = ways._strengths.at(array, np.array([place]))
            assert found[0] == pytest.approx(max(listed, default=0.0), rel=1e-12)


@pytest.mark.parametrize("count", beginning(1, [1, 2]))
@pytest.mark.parametrize("name", beginning(3, [*ODD, *EVEN]))
@pytest.mark.parametrize("to", [None, 1], ids=["all", "class"])
def test_forwards_it_finds_exactly_the_strongest_of_all_paths(
    name: str, to: int | None, count: int
) -> None:
    t = small(name)
    seed = np.ones(t.value[ends(t)].shape)
    if to is not None:
        seed[:] = np.arange(3) == to
    for array, index in some_elements(t, count):
        value = float(t.value[array][index])
        listed = list(every(t, array, index, seed))
        found = t.value.follow(array, index, to=to)
        compare(found, listed, value)
        for path in found:
            here = [value * p for p, way in listed if way[-1][1] == path.end]
            if abs(sum(here)) > 1e-9 * sum(
                map(abs, here)
            ):  # a bias before batch norm moves nothing
                assert path.share == pytest.approx(path.product / sum(here), rel=1e-6)


@pytest.mark.parametrize("name", beginning(3, [*ODD, *EVEN]))
def test_all_paths_forwards_add_up_to_the_value_times_the_derivative(name: str) -> None:
    t, step = small(name), 1e-6
    sample = (0,) * t.value["input"].ndim
    for index in [sample, (0, *(size // 2 for size in t.value["input"].shape[1:]))]:
        up, down = small(name, step, index), small(name, -step, index)
        end = ends(t)
        slopes = (up.value[end] - down.value[end]) / (2 * step)
        for k in range(3):
            found = t.value.follow("input", index, to=(0, k))
            assert found.total == pytest.approx(found.value * slopes[0, k], rel=1e-6, abs=1e-8)


def test_a_layer_in_between_can_be_the_end() -> None:
    t = small("conv-relu-pool")
    listed = [
        (float(t.value["input"][0, 0, 2, 2]) * float(t.value["conv1.weight"][k, 0, i, j]),
         (0, k, 2 - i, 2 - j))
        for k in range(2) for i in range(2) for j in range(2)
    ]  # fmt: skip
    listed.sort(key=lambda one: -abs(one[0]))
    found = t.value.follow("input", (0, 0, 2, 2), k=20, to="conv1.output")
    assert [(pytest.approx(p.product), p.end) for p in found] == listed
    assert [hop.layer for hop in found[0].hops] == ["", "conv1"]


def test_a_row_of_the_terms_can_be_followed() -> None:
    t = small("two-convs")
    terms = t.grad.terms("conv1.weight", (1, 0, 0, 1))
    rows = [row for row in terms if row.product]
    for row in rows[:4]:
        found = t.grad.follow("conv1.weight", (1, 0, 0, 1), row=row.number)
        (handed,) = (f for f in row.factors if f.side == "grad")
        local = row.product / handed.stored
        seed = t.grad[ends(t)]
        listed = [
            (local * p, (("conv1.weight", (1, 0, 0, 1)), *way))
            for p, way in every(t, handed.name, handed.index, seed)
        ]
        compare(found, listed)
        assert found.total == row.product
        assert all(path.hops[-1].indices == row.indices for path in found)


@cache
def lenet() -> gt.Trace:
    network = gt.architecture("lenet5").network(None, seed=1)
    draw = np.random.Generator(np.random.PCG64(5))
    x = draw.standard_normal((8, *network.input_shape)).astype(np.float32)
    return gt.trace(network, x, draw.integers(0, 10, 8))


def test_a_path_of_lenet_multiplies_up_from_stored_elements() -> None:
    t = lenet()
    found = t.grad.follow("conv1.weight", (2, 0, 1, 1), k=3)
    layers = [node.name for node in reversed(t.system.nodes)]
    for path in found:
        assert [hop.layer for hop in path.hops] == layers
        assert math.prod(hop.local for hop in path.hops) == pytest.approx(path.product, rel=1e-12)
        assert path.hops[0].local == t.grad["fc3.output"][path.end]
        for before, hop in pairwise(path.hops):
            local = hop.scale
            for factor in hop.factors:
                assert factor.stored == t.value[factor.name][factor.index]
                local *= factor.value
            assert hop.local == pytest.approx(local, rel=1e-12)
            rows = t.grad.terms(hop.name, hop.index)
            row = next(r for r in rows if r.indices == hop.indices and r.layer == hop.layer)
            (handed,) = (f for f in row.factors if f.side == "grad")
            assert (handed.name, handed.index) == (before.name, before.index)


def test_float32_finds_what_float64_finds() -> None:
    t = lenet()
    step, end = t.step, ends(t)
    wide = TracedStep(
        t.system,
        {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in step.values.items()},
        {n: a.astype(np.float64) for n, a in step.gradients.items()},
    )
    for name, index in [
        ("conv1.weight", (0, 0, 2, 3)),
        ("input", (3, 0, 9, 9)),
        ("fc1.bias", (5,)),
    ]:
        seeds = [s.array("grad", end) for s in (step, wide)]
        ours, theirs = (
            PathSearch(s, name, index, end, seed).best(20)
            for s, seed in zip((step, wide), seeds, strict=True)
        )
        assert [(f.product, f.index) for f in ours] == [(f.product, f.index) for f in theirs]


@pytest.mark.parametrize(
    ("layer", "at"), [(gt.Tanh(), 10.0), (gt.Tanh(), -12.0), (gt.Sigmoid(), 20.0)]
)
def test_a_slope_is_that_of_the_terms_in_the_engine_s_precision(layer: Any, at: float) -> None:
    """In float64 it is not 0, and Σ|paths| would not be the terms' Σ|products|."""
    net = gt.Network((1,), [gt.Linear(1), layer, gt.Linear(2)])
    net.parameters["fc1.weight"] = [[1]]
    net.parameters["fc2.weight"] = [[1], [-2]]
    t = gt.trace(net, np.float32([[at]]), [1])
    found = t.grad.follow("fc1.weight", (0, 0))
    assert t.grad.terms("fc1.output", (0, 0)).magnitude == 0
    assert found.magnitude == 0
    assert len(found) == 0


def test_the_words_of_a_path() -> None:
    text = str(lenet().grad.follow("conv1.weight", (2, 0, 1, 1), k=1))
    for words in ("the strongest path", "class", "P − T = (", "/8", "weight[", "open, input",
                  "feature", " is channel", "the winner is row", "window at (", "offset (1,1)",
                  "of the gradient", "dconv1.weight[2,0,1,1]"):  # fmt: skip
        assert words in text, text
    text = str(lenet().value.follow("input", (0, 0, 9, 9), k=1, to=3))
    assert "of what reaches fc3.output[0,3]" in text
    assert "sample 0, channel 0, row 9, column 9" in text


def test_the_words_of_the_other_layers() -> None:
    said = {
        "norm": ("through the variance", "directly"),
        "concat": ("of what is joined", "one of 4 in a mean"),
        "dropout": ("mask[",),
        "residual": ("added as it is", "one of 9 in a mean"),
        "transposed": ("window at (",),
        "squared-error": ("Z − T = 2·(", "output "),
        "shortcut": ("slope ",),
    }
    for name, words in said.items():
        t = small(name)
        text = str(t.grad.follow("input", (0,) * t.value["input"].ndim, k=40))
        for word in words:
            assert word in text, (name, text[:3000])


def test_a_parameter_of_one_number_has_paths() -> None:
    """Only the loss comes from nothing, not whatever has no axes."""
    layer = gt.Equation("Z[n,k] = b + Σ_{c} W[k,c]·X[n,c]", k=2)
    network = gt.Network((3,), [layer], seed=1, dtype=np.float64)
    t = gt.trace(network, np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]]), np.array([0, 1]))
    found = t.grad.follow("equation1.b", ())
    assert len(found) == 4
    assert found.total == pytest.approx(float(t.grad["equation1.b"]))
    with pytest.raises(gt.ArgumentError, match="dloss comes from nothing before it"):
        t.grad.follow("loss", ())


def test_where_nothing_arrives_there_is_no_path() -> None:
    network = gt.Network((1, 2, 2), [gt.Conv2d(1, 1), gt.ReLU(), gt.Flatten(), gt.Linear(2)])
    network.parameters["conv1.bias"] = np.full(1, -100.0)
    t = gt.trace(network, np.ones((2, 1, 2, 2), np.float32), np.array([0, 1]))
    found = t.grad.follow("conv1.weight", (0, 0, 0, 0))
    assert len(found) == 0
    assert found.covers == 0
    assert found.share is None
    assert "no path" in str(found)
    assert len(t.value.follow("input", (0, 0, 0, 0))) == 0


@pytest.mark.parametrize("dtype", beginning(1, [np.float32, np.float64]))
def test_millions_of_equal_paths_are_no_trouble(dtype: type) -> None:
    layers = [gt.Conv2d(8, 3, padding=1), gt.Conv2d(8, 3, padding=1), gt.Flatten(), gt.Linear(3)]
    network = gt.Network((1, 8, 8), layers, dtype=dtype)
    for name in network.parameters:
        network.parameters[name] = np.full(network.parameters[name].shape, 0.5)
    t = gt.trace(network, np.ones((2, 1, 8, 8), dtype), np.array([0, 1]))
    one, two = (t.grad.follow("conv1.weight", (0, 0, 1, 1), k=4) for _ in range(2))
    assert len({tuple(hop.element for hop in path.hops) for path in one}) == 4
    assert str(one) == str(two)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite_comes_first(bad: float, dtype: type) -> None:
    layers = [gt.Conv2d(2, 3), gt.ReLU(), gt.Flatten(), gt.Linear(3)]
    network = gt.Network((1, 6, 6), layers, seed=1, dtype=dtype)
    x = np.random.Generator(np.random.PCG64(1)).standard_normal((3, 1, 6, 6)).astype(dtype)
    network.parameters["conv1.weight"][1, 0, 2, 2] = bad
    with np.errstate(all="ignore"):
        t = gt.trace(network, np.abs(x), np.array([0, 1, 2]))
        found = t.grad.follow("input", (1, 0, 3, 3))
    assert not np.isfinite(found[0].product)


def test_arguments_are_checked() -> None:
    t = small("conv-relu-pool")
    with pytest.raises(gt.UnknownNameError, match=r"conv9\.weight"):
        t.grad.follow("conv9.weight", (0, 0, 0, 0))
    with pytest.raises(gt.ArgumentError, match=r"shape \(2, 1, 2, 2\)"):
        t.grad.follow("conv1.weight", (0, 0, 0))
    for k in (0, 1.5, True):
        with pytest.raises(gt.ArgumentError, match=rf"k must be a whole number ≥ 1, got {k}"):
            t.grad.follow("conv1.weight", (0, 0, 0, 0), k=k)  # type: ignore[arg-type]
    with pytest.raises(gt.ArgumentError, match=r"rows 0 … 31, got 32"):
        t.grad.follow("conv1.weight", (0, 0, 0, 0), row=32)
    with pytest.raises(gt.ArgumentError, match="no row leads further"):
        t.grad.follow("fc1.output", (0, 0), row=0)
    with pytest.raises(gt.ArgumentError, match="the loss is the end"):
        t.grad.follow("loss")
    with pytest.raises(gt.ArgumentError, match=r"class 0 … 2.*got 3"):
        t.value.follow("input", (0, 0, 0, 0), to=3)
    with pytest.raises(gt.ArgumentError, match="did you mean: conv1.output"):
        t.value.follow("input", (0, 0, 0, 0), to="conv1.outptu")
    with pytest.raises(gt.ArgumentError, match="no path leads from pool1.output to conv1.output"):
        t.value.follow("pool1.output", (0, 0, 0, 0), to="conv1.output")
    with pytest.raises(gt.ArgumentError, match="no path leads from pool1.winner to fc1.output"):
        t.value.follow("pool1.winner", (0, 0, 0, 0))


def test_an_output_may_be_given_as_an_array() -> None:
    t = small("conv-relu-pool")
    expected = t.value.follow("input", (0, 0, 1, 1), to=(0, 2))
    for to in ([0, 2], np.array([0, 2])):
        assert str(t.value.follow("input", (0, 0, 1, 1), to=to)) == str(expected)
    for to in (np.array(2), np.array([0.0, 2.0]), np.array([[0, 2]]), np.array([True, False])):
        with pytest.raises(gt.ArgumentError, match="got"):
            t.value.follow("input", (0, 0, 1, 1), to=to)
    assert len(t.grad.follow("conv1.weight", np.array([0, 0, 1, 1]), k=np.int64(2))) == 2
    with pytest.raises(gt.ArgumentError, match="k must be a whole number ≥ 1, got 0"):
        t.value.follow("input", (0, 0, 1, 1), k=0)
