"""The kinds of files that come from outside: a few sound ones of each, how they are read, and what
is right where reading succeeds."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import gradtrail as gt
from gradtrail.cli.word_meanings import network_of
from gradtrail.data import read_image
from gradtrail.data.cifar import read_cifar
from gradtrail.data.idx import read_idx
from gradtrail.data.recognition import recognise
from gradtrail.data.sets import ARCHIVE, CIFAR_FILES
from gradtrail.network.architecture import network_from
from gradtrail.runs import Recipe, read_recipe

from .mutate import mutated


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Args:
        name: of the kind.
        file: what a file is called.
        samples: sound files.
        read: how gradtrail reads one.
        wrong: what is wrong with a result, if anything.
        inside: another way to damage a file, which keeps its checksums right.
        share: how often that is taken, from 0 to 1.
    """

    name: str
    file: str
    samples: tuple[bytes, ...]
    read: Callable[[Path], Any]
    wrong: Callable[[Path, Any], str | None]
    inside: Callable[[bytes, random.Random], bytes] | None = None
    share: float = 0.5

    def damaged(self, draw: random.Random) -> bytes:
        """One of the sound files, damaged."""
        sample = draw.choice(self.samples)
        if self.inside is not None and draw.random() < self.share:
            return self.inside(sample, draw)
        return mutated(sample, draw)


def sealed_png(data: bytes, draw: random.Random) -> bytes:
    """A PNG whose chunks are damaged and have right checksums: a header may claim gigabytes."""
    found, at = [data[:8]], 8
    chosen = draw.randrange(3)
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        if kind == b"IHDR" and chosen == 0:
            claims = (0, 1, 1 << 13, 1 << 16, 1 << 24, 1 << 31)
            body = struct.pack(">2I", draw.choice(claims), draw.choice(claims)) + body[8:]
        elif body and (chosen == 1 or kind == b"IDAT"):
            body = mutated(body, draw)
        found.append(struct.pack(">I4s", len(body), kind) + body)
        found.append(struct.pack(">I", zlib.crc32(kind + body)))
        at += size + 12
    return b"".join(found)


def sealed_zip(data: bytes, draw: random.Random) -> bytes:
    """A zip file one of whose members is damaged before it is packed."""
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(held, "w") as new:
        names = old.namelist()
        chosen = draw.choice(names)
        for name in names:
            content = old.read(name)
            new.writestr(name, mutated(content, draw) if name == chosen else content)
    return held.getvalue()


def bytes_of(write: Callable[[Path], Any], name: str = "file") -> bytes:
    """What a function writes into a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def network() -> gt.Network:
    layers = [gt.Conv2d(3, 3), gt.BatchNorm2d(), gt.ReLU(), gt.MaxPool2d(2), gt.Flatten()]
    return gt.Network((1, 8, 8), [*layers, gt.Linear(4)], seed=1)


def idx() -> Kind:
    pixels = bytes(range(200)) * 2
    plain = struct.pack(">4I", 0x0803, 5, 8, 10) + pixels
    axes = {"images": None, "rows": None, "columns": None}

    def wrong(path: Path, found: np.ndarray) -> str | None:
        content = path.read_bytes()
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        sizes = struct.unpack(">3I", content[4:16])
        same = found.shape == sizes and found.tobytes() == content[16:]
        return None if same else f"{found.shape} is not what the file holds"

    return Kind(
        "IDX", "images.idx", (plain, gzip.compress(plain, 1)), lambda p: read_idx(p, axes), wrong
    )


def safetensors() -> Kind:
    saved = bytes_of(lambda path: network().save(path), "w.safetensors")

    def wrong(path: Path, found: gt.Network) -> str | None:
        from safetensors.numpy import load

        for name, array in load(path.read_bytes()).items():
            held = {**found.parameters, **found.buffers}[name]
            if not np.array_equal(held, array.astype(held.dtype), equal_nan=True):
                return f"{name} is not what the file holds"
        return None

    return Kind("safetensors", "weights.safetensors", (saved,), gt.load, wrong)


def checkpoint() -> Kind:
    with tempfile.TemporaryDirectory() as folder:
        kept = gt.Checkpoints(folder)
        x, y = np.zeros((4, 1, 8, 8), np.float32), [0, 1, 2, 3]
        gt.train(network(), (x, y), checkpoints=kept, progress=False, engine="reference")
        (path,) = Path(folder).iterdir()
        name, content = path.name, path.read_bytes()

    def wrong(path: Path, found: Any) -> str | None:
        return None if path.read_bytes() == content else "damage was not noticed"

    def read(path: Path) -> Any:
        return gt.Checkpoints(path.parent).newest()

    return Kind("checkpoint", name, (content,), read, wrong)


RECIPE = b"""
[data]
name = "digits"
validation = 0.1
[model]
layers = [{type = "Conv2d", out_channels = 4, kernel_size = 3}, {type = "Flatten"},
    {type = "Linear", out_features = 10}]
