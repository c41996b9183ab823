"""check_gradients itself: what it judges, what it labels, what it says."""

from __future__ import annotations

import numpy as np
import pytest
from random_networks import drawn
from tails import beginning, searched

import gradtrail as gt
from gradtrail.engines import Reference


def test_every_layer_of_a_mixed_network_agrees(small, batch) -> None:
    report = gt.check_gradients(small, *batch, engine="reference", elements=8)
    assert {e.array for e in report.elements} == {*small.parameters, "input"}
    assert "agree with central differences" in str(report)


@pytest.mark.parametrize("training", [True, False])
def test_both_modes(small, batch, training: bool) -> None:
    gt.check_gradients(small, *batch, engine="reference", training=training, elements=3)


def test_mean_squared_error(batch) -> None:
    network = gt.Network((2, 9, 8), [gt.Flatten(), gt.Linear(3), gt.Sigmoid()], dtype=np.float64)
    gt.check_gradients(network, batch[0], np.zeros((5, 3)), loss=gt.MeanSquaredError())


def test_an_element_at_a_relu_kink_is_labelled_and_not_judged() -> None:
    network = gt.Network((3,), [gt.ReLU(), gt.Linear(2)], seed=1, dtype=np.float64)
    report = gt.check_gradients(network, np.array([[0.0, 1.0, -1.0]]), [1], engine="reference")
    assert [(k.array, k.index, k.kink) for k in report.kinks] == [("input", (0, 0), "relu1")]


def test_an_element_of_a_tie_is_labelled() -> None:
    layers = [gt.MaxPool2d(2), gt.Flatten(), gt.Linear(2)]
    network = gt.Network((1, 2, 2), layers, seed=1, dtype=np.float64)
    x = np.array([[[[1.0, 1.0], [0.0, 0.5]]]])
    report = gt.check_gradients(network, x, [1], engine="reference")
    assert {k.index for k in report.kinks} == {(0, 0, 0, 0), (0, 0, 0, 1)}
    assert {k.kink for k in report.kinks} == {"pool1"}


class Scaled(Reference):
    """One gradient off by 1 %."""

    def compute(self, *arguments, **keywords):
        computed = super().compute(*arguments, **keywords)
        gradients = dict(computed.gradients)
        if gradients:
            gradients["conv1.weight"] = gradients["conv1.weight"].copy()
            gradients["conv1.weight"][1, 0, 2, 1] *= 1.01
        return type(computed)(computed.values, gradients)


def test_the_message_names_layer_array_index_and_both_values() -> None:
    network = gt.Network(
        (1, 6, 6),
        [gt.Conv2d(2, 3), gt.Tanh(), gt.Flatten(), gt.Linear(3)],
        seed=2,
        dtype=np.float64,
    )
    x = np.random.Generator(np.random.PCG64(1)).random((3, 1, 6, 6))
    t = gt.trace(network, x, [0, 1, 2], engine="reference")
    right = t.grad["conv1.weight"][1, 0, 2, 1]
    message = (
        rf"array conv1.weight, read by layer 'conv1' \(Conv2d\): the gradient at index "
        rf"\[1,0,2,1\] is {right * 1.01:.10g}, but the central difference {str(right)[:7]}"
    )
    with pytest.raises(gt.GradientError, match=message):
        gt.check_gradients(network, x, [0, 1, 2], engine=Scaled(), elements=100)


def test_an_element_that_was_not_chosen_is_caught_by_the_layers_check() -> None:
    network = gt.Network((1, 9, 9), [gt.Conv2d(40, 3), gt.Tanh(), gt.Flatten(), gt.Linear(3)])
    x = np.random.Generator(np.random.PCG64(1)).random((3, 1, 9, 9))
    with pytest.raises(gt.GradientError, match=r"array conv1.weight, .* at index \[1,0,2,1\] is"):
        gt.check_gradients(network, x, [0, 1, 2], engine=Scaled(), elements=1, tolerance=1e-6)


def test_nothing_is_changed(small, batch) -> None:
    before = {n: a.copy() for n, a in {**small.parameters, **small.buffers}.items()}
    gt.check_gradients(small, *batch, engine="reference", elements=2)
    for name, array in {**small.parameters, **small.buffers}.items():
        np.testing.assert_array_equal(array, before[name])


