"""Memory is foretold: what cannot fit is refused before anything is taken, and what fits is not."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.engines import engine_for
from gradtrail.errors import NoRoomError
from gradtrail.machine.free_memory import Room, rooms
from gradtrail.training import memory_estimate

from .common import ENGINES, Held, data, network, pixels, trained


def left(monkeypatch: pytest.MonkeyPatch, free: int, *, reserved: bool = False) -> None:
    limit = [Room(free, "the machine has", reserved)]
    monkeypatch.setattr(memory_estimate, "rooms", lambda: limit)


def wide() -> gt.Network:
    """30 numbers, 90,000 + 3,000 in the first layer, 9,000 + 3 in the second."""
    return gt.Network((2, 3, 5), [gt.Flatten(), gt.Linear(3000), gt.ReLU(), gt.Linear(3)])


# -- what is needed ----------------------------------------------------------------------------


def test_the_numbers_of_a_network() -> None:
    """102,003 parameters of four bytes: thrice, and Adam's two arrays thrice; gradients once.

    In the slower engine with eight bytes each, and what its steps hold beside the old weights.
    """
    net = wide()
    for samples in (1, 16):
        needs = engine_for("cpu", net).memory(net, gt.CrossEntropy(), gt.Adam(), samples)
        row = 102_003 * 4
        assert needs["parameters"] == pytest.approx(3 * row, rel=2e-3)
        assert needs["gradients"] == pytest.approx(row, rel=2e-3)
        assert needs["optimizer"] == pytest.approx(6 * row, rel=2e-3)
        assert 16 * 4 * 2 * 3000 < needs["activations"] < 16 * 4 * 4 * 3200
    needs = engine_for("reference", net).memory(net, gt.CrossEntropy(), gt.SGD(0.1), 7)
    outputs = 30 + 3000 + 3000 + 3
    between = 3000 * 30 + 7 * 30 + 7 * 3000  # the first layer's weights, input and output
    assert needs == {
        "parameters": 102_003 * 28,
        "gradients": 102_003 * 16,
        "optimizer": 0,
        "activations": 7 * outputs * 16 + between * 8,
    }


GROWTH = """
import numpy as np, gradtrail as gt
from gradtrail.engines import engine_for

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

def learn(units):
    net = gt.Network((3, 32, 32), [gt.Flatten(), gt.Linear(units), gt.ReLU(), gt.Linear(4)])
    gt.train(net, (x, y), optimizer=adam, batch_size=16, epochs=2, progress=False, engine="cpu")
    return net

