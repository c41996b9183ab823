"""An imported module: left as it was, and compared with its network."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.interop.pytorch import torch_modules

torch = pytest.importorskip("torch")
from torch.nn.utils import parametrizations, prune  # noqa: E402, it needs PyTorch
from torch_models import Function  # noqa: E402

nn, F = torch.nn, torch.nn.functional

pytestmark = pytest.mark.torch


class Two(nn.Module):
    """Two convolutions, and what each test does with them."""

    def __init__(self, forward: Callable[[Any, Any], Any], bias: bool = True) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 1, bias=bias)
        self.second = nn.Conv2d(2, 2, 3, bias=bias)
        self.shift = nn.Parameter(torch.tensor([[[1.0]], [[-1.0]]]))
        self.one = nn.Parameter(torch.tensor([0.5]))
        self.register_buffer("fixed", torch.tensor([[[1.0]], [[2.0]]]))
        self.calls = 0
        self.given = forward

    def forward(self, x: Any) -> Any:
        return self.given(self, x)


SHAPE = (1, 4, 4)


# -- constants and parameters in arithmetic -------------------------------------------------------


@pytest.mark.parametrize(
    ("shift", "mean"),
    [(lambda m: 0.5, -0.5), (lambda m: m.fixed, (-1.0, -2.0))],
)
def test_a_constant_is_not_trained(shift: Callable[[Any], Any], mean: Any) -> None:
    module = Two(lambda m, x: F.relu(m.first(x) + shift(m)), bias=False)
    network = gt.from_torch(module, SHAPE)
    assert network.layers[1:] == (gt.Normalize(mean, 1.0), gt.ReLU())
    assert [array.size for array in network.parameters.values()] == [2]


def test_a_parameter_behind_a_layer_without_bias_is_its_bias_whatever_follows() -> None:
    module = Two(lambda m, x: F.relu((m.first(x) + m.shift) * 2 - 1), bias=False)
    network = gt.from_torch(module, SHAPE)
    assert network.layers[1:] == (gt.Normalize(0.5, 0.5), gt.ReLU())
    np.testing.assert_array_equal(network.parameters["first.bias"], np.float32([1, -1]))


COMPUTED: dict[str, Callable[[Any, Any], Any]] = {
    "exp": lambda m, x: x * m.one.exp(),
    "twice": lambda m, x: x + 2 * m.one,
    "less": lambda m, x: x * (1 - m.one),
    "squared": lambda m, x: x * m.one**2,
    "with itself": lambda m, x: x * (m.one * m.one),
    "each channel's": lambda m, x: x + m.shift.abs(),
    "greater": lambda m, x: x * torch.maximum(m.one, m.fixed),
    "bound": lambda m, x: x.clamp(min=m.one),
    "within bounds": lambda m, x: x * m.one.clamp(0, 1),
    "chosen": lambda m, x: torch.where(x > 0, x, m.one),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_numbers_made_of_a_parameter_are_no_constants(name: str) -> None:
    """The network would hold them as they are, and train nothing of what they are made of."""
    module = Two(lambda m, x: COMPUTED[name](m, m.first(x)))
    with pytest.raises(gt.ArgumentError, match="'(one|shift)' in a way in which no layer") as told:
        gt.from_torch(module, SHAPE)
    assert "requires_grad=False makes it a constant" in str(told.value)
    module.one.requires_grad_(False)
    module.shift.requires_grad_(False)
    network = gt.from_torch(module, SHAPE)
    x = torch.linspace(-2, 2, 16).reshape(1, *SHAPE)
    expected = module(x).detach().numpy()
    np.testing.assert_allclose(network.predict(x.numpy(), engine="reference"), expected, atol=1e-6)


def test_a_choice_between_numbers_is_told() -> None:
    module = Two(lambda m, x: m.first(x) * torch.where(m.one > 0, m.one, 2.0))
    module.one.requires_grad_(False)
    with pytest.raises(gt.ArgumentError, match="node 'where' chooses between numbers of the model"):
        gt.from_torch(module, SHAPE)


def test_a_parameter_as_a_setting_is_named_and_not_printed() -> None:
    module = Two(lambda m, x: F.leaky_relu(m.first(x), m.one))
    with pytest.raises(gt.ArgumentError, match="must be finite, got the array 'one'$"):
        gt.from_torch(module, SHAPE)


def test_one_parameter_for_all_channels_is_no_bias() -> None:
    """It stays one, whose gradient is the sum over the channels."""
    for compute in (lambda m, x: m.first(x) + m.one, lambda m, x: m.one - m.first(x)):
        network = gt.from_torch(Two(compute, bias=False), SHAPE)
        assert network.parameters["equation1.one"].shape == (1,)
        assert "first.bias" not in network.parameters


def test_a_bias_of_zeros_and_equal_arrays_stay() -> None:
    """PyTorch's ONNX exporter drops the one and merges the others."""
    module = nn.Sequential(*(nn.Linear(3, 3) for _ in range(2)))
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    assert list(gt.from_torch(module, (3,)).parameters) == [
        *("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")
    ]


