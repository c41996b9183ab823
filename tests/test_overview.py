"""The overviews of a step: ties, dead units, vanishing gradients."""

from __future__ import annotations

import numpy as np
import pytest
from traces import network, samples

import gradtrail as gt


def test_vanishing_gradients_by_layer() -> None:
    deep = [part for _ in range(6) for part in (gt.Linear(16), gt.Sigmoid())]
    net = network([gt.Flatten(), *deep, gt.Linear(4)])
    found = gt.trace(net, *samples(net)).vanishing()
    by_layer = {entry.layer: entry for entry in found}
    assert by_layer["fc1"].relative < 1e-3 < by_layer["fc6"].relative
    assert by_layer["fc7"].relative == 1
    assert by_layer["fc7"].update > 0
    assert by_layer["sigmoid1"].weight is None
    assert "rms of doutput" in str(found) == repr(found)
    assert "<table>" in found._repr_html_()
    assert found.to_dict()[0]["layer"] == "flatten1"


@pytest.mark.parametrize(("size", "stride", "padding"), [(2, 2, 0), (3, 1, 0), (3, 2, 1)])
def test_ties_are_counted_window_by_window(size: int, stride: int, padding: int) -> None:
    """Of values with many ties, below 0 too; what stands in the padding ties with nothing."""
    pool = gt.MaxPool2d(size, stride, padding=padding)
    net = network([pool, gt.Flatten(), gt.Linear(2)], (2, 7, 6))
    draw = np.random.Generator(np.random.PCG64(size))
    x = draw.integers(-2, 2, (3, 2, 7, 6)).astype(np.float32)
    t = gt.trace(net, x, [0, 1, 0])
    (found,) = t.ties()
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=-9)
    tied, at_zero = [], 0
    for n, c, i, j in np.ndindex(t.value["pool1.output"].shape):
        y, z = i * stride, j * stride
        window = padded[n, c, y : y + size, z : z + size]
        if (window == window.max()).sum() > 1:
            tied.append((n, c, i, j))
            at_zero += int(window.max() == 0)
    assert (found.tied, found.at_zero, found.example) == (len(tied), at_zero, tied[0])
    assert 0 < found.tied < found.windows == t.value["pool1.output"].size
    assert f"{found.tied:,}" in str(t.ties())
