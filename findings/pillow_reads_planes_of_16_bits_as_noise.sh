#!/usr/bin/env bash
# One picture of 16-bit colours, written by tifffile as a TIFF whose reds, greens and blues lie one
# behind the other (PlanarConfiguration 2): once deflated, once not compressed.
#
# One would guess: both are read as the same picture.
# What happens: Pillow reads the deflated one right. In the other it unpacks a plane's bytes as if
# they had 8 bits: every number becomes two pixels, one of the higher and one of the lower byte, and
# half the picture is missing. No error, and the mean looks plausible.
# What follows here: planes are read one by one, each as a grey image of its own (data/tiff.py).
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
# red 0x1122, green 0x3344, blue 0x5566 everywhere, so that each byte can be recognised
planes = np.full((3, 4, 4), 0) + np.array([0x1122, 0x3344, 0x5566])[:, None, None]
seen = {}
for compression in (None, "adobe_deflate"):
    path = f"{sys.argv[1]}/planes.tiff"
    tifffile.imwrite(path, planes.astype(np.uint16), photometric="rgb", planarconfig="separate",
                     compression=compression, metadata=None)
    picture = np.asarray(Image.open(path))
    seen[compression] = picture
    print(f"{compression or 'not compressed'}: reds of the first row",
          " ".join(f"{n:#04x}" for n in picture[0, :, 0]))
right = np.broadcast_to(np.array([0x11, 0x33, 0x55]), (4, 4, 3))
as_described = (seen["adobe_deflate"] == right).all() and seen[None][0, :, 0].tolist() == [
    0x22, 0x11, 0x22, 0x11,
]
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$work/venv/bin/python" "$work/show.py" "$work"
