"""Modules of PyTorch as networks: outputs, gradients, names, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import assert_close
from interchange import agree, outputs, samples, torch_outputs

import gradtrail as gt

torch = pytest.importorskip("torch")

nn, F = torch.nn, torch.nn.functional

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:Using padding='same'")]


class Block(nn.Module):
    """torchvision's basic block, written again."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or before != width:
            around = nn.Conv2d(before, width, 1, stride, bias=False)
            self.downsample = nn.Sequential(around, nn.BatchNorm2d(width))

    def forward(self, x: Any) -> Any:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.layer1 = nn.Sequential(Block(6, 6, 1), Block(6, 6, 1))
        self.layer2 = nn.Sequential(Block(6, 10, 2), Block(10, 10, 1))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(10, classes)

    def forward(self, x: Any, verbose: bool = False) -> Any:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer2(self.layer1(x))
        if verbose:
            print(x.shape)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def made(kind: Callable[[], Any], dtype: Any = torch.float32, seed: int = 1) -> Any:
    """A module with running statistics that are not those of the start."""
    torch.manual_seed(seed)
    module = kind().to(dtype)
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer += 0.5 * torch.rand_like(buffer)
    return module


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

MODULES = {
    "conv": lambda: nn.Conv2d(3, 4, (2, 3), (2, 1), (1, 2), (1, 2)),
    "conv-same": lambda: nn.Conv2d(3, 4, (2, 4), padding="same"),
    "conv-valid": lambda: nn.Conv2d(3, 4, 3, padding="valid", bias=False),
    "conv-groups": lambda: nn.Conv2d(3, 6, 3, groups=3),
    "transposed": lambda: nn.ConvTranspose2d(3, 4, 3, 2, 1, 1),
    "transposed-groups": lambda: nn.ConvTranspose2d(3, 6, (2, 3), (1, 2), groups=3, bias=False),
    "max": lambda: nn.MaxPool2d(3, 2, 1),
    "max-dilation": lambda: nn.MaxPool2d((2, 3), 1, dilation=(2, 1)),
    "max-ceiling-without-effect": lambda: nn.MaxPool2d((2, 3), ceil_mode=True),
    "average": lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "average-divisor": lambda: nn.AvgPool2d(2, divisor_override=4),
    "adaptive": lambda: nn.AdaptiveAvgPool2d(1),
    "adaptive-whole": lambda: nn.Sequential(nn.AdaptiveAvgPool2d((None, 9)), nn.ReLU()),
    "adaptive-2x3": lambda: nn.AdaptiveAvgPool2d((4, 3)),
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.3),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "gelu-tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "norm": lambda: nn.BatchNorm2d(3, eps=1e-3, momentum=0.2),
    "norm-bare": lambda: nn.BatchNorm2d(3, affine=False),
    "dropout": lambda: nn.Dropout(0.3),
    "flatten": nn.Flatten,
    "pad": lambda: nn.Sequential(nn.ZeroPad2d((1, 1, 2, 2)), nn.Conv2d(3, 4, 3)),
    "pad-same": lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 2)),
    "pad-twice": lambda: nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3, padding=1)),
    "adaptive-flatten": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "adaptive-dropout-flatten": lambda: nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Dropout(0.2), nn.Flatten()
    ),
}

