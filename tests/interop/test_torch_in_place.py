"""Operations in place, views, clones and aliases: a value is what PyTorch reads at that moment."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
from comparing import assert_close

import gradtrail as gt
from gradtrail.interop.pytorch import torch_import

torch = pytest.importorskip("torch")
from torch_in_place import CHANNELS, SIZE, drawn  # noqa: E402, it needs PyTorch

nn, F = torch.nn, torch.nn.functional

pytestmark = pytest.mark.torch


class Body(nn.Module):
    """A convolution of one number by 1, and a forward that each test gives."""

    def __init__(self, forward: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        self.again = nn.Conv2d(1, 1, 1, bias=False)
        self.same = nn.Identity()
        self.act = nn.ReLU(inplace=True)
        nn.init.ones_(self.conv.weight)
        nn.init.ones_(self.again.weight)
        self.given = forward

    def forward(self, x: Any) -> Any:
        return self.given(self, x)


def predicted(forward: Any, row: list[float]) -> list[float]:
    """What the network of a forward makes of a map of one row."""
    network = gt.from_torch(Body(forward), (1, 1, len(row)))
    return network.predict(np.array([[[row]]], np.float32)).ravel().tolist()


def cloned(m: Any, x: Any) -> Any:
    identity = x.clone()
    out = m.conv(torch.relu_(x))
    out += identity
    return out


def not_cloned(m: Any, x: Any) -> Any:
    identity = x
    out = m.conv(torch.relu_(x))
    out += identity
    return out


def by_module(m: Any, x: Any) -> Any:
    a = m.conv(x)
    b = m.same(a)
    return m.again(m.act(b)) + a


def viewed(m: Any, x: Any) -> Any:
    a = m.conv(x)
    v = a.view(-1, 2)
    a += 1
    return v


def through_a_view(m: Any, x: Any) -> Any:
    a = m.conv(x)
    v = a.flatten(1)
    v += 1
    return m.again(a)


def relu_through_a_view(m: Any, x: Any) -> Any:
    a = m.conv(x)
    torch.flatten(a, 1).relu_()
    return m.again(a)


def kept(m: Any, x: Any) -> Any:
    a = m.conv(x)
    kept = a
    a += m.again(a)
    return kept


def halved(m: Any, x: Any) -> Any:
    a = m.conv(x)
    b = a
    a *= 0.5
    return b


def not_in_place(m: Any, x: Any) -> Any:
    a = m.conv(x)
    b = a
    a = a * 0.5
    return b


def by_position(m: Any, x: Any) -> Any:
    a = m.conv(x)
    F.relu(a, True)
    return a


def sizes(m: Any, x: Any) -> Any:
    n = x.size(2)
    n += 1
    return m.conv(x).view(-1, (n - 1) * 2)


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        (cloned, [-1.0, 4.0]),
        (not_cloned, [0.0, 4.0]),
        (by_module, [0.0, 4.0]),
        (viewed, [0.0, 3.0]),
        (through_a_view, [0.0, 3.0]),
        (relu_through_a_view, [0.0, 2.0]),
        (kept, [-2.0, 4.0]),
        (halved, [-0.5, 1.0]),
        (not_in_place, [-1.0, 2.0]),
        (by_position, [0.0, 2.0]),
        (sizes, [-1.0, 2.0]),
    ],
)
def test_what_is_read_is_what_was_written(forward: Any, expected: list[float]) -> None:
    row = [-1.0, 2.0]
    theirs = Body(forward).eval()(torch.tensor([[[row]]])).ravel().tolist()
    assert theirs == expected
    assert predicted(forward, row) == expected


def sliced(m: Any, x: Any) -> Any:
    a = m.conv(x)
    a[:, 0] = 0
    return a


def written_weight(m: Any, x: Any) -> Any:
    m.conv.weight.clamp_(0, 1)
    return m.conv(x)


def squeezed(m: Any, x: Any) -> Any:
    a = m.conv(x)
    a.squeeze_(1)
    return a


def set_data(m: Any, x: Any) -> Any:
    a = m.conv(x)
    a.data = a.relu()
    return a


def divided(m: Any, x: Any) -> Any:
    a = m.conv(x)
    a //= 2
    return a


@pytest.mark.parametrize(
    ("forward", "sentence"),
    [
        (sliced, "node 'setitem' writes into a part of a tensor, which no layer here does"),
        (written_weight, "'clamp_' calls the method clamp_ on an array of the model, which would"),
        (squeezed, "'squeeze_' calls the method squeeze_, which changes its input otherwise than"),
        (set_data, "sets the attribute 'data' of a tensor"),
        (divided, "node 'ifloordiv' calls _operator.ifloordiv, for which there is no layer here"),
    ],
)
def test_what_is_written_otherwise_is_refused(forward: Any, sentence: str) -> None:
    with pytest.raises(gt.ArgumentError, match=sentence):
        gt.from_torch(Body(forward), (1, 1, 2))


def test_what_dropout_hands_on_in_evaluation_is_found_by_the_comparison() -> None:
    """In training a dropout makes a new tensor; in evaluation it gives its input itself."""

    def forward(m: Any, x: Any) -> Any:
        a = m.conv(x)
        b = F.dropout(a, 0.5, m.training)
        b += 1
        return a + m.again(b)

    with pytest.raises(gt.ArgumentError, match=r"node 'add' gives other numbers than layer 'add1'"):
        gt.from_torch(Body(forward), (1, 1, 2))


PARTED = re.compile("gives other numbers|gets another gradient")


def checked(number: int) -> bool:
    """Whether a random module is taken; if so, it gives the module's outputs and gradients."""
    module = drawn(number)
    try:
        network = gt.from_torch(module, (CHANNELS, SIZE, SIZE))
    except gt.ArgumentError as refusal:
        told = str(refusal)
    else:
        told = ""
    assert not PARTED.search(told), f"read wrongly: {module}"
    if told:
        return False
    x = np.random.Generator(np.random.PCG64(number)).normal(size=(3, CHANNELS, SIZE, SIZE))
    image = torch.tensor(x, requires_grad=True)
    output = module.eval()(image.clone())
    near = 1e-9 if network.dtype == np.float64 else 1e-6  # without any parameter
    outputs = network.predict(x, engine="reference")
    assert_close(outputs, output.detach().numpy(), near, str(module))
    target = np.linspace(-1, 1, output.numel()).reshape(output.shape)
    try:
        F.mse_loss(output, torch.tensor(target)).backward()
    except RuntimeError:  # what a gradient needs was written over: PyTorch has none
        return True
    t = gt.trace(network, x, target, loss=gt.MeanSquaredError(), training=False, engine="reference")
    assert_close(t.grad["input"], image.grad.numpy(), near, str(module))
    for path, parameter in module.named_parameters():
        layer, _, key = path.rpartition(".")
        name = f"{layer.replace('.', '_')}.{key}"
        assert (name in network.parameters) == (parameter.grad is not None), f"{path} of {module}"
        if parameter.grad is not None:
            assert_close(t.grad[name], parameter.grad.numpy(), near, f"{path} of {module}")
    return True


def test_random_modules() -> None:
    taken = [checked(number) for number in range(12)]
    assert sum(taken) >= 5


@pytest.mark.long
@pytest.mark.parametrize("block", range(10))
def test_many_random_modules(block: int) -> None:
    taken = [checked(12 + number) for number in range(20 * block, 20 * block + 20)]
    assert sum(taken) >= 6


def test_reading_alone_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the comparison at the end of an import."""
    monkeypatch.setattr(torch_import, "compare", lambda *arguments: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sum(checked(number) for number in range(100, 110)) >= 4
