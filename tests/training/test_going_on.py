"""What a resume takes: the same data to the last byte, and another number of epochs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.crafted import recrafted

import gradtrail as gt
from gradtrail import schedules
from gradtrail.data import ArrayImages, ImageFolder
from gradtrail.engines import engine_for
from gradtrail.layers.cross_entropy import loss_for
from gradtrail.training import Observer, Seen
from gradtrail.training.checkpoints import read_checkpoint
from gradtrail.training.feed import feed_for

from .common import Held, arrays_of, assert_same_bits, data, network, pixels, plain, trained

# -- data --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Held, ArrayImages])
def test_each_of_960_images_counts(kind: Any) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 256, (960, 1, 2, 2), np.uint8), np.arange(960) % 3
    net = gt.Network((1, 2, 2), [gt.Flatten(), gt.Linear(3)])

    def fingerprint() -> int:
        return feed_for(net, kind(x, y), loss_for(None), engine_for("cpu")).fingerprint()

    first = fingerprint()
    for place in range(960):
        x[place, 0, 1, 1] ^= 1
        assert fingerprint() != first, place
        x[place, 0, 1, 1] ^= 1
    assert fingerprint() == first
    x[[5, 8]] = x[[8, 5]]  # the same class
    assert fingerprint() != first


def test_labels_are_the_same_in_any_whole_numbers() -> None:
    x, y = np.zeros((6, 1, 2, 2), np.float32), np.arange(6) % 3
    net = gt.Network((1, 2, 2), [gt.Flatten(), gt.Linear(3)])
    pixels = np.zeros((6, 1, 2, 2), np.uint8)
    for made in (lambda labels: (x, labels), lambda labels: ArrayImages(pixels, labels)):
        feeds = [
            feed_for(net, made(y.astype(kind)), loss_for(None), engine_for("cpu"))
            for kind in ("i8", "i4", "u1", ">i2")
        ]
        assert len({feed.fingerprint() for feed in feeds}) == 1


@pytest.mark.parametrize("augment", [None, gt.Augment(crop=1)], ids=str)
def test_each_of_960_samples_and_labels_counts(augment: gt.Augment | None) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.random((960, 1, 2, 2), np.float32), np.arange(960) % 3
    net = gt.Network((1, 2, 2), [gt.Flatten(), gt.Linear(3)])

    def fingerprint() -> int:
        given = feed_for(net, (x, y), loss_for(None), engine_for("cpu"), augment=augment)
        return given.fingerprint()

    first = fingerprint()
    for place in range(960):
        before = x[place, 0, 1, 1]
        x[place, 0, 1, 1] = np.nextafter(before, np.float32(2))
        assert fingerprint() != first, place
        x[place, 0, 1, 1], y[place] = before, (y[place] + 1) % 3
        assert fingerprint() != first, place
        y[place] = place % 3
    assert fingerprint() == first


def test_a_subset_is_known_by_its_own_images() -> None:
    x = np.arange(24, dtype=np.uint8).reshape(6, 1, 2, 2)
    images = ArrayImages(x, [0, 1, 0, 1, 0, 1])
    whole = images.checksums()
    assert whole.dtype == np.uint32
    assert len(set(whole.tolist())) == 6
    np.testing.assert_array_equal(images.subset([4, 1]).checksums(), whole[[4, 1]])


def folder(root: Path) -> Path:
    """Twelve images of two classes, each pixel of its own."""
    from PIL import Image

    draw = np.random.default_rng(1)
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for number in range(6):
            pixels = draw.integers(0, 256, (4, 5, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


def changed(path: Path) -> None:
    """Another image in a file of the same date, whose length is padded to be the same."""
    from PIL import Image

    before, content = path.stat(), path.read_bytes()
    with Image.open(path) as picture:
        pixels = np.array(picture)
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes().ljust(len(content), b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def net_for(images: ImageFolder) -> gt.Network:
    return gt.Network(images.shape, [gt.Flatten(), gt.Linear(2)], seed=1)


def test_any_file_of_a_folder_that_is_another_is_noticed(tmp_path: Path) -> None:
    root, kept = folder(tmp_path / "data"), gt.Checkpoints(tmp_path / "kept")
    images = ImageFolder(root)
    trained(net_for(images), images, checkpoints=kept)
    for path in images.paths:  # another date is no other image
        os.utime(path, (0, 0))
    trained(net_for(images), ImageFolder(root), checkpoints=kept, resume=True)
    for path in (images.paths[3], images.paths[11]):
        sound = path.read_bytes()
        changed(path)
        with pytest.raises(
            gt.ArgumentError,
            match="data.fingerprint.* name is another, or their order",
        ):
            trained(net_for(images), ImageFolder(root), checkpoints=kept, resume=True)
        path.write_bytes(sound)
    trained(net_for(images), ImageFolder(root), checkpoints=kept, resume=True)


def test_the_checksums_of_a_folder_are_those_of_its_pixels(tmp_path: Path) -> None:
    images = ImageFolder(folder(tmp_path / "data"), size=3)
    held = ArrayImages(images.read(np.arange(12)), images.y)
    np.testing.assert_array_equal(images.checksums(), held.checksums())
    np.testing.assert_array_equal(images.subset([7, 2]).checksums(), held.checksums()[[7, 2]])


def test_a_file_that_is_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    images = ImageFolder(folder(tmp_path / "data"), memory=1)  # each is decoded every time
    images.read([3])
    changed(images.paths[3])
    with pytest.raises(gt.DataError, match=r"3.png has been changed since it was opened: its pix"):
        images.read([3])
    with pytest.raises(gt.DataError, match=r"3.png has been changed since it was opened"):
        trained(net_for(images), images)


# -- epochs ------------------------------------------------------------------------------------


class Rates(Observer):
    """Keeps the rate of every step."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def step(self, seen: Seen) -> None:
        self.rates.append(seen.rate)


