"""t.grad.why, t.value.why and the overviews: each cause in a network built to have exactly that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from random_networks import drawn

import gradtrail as gt
from gradtrail.trace.element import Element

SHALLOW = [gt.Conv2d(3, 3), gt.ReLU(), gt.MaxPool2d(2), gt.Flatten(), gt.Linear(4)]


def network(layers: Sequence[Any], shape: tuple[int, ...] = (1, 8, 8)) -> gt.Network:
    return gt.Network(shape, layers, seed=0)


def samples(net: gt.Network, count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(7))
    classes = net.system(1).shapes[net.output_name][1]
    x = draw.standard_normal((count, *net.input_shape)).astype(np.float32)
    return x, draw.integers(0, classes, count)


def zeros(array: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(int(i) for i in index) for index in np.argwhere(array == 0)]


engines = pytest.mark.parametrize("engine", ["cpu", "reference"])


@engines
def test_a_dead_relu_is_named_with_its_input(engine: str) -> None:
    net = network(SHALLOW)
    net.parameters["conv1.bias"][1] = -100
    t = gt.trace(net, *samples(net), engine=engine)
    for name, index in (("conv1.weight", (1, 0, 2, 1)), ("conv1.bias", (1,))):
        answer = t.grad.why(name, index)
        assert answer.cause == "relu closed"
        assert answer.blocked == {"relu closed": 4 * 36}
        assert "relu1 is closed at all 144 positions on the way" in answer.text
        (found,) = answer.where
        assert (found.side, found.name) == ("value", "conv1.output")
        assert t.value[found.name][found.index] < 0
        assert found.index[1] == 1
    assert t.dead()[0].dead_channels == (1,)
    assert t.dead()[0].dead >= 36


def test_a_closed_relu_is_named_at_one_position() -> None:
    net = network([gt.Conv2d(3, 3), gt.ReLU(), gt.Flatten(), gt.Linear(4)])
    t = gt.trace(net, *samples(net))
    for index in zeros(t.grad["conv1.output"])[:20]:
        answer = t.grad.why("conv1.output", index)
        assert answer.cause == "relu closed"
        assert answer.where == (Element("value", "conv1.output", index),)
        value = t.value["conv1.output"][index]
        assert value <= 0
        assert f"is {value:.4g}".replace("-", "−") in answer.text


def test_where_a_sigmoid_is_flat() -> None:
    net = network([gt.Conv2d(3, 3), gt.Sigmoid(), gt.Flatten(), gt.Linear(4)])
    net.parameters["conv1.bias"][0] = 1000
    answer = gt.trace(net, *samples(net)).grad.why("conv1.weight", (0, 0, 1, 1))
    assert answer.cause == "flat"
    assert "sigmoid1 is flat at all 144 positions" in answer.text


@engines
def test_a_lost_maximum_names_who_won(engine: str) -> None:
    net = network([gt.Conv2d(3, 3), gt.MaxPool2d(2), gt.Flatten(), gt.Linear(4)])
    t = gt.trace(net, *samples(net), engine=engine)
    seen = 0
    for index in zeros(t.grad["conv1.output"])[:30]:
        answer = t.grad.why("conv1.output", index)
        assert answer.cause == "lost maximum"
        (found,) = answer.where
        array, winner = t.value[found.name], found.index
        n, c, y, x = index
        window = array[n, c, y // 2 * 2 : y // 2 * 2 + 2, x // 2 * 2 : x // 2 * 2 + 2]
        assert array[winner] == window.max() > array[index]
        seen += 1
    assert seen == 30


def test_a_lost_tie_names_the_first() -> None:
    net = network([gt.MaxPool2d(2), gt.Flatten(), gt.Linear(4)])
    x, y = samples(net)
    t = gt.trace(net, np.ones_like(x), y)
    answer = t.grad.why("input", (1, 0, 3, 3))
    assert answer.cause == "lost tie"
    assert answer.where == (Element("value", "input", (1, 0, 2, 2)),)
    assert "the first in row-major order wins: input[1,0,2,2], which is 1, too" in answer.text
    assert t.ties()[0].tied == t.ties()[0].windows == 4 * 16
    assert t.ties()[0].at_zero == 0


def test_overlapping_windows_are_all_lost() -> None:
    net = network([gt.MaxPool2d(3, 1), gt.Flatten(), gt.Linear(4)], (1, 5, 5))
    x, y = samples(net)
    x[0, 0, 2, 2] = -9
    answer = gt.trace(net, x, y).grad.why("input", (0, 0, 2, 2))
    assert answer.cause == "lost maximum"
    assert answer.blocked == {"lost maximum": 9}
    assert (
        "the maximum is lost in all 9 windows of pool1 on the way: in (0,0) it loses" in answer.text
    )


@pytest.mark.parametrize(
    ("layers", "shape", "index", "layer"),
    [
        (
            [gt.Conv2d(3, 3, stride=3), gt.Flatten(), gt.Linear(4)],
            (1, 9, 11),
            (1, 0, 2, 10),
            "conv1",
        ),
        ([gt.MaxPool2d(2), gt.Flatten(), gt.Linear(4)], (1, 8, 9), (0, 0, 1, 8), "pool1"),
        (
            [gt.Conv2d(3, 1), gt.MaxPool2d(2), gt.Flatten(), gt.Linear(4)],
            (1, 9, 9),
            (3, 0, 8, 0),
            "pool1",
        ),
        ([gt.Conv2d(2, 1, stride=2), gt.Flatten(), gt.Linear(4)], (1, 6, 6), (0, 0, 1, 2), "conv1"),
    ],
)
def test_a_cropped_edge_is_reached_by_no_window(layers, shape, index, layer) -> None:
    net = network(layers, shape)
    answer = gt.trace(net, *samples(net)).grad.why("input", index)
    assert answer.cause == "no window"
    assert f"no window of {layer} reaches" in answer.text


def test_a_saturated_softmax() -> None:
    net = network(SHALLOW)
    net.parameters["fc1.bias"] = [500, 0, 0, 0]
    x, _ = samples(net)
    t = gt.trace(net, x, np.zeros(4, int))
    for name, index in (("conv1.weight", (1, 0, 1, 1)), ("fc1.bias", (0,)), ("fc1.output", (1, 2))):
        answer = t.grad.why(name, index)
        assert answer.cause == "saturated"
        assert "the softmax is saturated" in answer.text
        assert answer.where[0].name == "loss.probabilities"


def test_a_squared_error_at_its_least() -> None:
    net = network([gt.Flatten(), gt.Linear(2)], (1, 2, 2))
    x, _ = samples(net)
    y = net.predict(x)
    answer = gt.trace(net, x, y, loss=gt.MeanSquaredError()).grad.why("fc1.weight", (0, 1))
    assert answer.cause == "saturated"
    assert "the loss is at its least" in answer.text


@engines
def test_what_dropout_took(engine: str) -> None:
    net = network([gt.Conv2d(3, 3), gt.Dropout(0.5), gt.Flatten(), gt.Linear(4)])
    t = gt.trace(net, *samples(net), engine=engine)
    index = zeros(t.value["dropout1.mask"])[5]
    for answer in (t.grad.why("conv1.output", index), t.value.why("dropout1.output", index)):
        assert answer.cause == "dropped"
        assert answer.where == (Element("value", "dropout1.mask", index),)


def test_weights_of_zero_behind() -> None:
    net = network(SHALLOW)
    net.parameters["fc1.weight"] = np.zeros((4, 27))
    t = gt.trace(net, *samples(net))
    answer = t.grad.why("conv1.weight", (1, 0, 1, 1))
    assert answer.cause == "zero weights"
    assert answer.text.startswith("dconv1.weight[1,0,1,1] is 0: all weights in fc1.weight are 0")
    value = t.value.why("fc1.output", (0, 0))
    assert value.cause == "zero weights"


def test_pixels_of_zero() -> None:
    net = network([gt.Conv2d(2, 1), gt.Flatten(), gt.Linear(4)])
    x, y = samples(net)
    t = gt.trace(net, np.zeros_like(x), y)
    answer = t.grad.why("conv1.weight", (1, 0, 0, 0))
    assert answer.cause == "zero inputs"
    assert answer.blocked == {"zero inputs": 4 * 64}
    assert t.value.why("conv1.output", (0, 1, 0, 0)).cause == "zero inputs"


def test_what_is_read_is_zero_since_a_relu_closed_it() -> None:
    net = network(SHALLOW)
    net.parameters["conv1.bias"][1] = -100
    answer = gt.trace(net, *samples(net)).grad.why("fc1.weight", (0, 9))
    assert answer.cause == "zero inputs"
    assert "relu1 closes it, its input conv1.output[0,1,0,0] is −99" in answer.text


def test_a_class_without_weight() -> None:
    net = network(SHALLOW)
    x, _ = samples(net)
    t = gt.trace(net, x, [0, 1, 2, 3], loss=gt.CrossEntropy(weight=(0, 1, 1, 1)))
    index = next(i for i in np.argwhere(t.value["pool1.output"][0] != 0))
    answer = t.grad.why("pool1.output", (0, *(int(i) for i in index)))
    assert answer.cause == "no class weight"
    assert "the class of sample 0 has the weight 0" in answer.text


def test_products_that_cancel() -> None:
    net = network([gt.Flatten(), gt.Linear(2)], (1, 1, 2))
    x = np.float32([[[[1, 1]]], [[[1, 1]]]])
    net.parameters["fc1.weight"] = np.zeros((2, 2))
    answer = gt.trace(net, x, [0, 1]).grad.why("fc1.weight", (0, 0))
    assert answer.cause == "cancelled"
    assert "its 2 products that are not 0 cancel" in answer.text
    net.parameters["fc1.weight"] = [[1, -1], [1, 1]]
    value = gt.trace(net, x, [0, 1])
    net.parameters["fc1.bias"] = [0, 0]
    assert value.value.why("fc1.output", (0, 0)).cause == "cancelled"


def test_what_cancels_on_the_way() -> None:
    """Behind two layers: the products of the first are 0, but not the paths."""
    net = network([gt.Flatten(), gt.Linear(1), gt.Linear(2, name="last")], (1, 1, 1))
    net.parameters["last.weight"] = [[1], [1]]
    x = np.float32([[[[1]]]])
    answer = gt.trace(net, x, [0]).grad.why("fc1.weight", (0, 0))
    assert answer.cause == "cancelled"


def test_a_sum_too_small_for_float32() -> None:
    net = network([gt.Flatten(), gt.Linear(1), gt.Linear(2, name="last")], (1, 1, 1))
    net.parameters["fc1.weight"] = [[1e-30]]
    net.parameters["last.weight"] = [[1e-30], [-1e-30]]
    answer = gt.trace(net, np.float32([[[[1e-30]]]]), [0]).grad.why("fc1.weight", (0, 0))
    assert answer.cause == "underflow"


@engines
def test_a_nan_in_the_data(engine: str) -> None:
    net = network(SHALLOW)
    x, y = samples(net)
    x[2, 0, 3, 3] = np.nan
    t = gt.trace(net, x, y, engine=engine)
    for answer in (t.grad.why("conv1.weight", (1, 0, 1, 1)), t.value.why("loss")):
        assert answer.cause == "not finite"
        assert answer.where[-1] == Element("value", "input", (2, 0, 3, 3))
        assert "input[2,0,3,3] is NaN, sample 2: it was given so" in answer.text


def test_an_infinite_weight() -> None:
    net = network(SHALLOW)
    net.parameters["fc1.weight"][3, 5] = np.inf
    answer = gt.trace(net, *samples(net)).value.why("fc1.output", (0, 3))
    assert answer.where[-1] == Element("value", "fc1.weight", (3, 5))
    assert "it was so before this step" in answer.text


@engines
def test_where_an_infinity_is_made(engine: str) -> None:
    net = network(SHALLOW)
    x, y = samples(net)
    x[2, 0, 3, 3] = 3e38
    net.parameters["conv1.weight"][0] = 1e3 if engine == "cpu" else 1e30
    if engine == "reference":
        x = x.astype(np.float64)
        net = gt.Network(net.input_shape, net.layers, dtype=np.float64)
        net.parameters["conv1.weight"][0] = 1e200
        x[2, 0, 3, 3] = 1e200
    answer = gt.trace(net, x, y, engine=engine).value.why("pool1.output", (2, 0, 0, 0))
    made = answer.where[-1]
    assert (made.side, made.name, made.index[:2]) == ("value", "conv1.output", (2, 0))
    assert "in layer 'conv1' (Conv2d), sample 2" in answer.text
    assert "made of conv1.weight[0,0," in answer.text
    assert "input[2,0,3,3] (" in answer.text


def test_a_sum_of_finite_products_that_overflows() -> None:
    net = network([gt.Flatten(), gt.Linear(2)], (1, 1, 3))
    net.parameters["fc1.weight"] = np.full((2, 3), 1.0)
    x = np.full((1, 1, 1, 3), 3e38, np.float32)
    answer = gt.trace(net, x, [0]).value.why("fc1.output", (0, 0))
    assert "products are finite, but their sum" in answer.text


def test_what_dominates_a_weight() -> None:
    net = network(SHALLOW)
    t = gt.trace(net, *samples(net))
    terms = t.grad.terms("conv1.weight", (0, 0, 1, 1))
    answer = t.grad.why("conv1.weight", (0, 0, 1, 1))
    assert answer.cause == "sum"
    sample, value = next(iter(terms.by("n").top(1).items()))
    assert f"Most comes from sample {sample} {value:.4g}".replace("-", "−") in answer.text
    assert f"is the sum of {len(terms)} products" in answer.text
    assert answer.to_dict()["cause"] == "sum"


def test_what_was_given() -> None:
    net = network(SHALLOW)
    x, y = samples(net)
    x[0, 0, 0, 0] = 0
    t = gt.trace(net, x, y)
    assert t.value.why("input", (0, 0, 0, 0)).cause == "given"
    assert t.value.why("conv1.weight", (0, 0, 0, 0)).cause == "given"
    assert t.grad.why("loss").cause == "given"


def checked(t: gt.Trace, side: str, name: str, index: tuple[int, ...]) -> str:
    """The answer for an element, its facts looked up or worked out by other means."""
    arrays = t.value if side == "value" else t.grad
    answer = arrays.why(name, index)
    assert answer.text.startswith(answer.element)
    if answer.value != 0:
        assert_products_are_right(t, answer, arrays.terms(name, index))
        return answer.cause
    for found in answer.where:
        where, place = found.name, found.index
        held = (t.value if found.side == "value" else t.grad)[where]
        if answer.cause in ("dropped", "zero weights", "zero inputs", "zero products"):
            assert held[place] == 0 or found != answer.where[0]
        if answer.cause == "relu closed" and answer.where[0].name == where:
            assert held[place] <= 0
        if answer.cause == "lost maximum" and where == name:
            assert held[place] > t.value[name][index]
        if answer.cause == "lost tie" and where == name:
            assert held[place] == t.value[name][index]
    if side == "grad":  # whether any path is open, from all paths' products together
        open_paths = t.grad.follow(name, index, k=1).magnitude > 0
        assert open_paths == (answer.cause in ("cancelled", "underflow")), answer
    return answer.cause


def assert_products_are_right(t: gt.Trace, answer: Any, terms: Any) -> None:
    """The numbers in brackets of the strongest product multiply up to it."""
    told = answer.text.rstrip(".")
    stated = re.search(r"strongest product is (\S+): (.*)$", told)
    value = terms.top(1)[0].product if len(terms) else 0.0
    product = stated[2] if stated else told.split(" is one product: ")[1]
    if stated:
        assert float(stated[1].replace("−", "-")) == pytest.approx(value, rel=1e-3)
    total = 1.0
    for part in product.split(" · "):
        bracket = re.search(r"\(([^()]+)\)$", part)
        total *= float((bracket[1] if bracket else part).replace("−", "-"))
    assert total == pytest.approx(value, rel=5e-3, abs=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_answers_are_true_in_a_network_with_everything(small, batch, training: bool) -> None:
    t = gt.trace(small, *batch, training=training)
    draw = np.random.Generator(np.random.PCG64(11))
    seen: set[str] = set()
    for side, arrays in (("value", t.value), ("grad", t.grad)):
        for name in arrays:
            if arrays is t.value and name.partition(".")[2] in ("winner", "probabilities"):
                continue
            chosen = zeros(arrays[name])[:8]
            chosen += [
                tuple(int(draw.integers(0, s)) for s in arrays[name].shape) for _ in range(3)
            ]
            for index in chosen:
                if len(arrays.terms(name, index)) and not arrays.terms(name, index).given:
                    seen.add(checked(t, side, name, index))
    assert {"sum", "relu closed", "lost maximum"} <= seen


@pytest.mark.parametrize("number", range(12))
def test_answers_are_true_in_random_networks(number: int) -> None:
    net = drawn(number).network
    small = gt.Network(net.input_shape, net.layers, dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64(number))
    x = np.maximum(draw.standard_normal((3, *small.input_shape)), 0)
    shape = small.system(3).shapes[small.output_name]
    t = gt.trace(small, x, draw.standard_normal(shape), loss=gt.MeanSquaredError(), training=False)
    for name in t.grad:
        for index in zeros(t.grad[name])[:4]:
            if name != "loss":
                checked(t, "grad", name, index)


@pytest.mark.parametrize("first", [[gt.Flatten()], [gt.MaxPool2d(2), gt.Flatten()]])
def test_a_pixel_of_zero_handed_on_from_the_input(first: list[Any]) -> None:
    net = network([*first, gt.Linear(4)])
    x, y = samples(net)
    t = gt.trace(net, np.zeros_like(x), y)
    for layer in first:
        name = "flatten1.output" if isinstance(layer, gt.Flatten) else "pool1.output"
        answer = t.value.why(name, (0,) * t.value[name].ndim)
        assert answer.cause == "given"
        assert "input[0,0,0,0] was given so" in answer.text
    assert t.grad.why("fc1.weight", (0, 0)).cause == "zero inputs"


def test_a_function_that_is_zero_and_not_flat() -> None:
    net = network([gt.Conv2d(2, 1), gt.Tanh(), gt.Flatten(), gt.Linear(3)])
    x, y = samples(net)
    answer = gt.trace(net, np.zeros_like(x), y).value.why("tanh1.output", (0, 0, 0, 0))
    assert answer.cause == "zero inputs"
    assert "handed on from conv1.output[0,0,0,0]" in answer.text


@pytest.mark.parametrize(
    ("weights", "inputs", "cause", "text"),
    [
        ([0, 1], [1, 0], "zero products", "in each of its 2 products a factor is 0: "),
        ([0, 0, 1], [1, 1, 0], "zero products", "1 times inputs"),
        ([0, 0], [1, 2], "zero weights", "all weights of fc1 that it is made with are 0"),
        ([1, 2], [0, 0], "zero inputs", "everything that fc1 reads for it is 0"),
        ([1] * 5000 + [0] * 904, [0] * 5000 + [1] * 904, "zero products", "904 times weights"),
    ],
)
def test_which_factors_of_a_sum_are_zero(weights, inputs, cause: str, text: str) -> None:
    net = gt.Network((len(inputs),), [gt.Linear(2, bias=False)])
    net.parameters["fc1.weight"] = np.array([weights, weights])
    answer = gt.trace(net, np.array([inputs], np.float32), [0]).value.why("fc1.output", (0, 0))
    assert answer.cause == cause
    assert text in answer.text


def test_a_loss_of_zero() -> None:
    net = network(SHALLOW)
    net.parameters["fc1.bias"] = [500, 0, 0, 0]
    x, _ = samples(net)
    answer = gt.trace(net, x, np.zeros(4, int)).value.why("loss")
    assert answer.cause == "saturated"


def test_what_underflows_nearer_to_the_loss() -> None:
    net = gt.Network((2,), [gt.Linear(2), gt.Linear(2)], seed=0)
    net.parameters["fc2.weight"] = np.full((2, 2), 1e-45)
    answer = gt.trace(net, np.float32([[1, 1]]), [0]).grad.why("fc1.weight", (0, 0))
    assert answer.cause in ("underflow", "cancelled")
    assert "since it is made of dfc1.output[0,0]" in answer.text


def test_only_weights_on_the_way_are_named() -> None:
    """The corner pixel meets one weight of the second convolution, which is not 0."""
    net = network(
        [gt.Conv2d(1, 1), gt.ReLU(), gt.Conv2d(1, 3), gt.ReLU(), gt.Flatten(), gt.Linear(2)],
        (1, 4, 4),
    )
    net.parameters["conv2.weight"][0, 0, 2, 2] = 0
    net.parameters["conv1.weight"] = np.ones((1, 1, 1, 1))
    net.parameters["conv2.bias"] = [-1000]
    x, y = samples(net, 1)
    answer = gt.trace(net, np.abs(x), y).grad.why("input", (0, 0, 0, 0))
    assert answer.cause == "relu closed"
    assert answer.blocked == {"relu closed": 1}


def test_windows_are_counted_once() -> None:
    net = network([gt.Conv2d(1, 3), gt.MaxPool2d(2), gt.Flatten(), gt.Linear(2)], (1, 4, 4))
    net.parameters["conv1.weight"] = np.ones((1, 1, 3, 3))
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[0, 0, 3, 1] = 5  # the lower windows win; the pixel in row 0 is in the upper two
    answer = gt.trace(net, x, [0]).grad.why("input", (0, 0, 0, 1))
    assert answer.blocked == {"lost maximum": 1}


def test_vanishing_gradients_by_layer() -> None:
    deep = [part for _ in range(6) for part in (gt.Linear(16), gt.Sigmoid())]
    net = network([gt.Flatten(), *deep, gt.Linear(4)])
    found = gt.trace(net, *samples(net)).vanishing()
    by_layer = {entry.layer: entry for entry in found}
    assert by_layer["fc1"].relative < 1e-3 < by_layer["fc6"].relative
    assert by_layer["fc7"].relative == 1
    assert by_layer["fc7"].update > 0
    assert by_layer["sigmoid1"].weight is None
    assert "rms of doutput" in str(found) == repr(found)
    assert "<table>" in found._repr_html_()
    assert found.to_dict()[0]["layer"] == "flatten1"


def test_what_is_computed_but_no_sum() -> None:
    net = network(SHALLOW)
    t = gt.trace(net, *samples(net))
    probability = t.value.why("loss.probabilities", (0, 1))
    assert probability.cause == "no sum"
    assert "is no sum: it is the softmax of fc1.output, made by loss" in probability.text
    winner = t.value.terms("pool1.winner", (0, 0, 0, 0))
    assert "it says which point of pool1's window won" in str(winner)
    assert "was given" in str(t.value.terms("loss.target", (0, 0)))
    assert t.value.terms("pool1.output", (0, 0, 0, 0)).text(0).count("\n") <= 4


@pytest.mark.parametrize(
    ("layer", "at"), [(gt.Tanh(), 10.0), (gt.Tanh(), -12.0), (gt.Sigmoid(), 20.0)]
)
def test_a_slope_less_than_a_rounding_of_float32_is_flat(layer, at: float) -> None:
    """In float64 it is not 0; the engine computes in float32."""
    net = gt.Network((1,), [gt.Linear(1), layer, gt.Linear(2)])
    net.parameters["fc1.weight"] = [[1]]
    net.parameters["fc2.weight"] = [[1], [-2]]
    t = gt.trace(net, np.float32([[at]]), [1])
    assert t.grad["fc1.output"][0, 0] == 0
    assert t.grad.why("fc1.output", (0, 0)).cause == "flat"
    assert t.grad.why("fc1.weight", (0, 0)).cause == "flat"


def test_a_value_that_came_to_less_than_a_rounding() -> None:
    net = gt.Network((1,), [gt.Linear(1), gt.ReLU(), gt.Linear(2)])
    net.parameters["fc1.weight"] = [[1e-30]]
    t = gt.trace(net, np.float32([[1e-20]]), [0])
    for name in ("fc1.output", "relu1.output"):
        answer = t.value.why(name, (0, 0))
        assert answer.cause == "underflow"
        assert "smaller than any number of its precision" in answer.text
