"""Modules of PyTorch as networks: outputs, gradients, names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import assert_close
from interchange import agree, layers_of, outputs, samples, torch_outputs

import gradtrail as gt
from gradtrail.layers.joins import Join
from gradtrail.network.architecture import network_from

torch = pytest.importorskip("torch")
from torch_models import FUNCTIONS, MODULES, Dense, Function, ResNet, UNet, made  # noqa: E402

nn, F = torch.nn, torch.nn.functional

IMAGES = (3, 8, 9)

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:Using padding='same'")]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_a_resnets_gradients_are_pytorchs(dtype: Any, tolerance: float) -> None:
    module = made(ResNet, dtype)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    network = gt.from_torch(module, (3, 15, 14))
    assert network.dtype == (np.float32 if dtype == torch.float32 else np.float64)
    x = samples(network, 6)
    agree(torch_outputs(module, x), outputs(network, x), min(tolerance, 1e-5))
    image = torch.tensor(x, requires_grad=True)
    y = np.array([0, 4, 1, 1, 3, 2])
    loss = F.cross_entropy(module.train()(image), torch.tensor(y))
    loss.backward()
    t = gt.trace(network, x, y, engine="reference")
    assert t.loss == pytest.approx(loss.item(), rel=tolerance)
    assert_close(t.grad["input"], image.grad.numpy(), tolerance, "input")
    for path, parameter in module.named_parameters():
        layer, _, name = path.rpartition(".")
        ours = t.grad[f"{layer.replace('.', '_')}.{name}"]
        assert_close(ours, parameter.grad.numpy(), tolerance, path)
    for name, tensor in before.items():  # the network's arrays are copies
        layer, _, key = name.rpartition(".")
        if key in ("running_mean", "running_var"):
            held = network.buffers[f"{layer.replace('.', '_')}.{key}"]
            np.testing.assert_array_equal(held, tensor.numpy())


def test_gradients_for_a_random_cotangent() -> None:
    """A squared error against drawn targets sends back a gradient that is nowhere alike."""
    module = made(lambda: nn.Sequential(nn.Conv2d(2, 4, 3, stride=2), nn.GELU(), nn.Flatten()))
    network = gt.from_torch(module, (2, 9, 8))
    x, y = samples(network, 5), samples(gt.Network((4 * 4 * 3,), [gt.ReLU()]), 5, seed=9)
    loss = F.mse_loss(module(torch.tensor(x)), torch.tensor(y))
    loss.backward()
    t = gt.trace(network, x, y, loss=gt.MeanSquaredError(), engine="reference")
    assert_close(t.grad["conv1.weight"], module[0].weight.grad.numpy(), 1e-4)
    assert_close(t.grad["conv1.bias"], module[0].bias.grad.numpy(), 1e-4)


def test_layers_are_called_what_the_module_calls_them() -> None:
    network = gt.from_torch(made(ResNet), (3, 12, 12))
    names = [step.name for step in network.steps]
    assert names[:7] == ["conv1", "bn1", "relu1", "layer1_0_conv1", "layer1_0_bn1",
                         "layer1_0_relu", "layer1_0_conv2"]  # fmt: skip
    assert {"layer1_0_relu_1", "layer2_0_downsample_0", "avgpool", "fc", "add1"} <= set(names)
    again = gt.from_torch(gt.to_torch(network), (3, 12, 12))
    assert [step.name for step in again.steps] == names


def test_a_bare_sequential_is_counted_as_always() -> None:
    inner = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))
    module = nn.Sequential(inner, nn.Identity(), nn.Sequential(nn.Flatten(), nn.Linear(12, 2)))
    names = [step.name for step in gt.from_torch(module, (2, 2, 2)).steps]
    assert names == ["conv1", "conv2", "relu1", "flatten1", "fc1"]


def test_names_that_cannot_be_had() -> None:
    named = nn.Sequential()
    for name in ("input", "conv3", "loss", "relu"):
        named.add_module(name, nn.Conv2d(1, 1, 1))
    names = [step.name for step in gt.from_torch(named, (1, 2, 2)).steps]
    assert names == ["conv1", "conv3", "conv4", "relu"]


# -- one module or function after another ---------------------------------------------------------


def compared(module: Any, shape: tuple[int, ...] = (3, 8, 9)) -> gt.Network:
    """The network of a module, once outputs and the input's gradient are found to be its own."""
    module = module.to(torch.float64)
    network = gt.from_torch(module, shape)
    double = network_from({**network.architecture(), "dtype": "float64"})
    for name in network.parameters:
        double.parameters[name] = network.parameters[name]
    for name in network.buffers:
        double.buffers[name] = network.buffers[name]
    x = samples(double, 4)
    agree(torch_outputs(module, x), outputs(double, x), 1e-6)
    image = torch.tensor(x, requires_grad=True)
    output = module.eval()(image)
    target = samples(gt.Network(tuple(output.shape[1:]), [gt.ReLU()], dtype=np.float64), 4, seed=5)
    F.mse_loss(output, torch.tensor(target)).backward()
    t = gt.trace(double, x, target, loss=gt.MeanSquaredError(), training=False, engine="reference")
    assert_close(t.grad["input"], image.grad.numpy(), 1e-5, "input")
    return network


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str) -> None:
    compared(made(MODULES[name]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str) -> None:
    compared(Function(FUNCTIONS[name]))


# -- whole graphs ---------------------------------------------------------------------------------


def shared() -> Any:
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer)