x, y, adam = np.zeros((32, 3, 32, 32), np.float32), np.arange(32) % 4, gt.Adam()
learn(16)
before = peak()
net = learn(2000)
grown = peak() - before
print(sum(engine_for("cpu", net).memory(net, gt.CrossEntropy(), adam, 16).values()) / grown)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_is_foretold_is_not_more_than_what_is_taken() -> None:
    """6.1 million parameters: 246 MB are memory_estimate, and a little more is taken."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True
    )
    assert 0.6 < float(done.stdout) < 1.03


@pytest.mark.parametrize(
    ("optimizer", "samples", "threads", "epochs"),
    [
        (gt.SGD(1e-4), 1, 4, 2),  # fewer blocks than threads
        (gt.SGD(1e-4), 40, 2, 1),
        (gt.Adam(1e-4), 16, 2, 3),  # what it remembers is stored behind every epoch
    ],
    ids=str,
)
def test_a_training_takes_what_was_foretold(
    optimizer: gt.SGD | gt.Adam, samples: int, threads: int, epochs: int
) -> None:
    """To 3 %: so what is said to fit does fit, and nothing that fits is refused."""

    def learn(units: int) -> None:
        net = gt.Network((8, 16, 16), [gt.ReLU(), gt.Flatten(), gt.Linear(units), gt.Linear(4)])
        told.append(
            sum(engine_for("cpu", net, threads)
                .memory(net, gt.CrossEntropy(), optimizer, samples).values())
        )  # fmt: skip
        trained(net, (x, y), optimizer=optimizer, batch_size=samples, epochs=epochs, engine="cpu",
                threads=threads)  # fmt: skip

    x, y = np.ones((samples, 8, 16, 16), np.float32), np.arange(samples) % 4
    told: list[int] = []
    learn(1500)  # compiles
    tracemalloc.start()
    learn(1500)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken == pytest.approx(told[-1], rel=0.03)


SHAPES = {
    "units": ([gt.Flatten(), gt.Linear(300), gt.Tanh()], gt.Adam(1e-4)),
    "windows": ([gt.Conv2d(8, 3), gt.BatchNorm2d(), gt.ReLU(), gt.Conv2d(8, 3)], gt.SGD(1e-4)),
    "maxima": ([gt.Conv2d(16, 1), gt.MaxPool2d(3, 2, 1)], gt.SGD(1e-4, momentum=0.9)),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_the_slower_engine_takes_about_what_was_foretold(kind: str) -> None:
    layers, optimizer = SHAPES[kind]
    net = gt.Network((8, 24, 24), [*layers, gt.Flatten(), gt.Linear(4)])
    data = np.ones((8, 8, 24, 24), np.float32), np.arange(8) % 4
    told = engine_for("reference", net).memory(net, gt.CrossEntropy(), optimizer, 8)
    tracemalloc.start()
    trained(net, data, optimizer=optimizer, batch_size=8, epochs=2, engine="reference")
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.75 < sum(told.values()) / taken < 1.15


def test_a_warning_is_left_out_where_there_may_be_no_room_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """102,003 parameters by 24 bytes, and 16 for each of 6,063 elements of 16 samples."""
    most = 102_003 * 24 + 6063 * 16 * 16
    left(monkeypatch, most)
    assert memory_estimate.can_look(wide(), 7)
    left(monkeypatch, most - 1)
    assert not memory_estimate.can_look(wide(), 7)


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [1, 2])  # of one step each: the first takes as much as others
def test_images_of_600_by_600_are_refused_before_anything_is_made(
    epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(monkeypatch, 8_000_000_000)
    net = gt.Network((3, 600, 600), gt.architecture("mnist-cnn").make(2))
    x = np.broadcast_to(np.float32(0), (20, 3, 600, 600))
    with pytest.raises(NoRoomError, match="the machine has 8.0 GB left; no batch_size would") as no:
        gt.train(net, (np.ascontiguousarray(x), np.arange(20) % 2), epochs=epochs, progress=False)
    said = str(no.value)
    assert "8.7 GB for 727,502,146 parameters, 2.9 GB for gradients, 17.5 GB for what Adam" in said
    assert "layer 'fc1' has 100 % of the parameters: make what it reads smaller by smaller" in said
    assert not net.parameters._arrays
    assert isinstance(no.value, MemoryError)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_largest_batch_that_fits_is_named_and_fits(
    monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    net, (x, y) = network(), data(512)
    runs, adam, loss = engine_for(engine, net, 1), gt.Adam(0.01), gt.CrossEntropy()
    free = sum(runs.memory(net, loss, adam, 64).values())
    settings = {"optimizer": adam, "engine": engine, "epochs": 1}
    left(monkeypatch, free)
    with pytest.raises(NoRoomError, match="for activations of 256 samples.*; batch_size=64 would"):
        trained(net, (x, y), batch_size=256, **settings)
    assert trained(net, (x, y), batch_size=64, **settings).steps == 8
    left(monkeypatch, free - 1)
    with pytest.raises(NoRoomError, match="batch_size=32 would fit"):
        trained(net, (x, y), batch_size=64, **settings)


def test_an_optimizer_that_remembers_nothing_is_named_where_it_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = wide()
    free = sum(engine_for("cpu", net, 1).memory(net, gt.CrossEntropy(), gt.SGD(1), 1).values())
    x, y = np.ones((40, 2, 3, 5), np.float32), np.arange(40) % 3
    left(monkeypatch, free)
    with pytest.raises(NoRoomError, match=r"optimizer=gt.SGD\(lr\) with batch_size=1 would fit$"):
        trained(net, (x, y), engine="cpu")
    fits = {"optimizer": gt.SGD(1e-4), "batch_size": 1, "epochs": 1, "engine": "cpu"}
    assert trained(net, (x, y), **fits).steps == 40


def test_images_that_are_kept_count(monkeypatch: pytest.MonkeyPatch) -> None:
    class Files(Held):
        def __init__(self) -> None:
            super().__init__(*pixels())
            paths = tuple(Path(f"{i}.png") for i in range(50))
            about = self.x.shape[1:], self.y, self.classes
            gt.data.Images.__init__(self, *about, paths, memory=1 << 20)

    net = network()
    free = sum(engine_for("cpu", net, 1).memory(net, gt.CrossEntropy(), gt.Adam(), 16).values())
    left(monkeypatch, free + 50 * 60 - 1)
    with pytest.raises(NoRoomError, match="0 MB for images that are kept"):
        trained(net, Files(), engine="cpu")
    left(monkeypatch, free + 50 * 60)
    assert trained(net, Files(), engine="cpu").steps == 8
    monkeypatch.setattr(memory_estimate, "_CODE", 0)
    left(monkeypatch, free, reserved=True)  # such memory is reserved already
    assert trained(network(), Files(), engine="cpu").steps == 8


# -- what is left ------------------------------------------------------------------------------


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = "MemTotal: 16000 kB\nMemAvailable: 8000 kB\nSwapFree: 100 kB\nHugePages_Total: 0\n"


def told(root: Path) -> list[tuple[int, str]]:
    return [(r.free, r.limit) for r in rooms(root) if not r.reserved]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux' own files")
def test_the_machines_and_the_control_groups_limits(tmp_path: Path) -> None:
    """Files that may be dropped and swap count as free; any group around may be the tightest."""
    machine, group = "the machine has", "its control group has"
    two = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/memory.max": "5000000",
        "sys/fs/cgroup/a/memory.current": "4000000",
        "sys/fs/cgroup/a/memory.stat": "anon 3\ninactive_file 700\nactive_file 30\nshmem 9\n",
        "sys/fs/cgroup/a/memory.swap.max": "2000",
        "sys/fs/cgroup/a/memory.swap.current": "500",
        "sys/fs/cgroup/a/b/memory.max": "max",
        "sys/fs/cgroup/a/b/memory.current": "4000000",
    }
    found = told(written(tmp_path / "v2", two))
    assert found == [(1_000_000 + 730 + 1500, group), (8100 * 1024, machine)]
    one = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "12:cpu:/x\n9:memory:/job\n",
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "6000000",
        "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "7000000",
        "sys/fs/cgroup/memory/job/memory.stat": "total_inactive_file 50\ninactive_file 9\n",
    }
    found = told(written(tmp_path / "v1", one))
    assert found == [(100 * 1024, group), (8100 * 1024, machine)]
    assert told(tmp_path / "nothing") == []


LIMITED = """
import resource, numpy as np, gradtrail as gt
net = gt.Network((3, 64, 64), [gt.Flatten(), gt.Linear(12000), gt.ReLU(), gt.Linear(4)])
x, y = np.zeros((40, 3, 64, 64), np.float32), np.arange(40) % 4
resource.setrlimit(resource.RLIMIT_AS, (2_500_000_000, resource.RLIM_INFINITY))
try:
    gt.train(net, (x, y), optimizer=gt.Adam(), batch_size=16, epochs=2, progress=False)
except gt.NoRoomError as cause:
    print(cause)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_limit_of_the_address_space_is_seen() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True
    )
    assert "6.2 GB at the least" in done.stdout
    assert ", 250 MB for code and threads)" in done.stdout
    assert "but the process's own limit (ulimit) has" in done.stdout
