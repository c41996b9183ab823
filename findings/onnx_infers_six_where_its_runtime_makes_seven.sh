#!/usr/bin/env bash
# A Resize by 0.7 of 10 numbers.
#
# One would guess: 7 are left, and all who read the file say so, since a size is floor(10 * 0.7).
# What happens: float32 has 0.699999988. ONNX Runtime multiplies in float32 and makes 7; ONNX's
# inference of shapes and its interpreter multiply in float64 and make 6. What stands behind it,
# as a linear layer with 7 inputs, fits in one of them.
# What follows here: a factor is read as the shortest decimal that is the same number in float32,
# which is what somebody wrote: 10 * 0.7 is 7.
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
from onnx import TensorProto, helper, shape_inference
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

x = np.arange(10, dtype=np.float32).reshape(1, 1, 10)
model = resizing(10, 0.7)
interpreter, runtime = by_both(model, x)
inferred = shape_inference.infer_shapes(model).graph.output[0].type.tensor_type.shape.dim[2]
print(f"inferred {inferred.dim_value}, interpreter {len(interpreter)}, runtime {len(runtime)}")
as_described = (inferred.dim_value, len(interpreter), len(runtime)) == (6, 6, 7)
print("as described" if as_described else "CHANGED")
sys.exit(0 if as_described else 1)
PYTHON
"$work/venv/bin/python" "$work/show.py"