class Crossed(nn.Module):
    def forward(self, x: Any) -> Any:
        a = x.tanh()
        b = F.max_pool2d(a, 3, 1, 1)
        c = F.avg_pool2d(b, 3, 1, 1)
        return c + (a + b)


class Gain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(3, 1, 1))

    def forward(self, x: Any) -> Any:
        return x.tanh() * self.gain


def written_parts(x: Any) -> Any:
    """A part that is written over and read, and one of a whole that is written over later."""
    a, b = (x * 2).narrow(3, 0, 5), x * 3
    a.mul_(3).relu_()
    first = b[:, 1:]
    largest = b.max(1)[0]
    b += 1
    return torch.cat([a, first[..., :5] * largest[:, None, :, :5]], 1)


GRAPHS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "ceil_mode": (lambda: nn.Sequential(nn.MaxPool2d(2, ceil_mode=True)), (3, 7, 8)),
    "padding_mode": (
        lambda: nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")),
        IMAGES,
    ),
    "instance norm": (lambda: nn.Sequential(nn.Sequential(nn.InstanceNorm2d(3))), IMAGES),
    "resized": (lambda: Function(lambda x: F.interpolate(x, scale_factor=2)), IMAGES),
    "permuted": (lambda: Function(lambda x: x.permute(0, 2, 3, 1).flatten(1)), IMAGES),
    "index": (lambda: Function(lambda x: x[:, :1]), IMAGES),
    "rows": (lambda: nn.Linear(9, 2), IMAGES),
    "shared": (shared, (4,)),
    "crossed": (Crossed, IMAGES),
    "parameter": (Gain, IMAGES),
    "product": (lambda: Function(lambda x: x.relu() * F.max_pool2d(x, 3, 1, 1)), IMAGES),
    "hardswish by hand": (lambda: Function(lambda x: x * torch.clamp(x + 3, 0, 6) / 6), IMAGES),
    "twice": (lambda: Function(lambda x: x + x), IMAGES),
    "adaptive": (lambda: nn.AdaptiveAvgPool2d((3, 3)), IMAGES),
    "softmax inside": (
        lambda: nn.Sequential(nn.Linear(4, 4), nn.Softmax(1), nn.Linear(4, 2)),
        (4,),
    ),
    "softmax of rows": (lambda: nn.Softmax(2), IMAGES),
    "mean of channels": (lambda: Function(lambda x: x.mean(1)), IMAGES),
    "joined below": (lambda: Function(lambda x: torch.cat([x, x.relu()], 2)), IMAGES),
    "padded": (lambda: Function(lambda x: F.pad(x, (1, 1, 1, 1)).relu()), IMAGES),
    "uneven pad": (
        lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, 2)),
        (3, 8, 8),
    ),
    "written parts": (lambda: Function(written_parts), IMAGES),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graph(name: str) -> None:
    make, shape = GRAPHS[name]
    compared(made(make), shape)