def test_the_dtype_is_the_modules_where_no_array_is_read() -> None:
    module = Two(lambda m, x: x.relu())
    assert gt.from_torch(module, SHAPE).dtype == np.float32
    assert gt.from_torch(module.double(), SHAPE).dtype == np.float64


def test_parameters_that_lie_in_the_same_memory_are_shared() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    module[2].weight = nn.Parameter(module[0].weight.data)
    with pytest.raises(gt.ArgumentError, match="shares the array '0.weight' with node '_0'"):
        gt.from_torch(module, (3,))


def test_running_statistics_of_two_layers_are_shared() -> None:
    norm = nn.BatchNorm2d(2, affine=False)
    module = nn.Sequential(norm, nn.ReLU(), norm)
    network = gt.from_torch(module, (2, 3, 3))
    assert [step.shares for step in network.steps] == [None, None, "norm1"]
    assert list(network.buffers) == ["norm1.running_mean", "norm1.running_var"]


# -- the module stays as it was -------------------------------------------------------------------


def state_of(module: Any) -> list[Any]:
    """All that an import might change."""
    inner = [
        (
            path,
            type(m),
            m.training,
            sorted(vars(m)),
            list(m._forward_hooks),
            list(m._forward_pre_hooks),
        )
        for path, m in module.named_modules()
    ]
    tensors = [*module.named_parameters(), *module.named_buffers()]
    held = [(n, id(t), t._version, t.requires_grad, t.tolist()) for n, t in tensors]
    grads = [None if p.grad is None else p.grad.tolist() for p in module.parameters()]
    return [inner, held, grads]


def kept_features(m: Any, x: Any) -> Any:
    m.features = m.first(x)
    m.calls += 1
    return m.second(F.dropout(m.features, 0.5, m.training))


@pytest.mark.parametrize("training", [True, False])
def test_an_import_changes_nothing(training: bool) -> None:
    module = Two(kept_features).train(training)
    module(torch.ones(1, 1, 4, 4)).sum().backward()
    before, features = state_of(module), module.features
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    expected = [torch.rand(2).tolist(), random.random(), np.random.random()]
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    with torch.no_grad():
        threads = torch.get_num_threads()
        torch.set_num_threads(3)
        network = gt.from_torch(module, SHAPE)
        assert torch.get_num_threads() == 3
        torch.set_num_threads(threads)
        assert not torch.is_grad_enabled()
    assert [torch.rand(2).tolist(), random.random(), np.random.random()] == expected
    assert next(iter(network.parameters)) == "first.weight"
    assert module.features is features
    assert state_of(module) == before


PARAMETRISED = {
    "weight_norm": (lambda: parametrizations.weight_norm(nn.Conv2d(1, 2, 1)), "WeightNorm"),
    "spectral_norm": (lambda: parametrizations.spectral_norm(nn.Conv2d(1, 2, 1)), "SpectralNorm"),
    "orthogonal": (lambda: parametrizations.orthogonal(nn.Conv2d(1, 2, 1)), "Orthogonal"),
}


