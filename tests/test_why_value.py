"""t.value.why: what made a value 0, or where it is from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from own_layers import DOUBLED, POSITIVE, TURNED, traced
from traces import SHALLOW, network, samples

import gradtrail as gt
from gradtrail.equation.scalar import Function


def test_what_was_given() -> None:
    net = network(SHALLOW)
    x, y = samples(net)
    x[0, 0, 0, 0] = 0
    t = gt.trace(net, x, y)
    assert t.value.why("input", (0, 0, 0, 0)).cause == "given"
    assert t.value.why("conv1.weight", (0, 0, 0, 0)).cause == "given"
    assert t.grad.why("loss").cause == "given"


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
        (
            [0, 0, 1],
            [1, 1, 0],
            "zero products",
            "input[0,2] and 2 times weights, such as fc1.weight[0,0].",
        ),
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


@pytest.mark.parametrize(
    ("index", "cause", "said"),
    [
        (0, "zero inputs", "mul1 reads a[0,0], which is 0."),
        (1, "zero inputs", "mul1 reads b[0,1], which is 0."),
        (2, "zero inputs", "everything that mul1 reads for it is 0."),
    ],
)
def test_which_side_of_a_gate_is_zero(index: int, cause: str, said: str) -> None:
    a, b = gt.Input((3,), name="a"), gt.Input((3,), name="b")
    net = gt.Network([a, b], gt.Linear(2)(a * b))
    x = (np.array([[0.0, 1, 0]]), np.array([[5.0, 0, 0]]))
    t = gt.trace(net, x, [0])
    answer = t.value.why("mul1", (0, index))
    assert answer.cause == cause
    assert answer.text == f"mul1.output[0,{index}] is 0: {said}"
    assert t.grad.why("b", (0, 0)).text == "db[0,0] is 0: mul1 reads a[0,0], which is 0."


def test_a_loss_of_zero() -> None:
    net = network(SHALLOW)
    net.parameters["fc1.bias"] = [500, 0, 0, 0]
    x, _ = samples(net)
    answer = gt.trace(net, x, np.zeros(4, int)).value.why("loss")
    assert answer.cause == "saturated"


def test_a_value_that_came_to_less_than_a_rounding() -> None:
    net = gt.Network((1,), [gt.Linear(1), gt.ReLU(), gt.Linear(2)])
    net.parameters["fc1.weight"] = [[1e-30]]
    t = gt.trace(net, np.float32([[1e-20]]), [0])
    for name in ("fc1.output", "relu1.output"):
        answer = t.value.why(name, (0, 0))
        assert answer.cause == "underflow"
        assert "smaller than any number of its precision" in answer.text


def test_a_place_that_no_window_reaches() -> None:
    net = network([gt.ConvTranspose2d(1, 1, stride=2, bias=False), gt.Flatten(), gt.Linear(2)])
    t = gt.trace(net, *samples(net))
    answer = t.value.why("convt1.output", (0, 0, 1, 1))
    assert answer.cause == "no window"
    assert answer.text == "convt1.output[0,0,1,1] is 0: no window of convt1 reaches it."


def test_the_strongest_samples_are_those_that_there_are() -> None:
    """Batch norm's gradient has a product that belongs to no sample, beside those of all."""
    net = network([gt.Conv2d(2, 3), gt.BatchNorm2d(), gt.ReLU(), gt.Flatten(), gt.Linear(3)])
    t = gt.trace(net, *samples(net))
    for index in [(0, 0, 2, 3), (1, 1, 4, 5)]:
        shares = t.grad.terms("conv1.output", index).by("n′")
        assert -1 in shares.keys_array
        assert -1 not in shares.present().keys_array
        assert len(shares.present()) == len(shares) - 1
        text = t.grad.why("conv1.output", index).text
        best = shares.present().top(1)
        assert f"Most comes from sample {best.values_of(0)[0]} " in text
        assert "-1" not in text


@pytest.mark.parametrize(
    ("function", "cause", "value", "gradient"),
    [
        (DOUBLED, "flat", "own1 is flat there, its input", "own1 is flat, where"),
        (POSITIVE, "relu closed", "own1 closes it, its input", "own1 is closed, where"),
        (TURNED, "relu closed", "own1 closes it, its input", "own1 is closed, where"),
    ],
)
def test_a_relu_is_what_computes_as_one_whatever_it_is_called(
    function: Function, cause: str, value: str, gradient: str
) -> None:
    t = traced(function)
    made = t.value.why("own1.output", (0, 2))
    assert made.cause == cause
    flat = cause == "flat"
    of_value = ", and relu of that is 0" if flat else ""
    assert made.text == f"own1.output[0,2] is 0: {value} masked1.output[0,2] is −3{of_value}."
    sent = t.grad.why("masked1.output", (0, 2))
    assert sent.cause == cause
    of_slope = ", and the slope of relu is 0 there" if flat else ""
    told = f"dmasked1.output[0,2] is 0: {gradient} masked1.output[0,2] is −3{of_slope}."
    assert sent.text == told


def test_a_weight_that_is_called_mask_drops_nothing() -> None:
    t = traced(POSITIVE)
    made = t.value.why("masked1.output", (1, 0))
    assert made.cause == "zero weights"
    assert made.text == (
        "masked1.output[1,0] is 0: all weights of masked1 that it is made with are 0."
    )
    sent = t.grad.why("fc1.output", (1, 0))
    assert sent.cause == "zero weights"
    assert "masked1.mask[0] is 0" in sent.text


@pytest.mark.parametrize(
    ("layer", "at", "called"),
    [
        (gt.ReLU6(), 7.0, "relu6"),
        (gt.Hardsigmoid(), -4.0, "hardsigmoid"),
        (gt.Hardswish(), -3.5, "hardswish"),
        (gt.Softshrink(), 0.25, "softshrink"),
    ],
)
def test_where_a_function_is_flat_it_is_named_with_the_value(
    layer: gt.layers.Layer, at: float, called: str
) -> None:
    net = gt.Network((3,), [layer, gt.Linear(2)], seed=0)
    t = gt.trace(net, np.array([[at, 0.5, -0.5]]), [1])
    number = f"{at:g}".replace("-", "−")
    answer = t.grad.why("input", (0, 0))
    name = net.steps[0].name
    assert answer.cause == "flat"
    assert answer.text == (
        f"dinput[0,0] is 0: {name} is flat, where input[0,0] is {number}, and the slope of "
        f"{called} is 0 there."
    )
    korean = t.grad.why("input", (0, 0), language="ko").text
    assert f"({called}의 기울기 0): input[0,0] = {number}." in korean


def test_products_too_small_to_be_held_though_no_factor_is_zero() -> None:
    net = gt.Network((1,), [gt.Linear(2, bias=False)], dtype=np.float64)
    net.parameters["fc1.weight"][:] = 1e-200
    said = gt.trace(net, [[1e-200]], [0]).value.why("fc1.output", (0, 1))
    assert said.cause == "underflow"
    assert "smaller than any number of its precision" in said.text
