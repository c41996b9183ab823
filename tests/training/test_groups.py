"""Groups of parameters with settings of their own: what each is moved by, and at which rate."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt

from .common import ENGINES, arrays_of, assert_same_bits, network, trained

ARRAYS = ("conv1.weight", "conv1.bias", "norm1.weight", "norm1.bias", "fc1.weight", "fc1.bias")
GROUPED = {
    "sgd": gt.SGD(
        0.05,
        momentum=0.9,
        groups={"fc*": {"lr": 0.2}, "*.bias": {"momentum": 0, "weight_decay": 0.5}},
    ),
    "adam": gt.Adam(
        1e-2,
        weight_decay=0.1,
        groups={"norm1": {"weight_decay": 0}, "conv1.*": {"betas": [0, 0.9]}},
    ),
    "adamw": gt.AdamW(1e-2, groups={"c*v?": {"lr": 1e-3}, "*": {"eps": 1e-4}}),
}
SINGLE = {  # what each array is moved by, written out
    "sgd": {
        "weight": gt.SGD(0.05, momentum=0.9),
        "bias": gt.SGD(0.05, weight_decay=0.5),
        "fc1.weight": gt.SGD(0.2, momentum=0.9),
        "fc1.bias": gt.SGD(0.2, weight_decay=0.5),
    },
    "adam": {
        "": gt.Adam(1e-2, weight_decay=0.1),
        "norm1": gt.Adam(1e-2),
        "conv1": gt.Adam(1e-2, betas=(0, 0.9), weight_decay=0.1),
    },
    "adamw": {"": gt.AdamW(1e-2, eps=1e-4), "conv1": gt.AdamW(1e-3, eps=1e-4)},
}


@pytest.mark.parametrize("kind", GROUPED)
def test_each_array_is_moved_as_by_an_optimizer_of_its_group(kind: str) -> None:
    draw = np.random.Generator(np.random.PCG64(1))
    net, optimizer = network(), pickle.loads(pickle.dumps(GROUPED[kind]))
    steps = [{n: draw.standard_normal(net.parameters[n].shape) for n in ARRAYS} for _ in range(3)]
    for gradients in steps:
        optimizer.update(net, gradients)
    for name in ARRAYS:
        alone = network()
        chosen = [one for part, one in SINGLE[kind].items() if part in name][-1]
        single = gt.optimizers.Optimizer.at_a_rate_of_its_own(chosen)
        for gradients in steps:
            single.update(alone, gradients)
        assert_same_bits({name: net.parameters[name]}, {name: alone.parameters[name]})


def test_engines_agree_with_all_that_may_be_around() -> None:
    found = []
    for engine in ENGINES:
        net = network()
        optimizer = pickle.loads(pickle.dumps(GROUPED["sgd"]))
        schedule = gt.schedules.Cosine()
        trained(
            net, optimizer=optimizer, schedule=schedule, clip_norm=0.5, average=0.9, engine=engine
        )
        found.append(arrays_of(net))
    for name in ARRAYS:
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=0, atol=2e-6, err_msg=name)
    unclipped = network()
    trained(unclipped, optimizer=pickle.loads(pickle.dumps(GROUPED["sgd"])), engine="reference")
    apart = [
        np.abs(unclipped.parameters[n] - found[1][n]).max() for n in ARRAYS if n != "conv1.bias"
    ]
    assert min(apart) > 1e-4


def test_a_rate_that_changes_changes_the_groups_rates_in_proportion() -> None:
    optimizer = gt.SGD(0.1, groups={"fc1": {"lr": 0.3}, "conv1": {"momentum": 0.5}})
    rates = {g.names[0]: optimizer.within(g) for g in optimizer.grouped(network())}
    assert [rates[n].lr for n in ("conv1.weight", "norm1.weight", "fc1.weight")] == [0.1, 0.1, 0.3]
    optimizer.lr = 0.05
    (fc,) = [g for g in optimizer.grouped(network()) if "lr" in g.settings]
    assert optimizer.within(fc).lr == 0.15
    settings = optimizer.settings()
    assert settings["groups"] == {"fc1": {"lr": 0.15}, "conv1": {"momentum": 0.5}}
    assert "groups={'fc1': {'lr': 0.15}, 'conv1': {'momentum': 0.5}}" in repr(optimizer)
    assert "groups" not in gt.SGD(0.1).settings()


def test_a_resumed_training_has_the_same_bytes(tmp_path: Path) -> None:
    settings = {"schedule": gt.schedules.OneCycle(), "average": 0.9, "clip_norm": 0.5}
    straight, stopped = network(), network()
    trained(straight, optimizer=pickle.loads(pickle.dumps(GROUPED["sgd"])), **settings)
    calls = []

    class Ends(gt.training.Observer):
        def step(self, seen: object) -> None:
            calls.append(seen)
            if len(calls) == 5:
                raise KeyboardInterrupt

    kept = gt.Checkpoints(tmp_path, steps=2)
    optimizer = pickle.loads(pickle.dumps(GROUPED["sgd"]))
    trained(stopped, optimizer=optimizer, checkpoints=kept, log=[Ends()], **settings)
    again = network()
    optimizer = pickle.loads(pickle.dumps(GROUPED["sgd"]))
    trained(again, optimizer=optimizer, checkpoints=kept, resume=True, **settings)
    assert [seen.step for seen in calls] == [1, 2, 3, 4, 5, 5]  # the last is told again
    assert_same_bits(arrays_of(straight), arrays_of(again))
    other = gt.SGD(0.05, momentum=0.9, groups={"fc*": {"lr": 0.1}})
    with pytest.raises(gt.ArgumentError, match=r"optimizer.groups.fc\*.lr: 0.2, not 0.1"):
        trained(network(), optimizer=other, checkpoints=kept, resume=True, **settings)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"fc*": {"rate": 1}}, r"SGD: groups\['fc\*'\]: no setting is called 'rate'"),
        ({"fc*": {"lr": 0}}, r"SGD: groups\['fc\*'\]: SGD: lr must be .* above 0, got 0"),
        ({"fc*": 0.1}, r"SGD: groups map patterns .* got \{'fc\*': 0.1\}"),
        ([("fc*", {})], r"SGD: groups map patterns"),
    ],
)
def test_groups_that_are_none_are_refused(groups: object, message: str) -> None:
    with pytest.raises(gt.ArgumentError, match=message):
        gt.SGD(0.1, momentum=0.9, groups=groups)


def test_groups_are_held_against_the_network_before_the_first_step() -> None:
    net = network()
    with pytest.raises(gt.UnknownNameError, match=r"SGD: groups: 'fc2\*' .* did you mean: fc1"):
        trained(net, optimizer=gt.SGD(0.1, groups={"fc2*": {"lr": 1}}))
    ahead = gt.SGD(0.1, momentum=0.5, groups={"fc*": {"nesterov": True}, "*.bias": {"momentum": 0}})
    with pytest.raises(gt.ArgumentError, match=r"groups for 'fc1.bias': SGD: nesterov=True looks"):
        trained(net, optimizer=ahead)
    assert net.drawn == (0, 0)
    assert_same_bits(arrays_of(net), arrays_of(network()))
