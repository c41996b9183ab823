"""What a field is on single layers, by hand; how it prints, what it gives, what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spreading import traced
from tails import beginning

import gradtrail as gt
from gradtrail.equation import Normalisation
from gradtrail.fields.reach import Reach
from gradtrail.showing.axis_names import name_axis, place_names, size_names


def test_evaluation_hands_on() -> None:
    net = gt.Network((3, 4, 5), [gt.Dropout(0.5), gt.BatchNorm2d(), gt.ReLU()])
    assert list(net.receptive_field("relu1", (2, 1, 3))) == [(2, 1, 3)]
    assert list(net.projective_field("input", (2, 1, 3))) == [(2, 1, 3)]
    assert net.receptive_field("relu1", (1, 3)).channels == (0, 1, 2)


def test_batch_norm_in_training_ties_a_channel() -> None:
    net = gt.Network((3, 4, 5), [gt.BatchNorm2d(), gt.ReLU()])
    seen = net.receptive_field("relu1", (2, 1, 3), training=True)
    assert (seen.channels, len(seen)) == ((2,), 20)
    assert "every other sample" in str(seen)
    assert "sample" not in str(net.receptive_field("relu1", (2, 1, 3)))
    t = traced(net, 2, True)
    assert t.receptive_field("relu1", (1, 2, 1, 3)).samples == (0, 1)
    assert len(t.projective_field("norm1.weight", (2,), to="relu1")) == 40


def test_what_no_window_reads_reaches_nothing() -> None:
    net = gt.Network((1, 8, 8), [gt.Conv2d(1, 2, stride=3), gt.ReLU()])
    assert [y for y in range(8) if not net.projective_field("input", (y, 0))] == [2, 5]
    empty = net.projective_field("input", (2, 3))
    assert (len(empty), empty.bounds, empty.rows) == (0, (), ())
    assert str(empty) == "input at (2, 3) reaches nothing of relu1"
    assert not empty.mask().any()


def test_dilation_leaves_gaps() -> None:
    net = gt.Network((1, 9, 9), [gt.Conv2d(1, 3, dilation=(3, 2))])
    seen = net.receptive_field("conv1", (2, 1))
    assert (seen.rows, seen.columns, len(seen)) == ((2, 5, 8), (1, 3, 5), 9)
    text = "conv1 at (2, 1) sees input rows 2, 5, 8, columns 1, 3, 5 of 1 channel"
    assert str(seen) == f"{text}: all 9 elements there"


def test_groups_see_their_own_channels() -> None:
    net = gt.Network((6, 3, 3), [gt.Conv2d(4, 3, groups=2)])
    assert net.receptive_field("conv1", (1, 0, 0)).channels == (0, 1, 2)
    assert net.receptive_field("conv1", (2, 0, 0)).channels == (3, 4, 5)
    assert net.projective_field("input", (4, 1, 1)).channels == (2, 3)


def test_a_transposed_convolution_spreads() -> None:
    net = gt.Network((1, 3, 3), [gt.ConvTranspose2d(1, 3, stride=2)])
    assert net.projective_field("input", (1, 1)).rows == (2, 3, 4)
    assert net.receptive_field("convt1", (2, 3)).bounds == ((0, 0), (0, 1), (1, 1))


def test_branches_are_united() -> None:
    net = gt.Network((2, 5, 5), [gt.Concat([gt.Conv2d(1, 3, padding=1)], []), gt.ReLU()])
    assert len(net.receptive_field("relu1", (0, 2, 2))) == 18
    assert list(net.receptive_field("relu1", (1, 2, 2))) == [(0, 2, 2)]
    net = gt.Network((1, 5, 5), [gt.Residual([gt.Conv2d(1, 2, dilation=2, padding=1)])])
    assert list(net.receptive_field("add1", (2, 2))) == [
        (0, y, x) for y, x in [(1, 1), (1, 3), (2, 2), (3, 1), (3, 3)]
    ]
    assert str(net.receptive_field("add1", (2, 2))).endswith("5 of the 9 elements there")


def test_a_border_uses_fewer_weights() -> None:
    net = gt.Network((2, 5, 5), [gt.Conv2d(3, 3, padding=1)])
    used = net.receptive_field("conv1", (2, 0, 4), of="conv1.weight")
    assert used.along(0) == (2,)
    assert (used.along(2), used.along(3), len(used)) == ((1, 2), (0, 1), 8)
    text = "conv1 at (2, 0, 4) sees conv1.weight[2,0–1,1–2,0–1]: all 8 elements there"
    assert str(used) == text


# -- the result -------------------------------------------------------------------------------


def lenet() -> gt.Network:
    return gt.architecture("lenet5").network(None, seed=0)


def test_the_examples_in_the_docstrings() -> None:
    net = gt.Network((1, 28, 28), [gt.Conv2d(6, 5), gt.MaxPool2d(2), gt.Conv2d(16, 5)])
    text = "conv2 at (1, 3) sees input rows 2–15, columns 6–19 of 1 channel"
    assert str(net.receptive_field("conv2", (1, 3))) == f"{text}: all 196 elements there"
    assert net.receptive_field("conv2", (1, 3), of="pool1").rows == (1, 2, 3, 4, 5)
    assert net.projective_field("input", (0, 9), to="conv1").columns == (5, 6, 7, 8, 9)


def test_its_text_and_html() -> None:
    net = lenet()
    seen = net.receptive_field("conv2", (5, 7))
    text = "conv2 at (5, 7) sees input rows 8–21, columns 12–25 of 1 channel"
    assert str(seen) == repr(seen) == f"{text}: all 196 elements there"
    assert "<td>8–21</td>" in seen._repr_html_()
    assert str(net.receptive_field("fc1", 3)) == "fc1 at 3 sees all of input: 784 elements"
    one = net.projective_field("input", (0, 0), to="pool1")
    assert str(one) == "input at (0, 0) reaches pool1 rows 0–1, columns 0–1 of all 6 channels: all 24 elements there"  # fmt: skip  # noqa: E501
    some = net.receptive_field("conv2", (3, 0, 0), of="conv2.bias")
    assert str(some) == "conv2 at (3, 0, 0) sees conv2.bias[3]: 1 element"
    step = traced(net, 2, True).receptive_field("pool1", (1, 3, 0, 0), of="conv1")
    first, second = str(step).splitlines()
    assert first.startswith("pool1 at (1, 3, 0, 0) sees conv1 row ")
    assert first.endswith(" of channel 3 in sample 1: 1 element")
    assert second == "through each max pooling only by the element that won"


def test_it_is_a_set_of_indices() -> None:
    seen = lenet().receptive_field("conv2", (5, 7))
    assert (8, 12) not in seen
    assert (0, 8, 12) in seen
    assert (0, 7, 12) not in seen
    assert seen.bounds == ((0, 0), (8, 21), (12, 25))
    assert next(iter(seen)) == (0, 8, 12)
    assert len(list(seen)) == len(seen) == 196
    assert len({seen, lenet().receptive_field("conv2.output", (-5, -3))}) == 1
    assert not seen.mask().flags.writeable


def test_a_negative_position_counts_from_the_end() -> None:
    net = lenet()
    assert net.receptive_field("conv2", (-1, 0)) == net.receptive_field("conv2", (9, 0))


def pictures() -> dict[str, Reach]:
    net = lenet()
    t = traced(net, 3, True)
    return {
        "input": net.receptive_field("conv2", (5, 7)),
        "channels": net.projective_field("input", (5, 7), to="conv2"),
        "flat": net.projective_field("input", (5, 7), to="fc1"),
        "weights": net.receptive_field("conv2", (5, 7), of="conv2.weight"),
        "bias": net.receptive_field("conv2", (1, 5, 7), of="conv2.bias"),
        "a sample": t.receptive_field("pool1", (1, 2, 5, 7)),
        "samples": t.projective_field("conv1.weight", (1, 0, 0, 0), to="conv1"),
        "loss": t.projective_field("fc3", (1, 0), to="loss"),
        "nothing": gt.Network((1, 3, 3), [gt.Conv2d(1, 2)]).projective_field("input", (0, 0)),
    }


AXES = {"channels": 2, "weights": 2, "samples": 3}
"""Panels, and a colour bar where there are several elements at a place."""


@pytest.mark.parametrize("name", beginning(3, pictures()))
def test_its_picture(name: str, tmp_path: Path) -> None:
    path = tmp_path / "field.png"
    drawn = pictures()[name].plot(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert len(drawn.axes) == AXES.get(name, 1)


# -- what it refuses --------------------------------------------------------------------------


def test_unknown_names() -> None:
    net, t = lenet(), traced(lenet(), 2, True)
    with pytest.raises(gt.UnknownNameError, match=r"no layer or array is called 'cnv2'.*conv2"):
        net.receptive_field("cnv2", (0, 0))
    with pytest.raises(gt.UnknownNameError, match="did you mean: input"):
        net.receptive_field("conv2", (0, 0), of="inputs")
    with pytest.raises(gt.UnknownNameError, match="fc9"):
        t.projective_field("input", (0, 0, 0, 0), to="fc9")
    with pytest.raises(gt.UnknownNameError, match=r"pool1\.winner"):
        t.receptive_field("pool1.winner", (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("layer", "position", "match"),
    [
        (
            "conv2",
            (5,),
            r"shape \(16, 10, 10\): .* or \(row, column\) for all channels; got \(5,\)",
        ),
        ("conv2", (5, 10), r"position 10 on axis 2 \(columns\) lies outside 0 … 9"),
        ("conv2", (16, 0, 0), r"position 16 on axis 0 \(channels\) lies outside 0 … 15"),
        ("conv2", (0, 1.5), r"got \(0, 1\.5\)"),
        ("conv2", "ab", "got 'ab'"),
        ("fc1", (1, 2), r"shape \(120,\): a position in it is one whole number; got \(1, 2\)"),
        ("fc1", True, "got True"),
        ("fc1", 120, r"position 120 on axis 0 \(features\) lies outside 0 … 119"),
    ],
)
def test_positions_that_do_not_fit(layer: str, position: object, match: str) -> None:
    with pytest.raises(gt.ArgumentError, match=match):
        lenet().receptive_field(layer, position)


def test_a_parameters_position_is_a_full_index() -> None:
    match = r"shape \(6, 1, 5, 5\): a position in it is 4 whole numbers; got \(0, 0\)"
    with pytest.raises(gt.ArgumentError, match=match):
        lenet().projective_field("conv1.weight", (0, 0))
    with pytest.raises(gt.ArgumentError, match="position 5 on axis 3 lies outside 0 … 4"):
        lenet().projective_field("conv1.weight", (0, 0, 0, 5))


def test_the_wrong_order() -> None:
    net, t = lenet(), traced(lenet(), 2, True)
    match = r"conv1\.output does not depend on conv2\.output; of= takes what lies before it: input"
    with pytest.raises(gt.ArgumentError, match=match):
        net.receptive_field("conv1", (0, 0), of="conv2")
    with pytest.raises(gt.ArgumentError, match=r"behind fc2\.output: relu4\.output, fc3\.output"):
        net.projective_field("fc2", 0, to="conv1")
    with pytest.raises(gt.ArgumentError, match=r"is itself no field of conv1\.output"):
        net.receptive_field("conv1", (0, 0), of="conv1")
    with pytest.raises(
        gt.ArgumentError, match=r"conv1\.weight does not depend on input; .*nothing"
    ):
        net.receptive_field("conv1.weight", (0, 0, 0, 0))
    with pytest.raises(gt.ArgumentError, match=r"does not depend on fc1\.output"):
        t.receptive_field("conv1", (0, 0, 0, 0), of="fc1")
    with pytest.raises(
        gt.ArgumentError, match=r"the shape \(2, 6, 28, 28\): an index into it is 4"
    ):
        t.receptive_field("conv1", (0, 0, 0))


def test_an_axis_that_is_not_there() -> None:
    net = lenet()
    with pytest.raises(gt.ArgumentError, match=r"called features, and no axis 'rows'"):
        _ = net.projective_field("input", (0, 0)).rows
    with pytest.raises(gt.ArgumentError, match=r"shape \(6, 1, 5, 5\), and no axis 'channels'"):
        _ = net.receptive_field("conv1", (0, 0), of="conv1.weight").channels


def test_the_ties_through_batch_norm_are_the_steps() -> None:
    """A structure's field in training is the step's without a max pooling, in each sample."""
    net = gt.Network((2, 5, 5), [gt.Conv2d(2, 3), gt.BatchNorm2d(), gt.Conv2d(1, 2)])
    t = traced(net, 2, True)
    assert any(isinstance(node.equation, Normalisation) for node in t.system.nodes)
    one = net.receptive_field("conv2", (0, 1, 1), training=True)
    both = t.receptive_field("conv2", (0, 0, 1, 1))
    assert np.array_equal(both.mask(), np.stack([one.mask()] * 2))


@pytest.mark.parametrize(
    ("axes", "places", "sizes"),
    [
        (1, ("samples",), ("samples",)),
        (2, ("samples", "features"), ("samples", "features")),
        (3, ("samples", "channels", "positions"), ("samples", "channels", "length")),
        (4, ("samples", "channels", "rows", "columns"), ("samples", "channels", "height", "width")),
    ],
)
def test_what_axes_are_called(axes: int, places: tuple[str, ...], sizes: tuple[str, ...]) -> None:
    assert (place_names(axes), size_names(axes)) == (places, sizes)
    assert place_names(5)[2:] == ("planes", "rows", "columns")
    assert name_axis("too few along axis 3 of X", 3, 5) == "too few along height"
