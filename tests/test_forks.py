"""A process forks while its threads compute: the child computes, too, and waits for none of them.

Each child says what it found by its exit code; one that is not done within `PATIENCE` seconds is
killed and counted as hanging, so that these tests end by themselves.
"""

from __future__ import annotations

import ast
import gc
import importlib
import itertools
import os
import signal
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sources import nodes
from tails import beginning

import gradtrail as gt
from gradtrail.data import pillow
from gradtrail.data.store import FileThreads
from gradtrail.engines.cpu import llvm, loading, warping
from gradtrail.engines.cpu.pool import pool_for
from gradtrail.engines.cpu.target import host
from gradtrail.equation import System
from gradtrail.machine import forking
from gradtrail.machine.forking import _RENEWALS, renew_in_forks
from gradtrail.training.read_ahead import pixels_ahead

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

PATIENCE = 60.0
PACKAGE = Path(gt.__file__).parent


def forked(work: Callable[[], bool]) -> str:
    """What became of a child that does some work: `right`, `wrong`, `raised` or `hung`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on: that is the test
        child = os.fork()
    if child == 0:
        code = 2
        with suppress(BaseException):
            code = 0 if work() else 1
        os._exit(code)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return {0: "right", 1: "wrong"}.get(os.waitstatus_to_exitcode(status), "raised")
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"


@contextmanager
def busy(*works: Callable[[int], object]) -> Iterator[None]:
    """Threads that each do some work again and again, with the number of the round."""
    over = threading.Event()

    def repeat(work: Callable[[int], object]) -> None:
        for number in itertools.count():
            if over.is_set():
                return
            work(number)

    threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def network(seed: int = 0, channels: int = 3) -> gt.Network:
    layers = [gt.Conv2d(channels, 3, padding=1), gt.BatchNorm2d(), gt.ReLU()]
    return gt.Network((1, 8, 8), [*layers, gt.Flatten(), gt.Linear(3)], seed=seed)


def samples(count: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.Generator(np.random.PCG64(count))
    return draw.random((count, 1, 8, 8), dtype=np.float32), draw.integers(0, 3, count)


@pytest.mark.parametrize("count", beginning(1, (4, 50)))
def test_forks_under_load_end_with_the_right_numbers(count: int) -> None:
    """Beside threads that predict, train with moved images and compile, children do all of it."""
    (x, y), shared, engine = samples(40), network(), gt.CPU(threads=2)
    moved = gt.Augment(shift=0.2, rotation=10)

    def trained() -> np.ndarray:
        net = network(1)
        gt.train(net, (x, y), augment=moved, epochs=1, engine=engine, progress=False)
        return net.parameters["conv1.weight"]

    expected, weights = shared.predict(x, engine=engine), trained()

    def child() -> bool:
        alike = np.array_equal(shared.predict(x, engine=engine), expected)
        return alike and np.array_equal(trained(), weights)

    def compiling(number: int) -> None:  # kernels of other sizes, which are on no disk
        network(channels=4 + number % 40).predict(x, engine=gt.CPU(winograd="off"))

    with busy(
        lambda _: shared.predict(x, engine=engine),
        lambda _: trained(),
        compiling,
    ):
        assert [forked(child) for _ in range(count)] == ["right"] * count


NET = network()
SAMPLES = samples(20)
FILES = FileThreads(2)


def predict(channels: int = 3) -> None:
    (NET if channels == 3 else network(channels=channels)).predict(SAMPLES[0])


def move() -> None:
    gt.train(network(), SAMPLES, augment=gt.Augment(shift=0.2), progress=False)


def read() -> None:
    assert sum(FILES.over(4, len, int)) == 4


def program() -> object:
    _, programs = loading._LOADED[NET]
    (found,) = programs.values()
    return found.lock


HELD: dict[str, tuple[Callable[[], None], Callable[[], Any]]] = {
    "a program": (predict, program),
    "the compiler": (lambda: predict(5), lambda: loading.compiler_for(host())._lock),
    "the threads": (predict, lambda: pool_for(host())._running),
    "the threads' sleep": (predict, lambda: pool_for(host())._wake),
    "images moved": (move, lambda: next(iter(warping._WARPERS.values()))._running),
    "images read": (read, lambda: FILES._lock),
    "images read by somebody": (read, lambda: pillow._lock),
}
"""What a thread holds while another forks: what needs it, and how to get it."""


@contextmanager
def held_by_another(lock: Any) -> Iterator[None]:
    """As long as this lasts, a thread has the lock."""
    has, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            has.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    has.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("what", HELD)
def test_a_lock_that_stays_behind_is_free_in_the_child(what: str) -> None:
    work, lock = HELD[what]
    work()
    with held_by_another(lock()):
        assert forked(lambda: work() is None) == "right"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="cached properties have no lock any more")
def test_a_cached_property_that_another_thread_computes_is_free_in_the_child() -> None:
    held = vars(System)["shapes"]
    with held_by_another(held.lock):
        assert forked(lambda: network().plan(4) is not None) == "right"


def test_a_fork_waits_until_nobody_is_within_llvm() -> None:
    inside, steps = threading.Event(), []

    def compile() -> None:
        with llvm.INSIDE:
            inside.set()
            threading.Event().wait(0.1)
            steps.append("left")

    thread = threading.Thread(target=compile)
    thread.start()
    inside.wait()
    assert forked(lambda: steps == ["left"]) == "right"
    thread.join()


def test_images_that_were_read_ahead_by_a_thread_are_read_by_the_child_itself(
    tmp_path: Path,
) -> None:
    """A fork between two batches: the child goes on with the batch that comes next."""
    for number in range(24):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        pixels = np.full((4, 4), number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    images = gt.data.ImageFolder(tmp_path, memory=1)
    parts = [np.arange(at, at + 3) for at in range(0, 24, 3)]
    expected = [images.read(places) for places in parts]
    with pixels_ahead(images, parts) as batches:
        first = next(batches).pixels
        assert np.array_equal(first, expected[0])

        def rest() -> bool:
            return all(
                np.array_equal(got.pixels, right)
                for got, right in zip(batches, expected[1:], strict=True)
            )

        assert forked(rest) == "right"
        assert rest()


MAKERS = ("Lock", "RLock", "Condition", "Event", "Semaphore", "Queue", "ThreadPoolExecutor")

ELSEWHERE = {
    ("data/store.py", "_submitted"),  # what `_begin` takes away in a child
    ("exploring/server.py", "__init__"),  # waited for by whoever makes it, and no longer
    ("machine/forking.py", "lock_over_forks"),
    ("machine/forking.py", "_free_cached_properties"),
}
"""Functions that may make a lock although nobody calls them in a forked process."""


def made_once(path: Path) -> list[str]:
    """What of this kind a module makes outside of what `renew_in_forks` calls."""
    calls = [node for node in nodes(path) if isinstance(node, ast.Call)]
    renewed = {_last(a) for c in calls if _last(c.func) == "renew_in_forks" for a in c.args}
    name = path.relative_to(PACKAGE).as_posix()
    for function in (n for n in nodes(path) if isinstance(n, ast.FunctionDef)):
        if function.name in renewed or (name, function.name) in ELSEWHERE:
            inside = set(map(id, ast.walk(function)))
            calls = [c for c in calls if id(c) not in inside]
    return [f"{name}: {_last(c.func)}" for c in calls if _last(c.func) in MAKERS]


def test_whoever_makes_a_lock_makes_it_anew_in_a_forked_process() -> None:
    files = [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if any(maker in path.read_text(encoding="utf-8") for maker in MAKERS)
    ]
    assert len(files) >= 5
    assert [made for path in files for made in made_once(path)] == []


def _last(node: ast.AST) -> str:
    """The name that a call or an argument ends with."""
    return getattr(node, "attr", None) or getattr(node, "id", "")


def test_what_is_renewed_does_not_outlive_its_object() -> None:
    class Owner:
        def __init__(self) -> None:
            renew_in_forks(self.begin)

        def begin(self) -> None:
            self.began = True

    before = set(_RENEWALS)
    owner = Owner()
    (number,) = set(_RENEWALS) - before
    del owner.began
    _RENEWALS[number]()
    assert owner.began
    del owner
    gc.collect()
    assert set(_RENEWALS) == before


SLOW = """
import sys

