"""One definition: read, and compared with PyTorch in float64; then on the CPU engine.

Both sides get the same samples, weights and running statistics, drawn so that nothing hides: no
norm begins with zeros, no statistic is that of a fresh network. Statistics are drawn around those
that samples have: beside others a hundred layers multiply every rounding by as much as they
multiply their inputs, and then no two programs agree, nor one with itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np

import gradtrail as gt
from gradtrail.interop.pytorch.torch_import import import_module
from gradtrail.interop.reading.values import LastSoftmax
from gradtrail.network.architecture import network_from

from .models import made

__all__ = [
    "EXACT",
    "NEAR",
    "NOTHING",
    "Compared",
    "apart",
    "compared",
    "draw_statistics",
    "draw_weights",
    "exact_slopes",
    "gradient_pairs",
    "in_dtype",
]

EXACT = 1e-8
"""How far an array may be from PyTorch's in float64, relative to its largest number."""

NEAR = 1e-4
"""The same for outputs of the CPU engine, in float32."""

NOTHING = 1e-9
"""A gradient this small beside the largest is 0 in theory: a bias's in front of a batch norm."""

_ALIKE = 4
_SAMPLES = 2
_SETTLING = 4


@dataclass(frozen=True)
class Compared:
    """What became of one definition.

    Args:
        name: the definition's.
        refused: why it was not read; empty where it was.
        parameters: how many numbers are trained.
        outputs: the largest difference of outputs in float64, relative.
        gradients: the largest of all gradients.
        where: in which array that is.
        rounded: of the CPU engine's outputs from those in float64, relative; None where it was
            not asked.
        direct: the same without Winograd's algorithm; None where the former are near enough.
        single: of PyTorch's own outputs in float32, likewise.
        seconds: for reading it.
        unfinished: whether it took more than it may, or broke.
    """

    name: str
    refused: str = ""
    parameters: int = 0
    outputs: float = 0.0
    gradients: float = 0.0
    where: str = ""
    rounded: float | None = None
    direct: float | None = None
    single: float | None = None
    seconds: float = 0.0
    unfinished: bool = False

    @property
    def right(self) -> bool:
        """Whether it was read and no number is wrong."""
        return not self.refused and not self.wrong

    @property
    def wrong(self) -> bool:
        """Whether a number is wrong; a refused one has none."""
        exact = self.outputs <= EXACT and self.gradients <= EXACT  # a NaN is not
        near = self.rounded is None or self.rounded <= NEAR or self.sensitive
        return not self.refused and not (exact and near)

    @property
    def sensitive(self) -> bool:
        """Whether rounding alone takes the CPU engine's outputs away from those in float64.

        It is Winograd's where sums in their order are near; it is the network's, which multiplies
        what float32 rounds, where PyTorch's own outputs in float32 are about as far.
        """
        if self.rounded is None or self.direct is None or self.single is None:
            return False
        return self.rounded > NEAR and self.direct <= max(NEAR, _ALIKE * self.single)


def compared(group: str, name: str, *, single: bool = True) -> Compared:
    """Read a definition and compare.

    Args:
        group: see `models.GROUPS`.
        name: see `models.GROUPS`.
        single: whether it is also computed in float32 by the CPU engine.
    """
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(2)
    module, shape = made(group, name)
    parameters = sum(p.numel() for p in module.parameters())
    module = module.double()
    draw_weights(module, torch)
    draw_statistics(module, shape, torch)
    key = _first_key(module, shape)
    begun = time.perf_counter()
    try:
        whole = LastSoftmax.WHOLE  # so that outputs are the module's
        imported = import_module(
            module, shape, "from_torch", key, keeps=False, ending=whole, comparing=False
        )
        seconds = time.perf_counter() - begun
        found = _with_pytorch(name, imported, module, shape, single)
        if found.wrong:  # which `from_torch` should have seen
            gt.from_torch(module, shape, frozen="train", output=key)
    except gt.GradtrailError as cause:
        return Compared(name, str(cause), parameters, seconds=time.perf_counter() - begun)
    return replace(found, parameters=parameters, seconds=seconds)


def _with_pytorch(
    name: str, imported: Any, module: Any, shape: tuple[int, ...], single: bool
) -> Compared:
    """Outputs and gradients beside PyTorch's; `from_torch` does so, too, and is less strict."""
    import torch

    network = imported.network
    x = np.random.default_rng(1).normal(size=(_SAMPLES, *shape))
    given, image, target = _by_torch(module, x, torch)
    step = gt.trace(
        network, x, target, loss=gt.MeanSquaredError(), training=False, engine="reference"
    )
    outputs = apart(step.value[network.output_name], given)
    gradients, where = _gradients_apart(imported, step, module, image)
    found = Compared(name, "", 0, outputs, gradients, where)
    if not single:
        return found
    rounded = _rounded(network, x, given)
    if rounded <= NEAR:
        return replace(found, rounded=rounded)
    with torch.no_grad(), exact_slopes():
        narrow = _first(module.float()(torch.from_numpy(x).float())).numpy()
    direct = _rounded(network, x, given, winograd="off")
    return replace(found, rounded=rounded, direct=direct, single=apart(narrow, given))