def layers(function: Callable[[Any], Any], shape: tuple[int, ...] = (3, 8, 9)) -> list[Any]:
    return list(layers_of(gt.from_torch(Function(function), shape)))


def test_arithmetic_is_told_as_the_layer_that_it_is() -> None:
    assert layers(FUNCTIONS["gelu-by-hand"]) == [gt.GELU()]
    assert layers(FUNCTIONS["gelu-tanh-by-hand"]) == [gt.GELU(approximate="tanh")]
    assert layers(FUNCTIONS["gelu-tanh-cubed"]) == [gt.GELU(approximate="tanh")]
    assert layers(FUNCTIONS["silu-by-hand"]) == [gt.SiLU()]
    assert layers(FUNCTIONS["silu-after-relu"]) == [gt.ReLU(), gt.SiLU()]
    assert layers(FUNCTIONS["relu-after-gelu"]) == [gt.GELU(), gt.ReLU()]
    assert layers(FUNCTIONS["maximum"]) == [gt.LeakyReLU(0.1)]
    assert layers(FUNCTIONS["standardised"]) == [gt.Normalize(0.25, 0.5)]
    assert layers(lambda x: (x - 0.1307) / 0.3081) == [gt.Normalize(0.1307, 0.3081)]
    assert layers(lambda x: x.mean((2, 3))) == [gt.GlobalAvgPool2d()]
    assert layers(FUNCTIONS["adaptive-squeeze"]) == [gt.GlobalAvgPool2d()]
    assert layers(FUNCTIONS["mean-of-rows"]) == [gt.GlobalAvgPool2d()]
    assert layers(FUNCTIONS["cat-itself"]) == [Join()]


class Standardised(nn.Module):
    """Per-channel constants as buffers, and a convolution by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.5, 0.25, 0.1]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.5, 2.0]))
        self.weight = nn.Parameter(torch.randn(4, 3, 2, 2))
        self.shift = nn.Parameter(torch.randn(1, 4, 1, 1))
        self.head = nn.ModuleDict({"out": nn.Linear(4, 2)})

    def forward(self, x: Any) -> Any:
        x = F.conv2d((x - self.mean) / self.std[:, None, None], self.weight, padding=1) + self.shift
        x = F.gelu(x).mean((-2, -1))
        return F.linear(x, self.head["out"].weight, self.head["out"].bias)


def test_constants_by_channel_and_weights_by_hand() -> None:
    module = made(Standardised)
    network = compared(module)
    assert [type(layer) for layer in layers_of(network)] == [
        *(gt.Normalize, gt.Conv2d, gt.GELU, gt.GlobalAvgPool2d, gt.Linear)
    ]
    assert layers_of(network)[1].bias
    assert layers_of(network)[-1].name == "head_out"
    for name in ("mean", "std"):
        numbers = np.array(getattr(layers_of(network)[0], name))
        assert_close(numbers, getattr(module, name).numpy().reshape(-1), 1e-7)


def test_a_dense_block_joins_what_it_has_by_then() -> None:
    network = compared(made(Dense))
    joins = [step for step in network.steps if isinstance(step.layer, Join)]
    assert [len(step.sources) for step in joins] == [2, 3, 4, 5]


def test_a_u_net_joins_what_was_before() -> None:
    network = compared(made(UNet), (3, 8, 8))
    assert sum(isinstance(layer, Join) for layer in layers_of(network)) == 2


class InPlace(nn.Module):
    """A ReLU that writes over what the shortcut reads, too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True)
        self.same = nn.Identity()

    def forward(self, x: Any) -> Any:
        x = F.avg_pool2d(x, 3, 1, 1)  # its gradient does not need what is written over
        y = self.same(x)
        return self.conv(self.act(y)) + x


