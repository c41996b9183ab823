"""Trained weights back in the class that somebody wrote, under its own names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from interchange import agree, outputs, samples, torch_outputs

import gradtrail as gt

torch = pytest.importorskip("torch")
from torch_models import ResNet, made  # noqa: E402, it needs PyTorch

nn = torch.nn

pytestmark = pytest.mark.torch

SHAPE = (3, 8, 9)


def trained(module: Any) -> gt.Network:
    """The module's network after a step, with other weights and statistics."""
    network = gt.from_torch(module, SHAPE)
    x, y = samples(network, 6), np.array([0, 4, 1, 1, 3, 2])
    gt.train(network, (x, y), optimizer=gt.SGD(0.1), epochs=1, batch_size=3, progress=False)
    return network


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_go_back_under_their_own_names(dtype: Any) -> None:
    module = made(ResNet, dtype).eval()
    module.fc.requires_grad_(False)
    module.conv1.weight.grad = torch.ones_like(module.conv1.weight)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    network = trained(module)
    back = gt.to_torch(network, like=module)
    assert type(back) is ResNet
    assert back is not module
    assert list(back.state_dict()) == list(before)
    weight = back.state_dict()["layer2.0.downsample.0.weight"].numpy()
    np.testing.assert_array_equal(weight, network.parameters["layer2_0_downsample_0.weight"])
    mean = back.state_dict()["layer1.1.bn2.running_mean"].numpy()
    np.testing.assert_array_equal(mean, network.buffers["layer1_1_bn2.running_mean"])
    assert not np.array_equal(weight, before["layer2.0.downsample.0.weight"].numpy())
    x = samples(network, 5)
    agree(torch_outputs(back, x), outputs(network, x))
    assert (back.training, back.fc.weight.requires_grad) == (False, False)
    assert back.conv1.weight.grad is None
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert gt.from_torch(back, SHAPE).frozen == ("fc.weight", "fc.bias")


class Written(nn.Module):
    """Weights that no module holds, a bias of another shape, and one array under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, 2, 2))
        self.shift = nn.Parameter(torch.randn(1, 4, 1, 1))
        self.head = nn.Linear(4, 2)
        self.also = self.head

    def forward(self, x: Any) -> Any:
        x = nn.functional.conv2d(x, self.weight) + self.shift
        return self.head(x.relu().mean((2, 3)))


def test_parameters_of_the_model_itself() -> None:
    module = Written()
    network = gt.from_torch(module, SHAPE)
    network.parameters["conv1.bias"] = np.float32([1, 2, 3, 4])
    network.parameters["head.weight"] = np.float32([[1, 2, 3, 4], [5, 6, 7, 8]])
    back = gt.to_torch(network, like=module)
    assert back.shift.detach().tolist() == [[[[1]], [[2]], [[3]], [[4]]]]
    assert back.also.weight is back.head.weight
    assert back.head.weight.detach().tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_a_bare_layer_and_other_names() -> None:
    network = gt.Network((3,), [gt.Linear(2, name="other")])
    back = gt.to_torch(network, like=nn.Linear(3, 2))
    np.testing.assert_array_equal(back.weight.detach(), network.parameters["other.weight"])


OTHERS: dict[str, tuple[Any, Any]] = {
    r"layer 1 'fc1' \(Linear\) has out_features=4, not 2": (lambda: nn.Linear(3, 4), {}),
    r"layer 1 'fc1' \(Linear\) has bias=False, not True": (
        lambda: nn.Linear(3, 2, bias=False),
        {},
    ),
    r"it has the layer 'relu1' \(ReLU\) behind the last": (
        lambda: nn.Sequential(nn.Linear(3, 2), nn.ReLU()),
        {},
    ),
    "its numbers are float32, not float64": (lambda: nn.Linear(3, 2), {"dtype": "float64"}),
}


@pytest.mark.parametrize("sentence", OTHERS)
def test_another_network_is_refused_with_its_layer(sentence: str) -> None:
    make, settings = OTHERS[sentence]
    network = gt.Network((3,), [gt.Linear(2)], **settings)
    with pytest.raises(gt.ArgumentError, match=f"^to_torch: like is another network: {sentence}"):
        gt.to_torch(network, like=make())


def test_what_is_no_module_or_cannot_be_read() -> None:
    network = gt.Network((3,), [gt.Linear(2)])
    with pytest.raises(gt.ArgumentError, match="^to_torch: needs a torch.nn.Module, got 'mine'"):
        gt.to_torch(network, like="mine")
    with pytest.raises(gt.ArgumentError, match="FractionalMaxPool2d at '0'. is a module"):
        gt.to_torch(network, like=nn.Sequential(nn.FractionalMaxPool2d(2, 3)))
