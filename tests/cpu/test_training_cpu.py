"""Trainings on the CPU engine: the same bits whatever the threads, and the reference's course.

The file is long because each way in which parts of a step are computed together has its training.
"""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest
from own_layers import Mirrored
from tails import beginning

import gradtrail as gt
from gradtrail.engines import CPU, Batch, Samples, Stepped, Trainer, engine_for
from gradtrail.engines.cpu.pool import Pool, pool_for
from gradtrail.streams import stream
from gradtrail.training import Observer, Seen

from .targets import FUSED, runs_here

Arrays = dict[str, np.ndarray]


def lenet() -> gt.Network:
    """A chain: each thread's blocks go through it one after the other."""
    return gt.Network(
        (1, 12, 12),
        [
            *(gt.Conv2d(4, 3, padding=1), gt.ReLU(), gt.MaxPool2d(2)),
            *(gt.Conv2d(8, 3), gt.ReLU(), gt.Flatten(), gt.Dropout(0.2), gt.Linear(10)),
        ],
        seed=1,
    )


def branched() -> gt.Network:
    """Batch norm cuts the step into segments; a shortcut adds up gradients."""
    body = [gt.Conv2d(6, 3, padding=1, bias=False), gt.BatchNorm2d(), gt.ReLU()]
    return gt.Network(
        (1, 12, 12),
        [
            *(gt.Conv2d(6, 3, stride=2, padding=1, bias=False), gt.BatchNorm2d(), gt.ReLU()),
            *(gt.Residual([*body, gt.Conv2d(6, 3, padding=1)]), gt.Dropout(0.1)),
            *(gt.GlobalAvgPool2d(), gt.Linear(10)),
        ],
        seed=2,
    )


def heavy() -> gt.Network:
    """More than a MB of weights in one layer: the whole batch sums their gradient at once."""
    return gt.Network(
        (1, 12, 12),
        [
            *(gt.Conv2d(5, 3), gt.ReLU(), gt.Flatten()),
            *(gt.Linear(541), gt.Tanh(), gt.Linear(10)),
        ],
        seed=3,
    )


NETWORKS = {"chain": lenet, "branched": branched, "heavy": heavy}


def data(count: int = 150) -> tuple[np.ndarray, np.ndarray]:
    """Images with a bright column that gives the class."""
    draw = np.random.Generator(np.random.PCG64(3))
    x, y = draw.random((count, 1, 12, 12), dtype=np.float32), draw.integers(0, 10, count)
    x[np.arange(count), 0, :, y] += 1
    return x, y


def trained(
    net: gt.Network, engine: CPU | str, threads: int | None = None, **settings: object
) -> tuple[Arrays, gt.History]:
    """Weights and statistics after a training of two epochs with a shorter last batch."""
    common = {"epochs": 2, "batch_size": 64, "seed": 5, "progress": False}
    history = gt.train(net, data(), engine=engine, threads=threads, **common | settings)
    arrays = {**net.parameters, **net.buffers}
    return {name: array.copy() for name, array in arrays.items()}, history


def assert_same_bits(one: Arrays, other: Arrays) -> None:
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


# -- the same bits ----------------------------------------------------------------------------


CONVOLVED = [*((kind, "auto") for kind in NETWORKS), ("chain", "off"), ("branched", "f4")]
CONVOLVED += [("chain", "f4"), ("branched", "off"), ("heavy", "f4"), ("heavy", "off")]


@pytest.mark.parametrize("convolved", beginning(2, CONVOLVED), ids=str)
def test_threads_and_repetition_change_no_bit(convolved: tuple[str, str]) -> None:
    kind, winograd = convolved
    engine = CPU(winograd=winograd)
    expected, history = trained(NETWORKS[kind](), engine, 1)
    for threads in (1, 2, 3, 4):
        found, again = trained(NETWORKS[kind](), engine, threads)
        assert again.step_losses == history.step_losses
        assert_same_bits(found, expected)


