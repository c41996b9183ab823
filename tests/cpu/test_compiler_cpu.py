"""What was compiled or planned is found again, and whatever is wrong with it costs only time."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.engines.cpu import cache
from gradtrail.engines.cpu.compiler import Compiler
from gradtrail.engines.cpu.kernels.lanes import SumLanes
from gradtrail.engines.cpu.listing import Listing, listing_for
from gradtrail.engines.cpu.options import Options
from gradtrail.engines.cpu.planning.planner import plan_program
from gradtrail.engines.cpu.program import Program
from gradtrail.engines.cpu.target import LANES, Target, host, target_for
from gradtrail.equation import Array, contraction, term
from gradtrail.equation.frozen import frozen
from gradtrail.errors import ArgumentError
from gradtrail.layers.layer import Declaration, Layer, Shape, elementwise
from gradtrail.storage.files import write_whole

from .targets import PRESETS

KERNEL = SumLanes(3)

HERE = host()

x86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="names of x86 processors"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for compiled code that is not there yet."""
    yield from kept_in(tmp_path / "code", monkeypatch)


def kept_in(path: Path | str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("GRADTRAIL_CACHE", str(path))
    cache.cache_folder.cache_clear()
    yield Path(path)
    cache.cache_folder.cache_clear()


def files(folder: Path) -> list[Path]:
    """All files in it, hidden ones too."""
    return sorted(p for p in folder.rglob("*") if p.is_file())


def objects(folder: Path) -> list[Path]:
    """The compiled objects, after the images made of them are taken away."""
    found = files(folder)
    for path in found:
        if path.suffix == ".image":
            path.unlink()
    return [p for p in found if p.suffix == ".o"]


def compiled(target: Target = HERE, kernel: SumLanes = KERNEL) -> tuple[int, int]:
    """Load a kernel with a compiler that knows nothing yet; how many it compiled and found."""
    compiler = Compiler(target)
    piece = kernel.symbol, repr(kernel), partial(kernel.text, target)
    (address,) = compiler.addresses([piece])
    assert compiler.addresses([piece]) == [address]  # once loaded, nothing is looked for
    if target is HERE and kernel == KERNEL:
        assert_sums(address)
    return compiler.compiled, compiler.found


def assert_sums(address: int) -> None:
    """The code is whole: it sums lanes."""
    memory = np.arange(4 * LANES, dtype=np.float32)
    start = (-memory.ctypes.data // 4) % LANES
    lanes, numbers = memory[start : start + 3 * LANES], np.zeros(3, np.float32)
    arguments = (ctypes.c_void_p * 2)(numbers.ctypes.data, lanes.ctypes.data)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(address)(arguments, None)
    assert numbers.tolist() == lanes.reshape(3, LANES).sum(axis=1).tolist()


def network() -> gt.Network:
    return gt.Network((1, 4, 4), [gt.Conv2d(2, 3), gt.ReLU(), gt.Flatten(), gt.Linear(3)], seed=1)


def planned(layers: gt.Network | None = None, **options: bool) -> tuple[Listing, int]:
    """A network's listing, and how often its program had to be built."""
    net, loss, wanted = layers or network(), gt.CrossEntropy(), Options(training=True, **options)
    setup = gt.CPU(threads=1, target="avx2").setup
    built: list[Program] = []

    def build_it(*arguments: Any) -> Program:
        built.append(plan_program(*arguments))
        return built[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gradtrail.engines.cpu.planning.planner.plan_program", build_it)
        listing, _ = listing_for(setup, net, loss, wanted)
    return listing, len(built)


# -- found again -------------------------------------------------------------------------------


def test_an_object_is_found_again(folder: Path) -> None:
    assert compiled() == (1, 0)
    kept = files(folder)
    assert {p.suffix for p in kept} - {".image"} == {".o"}
    assert compiled() == (0, 1)
    assert files(folder) == kept  # and no temporary one
    assert len(objects(folder)) == 1
    assert compiled() == (0, 1)
    assert files(folder) == kept


def test_a_listing_is_found_again(folder: Path) -> None:
    made, built = planned()
    assert built == 1
    (path,) = files(folder)
    assert path.suffix == ".json"
    found, built = planned()
    assert built == 0
    assert found.constants.keys() == made.constants.keys()
    for field in ("phases", "sizes", "places", "shapes", "per_block", "segmented", "options"):
        assert getattr(found, field) == getattr(made, field), field


def test_what_a_listing_follows_from_is_in_its_key(folder: Path) -> None:
    planned()
    assert planned(backward=True)[1] == 1
    wider = gt.Network((1, 4, 5), [gt.Conv2d(2, 3), gt.ReLU(), gt.Flatten(), gt.Linear(3)], seed=1)
    assert planned(wider)[1] == 1
    assert len(files(folder)) == 3


@x86
def test_a_layer_of_the_users_own_may_change(folder: Path) -> None:
    """Its code is not among what the key follows from, so its listing is not kept."""
    x = np.ones((20, 2, 3, 3), np.float32)
    for factor in (2, 3):
        net = gt.Network((2, 3, 3), [times(factor)])
        np.testing.assert_array_equal(net.predict(x, engine="cpu"), factor * x)
    assert not [p for p in files(folder) if p.suffix == ".json"]


def times(factor: int) -> Layer:
    """Layers of one name and of equal settings that do not compute the same."""

    @frozen
    class Times(Layer):
        prefix = "times"

        name: str | None = None

        def declare(self, *sources: Shape, training: bool) -> Declaration:
            each = elementwise(sources[0])
            scaled = term(Array("Z")[each], Array("X")[each], scale=factor)
            return Declaration(contraction(scaled, ranges={}, shapes={"X": sources[0]}))

    return Times()


def test_another_target_or_kernel_has_another_key(folder: Path) -> None:
    for number, name in enumerate(PRESETS):
        assert compiled(target_for(name)) == (1, 0)
        assert len([p for p in files(folder) if p.suffix == ".o"]) == number + 1
    for name in PRESETS:
        assert compiled(target_for(name)) == (0, 1)
    assert compiled() == (1, 0)
    assert compiled(kernel=SumLanes(4)) == (1, 0)
    assert len(objects(folder)) == len(PRESETS) + 2


# -- damaged -----------------------------------------------------------------------------------


def flipped(place: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[place] ^= 4
        path.write_bytes(content)

    return damage


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def without_content(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:32])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def gone(path: Path) -> None:
    path.unlink()


DAMAGES = {
    "flipped in the checksum": flipped(0),
    "flipped behind the checksum": flipped(32),
    "flipped at the end": flipped(-1),
    "truncated": truncated,
    "without content": without_content,
    "empty": empty,
    "gone": gone,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_object_is_compiled_anew(folder: Path, damage: str) -> None:
    compiled()
    (path,) = objects(folder)
    whole = path.read_bytes()
    DAMAGES[damage](path)
    assert compiled() == (1, 0)
    assert path.read_bytes() == whole
    assert compiled() == (0, 1)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_listing_is_made_anew(folder: Path, damage: str) -> None:
    planned()
    (path,) = files(folder)
    DAMAGES[damage](path)
    assert planned()[1] == 1
    assert planned()[1] == 0


def test_a_listing_in_anothers_place_is_made_anew(folder: Path) -> None:
    """Whole, but another network's: its calls would read and write anywhere."""
    wider = gt.Network((1, 4, 5), [gt.Conv2d(2, 3), gt.ReLU(), gt.Flatten(), gt.Linear(3)], seed=1)
    planned()
    (ours,) = files(folder)
    planned(wider)
    (theirs,) = (path for path in files(folder) if path != ours)
    one, other = ours.read_bytes(), theirs.read_bytes()
    ours.write_bytes(other)
    theirs.write_bytes(one)
    assert [planned()[1], planned(wider)[1]] == [1, 1]
    assert [planned()[1], planned(wider)[1]] == [0, 0]
    assert (ours.read_bytes(), theirs.read_bytes()) == (one, other)


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"format":0}', b'{"format":1}', b"\xff"])
def test_a_listing_of_another_format_is_made_anew(folder: Path, content: bytes) -> None:
    planned()
    (path,) = files(folder)
    cache.write_stored(path, content)
    assert cache.read_stored(path) == content
    assert planned()[1] == 1
    assert planned()[1] == 0


# -- folders that cannot be used -----------------------------------------------------------------


def test_a_file_in_the_folders_place(folder: Path) -> None:
    folder.write_text("mine")
    assert [compiled(), compiled()] == [(1, 0), (1, 0)]
    assert [planned()[1], planned()[1]] == [1, 1]
    assert folder.read_text() == "mine"


def test_a_folder_in_a_files_place(folder: Path) -> None:
    compiled()
    for path in files(folder):
        path.unlink()
        path.mkdir()
    assert [compiled(), compiled()] == [(1, 0), (1, 0)]
    assert files(folder) == []


def test_a_full_disk_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a file is written before the disk is full, and is taken away again."""
    begun = []

    @contextmanager
    def on_a_full_disk(path: Path, *, flush: bool) -> Iterator[SimpleNamespace]:
        with write_whole(path, flush=flush) as file:

            def write(content: bytes) -> None:
                begun.append(file.write(content[: len(content) // 2]))
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            yield SimpleNamespace(write=write)

    with monkeypatch.context() as patch:
        patch.setattr("gradtrail.storage.files.write_whole", on_a_full_disk)
        assert [compiled(), compiled()] == [(1, 0), (1, 0)]
        assert planned()[1] == 1
    assert len(begun) in (3, 5)  # two objects, where there are images two images, and a listing
    assert files(folder) == []
    assert [compiled(), compiled()] == [(1, 0), (0, 1)]


def test_without_a_folder_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in kept_in("", monkeypatch):
        assert cache.cache_folder() is None
        assert [compiled(), compiled()] == [(1, 0), (1, 0)]
        assert [planned()[1], planned()[1]] == [1, 1]


def test_the_default_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GRADTRAIL_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    find = cache.cache_folder.__wrapped__
    assert find() == tmp_path / "gradtrail" / "code"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path.replace("~", str(tmp_path)))
    assert find() == tmp_path / ".cache" / "gradtrail" / "code"


# -- other processes -----------------------------------------------------------------------------


def started(code: str, settings: Mapping[str, str]) -> subprocess.Popen[str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith("GRADTRAIL_")}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**kept, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def printed(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == ""
    return out.strip()


STEP = """
import numpy as np
import gradtrail as gt

net = gt.Network((1, 4, 4), [gt.Conv2d(2, 3), gt.ReLU(), gt.Flatten(), gt.Linear(3)], seed=1)
x, y = np.cos(np.arange(320, dtype=np.float32)).reshape(20, 1, 4, 4), np.arange(20) % 3
history = gt.train(net, (x, y), epochs=1, batch_size=20, threads=1, progress=False)
print(history.loss[-1], net.parameters["conv1.weight"].tobytes().hex())
"""


def test_two_processes_at_once_on_one_empty_folder(tmp_path: Path) -> None:
    both = [started(STEP, {"GRADTRAIL_CACHE": str(tmp_path / "code")}) for _ in range(2)]
    first, second = map(printed, both)
    assert first == second != ""
    found = files(tmp_path)
    assert {p.suffix for p in found} - {".image", ".processor"} == {".json", ".o"}
    assert not [p for p in found if p.name.startswith(".")]
    assert all(cache.read_stored(p) for p in found)


def test_a_process_without_a_folder_leaves_nothing(tmp_path: Path) -> None:
    settings = {"GRADTRAIL_CACHE": "", "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    assert printed(started(STEP, settings))
    assert list(tmp_path.iterdir()) == []


AVX2 = "16 registers of 8 float32, fused multiply-add"
SSE = "16 registers of 4 float32, no fused multiply-add"
AVX512 = "32 registers of 16 float32, fused multiply-add"


@x86
def test_the_environment_says_which_processor_it_is() -> None:
    """Code is only made for it; a preset does not look at features, a name takes them away."""
    with_avx2 = {"haswell, " + AVX2: {"GRADTRAIL_CPU": "haswell"}} if host().width > 4 else {}
    said = {
        "x86-64-v4, " + AVX512: {"GRADTRAIL_CPU": "avx512"},
        "x86-64-v3, " + AVX2: {"GRADTRAIL_CPU": "avx2", "GRADTRAIL_CPU_FEATURES": "-avx2"},
        "x86-64, " + SSE: {"GRADTRAIL_CPU": "baseline"},
        "nehalem, " + SSE: {"GRADTRAIL_CPU": "nehalem"},
        "penryn, " + SSE: {"GRADTRAIL_CPU": "penryn", "GRADTRAIL_CPU_FEATURES": "-sse4.1"},
        f"{host().cpu}, " + SSE: {"GRADTRAIL_CPU_FEATURES": "-avx,-avx2,-fma,-avx512f"},
        **with_avx2,
    }
    code = f"""
import os
import gradtrail as gt
from gradtrail.engines.cpu.target import host
for settings in {[*said.values()]!r}:
    for name in ("GRADTRAIL_CPU", "GRADTRAIL_CPU_FEATURES"):
        os.environ.pop(name, None)
    os.environ.update(settings)
    host.cache_clear()
    print(gt.CPU().processor)
"""
    assert printed(started(code, {})).splitlines() == [*said]


# -- arguments -----------------------------------------------------------------------------------


def test_a_target_that_is_none() -> None:
    with pytest.raises(ArgumentError, match=r"avx512, avx2, baseline or None .*, got 'avx3'"):
        gt.CPU(target="avx3")


@pytest.mark.parametrize("winograd", ["f3", "on", ""])
def test_an_algorithm_that_is_none(winograd: str) -> None:
    with pytest.raises(ArgumentError, match=f'"auto", "off", "f2", "f4", got {winograd!r}'):
        gt.CPU(winograd=winograd)


@pytest.mark.parametrize("threads", [0, -2, 1.5, True, "2", 1025])
def test_threads_that_are_no_number_of_threads(threads: object) -> None:
    with pytest.raises(
        ArgumentError, match=f"threads must be a whole number from 1 to 1024, got {threads!r}"
    ):
        gt.CPU(threads=threads)
