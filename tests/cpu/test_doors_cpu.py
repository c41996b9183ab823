"""What the system withholds or puts in the way: threads, a home, files that are none."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.data.store import FileThreads as Readers
from gradtrail.engines.cpu import cache, pool, warping
from gradtrail.engines.cpu.target import host, target_for
from gradtrail.machine import folders as homes
from gradtrail.training.read_ahead import pixels_ahead


class FewThreads(threading.Thread):
    """As many threads as are left, and then none."""

    left = 0

    def start(self) -> None:
        if FewThreads.left == 0:
            raise RuntimeError("can't start new thread")
        FewThreads.left -= 1
        super().start()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> type[FewThreads]:
    monkeypatch.setattr(threading, "Thread", FewThreads)
    monkeypatch.setattr(pool, "_POOLS", {})
    return FewThreads


def trained(threads: int) -> np.ndarray:
    draw = np.random.Generator(np.random.PCG64(5))
    x = draw.random((96, 1, 8, 8), dtype=np.float32)
    layers = [gt.Conv2d(4, 3), gt.BatchNorm2d(), gt.ReLU(), gt.Flatten(), gt.Linear(3)]
    net = gt.Network((1, 8, 8), layers, seed=3)
    gt.train(net, (x, np.arange(96) % 3), threads=threads, batch_size=96, progress=False)
    return net.parameters["conv1.weight"]


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_training_goes_on_with_the_threads_that_started(few: type[FewThreads], left: int) -> None:
    expected = trained(1)
    few.left = left
    shared = rf"starts no more threads \(can't start new thread\), so {left + 1} instead of 6 share"
    with pytest.warns(gt.GradtrailWarning, match=shared) as told:
        found = trained(6)
    assert len(told) == 1
    assert Path(told[0].filename).name == Path(__file__).name
    np.testing.assert_array_equal(found, expected)
    pool.pool_for(host()).close()


def test_a_thread_that_was_refused_is_asked_for_again_later(
    few: type[FewThreads], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(pool.time, "monotonic", lambda: now[0])
    with pytest.warns(gt.GradtrailWarning, match="so 1 instead of 2 share the work"):
        trained(2)
    few.left = 5
    trained(2)
    assert few.left == 5
    now[0] += 11
    trained(2)
    assert few.left == 4
    pool.pool_for(host()).close()


@pytest.mark.parametrize("left", [0, 1, 2, 4])
def test_images_are_read_by_the_threads_that_started(few: type[FewThreads], left: int) -> None:
    readers, few.left = Readers(4), left
    counted: list[int] = []
    found = list(readers.over(100, list, counted.append))
    assert sorted(number for part in found for number in part) == list(range(100))
    assert counted[-1] == 100


def test_batches_are_read_without_the_thread_that_reads_ahead(few: type[FewThreads]) -> None:
    class Slow(gt.data.images.ArrayImages):
        cached = 0

    images = Slow(np.arange(4 * 9, dtype=np.uint8).reshape(4, 1, 3, 3), np.zeros(4, int))
    parts = [np.array([2, 0]), np.array([3])]
    with pixels_ahead(images, parts) as batches:
        for places, batch in zip(parts, batches, strict=True):
            np.testing.assert_array_equal(batch.pixels, images.read(places))


def test_code_for_another_machine_is_not_run_to_move_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Moving images is the first code of a training that runs."""
    (x, y), _ = gt.data.digits()
    net = gt.Network((1, 8, 8), [gt.Flatten(), gt.Linear(10)])
    monkeypatch.setattr(pool, "_POOLS", {})
    monkeypatch.setattr(warping, "_WARPERS", {})
    lacking = target_for("avx512")
    monkeypatch.setattr(pool, "runnable", lambda target: target != lacking)
    with pytest.raises(gt.ArgumentError, match="this machine cannot run code for x86-64-v4"):
        gt.train(
            net,
            (x[:40], y[:40]),
            augment=gt.Augment(shift=0.1),
            engine=gt.CPU(target="avx512"),
            progress=False,
        )


# -- files ------------------------------------------------------------------------------------


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such files")
@pytest.mark.parametrize("obstacle", [fifo, device, folder])
def test_what_is_no_file_in_the_code_cache_is_passed_over(tmp_path: Path, obstacle) -> None:
    path = tmp_path / "ab" / "cdef.o"
    path.parent.mkdir()
    obstacle(path)
    assert cache.read_stored(path) is None
    cache.write_stored(path, b"made anew")
    assert cache.read_stored(path) == (None if obstacle is folder else b"made anew")
    assert [p.name for p in path.parent.iterdir()] == ["cdef.o"]


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user without HOME whom the system does not know, in an empty folder."""
    for name in ("HOME", "XDG_CACHE_HOME", "GRADTRAIL_CACHE", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    cache.cache_folder.cache_clear()
    yield tmp_path
    cache.cache_folder.cache_clear()


def test_without_a_home_nothing_is_kept_and_no_folder_is_made(
    nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache.cache_folder() is None
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    cache.cache_folder.cache_clear()
    assert cache.cache_folder() is None
    monkeypatch.setenv("GRADTRAIL_CACHE", "~/code")
    cache.cache_folder.cache_clear()
    assert cache.cache_folder() is None
    monkeypatch.setenv("GRADTRAIL_CACHE", "code")
    cache.cache_folder.cache_clear()
    assert cache.cache_folder() == Path("code")
    assert list(nobody.iterdir()) == []


def test_without_a_home_a_download_says_what_is_missing(
    nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADTRAIL_OFFLINE", raising=False)
    monkeypatch.setattr("gradtrail.data.known._places", lambda known, path: iter(()))
    with pytest.raises(gt.FileError, match="the user has no home; set XDG_CACHE_HOME to"):
        gt.data.load("mnist")
    assert list(nobody.iterdir()) == []


def test_a_home_stands_for_the_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert homes.expand_home("~/code") == Path("/home/ada/code")
    assert homes.user_cache() == Path("/home/ada/.cache")
    monkeypatch.setenv("HOME", "")
    assert homes.user_cache() is None
    assert homes.expand_home("~nobody-of-this-name/x") is None
    assert homes.expand_home("plain/x") == Path("plain/x")


@pytest.mark.parametrize(
    "read",
    [
        gt.data.read,
        gt.data.ImageFolder,
        lambda path: gt.data.read_image(path, (1, 8, 8)),
        lambda path: gt.data.load("mnist", path),
    ],
)
def test_a_tilde_that_stands_for_nothing_is_one_error(nobody: Path, read: Any) -> None:
    told = "cannot read ~/pictures: it is not known which folder ~ is; write its whole path, or set"
    with pytest.raises(gt.FileError, match=told):
        read("~/pictures")
