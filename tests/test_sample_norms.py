"""Norms of each sample by itself, asked: ways back, fields, biases, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

import gradtrail as gt


def traced(*layers: object, shape: tuple[int, ...] = (4, 3, 3)) -> gt.Trace:
    """Two samples through some layers, numbers to come near at the end."""
    net = gt.Network(shape, list(layers), seed=2, dtype=np.float64)
    draw = np.random.Generator(np.random.PCG64(3))
    system = net.system(2)
    x, y = draw.random((2, *shape)), draw.random(system.shapes[net.output_name])
    return gt.trace(net, x, y, loss=gt.MeanSquaredError(), engine="reference")


@pytest.mark.parametrize(
    ("layer", "ways"),
    [
        (gt.GroupNorm(2), ["directly", "by the mean", "by the variance"]),
        (gt.LayerNorm(axes=1), ["directly", "by the mean", "by the variance"]),
        (gt.RMSNorm(), ["directly", "by the variance"]),
        (gt.Softmax(), ["directly", "by the sum"]),
    ],
)
def test_the_ways_back_add_up(layer: gt.LayerNorm, ways: list[str]) -> None:
    t = traced(layer)
    terms = t.grad.terms("input", (1, 2, 0, 1))
    assert list(terms.ways) == ways
    assert sum(terms.ways.values()) == pytest.approx(t.grad["input"][1, 2, 0, 1])
    assert terms.sum() == pytest.approx(t.grad["input"][1, 2, 0, 1])


@pytest.mark.parametrize(
    ("layer", "elements"),
    [
        (gt.GroupNorm(2), 2 * 9),
        (gt.LayerNorm(axes=1), 4),
        (gt.Softmax(-1), 3),
        (gt.LayerNorm(), 36),
    ],
)
def test_an_element_sees_what_it_is_weighed_against(layer: gt.LayerNorm, elements: int) -> None:
    """In evaluation and in training, in the structure and in a step: of its own sample alone."""
    t = traced(layer)
    name = t.system.nodes[0].name
    net = gt.Network((4, 3, 3), [layer])
    for training in (False, True):
        field = net.receptive_field(name, (1, 2, 0), training=training)
        assert (len(field), field.notes) == (elements, ())
    field = t.receptive_field(name, (1, 1, 2, 0))
    assert (len(field), field.samples) == (elements, (1,))


@pytest.mark.parametrize(
    ("norm", "taken"),
    [(gt.InstanceNorm2d(), True), (gt.GroupNorm(4), True), (gt.GroupNorm(2), False)],
)
def test_a_bias_is_taken_off_where_its_channel_is_by_itself(
    norm: gt.GroupNorm, taken: bool
) -> None:
    t = traced(gt.Conv2d(4, 1), norm, gt.Tanh())
    assert (t.grad.why("conv1.bias", (1,)).fact.kind == "taken off") == taken
    assert (abs(t.grad["conv1.bias"][1]) < 1e-12) == taken


def test_a_path_names_its_way() -> None:
    t = traced(gt.LayerNorm(axes=1), gt.RMSNorm(axes=1))
    paths = t.grad.follow("input", (0, 1, 1, 1), k=12)
    texts = [hop.text for path in paths for hop in path.hops]
    for way in ("directly", "through the mean", "through the variance"):
        assert any(text.startswith(way) for text in texts)


def test_what_does_not_fit() -> None:
    with pytest.raises(gt.ShapeError, match="num_groups=3 does not divide the 4 input channels"):
        gt.Network((4, 3, 3), [gt.GroupNorm(3)])
    with pytest.raises(gt.ShapeError, match="of a channel, but gets one alone from the input"):
        gt.Network((4, 1, 1), [gt.InstanceNorm2d()])
    with pytest.raises(gt.ShapeError, match="axis 4 does not exist"):
        gt.Network((4, 3, 3), [gt.LayerNorm(axes=(1, 4))])
    with pytest.raises(gt.ArgumentError, match="whole numbers without 0"):
        gt.LayerNorm(axes=0)
    with pytest.raises(gt.ArgumentError, match="Softmax: dim must be whole numbers without 0"):
        gt.Softmax(0)
    with pytest.raises(gt.ArgumentError, match="eps must be above 0, got 0"):
        gt.RMSNorm(eps=0)


def test_one_sample_alone_can_be_normalised() -> None:
    """Nothing is taken over a batch, so that nothing is refused where it has one sample."""
    net = gt.Network((4,), [gt.LayerNorm(), gt.Linear(2)], seed=0)
    gt.train(net, (np.ones((3, 4)), [0, 1, 0]), epochs=1, batch_size=1, progress=False)
    norm = gt.Network((4,), [gt.BatchNorm1d(), gt.Linear(2)], seed=0)
    with pytest.raises(gt.DataError, match="normalises over samples"):
        gt.train(norm, (np.ones((3, 4)), [0, 1, 0]), epochs=1, batch_size=1, progress=False)
