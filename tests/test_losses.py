"""Losses against their definitions, and machine code against the reference."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from comparing import FLOAT32, assert_close

import gradtrail as gt


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def same(shape: tuple[int, ...], dtype: Any = np.float32) -> gt.Network:
    """A network whose outputs are its inputs, so that a loss is looked at by itself."""
    return gt.Network(shape, [gt.LeakyReLU(1.0)], dtype=dtype)


def both_engines(loss: Any, z: np.ndarray, y: np.ndarray) -> gt.Trace:
    """The trace of the reference; the CPU engine's is compared with it, the evaluation too."""
    wide = gt.trace(same(z.shape[1:], np.float64), z, y, loss=loss, engine="reference")
    narrow = z.astype(np.float32)
    fast = gt.trace(same(z.shape[1:]), narrow, y, loss=loss, engine="cpu")
    assert fast.loss == pytest.approx(wide.loss, rel=1e-5)
    for name in wide.value:
        if name.startswith("loss."):
            assert_close(fast.value[name], wide.value[name], FLOAT32)
    assert_close(fast.grad["input"], wide.grad["input"], FLOAT32)
    found = [
        gt.evaluate(same(z.shape[1:]), (narrow, y), loss=loss, engine=e, batch_size=16)
        for e in ("cpu", "reference")
    ]
    assert found[0].keys() == found[1].keys()
    assert found[0]["loss"] == pytest.approx(found[1]["loss"], rel=1e-5)
    assert found[0].get("accuracy") == found[1].get("accuracy")
    return wide


# -- classes of positions ------------------------------------------------------------------------

MAPS = [
    gt.CrossEntropy(),
    gt.CrossEntropy(ignore_index=255, label_smoothing=0.2),
    gt.CrossEntropy(ignore_index=255, weight=(1, 2, 0.5)),
]


def maps(shape: tuple[int, ...], count: int = 19) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of three classes, and labels of which every fourth is 255."""
    z, y = draw().normal(size=(count, 3, *shape)), draw(1).integers(0, 3, (count, *shape))
    y.flat[::4] = 255
    return z, y.astype(np.uint8)


@pytest.mark.parametrize("loss", MAPS)
def test_a_map_has_the_loss_of_its_positions_as_samples(loss: gt.CrossEntropy) -> None:
    """The mean is divided by the positions that count, or by their classes' weights."""
    z, y = maps((4, 3))
    y = y if loss.ignore_index else np.where(y == 255, 0, y)
    t = both_engines(loss, z, y)
    keep = (y != 255).ravel()
    rows, labels = np.moveaxis(z, 1, -1).reshape(-1, 3)[keep], y.ravel()[keep]
    alone = gt.CrossEntropy(weight=loss.weight, label_smoothing=loss.label_smoothing)
    flat = gt.trace(same((3,), np.float64), rows, labels, loss=alone, engine="reference")
    assert t.loss == pytest.approx(flat.loss, rel=1e-12)
    grad = np.moveaxis(t.grad["input"], 1, -1).reshape(-1, 3)
    np.testing.assert_allclose(grad[keep], flat.grad["input"], rtol=1e-11, atol=1e-16)
    assert not grad[~keep].any()
    assert gt.evaluate(same((3, 4, 3)), (z.astype(np.float32), y), loss=loss)[
        "accuracy"
    ] == pytest.approx((rows.argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("shape", [(5,), (2, 3, 2)])
def test_maps_of_any_rank(shape: tuple[int, ...]) -> None:
    z, y = maps(shape, 5)
    both_engines(MAPS[2], z, y)
    soft = np.moveaxis(draw(2).dirichlet(np.ones(3), (5, *shape)), -1, 1)
    t = both_engines(gt.CrossEntropy(), z, soft)
    logs = np.log(t.value["loss.probabilities"])
    assert t.loss == pytest.approx(-(soft * logs).sum() / (5 * np.prod(shape)), rel=1e-12)


def segmenter() -> gt.Network:
    return gt.Network((1, 6, 5), [gt.Conv2d(4, 3, padding=1), gt.Tanh(), gt.Conv2d(3, 1)], seed=0)


def test_trainings_over_maps_are_the_references_and_count_positions() -> None:
    x, (_, y) = draw(3).normal(size=(19, 1, 6, 5)).astype(np.float32), maps((6, 5))
    held = []
    for engine in ("cpu", "reference"):
        net = segmenter()
        done = gt.train(
            *(net, (x, y)),
            validation=(x[:7], y[:7]),
            loss=MAPS[1],
            epochs=2,
            batch_size=8,
            engine=engine,
            progress=False,
        )
        held.append([*done.step_losses, *done.validation_loss])
        right = (net.predict(x[:7]).argmax(axis=1) == y[:7]).sum() / (y[:7] != 255).sum()
        assert done.validation_accuracy[-1] == pytest.approx(right, abs=0.02)
    assert_close(np.array(held[0]), np.array(held[1]), FLOAT32)


def test_influence_has_each_samples_own_loss() -> None:
    (z, y), net = maps((2, 2), 5), gt.Network((3, 2, 2), [gt.Conv2d(3, 1)], seed=1)
    found = gt.influence(net, (z.astype(np.float32), y), loss=MAPS[1])
    whole = gt.evaluate(net, (z.astype(np.float32), y), loss=MAPS[1])
    assert found.surprise.mean() == pytest.approx(whole["loss"], rel=1e-5)


def test_nothing_that_counts_is_refused_and_a_batch_of_it_has_loss_0() -> None:
    z, y = maps((2, 2), 3)
    nothing = np.full_like(y, 255)
    with pytest.raises(
        gt.DataError, match="all labels in data are left out by ignore_index; nothing"
    ):
        gt.evaluate(same((3, 2, 2)), (z.astype(np.float32), nothing), loss=MAPS[1])
    for engine in ("cpu", "reference"):
        t = gt.trace(same((3, 2, 2)), z.astype(np.float32), nothing, loss=MAPS[1], engine=engine)
        assert t.loss == 0
        assert not t.grad["input"].any()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.full((2, 2, 2), 255), r"CrossEntropy\(ignore_index=255\) leaves them out"),
        (np.zeros((2, 3)), r"labels are integers of shape \(2, 2, 2\) or one-hot of shape"),
        (np.full((2, 2, 2), 7), r"label 7 at position \(0, 0, 0\) is out of range"),
    ],
)
def test_maps_that_do_not_fit(labels: np.ndarray, said: str) -> None:
    with pytest.raises(gt.DataError, match=said):
        gt.trace(same((3, 2, 2)), np.zeros((2, 3, 2, 2), np.float32), labels)


