"""t.grad.why and t.value.why where a formula itself makes the 0: its coefficient, its functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.layers.weighted_loss_functions import WeightedCrossEntropy, WeightedSquaredError
from gradtrail.tracing.element import Element

X = np.array([[1.0, -2.0, 0.5], [3.0, 1.0, -1.0]])


def behind(layer: gt.layers.Layer, x: np.ndarray = X, **options: Any) -> gt.Trace:
    """A step of fc1, a layer, and fc2; fc1 adds to its input a quarter of its sum."""
    net = gt.Network((3,), [gt.Linear(3), layer, gt.Linear(2)], seed=1, dtype=np.float64)
    net.parameters["fc1.weight"] = np.eye(3) + 0.25
    return gt.trace(net, x, [0, 1], **options)


def joined(formula: str, a: np.ndarray, b: np.ndarray) -> gt.Trace:
    """A step of a formula of two inputs."""
    inputs = [gt.Input(a.shape[1:]), gt.Input(b.shape[1:])]
    net = gt.Network(inputs, gt.Linear(2)(gt.Pointwise(formula)(*inputs)), seed=1, dtype=np.float64)
    return gt.trace(net, (a, b), [0, 1])


@pytest.mark.parametrize(
    "formula",
    [
        "Z[n,c] = 0·X[n,c]",
        "Z[n,c] = 0·X[n,c] + b[c]",
        "Z[n,c] = 0·X[n,c] + 0·relu(X[n,c])",
        "Z[n,k] = 0·Σ_{c} W[k,c]·X[n,c]",
    ],
)
def test_a_coefficient_of_0_in_a_formula_is_named(formula: str) -> None:
    t = behind(gt.Equation(formula, **({"k": 3} if "[n,k]" in formula else {})))
    for name in ("input", "fc1.weight", "fc1.bias", "fc1.output"):
        assert not t.grad[name].any()
        for index in np.ndindex(t.grad[name].shape):
            answer = t.grad.why(name, index)
            assert answer.cause == "zero coefficient"
            assert set(answer.blocked) == {"zero coefficient"}
            assert "by 0, the coefficient in its formula" in answer.text
            assert answer.where[0].name == "fc1.output"


def test_a_coefficient_of_0_before_a_parameter() -> None:
    layer = gt.Equation("Z[n,c] = 0·g[c]·X[n,c] + X[n,c]", parameters={"g": "ones"})
    t = behind(layer)
    answer = t.grad.why("equation1.g", 1)
    assert answer.cause == "zero coefficient"
    assert answer.blocked == {"zero coefficient": 2}
    assert answer.where == (Element("value", "equation1.g", (1,)),)
    assert answer.text == (
        "dequation1.g[1] is 0: equation1 multiplies by 0, the coefficient in its formula, in all 2 "
        "products on the way, such as equation1.g[1]."
    )
    assert t.grad.why("fc1.output", (0, 1)).cause == "sum"  # by the other term


def test_a_weight_of_0_beside_a_coefficient_of_0_is_told_as_well() -> None:
    formula = "Z[n,c] = g[c]·X[n,c] + 0·X[n,c]"
    t = behind(gt.Equation(formula, parameters={"g": "zeros"}))
    answer = t.grad.why("fc1.output", (0, 1))
    assert answer.blocked == {"zero weights": 1, "zero coefficient": 1}
    assert {found.name for found in answer.where} == {"equation1.g", "fc1.output"}


@pytest.mark.parametrize(
    ("formula", "cause"),
    [
        ("0*x", "zero coefficient"),
        ("x*0 + 3", "zero coefficient"),
        ("0*sigmoid(x) - 0*x", "zero coefficient"),
        ("(0*x)*sigmoid(x)", "zero coefficient"),
        ("0/(x*x + 1)", "zero coefficient"),
        ("floor(x)", "flat"),
        ("2*sign(x)", "flat"),
        ("0*x + 0.5*relu(x - 5)", "flat"),
    ],
)
def test_a_function_that_is_the_same_for_all_numbers(formula: str, cause: str) -> None:
    t = behind(gt.Pointwise(formula))
    for index in np.ndindex(X.shape):
        answer = t.grad.why("fc1.output", index)
        assert answer.cause == cause
        assert answer.where == (Element("value", "fc1.output", index),)
    assert t.grad.why("fc1.weight", (0, 1)).cause == cause


def test_a_coefficient_of_0_among_several_inputs() -> None:
    a, b = X, X[::-1].copy()
    for formula, name in (
        ("0*a + b", "input1"),
        ("a*(b*0) + a", "input2"),
        ("0*a*b + b", "input1"),
    ):
        answer = joined(formula, a, b).grad.why(name, (0, 1))
        assert answer.cause == "zero coefficient"
        assert answer.text == (
            f"d{name}[0,1] is 0: pointwise1 multiplies {answer.where[0]} by 0, the coefficient in "
            "its formula."
        )


def test_a_value_that_a_coefficient_of_0_makes() -> None:
    said = "{} is 0: {} multiplies what it reads by 0, the coefficient in its formula."
    t = behind(gt.Equation("Z[n,c] = 0·X[n,c]"))
    answer = t.value.why("equation1.output", (0, 1))
    assert answer.cause == "zero coefficient"
    assert answer.text == said.format("equation1.output[0,1]", "equation1")
    answer = behind(gt.Pointwise("0*exp(x)")).value.why("pointwise1.output", (0, 1))
    assert (answer.cause, answer.where) == (
        "zero coefficient",
        (Element("value", "fc1.output", (0, 1)),),
    )
    t = joined("0*a + b", X, np.zeros((2, 3)))
    answer = t.value.why("pointwise1.output", (0, 1))
    assert answer.cause == "zero products"
    told = "in each of its 2 products a factor is 0: 1 times the coefficient and input2[0,1]."
    assert answer.text.endswith(told)
    answer = joined("0*a*b + a", np.zeros((2, 3)), X).value.why("pointwise1.output", (0, 1))
    assert answer.cause == "zero inputs"
    assert t.grad.why("fc1.weight", (0, 1)).cause == "zero inputs"


@pytest.mark.parametrize(
    "layer", [gt.Equation("Z[n,c] = 0·X[n,c]"), gt.Pointwise("0*x")], ids=["formula", "function"]
)
def test_what_a_coefficient_of_0_makes_is_not_handed_on(layer: gt.layers.Layer) -> None:
    """Even where it multiplies a 0: another number would make a 0, too."""
    net = gt.Network((2,), [layer, gt.Linear(2)], seed=1, dtype=np.float64)
    answer = gt.trace(net, np.zeros((2, 2)), [0, 1]).value.why(net.steps[0].name, (0, 1))
    assert answer.cause == "zero coefficient"
    assert "handed on" not in answer.text


def test_a_gate_that_is_0_is_no_slope() -> None:
    """hardsigmoid(−4) is 0 and so is its slope; tanh(0) is 0, and its slope 1."""
    b = np.array([[-4.0, 1.0], [4.0, 0.0]])
    a = np.array([[5.0, 6.0], [0.0, 7.0]])
    t = joined("a*clip(b/6 + 0.5, 0, 1)", a, b)
    answer = t.grad.why("input1", (0, 0))
    assert answer.cause == "zero function"
    assert answer.text == (
        "dinput1[0,0] is 0: f of what pointwise1 reads is 0, where input2[0,0] is −4."
    )
    assert t.grad.why("input2", (0, 0)).cause == "flat"
    made = t.value.why("pointwise1.output", (0, 0))
    assert made.cause == "zero function"
    assert made.text.endswith("f of what pointwise1 reads is 0, where input2[0,0] is −4.")
    t = joined("a*tanh(b)", a, b)
    answer = t.grad.why("input1", (1, 1))
    assert answer.cause == "zero function"
    assert answer.text.endswith("tanh of what pointwise1 reads is 0, where input2[1,1] is 0.")
    assert t.grad.why("input2", (1, 1)).cause == "sum"
    made = t.value.why("pointwise1.output", (1, 1))
    assert made.cause == "zero inputs"
    assert made.text.endswith("pointwise1 reads input2[1,1], which is 0.")


def test_a_gate_that_a_relu_closes() -> None:
    a, b = np.array([[5.0, 0.0], [1.0, 1.0]]), np.array([[-4.0, 2.0], [1.0, 1.0]])
    t = joined("a*relu(b)", a, b)
    assert t.grad.why("input1", (0, 0)).cause == "relu closed"
    made = t.value.why("pointwise1.output", (0, 0))
    assert made.cause == "relu closed"
    assert made.text.endswith("pointwise1 closes it, its input input2[0,0] is −4.")
    other = t.value.why("pointwise1.output", (0, 1))  # here it is open, and what it gates is 0
    assert other.cause == "zero inputs"
    assert other.text.endswith("pointwise1 reads input1[0,1], which is 0.")


def test_a_learned_slope_that_nothing_below_0_reaches() -> None:
    t = behind(gt.PReLU(), np.abs(X))
    answer = t.grad.why("prelu1.weight", 0)
    assert answer.cause == "zero function"
    assert answer.text.startswith(
        "dprelu1.weight[0] is 0: negative of what prelu1 reads is 0 at all 6 positions on the way"
    )


@pytest.mark.parametrize(
    ("formula", "at", "cause"),
    [("x - 1", 1.0, "zero function"), ("log(x)", 1.0, "zero function"), ("floor(x)", 0.5, "flat")],
)
def test_a_function_that_is_0_is_not_always_flat(formula: str, at: float, cause: str) -> None:
    net = gt.Network((3,), [gt.Pointwise(formula), gt.Linear(2)], seed=1, dtype=np.float64)
    answer = gt.trace(net, np.full((2, 3), at), [0, 1]).value.why("pointwise1.output", (0, 1))
    assert answer.cause == cause
    assert answer.where == (Element("value", "input", (0, 1)),)
    told = f"f of what pointwise1 reads is 0, where input[0,1] is {at:g}."
    assert answer.text.endswith(told) == (cause == "zero function")


def test_a_probability_of_0() -> None:
    t = behind(gt.Softmax(), np.array([[0.0, 3000.0, 0.0], [1.0, 2.0, 3.0]]))
    answer = t.grad.why("fc1.output", (0, 2))
    assert answer.cause == "zero probability"
    assert answer.text == (
        "dfc1.output[0,2] is 0: softmax1 gives the probability 0 in all 3 products on the way, "
        "such as softmax1.output[0,2]."
    )
    assert answer.where == (Element("value", "softmax1.output", (0, 2)),)


@pytest.mark.parametrize(
    "layer",
    [gt.IndexSelect([0, 2], axis=2), gt.Upsample(size=2)],
    ids=["select", "upsample"],
)
def test_what_a_constant_of_the_equation_leaves_out(layer: gt.layers.Layer) -> None:
    """At the layer itself, and from further away."""
    layers = [gt.Conv1d(2, 1), gt.Tanh(), layer, gt.Flatten(), gt.Linear(2)]
    net = gt.Network((1, 4), layers, seed=0, dtype=np.float64)
    t = gt.trace(net, np.arange(8.0).reshape(2, 1, 4), [0, 1])
    kind = net.steps[2].name
    for place in (1, 3):
        for name in ("input", "conv1.output", "tanh1.output"):
            answer = t.grad.why(name, (1, 0, place))
            assert answer.cause == "no window"
            assert f"no window of {kind} reaches" in answer.text
            assert answer.where[0].index[2] == place


def test_a_saturated_sample_beside_one_that_is_left_out() -> None:
    """The one that is named as saturated is one that counts."""
    net = gt.Network((2,), [gt.Linear(2)], seed=0, dtype=np.float64)
    net.parameters["fc1.weight"] = np.eye(2)
    x = np.array([[1.0, 2.0], [2000.0, 0.0], [0.0, 2000.0]])
    t = gt.trace(net, x, [9, 0, 1], loss=gt.CrossEntropy(ignore_index=9))
    answer = t.grad.why("fc1.bias", 0)
    assert answer.blocked == {"saturated": 2, "no class weight": 1}
    assert answer.text == (
        "dfc1.bias[0] is 0: the softmax is saturated for all 2 outputs that it reaches: "
        "loss.probabilities[1,0] is 1, and so is loss.target[1,0]; sample 0 is left out of the "
        "loss: its label is ignored, or its class or the sample itself has the weight 0."
    )
    assert t.value.why("loss").cause == "saturated"


def test_a_focal_loss_that_does_not_count() -> None:
    net = gt.Network((1, 2), [gt.Conv1d(2, 1)], seed=0, dtype=np.float64)
    x, y = np.arange(4.0).reshape(2, 1, 2), np.array([[0, 9], [1, 0]])
    t = gt.trace(net, x, y, loss=gt.Focal(alpha=(0, 1), ignore_index=9))
    for index in ((0, 0, 0), (0, 1, 1), (1, 0, 1)):
        answer = t.grad.why("conv1.output", index)
        assert answer.cause == "left out"
        where = f"position ({index[2]}) of sample {index[0]} is left out of the loss"
        assert where in answer.text
    net = gt.Network((2,), [gt.Linear(2)], seed=0, dtype=np.float64)
    t = gt.trace(net, np.eye(2), [0, 1], loss=gt.Focal(alpha=(0, 1)))
    assert t.grad.why("fc1.output", (0, 1)).cause == "no class weight"
    assert t.grad.why("fc1.output", (1, 1)).cause == "sum"


@pytest.mark.parametrize(
    ("loss", "y", "cause", "said"),
    [
        (gt.CrossEntropy(ignore_index=9), [9, 9], "no class weight", "nothing counts in it"),
        (WeightedCrossEntropy(), [[0.0, 0.0], [1.0, 0.0]], "no class weight", "nothing counts"),
        (gt.PointwiseLoss("0*(z - t)"), np.eye(2), "level", "all of loss.elements is 0"),
        (gt.MeanSquaredError(), np.eye(2), "saturated", "every prediction is its target"),
    ],
)
def test_a_loss_of_0_by_what_makes_it_so(loss: Any, y: Any, cause: str, said: str) -> None:
    net = gt.Network((2,), [gt.Linear(2)], seed=0, dtype=np.float64)
    net.parameters["fc1.weight"] = np.eye(2)
    answer = gt.trace(net, np.eye(2), y, loss=loss, engine="reference").value.why("loss")
    assert answer.cause == cause
    assert answer.text.startswith(f"loss is 0: {said}")


@pytest.mark.parametrize(
    ("loss", "name", "said"),
    [
        (gt.CrossEntropy(), "probabilities", "is no sum: it is the softmax of conv1.output"),
        (gt.BinaryDice(), "probabilities", "is no sum: it is the sigmoid of conv1.output"),
        (gt.CrossEntropy(ignore_index=9), "weight", "it is what the targets add up to that loss"),
        (gt.BCEWithLogits(), "elements", "it is what conv1.output adds to loss there"),
        (gt.BCEWithLogits(), "slopes", "it is how what conv1.output adds to loss changes with it"),
    ],
)
def test_what_is_no_sum_is_told_by_what_it_is(loss: Any, name: str, said: str) -> None:
    net = gt.Network((1, 2), [gt.Conv1d(2, 1)], seed=0, dtype=np.float64)
    labels = isinstance(loss, gt.CrossEntropy)
    y = np.array([[0, 1], [1, 0]]) if labels else np.arange(8).reshape(2, 2, 2) % 2.0
    t = gt.trace(net, np.arange(4.0).reshape(2, 1, 2), y, loss=loss)
    answer = t.value.why(f"loss.{name}", (0,) * t.value[f"loss.{name}"].ndim)
    assert answer.cause == "no sum"
    assert said in answer.text
    assert said in t.value.terms(f"loss.{name}", (0,) * t.value[f"loss.{name}"].ndim).text()


def test_the_logarithm_of_a_softmax_is_called_so() -> None:
    answer = behind(gt.LogSoftmax()).value.why("logsoftmax1.output", (0, 1))
    assert "it is the logarithm of the softmax of fc1.output, made by logsoftmax1" in answer.text


def test_a_prediction_that_is_its_target_is_saturated_where_it_is_asked() -> None:
    """Its two products cancel, and say less than that."""
    net = gt.Network((2,), [gt.Linear(2)], seed=0, dtype=np.float64)
    net.parameters["fc1.weight"] = np.eye(2)
    x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0, 1.0], [0.0, 0.0, 0.0]])
    t = gt.trace(net, x, y, loss=WeightedSquaredError(), engine="reference")
    for name, index in (("fc1.output", (0, 1)), ("fc1.weight", (1, 0))):
        answer = t.grad.why(name, index)
        assert answer.cause == "saturated"
        assert "fc1.output[0,1] is 2, and so is loss.target[0,1]" in answer.text
    assert t.value.why("loss").cause == "saturated"
    t = gt.trace(net, 1000 * np.eye(2), [0, 1])
    assert t.grad.why("fc1.output", (0, 0)).cause == "saturated"
    assert t.grad.why("fc1.bias", 0).cause == "saturated"


def test_a_norm_of_what_is_the_same_everywhere() -> None:
    """It reads 3 everywhere, not 0."""
    t = behind(gt.LayerNorm(), np.full((2, 3), 3.0))
    answer = t.value.why("norm1.output", (0, 1))
    assert answer.cause == "cancelled"
    assert answer.text.startswith(
        "norm1.output[0,1] is 0, handed on from norm1.normalised[0,1]: norm1.normalised[0,1] is 0, "
        "since its 2 products that are not 0 cancel"
    )
    assert "reads" not in answer.text


def test_what_comes_back_is_too_small_and_not_saturated() -> None:
    """A probability of 1e−45, divided by 64 samples, is 0 in float32."""
    net = gt.Network((2,), [gt.Linear(2), gt.Linear(2)], seed=0)
    net.parameters["fc2.weight"] = np.zeros((2, 2))
    net.parameters["fc2.bias"] = np.array([0, -103.0])
    t = gt.trace(net, np.ones((64, 2)), [0] * 64)
    assert 0 < t.value["loss.probabilities"][0, 1] < 1e-44
    for name, index in (("fc2.output", (0, 1)), ("fc2.bias", (1,)), ("fc2.weight", (1, 0))):
        assert t.grad[name][index] == 0
        answer = t.grad.why(name, index)
        assert answer.cause == "underflow"
        assert "is smaller than any number of its precision" in answer.text
    assert t.grad.why("fc2.bias", 0).cause == "saturated"
