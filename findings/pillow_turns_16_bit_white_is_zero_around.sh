#!/usr/bin/env bash
# The same grey wedge as four TIFFs: 8 and 16 bits, 0 for black and 0 for white. TIFF's tag
# PhotometricInterpretation says which; scanners and microscopes write both.
#
# One would guess: Pillow shows the same wedge four times, since it knows the tag.
# What happens: at 8 bits it heeds the tag. At 16 bits it knows the combination, opens the file, and
# gives the numbers as they are: the negative, without a word. With the higher byte first the same
# file is no image at all to it.
# What follows here: a TIFF's tags are read in data/tiff_layout.py, and Pillow is told "0 is black"
# of every file; what is white at 0 is turned around afterwards, at every depth alike.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6

cat > "$work/show.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import tifffile
from PIL import Image

print(f"Pillow {version('pillow')}, tifffile {version('tifffile')}")
path = f"{sys.argv[1]}/wedge.tiff"
seen = {}
for bits in (8, 16):
    black_at_0 = np.linspace(0, (1 << bits) - 1, 5).astype(f"u{bits // 8}")[None].repeat(5, axis=0)
    for meaning in ("minisblack", "miniswhite"):
        for order in ("<", ">"):
            stored = black_at_0 if meaning == "minisblack" else (1 << bits) - 1 - black_at_0
            tifffile.imwrite(path, stored, photometric=meaning, byteorder=order)
            try:
                levels = np.asarray(Image.open(path))[0].tolist()
            except Image.UnidentifiedImageError:
                levels = "cannot identify image file"
            seen[bits, meaning, order] = levels
            byte = "low" if order == "<" else "high"
            print(f"{bits:2} bits, {meaning}, {byte} byte first: {levels}")
as_described = all(
    seen[bits, "miniswhite", "<"] == [
        level if bits == 8 else 65535 - level for level in seen[bits, "minisblack", "<"]
    ]
    for bits in (8, 16)
) and seen[16, "miniswhite", ">"] == "cannot identify image file"
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$work/venv/bin/python" "$work/show.py" "$work"
