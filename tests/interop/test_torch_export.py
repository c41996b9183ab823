"""Networks as PyTorch modules: state, outputs, gradients, and what comes back."""

from __future__ import annotations

import copy
import pickle
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from cases import CASES, Case, arrays, ours
from interchange import (
    ARCHITECTURES,
    AS_TORCH,
    agree,
    filled,
    outputs,
    rewritten,
    same_arrays,
    same_steps,
    samples,
    single,
    torch_outputs,
)
from random_networks import drawn_network

import gradtrail as gt
from gradtrail.equation.frozen import frozen
from gradtrail.interop.pytorch.torch_export import TAKEN
from gradtrail.interop.pytorch.torch_source import torch_source
from gradtrail.layers import Declaration, Layer

torch = pytest.importorskip("torch")
from safetensors.torch import load_file  # noqa: E402, it needs PyTorch

F = torch.nn.functional

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:Using padding='same'")]


RETURNED: dict[str, gt.layers.Layer] = {
    "adaptive-average-equal": gt.AdaptiveAvgPool2d((7, 2)),
    "adaptive-average3d": gt.AdaptiveAvgPool3d((2, 5, 3)),
    "layer-norm-maps": gt.LayerNorm(axes=(2, 3)),
    "mean-features": gt.GlobalAvgPool1d(),
    "mean-places": gt.GlobalAvgPool2d(),
    "pad-circular": gt.Pad((1,) * 6, "circular"),
    "reshape": gt.Reshape((3, 42)),
    "select-channels": gt.IndexSelect((1, 2, 1, 0)),
    "slice-features": gt.Slice(2, 5),
    "slice-rows": gt.Slice(1, 6, 2, 2),
    "sum-places": gt.Sum((2, 3), keepdim=True),
}
"""What comes back as another layer, or as the same told otherwise."""

REWORDED = ("max-channels", "max-places", "slice-backwards", "stochastic-depth")
"""What comes back as several layers; padding that is a function of its own does, too."""


@pytest.mark.parametrize("case", AS_TORCH, ids=lambda case: case.id)
def test_case(case: Case) -> None:
    network = single(case)
    module = gt.to_torch(network)
    x = samples(network, case.shape[0])
    expected = outputs(network, x)
    agree(torch_outputs(module, x), expected)
    back = gt.from_torch(module, network.input_shape)
    if not case.id.startswith(REWORDED) and "pair" not in case.id:
        layer = RETURNED.get(case.id, rewritten(case).layer)
        same_steps(back, single(replace(case, layer=layer)))
    same_arrays(back, network)
    agree(outputs(back, x), expected)


@pytest.mark.parametrize("block", range(10))
def test_random_networks(block: int) -> None:
    for number in range(10 * block, 10 * block + 10):
        network = drawn_network(number, exchanged=True)
        module = gt.to_torch(network)
        x = samples(network)
        agree(torch_outputs(module, x), outputs(network, x))
        back = gt.from_torch(module, network.input_shape)
        assert [step.name for step in back.steps] == [step.name for step in network.steps]
        assert [step.sources for step in back.steps] == [step.sources for step in network.steps]
        same_arrays(back, network)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures(name: str, tmp_path: Path) -> None:
    network = gt.architecture(name).network(seed=2)
    filled(network, np.random.Generator(np.random.PCG64(3)))
    module = gt.to_torch(network)
    x = samples(network, 2)
    agree(torch_outputs(module, x), network.predict(x))
    back = gt.from_torch(module, network.input_shape)
    same_steps(back, network)
    same_arrays(back, network)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_saved_file_is_loaded_strictly(name: str, tmp_path: Path) -> None:
    network = gt.architecture(name).network(seed=2)
    filled(network, np.random.Generator(np.random.PCG64(3)))
    network.save(tmp_path / "weights.safetensors")
    module = gt.to_torch(gt.architecture(name).network(seed=5))
    assert set(module.state_dict()) == {*network.parameters, *network.buffers}
    module.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    for key, tensor in module.state_dict().items():
        side = network.parameters if key in network.parameters else network.buffers
        np.testing.assert_array_equal(tensor.numpy(), side[key])


def test_copies_keep_the_state(small: gt.Network, tmp_path: Path) -> None:
    small.save(tmp_path / "weights.safetensors")
    state = load_file(tmp_path / "weights.safetensors")
    module = gt.to_torch(small)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert set(other.state_dict()) == set(state)
        other.load_state_dict(state)
    with_counters = {**state, "norm1.num_batches_tracked": torch.tensor(7)}
    module.load_state_dict(with_counters)
    assert "norm1.num_batches_tracked" in with_counters
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "conv1.weight"'):
        module.load_state_dict({k: v for k, v in state.items() if k != "conv1.weight"})


