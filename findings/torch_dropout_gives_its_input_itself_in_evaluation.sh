#!/usr/bin/env bash
# A dropout in training makes a new tensor. In evaluation it changes nothing.
#
# One would guess: a model in evaluation computes what it computes in training, but that nothing is
# dropped.
# What happens: in evaluation nn.Dropout, and F.dropout with training=False, give their input itself
# and not a copy. An operation in place behind it (`y = drop(a); y += 1`) then writes into `a`, too,
# which a shortcut may still read. So the same lines compute another function in evaluation than they
# were trained as, and no warning says so.
# What follows here: an imported network is compared with the module in evaluation, and one that
# parts there is refused (interop/pytorch/torch_comparison.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy

cat > "$work/show.py" <<'PYTHON'
import torch
from torch import nn


class Block(nn.Module):
    """a + (drop(a) + 1), the sum in the brackets by `+=`."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(1e-12)  # drops nothing, as good as surely

    def forward(self, x):
        a = x * 1
        y = self.drop(a)
        y += 1
        return a + y


x = torch.tensor([1.0, 2.0])
block = Block()
print(f"PyTorch {torch.__version__}\n{Block.__doc__}")
seen = [block.train()(x).tolist(), block.eval()(x).tolist()]
print(f"of {x.tolist()}: in training {seen[0]}, in evaluation {seen[1]}")
a = torch.ones(2)
same = [nn.Dropout(0.5).train(training)(a) is a for training in (True, False)]
print(f"the output is the input: in training {same[0]}, in evaluation {same[1]}")
as_described = seen == [[3.0, 5.0], [4.0, 6.0]] and same == [False, True]
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$work/venv/bin/python" "$work/show.py"
