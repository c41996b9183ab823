#!/usr/bin/env bash
# A batch norm in evaluation, in a file of versions 9 and 15 of ONNX's operators.
#
# One would guess: ONNX's own interpreter (onnx.reference.ReferenceEvaluator) computes both alike,
# by the running statistics; in version 9 a batch norm with one output is one in evaluation.
# What happens: of versions 9 to 13 it normalises by a mixture of the running statistics and the
# batch's, 9 to 1 by default, so that a sample's output depends on the others. From version 14 on it
# is right. ONNX Runtime is right in both.
# What follows here: files are written in the lowest version that does and held to ONNX Runtime; a
# float64 file, which that does not convolve, is held to the interpreter in version 15.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    onnx==1.23.2 onnxruntime==1.32.0 numpy

cat > "$work/show.py" <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

X = np.array([[[0.0, 2.0]], [[4.0, 6.0]]], np.float32)
STATISTICS = {"scale": 1.0, "shift": 0.0, "mean": 1.0, "var": 4.0}
RIGHT = (X - 1) / np.sqrt(4 + 1e-5)


def written(opset):
    """A file with one batch norm of one channel."""
    arrays = [
        helper.make_tensor(name, TensorProto.FLOAT, [1], [number])
        for name, number in STATISTICS.items()
    ]
    node = helper.make_node("BatchNormalization", ["x", *STATISTICS], ["y"])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1, 2]) for name in ("x", "y")
    ]
    graph = helper.make_graph([node], "norm", ends[:1], ends[1:], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
off = {}
for opset in (9, 15):
    model = written(opset)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for name, run in (("interpreter", ReferenceEvaluator(model).run), ("runtime", session.run)):
        (found,) = run(None, {"x": X})
        off[opset, name] = float(np.abs(found - RIGHT).max())
        print(f"version {opset}, {name}: {found.ravel().tolist()}, off by {off[opset, name]:.2g}")
print("by the running statistics:", RIGHT.ravel().tolist())
wrong = [place for place, error in off.items() if error > 1e-3]
as_described = wrong == [(9, "interpreter")]
print("as described" if as_described else "CHANGED")
raise SystemExit(not as_described)
PYTHON
"$work/venv/bin/python" "$work/show.py"
