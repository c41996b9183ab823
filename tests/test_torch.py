"""Live comparison with PyTorch, where it is installed: cases, whole networks, losses, training."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, Case, ours, uniform
from comparing import FLOAT64, assert_all_close, assert_close

import gradtrail as gt
from gradtrail.layers.weighted_loss_functions import WeightedSquaredError

torch = pytest.importorskip("torch")
import torch_peer  # noqa: E402, not skipped: where PyTorch is, a broken peer is a failure

F = torch.nn.functional

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:Using padding='same'")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case) -> None:
    assert_all_close(ours(case), torch_peer.theirs(case), FLOAT64)


def concat_net() -> gt.Network:
    inception = gt.Concat(
        [gt.Conv2d(4, 1), gt.ReLU()],
        [gt.Conv2d(3, 1), gt.ReLU(), gt.Conv2d(4, 3, padding=1), gt.ReLU()],
        # no bias: batch norm behind it takes any constant away, and its gradient is mere rounding
        [gt.MaxPool2d(3, 1, 1), gt.Conv2d(2, 1, bias=False)],
    )
    layers = [gt.Conv2d(5, 3, stride=2), gt.SiLU(), inception, inception, gt.BatchNorm2d()]
    return gt.Network(
        (2, 13, 12), [*layers, gt.GlobalAvgPool2d(), gt.Linear(6)], seed=2, dtype=np.float64
    )


def double(network: gt.Network) -> gt.Network:
    return gt.Network(network.input_shape, network.layers, seed=network.seed, dtype=np.float64)


NETWORKS = {
    "lenet5": lambda: double(gt.architecture("lenet5").network(seed=1)),
    "resnet20": lambda: double(gt.architecture("resnet20").network(seed=1)),
    "concat": concat_net,
}


def samples(network: gt.Network, count: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(5))
    classes = network.system(1).shapes[network.output_name][1]
    return uniform(draw, (count, *network.input_shape)), draw.integers(0, classes, count)


@pytest.mark.parametrize("name", NETWORKS)
def test_whole_network(name: str) -> None:
    network = NETWORKS[name]()
    x, y = samples(network, 6)
    held = torch_peer.tensors({**network.parameters, **network.buffers})
    for parameter in network.parameters:
        held[parameter].requires_grad_()
    image = torch.tensor(x, requires_grad=True)
    output = torch_peer.run(network, image, held, training=True)
    loss = F.cross_entropy(output, torch.tensor(y))
    loss.backward()
    t = gt.trace(network, x, y, engine="reference")
    assert abs(t.loss - loss.item()) <= 1e-12 * loss.item()
    assert_close(t.value[network.output_name], output.detach().numpy(), FLOAT64, "output")
    assert_close(t.grad["input"], image.grad.numpy(), FLOAT64, "input")
    for parameter in network.parameters:
        assert_close(t.grad[parameter], held[parameter].grad.numpy(), FLOAT64, parameter)


OPTIMIZERS = {
    "sgd": (lambda: gt.SGD(0.05), lambda p: torch.optim.SGD(p, 0.05)),
    "momentum": (
        lambda: gt.SGD(0.02, momentum=0.9, weight_decay=1e-3),
        lambda p: torch.optim.SGD(p, 0.02, momentum=0.9, weight_decay=1e-3),
    ),
    "nesterov": (
        lambda: gt.SGD(0.02, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.02, momentum=0.9, nesterov=True),
    ),
    "adam": (
        lambda: gt.Adam(0.003, weight_decay=0.01),
        lambda p: torch.optim.Adam(p, 0.003, weight_decay=0.01),
    ),
    "adamw": (lambda: gt.AdamW(0.003), lambda p: torch.optim.AdamW(p, 0.003)),
    "rmsprop": (lambda: gt.RMSprop(0.001), lambda p: torch.optim.RMSprop(p, 0.001)),
    "rmsprop centred": (
        lambda: gt.RMSprop(0.001, momentum=0.9, centered=True, weight_decay=0.01),
        lambda p: torch.optim.RMSprop(p, 0.001, momentum=0.9, centered=True, weight_decay=0.01),
    ),
    "adagrad": (
        lambda: gt.Adagrad(0.01, 0.1, 0.01, 0.2),
        lambda p: torch.optim.Adagrad(p, 0.01, 0.1, 0.01, 0.2),
    ),
    "radam": (
        lambda: gt.RAdam(weight_decay=0.01),
        lambda p: torch.optim.RAdam(p, weight_decay=0.01),
    ),
}

TRAININGS = [*((name, "momentum") for name in NETWORKS), *(("concat", o) for o in OPTIMIZERS)]


@pytest.mark.parametrize(("name", "optimizer"), TRAININGS)
def test_ten_steps_follow_pytorchs_losses(name: str, optimizer: str) -> None:
    network = NETWORKS[name]()
    x, y = samples(network, 40)
    make, make_theirs = OPTIMIZERS[optimizer]
    held = torch_peer.tensors({**network.parameters, **network.buffers})
    trained = [held[p].requires_grad_() for p in network.parameters]
    stepper = make_theirs(trained)
    expected = []
    for at in range(0, 40, 4):
        stepper.zero_grad()
        output = torch_peer.run(network, torch.tensor(x[at : at + 4]), held, training=True)
        loss = F.cross_entropy(output, torch.tensor(y[at : at + 4]))
        loss.backward()
        stepper.step()
        expected.append(loss.item())
    chosen = make()
    history = gt.train(
        network, (x, y), optimizer=chosen, batch_size=4, shuffle=False, engine="reference",
        progress=False,
    )  # fmt: skip
    assert len(history.step_losses) == 10
    assert_close(np.array(history.step_losses), np.array(expected), 1e-9, "losses")
    for parameter in network.parameters:
        assert_close(
            network.parameters[parameter], held[parameter].detach().numpy(), 1e-8, parameter
        )
    for buffer in network.buffers:
        assert_close(network.buffers[buffer], held[buffer].numpy(), 1e-8, buffer)


def test_float32_networks_train_in_float64_and_round_once() -> None:
    network, twin = gt.architecture("lenet5").network(seed=4), NETWORKS["lenet5"]()
    for name in network.parameters:
        twin.parameters[name] = network.parameters[name]
    x, y = samples(network, 12)
    x = x.astype(np.float32)
    settings = {"batch_size": 4, "engine": "reference", "progress": False}
    first = gt.train(network, (x, y), optimizer=gt.SGD(0.1), **settings)
    second = gt.train(twin, (x.astype(float), y), optimizer=gt.SGD(0.1), **settings)
    assert first.step_losses == second.step_losses
    for name in network.parameters:
        assert network.parameters[name].dtype == np.float32
        np.testing.assert_array_equal(
            network.parameters[name], twin.parameters[name].astype(np.float32)
        )


def test_the_loop_written_out_follows_pytorch() -> None:
    network = concat_net()
    x, y = samples(network, 5)
    held = torch_peer.tensors({**network.parameters, **network.buffers})
    stepper = torch.optim.SGD([held[p].requires_grad_() for p in network.parameters], 0.1, 0.9)
    optimizer = gt.SGD(0.1, momentum=0.9)
    for _ in range(3):
        stepper.zero_grad()
        output = torch_peer.run(network, torch.tensor(x), held, training=True)
        loss = F.cross_entropy(output, torch.tensor(y))
        loss.backward()
        stepper.step()
        t = gt.trace(network, x, y, engine="reference")
        optimizer.update(network, t.grad)
        assert abs(t.loss - loss.item()) < 1e-9


LOSSES = {
    "labels": (gt.CrossEntropy(), {}),
    "smoothing": (gt.CrossEntropy(label_smoothing=0.1), {"label_smoothing": 0.1}),
    "weights": (gt.CrossEntropy(weight=(1, 2, 0, 0.5)), {"weight": [1.0, 2.0, 0.0, 0.5]}),
    "both": (
        gt.CrossEntropy(weight=(1, 2, 3, 0.5), label_smoothing=0.3),
        {"weight": [1.0, 2.0, 3.0, 0.5], "label_smoothing": 0.3},
    ),
}


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_cross_entropy(name: str, one_hot: bool) -> None:
    loss, settings = LOSSES[name]
    network = gt.Network((4,), [gt.Linear(4)], dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64(1))
    x, y = 5 * uniform(draw, (7, 4)), draw.integers(0, 4, 7)
    labels = np.eye(4)[y] if one_hot else y
    t = gt.trace(network, x, labels, loss=loss, engine="reference")
    outputs = torch.tensor(np.array(t.value["fc1.output"]), requires_grad=True)
    weight = {k: torch.tensor(v, dtype=torch.float64) for k, v in settings.items() if k == "weight"}
    expected = F.cross_entropy(outputs, torch.tensor(labels), **settings | weight)
    expected.backward()
    assert abs(t.loss - expected.item()) < 1e-12
    assert_close(t.grad["fc1.output"], outputs.grad.numpy(), FLOAT64, name)


def test_mean_squared_error() -> None:
    network = gt.Network((2, 4, 4), [gt.Conv2d(3, 2)], dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64(1))
    x, y = uniform(draw, (5, 2, 4, 4)), uniform(draw, (5, 3, 3, 3))
    t = gt.trace(network, x, y, loss=gt.MeanSquaredError(), engine="reference")
    outputs = torch.tensor(np.array(t.value["conv1.output"]), requires_grad=True)
    expected = F.mse_loss(outputs, torch.tensor(y))
    expected.backward()
    assert abs(t.loss - expected.item()) < 1e-12
    assert_close(t.grad["conv1.output"], outputs.grad.numpy(), FLOAT64)


def test_mean_squared_error_with_weights() -> None:
    """Times the weight before the mean, as PyTorch writes it by `reduction="none"`."""
    network = gt.Network((4,), [gt.Linear(3)], dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64(1))
    x, y, weight = uniform(draw, (5, 4)), uniform(draw, (5, 3)), np.array([0.5, 0, 2, 1, 3.5])
    labels = np.column_stack([y, weight])
    t = gt.trace(network, x, labels, loss=WeightedSquaredError(), engine="reference")
    outputs = torch.tensor(np.array(t.value["fc1.output"]), requires_grad=True)
    squares = F.mse_loss(outputs, torch.tensor(y), reduction="none")
    expected = (torch.tensor(weight)[:, None] * squares).mean()
    expected.backward()
    assert abs(t.loss - expected.item()) < 1e-12
    assert_close(t.grad["fc1.output"], outputs.grad.numpy(), FLOAT64)
    assert not t.grad["fc1.output"][1].any()


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_max_pool_of_what_is_not_finite(special: float) -> None:
    x = np.array([[[[1.0, special, 2.0, -np.inf], [special, 0.5, -np.inf, -np.inf]]]])
    case = Case("special", gt.MaxPool2d(2, 1, 1), x.shape)
    network = case.network()
    got = gt.trace(network, x, np.zeros((1, 1, 3, 5)), loss=gt.MeanSquaredError()).value
    expected = F.max_pool2d(torch.tensor(x), 2, 1, 1).numpy()
    np.testing.assert_array_equal(got["pool1.output"], expected)


def test_dropout_scales_what_it_keeps() -> None:
    network = gt.Network((400,), [gt.Dropout(0.25)], dtype=np.float64)
    x = np.ones((50, 400))
    t = gt.trace(network, x, np.zeros((50, 400)), loss=gt.MeanSquaredError(), seed=3)
    kept = t.value["dropout1.mask"] > 0
    assert abs(kept.mean() - 0.75) < 0.01
    np.testing.assert_array_equal(t.value["dropout1.output"], np.where(kept, 1 / 0.75, 0.0))
    held = {"dropout1.mask": torch.tensor(np.array(t.value["dropout1.mask"]))}
    image = torch.tensor(x, requires_grad=True)
    F.mse_loss(torch_peer.run(network, image, held, True), torch.zeros(50, 400)).backward()
    assert_close(t.grad["input"], image.grad.numpy(), FLOAT64)
