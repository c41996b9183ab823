"""`torch.einsum` is read as the formula that it is, and formulas come back from PyTorch."""

from __future__ import annotations

from typing import Any

import pytest

import gradtrail as gt

torch = pytest.importorskip("torch")
from torch_models import Function  # noqa: E402, it needs PyTorch

nn = torch.nn

pytestmark = pytest.mark.torch


class Attention(nn.Module):
    """Products of samples with each other, and with parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 4))
        self.g = nn.Parameter(torch.rand(3))

    def forward(self, x: Any) -> Any:
        q = torch.einsum("bid,kd->bik", x, self.weight)
        scores = torch.einsum("bid, bjd -> bij", [q, q.tanh()])
        return torch.einsum("c,bcd->bcd", self.g, scores.softmax(-1) @ q)


def formulas(network: gt.Network) -> list[str]:
    return [s.layer.text for s in network.steps if isinstance(s.layer, gt.Equation)]


def test_sums_of_products_are_formulas() -> None:
    torch.manual_seed(0)
    assert formulas(gt.from_torch(Attention(), (3, 4))) == [
        "Z[n,c,k] = Σ_{x} X[n,c,x]·weight[k,x]",
        "Z[n,c,k] = Σ_{x} X[n,c,x]·Y[n,k,x]",
        "Z[n,c,x] = g[c]·X[n,c,x]",
    ]


def test_a_formula_without_windows_comes_back_as_it_was() -> None:
    texts = ["Z[n,c,y,x] = g[c]·X[n,c,y,x]", "Z[n,k] = Σ_{c,y,x} W[k,c,y,x]·X[n,c,y,x]"]
    layers = [gt.Equation(texts[0]), gt.Equation(texts[1], k=3)]
    network = gt.Network((2, 3, 3), layers, seed=0)
    back = gt.from_torch(gt.to_torch(network), (2, 3, 3))
    assert formulas(back) == texts
    assert list(back.parameters) == list(network.parameters)


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        ("bij,bjk", "where not every axis has a letter"),
        ("...i,...i->...", "where not every axis has a letter"),
        ("bij,cij->bc", "where samples do not stay apart"),
        ("bij,bjk->kb", "where samples do not stay apart"),
        ("bii,bij->bj", "with one letter for two axes"),
    ],
)
def test_what_is_no_formula_is_refused(equation: str, message: str) -> None:
    module = Function(lambda x: torch.einsum(equation, x, x))
    with pytest.raises(gt.ArgumentError, match=message):
        gt.from_torch(module, (3, 3))
