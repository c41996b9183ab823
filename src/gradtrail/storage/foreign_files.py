"""What a file or folder is that was given in the wrong place, and what opens it instead.

Only its first bytes are looked at, and the names in a folder; nothing is unpacked or decoded.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

_START = 128
_LISTED = 4096  # of a folder's entries

_IMAGE = "an image, which gt.data.read_image(path, network.input_shape) reads"
_LOADED = (
    "which is never opened here; have PyTorch load it, and pass the module to "
    "gt.from_torch(module, input_shape), or write what module.state_dict() gives with "
    "safetensors.torch.save_file(state, path)"
)
_TORCH = f"a file of PyTorch, {_LOADED}"
_KERAS = "a file of Keras or HDF5, which nothing here reads; export the model as ONNX"
_MAGIC: dict[bytes, str] = {
    **dict.fromkeys((b"\x89PNG\r\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*"), _IMAGE),
    b"\x93NUMPY": "one NumPy array, which numpy.load(path) opens",
    b"\x89HDF\r\n\x1a\n": _KERAS,
    b"\x80\x02": f"a pickle, as old files of PyTorch are, {_LOADED}",
}
_ZIPPED: tuple[tuple[str, str], ...] = (
    (".npy", "a .npz file of arrays, which gt.data.read(path) opens"),
    ("/data.pkl", _TORCH),
    ("config.json", _KERAS),
    ("metadata.json", _KERAS),
)
_ENDINGS = {
    ".onnx": "an ONNX file, which gt.from_onnx(path) reads",
    **dict.fromkeys((".pt", ".pth", ".pt2", ".ckpt"), _TORCH),
    **dict.fromkeys((".h5", ".hdf5", ".keras"), _KERAS),
    ".tflite": "a file of TensorFlow Lite, which nothing here reads; export the model as ONNX",
    ".toml": "a recipe, which `gradtrail train` takes",
    **dict.fromkeys((".bmp", ".webp"), _IMAGE),
}
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def reader_of(path: str | os.PathLike[str]) -> str | None:
    """What a path is and what opens it: `it is an ONNX file, which gt.from_onnx(path) reads`.

    Args:
        path: of a file or folder, there or not.

    Returns:
        A clause; None where nobody knows, and for what cannot be read.
    """
    source = Path(path)
    try:
        found = _folder(source) if source.is_dir() else _file(source)
    except (OSError, ValueError):
        return None
    return None if found is None else f"it is {found}"


def _file(source: Path) -> str | None:
    if not source.is_file():  # a pipe might never end
        return None
    with source.open("rb") as file:
        start = file.read(_START)
    known = next((what for mark, what in _MAGIC.items() if start.startswith(mark)), None)
    if known is None and start.startswith(b"PK\x03\x04"):
        length = int.from_bytes(start[26:28], "little")
        first = start[30 : 30 + length].decode("utf-8", "replace")
        known = next((what for ending, what in _ZIPPED if first.endswith(ending)), None)
    if known is None and start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= 16 << 20:
        known = "a safetensors file, and gt.load(path) opens those that network.save wrote"
    return known or _ENDINGS.get(source.suffix.lower())


def _folder(source: Path) -> str | None:
    with os.scandir(source) as entries:
        listed = [(entry.name.lower(), entry.is_dir()) for entry in islice(entries, _LISTED)]
    names = [name for name, _ in listed]
    if "weights.safetensors" in names:
        return "a run's folder, whose network gt.load(path) opens"
    if any(name.startswith("checkpoint-") for name in names):
        return (
            "a folder of checkpoints, which gt.train(…, checkpoints=gt.Checkpoints(path), "
            "resume=True) goes on from"
        )
    if any(is_dir for _, is_dir in listed) or any(name.endswith(_PICTURES) for name in names):
        return "a folder of others, and gt.data.read(path) opens one of images"
    return None