@pytest.mark.parametrize("kind", beginning(1, NETWORKS))
def test_processors_with_fused_multiply_add_give_the_same_bits(kind: str) -> None:
    """AVX-512 and AVX2, or where the former does not run, its loops in AVX2's instructions."""
    targets = [name for name in FUSED if runs_here(name)]
    if len(targets) < 2:
        pytest.skip("only one of them runs here")
    results = [trained(NETWORKS[kind](), CPU(1, target=t, winograd="off"))[0] for t in targets]
    for result in results[1:]:
        assert_same_bits(result, results[0])


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_trace_has_the_gradients_that_training_uses(kind: str) -> None:
    """One SGD step by hand and one by the trainer: the same up to the update's rounding."""
    x, y = data(40)
    by_hand, by_training = NETWORKS[kind](), NETWORKS[kind]()
    t = gt.trace(by_hand, x, y, seed=5, engine=gt.CPU())  # with Winograd's algorithm, as it trains
    gt.SGD(0.1).update(by_hand, t.grad)
    gt.train(by_training, (x, y), optimizer=gt.SGD(0.1), shuffle=False, seed=5, progress=False)
    for name, array in by_training.parameters.items():
        np.testing.assert_allclose(array, by_hand.parameters[name], rtol=0, atol=3e-8)


# -- the reference's course -------------------------------------------------------------------

OPTIMIZERS = {
    "sgd": lambda: gt.SGD(0.05),
    "momentum": lambda: gt.SGD(0.05, momentum=0.9, weight_decay=1e-3),
    "nesterov": lambda: gt.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: gt.Adam(1e-3, weight_decay=1e-2),
    "adamw": lambda: gt.AdamW(1e-3),
}


FOLLOWING = [*(("chain", rule) for rule in OPTIMIZERS), ("branched", "adam"), ("heavy", "momentum")]
FOLLOWING += [(k, r) for r in OPTIMIZERS for k in NETWORKS if (k, r) not in FOLLOWING]


@pytest.mark.parametrize("following", beginning(len(OPTIMIZERS) + 2, FOLLOWING), ids=str)
def test_ten_steps_follow_the_reference(following: tuple[str, str]) -> None:
    """Rounding grows from step to step; ten of them stay within 2e-4 of the losses."""
    kind, rule = following
    settings = {"epochs": 4, "batch_size": 60}
    found, history = trained(NETWORKS[kind](), "cpu", optimizer=OPTIMIZERS[rule](), **settings)
    expected, reference = trained(
        NETWORKS[kind](), "reference", optimizer=OPTIMIZERS[rule](), **settings
    )
    np.testing.assert_allclose(history.step_losses[:10], reference.step_losses[:10], rtol=2e-4)
    for name, array in found.items():
        scale = np.abs(expected[name]).max()
        assert np.abs(array - expected[name]).max() < 5e-3 * scale, name


def test_accuracy_and_masks_are_the_references() -> None:
    x, y = data(50)
    net = lenet()
    ours = gt.trace(net, x, y, seed=9)
    theirs = gt.trace(net, x, y, seed=9, engine="reference")
    np.testing.assert_array_equal(
        ours.value["dropout1.mask"] > 0, theirs.value["dropout1.mask"] > 0
    )
    for engine in ("cpu", "reference"):
        assert gt.evaluate(net, (x, y), engine=engine)["accuracy"] == pytest.approx(
            gt.evaluate(net, (x, y))["accuracy"]
        )


def test_an_optimizer_goes_on_where_another_engine_left_it() -> None:
    """Momentum is handed over: cpu then reference ends as reference alone does."""
    both, alone = lenet(), lenet()
    first, second = gt.SGD(0.02, momentum=0.9), gt.SGD(0.02, momentum=0.9)
    trained(both, "cpu", optimizer=first, epochs=1)
    trained(both, "reference", optimizer=first, epochs=1, seed=6)
    trained(alone, "reference", optimizer=second, epochs=1)
    expected, _ = trained(alone, "reference", optimizer=second, epochs=1, seed=6)
    for name, array in expected.items():
        np.testing.assert_allclose(both.parameters[name], array, atol=1e-4, err_msg=name)
    steps, state = first.remembered(both)
    assert steps == second.remembered(alone)[0] == 6
    assert set(state["conv1.weight"]) == {"velocity"}


