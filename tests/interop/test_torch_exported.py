"""Modules that torch.fx cannot trace, read by way of torch.export, and what neither can follow."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import pytest

import gradtrail as gt
from gradtrail.interop.pytorch import torch_import

torch = pytest.importorskip("torch")
from torch_models import Function  # noqa: E402, it needs PyTorch

nn, F = torch.nn, torch.nn.functional

pytestmark = pytest.mark.torch

SHAPE = (2, 4, 4)


@singledispatch
def doubled(x: Any) -> Any:
    raise TypeError(type(x))


@doubled.register
def _(x: torch.Tensor) -> Any:
    return x + x.tanh()


TABLE = ((torch.Tensor, F.softplus),)


def matched(x: Any) -> Any:
    match x:
        case torch.Tensor():
            return F.avg_pool2d(x, 2)
    raise TypeError(type(x))


def tagged(x: Any) -> Any:
    x.seen = True
    return F.pad(x, (1, 1, 1, 1), mode="reflect")[:, :, 1:].flatten(1)


def asserted(x: Any) -> Any:
    assert isinstance(x, torch.Tensor)
    first, second = x.chunk(2, 1)
    return torch.cat([second * first, first.transpose(2, 3)], 1)


class Whole(nn.Module):
    """Layers of many kinds, behind a question that torch.fx has no answer to."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.2)
        )
        self.up = nn.ConvTranspose2d(4, 2, 2, 2)
        self.act = nn.SELU()
        self.norm = nn.GroupNorm(2, 2)
        self.fc = nn.Linear(2, 3)
        self.register_buffer("scale", torch.tensor([0.5, 2.0]).view(1, 2, 1, 1))

    def forward(self, x: Any) -> Any:
        assert torch.is_tensor(x)
        x = self.act(self.up(self.act(self.body(x)))) * self.scale
        x += 1
        x = F.interpolate(F.max_pool2d(self.norm(x), 2), scale_factor=2, mode="bilinear")
        x = F.adaptive_avg_pool2d(x[:, :, 1:], 1).view(x.shape[0], -1)
        return F.softmax(self.fc(F.dropout(x, 0.1, self.training)), 1)


UNTRACEABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "asserted": (lambda: Function(asserted), "slice1 slice2 mul1 permute1 concat1"),
    "a function for each type": (lambda: Function(doubled), "tanh1 add1"),
    "matched": (lambda: Function(matched), "pool1"),
    "with an attribute": (lambda: Function(tagged), "pad1 slice1 flatten1"),
    "looked up": (
        lambda: Function(lambda x: next(f for kind, f in TABLE if isinstance(x, kind))(x).relu()),
        "softplus1 relu1",
    ),
    "how it lies": (
        lambda: Function(lambda x: x.exp() if x.is_contiguous() else x),
        "pointwise1",
    ),
    "what kind of numbers": (
        lambda: Function(lambda x: F.softsign(x) if torch.is_floating_point(x) else x),
        "softsign1",
    ),
    "where it lies": (lambda: Function(lambda x: -x if x.is_cuda else x.sigmoid()), "sigmoid1"),
    "written over": (
        lambda: Function(lambda x: F.relu_(x.clone() if isinstance(x, torch.Tensor) else int(x))),
        "relu1",
    ),
    "whole": (
        Whole,
        "body_0 body_1 body_2 body_3 act up act_1 normalize1 norm pool1 upsample1 slice1 pool2 "
        "dropout2 fc",
    ),
}


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_what_torch_fx_cannot_trace_is_exported(name: str, monkeypatch: Any) -> None:
    made, steps = UNTRACEABLE[name]
    asked: list[Any] = []
    export = torch_import.export_module
    monkeypatch.setattr(
        torch_import, "export_module", lambda *given: asked.append(given) or export(*given)
    )
    torch.manual_seed(0)
    module = made().double()
    network = gt.from_torch(module, SHAPE)
    assert len(asked) == 1
    assert " ".join(step.name for step in network.steps) == steps
    if name == "whole":
        assert network.parameters["body_0.weight"].tolist() == module.body[0].weight.tolist()
        assert network.foreign_names["body.0.weight"] == "body_0.weight"


def test_attributes_that_no_tensor_has_are_not_there() -> None:
    module = Function(lambda x: x.tensors if hasattr(x, "tensors") else F.relu(x))
    assert [step.name for step in gt.from_torch(module, SHAPE).steps] == ["relu1"]
