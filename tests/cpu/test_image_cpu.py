"""Programs without LLVM: images of objects, and what is remembered of the processor."""

from __future__ import annotations

import platform
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.engines.cpu import cache, compiler, target
from gradtrail.engines.cpu.compiler import Compiler
from gradtrail.engines.cpu.driver import driver_text
from gradtrail.engines.cpu.image import Image, link_objects
from gradtrail.engines.cpu.kernels.lanes import SumLanes
from gradtrail.engines.cpu.target import host

from .test_compiler_cpu import DAMAGES, compiled, files, kept_in, printed, started

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or sys.platform != "linux", reason="images are of Linux, x86-64"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield from kept_in(tmp_path / "code", monkeypatch)


def objects(*texts: str) -> list[bytes]:
    made = Compiler(host())
    pieces = [("", text, lambda text=text: text) for text in texts]
    return made._objects(pieces)


KERNELS = [SumLanes(3), SumLanes(5)]


def image(folder: Path) -> Path:
    (path,) = (p for p in files(folder) if p.suffix == ".image")
    return path


# -- linking -----------------------------------------------------------------------------------


def test_an_image_holds_every_function_and_a_slot_for_each_of_the_c_librarys() -> None:
    texts = [driver_text(host()), *(k.text(host()) for k in KERNELS)]
    made = link_objects(objects(*texts))
    assert made is not None
    wanted = {"run_step", "run_worker", *(k.symbol for k in KERNELS)}
    assert wanted <= made.symbols.keys()
    assert "sched_yield" in made.slots
    assert len({made.symbols[name] for name in wanted}) == len(wanted)
    assert all(made.symbols[name] % 16 == 0 for name in wanted)
    assert Image.from_bytes(made.to_bytes()) == made


def test_an_image_computes_what_llvms_loader_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Constants lie in sections of their own, so a wrong distance shows in the numbers."""
    found = []
    for link in (link_objects, lambda objects: None):
        monkeypatch.setattr(compiler, "link_objects", link)
        for _ in kept_in("", monkeypatch):
            process = Compiler(host())
            monkeypatch.setattr(
                "gradtrail.engines.cpu.loading.compiler_for", lambda target, p=process: p
            )
            net = gt.Network(
                (2, 9, 9),
                [
                    *(gt.Conv2d(4, 3, padding=1), gt.BatchNorm2d(), gt.GELU(), gt.MaxPool2d(2)),
                    *(gt.Conv2d(5, 3), gt.Sigmoid(), gt.Dropout(0.2), gt.Flatten(), gt.Linear(3)),
                ],
                seed=2,
            )
            draw = np.random.Generator(np.random.PCG64(3))
            data = draw.random((40, 2, 9, 9), np.float32), draw.integers(0, 3, 40)
            gt.train(net, data, optimizer=gt.Adam(), epochs=2, batch_size=20, progress=False)
            kinds = {type(kept).__name__ for kept in process._kept if kept is not None}
            found.append((dict(net.parameters) | dict(net.buffers), kinds))
    assert [kinds for _, kinds in found] == [{"Mapped"}, {"ExecutionEngine"}]
    one, other = (arrays for arrays, _ in found)
    assert {n: a.tobytes() for n, a in one.items()} == {n: a.tobytes() for n, a in other.items()}


def _patched(content: bytes, place: int, form: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(form, changed, place, value)
    return bytes(changed)


def _section(content: bytes, kind: int) -> int:
    """Where the header of the first section of a kind begins."""
    (start,) = struct.unpack_from("<Q", content, 0x28)
    (count,) = struct.unpack_from("<H", content, 0x3C)
    headers = range(start, start + 64 * count, 64)
    return next(at for at in headers if struct.unpack_from("<I", content, at + 4)[0] == kind)


def _unknown_distance(content: bytes) -> bytes:
    (begin,) = struct.unpack_from("<Q", content, _section(content, 4) + 0x18)
    return _patched(content, begin + 8, "<I", 9)


STRANGE: dict[str, Callable[[bytes], bytes]] = {
    "no ELF": lambda content: b"\x00" + content[1:],
    "32 bits": lambda content: content[:4] + b"\x01" + content[5:],
    "of another machine": lambda content: _patched(content, 0x12, "<H", 183),
    "a shared library": lambda content: _patched(content, 0x10, "<H", 3),
    "a distance of an unknown kind": _unknown_distance,
    "data that is written to": lambda c: _patched(c, _section(c, 1) + 8, "<Q", 7),
    "cut off": lambda content: content[:70],
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("strange", STRANGE)
def test_what_is_not_understood_is_left_to_llvm(strange: str) -> None:
    (content,) = objects(driver_text(host()))
    assert link_objects([content]) is not None
    assert link_objects([STRANGE[strange](content)]) is None


# -- kept on disk ------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_image_is_made_anew(folder: Path, damage: str) -> None:
    compiled()
    path = image(folder)
    whole = path.read_bytes()
    DAMAGES[damage](path)
    assert compiled() == (0, 1)  # from the object
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\x00", b"\xff\xff\xff\xff", b"\x02\x00\x00\x00{}", b"\x02\x00\x00\x00[]"),
        *(b"\x0d\x00\x00\x00" + head for head in (b'{"format": 0}', b'{"format": 1}')),
    ],
)
def test_an_image_of_another_format_is_made_anew(folder: Path, content: bytes) -> None:
    assert Image.from_bytes(content) is None
    compiled()
    path = image(folder)
    whole = path.read_bytes()
    cache.write_stored(path, content)
    assert compiled() == (0, 1)
    assert path.read_bytes() == whole


def test_an_image_without_the_function_is_made_anew(folder: Path) -> None:
    compiled()
    path = image(folder)
    whole = path.read_bytes()
    cache.write_stored(path, Image(b"\xc3", {"another": 0}, {}).to_bytes())
    assert compiled() == (0, 1)
    assert path.read_bytes() == whole


def test_where_memory_may_not_become_code_llvm_loads_the_objects(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "mapped", lambda self: None)
    assert compiled() == (1, 0)
    assert [p.suffix for p in files(folder)] == [".o"]
    assert compiled() == (0, 1)


def test_an_image_whose_library_lacks_a_function_is_not_loaded() -> None:
    strange = Image(bytes(64), {"f": 0}, {"no_such_function_anywhere": 8})
    assert strange.mapped() is None


SECOND = """
import sys
import numpy as np
import gradtrail as gt

