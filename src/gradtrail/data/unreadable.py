"""Why a file cannot be read as an image, and which format a file is instead."""

from __future__ import annotations

from collections.abc import Mapping

ACCEPTED = "PNG, JPEG, BMP, TIFF or WebP"
START = 512  # bytes of a file's beginning that `foreign_format` looks at, at most


class UnreadableError(Exception):
    """Why an image cannot be read, as a clause."""


_PIXELS = "which is not read; save it as PNG"
_FLOATS = "whose range nobody can know; save it as PNG"
_CAMERA = "a camera's raw file, which is not read; develop it and save it as PNG or JPEG"

# What a file begins with, what it is, and what to do.
_BEGINNINGS: Mapping[bytes | tuple[bytes, ...], str] = {
    (b"GIF87a", b"GIF89a"): f"a GIF, {_PIXELS}",
    (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"): f"a JPEG 2000 image, {_PIXELS}",
    (b"\0\0\0\x0cJXL \r\n\x87\n", b"\xff\x0a"): f"a JPEG XL image, {_PIXELS}",
    b"II\xbc\x01": f"a JPEG XR image, {_PIXELS}",
    (b"II*\0\x10\0\0\0CR", b"FUJIFILMCCD-RAW"): _CAMERA,
    b"8BPS": "a Photoshop file, which is not read; export it as PNG",
    b"gimp xcf": "a GIMP file, which is not read; export it as PNG",
    b"\0\0\1\0": f"an icon (ICO), {_PIXELS}",
    b"qoif": f"a QOI image, {_PIXELS}",
    b"DDS ": f"a DDS texture, {_PIXELS}",
    b"\x76\x2f\x31\x01": f"an OpenEXR image of floats, {_FLOATS}",
    b"#?RADIANCE": f"a Radiance image of floats, {_FLOATS}",
    b"SIMPLE  =": f"a FITS file, {_FLOATS}",
    b"%PDF-": "a PDF document, not an image; export its pages as PNG",
    b"%!PS": "a PostScript document, not an image; export it as PNG",
    b"\x93NUMPY": "a NumPy array; put images and labels into a .npz file instead",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, not an image; save its images as PNG",
    b"PK\x03\x04": "a zip archive, not an image; unpack it",
    b"\x1f\x8b": "a gzip archive, not an image; unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive, not an image; unpack it",
    b"Rar!\x1a\x07": "a RAR archive, not an image; unpack it",
    b"\x1a\x45\xdf\xa3": "a video (Matroska or WebM), not an image; save its pictures as PNG",
    b"version https://git-lfs": "what Git LFS leaves in place of a file; run `git lfs pull`",
}

# Of a container of ISO's media format, by its brand.
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), f"an AVIF image, {_PIXELS}"),
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
        "a HEIC image, which is not read; save it as JPEG or PNG",
    ),
    b"crx ": _CAMERA,
}
_TEXTS: Mapping[bytes | tuple[bytes, ...], str] = {
    b"<svg": "an SVG drawing, which has no pixels; export it as PNG",
    (b"<!doctype html", b"<html"): "a web page, not an image; fetch the image again",
}


def foreign_format(start: bytes) -> str | None:
    """What a file is that no decoder here reads, and what to do; None if that is not known.

    Args:
        start: its first bytes, `START` of them if it has as many.
    """
    known = next((what for mark, what in _BEGINNINGS.items() if start.startswith(mark)), None)
    if known is not None:
        return f"it is {known}"
    if start[4:8] == b"ftyp":
        video = "a video (MP4 or QuickTime), not an image; save its pictures as PNG"
        return f"it is {_BRANDS.get(start[8:12], video)}"
    if start[:1] == b"P" and start[1:2] in b"1234567" and start[2:3].isspace():
        return f"it is a Netpbm image (PBM, PGM, PPM or PAM), {_PIXELS}"
    if start[128:132] == b"DICM":
        return "it is a DICOM file, which is not read; save it as PNG, with its window applied"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text:
        text = b"<svg"
    return next((f"it is {what}" for mark, what in _TEXTS.items() if text.startswith(mark)), None)
