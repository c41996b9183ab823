"""check_gradients itself: what it judges, what it labels, what it says."""

from __future__ import annotations

import numpy as np
import pytest

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
        rf"\[1, 0, 2, 1\] is {right * 1.01:.10g}, but the central difference {str(right)[:7]}"
    )
    with pytest.raises(gt.GradientError, match=message):
        gt.check_gradients(network, x, [0, 1, 2], engine=Scaled(), elements=100)


def test_an_element_that_was_not_chosen_is_caught_by_the_layers_check() -> None:
    network = gt.Network((1, 9, 9), [gt.Conv2d(40, 3), gt.Tanh(), gt.Flatten(), gt.Linear(3)])
    x = np.random.Generator(np.random.PCG64(1)).random((3, 1, 9, 9))
    with pytest.raises(
        gt.GradientError, match=r"array conv1.weight, .* at index \[1, 0, 2, 1\] is"
    ):
        gt.check_gradients(network, x, [0, 1, 2], engine=Scaled(), elements=1, tolerance=1e-6)


def test_nothing_is_changed(small, batch) -> None:
    before = {n: a.copy() for n, a in {**small.parameters, **small.buffers}.items()}
    gt.check_gradients(small, *batch, engine="reference", elements=2)
    for name, array in {**small.parameters, **small.buffers}.items():
        np.testing.assert_array_equal(array, before[name])
