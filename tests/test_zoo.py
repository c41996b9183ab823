"""The walk through networks of others, a record that goes on, and samples that PyTorch has."""

from __future__ import annotations

import sys
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent))  # the benchmarks are no part of the package


@pytest.mark.torch
def test_the_zoo_reads_and_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.zoo import comparison

    class Gated(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: object) -> object:
            return torch.fft.fft(x).real

    def made(group: str, name: str) -> tuple[object, tuple[int, ...]]:
        if name == "other":
            return Gated(), (2, 5, 5)
        layers = (torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU())
        names = ("conv", "norm", "relu")
        return torch.nn.Sequential(OrderedDict(zip(names, layers, strict=True))), (2, 5, 5)

    monkeypatch.setattr(comparison, "made", made)
    found = comparison.compared("classifiers", "small")
    assert found.right, found
    assert found.parameters == 63
    assert 0 < found.outputs < 1e-12
    assert 0 < found.gradients < 1e-12
    assert found.rounded is not None
    assert 0 < found.rounded < 1e-5
    refused = comparison.compared("classifiers", "other")
    assert not refused.right
    assert not refused.wrong
    assert "fft" in refused.refused
    assert comparison.Compared("a", "", 1, 1e-9, float("nan")).wrong
    far = comparison.Compared("a", "", 1, 1e-9, 1e-9, "", 3e-4, 2e-4, 1e-4)
    assert far.right
    assert far.sensitive  # PyTorch's own numbers are about as far
    assert replace(far, single=1e-5).wrong
    assert replace(far, single=1e-5, direct=9e-5).right  # it is Winograd's algorithm
    assert replace(far, direct=None).wrong
    assert not replace(far, rounded=9e-5).sensitive


@pytest.mark.torch
def test_statistics_are_drawn_near_those_of_samples() -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.zoo.comparison import draw_statistics, draw_weights

    layers = [m for _ in range(60) for m in (torch.nn.Conv2d(3, 3, 1), torch.nn.BatchNorm2d(3))]
    module = torch.nn.Sequential(*layers).double()
    draw_weights(module, torch)
    draw_statistics(module, (3, 5, 5), torch)
    assert {norm.momentum for norm in layers[1::2]} == {0.1}
    module.eval()
    x = torch.randn((2, 3, 5, 5), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert 0.1 < float(module(x).detach().std()) < 100  # with the drawn ones it is 18,000


def test_the_zoo_goes_on_from_what_it_recorded(tmp_path: Path) -> None:
    from benchmarks.zoo.__main__ import add_record, recorded
    from benchmarks.zoo.comparison import Compared

    file = tmp_path / "zoo.jsonl"
    assert recorded(None) == recorded(file) == {}
    right = Compared("small", "", 63, 1e-15, 2e-14, "conv.weight", 3e-7, 0.1)
    add_record(file, "classifiers", Compared("small", "reads a tensor"))
    add_record(file, "classifiers", right)
    add_record(file, "timm", right)
    add_record(None, "timm", Compared("other"))
    add_record(file, "timm", Compared("large", "took more than 600 s", unfinished=True))
    assert recorded(file) == {("classifiers", "small"): right, ("timm", "small"): right}


@pytest.mark.torch
def test_a_sample_s_gradients_are_those_of_the_same_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is right for another array of that size is wrong."""
    torch = pytest.importorskip("torch")
    from benchmarks.conformance import torch_samples

    module = torch.nn.Sequential(torch.nn.BatchNorm1d(3, dtype=torch.float64))
    x = torch.randn((4, 3, 5), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert 0 < torch_samples._compared(module, x) < 1e-12
    real = torch_samples.import_module

    def exchanged(*given: object) -> object:
        found = real(*given)
        weight, bias = found.network.parameters
        arrays = {weight: found.arrays[bias], bias: found.arrays[weight]}
        return replace(found, arrays=arrays)

    monkeypatch.setattr(torch_samples, "import_module", exchanged)
    assert torch_samples._compared(module, x) > 0.01