def test_the_weights_are_copies() -> None:
    network = gt.Network((3,), [gt.Linear(2)])
    module, before = gt.to_torch(network), network.parameters["fc1.weight"].copy()
    with torch.no_grad():
        module.fc1.weight.zero_()
    np.testing.assert_array_equal(network.parameters["fc1.weight"], before)


def broadcast() -> gt.Network:
    """Gates, products of matrices, norms over axes that are not the last, sums of pieces."""
    x = gt.Input((4, 5, 6))
    gate = gt.Sigmoid()(gt.Linear(4)(gt.GlobalAvgPool2d()(x)))
    a = gt.LayerNorm(axes=(1, 3))(gt.RMSNorm(axes=2)(x)) * gate + gate
    b = gt.MatMul(transpose_b=True)(a, gt.GroupNorm(2, affine=False)(x))
    b = gt.Softmax(-1)(b)
    c = gt.MatMul(transpose_a=True)(b, a)
    c = gt.InstanceNorm2d(affine=True, track_running_stats=True)(c)
    c = gt.Upsample(scale_factor=1.5, mode="bilinear")(c) * gt.Max((2, 3))(x)
    return gt.Network(x, gt.Linear(3)(gt.Flatten()(c)), seed=3, dtype=np.float64)


@pytest.mark.parametrize("again", [False, True])
def test_what_several_layers_read_is_ours(again: bool) -> None:
    """Outputs and gradients; again of the network that comes back."""
    network = broadcast()
    filled(network, np.random.Generator(np.random.PCG64(3)))
    module = gt.to_torch(network)
    if again:
        network = gt.from_torch(module, network.input_shape)
    x, y = samples(network, 4), np.array([0, 2, 1, 1])
    loss = F.cross_entropy(module(torch.tensor(x)), torch.tensor(y))
    loss.backward()
    t = gt.trace(network, x, y, engine="reference")
    assert t.loss == pytest.approx(loss.item(), rel=1e-10)
    assert set(t.grad) >= {name for name, _ in module.named_parameters()}
    for name, parameter in module.named_parameters():
        agree(parameter.grad.numpy(), t.grad[name], 1e-10)


RANDOM = ("dropout", "stochastic-depth")

ROUNDED = ("pieces", "smooth")
"""Cases with slopes that PyTorch holds as float32: see findings."""


def test_outputs_and_gradients_of_every_case(tmp_path: Path) -> None:
    """In float64, with upstream gradients of any kind; and what the written file computes."""
    for case in CASES:
        made = arrays(case)
        module = gt.to_torch(made.network)
        x = torch.tensor(made.x, requires_grad=True)
        if case.id.startswith(("equation", "max-pair", "select", "slice", "pixel", "avg-pair")):
            written = from_source(made.network, tmp_path)
            agree(written(x.detach()).detach().numpy(), module(x).detach().numpy(), 1e-12)
        if case.training and case.id.startswith(RANDOM):
            continue
        output = module.train(case.training)(x)
        output.backward(torch.tensor(made.upstream))
        expected = ours(case)
        agree(output.detach().numpy(), expected["output"], 1e-10)
        agree(x.grad.numpy(), expected["dX"], 1e-7 if case.id in ROUNDED else 1e-10)
        for name, parameter in module.named_parameters():
            agree(parameter.grad.numpy(), expected[f"d{name}"], 1e-10)


SETTINGS: list[tuple[gt.layers.Layer, tuple[int, ...]]] = [
    (gt.AvgPool1d(3, 2, 1, divisor_override=2), (2, 7)),
    (gt.AvgPool1d(3, 2, ((1, 0),), ceil_mode=True), (2, 8)),
    (gt.AvgPool2d(3, 2, ((0, 1), (1, 0)), divisor_override=5), (2, 6, 5)),
    (gt.MaxPool2d(3, 2, ((0, 1), (1, 0)), ceil_mode=True), (2, 6, 5)),
    (gt.ChannelShuffle(2), (4,)),
    (gt.PixelShuffle(2), (4, 3)),
    (gt.PixelUnshuffle(2), (1, 4, 2, 2)),
    (gt.Pad((1, 2), mode="reflect"), (2, 4, 5)),
    (gt.Equation("Z[n,k] = X[n,k] + 0.5·|c|·Σ_{c} w[c]·X[n,c]·X[n,k]"), (3,)),
]
"""Settings that PyTorch's modules have otherwise or not at all."""


