"""Activations that PyTorch and ONNX have, too: one row each serves all four ways.

An activation has PyTorch's class name and argument names, so a row says only what cannot be read
off the layer: the function in `torch.nn.functional`, and ONNX's operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any

from ..equation.frozen import frozen
from ..layers import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh
from ..layers.activations import Activation


@frozen
class KnownActivation:
    """An activation and its counterparts.

    Args:
        layer: what it is here; its class has the name of PyTorch's module.
        function: in `torch.nn.functional`.
        operator: ONNX's; None where it is written as several.
        attributes: what ONNX calls its settings, by their names here.
        inplace: whether the function takes `inplace`, and writes over its input.
    """

    layer: type[Activation]
    function: str
    operator: str | None
    attributes: Mapping[str, str] = field(default_factory=dict)
    inplace: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments with their defaults, which are PyTorch's."""
        known = fields(self.layer)  # type: ignore[arg-type]
        return {entry.name: entry.default for entry in known if entry.name != "name"}


ACTIVATIONS = (
    KnownActivation(GELU, "gelu", "Gelu", {"approximate": "approximate"}),
    KnownActivation(
        LeakyReLU, "leaky_relu", "LeakyRelu", {"negative_slope": "alpha"}, inplace=True
    ),
    KnownActivation(ReLU, "relu", "Relu", inplace=True),
    KnownActivation(SiLU, "silu", None, inplace=True),
    KnownActivation(Sigmoid, "sigmoid", "Sigmoid"),
    KnownActivation(Tanh, "tanh", "Tanh"),
)