def test_what_moves_images_alone_is_refused() -> None:
    x, y = np.zeros((4, 1, 6, 5), np.float32), np.zeros((4, 6, 5), np.int64)
    with pytest.raises(gt.DataError, match="augmentation moves images, but not the maps"):
        gt.train(segmenter(), (x, y), augment=gt.Augment(shift=1), progress=False)
    with pytest.raises(gt.DataError, match="a class of a position cannot be mixed"):
        gt.train(segmenter(), (x, y), mixup=0.5, progress=False)


# -- penalties of elements, and overlaps -----------------------------------------------------------

Definition = Callable[[np.ndarray, np.ndarray], np.ndarray]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def softmax(z: np.ndarray) -> np.ndarray:
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def per_class(numbers: Sequence[float], z: np.ndarray) -> np.ndarray:
    return np.reshape(numbers, (-1, *[1] * (z.ndim - 2)))


def huber(z: np.ndarray, t: np.ndarray, delta: float = 0.7) -> np.ndarray:
    d = np.abs(z - t)
    return np.where(d <= delta, d**2 / 2, delta * (d - delta / 2)).mean()


def bce(z: np.ndarray, t: np.ndarray, p: Sequence[float] = (2, 0.5, 1)) -> np.ndarray:
    yes, no = np.log(sigmoid(z)), np.log(sigmoid(-z))
    return -(per_class(p, z) * t * yes + (1 - t) * no).mean()


def dice(z: np.ndarray, t: np.ndarray, s: float = 1.0) -> np.ndarray:
    chances = softmax(z) if t.ndim < z.ndim else sigmoid(z)
    target = np.moveaxis(np.eye(z.shape[1])[t], -1, 1) if t.ndim < z.ndim else t
    both, whole = ((chances * target).sum(axis=(2, 3)), (chances + target).sum(axis=(2, 3)))
    return (1 - (2 * both + s) / (whole + s)).mean()