@pytest.mark.parametrize("schedule", [None, schedules.Constant()], ids=str)
def test_more_epochs_are_as_if_there_had_always_been_so_many(
    schedule: schedules.Constant | None, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"schedule": schedule, "average": 0.9, "augment": gt.Augment(crop=1)}
    kept, net = gt.Checkpoints(tmp_path), network()
    trained(net, epochs=2, checkpoints=kept, **settings)
    net = network()
    history = trained(net, epochs=5, checkpoints=kept, resume=True, **settings)
    alone = network()
    assert history.step_losses == trained(alone, epochs=5, **settings).step_losses
    assert_same_bits(arrays_of(net), arrays_of(alone))
    assert (
        read_checkpoint(tmp_path / "checkpoint-00000020.safetensors").about["course"]["epochs"] == 5
    )
    again = network()
    trained(again, epochs=5, checkpoints=kept, resume=True, **settings)
    assert_same_bits(arrays_of(again), arrays_of(alone))


def test_fewer_epochs_end_sooner_unless_they_are_over(tmp_path: Path) -> None:
    kept = gt.Checkpoints(tmp_path, keep=1)

    class Stopping(gt.SGD):
        def scalars(self, step: int) -> Any:
            if step == 7:
                raise KeyboardInterrupt
            return super().scalars(step)

        def settings(self) -> dict[str, Any]:
            return gt.SGD(0.1).settings()

    trained(plain(), epochs=9, checkpoints=kept, optimizer=Stopping(0.1))
    with pytest.raises(gt.ArgumentError, match=r"is in epoch 2 already, so epochs=1 is over; give"):
        trained(plain(), epochs=1, checkpoints=kept, optimizer=gt.SGD(0.1), resume=True)
    history = trained(plain(), epochs=2, checkpoints=kept, optimizer=gt.SGD(0.1), resume=True)
    assert history.steps == 8
    assert history.step_losses == trained(plain(), epochs=2, optimizer=gt.SGD(0.1)).step_losses


SCHEDULES: list[tuple[Any, list[float], str]] = [
    # two epochs of four steps, and then four of them: the second half of the longer course
    (schedules.OneCycle(warm_up=0.0), [0.46875, 0.40625], "0.469 of the full one, behind 0.0625"),
    (schedules.Cosine(), [0.45099142, 0.35485766], "0.451 of the full one, behind 0.00961"),
    (schedules.StepDecay((0.5, 0.75), 0.1), [0.1, 0.1], "0.1 of the full one, behind 0.01"),
]


