#!/usr/bin/env bash
# Slopes of a hard sigmoid and of a CELU in float64.
#
# One would guess: in float64 everything is computed in float64, so the slope of the hard sigmoid
# within its bounds is 1/6, and that of a CELU with alpha 0.3 at -0.6 is exp(-2), to 1e-16.
# What happens: PyTorch holds 1/6 and 1/alpha as float32 on the way back, and both slopes are off by
# 3e-8 to 4e-8. torch.autograd.gradcheck does not see it, since
# its tolerances are 1e-5 and 1e-3. An alpha of 0.5, which float32 holds, is exact.
# What follows here: the slopes are derived from the values' own expression; where they are compared
# with PyTorch's, the hard sigmoid is written as relu6(x + 3)/6, and alphas are powers of two.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy

cat > "$work/show.py" <<'PYTHON'
import math

import torch
from torch.nn import functional as F


def slope(function, at):
    """The slope in float64, by PyTorch's backward pass."""
    x = torch.tensor([at], dtype=torch.float64, requires_grad=True)
    function(x).sum().backward()
    return x.grad.item()


print(f"PyTorch {torch.__version__}")
CASES = {
    "hardsigmoid at 1": (F.hardsigmoid, 1.0, 1 / 6),
    "relu6(x + 3)/6 at 1": (lambda x: F.relu6(x + 3) / 6, 1.0, 1 / 6),
    "celu, alpha 0.3, at -0.6": (lambda x: F.celu(x, 0.3), -0.6, math.exp(-2)),
    "celu, alpha 0.5, at -1": (lambda x: F.celu(x, 0.5), -1.0, math.exp(-2)),
}
off = []
for name, (function, at, right) in CASES.items():
    found = slope(function, at)
    off.append(abs(found - right) / right)
    print(f"{name}: {found!r}, where {right!r} is right: off by {off[-1]:.1e}")
as_described = [error > 1e-9 for error in off] == [True, False, True, False]
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$work/venv/bin/python" "$work/show.py"