net = gt.Network((1, 4, 4), [gt.Conv2d(2, 3), gt.ReLU(), gt.Flatten(), gt.Linear(3)], seed=1)
x, y = np.cos(np.arange(320, dtype=np.float32)).reshape(20, 1, 4, 4), np.arange(20) % 3
gt.train(net, (x, y), epochs=1, batch_size=20, threads=2, progress=False)
print("llvmlite.binding" in sys.modules)
"""


def test_a_second_process_does_without_llvm(tmp_path: Path) -> None:
    settings = {"GRADTRAIL_CACHE": str(tmp_path)}
    assert [printed(started(SECOND, settings)) for _ in range(2)] == ["True", "False"]


# -- the processor -----------------------------------------------------------------------------


def test_the_processor_is_asked_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import llvmlite.binding as llvm

    ask = target._detected.__wrapped__
    truth = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    assert ask() == truth
    (path,) = files(folder)
    with monkeypatch.context() as patch:
        patch.setattr(llvm, "get_host_cpu_name", None)  # which would fail
        assert ask() == truth
    for damage in DAMAGES.values():
        damage(path)
        assert ask() == truth
        assert ask() == truth
    with monkeypatch.context() as patch:
        patch.setattr(target, "_told", lambda: "another processor")
        patch.setattr(llvm, "get_host_cpu_name", lambda: "another")
        assert ask() == ("another", truth[1])
    assert ask() == truth
    with monkeypatch.context() as patch:
        patch.setattr(target, "_told", lambda: "")  # no Linux
        patch.setattr(llvm, "get_host_cpu_name", lambda: "a third")
        assert ask() == ("a third", truth[1])
    assert len(files(folder)) == 2


def test_what_linux_tells_does_not_change_with_the_clock() -> None:
    told = target._told()
    assert "flags" in told
    assert "MHz" not in told
    assert target._told() == told
