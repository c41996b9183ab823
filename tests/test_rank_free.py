"""The core knows no rank: layers for sequences and volumes are a line each, and right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cases import uniform

import gradtrail as gt
from gradtrail.equation import text


def test_the_equation_has_as_many_axes() -> None:
    one = gt.Conv1d(2, 3, stride=2).declare((2, 3, 9), training=True).equation
    assert text(one) == "Z[n,k,x] = b[k] + Σ_{c,j} W[k,c,j]·X[n,c,x·s+j·d−p]"
    three = gt.Conv3d(2, 3).declare((2, 3, 5, 6, 7), training=True).equation
    assert text(three) == (
        "Z[n,k,z,y,x] = b[k] + Σ_{c,l,i,j} W[k,c,l,i,j]·X[n,c,z·s+l·d−p,y·s+i·d−p,x·s+j·d−p]"
    )


def test_one_window_more_begins_in_the_input_or_before_it() -> None:
    """PyTorch's rule: never in the padding behind. (size, kernel, stride, padding) → windows."""
    rule = {
        (7, 2, 2, 0): 4,
        (8, 2, 2, 0): 4,  # no rest, no window more
        (3, 2, 3, 1): 2,  # the second begins at 3 − 1
        (2, 2, 3, 1): 1,  # it would begin behind the input, at 3 − 1
        (5, 3, 7, 1): 1,
        (1, 2, 2, 1): 1,
        (1, 2, 2, 0): 1,  # a window wider than the input
    }
    for (size, kernel, stride, padding), windows in rule.items():
        pool = gt.MaxPool1d(kernel, stride, padding, ceil_mode=True)
        assert pool.declare((1, 1, size), training=True).equation.shape_of["Z"] == (1, 1, windows)


def test_plans_round_up_where_a_window_is_added() -> None:
    def arose(size: int, *settings: int, **named: bool) -> str:
        return gt.Network((1, size), [gt.AvgPool1d(*settings, **named)]).plan()["pool1"].how[1]

    assert arose(7, 2, 2, ceil_mode=True) == "⌈(7 − 2)/2⌉ + 1 = 4"
    assert arose(8, 2, 2, ceil_mode=True) == "(8 − 2)/2 + 1 = 4"
    assert arose(7, 2, 2) == "⌊(7 − 2)/2⌋ + 1 = 3"
    assert arose(8, 3, 2, 1, ceil_mode=True) == "⌈(8 + 2·1 − 3)/2⌉ + 1 = 5"
    assert arose(6, 3, 2, ((1, 2),)) == "(6 + 1 + 2 − 3)/2 + 1 = 4"
    assert arose(3, 2, 5, 1, ceil_mode=True) == "⌊(3 + 2·1 − 2)/5⌋ + 1 = 1"  # it would begin behind


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: gt.Conv2d(2, 3, padding=((1, 2), (1,))),
            r"2 entries, one per spatial axis, each ",
        ),
        (lambda: gt.Conv1d(2, 3, padding=((1, -1),)), r"1 entry, .*got \(\(1, -1\),\)"),
        (lambda: gt.Conv3d(2, 3, padding=((1, 2), 1)), r"Conv3d: padding with a pair needs 3 ent"),
        (lambda: gt.Conv1d(2, (3, 3)), r"Conv1d: kernel_size needs 1 entries|got 2"),
        (lambda: gt.MaxPool1d(3, padding=2), r"padding=2 is more than half of kernel_size=3"),
        (lambda: gt.AvgPool1d(3, padding=((0, 3),)), r"padding=\(0, 3\) holds a whole window of 3"),
        (lambda: gt.AvgPool3d(2, divisor_override=0), r"AvgPool3d: divisor_override .* 1"),
        (
            lambda: gt.MaxPool2d(2, ceil_mode=1),
            r"ceil_mode must be True or False, got 1",
        ),
        (lambda: gt.Dropout2d(1.0), r"Dropout2d: p must be at least 0 and below 1, got 1.0"),
        (lambda: gt.StochasticDepth(0.2, "rows"), r'mode must be "row" or "batch", got \'rows\''),
    ],
)
def test_settings_out_of_range_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(gt.ArgumentError, match=message):
        make()


def test_pairs_of_padding_are_saved(tmp_path: Path) -> None:
    layers = [gt.Conv2d(2, 3, padding=((1, 2), (0, 1))), gt.MaxPool2d(2, padding=[[0, 1], 1])]
    net = gt.Network((1, 8, 8), [*layers, gt.Dropout2d(0.5), gt.StochasticDepth(0.2, "batch")])
    assert net.architecture()["layers"][0]["padding"] == [[1, 2], [0, 1]]
    net.save(tmp_path / "net.safetensors")
    again = gt.load(tmp_path / "net.safetensors")
    assert [step.layer for step in again.steps] == [step.layer for step in net.steps]


def test_a_network_for_sequences_trains() -> None:
    layers = [gt.Conv1d(4, 3), gt.ReLU(), gt.Flatten(), gt.Linear(2)]
    network = gt.Network((1, 12), layers, dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64(0))
    x, y = uniform(draw, (60, 1, 12)), draw.integers(0, 2, 60)
    x[y == 1, :, ::2] += 1
    gt.check_gradients(network, x[:4], y[:4])
    history = gt.train(
        network, (x, y), epochs=8, batch_size=8, optimizer=gt.Adam(0.02), progress=False
    )
    assert history.accuracy[-1] > 0.9
