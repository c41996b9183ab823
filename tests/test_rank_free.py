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
        (lambda: gt.Conv1d(2, (3, 3)), r"Conv1d: kernel_size needs one number, got 2"),
        (lambda: gt.Conv1d(2, 5, padding=(4, 0)), r"in brackets: padding=\(\(4, 0\),\)"),
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


SEQUENCES, VOLUMES = (6, 40), (1, 3, 4, 5)


@pytest.mark.parametrize(
    ("sample", "shape", "message"),
    [
        (SEQUENCES, (5, 40, 6), r"channels last \(N, L, C\); pass x\.transpose\(0, 2, 1\), which"),
        (
            SEQUENCES,
            (40, 6),
            r"one sequence without the batch .* x\.transpose\(1, 0\)\[None\]",
        ),
        (SEQUENCES, (6, 40), r"one sample without the batch axis; pass x\[None\]"),
        (SEQUENCES, (5, 3, 40), r"it has 3 channels instead of 6"),
        (SEQUENCES, (5, 6, 41), r"its sequences are 41 instead of 40; cut them, or put zeros"),
        (SEQUENCES, (5, 240), r"the samples are flat; pass x\.reshape\(-1, 6, 40\)"),
        ((1, 40), (5, 40), r"the channel axis is missing; pass x\[:, None\]"),
        ((1, 40), (40,), r"one sequence without batch and channel axis; pass x\[None, None\]"),
        (VOLUMES, (5, 3, 4, 5, 1), r"\(N, D, H, W, C\); pass x\.transpose\(0, 4, 1, 2, 3\)"),
        (VOLUMES, (5, 3, 4, 5), r"the channel axis is missing"),
        (VOLUMES, (5, 1, 3, 4, 6), r"its volumes are 3 × 4 × 6 instead of 3 × 4 × 5; resize"),
    ],
)
def test_samples_of_another_shape_are_told_what_to_do(
    sample: tuple[int, ...], shape: tuple[int, ...], message: str
) -> None:
    net = gt.Network(sample, [gt.Flatten(), gt.Linear(2)])
    with pytest.raises(gt.DataError, match=message):
        net.predict(np.zeros(shape))


def test_the_input_shape_that_was_meant() -> None:
    for shape, layer, meant in (
        ((40,), gt.Conv1d(2, 3), r"it is \(1, 40\)\."),
        ((64, 6, 40), gt.Conv1d(2, 3), r"without the batch: write \(6, 40\); Conv2d takes"),
        ((3, 32, 32), gt.Conv1d(2, 3), r"the input\. Conv2d takes \(channels, height, width\)\.$"),
        ((8, 9, 9), gt.Conv3d(2, 3), r"it is \(1, 8, 9, 9\); Conv2d takes"),
        ((6, 40), gt.MaxPool2d(2), r"it is \(1, 6, 40\); MaxPool1d takes \(channels, length\)\.$"),
        ((6, 40), gt.Dropout2d(0.5), r"Dropout1d takes \(channels, length\)\.$"),
        ((5, 6, 40), gt.MaxPool2d(2), None),
    ):
        if meant is None:
            gt.Network(shape, [layer])
            continue
        with pytest.raises(gt.ShapeError, match=meant):
            gt.Network(shape, [layer])


def test_positions_are_told_with_all_their_axes() -> None:
    net = gt.Network((1, 3, 4, 5), [gt.Conv3d(1, 2), gt.GlobalAvgPool3d()], dtype=np.float64)
    x = np.zeros((1, 1, 3, 4, 5))
    x[0, 0, 1, 2, 3] = 1
    t = gt.trace(net, x, np.ones((1, 1)), loss=gt.MeanSquaredError(), engine="reference")
    assert "strongest position is (1,2,3)" in str(t.grad.why("conv1.weight", (0, 0, 0, 0, 0)))


def test_padding_that_is_not_zeros_is_a_layer_before(tmp_path: Path) -> None:
    layer = gt.Conv2d(3, 3, padding=1, padding_mode="reflect")
    net = gt.Network((3, 6, 6), [layer, gt.Conv2d(2, 1, padding_mode="circular")], seed=1)
    assert [step.name for step in net.steps] == [
        "pad1",
        "conv1",
        "conv2",
    ]  # none where there is no 0
    assert net.architecture()["layers"][0]["padding_mode"] == "reflect"
    net.save(tmp_path / "net.safetensors")
    x = np.random.Generator(np.random.PCG64(1)).random((2, 3, 6, 6))
    np.testing.assert_array_equal(gt.load(tmp_path / "net.safetensors").predict(x), net.predict(x))
    node = gt.Input((3, 6, 6))
    twice = gt.Network(node, layer(layer(node)))
    assert [step.name for step in twice.steps] == ["pad1", "conv1", "pad2", "conv1_2"]
    assert list(twice.parameters) == ["conv1.weight", "conv1.bias"]
    with pytest.raises(gt.ArgumentError, match=r"Conv2d: padding_mode must be one of zeros, refl"):
        gt.Conv2d(3, 3, padding_mode="same")
    with pytest.raises(TypeError, match=r"it is two layers, and has no equation of its own"):
        layer.declare((1, 3, 6, 6), training=True)


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