@pytest.mark.parametrize(("schedule", "rates", "told"), SCHEDULES, ids=str)
def test_a_schedule_goes_on_as_that_of_the_longer_training(
    schedule: Any, rates: list[float], told: str, tmp_path: Path
) -> None:
    kept, seen = gt.Checkpoints(tmp_path), Rates()
    settings: dict[str, Any] = {"schedule": schedule, "checkpoints": kept, "log": [seen]}
    trained(plain(), epochs=2, optimizer=gt.SGD(1.0), **settings)
    with pytest.warns(gt.GradtrailWarning, match=f"16 steps now instead of 8: .* {told}"):
        trained(plain(), epochs=4, optimizer=gt.SGD(1.0), resume=True, **settings)
    assert len(seen.rates) == 16
    assert seen.rates[8:10] == pytest.approx(rates, rel=1e-6)


def test_a_training_that_ended_early_takes_no_more_epochs(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "checkpoints": gt.Checkpoints(tmp_path),
        "stopping": gt.EarlyStopping(1, measure="loss", least=10.0),
    }
    assert trained(network(), epochs=4, **settings).stopped
    with pytest.raises(gt.ArgumentError, match="ended early, with patience 1; more epochs than 4"):
        trained(network(), epochs=9, resume=True, **settings)
    assert trained(network(), epochs=4, resume=True, **settings).epochs == 2


# -- where it was written ----------------------------------------------------------------------


def test_a_checkpoint_says_who_wrote_it_and_what_is_not_promised(tmp_path: Path) -> None:
    kept = gt.Checkpoints(tmp_path, keep=1)
    trained(plain(), epochs=1, checkpoints=kept, engine=gt.CPU(target="baseline"))
    (path,) = tmp_path.iterdir()
    written = read_checkpoint(path).about["written"]
    assert written["gradtrail"] == gt.__version__
    assert written["processor"] == gt.CPU(target="baseline").processor.cpu
    assert written["bits"].endswith("separate multiply-add")
    assert "the seconds; and the last bits" in written["not_promised"]
    with pytest.warns(gt.GradtrailWarning, match=r"separate multiply-add\), and this is .*fused"):
        trained(plain(), epochs=1, checkpoints=kept, resume=True)


def test_another_version_is_said(tmp_path: Path) -> None:
    kept = gt.Checkpoints(tmp_path, keep=1)
    trained(plain(), epochs=1, checkpoints=kept)
    (path,) = tmp_path.iterdir()
    recrafted(path, lambda about: about["written"].update(gradtrail="0.0.9"))
    with pytest.warns(gt.GradtrailWarning, match="was written by gradtrail 0.0.9, and this is"):
        trained(plain(), epochs=1, checkpoints=kept, resume=True)


@pytest.mark.parametrize("given", [None, Held], ids=str)
def test_the_first_format_is_gone_on_with(given: Any, tmp_path: Path) -> None:
    """It had the epochs' figures as JSON, told of no version, and looked at 512 images."""
    source = None if given is None else given(*pixels())
    kept = gt.Checkpoints(tmp_path, keep=1)
    trained(plain(), source, epochs=1, checkpoints=kept)
    (path,) = tmp_path.iterdir()
    held = read_checkpoint(path)
    figures = held.history().to_dict()
    for name in ("losses", "rates", "ends", "interrupted", "stopped"):
        del figures[name]

    def older(about: dict[str, Any]) -> None:
        about |= {"format": 1, "history": figures}
        del about["written"], about["drawn"]
        about["data"]["fingerprint"] = feed_for(
            plain(), source or data(), loss_for(None), engine_for("cpu")
        ).fingerprint(1)

    def fewer(arrays: dict[str, np.ndarray]) -> None:
        for name in [n for n in arrays if n.startswith("history/") and n != "history/losses"]:
            del arrays[name]

    recrafted(path, older, fewer)
    found = trained(plain(), source, epochs=3, checkpoints=kept, resume=True)
    assert found.step_losses == trained(plain(), source, epochs=3).step_losses
    assert len(found.loss) == 3