# -- what is not finite ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_step_that_is_not_finite_is_named_and_not_compared(value: float) -> None:
    """∞ − ∞ was one of NumPy's warnings, and NaN "but the reference engine's nan"."""
    net = gt.Network((1, 2), [gt.Flatten(), gt.Linear(2), gt.Linear(2)], dtype=np.float64)
    for weights in net.parameters.values():
        weights[...] = value
    named = "fc2.output" if value == 1e300 else "fc1.weight"
    with pytest.raises(gt.NonFiniteError, match=rf"^check_gradients: {named}\[0,0\] of layer"):
        gt.check_gradients(net, np.ones((3, 1, 2)), [0, 1, 0])


def test_a_difference_that_leaves_the_range_of_float64_is_taken_with_a_smaller_step() -> None:
    """The loss is 0, and ∞ for a weight of 1e-5; nothing warns of it."""
    net = gt.Network((1,), [gt.Linear(1, bias=False)], dtype=np.float64)
    net.parameters["fc1.weight"][...] = 0.0
    samples, labels = np.full((1, 1), 1e160), np.zeros((1, 1))
    report = gt.check_gradients(net, samples, labels, loss=gt.MeanSquaredError())
    assert "largest difference 0)" in str(report)


# -- float32: what rounding alone does is no mistake ---------------------------------------------


def normed(seed: int = 0) -> gt.Network:
    """A bias before a batch norm, whose gradient is 0."""
    layers = [gt.Conv2d(6, 3, padding=1), gt.BatchNorm2d(), gt.ReLU(), gt.Flatten(), gt.Linear(10)]
    return gt.Network((1, 8, 8), layers, seed=seed)


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    (x, y), _ = gt.data.digits()
    return x[:count], y[:count]


@pytest.mark.parametrize("seed", range(3))
def test_a_bias_before_a_batch_norm_is_no_mistake(seed: int) -> None:
    """Its gradient is 0 in truth; the engine's is a sum of roundings, up to 1e-7."""
    report = gt.check_gradients(normed(seed), *digits(8), elements=3)
    biases = [e for e in report.elements if e.array == "conv1.bias"]
    assert 0 < max(abs(e.gradient) for e in biases) < 1e-6


def test_a_network_that_has_learnt_its_samples_is_no_mistake() -> None:
    """p − y of a p next to y keeps few digits in float32, and so do all gradients behind it."""
    net, (x, y) = normed(1), digits(8)
    gt.train(net, (x, y), optimizer=gt.SGD(0.1), epochs=300, batch_size=8, progress=False)
    for training in (True, False):
        t = gt.trace(net, x, y, training=training, engine="reference")
        assert t.loss < 5e-3
        gt.check_gradients(net, x, y, training=training, elements=3)


class Times(Reference):
    """One array's gradient off by a factor."""

    def __init__(self, name: str, factor: float) -> None:
        self.of, self.factor = name, factor

    def compute(self, *arguments, **keywords):
        computed = super().compute(*arguments, **keywords)
        computed.gradients[self.of] *= self.factor
        return computed


class Shifted(Reference):
    """One array's gradient off by a number everywhere, in float32."""

    def __init__(self, name: str, by: float) -> None:
        self.of, self.by = name, by

    def compute(self, *arguments, **keywords):
        computed = super().compute(*arguments, **keywords)
        values, gradients = (
            {n: a.astype(np.float32) if a.dtype == np.float64 else a for n, a in side.items()}
            for side in (computed.values, computed.gradients)
        )
        if gradients:
            gradients[self.of] = gradients[self.of] + np.float32(self.by)
        return type(computed)(values, gradients)


def test_a_mistake_in_what_should_be_0_is_seen_all_the_same() -> None:
    with pytest.raises(
        gt.GradientError, match=r"array conv1.bias, .* is 9\.99\d*e-05, but the cent"
    ):
        gt.check_gradients(normed(), *digits(8), engine=Shifted("conv1.bias", 1e-4))
    gt.check_gradients(normed(), *digits(8), engine=Shifted("conv1.bias", 1e-8), elements=2)


def test_a_mistake_of_a_tenth_in_a_learnt_network_is_seen() -> None:
    class Tenth(Shifted):
        def compute(self, *arguments, **keywords):
            computed = super().compute(*arguments, **keywords)
            computed.gradients["fc1.weight"] *= np.float32(1.1)
            return computed

    net, (x, y) = normed(1), digits(8)
    gt.train(net, (x, y), optimizer=gt.SGD(0.1), epochs=300, batch_size=8, progress=False)
    with pytest.raises(gt.GradientError, match=r"array fc1.weight, read by layer 'fc1'"):
        gt.check_gradients(net, x, y, engine=Tenth("fc1.weight", 0.0))


