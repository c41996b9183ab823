"""`gt.maximum` and `gt.minimum`: one of two to the last bit, and PyTorch's slopes at ties."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt

SHAPES = {"alike": ((2, 3, 3), (2, 3, 3)), "gate": ((2, 3, 3), (2, 1, 1)), "few": ((2,), (2, 3, 3))}


def chosen(kind: str, shapes: tuple[tuple[int, ...], ...], **settings: object) -> gt.Network:
    """The two joined, and something behind that sends back what is random."""
    a, b = (gt.Input(shape, name=name) for shape, name in zip(shapes, "ab", strict=True))
    joined = getattr(gt, kind)(a, b, name="joined")
    return gt.Network([a, b], gt.Linear(3)(gt.Flatten()(joined)), seed=4, **settings)


def samples(shapes: tuple[tuple[int, ...], ...]) -> dict[str, np.ndarray]:
    """Numbers of which a third are equal."""
    draw = np.random.default_rng(7)
    return {
        n: draw.integers(-1, 2, (5, *s)).astype(float) for n, s in zip("ab", shapes, strict=True)
    }


@pytest.mark.parametrize("engine", ["cpu", "reference"])
@pytest.mark.parametrize("kind", ["maximum", "minimum"])
@pytest.mark.parametrize("case", SHAPES)
def test_values_and_gradients(kind: str, case: str, engine: str) -> None:
    net, x, y = chosen(kind, SHAPES[case]), samples(SHAPES[case]), [0, 1, 2, 0, 1]
    t = gt.trace(net, x, y, engine=engine)
    a, b = (v.reshape(*v.shape, *(1,) * (4 - v.ndim)) for v in (x["a"], x["b"]))
    np.testing.assert_array_equal(t.value["joined.output"], getattr(np, kind)(a, b))
    came, wins = t.grad["joined.output"].astype(float), (a > b) if kind == "maximum" else (a < b)
    share = np.where(a == b, 0.5, wins)
    for name, part, whole in (("a", share, a), ("b", 1 - share, b)):
        still = tuple(i for i in range(4) if whole.shape[i] == 1)
        expected = (came * part).sum(axis=still).reshape(x[name].shape)
        np.testing.assert_allclose(t.grad[name], expected, rtol=1e-5, atol=1e-8)
        index = (1, 1) + (0,) * (x[name].ndim - 2)
        assert t.grad.terms(name, index).sum() == pytest.approx(expected[index], rel=1e-5, abs=1e-8)


def test_more_than_two_and_names(tmp_path: Path) -> None:
    nodes = [gt.Input((4,), name=n) for n in "abc"]
    net = gt.Network(nodes, gt.Linear(2)(gt.minimum(*nodes, name="least")), seed=0)
    names = ["least_1_difference", "least_1", "least_difference", "least", "fc1"]
    assert [step.name for step in net.steps] == names
    x = {n: np.random.default_rng(i).normal(size=(3, 4)) for i, n in enumerate("abc")}
    expected = np.minimum.reduce([v.astype(np.float32) for v in x.values()])
    np.testing.assert_array_equal(gt.trace(net, x, [0, 1, 0]).value["least.output"], expected)
    net.save(tmp_path / "net.safetensors")
    again = gt.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(again.predict(x), net.predict(x))


def test_what_is_not_finite() -> None:
    """The lesser one may be anything but a NaN."""
    a, b = gt.Input((4,), name="a"), gt.Input((4,), name="b")
    net = gt.Network([a, b], gt.maximum(a, b))
    inf, nan = np.inf, np.nan
    x = {"a": np.array([[-inf, inf, nan, 1]]), "b": np.array([[2.0, 3, 4, nan]])}
    for engine in ("cpu", "reference"):
        np.testing.assert_array_equal(net.predict(x, engine=engine), [[2, inf, nan, nan]])


def test_what_cannot_be_joined() -> None:
    a, b = gt.Input((2, 3, 3)), gt.Input((3, 3, 3))
    with pytest.raises(gt.ArgumentError, match="maximum takes two or more nodes, got 1"):
        gt.maximum(a)
    with pytest.raises(gt.ArgumentError, match="minimum takes nodes, got 3"):
        gt.minimum(a, 3)
    with pytest.raises(gt.ShapeError, match="input 1 is 2 × 3 × 3 but input 2 is 3 × 3 × 3"):
        gt.maximum(a, b)
    with pytest.raises(gt.ArgumentError, match=r"max is taken of a, b together.*; gt.maximum\(…\)"):
        gt.Pointwise("max(a, b)")


@pytest.mark.torch
def test_pytorchs_are_read() -> None:
    torch = pytest.importorskip("torch")

    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(4, 4)

        def forward(self, x: object) -> object:
            h = self.fc(x)
            return torch.minimum(torch.maximum(h, torch.relu(x)), torch.tanh(h) + x)

    module = Both().double()
    x = torch.tensor(np.random.default_rng(2).normal(size=(6, 4)), requires_grad=True)
    net = gt.from_torch(module, (4,))
    expected = module(x)
    found = net.predict(x.detach().numpy(), engine="reference")
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