def test_what_is_written_over_is_read_as_it_is_then() -> None:
    network = compared(made(InPlace))
    assert layers_of(network)[:2] == (gt.AvgPool2d(3, 1, 1), gt.ReLU(name="act"))


class Mode(nn.Module):
    """Logits in training, probabilities in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 3))

    def forward(self, x: Any) -> Any:
        x = F.dropout(self.body(x), 0.2, self.training)
        return x if self.training else F.softmax(x, 1)


def test_a_module_is_read_in_training_mode_and_left_as_it_was() -> None:
    module = made(Mode).eval()
    module.body[1].training = True
    network = gt.from_torch(module, (3, 2, 2))
    assert [type(layer) for layer in layers_of(network)] == [
        *(gt.Flatten, gt.Dropout, gt.Linear, gt.Dropout)
    ]
    assert not module.training
    assert not module.body[0].training
    assert module.body[1].training


@pytest.mark.parametrize(
    "last",
    [
        lambda: nn.Softmax(dim=1),
        lambda: nn.LogSoftmax(dim=-1),
        lambda: Function(lambda x: F.log_softmax(x, dim=1)),
        lambda: Function(lambda x: x.softmax(1)),
    ],
)
def test_a_last_softmax_is_left_out(last: Callable[[], Any]) -> None:
    module = nn.Sequential(nn.Linear(4, 3), last())
    network = gt.from_torch(module, (4,))
    assert layers_of(network) == (gt.Linear(3),)
    x, y = samples(network, 5), torch.tensor([0, 2, 1, 1, 0])
    found = module(torch.tensor(x))
    log = found if found.min() < 0 else found.log()
    loss = F.nll_loss(log, y)
    loss.backward()
    t = gt.trace(network, x, y.numpy(), engine="reference")
    assert t.loss == pytest.approx(loss.item(), rel=1e-5)
    assert_close(t.grad["fc1.weight"], module[0].weight.grad.numpy(), 1e-5)


class Defaults(nn.Module):
    """Arguments that nobody gives."""

    def forward(
        self, x: Any, mask: Any = None, slope: float = 0.2, twice: bool = False, kind: str = "max"
    ) -> Any:
        x = F.leaky_relu(x if mask is None else x * mask, slope)
        return x.relu() if twice else F.max_pool2d(x, 2) if kind == "max" else x


def test_arguments_with_a_default_keep_it() -> None:
    assert layers_of(gt.from_torch(Defaults(), (2, 4, 4))) == (gt.LeakyReLU(0.2), gt.MaxPool2d(2))


class Scaled(nn.Conv2d):
    """A convolution whose own forward does something else."""

    def forward(self, x: Any) -> Any:
        return super().forward(x).sin()


class Renamed(nn.Conv2d):
    """A convolution that is one."""


def test_a_class_that_inherits_counts_as_long_as_it_computes_alike() -> None:
    assert layers_of(gt.from_torch(Renamed(1, 2, 3), (1, 4, 4))) == (gt.Conv2d(2, 3),)
    with pytest.raises(gt.ArgumentError, match="node 'sin' calls the method sin, for which"):
        gt.from_torch(Scaled(1, 1, 1), (1, 4, 4))


def test_a_permutation_that_waited_comes_last() -> None:
    net = gt.from_torch(Function(lambda x: x.permute(0, 2, 3, 1).relu()), (2, 3, 4))
    assert [step.name for step in net.steps] == ["relu1", "permute1"]
