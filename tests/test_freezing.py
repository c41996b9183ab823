"""What is frozen stays as it is, to the bit, and nothing is computed for it."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.engines.cpu.options import Options
from gradtrail.engines.cpu.planning.planner import plan_program
from gradtrail.engines.reference import Reference
from gradtrail.network.architecture import network_from

LAYERS = [
    *(gt.Conv2d(4, 3, padding=1), gt.BatchNorm2d(), gt.ReLU(), gt.MaxPool2d(2)),
    *(gt.Conv2d(3, 2), gt.BatchNorm2d(), gt.ReLU(), gt.Flatten(), gt.Linear(5)),
    *(gt.ReLU(), gt.Linear(3)),
]
TRUNK = ("conv*", "norm*")


def network(*frozen: str, dtype: str = "float32") -> gt.Network:
    net = gt.Network((2, 6, 6), LAYERS, seed=1, dtype=dtype)
    if frozen:
        net.freeze(*frozen)
    return net


def samples() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(2))
    return draw.standard_normal((36, 2, 6, 6)).astype(np.float32), draw.integers(0, 3, 36)


def arrays_of(net: gt.Network) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in {**net.parameters, **net.buffers}.items()}


def trained(net: gt.Network, **settings: object) -> gt.History:
    common = {"optimizer": gt.SGD(0.05, momentum=0.9, weight_decay=0.1), "epochs": 2}
    return gt.train(net, samples(), batch_size=16, progress=False, **common | settings)


@pytest.mark.parametrize("patterns", [TRUNK, ("norm1", "fc1", "*.bias")], ids=" ".join)
def test_frozen_arrays_keep_their_bits_and_engines_agree(patterns: tuple[str, ...]) -> None:
    found = []
    for engine in ("cpu", "reference"):
        net = network(*patterns)
        before = arrays_of(net)
        trained(net, engine=engine, clip_norm=1.0, average=0.9)
        found.append(arrays_of(net))
        for name, array in found[-1].items():
            same = bool((array.view(np.int32) == before[name].view(np.int32)).all())
            assert same == (name in net.frozen), name
    for name, array in found[0].items():
        np.testing.assert_allclose(array, found[1][name], rtol=1e-5, atol=2e-6, err_msg=name)


def test_groups_and_freezing_go_together() -> None:
    found = []
    for engine in ("cpu", "reference"):
        net = network("conv1", "norm1")
        groups = {"conv1": {"lr": 9.0}, "fc2*": {"lr": 0.2}}  # of what is frozen, nothing is moved
        optimizer = gt.SGD(0.05, momentum=0.9, groups=groups)
        trained(net, engine=engine, optimizer=optimizer)
        found.append(arrays_of(net))
        assert optimizer.remembered(net).arrays.keys() == set(net.trained)
    for name, array in found[0].items():
        np.testing.assert_allclose(array, found[1][name], rtol=1e-5, atol=2e-6, err_msg=name)


def _calls(net: gt.Network) -> dict[str, list[str]]:
    """What a training's program does for each layer."""
    program = plan_program(net, gt.CrossEntropy(), Options(True, True), gt.CPU().setup)
    found: dict[str, list[str]] = {}
    for call in program.calls:
        found.setdefault(call.layer, []).append(call.does)
    return found


def test_nothing_is_computed_for_what_is_frozen() -> None:
    def backward(net: gt.Network) -> dict[str, int]:
        return {
            name: count
            for name, done in _calls(net).items()
            if (count := sum("backward" in does for does in done))
        }

    assert {"conv1", "norm1", "conv2", "norm2", "fc1", "fc2"} <= backward(network()).keys()
    assert backward(network(*TRUNK)).keys() == {"fc1", "fc2"}
    assert backward(network("*")) == {}
    between = backward(network("conv2", "norm2", "fc1"))
    assert {"conv1", "norm1", "conv2", "fc1", "fc2"} <= between.keys()
    assert between["fc1"] < backward(network())["fc1"]
    assert not any("statistics" in does for does in _calls(network(*TRUNK))["norm1"])


def test_the_reference_computes_no_more_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    real = Reference.adjoint

    def noted(self: Reference, one: object, *rest: object) -> np.ndarray:
        sent.append(one.receives)
        return real(self, one, *rest)

    monkeypatch.setattr(Reference, "adjoint", noted)
    net = network("*")
    net.unfreeze("fc*")
    trained(net, epochs=1, engine="reference")
    per_step = ["fc2.weight", "fc2.bias", "relu3.output", "fc1.output", "fc1.weight", "fc1.bias"]
    assert sorted(sent) == sorted(3 * [*per_step, "fc2.output"])


def test_less_memory_is_taken() -> None:
    def needed(net: gt.Network) -> dict[str, int]:
        return gt.CPU(threads=1).memory(net, gt.CrossEntropy(), gt.Adam(), 64)

    whole, head = needed(network()), needed(network(*TRUNK))
    assert head["activations"] < whole["activations"] / 2
    assert head["gradients"] < whole["gradients"] / 2
    assert head["optimizer"] < whole["optimizer"]


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_a_frozen_batch_norm_normalises_with_what_it_keeps(engine: str) -> None:
    net = network("norm*")
    for step, name in enumerate(net.buffers):
        net.buffers[name] = 0.5 + 0.25 * step + np.arange(len(net.buffers[name]))
    before = arrays_of(net)
    x, y = samples()
    training = gt.trace(net, x, y, engine=engine)
    evaluation = gt.trace(net, x, y, training=False, engine=engine)
    assert training.loss == evaluation.loss
    for name in training.grad:  # those of what is frozen, too: a trace answers, it does not train
        assert (training.grad[name] == evaluation.grad[name]).all(), name
    assert {"norm1.weight", "conv1.weight", "input"} <= set(training.grad)
    net.unfreeze()
    assert gt.trace(net, x, y, engine=engine).loss != training.loss
    assert all((before[name] == array).all() for name, array in arrays_of(net).items())