# -- what goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_step_that_is_not_finite_changes_nothing(kind: str) -> None:
    net, optimizer = NETWORKS[kind](), gt.Adam(0.01)
    trained(net, "cpu", optimizer=optimizer, epochs=1)
    before = {n: a.copy() for n, a in {**net.parameters, **net.buffers}.items()}
    steps = optimizer.remembered(net)[0]
    x, y = data(64)
    x[40, 0, 3, 4] = np.nan
    with pytest.raises(gt.NonFiniteError, match=r"input\[40,0,3,4\], sample 40 is nan"):
        gt.train(net, (x, y), optimizer=optimizer, shuffle=False, progress=False)
    assert_same_bits({**net.parameters, **net.buffers}, before)
    assert optimizer.remembered(net)[0] == steps


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_a_statistic_that_is_not_finite_stops_the_training(engine: str) -> None:
    """Nothing else of the step is touched by it: training normalises with the batch's own."""
    net = gt.Network((1, 4, 4), [gt.Conv2d(2, 3), gt.BatchNorm2d(), gt.Flatten(), gt.Linear(3)])
    net.buffers["norm1.running_mean"][1] = np.inf
    before = {n: a.copy() for n, a in {**net.parameters, **net.buffers}.items()}
    x = np.random.Generator(np.random.PCG64(1)).random((20, 1, 4, 4), np.float32)
    with pytest.raises(gt.NonFiniteError, match="a running statistic too large"):
        gt.train(net, (x, np.arange(20) % 3), engine=engine, progress=False)
    assert_same_bits({**net.parameters, **net.buffers}, before)


def test_float64_is_refused_and_goes_to_the_reference_by_default() -> None:
    net = gt.Network((1, 12, 12), [gt.Flatten(), gt.Linear(10)], dtype=np.float64)
    with pytest.raises(gt.ArgumentError, match="computes in float32, but the network is float64"):
        gt.train(net, data(), engine="cpu", progress=False)
    assert gt.trace(net, *data(3)).grad["fc1.weight"].dtype == np.float64


def replayed(steps: int, batch_size: int) -> Arrays:
    """The weights after so many steps, step by step."""
    net, loss, (x, y) = lenet(), gt.CrossEntropy(), data()
    trainer = CPU().trainer(net, loss, gt.Adam())
    samples = Samples(x, y, loss, (10,))
    each = len(x) // batch_size
    for step in range(steps):
        epoch, place = divmod(step, each)
        order = stream(1, "order", epoch).permutation(len(x)).astype(np.int64)
        chosen = order[batch_size * place : batch_size * (place + 1)]
        trainer.step(Batch(samples, chosen, 1, step))
    trainer.store()
    return dict(net.parameters)


class InterruptedSoon(Observer):
    """Ctrl-C from a timer that the fourth step starts, wherever it comes then."""

    def step(self, seen: Seen) -> None:
        if seen.step == 4:
            threading.Timer(0.05, signal.raise_signal, [signal.SIGINT]).start()


def test_interrupted_training_ends_with_a_whole_step() -> None:
    net = lenet()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may ignore
    course = {"epochs": 10**6, "batch_size": 50, "seed": 1, "progress": False}
    try:
        history = gt.train(net, data(), log=[InterruptedSoon()], **course)
    finally:
        signal.signal(signal.SIGINT, before)
    assert history.interrupted
    assert history.steps > 3
    assert_same_bits(replayed(history.steps, 50), dict(net.parameters))


def two_epochs(net: gt.Network | None = None, engine: str = "cpu") -> gt.History:
    """A training of six steps, each test's to interrupt."""
    net = net or lenet()
    return gt.train(net, data(), epochs=2, batch_size=50, seed=1, progress=False, engine=engine)


