#!/usr/bin/env bash
# `a += b` on a tensor writes into its memory: another name for `a`, or a view of it, sees the sum.
# torch.fx.symbolic_trace follows a module by handing proxies through its forward.
#
# One would guess: the traced module gives what the module gives.
# What happens: a proxy has no __iadd__, so Python falls back to `a = a + b`, and that is recorded.
# Whoever else held `a` keeps the old value. There is no warning, and nothing in the graph tells that
# there was an assignment. `a.add_(b)` and torch.export are right.
# What follows here: the importer traces with proxies that record `+=` and its kind
# (interop/pytorch/torch_fx.py), and compares the network with the module in the end.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy

cat > "$work/show.py" <<'PYTHON'
import torch
from torch import fx, nn


class Kept(nn.Module):
    """Twice its input, by `+=`, handed on under another name."""

    def forward(self, x):
        a = x * 1
        kept = a
        a += x
        return kept


class Viewed(nn.Module):
    """The same, handed on as a view that was made before."""

    def forward(self, x):
        a = x * 1
        flat = a.view(-1)
        a += x
        return flat


class Added(nn.Module):
    """The same by add_."""

    def forward(self, x):
        a = x * 1
        kept = a
        a.add_(x)
        return kept


x = torch.tensor([1.0, 2.0])
print(f"PyTorch {torch.__version__}")
seen = []
for module in (Kept(), Viewed(), Added()):
    traced = fx.symbolic_trace(module)
    exported = torch.export.export(module, (x,)).module()
    seen.append([f(x).tolist() for f in (module, traced, exported)])
    print(f"{module.__doc__}\n  module {seen[-1][0]}, torch.fx {seen[-1][1]}, torch.export {seen[-1][2]}")
    print("  " + " ".join(str(node.target) for node in traced.graph.nodes))
once, twice = [1.0, 2.0], [2.0, 4.0]
as_described = seen == [[twice, once, twice], [twice, once, twice], [twice, twice, twice]]
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$work/venv/bin/python" "$work/show.py"
