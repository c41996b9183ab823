"""`gt.trace`, `gt.explore` and `gt.check_gradients` of a PyTorch module as it is.

The module is read as `from_torch` reads it, for the shape of the samples that are asked about, and
the question is asked of that network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ...layers import CrossEntropy, Loss
from ..reading.values import LastSoftmax
from .torch_import import import_module
from .torch_losses import LOGARITHMS, loss_of_torch, name_of_loss


def asked_of_network(name: str, module: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments of a question that are others for the network that a module is.

    A last softmax is left out where the loss includes it: where that is `gt.CrossEntropy` or none
    is told, or `NLLLoss` behind logarithms. Behind PyTorch's other losses it is a layer.

    Args:
        name: the public function.
        module: a PyTorch module, which stays as it is.
        given: the arguments by name; x says what shape the samples have.

    Raises:
        ArgumentError: there is no x, or a loss that is none, or what `from_torch` refuses.
    """
    x, y, loss = (given.get(key) for key in ("x", "y", "loss"))
    if x is None:
        raise ArgumentError(
            f"{name}: of a PyTorch module x is needed, whose shape says what the module takes"
        )
    x, y = _samples(x), _plain(y)
    shapes = _sample_shapes(name, x)
    meant = loss if loss is None or isinstance(loss, Loss) else loss_of_torch(loss, y)
    ending = LastSoftmax.LOGITS if isinstance(meant, CrossEntropy | None) else LastSoftmax.WHOLE
    if meant is not loss:
        ending = LastSoftmax.LOGARITHMS if name_of_loss(loss) in LOGARITHMS else LastSoftmax.WHOLE
    network = import_module(module, shapes, name, ending=ending).network
    return {"network": network, "x": x, "y": y, "loss": meant}


def _samples(x: Any) -> Any:
    """Samples as arrays: of one input, or of several by name or in their order."""
    if isinstance(x, Mapping):
        return {key: _plain(each) for key, each in x.items()}
    if isinstance(x, tuple) and any(np.ndim(each) for each in x):
        return tuple(_plain(each) for each in x)
    return _plain(x)


def _sample_shapes(name: str, x: Any) -> Any:
    """What shape a sample has, of several inputs each."""
    if isinstance(x, Mapping):
        return {key: _sample_shape(f"{name}: x[{key!r}]", each) for key, each in x.items()}
    if isinstance(x, tuple):
        return tuple(_sample_shape(f"{name}: x[{at}]", each) for at, each in enumerate(x))
    return _sample_shape(f"{name}: x", x)


def _sample_shape(where: str, x: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = np.shape(x)
    if len(shape) < 2:
        raise ArgumentError(
            f"{where} is of shape {shape}, and no samples (N, …) that a module takes"
        )
    return shape[1:]


def _plain(array: Any) -> Any:
    """A tensor as an array, wherever it lies and whatever hangs on it; NumPy has no bfloat16."""
    if not hasattr(array, "detach"):
        return array
    here = array.detach().cpu()
    return (here.float() if str(here.dtype) == "torch.bfloat16" else here).numpy()