def focal(z: np.ndarray, t: np.ndarray, keep: Any = None) -> np.ndarray:
    """Of gamma 1.5, over the labels that are kept: by default all but 9."""
    chance = np.take_along_axis(softmax(z), t.clip(0, 2)[:, None], axis=1)[:, 0]
    added = -((1 - chance) ** 1.5) * np.log(chance) * np.take([1, 2, 3], t.clip(0, 2))
    counts = t != 9
    return (added * counts).sum() / (counts.sum() if keep is None else keep)


def binary_focal(z: np.ndarray, t: np.ndarray) -> np.ndarray:
    q = np.where(t > 0, sigmoid(z), sigmoid(-z))
    return (np.where(t > 0, 0.25, 0.75) * -((1 - q) ** 2) * np.log(q)).mean()


def drawn(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of maps with three channels, and labels: numbers, yes or no, classes."""
    z, numbers = draw(5).normal(size=(2, 19, 3, 4, 2))
    classes = draw(6).integers(0, 3, (19, 4, 2))
    if kind == "left out":
        classes[::3] = 9
    return z, {"numbers": numbers, "tags": (numbers > 0).astype(np.uint8)}.get(kind, classes)


LOSSES: dict[str, tuple[Any, str, Definition]] = {
    "l1": (gt.L1(), "numbers", lambda z, t: np.abs(z - t).mean()),
    "huber": (gt.Huber(0.7), "numbers", huber),
    "bce": (gt.BCEWithLogits(pos_weight=(2, 0.5, 1)), "tags", bce),
    "formula": (
        gt.PointwiseLoss("log(1 + (z − t)²) + exp(−z)/4", weight=(3, 0, 1)),
        "numbers",
        lambda z, t: (per_class((3, 0, 1), z) * (np.log(1 + (z - t) ** 2) + np.exp(-z) / 4)).mean(),
    ),
    "focal": (gt.Focal(1.5, alpha=(1, 2, 3), ignore_index=9), "left out", focal),
    "binary focal": (gt.BinaryFocal(), "tags", binary_focal),
    "dice": (gt.Dice(), "classes", dice),
    "binary dice": (gt.BinaryDice(), "tags", dice),
}


def agrees(loss: Any, kind: str, definition: Definition) -> None:
    """On both engines the loss is the definition's, and the gradient is its slope."""
    z, y = drawn(kind)
    t = both_engines(loss, z, y)
    assert t.loss == pytest.approx(float(definition(z, y)), rel=1e-12)
    direction, h = draw(7).normal(size=z.shape), 1e-5
    slope = (definition(z + h * direction, y) - definition(z - h * direction, y)) / (2 * h)
    assert (t.grad["input"] * direction).sum() == pytest.approx(float(slope), rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_its_definition(name: str) -> None:
    agrees(*LOSSES[name])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("focal", lambda z, t: focal(z, t, keep=t.size)),  # divided by all labels
        ("bce", lambda z, t: bce(-z, 1 - t)),  # pos_weight on the side of no
        ("huber", lambda z, t: huber(z, t, 0.75)),  # the kink elsewhere
        ("binary focal", lambda z, t: binary_focal(-z, 1 - t)),
        ("dice", lambda z, t: dice(z, t, 0.9)),
    ],
)
def test_another_definition_is_told_apart(name: str, wrong: Definition) -> None:
    loss, kind, _ = LOSSES[name]
    with pytest.raises(AssertionError, match="comparison failed|approx"):
        agrees(loss, kind, wrong)


@pytest.mark.parametrize(
    "loss", [gt.CrossEntropy(), gt.Focal(0), gt.Focal(1.5), gt.Dice()], ids=lambda loss: str(loss)
)
def test_what_all_outputs_share_changes_nothing(loss: gt.Focal | gt.Dice) -> None:
    """A class has the chance that its distance from the greatest output gives, exactly taken."""
    z = np.round(drawn("classes")[0], 2) + 5000
    both_engines(loss, z.astype(np.float32).astype(np.float64), drawn("classes")[1])


