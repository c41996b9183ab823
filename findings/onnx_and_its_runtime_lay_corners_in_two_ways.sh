#!/usr/bin/env bash
# A Resize that lays corners on corners (align_corners), by a factor that makes no whole size.
#
# One would guess: 5 numbers by 1.7 are 8, of which the last lies on the last, since the operator's
# text has x_original = x_resized * (length_original - 1) / (length_resized - 1).
# What happens: ONNX Runtime does that, and so does PyTorch, whose exporter writes such a file for
# nn.Upsample(scale_factor=1.7, align_corners=True). ONNX's own interpreter, and its own test cases
# with it, divide by 8.5 - 1: the last of the 8 lies before the last of the 5.
# What follows here: nobody can tell from the file which is meant, so it is refused, and what is
# written has sizes instead of factors.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    onnx==1.23.2 onnxruntime==1.32.0 numpy

cat > "$work/show.py" <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator


def resizing(length, factor, **settings):
    """A file that resizes rows of a length by a factor, linearly."""
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, length]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, None]),
    ]
    factors = helper.make_tensor("factors", TensorProto.FLOAT, [3], [1.0, 1.0, factor])
    node = helper.make_node("Resize", ["x", "", "factors"], ["y"], mode="linear", **settings)
    graph = helper.make_graph([node], "resize", ends[:1], ends[1:], [factors])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def by_both(model, x):
    """What the interpreter and the runtime make of it."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return [run(None, {"x": x})[0].ravel() for run in (ReferenceEvaluator(model).run, session.run)]


print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")

x = np.arange(5, dtype=np.float32).reshape(1, 1, 5)
interpreter, runtime = by_both(
    resizing(5, 1.7, coordinate_transformation_mode="align_corners"), x
)
print("0 to 4, interpreter:", interpreter.round(3).tolist())
print("0 to 4, runtime:    ", runtime.round(3).tolist())
places = np.arange(8)
as_described = np.allclose(interpreter, places * 4 / (8.5 - 1), atol=1e-5)
as_described &= np.allclose(runtime, places * 4 / (8 - 1), atol=1e-5)
print("as described" if as_described else "CHANGED")
sys.exit(0 if as_described else 1)
PYTHON
"$work/venv/bin/python" "$work/show.py"
