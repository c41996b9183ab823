"""Networks from and for other formats: PyTorch, ONNX, safetensors. See README.md."""

from .onnx_export import to_onnx
from .onnx_import import from_onnx
from .torch_export import to_torch
from .torch_import import from_torch

__all__ = ["from_onnx", "from_torch", "to_onnx", "to_torch"]