def test_a_target_that_float32_cannot_hold_is_named_by_the_step() -> None:
    x, y = np.zeros((4, 3), np.float32), np.full((4, 1), 1e300)
    net = gt.Network((3,), [gt.Linear(1)])
    with pytest.raises(
        gt.NonFiniteError, match=r"step 1: loss.target\[0,0\] of layer 'loss' \(L1\)"
    ):
        gt.train(net, (x, y), loss=gt.L1(), progress=False)


def test_kinks_have_pytorchs_slopes() -> None:
    """The slope of |d| is 0 at 0; Huber's are one where it bends, and the sum of both pieces."""
    z, y = np.float64([[0, 1, -1, 2]]), np.zeros((1, 4))
    for loss, slopes in ((gt.L1(), [0, 1, -1, 1]), (gt.Huber(1), [0, 1, -1, 1])):
        assert both_engines(loss, z, y).grad["input"].tolist() == [[s / 4 for s in slopes]]
    soft = both_engines(gt.BCEWithLogits(), np.float64([[0, 80, -80]]), np.float64([[1, 1, 1]]))
    assert soft.grad["input"] * 3 == pytest.approx(np.array([[-0.5, 0, -1]]), abs=1e-30)


@pytest.mark.parametrize("name", ["bce", "focal", "dice", "binary dice"])
def test_trainings_by_other_losses_are_the_references(name: str) -> None:
    loss, kind, _ = LOSSES[name]
    x, (_, y), held = draw(8).normal(size=(19, 1, 4, 2)).astype(np.float32), drawn(kind), []
    for engine in ("cpu", "reference"):
        net = gt.Network((1, 4, 2), [gt.Conv2d(4, 3, padding=1), gt.Tanh(), gt.Conv2d(3, 1)])
        done = gt.train(
            net, (x, y), loss=loss, epochs=2, batch_size=8, engine=engine, progress=False
        )
        held.append(np.array([*done.step_losses, *net.parameters["conv2.weight"].ravel()]))
        assert bool(done.accuracy) is (kind != "tags")
    assert_close(held[0], held[1], FLOAT32)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: gt.PointwiseLoss("z − q"), "formula reads q; it is an expression of z"),
        (lambda: gt.PointwiseLoss("z +"), "PointwiseLoss: formula: "),
        (lambda: gt.PointwiseLoss(3), "formula is 3; it is an expression of z"),
        (lambda: gt.Huber(0), "Huber: delta must be a finite number above 0, got 0"),
        (lambda: gt.BCEWithLogits(pos_weight=(-1,)), "pos_weight needs finite numbers ≥ 0"),
        (lambda: gt.Focal(0.5), "gamma must be 0, or from 1 to 100, got 0.5"),
        (lambda: gt.Focal(alpha=(0, 0)), "one of them above 0, got (0.0, 0.0)"),
        (lambda: gt.Focal(alpha=np.ones((2, 2))), "Focal: alpha needs one number per class"),
        (lambda: gt.Dice(0), "smooth must be a finite number above 0, got 0"),
        (lambda: gt.Dice(np.inf), "smooth must be a finite number above 0, got inf"),
        (lambda: gt.Huber(np.inf), "Huber: delta must be a finite number above 0, got inf"),
    ],
)
def test_settings_that_make_no_loss(made: Callable[[], Any], said: str) -> None:
    with pytest.raises(gt.ArgumentError, match=re.escape(said)):
        made()


@pytest.mark.parametrize(
    ("loss", "labels", "said"),
    [
        (gt.BCEWithLogits(), np.zeros(2, np.int64), "Class numbers are for loss=CrossEntropy"),
        (gt.BCEWithLogits(), np.full((2, 3), 2), "y is 2 at (0, 0), but yes is 1 and no is 0"),
        (gt.L1(), np.zeros((2, 4)), "L1 compares them element by element"),
    ],
)
def test_labels_that_do_not_fit_a_loss(loss: Any, labels: np.ndarray, said: str) -> None:
    with pytest.raises(gt.DataError, match=re.escape(said)):
        gt.trace(same((3,)), np.zeros((2, 3), np.float32), labels, loss=loss)
    with pytest.raises(gt.ShapeError, match="has 2 numbers as pos_weight but gets 3 outputs"):
        gt.trace(
            same((3,)), np.zeros((2, 3)), np.zeros((2, 3)), loss=gt.BCEWithLogits(pos_weight=(1, 2))
        )