def draw_weights(module: Any, torch: Any) -> None:
    """Weights and statistics that hide nothing, of a size that keeps signals alive."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for path, array in [*module.named_parameters(), *module.named_buffers()]:
            if not array.is_floating_point():
                continue
            noise = torch.randn(array.shape, generator=draw, dtype=array.dtype)
            if path.endswith("running_var"):
                array.copy_(torch.exp(0.3 * noise))
            elif array.ndim > 1:
                array.copy_(noise * (2 / max(1, array[0].numel())) ** 0.5)
            elif path.endswith("running_mean") or array.ndim == 1:
                array.copy_(0.3 * noise + float(path.endswith("weight")))


def draw_statistics(module: Any, shape: tuple[int, ...], torch: Any) -> None:
    """Running statistics near those of samples: maps keep the size that training gives them.

    Args:
        module: whose norms get them; its weights are drawn already.
        shape: of one sample.
        torch: PyTorch.
    """
    norms = [m for m in module.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    norms = [norm for norm in norms if norm.track_running_stats]
    if not norms:
        return
    draw = torch.Generator().manual_seed(3)
    dtype = next(module.parameters()).dtype
    momenta = [norm.momentum for norm in norms]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = 1.0
        module.train()(_settling(shape, draw, dtype, torch))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            mean, variance = norm.running_mean, norm.running_var
            variance.clamp_(min=float(variance.mean()) / 100)
            noise = torch.randn((2, len(mean)), generator=draw, dtype=dtype)
            mean.add_(0.05 * noise[0] * variance.sqrt())
            variance.mul_(torch.exp(0.05 * noise[1]))


def _settling(shape: tuple[int, ...], draw: Any, dtype: Any, torch: Any) -> Any:
    """Samples whose means and spreads differ, as those of pictures; so averages vary, too."""
    ones, kind = (1,) * (len(shape) - 1), {"generator": draw, "dtype": dtype}
    samples = torch.randn((_SETTLING, *shape), **kind)
    spreads = torch.exp(0.5 * torch.randn((_SETTLING, 1, *ones), **kind))
    means = 0.5 * torch.randn((_SETTLING, shape[0], *ones), **kind)
    return samples * spreads + means


@contextmanager
def exact_slopes() -> Iterator[None]:
    """Let PyTorch's hard sigmoid have the slope 1/6; its own is that of float32 in float64, too."""
    from torch.nn import functional

    with patch.object(
        functional, "hardsigmoid", lambda x, inplace=False: functional.relu6(x + 3) / 6
    ):
        yield


def _by_torch(module: Any, x: np.ndarray, torch: Any) -> tuple[np.ndarray, Any, np.ndarray]:
    """Outputs, the input with its gradient, and what the outputs are compared with."""
    module.eval()
    image = torch.from_numpy(x.copy()).requires_grad_()
    with exact_slopes():
        output = _first(module(image))
    target = np.random.default_rng(2).normal(size=tuple(output.shape))
    scale = float(output.detach().abs().max()) or 1.0
    loss = ((output - torch.from_numpy(target) * scale) ** 2).mean()
    loss.backward()
    return output.detach().numpy(), image, target * scale


def _first_key(module: Any, shape: tuple[int, ...]) -> int | str:
    """What the first of several outputs is called; 0 where they are a tuple, or only one."""
    import torch

    with torch.no_grad():
        found = module.eval()(torch.zeros(1, *shape, dtype=torch.float64))
    module.train()
    return next(iter(found)) if isinstance(found, Mapping) else 0


def _first(output: Any) -> Any:
    """The first of several outputs."""
    while isinstance(output, list | tuple | Mapping):
        output = next(iter(output.values() if isinstance(output, Mapping) else output))
    return output


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, relative to the largest number."""
    if ours.shape != theirs.shape or not np.isfinite(theirs).all():
        return float("inf")
    scale = np.abs(theirs).max(initial=0.0)
    off = np.abs(ours - theirs).max(initial=0.0)
    return float(off / scale) if scale else float(off)


def gradient_pairs(
    imported: Any, step: Any, module: Any, image: Any
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each gradient beside that of the array of the module which it was read from, by name.

    Args:
        imported: what became of the module, a `TorchImport`.
        step: a trace of its network.
        module: behind a backward pass.
        image: its input, with a gradient.
    """
    held = dict(module.named_parameters(remove_duplicate=False))
    pairs = {"input": (step.grad["input"], image.grad.numpy())}
    for name in imported.network.parameters:
        there = held[imported.arrays[name]].grad
        mine = step.grad[name]
        other = np.zeros_like(mine) if there is None else there.numpy().reshape(mine.shape)
        pairs[name] = mine, other
    return pairs


def _gradients_apart(imported: Any, step: Any, module: Any, image: Any) -> tuple[float, str]:
    """The largest difference of a gradient, and in which array; of those not 0 in theory."""
    pairs = gradient_pairs(imported, step, module, image)
    largest = max(np.abs(theirs).max(initial=0.0) for _, theirs in pairs.values())
    worst, where = 0.0, ""
    for name, (mine, theirs) in pairs.items():
        if np.abs(theirs).max(initial=0.0) <= NOTHING * largest >= np.abs(mine).max(initial=0.0):
            continue
        off = apart(mine, theirs)
        if not off <= worst:
            worst, where = off, name
    return worst, where


def _rounded(network: Any, x: np.ndarray, wide: np.ndarray, **settings: Any) -> float:
    """How far the CPU engine's outputs are from those in float64."""
    narrow = in_dtype(network, "float32")
    return apart(narrow.predict(x.astype(np.float32), engine=gt.CPU(**settings)), wide)


def in_dtype(network: gt.Network, dtype: str) -> gt.Network:
    """The same network with the same arrays in another dtype."""
    made = network_from({**network.architecture(), "dtype": dtype})
    for held, given in ((made.parameters, network.parameters), (made.buffers, network.buffers)):
        for name in given:
            held[name] = given[name]
    return made