@pytest.mark.parametrize("name", PARAMETRISED)
def test_parametrised_modules_are_refused_unread(name: str) -> None:
    make, told = PARAMETRISED[name]
    module = nn.Sequential(make(), nn.ReLU()).train()
    before = state_of(module)
    sentence = (
        rf"the module \(ParametrizedConv2d at '0'\) is parametrised: it computes its weight by "
        rf"{told} at each call, which no layer here does; .*remove_parametrizations\(module, "
    )
    with pytest.raises(gt.ArgumentError, match=sentence):
        gt.from_torch(module, SHAPE)
    assert state_of(module) == before
    torch.nn.utils.parametrize.remove_parametrizations(module[0], "weight")
    assert gt.from_torch(module, SHAPE).layers == (gt.Conv2d(2, 1), gt.ReLU())


def hooked(register: Callable[[Any], Any]) -> Any:
    module = nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 1)), nn.ReLU())
    register(module)
    return module


def called(*arguments: Any) -> None:
    raise AssertionError("an import runs no hook")


HOOKS = {
    "forward": (
        lambda m: m[0].register_forward_hook(called),
        r"module \(Sequential at '0'\) has forward hooks, which may .*; remove them \(called\)",
    ),
    "before": (
        lambda m: m[0][0].register_forward_pre_hook(called),
        r"module \(Conv2d at '0.0'\) has forward hooks, which may change what it computes",
    ),
    "backward": (
        lambda m: m.register_full_backward_hook(called),
        r"the model \(Sequential\) has backward hooks, which may change its gradients",
    ),
    "parameter": (
        lambda m: m[0][0].weight.register_hook(called),
        r"module \(Conv2d at '0.0'\) has hooks on its weight, which may change what is trained",
    ),
    "pruned": (
        lambda m: prune.random_unstructured(m[0][0], "weight", 0.5),
        r"module \(Conv2d at '0.0'\) has forward hooks, which .*\(RandomUnstructured\)$",
    ),
}


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_are_refused_and_not_run(name: str) -> None:
    register, sentence = HOOKS[name]
    with pytest.raises(gt.ArgumentError, match=f"^from_torch: the {sentence.removeprefix('the ')}"):
        gt.from_torch(hooked(register), SHAPE)


# -- what a graph does not show -------------------------------------------------------------------


def counting(m: Any, x: Any) -> Any:
    m.fixed += 1
    return m.first(x) + m.fixed


def without_gradients(m: Any, x: Any) -> Any:
    with torch.no_grad():
        x = m.first(x)
    return m.second(x)


def by_calls(m: Any, x: Any) -> Any:
    m.calls += 1
    return m.second(m.first(x) * m.calls)


def otherwise_in_evaluation(m: Any, x: Any) -> Any:
    return m.second(m.first(x) if m.training else m.first(2 * x))


SEEN = {
    "buffer": (counting, r"the model \(Two\) changes its 'fixed' when it is called, which the"),
    "drawn": (
        lambda m, x: m.first(x) * torch.rand(1).item(),
        r"the model \(Two\) draws random numbers in its forward, of which a network would keep",
    ),
    "no_grad": (
        without_gradients,
        r"node 'first' \(Conv2d at 'first'\) computes without gradients \(torch.no_grad\), while",
    ),
    "calls": (by_calls, r"the module 'second' \(Conv2d\) gives other numbers in evaluation than"),
    "mode": (
        otherwise_in_evaluation,
        r"the module 'first' \(Conv2d\) gives other numbers in evaluation than what torch.fx saw",
    ),
    "dropout": (
        lambda m, x: m.second(F.dropout(m.first(x), 0.5)),
        r"the module 'second' \(Conv2d\) gives other numbers in evaluation than .* in training",
    ),
    "sigmoid": (
        lambda m, x: m.first(x) if m.training else m.first(x).sigmoid(),
        r"the model gives other numbers in evaluation than what torch.fx saw of it in training",
    ),
}


@pytest.mark.parametrize("name", SEEN)
def test_what_a_graph_does_not_show_is_found(name: str) -> None:
    forward, sentence = SEEN[name]
    with pytest.raises(gt.ArgumentError, match=f"^from_torch: {sentence}"):
        gt.from_torch(Two(forward), SHAPE)


