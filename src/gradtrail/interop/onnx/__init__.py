"""Networks from and for ONNX files; see README.md."""