ROOT = math.sqrt(2 / math.pi)

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda x: x.relu(),
    "f-relu": F.relu,
    "torch-relu": torch.relu,
    "clamp": lambda x: x.clamp(min=0),
    "leaky": lambda x: F.leaky_relu(x, 0.2),
    "maximum": lambda x: torch.maximum(x, 0.1 * x),
    "sigmoid": torch.sigmoid,
    "sigmoid-by-hand": lambda x: 1 / (1 + torch.exp(-x)),
    "tanh": lambda x: x.tanh(),
    "gelu": F.gelu,
    "gelu-tanh": lambda x: F.gelu(x, approximate="tanh"),
    "gelu-by-hand": lambda x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))),
    "gelu-tanh-by-hand": lambda x: (
        0.5 * x * (1 + torch.tanh(ROOT * (x + 0.044715 * torch.pow(x, 3))))
    ),
    "gelu-tanh-cubed": lambda x: (1 + torch.tanh((x * x * x * 0.044715 + x) * ROOT)) * x / 2,
    "silu": F.silu,
    "silu-by-hand": lambda x: x * torch.sigmoid(x),
    "silu-after-relu": lambda x: (lambda y: y * y.sigmoid())(F.relu(x)),
    "relu-after-gelu": lambda x: F.relu(x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))),
    "max": lambda x: F.max_pool2d(x, 3, stride=2, padding=1),
    "average": lambda x: F.avg_pool2d(x, (2, 3)),
    "average-by-size": lambda x: F.avg_pool2d(x, x.size()[2:]).view(x.size(0), -1),
    "adaptive": lambda x: torch.flatten(F.adaptive_avg_pool2d(x, 1), 1),
    "adaptive-squeeze": lambda x: F.adaptive_avg_pool2d(x, (1, 1)).squeeze(-1).squeeze(-1),
    "mean": lambda x: x.mean((2, 3)),
    "mean-negative": lambda x: x.mean([-1, -2]),
    "mean-kept": lambda x: torch.mean(x, dim=(2, 3), keepdim=True),
    "mean-of-rows": lambda x: x.view(x.size(0), x.size(1), -1).mean(-1),
    "flatten": lambda x: torch.flatten(x, 1),
    "flatten-method": lambda x: x.flatten(1),
    "view": lambda x: x.view(x.size(0), -1),
    "view-shape": lambda x: x.view(x.shape[0], -1),
    "view-known": lambda x: x.view(-1, 3 * 8 * 9),
    "view-computed": lambda x: x.view(-1, x.size(1) * x.size(2) * x.shape[3]),
    "reshape": lambda x: x.reshape(x.size(0), -1),
    "reshape-tuple": lambda x: torch.reshape(x, (x.size(0), 216)),
    "view-nothing": lambda x: x.view(x.size(0), 3, 8, 9).contiguous().relu(),
    "add": lambda x: x + x.sigmoid(),
    "add-function": lambda x: torch.add(F.max_pool2d(x, 3, 1, 1), x),
    "add-method": lambda x: x.add(F.avg_pool2d(x, 3, 1, 1)),
    "cat": lambda x: torch.cat([x, x.tanh(), F.relu(x)], dim=1),
    "cat-negative": lambda x: torch.concat((x.relu(), x), -3),
    "cat-itself": lambda x: torch.cat([x, x], 1),
    "dropout": lambda x: F.dropout(x, 0.3, False).relu(),
    "standardised": lambda x: (x - 0.25) / 0.5,
    "scaled": lambda x: x / 255.0,
    "scaled-up": lambda x: x * 2 - 1,
}


class Function(nn.Module):
    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


def compared(module: Any, shape: tuple[int, ...] = (3, 8, 9)) -> gt.Network:
    """The network of a module, once outputs and the input's gradient are found to be its own."""
    module = module.to(torch.float64)
    network = gt.from_torch(module, shape)
    double = gt.Network(shape, network.layers, dtype=np.float64)
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


def layers(function: Callable[[Any], Any], shape: tuple[int, ...] = (3, 8, 9)) -> list[Any]:
    return list(gt.from_torch(Function(function), shape).layers)


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
    assert layers(FUNCTIONS["cat-itself"]) == [gt.Concat([], [])]


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
    assert [type(layer) for layer in network.layers] == [
        *(gt.Normalize, gt.Conv2d, gt.GELU, gt.GlobalAvgPool2d, gt.Linear)
    ]
    assert network.layers[1].bias
    assert network.layers[-1].name == "head_out"
    for name in ("mean", "std"):
        numbers = np.array(getattr(network.layers[0], name))
        assert_close(numbers, getattr(module, name).numpy().reshape(-1), 1e-7)


