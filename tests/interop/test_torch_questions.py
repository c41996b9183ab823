"""A PyTorch module asked directly: `gt.trace`, `gt.explore` and `gt.check_gradients` of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradtrail as gt

torch = pytest.importorskip("torch")

nn, F = torch.nn, torch.nn.functional

pytestmark = pytest.mark.torch


class Model(nn.Module):
    """With a norm, a dropout that is in evaluation mode, and names of more than one part."""

    def __init__(self, *last: Any) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3)
        self.body = nn.Sequential(nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(8, 3), *last)
        self.drop = nn.Dropout().eval()

    def forward(self, x: Any) -> Any:
        return self.head(self.drop(self.body(self.stem(x))))


def drawn(*last: Any) -> tuple[Any, Any, Any]:
    """A module in float64, samples and labels."""
    torch.manual_seed(3)
    module = Model(*last).double()
    return module, torch.randn(5, 1, 4, 4, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0])


def test_a_module_is_traced_as_it_is() -> None:
    module, x, y = drawn()
    module.stem.weight.requires_grad_(False)
    before = {name: array.clone() for name, array in module.state_dict().items()}
    modes = [inner.training for inner in module.modules()]
    traced = gt.trace(module, x.requires_grad_(), y)
    assert [inner.training for inner in module.modules()] == modes
    for name, array in module.state_dict().items():
        assert torch.equal(array, before[name])
    module.stem.weight.requires_grad_()
    loss = F.cross_entropy(module(x), y)
    loss.backward()
    assert traced.loss == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(traced.grad["input"], x.grad, rtol=0, atol=1e-12)
    for name, parameter in module.named_parameters():
        assert traced.grad[name].dtype == np.float64
        np.testing.assert_allclose(traced.grad[name], parameter.grad, rtol=0, atol=1e-12)


def test_a_trace_takes_the_names_of_the_module() -> None:
    module, x, y = drawn()
    t = gt.trace(module, x, y)
    assert "body.0.weight" in t.grad
    assert "body.9.weight" not in t.grad
    assert t.value["body.0.running_mean"] is t.value["body_0.running_mean"]
    terms = t.grad.terms("head.0.weight", (1, 2))
    assert str(terms) == str(t.grad.terms("head_0.weight[1,2]"))
    for written in ("head.0.weight[1,2]", "dhead.0.weight[1, 2]", " head.0.weight [1,2]"):
        assert str(t.grad.terms(written)) == str(terms)
    why = t.value.why("body.0", (0, 1, 1, 1))
    assert str(why) == str(t.value.why("body_0.output", (0, 1, 1, 1)))
    with pytest.raises(gt.UnknownNameError, match="no gradient is called 'head.1.weight'"):
        t.grad["head.1.weight"]
    assert gt.trace(nn.Linear(2, 2), np.ones((1, 2)), [0]).grad["weight"].shape == (2, 2)
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1] = tied[0]
    t = gt.trace(tied, np.ones((1, 2)), [0])
    assert t.grad["1.weight"] is t.grad["0.weight"] is t.grad["fc1.weight"]


LOSSES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "classes": (nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 0.5]), label_smoothing=0.1), ()),
    "a class that does not count": (nn.CrossEntropyLoss(ignore_index=1), ()),
    "classes, as a function": (F.cross_entropy, (nn.LogSoftmax(1),)),
    "classes of a softmax": (nn.CrossEntropyLoss(), (nn.Softmax(1),)),
    "logarithms": (nn.NLLLoss(torch.tensor([1.0, 2.0, 0.5])), (nn.LogSoftmax(1),)),
    "squares": (nn.MSELoss(), (nn.Softmax(1),)),
    "differences": (nn.L1Loss(), ()),
    "both": (nn.HuberLoss(delta=0.7), ()),
    "both, smoothly": (nn.SmoothL1Loss(), ()),
    "tags": (nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 2.0, 0.5])), ()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_pytorch_are_the_same_numbers(name: str) -> None:
    loss, last = LOSSES[name]
    module, x, y = drawn(*last)
    if isinstance(loss, nn.Module):
        loss = loss.double()
    if "MSE" in str(loss) or "L1" in str(loss) or "Huber" in str(loss) or "BCE" in str(loss):
        y = F.one_hot(y, 3).double()
    traced = gt.trace(module, x, y, loss=loss)
    theirs = loss(module(x), y)
    theirs.backward()
    assert traced.loss == pytest.approx(theirs.item(), rel=1e-12)
    np.testing.assert_allclose(
        traced.grad["stem.weight"], module.stem.weight.grad, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (nn.KLDivLoss(), "loss must be one such as .* L1Loss, MSELoss.*; got 'KLDivLoss'"),
        (nn.MSELoss, "as an object; got 'MSELoss'"),
        (lambda z, y: 0, "as an object; got .*lambda"),
        (nn.MSELoss(reduction="sum"), "MSELoss has reduction='sum', while a loss here is the mean"),
        (nn.NLLLoss(), "trace: the model does not end with a log_softmax, whose logarithms"),
        (nn.SmoothL1Loss(beta=0.5), "HuberLoss.0.5. is, and 0.5 times as large"),
        (nn.BCEWithLogitsLoss(torch.ones(5, 3)), r"weight is one number for each class .*\(5, 3\)"),
    ],
)
def test_a_loss_that_is_none_here_is_refused(loss: Any, message: str) -> None:
    module, x, y = drawn()
    with pytest.raises(gt.ArgumentError, match=message):
        gt.trace(module, x, y, loss=loss)


def test_the_gradients_of_a_module_are_checked() -> None:
    module, x, y = drawn()
    assert gt.check_gradients(module, x, y, elements=3).elements
    with pytest.raises(gt.ArgumentError, match="check_gradients: node 'cumsum' calls torch"):
        gt.check_gradients(Wrapped(), x, y)


class Wrapped(nn.Module):
    """Of something that no layer is."""

    def forward(self, x: Any) -> Any:
        return torch.cumsum(x, 1, out=None)


def test_a_module_is_explored(tmp_path: Path) -> None:
    module, x, y = drawn()
    page = tmp_path / "page.html"
    assert gt.explore(module, x.float(), y, samples=2, title="Of a module", save=page) == page
    assert "<title>Of a module" in page.read_text(encoding="utf-8")
    with pytest.raises(gt.ArgumentError, match="explore: of a PyTorch module x is needed"):
        gt.explore(module)


def test_samples_of_bfloat16_are_those_of_float32() -> None:
    module, x, y = drawn()
    rounded = x.bfloat16()
    traced = gt.trace(module, rounded, y)
    assert traced.loss == gt.trace(module, rounded.double(), y).loss
    np.testing.assert_array_equal(traced.value["input"], rounded.double().numpy())


def test_samples_that_are_none_are_told() -> None:
    module, x, y = drawn()
    with pytest.raises(gt.ArgumentError, match="^trace: 2 inputs are given, but the forward of Mo"):
        gt.trace(module, (x, x[:, :, 0]), y)
    with pytest.raises(gt.ArgumentError, match="^trace: there is no input 'image'; the forward of"):
        gt.trace(module, {"image": x}, y)
    with pytest.raises(gt.ArgumentError, match=r"check_gradients: x is of shape \(5,\), and no"):
        gt.check_gradients(module, y)


def test_other_functions_take_networks_alone() -> None:
    module, x, y = drawn()
    with pytest.raises(gt.ArgumentError, match="train: network must be a Network, got a Model; gt"):
        gt.train(module, (x, y))
    with pytest.raises(gt.ArgumentError, match=r"trace takes 3 arguments by position .*, got 4"):
        gt.trace(module, x, y, 1)  # type: ignore[misc]
    with pytest.raises(gt.ArgumentError, match="trace: network must be a Network, got the class"):
        gt.trace(Model, x, y)