[training]
epochs = 4
mixup = 0.2
[optimizer]
type = "SGD"
lr = 0.1
[schedule]
type = "StepDecay"
at = [0.5, 0.75]
[augment]
flip = 0.5
[stopping]
patience = 2
"""


def recipe() -> Kind:
    def wrong(path: Path, found: Recipe) -> str | None:
        path.write_text(found.to_toml(), encoding="utf-8")
        again = read_recipe(path).to_dict()
        return None if again == found.to_dict() else "what is written is not what was read"

    return Kind("TOML", "recipe.toml", (RECIPE,), read_recipe, wrong)


def architecture() -> Kind:
    saved = json.dumps(network().architecture(), indent=1).encode()

    def wrong(path: Path, found: gt.Network) -> str | None:
        again = network_of_file(found.architecture())
        return None if again == found.architecture() else "what is written is not what was read"

    def network_of_file(data: Any) -> Any:
        return network_from(data).architecture()

    return Kind("JSON", "net.json", (saved,), lambda p: network_of(str(p), None, 0), wrong)


def cifar() -> Kind:
    """A folder cannot be one file, so the archive that holds six is taken, and its records."""
    draw = np.random.default_rng(0)
    records = draw.integers(0, 256, (4, 3073), np.uint8)
    records[:, 0] %= 10
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz", compresslevel=1) as archive:
        for name in CIFAR_FILES:
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = records.size
            archive.addfile(member, io.BytesIO(records.tobytes()))

    def wrong(path: Path, found: Any) -> str | None:
        with tarfile.open(path) as archive:
            last = archive.extractfile("cifar-10-batches-bin/test_batch.bin")
            assert last is not None
            rows = np.frombuffer(last.read(), np.uint8).reshape(-1, 3073)
        x, y = found.test
        pixels = np.rint(255 * x).reshape(len(y), -1)
        same = np.array_equal(y, rows[:, 0]) and np.array_equal(pixels, rows[:, 1:])
        return None if same else "the test images are not what the file holds"

    return Kind("CIFAR", ARCHIVE, (held.getvalue(),), lambda p: read_cifar(p), wrong)


def npz() -> Kind:
    x = np.arange(5 * 6 * 6, dtype=np.uint8).reshape(5, 6, 6)
    y = np.array([0, 1, 2, 1, 0])

    def wrong(path: Path, found: Any) -> str | None:
        with np.load(path) as held:
            pixels, labels = held["x"], held["y"]
        shown = np.rint(255 * found.train[0][:, 0]) if pixels.dtype == np.uint8 else found.train[0]
        first = int(found.classes is not None)  # labels 1 … K count from 1
        same = np.array_equal(found.train[1] + first, labels)
        same &= np.array_equal(shown.ravel(), pixels.ravel(), equal_nan=True)
        return None if same else "the arrays are not what the file holds"

    plain = bytes_of(lambda path: np.savez(path, x=x, y=y), "data.npz")
    packed = bytes_of(lambda path: np.savez_compressed(path, x=x, y=y), "data.npz")
    return Kind("npz", "data.npz", (plain, packed), recognise, wrong, sealed_zip)


def picture(ending: str, *ways: dict[str, Any]) -> Callable[[], Kind]:
    """Pictures of one kind, small ones: damage in a header is damage enough."""

    def made() -> Kind:
        from PIL import Image

        draw = np.random.default_rng(1)
        pixels = draw.integers(0, 256, (20, 24, 3), np.uint8)
        samples = []
        for way in ways:
            mode, rest = way["mode"], {k: v for k, v in way.items() if k != "mode"}
            held, image = io.BytesIO(), Image.fromarray(pixels)
            kept = image.quantize(16) if mode == "P" else image.convert(mode)
            kept.save(held, ending.upper().replace("JPG", "JPEG").replace("TIF", "TIFF"), **rest)
            samples.append(held.getvalue())

        def wrong(path: Path, found: np.ndarray) -> str | None:
            good = found.shape == (3, 8, 8) and 0 <= found.min() <= found.max() <= 1
            return None if good else f"{found.shape} from {found.min()} to {found.max()}"

        def read(path: Path) -> np.ndarray:
            return read_image(path, (3, 8, 8))

        sealed = sealed_png if ending == "png" else None
        return Kind(ending.upper(), f"picture.{ending}", tuple(samples), read, wrong, sealed)

    return made


def onnx() -> Kind | None:
    """None where the package for ONNX is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    layers = [gt.Normalize(0.5, 2.0), gt.Conv2d(3, 3), gt.BatchNorm2d(), gt.ReLU(), gt.Flatten()]
    other = gt.Network((1, 8, 8), [gt.Residual([gt.Conv2d(1, 3, padding=1)]), *layers], seed=1)
    samples = [bytes_of(partial(gt.to_onnx, n), "a.onnx") for n in (network(), other)]
    x = np.random.default_rng(0).random((2, 1, 8, 8), np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4

    def wrong(path: Path, found: gt.Network) -> str | None:
        """Where ONNX Runtime takes the file, too, it computes the same."""
        try:
            session = onnxruntime.InferenceSession(path, options)
            (expected,) = session.run(None, {session.get_inputs()[0].name: x})
        except Exception:
            return None  # a name or a remark is damaged that only it looks at
        if found.input_shape != (1, 8, 8):
            return f"the input has another shape than the file's: {found.input_shape}"
        outputs = found.predict(x, engine="reference").reshape(2, -1)
        same = np.allclose(outputs, expected.reshape(2, -1), rtol=1e-3, atol=1e-4, equal_nan=True)
        big = not np.isfinite(expected).all() or np.abs(expected).max() > 1e6
        return None if same or big else "the outputs are not ONNX Runtime's"

    return Kind("ONNX", "model.onnx", tuple(samples), gt.from_onnx, wrong)


KINDS: tuple[Callable[[], Kind | None], ...] = (
    idx,
    cifar,
    npz,
    safetensors,
    onnx,
    checkpoint,
    recipe,
    architecture,
    picture("png", {"mode": "RGB"}, {"mode": "L"}, {"mode": "P"}, {"mode": "RGBA"}),
    picture("jpg", {"mode": "RGB"}, {"mode": "L"}, {"mode": "CMYK"}),
    picture("bmp", {"mode": "RGB"}, {"mode": "P"}),
    picture("tif", {"mode": "RGB"}, {"mode": "L", "compression": "tiff_lzw"}),
)
