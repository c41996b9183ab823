"""`python -m benchmarks.conformance`: ONNX's and PyTorch's own cases, read and compared."""
