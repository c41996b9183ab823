"""Trainings on the CPU engine: the same bits whatever the threads, and the reference's course."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from tails import beginning

import gradtrail as gt
from gradtrail.engines import CPU, Batch, Samples
from gradtrail.engines.cpu.pool import Pool, pool_for

from .targets import FUSED, runs_here
from .trainings import NETWORKS, assert_same_bits, data, lenet, trained

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


@pytest.mark.long
@pytest.mark.parametrize("kind", NETWORKS)
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
