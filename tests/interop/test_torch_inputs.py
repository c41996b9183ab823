"""PyTorch modules of several inputs: by name and in order, read, asked and written back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_graphs import graph
from random_networks import drawn

import gradtrail as gt

torch = pytest.importorskip("torch")

nn, F = torch.nn, torch.nn.functional

pytestmark = pytest.mark.torch


class Patient(nn.Module):
    """A picture and a row of numbers, joined; what else it takes stays at its default."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.rows = nn.Linear(4, 2)
        self.head = nn.Linear(5, 3)

    def forward(self, image: Any, scale: float = 2.0, *, rows: Any, mask: Any = None) -> Any:
        seen = self.conv(image).relu().mean((2, 3)) * scale
        return self.head(torch.cat([seen, torch.tanh(self.rows(rows))], 1))


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4))
        self.head = nn.Linear(4, 2)

    def forward(self, left: Any, right: Any) -> Any:
        return self.head((self.encoder(left) - self.encoder(right)).abs())


class Unrolled(nn.Module):
    """A forward that torch.fx cannot follow, and torch.export can."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(4, 4)

    def forward(self, start: Any, pushed: Any) -> Any:
        held = {"state": start}
        for name in map(str, torch.arange(2).tolist()):
            held[name] = held["state"] = torch.tanh(self.step(held["state"]) + pushed)
        return held["state"]


SHAPES = {"image": (2, 6, 7), "rows": (4,)}


def samples(shapes: Any, count: int = 5) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(1)
    return {
        name: torch.randn((count, *shape), generator=draw, dtype=torch.float64)
        for name, shape in shapes.items()
    }


def seeded(kind: Any) -> Any:
    torch.manual_seed(0)
    return kind().double()


@pytest.mark.parametrize(
    ("kind", "shapes", "order"),
    [
        (Patient, SHAPES, SHAPES),
        (Patient, SHAPES, {"rows": (4,), "image": (2, 6, 7)}),
        (Siamese, {"left": (1, 8), "right": (1, 8)}, ((1, 8), (1, 8))),
        (Siamese, {"left": (1, 8), "right": (1, 8)}, [[1, 8], [1, 8]]),
        (Unrolled, {"start": (4,), "pushed": (4,)}, ((4,), (4,))),
    ],
)
def test_outputs_and_all_gradients_are_the_modules(kind: Any, shapes: Any, order: Any) -> None:
    module, x = seeded(kind), samples(shapes)
    net = gt.from_torch(module, order)
    assert net.inputs == shapes
    y = torch.arange(5) % 2
    given = {name: array.clone().requires_grad_() for name, array in x.items()}
    loss = F.cross_entropy(module(**given), y)
    loss.backward()
    t = gt.trace(module, {name: x[name] for name in reversed(x)}, y)
    assert t.loss == pytest.approx(float(loss.detach()), rel=1e-12)
    for name, array in given.items():
        np.testing.assert_allclose(t.grad[name], array.grad.numpy(), rtol=1e-9, atol=1e-14)
    for path, parameter in module.named_parameters():
        np.testing.assert_allclose(t.grad[path], parameter.grad.numpy(), rtol=1e-9, atol=1e-14)
    by_place = gt.trace(module, tuple(x.values()), y)
    assert by_place.loss == t.loss
    np.testing.assert_array_equal(net.predict(x), t.value[net.output_name])


def test_a_shared_encoder_is_one_layer_used_twice() -> None:
    net = gt.from_torch(seeded(Siamese), ((1, 8), (1, 8)))
    assert sorted(net.parameters) == sorted(
        f"{layer}.{key}"
        for layer in ("encoder_0", "encoder_3", "head")
        for key in ("weight", "bias")
    )


def test_a_module_of_several_inputs_is_checked_and_explored(tmp_path: Path) -> None:
    module, x = seeded(Patient), samples(SHAPES)
    report = gt.check_gradients(module, x, torch.arange(5) % 3)
    assert {each.array for each in report.elements} >= {"image", "rows", "head.weight"}
    page = tmp_path / "page.html"
    gt.explore(module, x, torch.arange(5) % 3, save=page)
    assert "rows" in page.read_text(encoding="utf-8")


def test_a_trained_network_is_written_back_into_the_module() -> None:
    module, x = seeded(Patient), samples(SHAPES)
    net = gt.from_torch(module, SHAPES)
    net.parameters["head.bias"][:] = [1, 2, 3]
    made = gt.to_torch(net, like=module)
    assert type(made) is Patient
    given = {"image": x["image"], "rows": x["rows"]}
    np.testing.assert_allclose(made(**given).detach().numpy(), net.predict(x), rtol=1e-12)


@pytest.mark.parametrize("number", range(6))
def test_random_graphs_come_back_from_pytorch(number: int) -> None:
    held = drawn(9_000 + number, graph)
    net = held.network
    back = gt.from_torch(gt.to_torch(net), net.inputs)
    assert back.inputs.keys() == net.inputs.keys() or len(net.inputs) == 1
    x = net.by_input(held.batch.x)
    x = x if len(net.inputs) > 1 else held.batch.x
    np.testing.assert_allclose(back.predict(x), net.predict(x), rtol=1e-4, atol=1e-5)


def summed(*names: str) -> Any:
    """A module whose forward takes these, and adds what one layer makes of each."""
    held: dict[str, Any] = {}
    terms = " + ".join(f"self.layer({name})" for name in names)
    exec(f"def forward(self, {', '.join(names)}): return {terms}", held)
    made = type("Summed", (nn.Module,), {"forward": held["forward"]})()
    made.layer = nn.Linear(4, 2)
    return made


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (("input", "target"), ("input", "target")),
        (("x", "x_1"), ("x", "x_1")),
        (("loss", "x"), ("input1", "x")),
        (("layer", "y"), ("layer", "y")),
    ],
)
def test_inputs_are_called_as_forward_calls_them(names: Any, called: Any) -> None:
    net = gt.from_torch(summed(*names), dict.fromkeys(names, (4,)))
    assert tuple(net.inputs) == called
    assert tuple(net.parameters) == (
        ("fc1.weight", "fc1.bias") if "layer" in names else ("layer.weight", "layer.bias")
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"images": (2, 6, 7)},
            r"there is no input 'images'; the forward of Patient takes image, ",
        ),
        ({}, "no input is given; the forward of Patient takes image, scale, rows, mask$"),
        (
            ((1,),) * 5,
            "5 inputs are given, but the forward of Patient takes image, scale, rows, ma",
        ),
        ({"image": (2, 6, 7)}, "node 'rows' is an input, too; give all of them by name, as {'imag"),
        ({**SHAPES, "mask": (3,)}, "does not compute with its input 'mask', so a network cannot"),
        ({**SHAPES, "rows": (5,)}, r"takes a weight of shape \(2, 5\) for samples of \(5,\), but"),
        (
            {**SHAPES, "rows": (0,)},
            r"^from_torch: as its input 'rows': .* ≥ 1 and without the batch, got \(0,\)$",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_told(given: Any, said: str) -> None:
    with pytest.raises(gt.ArgumentError, match=said):
        gt.from_torch(seeded(Patient), given)
