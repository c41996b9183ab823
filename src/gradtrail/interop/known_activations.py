"""Activations that PyTorch and ONNX have, too, as importers and exporters look for them.

What an activation is called elsewhere stands in its class (`layers.activations.Elsewhere`); here is
the table of all that have something there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..equation.frozen import frozen
from ..layers import piecewise_activations, smooth_activations
from ..layers.activations import Activation, Elsewhere


@frozen
class KnownActivation:
    """An activation and its counterparts.

    Args:
        layer: what it is here; its class has the name of PyTorch's module.
        there: what it is called in PyTorch and ONNX.
    """

    layer: type[Activation]
    there: Elsewhere

    @property
    def function(self) -> str:
        """In `torch.nn.functional`."""
        return self.there.function

    @property
    def operator(self) -> str | None:
        """ONNX's; None where it is written as several."""
        return self.there.operator

    @property
    def attributes(self) -> Mapping[str, str]:
        """What ONNX calls its settings, by their names here."""
        return self.there.attributes

    @property
    def inplace(self) -> bool:
        """Whether PyTorch's function takes `inplace`, and writes over its input."""
        return self.there.inplace

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments with their defaults, which are PyTorch's."""
        known = fields(self.layer)  # type: ignore[arg-type]
        return {entry.name: entry.default for entry in known if entry.name != "name"}

    def is_operator(self, layer: Activation, opset: int) -> bool:
        """Whether a layer of this kind is one operator of ONNX in a set of operators."""
        others = set(self.settings) - set(self.attributes)
        plain = all(getattr(layer, name) == self.settings[name] for name in others)
        return self.operator is not None and opset >= self.there.since and plain


_MODULES = (piecewise_activations, smooth_activations)  # whose classes exist by now

ACTIVATIONS = tuple(
    KnownActivation(kind, kind.elsewhere)
    for kind in sorted(Activation.__subclasses__(), key=lambda kind: kind.__name__)
    if kind.elsewhere is not None
)
"""All of them, by name."""
