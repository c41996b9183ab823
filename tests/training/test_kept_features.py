"""The features of a frozen trunk are computed once, and a training with them has the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from comparing import FLOAT32, assert_all_close

import gradtrail as gt
from gradtrail.engines.cpu.options import Options
from gradtrail.engines.cpu.planning.planner import plan_program
from gradtrail.engines.reference import Reference
from gradtrail.graph.network_part import NetworkPart, frozen_trunk
from gradtrail.training import kept_features
from gradtrail.training.course import Course
from gradtrail.training.loop import prepare_training

from .common import ENGINES, Held, arrays_of, assert_same_bits, data, pixels

SHAPE = (2, 6, 5)


def network(*more: object) -> gt.Network:
    body = [gt.Conv2d(4, 3, padding=1), gt.BatchNorm2d(), gt.ReLU(), gt.Conv2d(4, 3, padding=1)]
    net = gt.Network(
        SHAPE,
        [
            *(gt.Conv2d(4, 3, padding=1), gt.BatchNorm2d(), gt.ReLU(), *more),
            *(gt.Residual(body), gt.ReLU(), gt.GlobalAvgPool2d(), gt.Dropout(0.3)),
            *(gt.Linear(6), gt.ReLU(), gt.Dropout(0.2), gt.Linear(3)),
        ],
        seed=1,
    )
    net.freeze("conv*", "norm*")
    return net


def trained(net: gt.Network, given: object = None, **settings: object) -> gt.History:
    common = {"epochs": 3, "batch_size": 16, "seed": 5, "progress": False, "threads": 1}
    optimizer = gt.SGD(0.1, momentum=0.9, groups={"fc1": {"lr": 0.2}, "conv*": {"lr": 3}})
    return gt.train(
        net, data() if given is None else given, optimizer=optimizer, **common | settings
    )


def assert_same(one: gt.History, other: gt.History) -> None:
    assert one.step_losses == other.step_losses
    assert one.validation_loss == other.validation_loss


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[kept_features.Kept | None]:
    """What was kept, training by training."""
    found = []
    real = kept_features.keep_features

    def noted(*given: object) -> kept_features.Kept | None:
        found.append(real(*given))
        return found[-1]

    monkeypatch.setattr(kept_features, "keep_features", noted)
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_the_bits_are_the_same(engine: str, parts: list[kept_features.Kept | None]) -> None:
    around = {"clip_norm": 0.5, "average": 0.9, "schedule": gt.schedules.Cosine()}
    kept, anew = network(), network()
    settings = {"engine": engine, "validation": data(19, 4), **around}
    one = trained(kept, **settings)
    other = trained(anew, **settings, cache_features=False)
    if engine == "cpu":
        assert_same(one, other)
        assert_same_bits(arrays_of(kept), arrays_of(anew))
    else:  # NumPy may round products of other numbers of samples otherwise
        assert one.step_losses == pytest.approx(other.step_losses, rel=1e-12)
        assert one.validation_loss == pytest.approx(other.validation_loss, rel=1e-12)
        assert_all_close(arrays_of(kept), arrays_of(anew), FLOAT32)
    assert kept.drawn == anew.drawn == (3, 12)
    (found,) = parts
    assert found is not None
    assert found.head.input_name == "pool1.output"
    assert [step.name for step in found.head.steps] == [
        *("dropout1", "fc1", "relu4", "dropout2", "fc2"),
    ]


def test_a_step_computes_the_head_alone(parts: list[kept_features.Kept | None]) -> None:
    trained(network())
    assert parts[0] is not None
    options = Options(training=True, backward=True)
    program = plan_program(parts[0].head, gt.CrossEntropy(), options, gt.CPU().setup)
    layers = {call.layer for call in program.calls}
    assert layers == {"pool1.output", "dropout1", "fc1", "dropout2", "fc2", "loss"}


def test_the_trunk_is_computed_once_for_each_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []
    real = Reference.run

    def noted(self: Reference, system: object, values: dict[str, np.ndarray]) -> object:
        seen.append((system.nodes[0].name, len(values[system.input])))
        return real(self, system, values)

    monkeypatch.setattr(Reference, "run", noted)
    trained(network(), validation=data(19, 4), engine="reference", batch_size=25)
    assert seen[:2] == [("conv1", 50), ("conv1", 19)]
    assert {name for name, _ in seen[2:]} == {"dropout1"}
    assert len(seen) == 2 + 3 * (2 + 1)


def test_images_are_read_once(parts: list[kept_features.Kept | None]) -> None:
    x, y = pixels()
    kept, anew, images = network(), network(), Held(x, y)
    one = trained(kept, images, epochs=2)
    other = trained(anew, Held(x, y), epochs=2, cache_features=False)
    assert_same(one, other)
    assert_same_bits(arrays_of(kept), arrays_of(anew))
    assert parts[0] is not None


def test_where_a_sample_is_never_the_same_nothing_is_kept(
    parts: list[kept_features.Kept | None],
) -> None:
    for settings in ({"augment": gt.Augment(flip=0.5)}, {"mixup": 0.2}, {"epochs": 1}):
        trained(network(), **{"epochs": 2, **settings})
    trained(network(gt.Dropout(0.1)), epochs=2)
    net = network()
    net.unfreeze("norm1")
    trained(net, epochs=2)
    assert [found and found.head.input_name for found in parts] == [
        *(None, None, None, "relu1.output", "conv1.output"),
    ]


def test_a_cut_leaves_one_array_to_be_read() -> None:
    net = network()
    assert net.steps[frozen_trunk(net)].name == "dropout1"
    net.unfreeze("conv3")  # within the residual, whose input the sum reads, too
    place = frozen_trunk(net)
    assert net.steps[place].name == "conv2"
    head = NetworkPart(net, place, len(net.steps))
    assert head.input_name == "relu1.output"
    assert head.trained == net.trained
    assert head.parameters["conv3.weight"] is net.parameters["conv3.weight"]
    net.unfreeze("norm1.running_mean")
    assert net.steps[frozen_trunk(net)].name == "norm1"
    net.unfreeze("conv1")
    assert frozen_trunk(net) == 0


@pytest.mark.parametrize(
    ("free", "told"), [(4000, "are kept on disk"), (0, "in memory or on disk")]
)
def test_where_there_is_no_room_it_is_said(
    free: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = kept_features.shutil.disk_usage("/")
    monkeypatch.setattr(kept_features, "rooms", list)
    monkeypatch.setattr(kept_features.shutil, "disk_usage", lambda _: usage._replace(free=free))
    kept, anew = network(), network()
    with pytest.warns(gt.GradtrailWarning, match=f"the frozen layers take 800 B, .* {told}"):
        one = trained(kept, epochs=2)
    assert_same(one, trained(anew, epochs=2, cache_features=False))
    assert_same_bits(arrays_of(kept), arrays_of(anew))


def test_a_resume_takes_the_weights_that_the_training_had(tmp_path: Path) -> None:
    straight, first, again = network(), network(), network()
    one = trained(straight, epochs=4)
    kept = gt.Checkpoints(tmp_path)
    trained(first, epochs=2, checkpoints=kept)
    again.parameters["conv1.weight"] += 1  # which the checkpoint knows better
    other = trained(again, epochs=4, checkpoints=kept, resume=True)
    assert_same(one, other)
    assert_same_bits(arrays_of(straight), arrays_of(again))


def test_a_step_that_fails_is_told_of_the_whole() -> None:
    x, y = data()
    net = network()
    net.parameters["conv1.bias"][0] = 3e38
    course = Course(optimizer=gt.SGD(1e30), epochs=2, batch_size=16)
    training = prepare_training(net, (x, y), course)
    with pytest.raises(gt.NonFiniteError, match="step [12]: .*layer"):
        training.run()
    assert training.failed is not None
    assert training.failed.x.shape == (16, *SHAPE)
    assert (training.failed.x == x[training.failed.numbers]).all()
