"""Modules of PyTorch that are no network here: each refused with the node, its path, the reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import gradtrail as gt

torch = pytest.importorskip("torch")
from torch_models import Function  # noqa: E402, it needs PyTorch

nn, F = torch.nn, torch.nn.functional

pytestmark = pytest.mark.torch


def tied() -> Any:
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    module[2].weight = module[0].weight
    return module


def hooked() -> Any:
    module = nn.Sequential(nn.Linear(4, 4))
    module[0].register_forward_hook(lambda module, inputs, output: output * 2)
    return module


class Two(nn.Module):
    def forward(self, x: Any, y: Any) -> Any:
        return x + y


class StandIn(torch.Tensor):
    def numpy(self, **_: Any) -> Any:
        raise RuntimeError("not of this kind")

    def __deepcopy__(self, known: Any) -> Any:
        return self.as_subclass(torch.Tensor).clone().as_subclass(StandIn)


class Standing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(3, 1, 1).as_subclass(StandIn))

    def forward(self, x: Any) -> Any:
        return x * self.scale


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


class Taking(nn.Module):
    """Forwards that name no input."""

    def __init__(self) -> None:
        super().__init__()
        self.fixed = nn.Buffer(torch.ones(3, 1, 1, 1))


class Several(Taking):
    def forward(self, *images: Any) -> Any:
        return images[0].relu()


class Named(Taking):
    def forward(self, **images: Any) -> Any:
        return images["image"].relu()


class Nothing(Taking):
    def forward(self) -> Any:
        return self.fixed


class Blurred(Taking):
    def forward(self, x: Any) -> Any:
        return F.conv2d(x, self.fixed, groups=3)


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
        r"node 'conv' \(Conv2d at 'conv'\) is read in several places, with other arrays beside "
        r"'conv.weight' in each of them, so no one layer is all of it$",
    ),
    "length": (
        lambda: Function(lambda x: x * len(x)),
        IMAGES,
        "node 'mul' gives other numbers than layer 'normalize1', as which it was read: .*",
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
    "a sequence": (
        lambda: nn.Sequential(nn.Conv1d(3, 2, 3), Function(torch.sin)),
        (3, 9),
        "calls torch.sin, for which there is no layer here$",
    ),
    "a sequence without convolutions": (
        lambda: nn.Sequential(nn.Linear(9, 2), Function(torch.sin)),
        (3, 9),
        "calls torch.sin, for which there is no layer here$",
    ),
    "a shape without channels": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3)),
        (8, 9),
        r"; input_shape has no channels: of grey images it is \(1, 8, 9\)$",
    ),
    "control flow": (
        lambda: Function(lambda x: x if x.sum() > 0 else -x),
        IMAGES,
        r"the model \(Function\) decides by the samples' values what is computed, while a network "
        r"computes the same for all of them; torch.where\(condition, a, b\) takes both ways; "
        r"test_torch_refused.py, line \d+: lambda: Function\(lambda x: x if x.sum\(\) > 0 else",
    ),
    "sample by sample": (
        lambda: Function(lambda x: torch.stack([row * 2 for row in x])),
        IMAGES,
        r"goes through its samples one by one, while a network takes any number of them at once; "
        r"test_torch_refused.py, line \d+: lambda: Function",
    ),
    "neither way": (
        lambda: Function(lambda x: x * float(x.mean())),
        IMAGES,
        r"\(Function\) cannot be traced by torch.fx: .*; test_torch_refused.py, line \d+: .*"
        r"\. Nor by torch.export: ",
    ),
    "features": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(100, 4)),
        IMAGES,
        r"node '_1' \(Linear at '1'\) Linear takes a weight of shape \(4, 216\) for samples of "
        r"\(216,\), but the model has \(4, 100\)",
    ),
    "channels": (
        lambda: nn.Conv2d(4, 4, 3),
        IMAGES,
        r"Conv2d takes a weight of shape \(4, 3, 3, 3\) for samples of \(3, 8, 9\), but the model "
        r"has \(4, 4, 3, 3\)",
    ),
    "window": (
        lambda: nn.Conv2d(3, 4, 10),
        IMAGES,
        r"node '_0' \(Conv2d at '0'\) Conv2d: a window of 10 does not fit into the 8 position",
    ),
    "tied": (tied, ROWS, "shares the array '0.weight' with node '_0'"),
    "hooks": (hooked, ROWS, r"\(Linear at '0'\) has forward hooks, which may change what it"),
    "two inputs": (
        Two,
        IMAGES,
        r"node 'y' is an input, too; give all of them by name, as {'x': …, 'y': …}$",
    ),
    "any number of inputs": (
        Several,
        IMAGES,
        r"the model \(Several\) takes whatever it is given, as \*images; write a forward that "
        "takes its inputs by name$",
    ),
    "any names": (Named, IMAGES, r"as \*\*images; write a forward"),
    "no input": (Nothing, IMAGES, r"the model \(Nothing\) takes no input$"),
    "a mapping": (
        lambda: Function(lambda batch: batch["image"].relu()),
        IMAGES,
        "node 'getitem' reads 'image' of a mapping, while a network takes one array; a module "
        "whose forward takes that array can be read$",
    ),
    "no output": (
        lambda: Function(lambda x: None),
        IMAGES,
        "node 'output' gives nothing: its forward returns None$",
    ),
    "places": (
        lambda: Function(lambda x: x.max(1).indices),
        IMAGES,
        "the model gives the places of maxima that no layer computes$",
    ),
    "minimum over an axis": (
        lambda: Function(lambda x: x.min(dim=1).values),
        IMAGES,
        "node 'min_1' takes the minimum over axes, while layers take the maximum, as of -x$",
    ),
    "a buffer convolves": (
        Blurred,
        IMAGES,
        r"node 'conv2d' computes with constants of shape \(3, 1, 1, 1\) that the model does not "
        "hold as a parameter; here a layer would train them$",
    ),
    "constants of another dtype": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 3, 1).double(), Function(lambda x: x * torch.linspace(0, 1, 9))
        ),
        IMAGES,
        r"node 'mul' \(in '1'\) computes with constants of shape \(9,\) that the "
        "model does not hold as a parameter; here a layer would train them$",
    ),
    "two outputs": (
        lambda: Function(lambda x: (x, x.relu())),
        IMAGES,
        "node 'output' gives 2 outputs, 0, 1; choose one by output=",
    ),
    "infinite scale": (
        lambda: Function(lambda x: F.max_pool2d(x * math.inf, 2)),
        IMAGES,
        "node 'mul' scales by numbers that are not all finite and above 0",
    ),
    "broadcast": (
        lambda: Function(lambda x: x + torch.ones(8, 9)),
        IMAGES,
        r"node 'add' computes with constants of shape \(8, 9\) that the model does not hold as a "
        r"parameter",
    ),
    "a tensor that stands for others": (
        Standing,
        IMAGES,
        "node 'scale' holds no plain numbers in 'scale': it is a StandIn$",
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
        lambda: Function(lambda x: F.max_pool2d(x, 2, return_indices=True)[1] + x),
        IMAGES,
        "node 'add' computes with the places of maxima, which is no number",
    ),
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
    "sum of all": (lambda: Function(lambda x: x.sum([])), IMAGES, "takes the sum over everything"),
    "sizes": (
        lambda: Function(lambda x: torch.cat([x, F.max_pool2d(x, 2)], 1)),
        IMAGES,
        "node 'cat' Concat input 1 is 3 × 8 × 9 but input 2 is 3 × 4 × 4; only the channels",
    ),
    "axis": (
        lambda: Function(lambda x: x.view(-1, x.size(7))),
        IMAGES,
        r"\(Function\) cannot be traced by torch.fx: tuple index out of range",
    ),
    "stride": (lambda: nn.MaxPool2d(2, 0), IMAGES, "stride must be a whole number ≥ 1 or 2 of"),
    "nothing": (lambda: nn.Identity(), IMAGES, "the model hands its input on"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    make, shape, sentence = REFUSED[name]
    with pytest.raises(gt.ArgumentError, match=f"(?s)^from_torch: .*{sentence}"):
        gt.from_torch(make(), shape)


class Parts(nn.Module):
    """Writes into a part, and adds what nobody knows the shape of."""

    def __init__(self, written: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.written = written

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.conv(x)
        _, second = made.chunk(2, 1)
        if self.written:
            second.relu_()
            return made.flatten(1)
        made += made.view_as(made)
        return made.flatten(1)


def test_what_follows_from_a_refusal_is_no_reason_in_place_either() -> None:
    with pytest.raises(gt.ArgumentError, match="calls the method view_as") as caught:
        gt.from_torch(Parts(False), (2, 6, 6))
    assert str(caught.value) == (
        "from_torch: node 'view_as' calls the method view_as, for which there is no layer here"
    )


def test_a_whole_is_not_read_once_a_part_of_it_was_written_over() -> None:
    with pytest.raises(gt.ArgumentError, match="a part was written over") as caught:
        gt.from_torch(Parts(True), (2, 6, 6))
    assert str(caught.value) == (
        "from_torch: node 'flatten' reads a tensor of which a part was written over, which no "
        "layer does"
    )


def test_arguments_that_are_none() -> None:
    with pytest.raises(gt.ArgumentError, match="from_torch: needs a torch.nn.Module, got 3"):
        gt.from_torch(3, (3, 8, 8))
    with pytest.raises(gt.ArgumentError, match="input_shape is one sample's"):
        gt.from_torch(nn.ReLU(), (3, -8, 8))
    with pytest.raises(
        gt.ArgumentError, match=r"Conv2d at '0'. has windows over 2 axes, but samples have 3"
    ):
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
