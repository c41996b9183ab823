"""The arrays of a module that is read: its own, as weights or as numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ..reading.refusals import Refusal
from ..reading.values import Weights

_STATISTICS = ("running_mean", "running_var")


class ModuleArrays:
    """The parameters, statistics and other tensors of a module and its parts.

    Args:
        module: the module.
        owners: for the path of each array, the first path at which it is found.
        refused: the paths of modules that were refused before, whose other reasons are looked for.
        torch: the package.
    """

    def __init__(
        self, module: Any, owners: Mapping[str, str], refused: Collection[str], torch: Any
    ) -> None:
        self._module, self._owners, self._refused, self._torch = module, owners, refused, torch

    def held(self, module: Any, path: str, key: str) -> Weights | None:
        """A module's array under a name; None where it holds none there.

        Args:
            module: one of the parts.
            path: the part's.
            key: such as "weight".

        Raises:
            Refusal: the part computes it.
        """
        if key in module._parameters or key in module._buffers:
            value = module._parameters.get(key, module._buffers.get(key))
        elif path in self._refused:
            value = getattr(module, key)
        else:
            raise Refusal(f"computes its {key} instead of holding it as a parameter")
        return None if value is None else self._weights(value, f"{path}.{key}")

    def of(self, path: str) -> Any:
        """A parameter as weights, another tensor as numbers.

        Args:
            path: the tensor's.

        Raises:
            Refusal: it is no tensor, or holds no plain numbers.
        """
        parent, _, name = path.rpartition(".")
        value = getattr(self._module.get_submodule(parent), name)
        if not isinstance(value, self._torch.Tensor):
            raise Refusal(f"reads {path!r}, which is no tensor")
        if isinstance(value, self._torch.nn.Parameter) or path.endswith(_STATISTICS):
            return self._weights(value, path)
        if str(value.dtype) == "torch.int64" and not value.is_meta:
            return np.array(value.cpu().numpy())
        return self._copied(value, path)

    def _weights(self, value: Any, path: str) -> Weights:
        """An array that training changes; what lies in the same place has the same name."""
        running = path.endswith(_STATISTICS)
        still = not value.requires_grad and not running
        name = self._owners.get(path, path)
        return Weights(name, self._copied(value, path), True, still, running)

    def _copied(self, value: Any, path: str) -> np.ndarray:
        """A tensor as an array of its own."""
        if value.is_meta or str(value.layout) != "torch.strided":
            raise Refusal(
                f"holds no plain numbers in {path!r}: it is {value.layout} on {value.device}"
            )
        if str(value.dtype) not in ("torch.float32", "torch.float64"):
            raise Refusal(
                f"holds {path!r} as {value.dtype}; make the model float32 or float64 first, as "
                "with model.float()"
            )
        try:
            return np.array(value.detach().cpu().numpy())
        except RuntimeError as cause:  # of a kind of tensor that stands for others
            kind = type(value).__name__
            raise Refusal(f"holds no plain numbers in {path!r}: it is a {kind}") from cause