def trainer_of(engine: str) -> type[Trainer]:
    return type(engine_for(engine).trainer(lenet(), gt.CrossEntropy(), gt.Adam()))


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_an_interruption_as_all_is_put_back_loses_nothing(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, kind = two_epochs(), trainer_of(engine)
    store, calls = kind.store, []

    def interrupted(trainer: Trainer) -> None:
        calls.append(trainer)
        if len(calls) == 3:  # after two epochs
            raise KeyboardInterrupt
        store(trainer)

    monkeypatch.setattr(kind, "store", interrupted)
    net = lenet()
    history = two_epochs(net, engine)
    assert history.interrupted
    assert history.epochs == 2
    np.testing.assert_allclose(history.step_losses, whole.step_losses, rtol=1e-4)
    assert len(calls) == 4


def test_the_figures_of_an_interrupted_epoch_are_dropped_together() -> None:
    history = gt.History([1.0], [1.0, 0.5], [0.1, 0.2], [0.9], [0.2, 0.3], [2.0], True)
    history.keep(steps=1, epochs=1)
    assert (history.loss, history.accuracy) == ([1.0], [0.1])
    assert (history.validation_loss, history.validation_accuracy) == ([0.9], [0.2])


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_an_interruption_as_a_step_ends_loses_no_loss(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is answered where Python runs again: behind the native call."""
    whole, kind = two_epochs(), trainer_of(engine)
    step = kind.step

    def interrupted(trainer: Trainer, batch: Batch) -> Stepped:
        done = step(trainer, batch)
        if trainer.finished[0] == 4:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(kind, "step", interrupted)
    net = lenet()
    history = two_epochs(net, engine)
    assert history.interrupted
    np.testing.assert_allclose(history.step_losses, whole.step_losses[:4], rtol=1e-4)
    monkeypatch.undo()
    if engine == "cpu":
        assert_same_bits(replayed(4, 50), dict(net.parameters))


def test_a_thread_that_fails_raises_in_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise MemoryError("no memory for this thread")

    pool = Pool(CPU().processor)
    monkeypatch.setattr(pool, "_worker", broken)
    monkeypatch.setattr("gradtrail.engines.cpu.loading.pool_for", lambda target: pool)
    x, y = data(64)
    with pytest.raises(MemoryError, match="no memory for this thread"):
        gt.train(lenet(), (x, y), threads=2, epochs=1000, progress=False)
    monkeypatch.undo()
    assert pool_for(CPU().processor) is not pool
    assert trained(lenet(), "cpu", 2)[1].steps == 6


PACKED = [("chain", 1), ("chain", 40), ("branched", 1), ("heavy", 40)]
PACKED += [("branched", 40), ("heavy", 1)]


@pytest.mark.parametrize("packed", beginning(4, PACKED), ids=str)
def test_weights_are_packed_anew_where_they_changed(packed: tuple[str, int]) -> None:
    """However they are changed: in place, by assignment, or by a bit that compares as equal."""
    kind, count = packed
    net, (x, _) = NETWORKS[kind](), data(count)
    engine = CPU(winograd="f2")

    def fresh() -> np.ndarray:
        twin = NETWORKS[kind]()
        for name, values in {**net.parameters, **net.buffers}.items():
            (twin.parameters if name in twin.parameters else twin.buffers)[name] = values
        return twin.predict(x, engine=engine)

    assert net.predict(x, engine=engine).tobytes() == fresh().tobytes()
    name = next(iter(net.parameters))
    before = net.predict(x, engine=engine)
    net.parameters[name][(0,) * net.parameters[name].ndim] += 1
    changed = net.predict(x, engine=engine)
    assert changed.tobytes() == fresh().tobytes() != before.tobytes()
    assert net.predict(x, engine=engine).tobytes() == changed.tobytes()
    net.parameters[name] = np.zeros_like(net.parameters[name])
    assert net.predict(x, engine=engine).tobytes() == fresh().tobytes()
    net.parameters[name][...] = np.nan
    assert np.isnan(net.predict(x, engine=engine)).any() == np.isnan(fresh()).any()
    for buffer in net.buffers:
        net.buffers[buffer][...] += 1
    assert net.predict(x, engine=engine).tobytes() == fresh().tobytes()


def test_predictions_from_several_threads_do_not_mix() -> None:
    net, (x, _) = lenet(), data(120)
    expected = net.predict(x)
    found: list[np.ndarray] = [np.empty(0)] * 4

    def work(number: int) -> None:
        for _ in range(20):
            found[number] = net.predict(x[number * 30 : number * 30 + 30])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(np.concatenate(found), expected)


OVERLAPPING = [(9, "f4"), (7, "f2"), (6, "off")]
OVERLAPPING += [(s, w) for s in (6, 7, 9) for w in ("off", "f2", "f4") if (s, w) not in OVERLAPPING]


@pytest.mark.parametrize("setting", beginning(1, OVERLAPPING), ids=str)
def test_slopes_behind_sums_where_tiles_overlap(setting: tuple[int, str]) -> None:
    """A ReLU whose gradient comes from two sides: the last one adds and multiplies, once."""
    size, winograd = setting
    body = [gt.Conv2d(4, 3, padding=1), gt.ReLU(), gt.Conv2d(4, 3, padding=1)]
    net = gt.Network(
        (2, size, size),
        [
            *(gt.Conv2d(4, 3, padding=1), gt.ReLU(), gt.Residual(body), gt.ReLU()),
            *(gt.Residual(body), gt.ReLU(), gt.Flatten(), gt.Linear(3)),
        ],
        seed=4,
    )
    draw = np.random.Generator(np.random.PCG64(size))
    x, y = draw.random((21, 2, size, size), dtype=np.float32) - 0.5, draw.integers(0, 3, 21)
    expected = gt.trace(net, x, y, engine="reference")
    before = {name: array.copy() for name, array in net.parameters.items()}
    gt.train(
        net, (x, y), optimizer=gt.SGD(1.0), shuffle=False, engine=CPU(winograd=winograd),
        progress=False,
    )  # fmt: skip
    for name, array in net.parameters.items():
        moved, wanted = before[name] - array, expected.grad[name]
        np.testing.assert_allclose(moved, wanted, atol=2e-5 * np.abs(wanted).max() + 2e-7)


CONV = gt.Conv2d(5, 3, padding=1)
POOLED = {
    "relu": (True, [CONV, gt.ReLU(), gt.MaxPool2d(2)]),
    "tanh": (True, [CONV, gt.Tanh(), gt.MaxPool2d(2)]),
    "bare": (True, [CONV, gt.MaxPool2d(2)]),
    "relu behind": (True, [CONV, gt.MaxPool2d(2), gt.ReLU()]),
    "two": (True, [CONV, gt.ReLU(), gt.MaxPool2d(2), CONV, gt.ReLU(), gt.MaxPool2d(2)]),
    "gelu, which needs what it was given": (False, [CONV, gt.GELU(), gt.MaxPool2d(2)]),
    "batch norm between": (False, [CONV, gt.BatchNorm2d(), gt.ReLU(), gt.MaxPool2d(2)]),
    "overlapping windows": (False, [CONV, gt.ReLU(), gt.MaxPool2d(3, 2)]),
    "windows over the edge": (False, [CONV, gt.ReLU(), gt.MaxPool2d(2, padding=1)]),
    "means": (False, [CONV, gt.ReLU(), gt.AvgPool2d(2)]),
    "read twice": (False, [CONV, gt.ReLU(), gt.Concat([gt.MaxPool2d(2)], [gt.AvgPool2d(2)])]),
}
"""Whether the convolution takes the maxima itself, and the layers."""


PLANES = [("f4", (11, 13)), ("f2", (8, 8)), ("f4", (9, 10))]
PLANES += [("f2", (11, 13)), ("f4", (8, 8)), ("f2", (9, 10))]
TAKEN = [(kind, *plane) for plane in PLANES for kind in POOLED]


@pytest.mark.parametrize("taken", beginning(len(POOLED) + 1, TAKEN), ids=str)
def test_maxima_that_a_convolution_takes(taken: tuple[str, str, tuple[int, int]]) -> None:
    """Training and prediction, without the map, are the reference's; rows may be left over."""
    kind, winograd, size = taken
    alone, layers = POOLED[kind]
    net = gt.Network((2, *size), [*layers, gt.Flatten(), gt.Linear(3)], seed=6)
    draw = np.random.Generator(np.random.PCG64(size[1]))
    x, y = draw.standard_normal((37, 2, *size), dtype=np.float32), draw.integers(0, 3, 37)
    engine = CPU(2, winograd=winograd)
    does = [call.does for call in net.explain("pool1", engine=engine).calls]
    assert any("with pool1" in text for text in does) == alone
    predicted = net.predict(x, engine="reference")
    np.testing.assert_allclose(net.predict(x, engine=engine), predicted, atol=2e-5)
    expected = gt.trace(net, x, y, engine="reference", training=True)
    before = {name: array.copy() for name, array in net.parameters.items()}
    settings = {"optimizer": gt.SGD(1.0), "shuffle": False, "batch_size": 37, "progress": False}
    gt.train(net, (x, y), engine=engine, **settings)
    for name, array in net.parameters.items():
        moved, wanted = before[name] - array, expected.grad[name]
        np.testing.assert_allclose(moved, wanted, atol=4e-5 * np.abs(wanted).max() + 3e-7)


def keeping(*layers: gt.Layer) -> list[gt.Layer]:
    return [gt.Conv2d(4, 3, padding=1), *layers]


SAME = gt.Conv2d(4, 3, padding=1)
SLOPES = {
    "residual": keeping(gt.ReLU(), gt.Dropout(0.3), gt.Residual([SAME, gt.ReLU()])),
    "shortcut": keeping(gt.ReLU(), gt.Dropout(0.3), gt.Residual([SAME], [gt.Conv2d(4, 1)])),
    "concat": keeping(gt.Tanh(), gt.Dropout(0.3), gt.Concat([SAME], [gt.Conv2d(3, 5, padding=2)])),
    "three": keeping(gt.ReLU(), gt.Sigmoid(), gt.Dropout(0.3), gt.Residual([gt.Tanh(), SAME])),
    "norm": keeping(gt.BatchNorm2d(), gt.ReLU(), gt.Dropout(0.3), gt.Residual([SAME])),
    "dropouts": keeping(gt.Dropout(0.3), gt.Dropout(0.2), gt.Residual([gt.ReLU()])),
}


@pytest.mark.parametrize(
    "sent", beginning(len(SLOPES) + 1, [(k, w) for w in ("f4", "off") for k in SLOPES]), ids=str
)
def test_slopes_in_a_row_whose_gradient_comes_from_several_sides(sent: tuple[str, str]) -> None:
    """All of them have one place: the first who adds and the last who multiplies mean the same."""
    kind, winograd = sent
    net = gt.Network((2, 7, 7), [*SLOPES[kind], gt.Flatten(), gt.Linear(3)], seed=4)
    draw = np.random.Generator(np.random.PCG64(8))
    x, y = draw.standard_normal((21, 2, 7, 7), dtype=np.float32), draw.integers(0, 3, 21)
    expected = gt.trace(net, x, y, engine="reference", training=True, seed=0)
    before = {name: array.copy() for name, array in net.parameters.items()}
    gt.train(
        net, (x, y), optimizer=gt.SGD(1.0), shuffle=False, engine=CPU(winograd=winograd),
        seed=0, progress=False,
    )  # fmt: skip
    for name, array in net.parameters.items():
        moved, wanted = before[name] - array, expected.grad[name]
        np.testing.assert_allclose(moved, wanted, atol=4e-5 * np.abs(wanted).max() + 3e-7)


def test_the_first_of_several_terms_finds_nothing_from_the_step_before() -> None:
    """Of a gradient that several forms add up, the first one stores where it reaches everything."""
    net = gt.Network((1, 4, 1), [Mirrored()])
    x, y = np.array([1, 2, 3, 4.0]).reshape(1, 1, 4, 1), np.zeros((1, 1, 4, 1))
    for _ in range(3):
        step = gt.trace(net, x, y, loss=gt.MeanSquaredError(), engine="cpu")
        assert step.value["mirrored1.output"].ravel().tolist() == [13, 11, 9, 7]
        assert step.grad["input"].ravel().tolist() == [17, 19, 21, 23]


def test_one_parameter_is_read_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    net, loss, (x, y) = lenet(), gt.CrossEntropy(), data()
    trainer = CPU().trainer(net, loss, gt.Adam())
    assert trainer.parameter("fc1.weight") is net.parameters["fc1.weight"]
    for step in range(2):  # each writes the other side
        trainer.step(Batch(Samples(x, y, loss, (10,)), np.arange(8), 1, step))
        expected = {name: array.copy() for name, array in trainer.arrays().items()}
        with monkeypatch.context() as patch:
            patch.setattr(type(trainer), "arrays", None)
            for name in net.parameters:
                np.testing.assert_array_equal(trainer.parameter(name), expected[name])