def test_settings_that_pytorch_has_not() -> None:
    for layer, shape in SETTINGS:
        network = gt.Network(shape, [layer], dtype=np.float64, seed=1)
        x = samples(network)
        agree(torch_outputs(gt.to_torch(network), x), outputs(network, x), 1e-12)


def test_several_inputs_and_outputs_and_shared_layers(tmp_path: Path) -> None:
    """Outputs by name or in a tuple, their gradients, and the same of the written file."""
    picture, numbers = gt.Input((2, 6, 5), name="picture"), gt.Input((3,), name="numbers")
    conv, norm, scale = (
        gt.Conv2d(2, 3, padding=1, bias=False),
        gt.BatchNorm2d(),
        gt.Equation(SCALED),
    )
    a = scale(norm(conv(picture)))
    b = scale(norm(conv(a))) + a * gt.Linear(2)(numbers)
    outs = {"map": b, "class": gt.Linear(4)(gt.GlobalAvgPool2d()(b)), "again": b}
    draw = np.random.Generator(np.random.PCG64(4))
    for results in (outs, list(outs.values())):
        network = gt.Network([picture, numbers], results, seed=2, dtype=np.float64)
        filled(network, draw)
        x = {name: draw.random((3, *shape)) - 0.5 for name, shape in network.inputs.items()}
        expected = network.predict(x, engine="reference")
        module, given = gt.to_torch(network).eval(), [torch.tensor(part) for part in x.values()]
        for made in (module, from_source(network, tmp_path)):
            found = made(*given)
            assert type(found) is (dict if results is outs else tuple)
            pairs = (
                zip(found.values(), expected.values(), strict=True)
                if results is outs
                else (zip(found, expected, strict=True))
            )
            assert results is not outs or list(found) == ["map", "class", "again"]
            for theirs, own in pairs:
                agree(theirs.detach().numpy(), own, 1e-12)
        assert {name for name, _ in module.named_parameters()} == {*network.parameters}
    one = gt.Network([picture, numbers], outs["class"], seed=3, dtype=np.float64)
    module = gt.to_torch(one)
    F.cross_entropy(module(*given), torch.tensor([0, 2, 1])).backward()
    t = gt.trace(one, x, np.array([0, 2, 1]), engine="reference")
    for name, parameter in module.named_parameters():
        agree(parameter.grad.numpy(), t.grad[name], 1e-9)


SCALED = "Z[n,c,y,x] = g[c]·tanh(X[n,c,y,x])"


def test_stochastic_depth_drops_samples() -> None:
    """One by one, or all of a batch; and `Dropout1d` of features is read as what it is."""
    for mode in ("row", "batch"):
        module = gt.to_torch(gt.Network((2, 3), [gt.StochasticDepth(0.5, mode)]))
        torch.manual_seed(0)
        rows = torch.stack([module(torch.ones(8, 2, 3)).flatten(1) for _ in range(6)])
        assert set(rows.unique().tolist()) == {0.0, 2.0}
        assert (rows == rows[:, :, :1]).all()
        kept = {int(count) for count in rows[:, :, 0].sum(1) / 2}
        assert (len(kept) > 2) == (mode == "row")
        assert mode == "row" or kept == {0, 8}
    odd = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout1d(0.5))
    assert gt.from_torch(odd, (3,)).layers[1] == gt.StochasticDepth(0.5)


@frozen
class Bounded(Layer):
    """A layer that somebody added here alone, with an equation that is a norm's."""

    prefix: ClassVar[str] = "bounded"

    name: str | None = None

    def declare(self, *sources: tuple[int, ...], training: bool) -> Declaration:
        return gt.LayerNorm(elementwise_affine=False).declare(*sources, training=training)


