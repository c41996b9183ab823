"""Arrays from .npz files: their names, types and layouts, and what is refused before it is read."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

import gradtrail as gt
from gradtrail.data import read

from .pictures import noise

X, Y = noise(6, 1, 5, 4), np.array([0, 1, 2, 0, 1, 2])


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("names", "held_out"),
    [
        (("x", "y"), None),
        (("x", "y", "x_test", "y_test"), "test"),
        (("x_train", "y_train", "x_val", "y_val"), "validation"),
        (("images", "labels", "test_images", "test_labels"), "test"),
        (("train_images", "train_labels", "val_images", "val_labels"), "validation"),
    ],
)
def test_arrays_by_their_names(tmp_path: Path, names: tuple[str, ...], held_out) -> None:
    arrays = dict(zip(names, [X, Y, X[:2], Y[:2]], strict=False))
    found = read(npz(tmp_path / "a.npz", **arrays, something=np.zeros(3)))
    assert (found.kind, found.classes, found.notes) == ("arrays", None, ())
    np.testing.assert_array_equal(found.train[0], X.astype(np.float32) / 255)
    np.testing.assert_array_equal(found.train[1], Y)
    assert found.train[1].dtype == np.int64
    assert (found.held_out is None) == (held_out is None)
    if held_out:
        np.testing.assert_array_equal(getattr(found, held_out)[1], Y[:2])


def test_types_and_layouts_of_arrays(tmp_path: Path) -> None:
    path, last = tmp_path / "a.npz", noise(6, 5, 4, 3)
    floats = np.linspace(-2, 7, 120).reshape(6, 1, 5, 4)
    for stored, expected in (
        (X[:, 0], X / 255),
        (np.asfortranarray(X), X / 255),
        (floats, floats),
        (floats.astype(np.float16), floats.astype(np.float16)),
        (floats.astype(">f4"), floats),
        (X > 99, X > 99),
    ):
        found = read(npz(path, x=stored, y=Y[:, None]))
        assert found.train[0].dtype == np.float32
        assert found.train[0].flags.c_contiguous
        np.testing.assert_allclose(found.train[0], expected.astype(np.float32), rtol=1e-7)
        assert found.notes == ()
    told = r"\(6, 5, 4, 3\) was taken to be channels last, \(N, H, W, C\); pass channels_last=True"
    with pytest.warns(gt.GradtrailWarning, match=told):
        found = read(npz(path, x=last, y=Y))
    np.testing.assert_array_equal(found.train[0], last.transpose(0, 3, 1, 2) / np.float32(255))
    assert read(path, channels_last=True).notes == ()
    assert read(path, channels_last=False).train[0].shape == (6, 5, 4, 3)
    both = noise(6, 3, 9, 3)
    npz(path, x=both, y=Y)
    with pytest.raises(gt.DataError, match=r"\(6, 3, 9, 3\), where the second or the last axis"):
        read(path)
    assert read(path, channels_last=True).train[0].shape == (6, 3, 3, 9)
    assert read(path, channels_last=False).train[0].shape == (6, 3, 9, 3)


def test_names_of_classes(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert read(npz(path, x=X, y=Y, classes=["a", "b", "ü"])).classes == ("a", "b", "ü")
    with pytest.raises(gt.DataError, match="y has label 2, but classes has 2 names"):
        read(npz(path, x=X, y=Y, classes=["a", "b"]))
    with pytest.raises(gt.DataError, match="classes must be text with one axis, got int64"):
        read(npz(path, x=X, y=Y, classes=[1, 2, 3]))


BAD = {
    "no labels": ({"x": X}, "has x but no y; save both"),
    "no images": ({"y": Y}, "has y but no x; save both"),
    "nothing": ({"z": X}, "has no images to learn from; save them as x, y or x_train"),
    "twice": ({"x": X, "y": Y, "x_train": X, "y_train": Y}, "has x_train and other arrays"),
    "int64": ({"x": X.astype(int), "y": Y}, "x holds int64, whose range nobody can know; save pix"),
    "flat": ({"x": X.reshape(6, 20), "y": Y}, r"x has shape \(6, 20\); save images as \(N, H, W\)"),
    "empty": ({"x": X[:0], "y": Y[:0]}, r"x has shape \(0, 1, 5, 4\)"),
    "one-hot": ({"x": X, "y": np.eye(6)}, r"y has shape \(6, 6\); .*y.argmax\(axis=1\)"),
    "real": ({"x": X, "y": Y / 2}, r"y must be whole numbers \(N,\).*float64"),
    "few": ({"x": X, "y": Y[1:]}, "y has 5 labels for 6 samples"),
    "below": ({"x": X, "y": Y - 1}, r"y\[0\] is -1, but classes count from 0"),
    "nan": ({"x": np.where(X[2, 0, 3, 1] == X, np.nan, X), "y": Y}, r"x is not finite .*at \[.,0,"),
    "beyond": ({"x": X * 1e300, "y": Y}, "x is not finite in float32 at"),
    "sizes": (
        {"x": X, "y": Y, "x_test": X[:, :, 1:], "y_test": Y},
        r"images for test have shape \(1, 4, 4\) and those for training \(1, 5, 4\)",
    ),
    "text": ({"x": X.astype(str), "y": Y}, "x holds <U3, whose range nobody can know"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_arrays_that_cannot_be_learned(tmp_path: Path, name: str) -> None:
    arrays, message = BAD[name]
    with np.errstate(all="ignore"):
        path = npz(tmp_path / "a.npz", **arrays)
    with pytest.raises(gt.DataError, match=f"a.npz.*{message}"):
        read(path)


def array_file(descr: str, shape: str, data: bytes, fortran: str = "False") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def zipped(path: Path, packing: int = zipfile.ZIP_DEFLATED, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.npy", content)
    return path


PIXELS = array_file("'|u1'", "(2, 1, 1, 9)", bytes(18))
LABELS = array_file("'<i8'", "(2,)", bytes(16))
CLAIMS = {
    "objects": (array_file("'|O'", "(2,)", b"cos\nsystem\n"), r"holds '\|O', which is neither"),
    "a record": (array_file("[('a', '<f4')]", "(2,)", bytes(8)), r"holds \[\(.*which"),
    "no type": (array_file("'<f3'", "(2,)", bytes(6)), "has no header that NumPy writes"),
    "too long": (array_file("'|u1'", "(2, 1, 1, 9)", bytes(19)), "claims uint8 .*18 bytes, but 19"),
    "too short": (array_file("'|u1'", "(2, 1, 1, 9)", bytes(17)), "claims uint8 .*but 17"),
    "gigabytes": (array_file("'<f8'", "(99999999, 99999)", bytes(99)), "bytes, but 99 follow"),
    "negative": (array_file("'|u1'", "(-2, 1, 1, 9)", bytes(18)), "has no header"),
    "code": (array_file("__import__('os')", "(2,)", bytes(18)), "has no header that NumPy writes"),
    "digits": (array_file("'|u1'", "(" + "9" * 9000 + ",)", b""), "has no header"),
    "long header": (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", "has no header that NumPy writes"),
    "no magic": (b"hello, world", "has no header that NumPy writes"),
    "nothing": (b"", "has no header that NumPy writes"),
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_headers_that_claim(tmp_path: Path, name: str) -> None:
    content, message = CLAIMS[name]
    path = zipped(tmp_path / "a.npz", x=content, y=LABELS)
    with pytest.raises(gt.FileError, match=f"a.npz: .*{message}"):
        read(path)
    assert read(zipped(path, x=PIXELS, y=LABELS)).train[0].shape == (2, 1, 1, 9)


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Mine:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "was here",))

    np.savez(tmp_path / "a.npz", x=np.array([Mine()], dtype=object), y=Y[:1])
    with pytest.raises(gt.FileError, match="never read, since a pickle is a program"):
        read(tmp_path / "a.npz")
    assert not (tmp_path / "was here").exists()


@pytest.mark.parametrize(
    ("descr", "message"),
    [
        ("'|u1'", "arrays would take .* bytes, above the limit of 4,294,967,296; save fewer"),
        ("'<f4'", r"array 'x' has \d+,\d+,\d+ of its 3,221,225,472 bytes|damaged"),
    ],
)
def test_bombs_end_where_their_bytes_end(tmp_path: Path, descr: str, message: str) -> None:
    """Directory and header agree on 3 GiB, where 16 MiB of zeros are packed."""
    import resource

    size, there = 3 << 30, 16 << 20
    shape = f"({size // int(descr[3])},)"
    path = zipped(tmp_path / "a.npz", x=array_file(descr, shape, bytes(there)), y=LABELS)
    begins = len(array_file(descr, shape, b""))
    true, forged = (struct.pack("<I", begins + length) for length in (there, size))
    content = path.read_bytes()
    assert content.count(true) == 2  # before the array, and in the directory
    path.write_bytes(content.replace(true, forged))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(gt.FileError, match=f"a.npz.*{message}"):
        read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # KiB


def test_arrays_above_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradtrail.data import npz as module

    path = zipped(tmp_path / "a.npz", x=PIXELS, y=LABELS)
    monkeypatch.setattr(module, "_LIMIT", 4 * 18 + 16)
    assert len(read(path).train[0]) == 2
    monkeypatch.setattr(module, "_LIMIT", 4 * 18 + 15)
    with pytest.raises(gt.FileError, match="arrays would take 88 bytes, above the limit of 87"):
        read(path)


def test_archives_that_are_no_npz(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", zipfile.ZIP_LZMA, x=PIXELS, y=LABELS)
    with pytest.raises(gt.FileError, match="array 'x' is packed as NumPy never does"):
        read(path)
    with pytest.raises(gt.FileError, match="it holds 66 arrays, above the limit of 64"):
        read(zipped(path, **{f"a{k}": b"" for k in range(64)}, x=PIXELS, y=LABELS))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("x", "y", "z"):
            archive.writestr(f"{name}.npy", PIXELS)
    path.write_bytes(buffer.getvalue().replace(b"z.npy", b"x.npy"))
    with pytest.raises(gt.FileError, match="it holds the array 'x' twice"):
        read(path)
    whole = zipped(path, zipfile.ZIP_STORED, x=PIXELS, y=LABELS).read_bytes()
    path.write_bytes(whole.replace(bytes(18), bytes(17) + b"\1", 1))
    with pytest.raises(gt.FileError, match="is no .npz, or a damaged one: Bad CRC-32"):
        read(path)
    path.write_bytes(whole[:-10])
    with pytest.raises(gt.FileError, match="is no .npz, or a damaged one: File is not a zip file"):
        read(path)
