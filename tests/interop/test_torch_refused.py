"""Modules of PyTorch that are no network here: each refused with the node, its path, the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import gradtrail as gt

torch = pytest.importorskip("torch")
from torch_models import Function  # noqa: E402, it needs PyTorch

nn, F = torch.nn, torch.nn.functional

pytestmark = pytest.mark.torch


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


class Biased(nn.Module):
    """A parameter added behind a convolution whose output is read without it, too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.gain = nn.Parameter(torch.ones(3, 1, 1))

    def forward(self, x: Any) -> Any:
        y = self.conv(x)
        return (y + self.gain) + y


REFUSED: dict[str, tuple[Callable[[], Any], tuple[int, ...], str]] = {
    "out": (
        lambda: Function(lambda x: torch.add(x, x, out=torch.empty(0))),
        IMAGES,
        r"node 'add' calls torch.add with out=, which no layer here takes over$",
    ),
    "rounded": (
        lambda: Function(lambda x: torch.div(x, 2, rounding_mode="floor")),
        IMAGES,
        r"node 'div' calls torch.div with rounding_mode=, which no layer here takes over$",
    ),
    "bias in one place": (
        Biased,
        IMAGES,
        r"node 'conv' \(Conv2d at 'conv'\) is read in several places, one of them behind an added "
        r"parameter, and would become two layers that share 'conv.weight'; here each layer has arr",
    ),
    "one of a dict": (
        lambda: Function(lambda x: {"a": x.tanh()}),
        IMAGES,
        "node 'output' gives 1 output in a dict, not one tensor",
    ),
    "length": (
        lambda: Function(lambda x: x * len(x)),
        IMAGES,
        "cannot be traced by torch.fx: 'len' is not supported .* at module scope$",
    ),
    "a batch's shape": (
        lambda: nn.Sequential(nn.Conv2d(3, 2, 3)),
        (1, 3, 8, 9),
        r"; input_shape is one sample's, without the batch: write \(3, 8, 9\)$",
    ),
    "a shape with channels last": (
        lambda: nn.Sequential(nn.Conv2d(3, 2, 3)),
        (8, 9, 3),
        r"; input_shape may be channels last: then write \(3, 8, 9\)$",
    ),
    "a shape without channels": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3)),
        (8, 9),
        r"; input_shape has no channels: of grey images it is \(1, 8, 9\)$",
    ),
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
        r"node '_0_0' \(InstanceNorm2d at '0.0'\) is a module for which there is no layer",
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
        r"node '_0' \(Conv2d at '0'\) Conv2d: a window of 10 does not fit into the 8 position",
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
    "meta": (
        lambda: nn.Linear(4, 2, device="meta"),
        ROWS,
        "holds no plain numbers in '0.weight': it is torch.strided on meta",
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
        "node 'pad' pads with zeros, which only a convolution behind it, or an average pooling "
        "that counts them, could take over",
    ),
    "uneven pad": (
        lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, 2)),
        (3, 8, 8),
        r"node '_1' \(Conv2d at '1'\) pads 0 before and 1 behind, which makes 4 windows of 8",
    ),
    "axis": (lambda: Function(lambda x: x.view(-1, x.size(7))), IMAGES, "asks for axis 7 of 4"),
    "stride": (lambda: nn.MaxPool2d(2, 0), IMAGES, "has a stride of 0"),
    "nothing": (lambda: nn.Identity(), IMAGES, "the model hands its input on"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    make, shape, sentence = REFUSED[name]
    with pytest.raises(gt.ArgumentError, match=f"(?s)^from_torch: .*{sentence}"):
        gt.from_torch(make(), shape)


class Parts(nn.Module):
    """Writes over, and adds, what nobody knows the shape of."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.conv(x)
        first, _ = made.chunk(2, 1)
        first.relu_()
        made += made.view_as(made)
        return made.flatten(1)


def test_what_follows_from_a_refusal_is_no_reason_in_place_either() -> None:
    with pytest.raises(gt.ArgumentError, match="2 things in the model") as caught:
        gt.from_torch(Parts(), (2, 6, 6))
    assert str(caught.value) == (
        "from_torch: 2 things in the model are no layer here:\n"
        "  node 'chunk' calls the method chunk, for which there is no layer here\n"
        "  node 'view_as' calls the method view_as, for which there is no layer here"
    )


def test_arguments_that_are_none() -> None:
    with pytest.raises(gt.ArgumentError, match="from_torch: needs a torch.nn.Module, got 3"):
        gt.from_torch(3, (3, 8, 8))
    with pytest.raises(gt.ArgumentError, match="input_shape is one sample's"):
        gt.from_torch(nn.ReLU(), (3, -8, 8))
    with pytest.raises(gt.ArgumentError, match=r"expects samples of .* but gets \(1, 3, 8, 8\)"):
        gt.from_torch(nn.Conv2d(3, 2, 3), (1, 3, 8, 8))


NO_MODULE: dict[str, tuple[Callable[[], Any], str]] = {
    "a class": (lambda: nn.ReLU, r"got the class ReLU; make a module of it, as in ReLU\(\)$"),
    "weights": (
        lambda: nn.Linear(2, 2).state_dict(),
        "got an OrderedDict.*; make the module, and give it these weights by its load_state_dict$",
    ),
    "a path": (lambda: "m.pt", "got 'm.pt'; load the file with PyTorch, and pass the module$"),
    "a shape": (lambda: (3, 8, 9), r"got \(3, 8, 9\)$"),
}


@pytest.mark.parametrize("name", NO_MODULE)
def test_what_is_no_module_is_told(name: str) -> None:
    make, words = NO_MODULE[name]
    with pytest.raises(gt.ArgumentError, match=f"^from_torch: needs a torch.nn.Module, {words}"):
        gt.from_torch(make(), IMAGES)
