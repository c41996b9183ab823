#!/usr/bin/env bash
# A network that has not been trained, exported by PyTorch's exporter to ONNX as it is called by
# default: a convolution whose bias is zero, and two batch norms with the numbers they begin with.
#
# One would guess: the file holds the module's arrays, each under its name.
# What happens: the convolution's bias is left out, since it is zero. And equal arrays are written
# once: one array of ones is the weight and the running variance of both norms, one of zeros their
# bias and their running mean. The outputs are right, but a program that trains the file trains no
# bias, and finds a running statistic and a parameter under one name, that of another layer.
# With optimize=False all arrays are there.
# What follows here: each layer gets copies, and is called like the module that the exporter's
# remarks name, not like its arrays (interop/onnx/onnx_file.py); docs/interop.md says what is lost.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2

cat > "$work/show.py" <<'PYTHON'
import logging
import sys
import warnings
from importlib.metadata import version

import onnx
import torch
from torch import nn

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm_a, self.norm_b = nn.BatchNorm2d(2), nn.BatchNorm2d(2)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.norm_b(torch.relu(self.norm_a(x)))


def reads(**named):
    """What each convolution and norm of the exported file reads behind its input."""
    path = f"{sys.argv[1]}/model.onnx"
    torch.onnx.export(model, (torch.rand(1, 1, 6, 6),), path, verbose=False, **named)
    nodes = onnx.load(path).graph.node
    return [list(node.input)[1:] for node in nodes if node.op_type != "Relu"]


model = Model().eval()
nn.init.zeros_(model.conv.bias)
print(*(f"{name} {version(name)}" for name in ("torch", "onnx", "onnxscript")), sep=", ")
conv, norm_a, norm_b = reads()
print("what conv, norm_a and norm_b read, by default:", conv, norm_a, norm_b, sep="\n  ")
whole = reads(optimize=False)
print("with optimize=False:", *whole, sep="\n  ")
weight, bias, mean, variance = norm_a
as_described = (
    conv == ["conv.weight"] and norm_a == norm_b and (weight, bias) == (variance, mean)
    and len({name for names in whole for name in names}) == 10
)
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$work/venv/bin/python" "$work/show.py" "$work"
