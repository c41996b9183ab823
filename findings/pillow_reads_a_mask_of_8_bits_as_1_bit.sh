#!/usr/bin/env bash
# A mask as a BMP of 8 bits a pixel whose palette has two colours, black and white (biClrUsed = 2,
# as the format allows for every depth below 16). Put together by hand, header field by field.
#
# One would guess: pixels with number 0 are black, with number 1 white.
# What happens: Pillow finds that the palette is black and white, concludes that the picture has one
# bit a pixel, and reads each byte as eight pixels. A mask of zeros and ones comes out all
# black, in the right size and without a word. With the two colours the other way around, or with
# 256 of them, the same pixels are read right.
# What follows here: of such a file Pillow is told that the palette has 256 colours (data/bmp.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pillow==13.0.0

cat > "$work/show.py" <<'PYTHON'
import io
import struct
from importlib.metadata import version

from PIL import Image


def bmp(colours, rows):
    """8 bits a pixel, the lowest row first; rows of four pixels need no padding."""
    palette = b"".join(bytes([*colour, 0]) for colour in colours)
    pixels = b"".join(bytes(row) for row in reversed(rows))
    begin = 14 + 40 + len(palette)
    return (
        b"BM" + struct.pack("<IHHI", begin + len(pixels), 0, 0, begin)
        + struct.pack("<IiiHHIIiiII", 40, 4, len(rows), 1, 8, 0, len(pixels), 0, 0, len(colours), 0)
        + palette + pixels
    )


def read(content):
    picture = Image.open(io.BytesIO(content))
    return picture.mode, list(picture.convert("L").tobytes())


print(f"Pillow {version('pillow')}")
black, white, grey = (0, 0, 0), (255, 255, 255), (128, 128, 128)
rows = [[0, 1, 1, 0], [1, 1, 0, 1]]
mask = [0, 255, 255, 0, 255, 255, 0, 255]
seen = {
    "black, white": read(bmp([black, white], rows)),
    "black, white and 254 more": read(bmp([black, white] + [grey] * 254, rows)),
    "white, black": read(bmp([white, black], rows)),
}
for palette, (mode, levels) in seen.items():
    print(f"palette {palette}: mode {mode!r}, {levels}")
as_described = (
    seen["black, white"] == ("1", [0] * 8)
    and seen["black, white and 254 more"] == ("P", mask)
    and seen["white, black"] == ("P", [255 - level for level in mask])
)
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$work/venv/bin/python" "$work/show.py"
