"""Write `tests/frozen/cases.npz`: what PyTorch, in float64, makes of every case.

python tests/freeze.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cases import CASES
from torch_peer import theirs

FROZEN = Path(__file__).parent / "frozen" / "cases.npz"


def main() -> None:
    found = {f"{case.id}/{name}": a for case in CASES for name, a in theirs(case).items()}
    np.savez_compressed(FROZEN, **found)
    print(f"{len(CASES)} cases, {len(found)} arrays, {FROZEN.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