meeting = sys.modules["meeting"]
meeting.begun.set()
meeting.go.wait(30)
ANSWER = 42
"""

NEEDS = """
def answer():
    import slowly

    return slowly.ANSWER
"""


@pytest.fixture
def meeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.SimpleNamespace]:
    """What a module that imports slowly waits for; such modules lie here and in the package."""
    (tmp_path / "slowly.py").write_text(SLOW)
    (tmp_path / "needs.py").write_text(NEEDS)
    held = types.SimpleNamespace(begun=threading.Event(), go=threading.Event())
    monkeypatch.setitem(sys.modules, "meeting", held)
    monkeypatch.setattr(gt, "__path__", [*gt.__path__, str(tmp_path)])
    monkeypatch.syspath_prepend(str(tmp_path))
    yield held
    for name in ("slowly", "gradtrail.slowly", "gradtrail.needs"):
        sys.modules.pop(name, None)


@contextmanager
def begun_elsewhere(meeting: types.SimpleNamespace, work: Callable[[], object]) -> Iterator[None]:
    """A thread is in the midst of it; it goes on a little after the fork has begun to wait."""
    importer = threading.Thread(target=work)
    importer.start()
    assert meeting.begun.wait(30)
    later = threading.Timer(0.1, meeting.go.set)
    later.start()
    try:
        yield
    finally:
        meeting.go.set()
        importer.join()
        later.join()


@pytest.mark.parametrize("module", ["gradtrail.slowly", "gradtrail.needs"])
def test_a_fork_waits_for_what_another_thread_imports_for_us(
    module: str, meeting: types.SimpleNamespace
) -> None:
    """As a thread that trains does at its first step; a lock stayed locked in the child."""

    def answer() -> int:
        found = importlib.import_module(module)
        return found.ANSWER if hasattr(found, "ANSWER") else found.answer()

    with begun_elsewhere(meeting, answer):
        assert forked(lambda: answer() == 42) == "right"


def test_a_fork_does_not_wait_for_what_others_import(meeting: types.SimpleNamespace) -> None:
    """A program that is a module may run for ever, and use this package meanwhile."""
    with begun_elsewhere(meeting, lambda: importlib.import_module("slowly")):
        assert not forking._imported_elsewhere()
        assert forked(lambda: NET is not None) == "right"
