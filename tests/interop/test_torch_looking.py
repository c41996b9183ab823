"""What an import must see of a module beside its graph: whose copy it is, who changed its call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import gradtrail as gt

torch = pytest.importorskip("torch")

nn, F = torch.nn, torch.nn.functional
hooks = torch.nn.modules.module

pytestmark = pytest.mark.torch

SHAPE = (1, 4, 4)


class Small(nn.Module):
    """A convolution and what is behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 1)
        self.second = nn.Linear(32, 2)

    def forward(self, x: Any) -> Any:
        return self.second(F.relu(self.first(x)).flatten(1))


# -- copies that are none -------------------------------------------------------------------------


class Itself(Small):
    def __deepcopy__(self, memo: Any) -> Any:
        return self


class WithItsLayer(Small):
    def __deepcopy__(self, memo: Any) -> Any:
        made = WithItsLayer()
        made.first = self.first
        return made


class WithItsArray(nn.Parameter):
    def __deepcopy__(self, memo: Any) -> Any:
        return self


class WithItsMemory(Small):
    def __deepcopy__(self, memo: Any) -> Any:
        made = WithItsMemory()
        made.second.bias = nn.Parameter(self.second.bias.detach())
        return made


def with_its_array() -> Any:
    module = Small()
    module.second.weight = WithItsArray(module.second.weight.detach())
    return module


KEPT: dict[str, tuple[Callable[[], Any], str]] = {
    "itself": (Itself, r"the module '' \(Itself\)"),
    "layer": (WithItsLayer, r"the module 'first' \(Conv2d\)"),
    "array": (with_its_array, "the array 'second.weight'"),
    "memory": (WithItsMemory, "the array 'second.bias'"),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_copy_that_shares_with_the_module_is_refused_and_nothing_changed(name: str) -> None:
    make, place = KEPT[name]
    module = make().eval()
    before = {path: array.tolist() for path, array in module.state_dict().items()}
    with pytest.raises(gt.ArgumentError, match=f"^from_torch: {place} is handed on by its own __"):
        gt.from_torch(module, SHAPE)
    assert {path: array.tolist() for path, array in module.state_dict().items()} == before
    assert not any(inner.training for inner in module.modules())
    network = gt.from_torch(Small(), SHAPE)
    with pytest.raises(gt.ArgumentError, match=f"^to_torch: {place} is handed on by its own __"):
        gt.to_torch(network, like=module)


# -- calls that are others than the class's -------------------------------------------------------


def exchanged_layer() -> Any:
    """Other in training alone, which no comparison in evaluation shows."""
    module = Small()
    layer = module.first
    layer.forward = lambda x: F.conv2d(x, layer.weight * (2 if layer.training else 1), layer.bias)
    return module


def exchanged_model() -> Any:
    module = Small()
    module.forward = lambda x: module.second(module.first(x).flatten(1))
    return module


OWN = r"has a forward of its own, set on the object, of which torch.fx sees nothing"
JIT = r"is compiled by torch.jit, and no graph .*; give the module that it was made of"

CALLED: dict[str, tuple[Callable[[], Any], str]] = {
    "layer": (exchanged_layer, rf"the module \(Conv2d at 'first'\) {OWN}"),
    "model": (exchanged_model, rf"the model \(Small\) {OWN}"),
    "scripted": (
        lambda: torch.jit.script(nn.Sequential(nn.ReLU())),
        rf"the model \(RecursiveScriptModule\) {JIT}",
    ),
    "within": (
        lambda: nn.Sequential(torch.jit.script(nn.ReLU()), nn.Conv2d(1, 2, 1)),
        rf"the module \(RecursiveScriptModule at '0'\) {JIT}",
    ),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
@pytest.mark.parametrize("name", CALLED)
def test_a_call_that_is_not_the_classs_is_refused(name: str) -> None:
    make, sentence = CALLED[name]
    with pytest.raises(gt.ArgumentError, match=f"^from_torch: {sentence}"):
        gt.from_torch(make(), SHAPE)


def never(*arguments: Any) -> None:
    raise AssertionError("an import runs no hook")


@pytest.mark.parametrize(
    "register",
    [
        hooks.register_module_forward_hook,
        hooks.register_module_forward_pre_hook,
        hooks.register_module_full_backward_hook,
        hooks.register_module_full_backward_pre_hook,
    ],
    ids=lambda register: str(register.__name__),
)
def test_hooks_of_all_modules_are_refused_and_not_run(register: Callable[[Any], Any]) -> None:
    handle = register(never)
    try:
        with pytest.raises(
            gt.ArgumentError,
            match=r"^from_torch: every module has hooks that were registered for all modules at "
            r"once, which may change what the model computes; remove them \(never\)$",
        ):
            gt.from_torch(Small(), SHAPE)
    finally:
        handle.remove()
    assert len(gt.from_torch(Small(), SHAPE).parameters) == 4


# -- memory ---------------------------------------------------------------------------------------


def test_parameters_that_overlap_are_shared() -> None:
    numbers, module = torch.arange(4.0), nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    module[0].bias, module[1].bias = nn.Parameter(numbers[:2]), nn.Parameter(numbers[1:3])
    with pytest.raises(gt.ArgumentError, match=r"'1'\) shares the array '0.bias' with node '_0'"):
        gt.from_torch(module, SHAPE)


def test_parameters_in_one_piece_of_memory_are_their_own_where_none_overlaps() -> None:
    """As optimisers lay them out that work on one flat array; the columns of one matrix, too."""
    numbers = torch.arange(4.0).reshape(2, 2)
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    module[0].bias, module[1].bias = nn.Parameter(numbers[:, 0]), nn.Parameter(numbers[:, 1])
    found = gt.from_torch(module, SHAPE).parameters
    assert [found["conv1.bias"].tolist(), found["norm1.bias"].tolist()] == [[0, 2], [1, 3]]