def test_patterns_name_layers_and_arrays() -> None:
    net = network()
    done = net.freeze("conv1", "*.bias", "norm2.running_mean")
    first = ("conv1.weight", "conv1.bias", "norm1.bias", "conv2.bias", "norm2.bias")
    statistics = ("norm2.running_mean", "norm2.running_var")
    assert done == net.frozen == (*first, *statistics, "fc1.bias", "fc2.bias")
    shown = "froze conv1, norm1.bias, conv2.bias, norm2.bias, norm2.running_mean"
    assert repr(done).startswith(shown)
    assert repr(done).endswith("; 130 of 224 parameters are trained")
    assert net.trained == tuple(n for n in net.parameters if n not in net.frozen)
    assert repr(net.freeze("conv1.*")) == "froze nothing more; 130 of 224 parameters are trained"
    assert net.unfreeze("conv?.*", "[f-n]*") == done
    assert net.frozen == ()
    assert net.freeze() == net.frozen
    assert net.trained == ()
    net.frozen = ("fc1", "norm1.running_var")
    assert net.frozen == ("norm1.running_mean", "norm1.running_var", "fc1.weight", "fc1.bias")


def test_mistakes_are_named() -> None:
    net = network("fc1")
    with pytest.raises(gt.UnknownNameError, match=r"freeze: 'conv3\.\*' .* did you mean: conv"):
        net.freeze("norm1", "conv3.*")
    with pytest.raises(gt.ArgumentError, match=r"unfreeze: patterns are texts .* got \['fc1'\]"):
        net.unfreeze(["fc1"])
    with pytest.raises(gt.ArgumentError, match="frozen: 'fc9' is the name of no layer"):
        net.frozen = ["fc9"]
    assert net.frozen == ("fc1.weight", "fc1.bias")
    net.freeze()
    with pytest.raises(gt.ArgumentError, match="train: every parameter of the network is frozen"):
        trained(net)


def test_what_is_frozen_goes_with_the_network(tmp_path: Path) -> None:
    net = network("conv1", "fc2.bias", "norm1")
    net.save(tmp_path / "net.safetensors")
    described = json.loads(json.dumps(net.architecture()))
    assert described["frozen"] == ["conv1", "norm1", "fc2.bias"]
    copies = [copy.deepcopy(net), pickle.loads(pickle.dumps(net)), network_from(described)]
    for other in (*copies, gt.load(tmp_path / "net.safetensors")):
        assert other.frozen == net.frozen
        other.unfreeze()
    assert len(net.frozen) == 7
    assert "frozen" not in network().architecture()
    for wrong in ("conv1", ["conv7"], [1]):
        with pytest.raises(gt.ArgumentError, match="frozen"):
            network_from(described | {"frozen": wrong})


def test_the_plan_marks_it() -> None:
    plan = network("conv1", "norm1", "fc2.bias", "norm2.running_var").plan(4)
    assert plan["conv1"].frozen == ("weight", "bias")
    assert plan.trained_count == plan.to_dict()["trained_count"] == 224 - 76 - 8 - 3
    assert (plan["conv1"].gradient_bytes, plan["pool1"].gradient_bytes) == (0, 0)
    assert plan["conv2"].gradient_bytes == 4 * 4 * 3 * 2 * 2
    told = str(plan)
    assert "137 of 224 parameters are trained, the others are frozen" in told
    assert "frozen: bias" in told
    assert "frozen: running_mean, running_var" in told
    assert "frozen" not in str(network().plan(4))


def test_an_update_by_hand_leaves_them() -> None:
    net = network(*TRUNK)
    before, traced = arrays_of(net), gt.trace(net, *samples())
    gt.Adam(0.1, weight_decay=0.1).update(net, {n: traced.grad[n] for n in net.trained})
    moved = {n for n, array in arrays_of(net).items() if (array != before[n]).any()}
    assert moved == {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}


def test_a_resume_is_of_the_same_freezing(tmp_path: Path) -> None:
    straight, first, again = (network(*TRUNK) for _ in range(3))
    adam = {"optimizer": gt.Adam(0.01), "average": 0.9}
    trained(straight, epochs=2, **adam)
    kept = gt.Checkpoints(tmp_path)
    trained(first, epochs=1, checkpoints=kept, **adam | {"optimizer": gt.Adam(0.01)})
    after = adam | {"optimizer": gt.Adam(0.01), "checkpoints": kept, "resume": True}
    trained(again, epochs=2, **after)
    for name, array in arrays_of(straight).items():
        assert (array.view(np.int32) == arrays_of(again)[name].view(np.int32)).all(), name
    with pytest.raises(gt.ArgumentError, match=r"another training: .*frozen"):
        trained(network("conv1"), epochs=2, **after)
