"""CIFAR-10's binary version, from files and from the archive."""

from __future__ import annotations

import gzip
import os
import resource
import tarfile
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.data import cifar
from gradtrail.data.cifar import read_cifar
from gradtrail.data.known import folder_of
from gradtrail.data.sets import CIFAR_FILES

from .cifar_files import packed, records, written


def same(split: gt.data.Split) -> bool:
    """Whether it is the set that `written` and `packed` make."""
    *train, test = records().values()
    for (x, y), rows in ((split.train, np.concatenate(train)), (split.test, test)):
        pixels = rows[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255
        if x.dtype != np.float32 or y.dtype != np.int64 or (y != rows[:, 0]).any():
            return False
        if not np.array_equal(x, pixels):
            return False
    return True


def test_the_files_wherever_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = written(tmp_path / "plain")
    inner = written(tmp_path / "inner" / "cifar-10-batches-bin").parent
    named = written(tmp_path / "named" / "cifar10").parent
    whole = packed(tmp_path)
    for path in (plain, inner, named, whole, tmp_path):
        assert same(gt.data.load("cifar10", path))
        found = folder_of("cifar10", path)
        assert same(gt.data.load("cifar10", found))  # as the command line hands it on
    monkeypatch.setenv("GRADTRAIL_DATA", str(plain))
    assert same(gt.data.load("cifar10"))


def test_an_archive_is_read_and_not_unpacked(tmp_path: Path) -> None:
    """Names that lead elsewhere, links and duplicates write nothing; the last part counts."""
    files = {f"../../{name}": array.tobytes() for name, array in records().items()}
    path = packed(tmp_path / "odd.tar.gz", files)
    before = sorted(p.name for p in tmp_path.parent.iterdir())
    assert same(gt.data.load("cifar10", path))
    assert sorted(p.name for p in tmp_path.parent.iterdir()) == before
    assert [p.name for p in tmp_path.iterdir()] == ["odd.tar.gz"]


def test_files_that_are_not_all_there(tmp_path: Path) -> None:
    (written(tmp_path) / CIFAR_FILES[2]).unlink()
    with pytest.raises(gt.FileError, match="has data_batch_1.bin but no data_batch_3.bin; all six"):
        gt.data.load("cifar10", tmp_path)
    with pytest.raises(
        gt.FileError,
        match=r"cifar10 was not found in .*expected data_batch_1.bin, .*test_batch.bin in one of "
        r"them, in cifar-10-batches-bin in it, or packed as cifar-10-binary.tar.gz; its page",
    ):
        gt.data.load("cifar10", tmp_path / "none")
    with pytest.raises(gt.FileError, match="holds neither data_batch_1.bin and its like nor cifar"):
        read_cifar(tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"expected records of 3,073 bytes, .*got 0 bytes"),
        (bytes(3072), r"expected records of 3,073 bytes, .*got 3,072 bytes"),
        (bytes(3073) + b"\x0a" + bytes(3072), "label 10 in record 1 is not from 0 to 9"),
    ],
)
def test_records_that_are_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    (written(tmp_path) / "data_batch_2.bin").write_bytes(content)
    with pytest.raises(gt.FileError, match=f"data_batch_2.bin: {message}"):
        gt.data.load("cifar10", tmp_path)


def test_a_file_that_does_not_end_is_not_taken_in(tmp_path: Path) -> None:
    path = written(tmp_path) / "test_batch.bin"
    os.truncate(path, 3073 << 20)  # 3 GiB of nothing
    with pytest.raises(gt.FileError, match="test_batch.bin: expected records .*got 67,108,865 byt"):
        gt.data.load("cifar10", tmp_path)


def test_archives_that_are_wrong(tmp_path: Path) -> None:
    python = packed(tmp_path / "python.tar.gz", {"cifar-10-batches-py/data_batch_1": b"x"})
    with pytest.raises(gt.FileError, match="holds no data_batch_1.bin; the binary version is want"):
        gt.data.load("cifar10", python)
    whole = packed(tmp_path / "whole.tar.gz").read_bytes()
    broken = tmp_path / "broken.tar.gz"
    middle = len(whole) // 2
    for content in (
        whole[:middle],
        whole[:-4],
        whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
    ):
        broken.write_bytes(content)
        with pytest.raises(gt.FileError, match=r"broken.tar.gz.*the archive is damaged"):
            gt.data.load("cifar10", broken)
    (tmp_path / "no.tar.gz").write_bytes(gzip.compress(b"no tar"))
    with pytest.raises(gt.FileError, match="cifar10 was not found in"):
        gt.data.load("cifar10", tmp_path / "no.tar.gz")


def test_bombs_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros behind the files, a member that claims gigabytes, a header that never ends."""
    member = tarfile.TarInfo("data_batch_1.bin")
    member.size = 1 << 40
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 38
    assert cifar._ALL == 268_435_456
    for begin, most in ((member, 1 << 24), (header, cifar._ALL)):  # the latter is read as a whole
        monkeypatch.setattr(cifar, "_ALL", most)
        path = tmp_path / "bomb.tar.gz"
        start = begin.tobuf(tarfile.GNU_FORMAT)
        path.write_bytes(gzip.compress(start) + 300 * gzip.compress(bytes(1 << 20)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(gt.FileError, match=f"bomb.tar.gz unpacks to more than {most:,}"):
            gt.data.load("cifar10", path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600 << 10  # KiB
