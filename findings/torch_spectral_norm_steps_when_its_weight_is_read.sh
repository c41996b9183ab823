#!/usr/bin/env bash
# torch.nn.utils.parametrizations.spectral_norm divides a layer's weight by its largest singular
# value, which it estimates by power iteration with two vectors that it keeps as buffers.
#
# One would guess: reading `layer.weight` changes nothing; the vectors step on in each forward.
# What happens: in training mode each reading of `layer.weight` steps on, outside any forward, too: in
# a line that logs the norm of the weights, an export, a debugger. Two readings in a row differ, and
# the training that follows is another one. In evaluation mode, or under parametrize.cached(), it is
# as one would guess.
# What follows here: parametrised modules are refused before any weight is read
# (interop/pytorch/torch_fx.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy

cat > "$work/show.py" <<'PYTHON'
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import cached

torch.manual_seed(0)
layer = spectral_norm(nn.Linear(4, 4))


def vector():
    return layer.parametrizations.weight[0]._u.clone()


def moved(read):
    """Whether the buffer is another after reading."""
    before = vector()
    read()
    return not torch.equal(before, vector())


print(f"PyTorch {torch.__version__}")
layer.train()
seen = [moved(lambda: layer.weight.norm())]
print(f"in training, logging layer.weight.norm() moves a buffer: {seen[-1]}")
seen.append(not torch.equal(layer.weight, layer.weight))
print(f"in training, two readings in a row differ: {seen[-1]}")
layer.eval()
seen.append(moved(lambda: layer.weight.norm()))
print(f"in evaluation, it moves: {seen[-1]}")
layer.train()
with cached():
    seen.append(not torch.equal(layer.weight, layer.weight))
print(f"in training, two readings differ under cached(): {seen[-1]}")
as_described = seen == [True, True, False, False]
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$work/venv/bin/python" "$work/show.py"