def test_what_pytorch_cannot_compute_is_named() -> None:
    with pytest.raises(
        gt.ArgumentError, match="no module for Bounded, and its equation is neither"
    ):
        gt.to_torch(gt.Network((4,), [Bounded()]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_training_step_is_ours(dtype: Any) -> None:
    """Loss, gradients and running statistics after one step in training mode."""
    # no bias before a batch norm, which takes any constant away: its gradient is mere rounding
    body = [
        gt.Conv2d(4, 3, stride=2, padding=1, bias=False),
        gt.BatchNorm2d(momentum=0.3),
        gt.SiLU(),
    ]
    layers = [
        *(
            gt.Normalize((0.1, -0.2), (0.5, 2.0)),
            gt.Conv2d(3, 3, bias=False),
            gt.BatchNorm2d(eps=1e-3),
        ),
        *(gt.ReLU(), gt.Residual(body, [gt.Conv2d(4, 1, stride=2)]), gt.MaxPool2d(2)),
        *(gt.Concat([gt.Conv2d(2, 1)], []), gt.GlobalAvgPool2d(), gt.Linear(5)),
    ]
    network = gt.Network((2, 11, 9), layers, seed=4, dtype=dtype)
    x = samples(network, 6)
    y = np.array([0, 4, 2, 2, 1, 3])
    module = gt.to_torch(network)
    assert module.training
    loss = F.cross_entropy(module(torch.tensor(x)), torch.tensor(y))
    loss.backward()
    t = gt.trace(network, x, y, engine="reference")
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    assert t.loss == pytest.approx(loss.item(), rel=tolerance)
    for name, parameter in module.named_parameters():
        agree(parameter.grad.numpy(), t.grad[name], tolerance)
    gt.train(
        network, (x, y), optimizer=gt.SGD(1e-12), batch_size=6, engine="reference", progress=False
    )
    for name, buffer in module.named_buffers():
        agree(buffer.numpy(), network.buffers[name], tolerance)


def test_dropout_drops_in_training_only() -> None:
    module = gt.to_torch(gt.Network((1000,), [gt.Dropout(0.25)]))
    x = torch.ones(4, 1000)
    kept = module(x)
    assert 0.7 < (kept > 0).float().mean() < 0.8
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(module.eval()(x), x)


@pytest.mark.parametrize("name", ["train", "lambda", "graph"])
def test_names_that_a_module_cannot_have(name: str) -> None:
    with pytest.raises(gt.ArgumentError, match=f"layer '{name}' cannot be an attribute of a torch"):
        gt.to_torch(gt.Network((3,), [gt.Linear(2, name=name)]))


def test_all_names_that_modules_have_are_known() -> None:
    module = gt.to_torch(gt.Network((3,), [gt.Linear(2, name="own")]))
    public = {name for name in dir(module) if not name.startswith("_")}
    assert public - TAKEN == {"own"}


def awkward() -> gt.Network:
    """Layers called like what a forward uses."""
    layers = [
        *(gt.Conv2d(2, 1, name="torch"), gt.ReLU(name="self"), gt.Sigmoid(name="operator")),
        *(gt.Concat([], [gt.Tanh(name="input_1")]), gt.Normalize((1.0, 2.0, 3.0, 4.0), 0.5)),
        *(gt.Tanh(name="x"), gt.Tanh(name="x_"), gt.GlobalAvgPool2d(name="nn")),
    ]
    return gt.Network((1, 4, 4), layers)


def test_layers_called_like_what_forward_uses() -> None:
    network = awkward()
    x = samples(network)
    agree(torch_outputs(gt.to_torch(network), x), outputs(network, x))


# -- as source text -------------------------------------------------------------------------------


def from_source(network: gt.Network, folder: Path) -> Any:
    """The module that the written file loads, with PyTorch's own means alone."""
    network.save(folder / "weights.safetensors")
    path = folder / "written.py"
    path.write_text(torch_source(network, "weights.safetensors"), encoding="utf-8")
    assert "gradtrail" not in path.read_text(encoding="utf-8")
    return runpy.run_path(str(path))["load"]()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_as_source(name: str, tmp_path: Path) -> None:
    network = gt.architecture(name).network(seed=2)
    filled(network, np.random.Generator(np.random.PCG64(3)))
    module = from_source(network, tmp_path)
    assert not module.training
    x = samples(network, 2)
    agree(torch_outputs(module, x), outputs(network, x))


@pytest.mark.parametrize("block", range(4))
def test_random_networks_as_source(block: int, tmp_path: Path) -> None:
    for number in range(10 * block, 10 * block + 10):
        network = drawn_network(number, exchanged=True)
        x = samples(network)
        agree(torch_outputs(from_source(network, tmp_path), x), outputs(network, x))


def test_awkward_names_as_source(tmp_path: Path) -> None:
    network = awkward()
    x = samples(network)
    agree(torch_outputs(from_source(network, tmp_path), x), outputs(network, x))


def test_float64_as_source(small: gt.Network, tmp_path: Path) -> None:
    x = samples(small)
    agree(torch_outputs(from_source(small, tmp_path), x), outputs(small, x), 1e-10)
