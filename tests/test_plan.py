"""The plan: shapes, how they arose, costs, fields, what is never read; text, HTML, data."""

from __future__ import annotations

import json
import time
import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.equation import Region
from gradtrail.plan.plan_table import plan_table, plan_text


def lenet() -> gt.Network:
    return gt.architecture("lenet5").network()


def vgg16() -> list:
    layers: list = []
    for width, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        layers += [gt.Conv2d(width, 3, padding=1), gt.ReLU()] * times + [gt.MaxPool2d(2)]
    layers.append(gt.Flatten())
    for _ in range(2):
        layers += [gt.Linear(4096), gt.ReLU(), gt.Dropout()]
    return [*layers, gt.Linear(1000)]


def test_lenet_row_by_row() -> None:
    plan = lenet().plan(64)
    conv = plan["conv1"]
    assert (conv.number, conv.kind) == (1, "Conv2d")
    assert (conv.input_shapes, conv.output_shape) == (((1, 28, 28),), (6, 28, 28))
    assert conv.how == ("", "(28 + 2·2 − 5)/1 + 1 = 28", "(28 + 2·2 − 5)/1 + 1 = 28")
    assert conv.parameters == (("weight", (6, 1, 5, 5)), ("bias", (6,)))
    assert conv.parameter_count == 156
    assert conv.multiply_adds == 64 * 28 * 28 * 6 * 25
    assert conv.activation_bytes == conv.gradient_bytes == 64 * 6 * 28 * 28 * 4
    pool = plan["pool1"]
    assert pool.activation_bytes == 64 * 6 * 14 * 14 * (4 + 1)  # the winner is a byte
    assert plan["flatten1"].how == ("16·5·5 = 400",)
    assert plan.parameter_count == 61_706
    assert plan.multiply_adds == 64 * 416_520
    assert len(plan) == 12
    assert [row.name for row in plan][-1] == "fc3"


def test_vgg16_is_planned_in_under_100_ms_without_an_array() -> None:
    times = []
    for batch_size in range(1, 6):
        network = gt.Network((3, 224, 224), vgg16())
        since = time.process_time()
        plan = network.plan(batch_size)
        times.append(time.process_time() - since)
    assert plan.parameter_count == 138_357_544
    assert 15.4e9 < plan.multiply_adds / 5 < 15.6e9
    assert min(times) < 0.1
    tracemalloc.start()
    gt.Network((3, 224, 224), vgg16()).plan(32)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6  # the parameters alone would be 553 MB
    assert not network.parameters._arrays


def test_float64_counts_eight_bytes() -> None:
    network = gt.Network((1, 4, 4), [gt.ReLU()], dtype=np.float64)
    assert network.plan(3)["relu1"].activation_bytes == 3 * 16 * 8


def test_rows_and_columns_never_read_are_named() -> None:
    network = gt.Network((1, 8, 9), [gt.Conv2d(2, 3, stride=2), gt.MaxPool2d(2), gt.Conv2d(1, 1)])
    plan = network.plan()
    assert plan["conv1"].never_read == (((), (7,), ()),)
    assert plan["pool1"].never_read == (((), (2,), ()),)
    assert "conv1 never reads rows 7 of input" in str(plan)
    shortcut = gt.Network((1, 7, 7), [gt.Conv2d(2, 1, stride=3)]).plan()
    assert shortcut["conv1"].never_read == (((), (1, 2, 4, 5), (1, 2, 4, 5)),)


FIELDS = {
    "chain": [gt.Conv2d(2, 3, padding=1), gt.MaxPool2d(2), gt.Conv2d(2, 3, stride=2, dilation=2)],
    "overlap": [gt.Conv2d(2, 5, padding=2), gt.AvgPool2d(3, 2, 1), gt.Conv2d(2, 3)],
    "residual": [gt.Residual([gt.Conv2d(3, 3, padding=1)]), gt.Conv2d(2, 2, stride=2)],
    "concat": [gt.Concat([gt.Conv2d(1, 5, padding=2)], [gt.Conv2d(1, 1)]), gt.MaxPool2d(2)],
}


@pytest.mark.parametrize("name", FIELDS)
def test_the_receptive_field_is_that_of_the_preimage(name: str) -> None:
    """Size, jump and offset against the exact elements, for every output position inside."""
    network = gt.Network((3, 25, 23), FIELDS[name])
    plan = network.plan()
    system = network.system(1)
    last = plan.rows[-1]
    for y in range(last.output_shape[1]):
        field = last.receptive_field[0]
        start = field.offset + field.jump * y
        inside = [h for h in range(int(start), int(start) + field.size) if 0 <= h < 25]
        read = system.preimage(network.output_name, Region.element((0, 0, y, 0))).axis(2)
        assert (read[0], read[-1]) == (inside[0], inside[-1])


