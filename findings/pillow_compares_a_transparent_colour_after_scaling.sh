#!/usr/bin/env bash
# PNGs without an alpha channel may name one transparent colour (tRNS), as it is stored in the file:
# of 2 bits one of 0 to 3, of 16 bits one of 0 to 65535. Put together by hand, chunk by chunk.
#
# One would guess: the pixels of that colour, and only those, become transparent.
# What happens: Pillow first scales the pixels to 8 bits and then looks for the colour as it was
# stored. Of 2 bits, 1 to 3 are never found (they have become 85, 170, 255). Of 16 bits the colour is
# not found where it is; and in RGB, a colour below 256 makes others transparent whose higher bytes
# happen to be its numbers.
# What follows here: the colour is compared as it is stored (data/png.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pillow==13.0.0

cat > "$work/show.py" <<'PYTHON'
import io
import struct
import zlib
from importlib.metadata import version

from PIL import Image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def alphas(width, depth, colour, row, key):
    """The alpha of each pixel of an image of one row, as Pillow sees it."""
    head = struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + b"".join((
        chunk(b"IHDR", head), chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)),
        chunk(b"IDAT", zlib.compress(b"\0" + row)), chunk(b"IEND", b""),
    ))
    picture = Image.open(io.BytesIO(content)).convert("RGBA")
    return list(picture.getchannel("A").tobytes())


GREY, RGB = 0, 2
print(f"Pillow {version('pillow')}")
seen = []
for key in range(4):
    seen.append(alphas(4, 2, GREY, bytes([0b00011011]), [key]))
    print(f"grey of 2 bits, pixels 0 1 2 3, transparent {key}: alpha {seen[-1]}")
row = struct.pack(">3H", 0x1234, 0x1235, 0x0012)
seen.append(alphas(3, 16, GREY, row, [0x1234]))
print(f"grey of 16 bits, pixels 0x1234 0x1235 0x0012, transparent 0x1234: alpha {seen[-1]}")
row = struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 0x0012, 0x0056, 0x009A)
for key in ((0x1234, 0x5678, 0x9ABC), (0x0012, 0x0056, 0x009A)):
    seen.append(alphas(2, 16, RGB, row, key))
    names = [" ".join(f"{n:#06x}" for n in numbers) for numbers in (struct.unpack(">6H", row), key)]
    print(f"RGB of 16 bits, pixels {names[0]}, transparent {names[1]}: alpha {seen[-1]}")
opaque = [255] * 4
as_described = seen == [[0, 255, 255, 255], opaque, opaque, opaque, opaque[:3], [255, 255], [0, 255]]
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$work/venv/bin/python" "$work/show.py"
