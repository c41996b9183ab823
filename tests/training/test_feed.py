"""Batches: arrays and images give the same training, and what goes wrong is named and ends."""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from comparing import assert_close

import gradtrail as gt
from gradtrail.engines import Batch, Stepped, engine_for
from gradtrail.streams import Drawn, stream
from gradtrail.training import Observer, Seen
from gradtrail.training.feed import feed_for
from gradtrail.training.staged_feed import StagedFeed

from .common import (
    CLASSES,
    ENGINES,
    SHAPE,
    Held,
    arrays_of,
    assert_same_bits,
    data,
    network,
    pixels,
    plain,
    trained,
)

MOVED = gt.Augment(crop=1, flip=0.5, rotation=20, shift=0.1, scale=0.1, cutout=2)


PATIENCE = 60.0
"""Seconds after which something that is waited for is taken for hanging."""


def readers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "gradtrail-reader"]


@pytest.fixture(autouse=True)
def no_reader_is_left() -> Iterator[None]:
    yield
    if readers():  # only then: in a long session a collection takes longer than most tests here
        gc.collect()
    for thread in readers():
        thread.join(PATIENCE)
    assert readers() == []


# -- images and arrays -------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("settings", [{}, {"augment": MOVED}, {"mixup": 0.4}], ids=str)
def test_images_train_like_arrays_bit_for_bit(settings: dict[str, object], engine: str) -> None:
    results = []
    common = {"engine": engine, "validation": data(30, 4), **settings}
    for given in (data(), Held(*pixels()), Held(*pixels(), cached=50)):
        net = network()
        results.append((trained(net, given, **common), arrays_of(net)))
    for history, arrays in results[1:]:
        assert history.step_losses == results[0][0].step_losses
        assert history.accuracy == results[0][0].accuracy
        assert history.validation_loss == results[0][0].validation_loss
        assert_same_bits(arrays, results[0][1])


@pytest.mark.parametrize("engine", ENGINES)
def test_images_are_evaluated_and_counted_like_arrays(engine: str) -> None:
    net = network()
    trained(net)
    held, arrays = Held(*pixels()), data()
    assert gt.evaluate(net, held, engine=engine) == gt.evaluate(net, arrays, engine=engine)
    one, other = (gt.confusion(net, d, engine=engine, batch_size=7) for d in (held, arrays))
    np.testing.assert_array_equal(one.matrix, other.matrix)
    assert one.classes == ("a", "b", "c")
    settings = {"engine": engine, "validation": held}
    judged = trained(net, arrays, epochs=1, optimizer=gt.SGD(1e-12), **settings)
    expected = gt.evaluate(net, arrays, engine=engine)
    assert judged.validation_accuracy == [expected["accuracy"]]


