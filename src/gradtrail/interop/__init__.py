"""Networks from and for other formats: PyTorch, ONNX, safetensors. See README.md."""

from .onnx.onnx_export import to_onnx
from .onnx.onnx_import import from_onnx
from .pytorch.torch_export import to_torch
from .pytorch.torch_import import from_torch

__all__ = ["from_onnx", "from_torch", "to_onnx", "to_torch"]
