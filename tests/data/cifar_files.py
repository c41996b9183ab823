"""CIFAR-10's six files with a few made-up images, and archives of them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gradtrail.data.sets import ARCHIVE, CIFAR_FILES

from .pictures import noise


def records(seed: int = 0) -> dict[str, np.ndarray]:
    """(n, 3073) by file, the label first."""
    made = {}
    for number, name in enumerate(CIFAR_FILES):
        made[name] = noise(2 + number, 3073, seed=10 * seed + number)
        made[name][:, 0] %= 10
    return made


def written(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in records(seed).items():
        (folder / name).write_bytes(array.tobytes())
    return folder


def packed(path: Path, files: Mapping[str, bytes] | None = None) -> Path:
    """An archive as it is published, or of other files."""
    if files is None:
        inside = {"batches.meta.txt": b"airplane\n", "readme.html": b"<html>"}
        inside |= {name: array.tobytes() for name, array in records().items()}
        files = {f"cifar-10-batches-bin/{name}": content for name, content in inside.items()}
    path = path / ARCHIVE if path.is_dir() else path
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path