def test_images_in_any_memory_order_are_read_right() -> None:
    """As a folder that decodes (height, width, channels) might hand them over."""

    class Transposed(Held):
        def read(self, places: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
            last = np.ascontiguousarray(super().read(places).transpose(0, 2, 3, 1))
            return last.transpose(0, 3, 1, 2)

    losses = [
        trained(network(), kind(*pixels()), augment=MOVED).step_losses
        for kind in (Held, Transposed)
    ]
    assert losses[0] == losses[1]


def test_what_is_not_moved_is_read_where_it_lies() -> None:
    """No staging: the same bits as with an augmentation that does nothing."""
    losses = [trained(network(), augment=a).step_losses for a in (None, gt.Augment())]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("engine", ENGINES)
def test_augmentation_that_moves_nothing_far_is_exact(engine: str) -> None:
    """All images mirrored: the same training as on mirrored arrays."""
    x, y = data()
    mirrored = trained(network(), (x[..., ::-1].copy(), y), engine=engine)
    found = trained(network(), (x, y), engine=engine, augment=gt.Augment(flip=1.0))
    assert found.step_losses == mirrored.step_losses


def test_every_epoch_is_moved_otherwise_and_any_batch_size_alike() -> None:
    net, (x, y) = plain(), data()
    runs, loss = engine_for("cpu", net), gt.CrossEntropy()
    feed = feed_for(net, (x, y), loss, runs, augment=MOVED)
    order = np.arange(50)

    def seen(size: int, epoch: int, start: int = 0) -> np.ndarray:
        drawn = Drawn(epoch, epoch * -(-50 // size))
        batches = feed.batches(order, size, seed=3, drawn=drawn, start=start)
        return np.concatenate([batch.x.copy() for batch in batches])

    whole = seen(50, 0)
    for size in (1, 7, 16, 49, 64):
        np.testing.assert_array_equal(seen(size, 0), whole)
    np.testing.assert_array_equal(seen(16, 0, start=2), whole[32:])
    assert (np.abs(seen(50, 1) - whole).max(axis=(1, 2, 3)) > 1e-3).mean() > 0.9


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [1, 49, 50, 51, 1000])
def test_batches_of_one_and_of_everything(size: int, engine: str) -> None:
    settings = {"batch_size": size, "engine": engine, "epochs": 1, "augment": MOVED, "mixup": 0.2}
    history = trained(plain(), Held(*pixels()), **settings)
    assert history.steps == -(-50 // size)
    assert history.step_losses == trained(plain(), data(), **settings).step_losses


# -- mixup and losses --------------------------------------------------------------------------


def mixed_by_hand(seed: int, step: int, places: np.ndarray, alpha: float):
    """Samples and labels of a batch, mixed in float64."""
    (x, y), draw = data(), stream(seed, "mixup", step)
    share, other = draw.beta(alpha, alpha), draw.permutation(len(places))
    x, labels = x[places].astype(np.float64), np.eye(CLASSES)[y[places]]
    return (
        share * x + (1 - share) * x[other],
        share * labels + (1 - share) * labels[other],
        share,
    )


@pytest.mark.parametrize("hot", [False, True])
def test_mixup_mixes_pixels_and_labels_alike(hot: bool) -> None:
    net, (x, y) = plain(), data()
    runs, loss = engine_for("cpu", net), gt.CrossEntropy(label_smoothing=0.1)
    feed = feed_for(net, (x, np.eye(CLASSES)[y] if hot else y), loss, runs, mixup=0.4)
    order = stream(5, "order", 1).permutation(50)
    shares = []
    for at, batch in enumerate(feed.batches(order, 16, seed=5, drawn=Drawn(1, 4))):
        places = order[16 * at : 16 * at + 16]
        pixels_, labels, share = mixed_by_hand(5, 4 + at, places, 0.4)
        np.testing.assert_array_equal(batch.numbers, places)
        assert_close(batch.x, pixels_, 1e-6, "pixels")
        assert_close(batch.y, labels, 1e-12, "labels")
        assert_close(batch.targets["T"], 0.9 * labels + 0.1 / CLASSES, 1e-12, "targets")
        held, by_class = batch.samples.rows
        assert not by_class
        assert_close(held[: len(batch)], (0.9 * labels + 0.1 / CLASSES), 1e-6, "rows")
        np.testing.assert_array_equal(batch.classes, labels.argmax(axis=1))
        shares.append(share)
    assert at == 3
    assert len(set(shares)) == 4


WEIGHTED = gt.CrossEntropy(weight=(0.2, 1.0, 3.0), label_smoothing=0.1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("loss", [gt.CrossEntropy(label_smoothing=0.2), WEIGHTED], ids=str)
def test_a_mixed_step_has_the_loss_of_its_mixed_samples(loss: gt.CrossEntropy, engine: str) -> None:
    """Class weights and smoothing with mixup: as `trace` has it of rows of probabilities."""
    net = plain()
    history = trained(net, loss=loss, mixup=0.7, optimizer=gt.SGD(1e-12), engine=engine)
    for step in range(8):
        order = stream(5, "order", step // 4).permutation(50)
        x, y, _ = mixed_by_hand(5, step, order[16 * (step % 4) :][:16], 0.7)
        expected = gt.trace(plain(), x, y, loss=loss, engine="reference").loss
        assert history.step_losses[step] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("loss", [gt.CrossEntropy(label_smoothing=0.2), WEIGHTED], ids=str)
def test_moved_samples_count_by_their_classes(loss: gt.CrossEntropy, engine: str) -> None:
    """With class weights each batch's mean is over the weights of its labels."""
    x, y = data()
    flip = gt.Augment(flip=1.0)
    found = trained(network(), (x, y), loss=loss, augment=flip, engine=engine)
    expected = trained(network(), (x[..., ::-1].copy(), y), loss=loss, engine=engine)
    assert found.step_losses == expected.step_losses
    assert found.loss == expected.loss


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("outputs", [1, 2])
def test_numbers_are_learned_from_moved_and_from_mixed_images(outputs: int, engine: str) -> None:
    (x, _), loss = data(), gt.MeanSquaredError()
    y = x.sum((1, 2, 3)) if outputs == 1 else x.sum((2, 3))
    settings = {"loss": loss, "optimizer": gt.SGD(1e-12), "engine": engine}
    moved = trained(plain(outputs=outputs), (x, y), augment=gt.Augment(flip=1.0), **settings)
    still = trained(plain(outputs=outputs), (x[..., ::-1].copy(), y), **settings)
    assert moved.step_losses == still.step_losses
    assert moved.accuracy == []
    mixed = trained(plain(outputs=outputs), (x, y), mixup=0.5, **settings)
    for step in range(8):
        order = stream(5, "order", step // 4).permutation(50)[16 * (step % 4) :][:16]
        inputs, _, share = mixed_by_hand(5, step, order, 0.5)
        draw = stream(5, "mixup", step)
        draw.beta(0.5, 0.5)
        other = draw.permutation(len(order))
        target = share * y[order] + (1 - share) * y[order][other]
        expected = gt.trace(plain(outputs=outputs), inputs, target, loss=loss, engine="reference")
        assert mixed.step_losses[step] == pytest.approx(expected.loss, rel=1e-5)


@pytest.mark.parametrize("settings", [{"augment": MOVED}, {"mixup": 0.3}], ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_one_hot_labels_train_like_class_numbers(engine: str, settings: dict) -> None:
    x, y = data()
    histories = [
        trained(network(), (x, labels), engine=engine, **settings)
        for labels in (y, np.eye(CLASSES)[y], np.eye(CLASSES, dtype=np.uint8)[y], y.astype(">i2"))
    ]
    for history in histories[1:]:
        assert history.step_losses == histories[0].step_losses
        assert history.accuracy == histories[0].accuracy


@pytest.mark.parametrize("loss", [gt.CrossEntropy(), gt.CrossEntropy(weight=(1.0, 2.0))], ids=str)
@pytest.mark.parametrize("settings", [{}, {"augment": MOVED}, {"mixup": 0.3}], ids=str)
def test_truth_values_are_classes_0_and_1(settings: dict, loss: gt.CrossEntropy) -> None:
    x, y = data()
    found = [
        trained(plain(outputs=2), (x, labels), loss=loss, **settings)
        for labels in (y > 0, (y > 0).astype(int))
    ]
    assert found[0].step_losses == found[1].step_losses
    assert found[0].accuracy == found[1].accuracy


def test_a_network_of_float64_takes_moved_images_too() -> None:
    """They are float32, since pixels have no more digits than that."""
    net = plain(dtype=np.float64)
    history = trained(net, augment=MOVED, mixup=0.2)
    assert history.step_losses == trained(plain(dtype=np.float64), Held(*pixels()), augment=MOVED,
                                     mixup=0.2).step_losses  # fmt: skip


# -- what goes wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "settings", [{}, {"augment": gt.Augment(crop=1, flip=0.5)}, {"mixup": 1e-9}], ids=str
)
def test_a_nan_is_blamed_on_the_sample_of_the_data(
    settings: dict[str, object], shuffle: bool, engine: str
) -> None:
    """Though a batch is staged; a mixup of α near 0 takes one sample of the two, or the other."""
    (x, y), net = data(), plain()
    x[37] = np.nan
    before = arrays_of(net)
    pattern = r"step (\d): input\[(\d+),0,\d,\d\], sample (\d+) is nan"
    with pytest.raises(gt.NonFiniteError, match=pattern) as caught:
        trained(net, (x, y), shuffle=shuffle, engine=engine, optimizer=gt.SGD(1e-30), **settings)
    import re

    step, place, sample = map(int, re.search(pattern, str(caught.value)).groups())
    order = stream(5, "order", 0).permutation(50) if shuffle else np.arange(50)
    if "mixup" in settings:  # the one that it was mixed with may be named: it has the NaN, too
        draw = stream(5, "mixup", step - 1)
        draw.beta(1e-9, 1e-9)
        part = order[16 * (step - 1) :][:16]
        assert sample == part[place]
        other = part[draw.permutation(len(part))]
        assert 37 in (sample, other[place])
    else:
        assert sample == 37
        assert order[16 * (step - 1) + place] == 37
    for name, array in arrays_of(net).items():
        np.testing.assert_allclose(array, before[name], atol=1e-20)


@pytest.mark.parametrize("given", ["arrays", "images"])
@pytest.mark.parametrize("engine", ENGINES)
def test_watching_names_the_samples_of_the_data(engine: str, given: str) -> None:
    """The staged batches' samples: what they brought is what a trace of the moved ones says."""
    augment, element = gt.Augment(flip=1.0), "fc1.weight[2,17]"
    source = data() if given == "arrays" else Held(*pixels())
    history = trained(
        plain(), source, augment=augment, watch=[element], engine=engine, optimizer=gt.SGD(1e-9)
    )
    kept = history.watched[element]
    x, y = data()
    for step in range(8):
        order = stream(5, "order", step // 4).permutation(50)[16 * (step % 4) :][:16]
        t = gt.trace(plain(), x[order][..., ::-1].copy(), y[order], engine="reference")
        top = t.grad.terms("fc1.weight", (2, 17)).by("n").top(5)
        count = min(5, len(order))
        assert set(kept.samples[step][:count]) == {int(order[n]) for n in list(top)[:count]}
        np.testing.assert_allclose(
            np.sort(kept.shares[step][:count]), np.sort(top.sums[:count]), rtol=1e-4, atol=1e-8
        )


class Failing(Held):
    """Cannot read one of its images."""

    def read(self, places: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        if 37 in places:
            raise gt.DataError("cannot read a/37.png: it is cut off")
        return super().read(places, out)


@pytest.mark.parametrize("cached", [0, 50])
def test_an_image_that_cannot_be_read_stops_the_training_with_its_message(cached: int) -> None:
    net, optimizer = plain(), gt.SGD(0.1)
    with pytest.raises(gt.DataError, match="cannot read a/37.png: it is cut off"):
        trained(net, Failing(*pixels(), cached=cached), shuffle=False, optimizer=optimizer)
    assert optimizer.remembered(net)[0] == 2  # the batches before it were learned from
    twin = plain()
    x, y = data()
    trained(twin, (x[:32], y[:32]), shuffle=False, optimizer=gt.SGD(0.1), epochs=1)
    assert_same_bits(arrays_of(net), arrays_of(twin))
    with pytest.raises(gt.DataError, match="cannot read a/37.png"):
        gt.evaluate(net, Failing(*pixels(), cached=cached))
    with pytest.raises(gt.DataError, match="cannot read a/37.png"):
        trained(net, data(), validation=Failing(*pixels(), cached=cached))


def test_a_reader_ends_with_the_epoch_and_with_an_error_behind_it() -> None:
    trained(plain(), Held(*pixels()))
    assert readers() == []
    x, y = pixels()
    net = plain()
    net.parameters["fc1.weight"][0, 0] = np.nan
    with pytest.raises(gt.NonFiniteError, match=r"fc1.weight\[0,0\]"):
        trained(net, Held(x, y), batch_size=1)
    assert readers() == []


def test_a_reader_ends_though_its_images_come_slowly() -> None:
    class Slow(Held):
        def read(self, places: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
            if self.reads > 5:
                time.sleep(0.2)
            return super().read(places, out)

    net = plain()

    class Ending(gt.SGD):
        def scalars(self, step: int):
            if step == 3:
                raise KeyboardInterrupt
            return super().scalars(step)

    history = trained(net, Slow(*pixels(200)), batch_size=4, optimizer=Ending(0.1))
    assert history.interrupted
    assert history.steps == 2
    assert readers() == []


def test_ctrl_c_from_outside_leaves_no_reader() -> None:
    """At some moment behind the first step."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])

    class Starting(Observer):
        def step(self, seen: Seen) -> None:
            if seen.step == 1:
                timer.start()

    try:
        history = trained(
            plain(), Held(*pixels()), epochs=10**6, augment=MOVED, log=[Starting()]
        )  # fmt: skip
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert history.interrupted
    assert readers() == []


def test_an_error_in_a_validation_step_leaves_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(gt.CPU, "evaluate", broken)
    with pytest.raises(MemoryError, match="no room") as caught:
        gt.evaluate(plain(), Held(*pixels(200)), batch_size=4)
    assert readers() == []
    assert caught.value.args == ("no room",)
    monkeypatch.undo()
    monkeypatch.setattr(gt.CPU, "predict", broken)
    with pytest.raises(MemoryError, match="no room") as caught:
        gt.confusion(plain(), Held(*pixels(200)), batch_size=4)
    assert readers() == []
    assert caught.value.args == ("no room",)


class Counted(Held):
    """Images whose batches can be waited for."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        super().__init__(x, y)
        self.more = threading.Condition()

    def take(self, places: np.ndarray, out: np.ndarray) -> None:
        with self.more:
            super().take(places, out)
            self.more.notify_all()


def test_images_are_read_ahead_and_no_more_than_a_few_batches() -> None:
    """Three that are ready and one that waits for room, or all that are left."""
    held, ahead = Counted(*pixels(200)), []
    kind = type(engine_for("cpu").trainer(plain(), gt.CrossEntropy(), gt.Adam()))
    step = kind.step

    def waiting(trainer: object, batch: Batch) -> Stepped:
        used = trainer.finished[0] + 1
        with held.more:
            held.more.wait_for(lambda: held.reads >= min(used + 4, 50), PATIENCE)
        ahead.append(held.reads - used)
        return step(trainer, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "step", waiting)
        trained(plain(), held, batch_size=4, epochs=1)
    assert ahead == [4] * 46 + [3, 2, 1, 0]
    assert held.reads == 50


# -- what is refused ---------------------------------------------------------------------------


def test_data_that_do_not_fit_are_refused_before_anything_runs() -> None:
    x, y = pixels()
    flat = gt.Network((60,), [gt.Linear(3)])
    with pytest.raises(
        gt.DataError, match=r"augmentation moves images .* takes samples of \(60,\)"
    ):
        trained(flat, (x.reshape(50, 60), y), augment=MOVED)
    other = gt.Network((1, 6, 5), [gt.Flatten(), gt.Linear(3)])
    with pytest.raises(
        gt.DataError, match=r"data: the images have shape \(2, 6, 5\), but .* \(1, 6"
    ):
        trained(other, Held(x, y))
    with pytest.raises(gt.DataError, match=r"validation: the images have shape \(2, 6, 5\)"):
        trained(other, (x[:, :1] / np.float32(255), y), validation=Held(x, y))
    with pytest.raises(gt.DataError, match="data is empty: there is no image"):
        trained(plain(), Held(x[:0], y[:0]))
    with pytest.raises(gt.DataError, match="data: label 7 at position 3 is out of range"):
        trained(plain(), Held(x, np.where(np.arange(50) == 3, 7, y)))
    with pytest.raises(gt.DataError, match="all labels in data are of classes with weight 0"):
        trained(plain(), Held(x, 0 * y), loss=gt.CrossEntropy(weight=(0.0, 1.0, 1.0)))


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), True, "0.2"])
def test_a_mixup_out_of_range_is_refused(value: object) -> None:
    with pytest.raises(gt.ArgumentError, match="train: mixup must be a number at least 0, got"):
        trained(plain(), mixup=value)


def test_a_staged_feed_says_what_it_is_of() -> None:
    """Other samples, labels, images or classes: another fingerprint."""
    net, loss, runs = plain(), gt.CrossEntropy(), engine_for("cpu")
    (x, y), found = data(), []
    changed, others = x.copy(), y.copy()
    changed[3, 1, 2, 2] += 1e-6
    others[9] = (others[9] + 1) % 3
    for given in ((x, y), (changed, y), (x, others), Held(*pixels()), Held(pixels()[0], others)):
        feed = feed_for(net, given, loss, runs, augment=MOVED)
        assert isinstance(feed, StagedFeed)
        found.append(feed.fingerprint())
    assert len(set(found)) == 5
    again = feed_for(net, (x.copy(), y.astype(">i8")), loss, runs)
    assert isinstance(again.fingerprint(), int)
    assert net.input_shape == SHAPE
