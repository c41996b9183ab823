"""t.grad.why of what is 0: each cause in a network built to have exactly that."""

from __future__ import annotations

import numpy as np
import pytest
from traces import SHALLOW, engines, network, samples, zeros

import gradtrail as gt
from gradtrail.layers.weighted_loss_functions import WeightedSquaredError
from gradtrail.tracing.element import Element


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
    assert "sample 0 is left out of the loss: its label is ignored, or its class" in answer.text


def test_positions_that_are_left_out() -> None:
    net = gt.Network((2, 2, 2), [gt.Conv2d(3, 1)], seed=0)
    x, y = (
        np.cos(np.arange(16.0)).reshape(2, 2, 2, 2),
        np.int64([[[9, 1], [2, 0]], [[9, 9], [9, 9]]]),
    )
    t = gt.trace(net, x.astype(np.float32), y, loss=gt.CrossEntropy(ignore_index=9))
    answer = t.grad.why("conv1.output", (0, 1, 0, 0))
    assert answer.cause == "left out"
    assert "position (0,0) of sample 0 is left out of the loss" in answer.text
    assert "all 4 positions" not in answer.text
    assert t.grad.why("input", (1, 0, 1, 0)).cause == "left out"


def test_a_loss_that_does_not_change() -> None:
    """An absolute difference of 0 has the slope 0; a mask that is met by both overlaps too."""
    x, y = np.float32([[1, 2], [3, -1]]), np.float64([[1, 0], [0, -1]])
    t = gt.trace(gt.Network((2,), [gt.LeakyReLU(1.0)]), x, y, loss=gt.L1(), engine="reference")
    answer = t.grad.why("leakyrelu1.output", (0, 0))
    assert answer.cause == "level"
    assert "does not change with leakyrelu1.output[0,0], which is 1" in answer.text
    assert t.grad["input"].tolist() == [[0, 0.25], [0.25, 0]]
    net, maps = gt.Network((1, 2, 2), [gt.Conv2d(2, 1)], seed=0), np.cos(np.arange(8.0))
    masks = np.int64([[[0, 1], [1, 1]], [[0, 0], [1, 0]]])
    t = gt.trace(net, maps.reshape(2, 1, 2, 2).astype(np.float32), masks, loss=gt.Dice())
    gt.trace(net, maps.reshape(2, 1, 2, 2).astype(np.float32), masks, loss=gt.Focal(alpha=(1, 2)))
    tags = np.eye(8)[:2].reshape(2, 2, 2, 2)
    loss = gt.BCEWithLogits(pos_weight=(1, 3))
    gt.trace(net, maps.reshape(2, 1, 2, 2).astype(np.float32), tags, loss=loss)
    loss = gt.BinaryDice()
    gt.trace(net, maps.reshape(2, 1, 2, 2).astype(np.float32), tags, loss=loss)
    products = t.grad.terms("conv1.output", (1, 0, 0, 1))
    assert [str(f) for row in products for f in row.factors] == ["loss.slopes[1,0,0,1]"]
    assert products.sum() == pytest.approx(float(t.grad["conv1.output"][1, 0, 0, 1]))


def test_a_sample_without_weight() -> None:
    """Of the squared error; a loss of 0 tells only of those that count."""
    net = gt.Network((2,), [gt.Linear(2)], seed=0)
    x, y = np.float32([[1, 2], [3, -1], [1, 1]]), np.float64([[1, 0, 0], [0, 2, 1.5], [1, 1, 0]])
    t = gt.trace(net, x, y, loss=WeightedSquaredError(), engine="reference")
    answer = t.grad.why("fc1.output", (2, 1))
    assert answer.cause == "no weight"
    assert answer.text == "dfc1.output[2,1] is 0: sample 2 has the weight 0 in the loss."
    assert t.grad.why("fc1.output", (1, 1)).cause == "sum"
    t = gt.trace(net, x, y * [1, 1, 0], loss=WeightedSquaredError(), engine="reference")
    answer = t.grad.why("fc1.weight", (0, 1))
    assert "all 3 samples that it reaches have the weight 0 in the loss" in answer.text
    assert t.value.why("loss").cause == "no weight"
    t = gt.trace(net, 0 * x, y * [0, 0, 1], loss=WeightedSquaredError(), engine="reference")
    zero = "loss is 0: every prediction that counts is its target to the last bit."
    assert t.value.why("loss").text == zero


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


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_a_bias_that_batch_norm_takes_off_again(engine: str) -> None:
    """Whether its gradient is 0, or what rounding left of it."""
    layers = [gt.Conv2d(2, 3), gt.BatchNorm2d(), gt.ReLU(), gt.Flatten(), gt.Linear(2)]
    net = gt.Network((1, 6, 6), layers, seed=0)
    x = np.random.Generator(np.random.PCG64(0)).standard_normal((4, 1, 6, 6))
    t = gt.trace(net, x, [0, 1, 1, 0], engine=engine)
    said = (
        "norm1 takes the mean of each channel off what conv1 makes, and so takes this off again: "
        "it changes nothing, and its gradient is 0 but for rounding; bias=False leaves it out."
    )
    for channel in range(2):
        assert abs(t.grad["conv1.bias"][channel]) < 1e-7
        assert t.grad.why("conv1.bias", channel).text.endswith(said)
    for name, index in (("conv1.weight", (0, 0, 0, 0)), ("norm1.bias", 0), ("fc1.bias", 0)):
        assert "takes this off again" not in t.grad.why(name, index).text
    evaluated = gt.trace(net, x, [0, 1, 1, 0], engine=engine, training=False)
    assert "takes this off again" not in evaluated.grad.why("conv1.bias", 0).text


@engines
def test_an_output_of_no_weight_in_the_loss_gives_nothing(engine: str) -> None:
    x = gt.Input((1, 4, 4))
    h = gt.Conv2d(2, 3)(x)
    net = gt.Network(x, {"a": gt.Linear(3)(gt.Flatten()(h)), "b": gt.Conv2d(1, 1)(h)}, seed=1)
    draw = np.random.default_rng(0)
    y = {"a": [2, 0], "b": draw.normal(size=(2, 1, 2, 2)).astype(np.float32)}
    loss = {"a": gt.CrossEntropy(), "b": (gt.MeanSquaredError(), 0)}
    inputs = draw.normal(size=(2, 1, 4, 4)).astype(np.float32)
    t = gt.trace(net, inputs, y, loss=loss, engine=engine)
    answer = t.grad.why("conv2.weight", (0, 1, 0, 0))
    assert answer.cause == "no output weight"
    assert "b.loss has the weight 0 in the loss" in answer.text
    assert t.grad.why("b.loss").cause == "no output weight"
