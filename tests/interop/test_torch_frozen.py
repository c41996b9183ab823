"""What a PyTorch module does not train: frozen in the network, too."""

from __future__ import annotations

from typing import Any

import pytest

import gradtrail as gt

torch = pytest.importorskip("torch")

nn, F = torch.nn, torch.nn.functional

pytestmark = pytest.mark.torch

SHAPE = (1, 4, 4)


def frozen() -> Any:
    module = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    module[0].requires_grad_(False)
    return module


def test_what_the_module_does_not_train_is_frozen() -> None:
    network = gt.from_torch(frozen(), (3,))
    assert network.frozen == ("fc1.weight", "fc1.bias")
    assert network.trained == ("fc2.weight", "fc2.bias")
    assert gt.from_torch(frozen(), (3,), frozen="train").frozen == ()
    sentence = (
        r"from_torch: 2 of 4 parameters are frozen in the module \(requires_grad=False\): "
        r"'0.weight', '0.bias'; frozen='keep' has the network keep them so$"
    )
    with pytest.raises(gt.ArgumentError, match=sentence):
        gt.from_torch(frozen(), (3,), frozen="refuse")
    with pytest.raises(gt.ArgumentError, match="frozen is one of keep, train, refuse, got 'warn'"):
        gt.from_torch(frozen(), (3,), frozen="warn")


def test_a_weight_that_is_a_buffer_counts_as_frozen() -> None:
    module = nn.Sequential(nn.Linear(3, 3))
    weight = module[0].weight.detach()
    del module[0].weight
    module[0].register_buffer("weight", weight)
    assert gt.from_torch(module, (3,)).frozen == ("fc1.weight",)


def test_a_norm_kept_in_evaluation_mode_keeps_its_statistics() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Dropout())
    module[1].eval()
    network = gt.from_torch(module, SHAPE)
    assert network.frozen == ("norm1.running_mean", "norm1.running_var")
    assert gt.from_torch(module, SHAPE, frozen="train").frozen == ()
    with pytest.raises(gt.ArgumentError, match="1 module is in evaluation mode within a .*: '1'"):
        gt.from_torch(module, SHAPE, frozen="refuse")
    assert gt.from_torch(module.eval(), SHAPE, frozen="refuse").frozen == ()
    assert gt.from_torch(nn.BatchNorm2d(2).eval(), (2, 3, 3)).frozen == ()
    back = gt.to_torch(network)
    assert [inner.training for inner in back.children()] == [True, False, True]
    assert gt.from_torch(back, SHAPE).frozen == network.frozen


def test_a_dropout_kept_in_evaluation_mode_is_left_out() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Dropout(), nn.ReLU(inplace=True), nn.Linear(3, 2))
    module[1].eval()
    network = gt.from_torch(module, (3,))
    assert [step.name for step in network.steps] == ["fc1", "relu1", "fc2"]
    dropping = gt.from_torch(module, (3,), frozen="train")
    assert [step.name for step in dropping.steps] == ["fc1", "dropout1", "relu1", "fc2"]
    for each in (network, dropping):
        assert [part.training for part in gt.to_torch(each, like=module)] == [1, 0, 1, 1]


@pytest.mark.parametrize("like", [False, True])
def test_what_is_frozen_needs_no_gradient_in_pytorch(like: bool) -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 2))
    network = gt.from_torch(module, SHAPE)
    network.freeze("conv1", "norm1", "fc1.bias")
    back = gt.to_torch(network, like=module if like else None)
    needed = [parameter.requires_grad for parameter in back.parameters()]
    assert needed == [False, False, False, False, True, False]
    assert [inner.training for inner in back.children()] == [True, False, True, True]
    network.unfreeze()
    back = gt.to_torch(network, like=back if like else None)
    assert all(parameter.requires_grad for parameter in back.parameters())
    assert all(inner.training for inner in back.children())


def test_statistics_that_a_function_keeps_are_frozen() -> None:
    class Kept(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(2)

        def forward(self, x: Any) -> Any:
            norm = self.norm
            return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)

    network = gt.from_torch(Kept(), (2, 3, 3))
    assert network.frozen == ("norm.running_mean", "norm.running_var")


def test_a_module_is_what_it_computes_whatever_its_class_is_called() -> None:
    class Norm(nn.BatchNorm2d):
        """Called otherwise."""

    class Dropout(nn.Module):
        """Called as PyTorch's, and the same in both modes."""

        def forward(self, x: Any) -> Any:
            return x.tanh()

    module = nn.Sequential(nn.Conv2d(1, 2, 1), Norm(2))
    module[1].eval()
    with pytest.raises(gt.ArgumentError, match="1 module is in evaluation mode .*: '1'"):
        gt.from_torch(module, SHAPE, frozen="refuse")
    module = nn.Sequential(nn.Conv2d(1, 2, 1), Dropout())
    module[1].eval()
    assert gt.from_torch(module, SHAPE, frozen="refuse").frozen == ()