def test_where_branches_of_different_jumps_meet_the_field_is_what_all_see() -> None:
    strided = gt.Conv2d(2, 1, stride=(2, 1), padding=(2, 0))
    field = gt.Network((1, 4, 4), [gt.Concat([strided], [gt.ReLU()])]).plan()["concat1"]
    assert [f.jump for f in field.receptive_field] == [None, 1]
    assert (field.receptive_field[0].size, field.receptive_field[0].offset) == (7, -2)


def test_fields_behind_flatten_and_transposed_convolution() -> None:
    network = gt.Network((1, 8, 8), [gt.Conv2d(2, 3), gt.Flatten(), gt.Linear(3)])
    field = network.plan()["fc1"].receptive_field[0]
    assert (field.size, field.jump, field.offset) == (8, 0, 0)
    up = gt.Network((1, 8, 8), [gt.ConvTranspose2d(2, 4, stride=2, padding=1)]).plan()
    field = up["convt1"].receptive_field[0]
    assert (field.size, field.jump) == (2, Fraction(1, 2))


def test_the_table_as_text(golden) -> None:
    golden("plan-lenet5-wide", plan_text(lenet().plan(64), 170))
    golden("plan-lenet5-narrow", plan_text(lenet().plan(64), 110))
    golden("plan-lenet5-80", plan_text(lenet().plan(64), 80))


def test_no_line_is_wider_than_asked_for() -> None:
    for width in (80, 100, 120, 165, 170):
        assert max(map(len, plan_text(lenet().plan(64), width).splitlines())) <= width


def test_the_table_as_html_is_escaped_and_complete() -> None:
    html = plan_table(lenet().plan(64)).html()
    assert html.count("<tr>") == 14
    assert "(28 + 2·2 − 5)/1 + 1 = 28" in html
    assert "<script" not in html
    assert lenet().plan(64)._repr_html_() == html


def test_the_plan_as_data_goes_through_json() -> None:
    plan = gt.architecture("resnet20").network().plan(8)
    data = json.loads(json.dumps(plan.to_dict()))
    assert data["batch_size"] == 8
    assert data["parameter_count"] == plan.parameter_count == 272_474
    assert data["rows"][0]["output_shape"] == [16, 32, 32]


def test_an_unknown_layer_is_answered_with_near_names() -> None:
    with pytest.raises(gt.UnknownNameError, match="no layer is called 'conv3'; did you mean: conv"):
        lenet().plan()["conv3"]


def test_a_batch_size_below_one_is_refused() -> None:
    with pytest.raises(gt.ArgumentError, match="batch_size must be a whole number ≥ 1, got 0"):
        lenet().plan(0)


def test_a_plan_does_not_count_samples() -> None:
    """As fast for any batch, and the same but for what grows with it."""
    net = gt.architecture("lenet5").network()
    one, many = net.plan(1), net.plan(10**14)
    for here, there in zip(one.rows, many.rows, strict=True):
        assert there.multiply_adds == 10**14 * here.multiply_adds
        assert there.never_read == here.never_read


def test_fields_behind_batch_norm_are_those_of_evaluation() -> None:
    """In training its statistics read the whole batch: 14 of 12 rows for every layer behind it."""
    layers = [gt.Conv2d(4, 3, padding=1), gt.BatchNorm2d(), gt.ReLU(), gt.MaxPool2d(2)]
    net = gt.Network((1, 12, 12), [*layers, gt.Conv2d(4, 3, padding=1), gt.BatchNorm2d()])
    fields = [str(row.receptive_field[0]) for row in net.plan(4).rows]
    three, eight = "3, jump 1, from −1", "8, jump 2, from −3"
    assert fields == [three, three, three, "4, jump 2, from −1", eight, eight]


@pytest.mark.parametrize(
    ("layer", "numbers"),
    [
        (gt.Conv2d(10**8, 3), "3,600,000,000"),
        (gt.Conv2d(10**400, 3), "more than 10¹⁵"),
        (gt.Conv2d(2, 3, padding=10**4), "800,480,072"),
        (gt.ConvTranspose2d(2, 3, stride=10**6), "98,000,084,000,018"),
        (gt.MaxPool2d(10**6, padding=5 * 10**5), "1,000,016,000,064"),
    ],
)
def test_an_output_that_no_memory_holds_is_refused_before_it_is_planned(
    layer: Any, numbers: str
) -> None:
    """Which positions are read is counted one by one: that alone would take all memory."""
    with pytest.raises(gt.ShapeError, match=f"gives at most 268,435,456 .*make {numbers} "):
        gt.Network((1, 8, 8), [gt.ReLU(), layer])
