"""Threads that share a step, and what an interruption or a lack of memory leaves behind."""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.engines.cpu import context
from gradtrail.engines.cpu.context import Context
from gradtrail.engines.cpu.driver import TASKS, Control
from gradtrail.engines.cpu.pool import Pool
from gradtrail.engines.cpu.raw import address
from gradtrail.engines.cpu.target import host


@pytest.fixture
def pool() -> Pool:
    """One of its own, whose record nobody else looks at."""
    return Pool(host())


def ticket(number: int, highest: int, end: int, following: int) -> int:
    return number << 44 | highest << 34 | end << 17 | following


def test_a_thread_takes_nothing_of_a_step_that_has_fewer(pool: Pool) -> None:
    """It saw that it was wanted, was held up, and comes when another's step is running."""
    control, record = pool._control, ctypes.c_int64(0)
    left = ticket(7, 0, 4, 1)  # three tasks, for thread 0 alone
    control[Control.WANTED] = 5
    control[Control.PHASE] = control[Control.FRAME] = ctypes.addressof(record)
    control[Control.TICKETS] = left
    for worker in (1, 5):
        pool._worker(address(control), worker, 10)
        assert control[Control.TICKETS] == left
        assert control[Control.DONE] == 0


def test_a_number_is_one_threads_own(pool: Pool) -> None:
    """Where a thread was started but not noted, the second with its number ends at once."""
    pool._control[Control.WANTED] = 1
    pool._start(1)
    (first,) = pool._threads.values()
    pool._threads.clear()  # as if Ctrl-C had come before it was noted
    pool._start(1)
    (second,) = pool._threads.values()
    second.join(timeout=10)
    assert not second.is_alive()
    assert first.is_alive()
    pool.close()
    first.join(timeout=10)
    assert not first.is_alive()
    assert not pool._owners


def test_phases_of_more_tasks_than_a_ticket_counts_have_larger_ones() -> None:
    from gradtrail.engines.cpu.phases import Phase, PhaseTable

    (row,) = PhaseTable.made([Phase("chunks", [], 3 * TASKS + 1, 1)], {}).rows
    kind, _, calls, tasks, length, chunk, _ = row
    assert (kind, calls, length) == (1, 0, 3 * TASKS + 1)
    assert tasks <= TASKS
    assert (tasks - 1) * chunk < length <= tasks * chunk


def network() -> gt.Network:
    return gt.Network(
        (1, 8, 8),
        [gt.Conv2d(4, 3, padding=1), gt.BatchNorm2d(), gt.ReLU(), gt.Flatten(), gt.Linear(3)],
        seed=3,
    )


def samples(count: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(count))
    return draw.random((count, 1, 8, 8), dtype=np.float32), draw.integers(0, 3, count)


@pytest.mark.parametrize("failure", [MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("at", range(5))
def test_room_that_was_not_made_is_made_the_next_time(
    failure: type[BaseException], at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is missing when a larger batch has no room, a smaller one does not use it."""
    net, (x, y) = network(), samples(100)
    expected = {n: gt.trace(net, x[:n], y[:n]) for n in (20, 100)}
    again = network()
    gt.trace(again, x[:20], y[:20])
    made, count = context.aligned, iter(range(100))

    def failing(size: int) -> np.ndarray:
        if next(count) == at:
            raise failure("no room")
        return made(size)

    monkeypatch.setattr(context, "aligned", failing)
    if at < 3:  # arenas, partial sums, gradients
        with pytest.raises(failure, match="no room"):
            gt.trace(again, x, y)
    else:
        gt.trace(again, x, y)
    monkeypatch.setattr(context, "aligned", made)
    for n in (20, 100, 20):
        found = gt.trace(again, x[:n], y[:n])
        for name in net.parameters:
            np.testing.assert_array_equal(found.grad[name], expected[n].grad[name])


def test_weights_are_packed_after_an_interrupted_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when some new weights have been copied: the next call sees no change any more."""
    engine, (x, _) = gt.CPU(winograd="f4"), samples(40)
    net = gt.Network((1, 8, 8), [gt.Conv2d(4, 3), gt.Flatten(), gt.Linear(3)], seed=3)
    net.predict(x, engine=engine)
    net.parameters["conv1.weight"] += 1
    whole = Context.fill

    def interrupted(held: Context, arrays: dict[str, np.ndarray]) -> bool:
        whole(held, arrays)
        raise KeyboardInterrupt("stop")

    monkeypatch.setattr(Context, "fill", interrupted)
    with pytest.raises(KeyboardInterrupt, match="stop"):
        net.predict(x, engine=engine)
    monkeypatch.setattr(Context, "fill", whole)
    expected = net.predict(x, engine="reference")
    np.testing.assert_allclose(net.predict(x, engine=engine), expected, atol=1e-4)


def test_threads_of_many_numbers_leave_each_others_memory_alone() -> None:
    """Networks on sixteen threads and on one by turns, from several Python threads."""
    (x, _), found = samples(256), []

    def predict(threads: int, seed: int) -> None:
        net, engine = network(), gt.CPU(threads=threads)
        net.parameters["fc1.bias"] += seed
        expected = net.predict(x, engine="reference")
        for _ in range(60):
            got = net.predict(x, engine=engine)
            found.append(float(np.abs(got - expected).max()))

    running = [threading.Thread(target=predict, args=a) for a in ((16, 0), (1, 1), (3, 2))]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert len(found) == 180
    assert max(found) < 1e-4