class Detached(torch.autograd.Function):
    """Hands on its input, and no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return torch.zeros_like(gradients[0])


def test_another_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer's class whose call was exchanged for another, with the same outputs."""
    monkeypatch.setattr(nn.Identity, "forward", lambda self, x: Detached.apply(x))
    module = Two(lambda m, x: m.second(m.cut(m.first(x))))
    module.cut = nn.Identity()
    with pytest.raises(
        gt.ArgumentError,
        match=r"the parameter 'first.bias' gets another gradient from the module than from the "
        r"network that was read: 0 and ",
    ):
        gt.from_torch(module, SHAPE)


@pytest.mark.parametrize("wrong", ["output", "gradient"])
def test_a_wrong_reading_is_found_at_its_node(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tanh read as a sigmoid; a slope of 0.1 read as one of 0.2."""
    converters = {
        "Tanh": lambda b, m, x, held: b.activation(gt.Sigmoid(), x),
        "LeakyReLU": lambda b, m, x, held: b.activation(gt.LeakyReLU(2 * m.negative_slope), x),
    }
    for name, convert in converters.items():
        monkeypatch.setitem(torch_modules.MODULES, name, convert)
    middle = nn.Tanh() if wrong == "output" else nn.LeakyReLU(0.1)
    module = nn.Sequential(nn.Linear(3, 3), middle, nn.Linear(3, 2))
    sentence = r"node '_1' \(\w+ at '1'\) gives other numbers than layer '\w+1', as which it was"
    with pytest.raises(gt.ArgumentError, match=f"^from_torch: {sentence} read: .* and .* at "):
        gt.from_torch(module, (3,))


def test_weights_of_zero_hide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        torch_modules.MODULES, "Tanh", lambda b, m, x, held: b.activation(gt.Sigmoid(), x)
    )
    module = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
    nn.init.zeros_(module[2].weight)
    with pytest.raises(gt.ArgumentError, match="node '_1' .* gives other numbers than layer"):
        gt.from_torch(module, (3,))


# -- all reasons ----------------------------------------------------------------------------------


def test_every_reason_is_told() -> None:
    module = nn.Sequential(
        *(
            nn.Conv2d(1, 2, 1),
            nn.LPPool2d(2, 1),
            nn.BatchNorm2d(2, momentum=None),
            nn.LPPool2d(2, 1),
        ),
        *(Function(lambda x: x.permute(1, 0, 2, 3)), nn.ReLU()),
    )
    module[0].register_forward_hook(called)
    with pytest.raises(gt.ArgumentError, match="things in the model are no layer here:") as caught:
        gt.from_torch(module, (1, 5, 5))
    assert str(caught.value).splitlines() == [
        "from_torch: 4 things in the model are no layer here:",
        "  the module (Conv2d at '0') has forward hooks, which may change what it computes; remove "
        "them (called)",
        "  node '_1' (LPPool2d at '1') is a module for which there is no layer here (1 more like "
        "it)",
        "  node '_2' (BatchNorm2d at '2') has momentum=None, a mean over all batches; give it a "
        "number",
        "  node 'permute' (in '4') puts axes in the order [1, 0, 2, 3], where samples are no "
        "longer the first",
    ]


def test_lazy_layers_have_one_reason() -> None:
    """Their hook, which makes the weights, is none."""
    module = nn.Sequential(nn.LazyLinear(4), nn.LazyLinear(2))
    sentence = (
        r"the module \(LazyLinear at '0'\) is lazy and has no weights yet; run the model once "
        r"before \(1 more like it\)"
    )
    with pytest.raises(gt.ArgumentError, match=f"^from_torch: {sentence}$"):
        gt.from_torch(module, (3,))


def test_what_only_follows_is_no_reason() -> None:
    """A tuple has no shape: what reads it is passed over."""
    module = nn.Sequential(nn.Linear(4, 4), Function(lambda x: x.sort(1)[0].relu()))
    with pytest.raises(
        gt.ArgumentError, match=r"^from_torch: node 'sort' \(in '1'\) calls [^\n]*$"
    ):
        gt.from_torch(module, (4,))