def sure(by: float) -> tuple[gt.Network, np.ndarray, np.ndarray]:
    """Three samples that are told apart by so much: the loss is log(1 + 2·exp(−by))."""
    net = gt.Network((3, 1, 1), [gt.Flatten(), gt.Linear(3)], dtype=np.float64)
    net.parameters["fc1.weight"][...] = by * np.eye(3)
    return net, np.eye(3).reshape(3, 3, 1, 1), np.arange(3)


@pytest.mark.parametrize("by", [12.0, 18.0, 30.0, 150.0])
def test_a_loss_next_to_nothing_is_no_mistake(by: float) -> None:
    """It is the difference of numbers about 1 or more, and rounded as they are."""
    net, x, y = sure(by)
    t = gt.trace(net, x, y, engine="reference")
    assert t.loss == pytest.approx(np.log1p(2 * np.exp(-by)), abs=1e-15)
    gt.check_gradients(net, x, y, engine="reference")


def test_a_mistake_of_a_hundredth_is_seen_where_the_loss_is_next_to_nothing() -> None:
    net, x, y = sure(12.0)
    with pytest.raises(gt.GradientError, match="array fc1.output, read by layer 'loss'"):
        gt.check_gradients(net, x, y, engine=Times("fc1.output", 1.01))


def far(by: float) -> tuple[gt.Network, np.ndarray, np.ndarray]:
    """Digits a long way from 0 for what they differ by: a step of theirs is far for a norm."""
    x, y = digits(6)
    layers = [gt.Conv2d(3, 3), gt.BatchNorm2d(), gt.GELU(), gt.Flatten(), gt.Linear(10)]
    return gt.Network((1, 8, 8), layers, seed=1, dtype=np.float64), x + np.float64(by), y


def test_what_curves_within_a_step_is_no_mistake() -> None:
    gt.check_gradients(*far(1000.0), engine="reference", elements=4)


def small() -> tuple[gt.Network, np.ndarray, np.ndarray]:
    """Digits that differ by a tenth of a step, and five norms that multiply that by 316 each."""
    x, y = digits(3)
    block = [gt.Conv2d(3, 3, padding=1), gt.BatchNorm2d(), gt.SiLU()]
    layers = [*(block * 5), gt.GlobalAvgPool2d(), gt.Linear(10)]
    return gt.Network((1, 8, 8), layers, seed=1, dtype=np.float64), x * np.float64(1e-6), y


def test_what_a_step_is_too_long_for_is_not_judged_and_that_is_said() -> None:
    report = gt.check_gradients(*small(), engine="reference", elements=3)
    assert "the step" in {check.kink for check in report.elements if check.array == "input"}


def nothing() -> tuple[gt.Network, np.ndarray, np.ndarray]:
    """Images of nothing but 0: five norms bend what leaves that within 1e-12."""
    block = [gt.Conv2d(4, 3, padding=1), gt.BatchNorm2d(), gt.Tanh()]
    net = gt.Network((1, 8, 8), [*(block * 5), gt.Flatten(), gt.Linear(3)], seed=5)
    return net, np.zeros((6, 1, 8, 8), np.float32), np.arange(6) % 3


def test_images_of_nothing_but_0_are_no_mistake() -> None:
    report = gt.check_gradients(*nothing(), engine="reference", elements=2)
    (largest, *_) = (check for check in report.elements if check.array == "input")
    assert largest.kink == "the step"
    assert abs(largest.gradient) > 1e11


def test_a_mistake_of_an_eighth_is_seen_in_images_of_nothing_but_0() -> None:
    with pytest.raises(gt.GradientError, match="array input, read by layer 'conv1'"):
        gt.check_gradients(*nothing(), engine=Times("input", 1.125), elements=2)


def test_a_mistake_is_seen_where_a_step_is_too_long() -> None:
    with pytest.raises(gt.GradientError, match="array conv1.output, read by layer 'norm1'"):
        gt.check_gradients(*far(1000.0), engine=Times("conv1.output", 1.001), elements=4)


@pytest.mark.parametrize("number", beginning(1, searched(16)))
@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_no_right_network_alarms(number: int, engine: str) -> None:
    net = drawn(number)
    gt.check_gradients(
        net.network,
        net.batch.x,
        net.batch.y,
        loss=net.loss,
        engine=engine,
        training=net.training,
        seed=number,
        elements=2,
    )


def test_one_element_stands_and_several_stand() -> None:
    net = gt.Network((2,), [gt.ReLU(), gt.Linear(2)])
    for x, told in (([[0.0, 1]], "; 1 element stands at"), ([[0.0, 0]], "; 2 elements stand at")):
        assert told in str(gt.check_gradients(net, x, [1]))