class Dense(nn.Module):
    """A dense block: every layer joins all that were made before."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 + 2 * i, 2, 3, padding=1) for i in range(4))

    def forward(self, x: Any) -> Any:
        features = [x]
        for layer in self.layers:
            features.append(layer(F.relu(torch.cat(features, 1))))
        return torch.cat(features, 1)


def test_a_dense_block_becomes_nested() -> None:
    network = compared(made(Dense))
    assert [type(layer) for layer in network.layers] == [gt.Concat] * 4


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.middle = nn.Conv2d(6, 6, 3, padding=1)
        self.up2, self.up1 = nn.ConvTranspose2d(6, 6, 2, 2), nn.ConvTranspose2d(12, 4, 2, 2)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x: Any) -> Any:
        first = F.relu(self.down1(x))
        second = F.relu(self.down2(F.max_pool2d(first, 2)))
        middle = F.relu(self.middle(F.max_pool2d(second, 2)))
        joined = torch.cat([second, self.up2(middle)], 1)
        return self.last(torch.cat([first, self.up1(joined)], 1))


def test_a_u_net_is_branches_within_branches() -> None:
    network = compared(made(UNet), (3, 8, 8))
    outer = next(layer for layer in network.layers if isinstance(layer, gt.Concat))
    assert any(isinstance(layer, gt.Concat) for layer in outer.branches[1])


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
    assert network.layers[:2] == (gt.AvgPool2d(3, 1, 1), gt.ReLU(name="act"))


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
    assert [type(layer) for layer in network.layers] == [
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
    assert network.layers == (gt.Linear(3),)
    x, y = samples(network, 5), torch.tensor([0, 2, 1, 1, 0])
    found = module(torch.tensor(x))
    log = found if found.min() < 0 else found.log()
    loss = F.nll_loss(log, y)
    loss.backward()
    t = gt.trace(network, x, y.numpy(), engine="reference")
    assert t.loss == pytest.approx(loss.item(), rel=1e-5)
    assert_close(t.grad["fc1.weight"], module[0].weight.grad.numpy(), 1e-5)


class Scaled(nn.Conv2d):
    """A convolution whose own forward does something else."""

    def forward(self, x: Any) -> Any:
        return super().forward(x).sin()


class Renamed(nn.Conv2d):
    """A convolution that is one."""


def test_a_class_that_inherits_counts_as_long_as_it_computes_alike() -> None:
    assert gt.from_torch(Renamed(1, 2, 3), (1, 4, 4)).layers == (gt.Conv2d(2, 3),)
    with pytest.raises(gt.ArgumentError, match="node 'sin' calls the method sin, for which"):
        gt.from_torch(Scaled(1, 1, 1), (1, 4, 4))


# -- what is refused ------------------------------------------------------------------------------


def shared() -> Any:
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer)


def tied() -> Any:
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    module[2].weight = module[0].weight
    return module


def hooked() -> Any:
    module = nn.Sequential(nn.Linear(4, 4))
    module[0].register_forward_hook(lambda module, inputs, output: output * 2)
    return module


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


class Two(nn.Module):
    def forward(self, x: Any, y: Any) -> Any:
        return x + y


IMAGES, ROWS = (3, 8, 9), (4,)

REFUSED: dict[str, tuple[Callable[[], Any], tuple[int, ...], str]] = {
    "ceil_mode": (
        lambda: nn.Sequential(nn.MaxPool2d(2, ceil_mode=True)),
        (3, 7, 8),
        r"node '_0' \(MaxPool2d at '0'\) has ceil_mode=True, which makes 4 windows of 7; the "
        r"layers here make 3",
    ),
    "padding_mode": (
        lambda: nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")),
        IMAGES,
        r"node '_1' \(Conv2d at '1'\) has padding_mode='reflect'; only 'zeros' is a layer here",
    ),
    "module": (
        lambda: nn.Sequential(nn.Sequential(nn.InstanceNorm2d(3))),
        IMAGES,
        r"node '_0_0' \(InstanceNorm2d at '0.0'\) is a InstanceNorm2d, for which there is no layer",
    ),
    "function": (
        lambda: nn.Sequential(Function(lambda x: F.interpolate(x, scale_factor=2))),
        IMAGES,
        r"node 'interpolate' \(in '0'\) calls torch.nn.functional.interpolate, for which there is",
    ),
    "method": (
        lambda: Function(lambda x: x.permute(0, 2, 3, 1)),
        IMAGES,
        "node 'permute' calls the method permute, for which there is no layer here",
    ),
    "index": (
        lambda: Function(lambda x: x[:, :1]),
        IMAGES,
        "node 'getitem' takes a part of a tensor by index",
    ),
    "control flow": (
        lambda: Function(lambda x: x if x.sum() > 0 else -x),
        IMAGES,
        "cannot be traced by torch.fx: .*symbolically traced variables cannot be used as inputs to "
        "control flow",
    ),
    "features": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(100, 4)),
        IMAGES,
        r"node '_1' \(Linear at '1'\) Linear takes a weight of shape \(4, 216\), but the model has "
        r"\(4, 100\)",
    ),
    "channels": (
        lambda: nn.Conv2d(4, 4, 3),
        IMAGES,
        r"Conv2d takes a weight of shape \(4, 3, 3, 3\), but the model has \(4, 4, 3, 3\)",
    ),
    "window": (
        lambda: nn.Conv2d(3, 4, 10),
        IMAGES,
        r"node '_0' \(Conv2d at '0'\) Conv2d .*10",
    ),
    "rows": (lambda: nn.Linear(9, 2), IMAGES, "Linear expects a sample of .features. but gets"),
    "shared": (
        shared,
        ROWS,
        r"node '_0_1' \(Linear at '0'\) shares the array '0.weight' with node '_0' \(Linear at '0'",
    ),
    "tied": (tied, ROWS, "shares the array '0.weight' with node '_0'"),
    "hooks": (hooked, ROWS, r"\(Linear at '0'\) has forward hooks, which may change what it"),
    "crossed": (
        Crossed,
        IMAGES,
        "node 'max_pool2d' is read by branches that join at node 'add.*' and at node 'add.*', of "
        "which neither lies within the other",
    ),
    "parameter": (Gain, IMAGES, "node 'mul' computes with the parameter 'gain', and no layer here"),
    "two inputs": (Two, IMAGES, "node 'y' is a second input; a network takes one"),
    "two outputs": (
        lambda: Function(lambda x: (x, x.relu())),
        IMAGES,
        "node 'output' gives 2 outputs in a tuple, not one tensor",
    ),
    "product": (
        lambda: Function(lambda x: x.relu() * F.max_pool2d(x, 3, 1, 1)),
        IMAGES,
        "node 'mul' combines two layers' outputs by 'mul'; only sums are a layer",
    ),
    "hardswish by hand": (
        lambda: Function(lambda x: x * torch.clamp(x + 3, 0, 6) / 6),
        IMAGES,
        "node 'truediv' computes a function of each element that no layer here computes",
    ),
    "negative scale": (
        lambda: Function(lambda x: F.max_pool2d(x * -2, 2)),
        IMAGES,
        "node 'mul' scales by numbers that are not all finite and above 0",
    ),
    "twice": (lambda: Function(lambda x: x + x), IMAGES, "node 'add' adds an array to itself"),
    "broadcast": (
        lambda: Function(lambda x: x + torch.ones(8, 9)),
        IMAGES,
        r"node 'add' computes with constants of shape \(8, 9\) where samples have \(3, 8, 9\)",
    ),
    "half": (
        lambda: nn.Linear(4, 2).half(),
        ROWS,
        "holds '0.weight' as torch.float16; make the model float32 or float64 first, as with",
    ),
    "mixed": (
        lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2).double()),
        ROWS,
        "the model holds '0.weight' as float32 but '1.weight' as float64; make the model one dtype",
    ),
    "lazy": (
        lambda: nn.Sequential(nn.LazyLinear(4)),
        ROWS,
        r"\(LazyLinear at '0'\) is lazy and has no weights yet; run",
    ),
    "running": (
        lambda: nn.BatchNorm2d(3, track_running_stats=False),
        IMAGES,
        "keeps no running statistics",
    ),
    "momentum": (lambda: nn.BatchNorm2d(3, momentum=None), IMAGES, "has momentum=None"),
    "indices": (
        lambda: Function(lambda x: F.max_pool2d(x, 2, return_indices=True)[0]),
        IMAGES,
        "returns the winners' indices|calls .*max_pool2d_with_indices",
    ),
    "adaptive": (
        lambda: nn.AdaptiveAvgPool2d((3, 3)),
        IMAGES,
        "averages maps of 8 × 9 to 3 × 3, for which windows of one size do not exist",
    ),
    "softmax inside": (
        lambda: nn.Sequential(nn.Linear(4, 4), nn.Softmax(1), nn.Linear(4, 2)),
        ROWS,
        r"node '_1' \(Softmax at '1'\) is a softmax inside the network; only the last one can be",
    ),
    "softmax axis": (lambda: nn.Softmax(2), IMAGES, "is a softmax over axis 2; only axis 1"),
    "batch": (
        lambda: Function(lambda x: x.view(-1, 12)),
        IMAGES,
        r"node 'view' views samples of \(3, 8, 9\) as \(-1, 12\); the samples must stay apart: "
        r"\(N, 216\)",
    ),
    "flatten all": (
        lambda: nn.Flatten(0),
        IMAGES,
        "flattens the samples into each other; give start_dim=1",
    ),
    "mean of all": (lambda: Function(lambda x: x.mean()), IMAGES, "takes the mean over everything"),
    "mean of channels": (
        lambda: Function(lambda x: x.mean(1)),
        IMAGES,
        r"takes the mean over axes \[1\]; only 2 and 3 are a layer",
    ),
    "cat": (
        lambda: Function(lambda x: torch.cat([x, x.relu()], 2)),
        IMAGES,
        "node 'cat' joins along axis 2; only axis 1",
    ),
    "sizes": (
        lambda: Function(lambda x: torch.cat([x, F.max_pool2d(x, 2)], 1)),
        IMAGES,
        "node 'cat' Concat branch 1 gives 3 × 8 × 9 but branch 2 3 × 4 × 4",
    ),
    "pad": (
        lambda: Function(lambda x: F.pad(x, (1, 1, 1, 1)).relu()),
        IMAGES,
        "node 'pad' pads with zeros, which only a convolution behind it could take over",
    ),
    "uneven pad": (
        lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, 2)),
        (3, 8, 8),
        r"node '_1' \(Conv2d at '1'\) pads 0 before and 1 behind, which makes 4 windows of 8",
    ),
    "nothing": (lambda: nn.Identity(), IMAGES, "the model hands its input on"),
    "keyword": (
        lambda: Function(lambda x: torch.add(x, x.relu(), out=x)),
        IMAGES,
        "node 'add' got an unexpected keyword argument 'out'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    make, shape, sentence = REFUSED[name]
    with pytest.raises(gt.ArgumentError, match=f"(?s)^from_torch: .*{sentence}"):
        gt.from_torch(make(), shape)


def test_arguments_that_are_none() -> None:
    with pytest.raises(gt.ArgumentError, match="from_torch: needs a torch.nn.Module, got 3"):
        gt.from_torch(3, (3, 8, 8))
    with pytest.raises(gt.ArgumentError, match="input_shape is one sample's"):
        gt.from_torch(nn.ReLU(), (3, -8, 8))
    with pytest.raises(gt.ArgumentError, match=r"expects samples of .* but gets \(1, 3, 8, 8\)"):
        gt.from_torch(nn.Conv2d(3, 2, 3), (1, 3, 8, 8))
