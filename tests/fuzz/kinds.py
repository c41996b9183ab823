"""The kinds of files that come from outside: a few sound ones of each, how they are read, and what
is right where reading succeeds."""

from __future__ import annotations

import gzip
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import gradtrail as gt
from gradtrail.data.idx import read_idx
from gradtrail.runs import Recipe, read_recipe


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Args:
        name: of the kind.
        file: what a file is called.
        samples: sound files.
        read: how gradtrail reads one.
        wrong: what is wrong with a result, if anything.
    """

    name: str
    file: str
    samples: tuple[bytes, ...]
    read: Callable[[Path], Any]
    wrong: Callable[[Path, Any], str | None]


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
type = "Step"
at = [0.5, 0.75]
[augmentation]
flip = 0.5
[stopping]
patience = 2
"""


def recipe() -> Kind:
    def wrong(path: Path, found: Recipe) -> str | None:
        path.write_text(found.to_toml("0"), encoding="utf-8")
        again = read_recipe(path).to_dict()
        return None if again == found.to_dict() else "what is written is not what was read"

    return Kind("TOML", "recipe.toml", (RECIPE,), read_recipe, wrong)


KINDS: tuple[Callable[[], Kind | None], ...] = (idx, safetensors, checkpoint, recipe)
