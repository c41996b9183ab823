"""`python -m benchmarks.zoo.published`: named architectures beside those of torchvision and timm.

Each library's module is made with drawn weights and statistics, its state is written as safetensors
under the names that the library publishes, and `gt.architecture(name, weights=FILE)` reads it.
Outputs in evaluation, outputs and gradients in training without dropout, and the running statistics
after that step are compared in float64. It ends with status 1 where a number is wrong.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np

import gradtrail as gt
from gradtrail.network.architecture import ARCHITECTURES, Architecture

from ..arguments import listed
from .comparison import NOTHING, apart, draw_weights, exact_slopes
from .models import allow_torchvision

__all__ = ["LIBRARIES", "TIMM", "Agreement", "agreement", "main", "table_of"]

TIMM: Mapping[str, str | None] = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "vgg16_bn": "vgg16_bn",
    "densenet121": "densenet121",
    "squeezenet1_1": None,
    "mobilenet_v2": "mobilenetv2_100",
    "mobilenet_v3_small": "mobilenetv3_small_100",
    "efficientnet_b0": "efficientnet_b0",
    "convnext_tiny": "convnext_tiny",
}
"""The architectures with published weights, by timm's names; None where it has none."""

LIBRARIES = ("torchvision", "timm")

_OUTPUTS, _GRADIENTS = 1e-10, 1e-8
_CLASSES, _SAMPLES = 7, 2


@dataclass(frozen=True)
class Agreement:
    """How far an architecture's numbers are from a library's, relative to each array's largest.

    Args:
        evaluated: outputs in evaluation.
        trained: outputs in training.
        gradients: the farthest of all gradients.
        where: which that is.
        statistics: running statistics after the step.
    """

    evaluated: float
    trained: float
    gradients: float
    where: str
    statistics: float

    @property
    def right(self) -> bool:
        """Whether all are as near as they must be; a NaN is not."""
        outputs = max(self.evaluated, self.trained, self.statistics)
        return outputs <= _OUTPUTS and self.gradients <= _GRADIENTS


def module_of(library: str, name: str, classes: int) -> Any:
    """A library's module in float64, without dropout.

    Args:
        library: torchvision or timm.
        name: of our architecture.
        classes: how many.
    """
    import torch

    allow_torchvision()
    if library == "torchvision":
        import torchvision

        module = torchvision.models.get_model(name, weights=None, num_classes=classes)
    else:
        import timm

        module = timm.create_model(TIMM[name], pretrained=False, num_classes=classes)
    for part in module.modules():
        if type(part).__name__ in ("Dropout", "StochasticDepth"):
            part.p = 0.0  # timm's have none
    return module.to(torch.float64)


def table_of(library: str, name: str) -> tuple[int, str]:
    """How many arrays a library's file has, and a digest of their names, first axes and sizes."""
    import torch

    with torch.device("meta"):
        state = module_of(library, name, 1000).state_dict()
    lines = sorted(
        f"{key} {array.shape[0]} {array.numel()}"
        for key, array in state.items()
        if not key.endswith("num_batches_tracked")
    )
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def agreement(library: str, name: str, size: int) -> Agreement:
    """An architecture with a library's weights beside that library's module.

    Args:
        library: torchvision or timm.
        name: of our architecture.
        size: of the images.
    """
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    module = module_of(library, name, _CLASSES)
    draw_weights(module, torch)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "published.safetensors"
        save_file({key: array.contiguous() for key, array in module.state_dict().items()}, path)
        known = _without_dropout(gt.architecture(name, weights=path))
        network = gt.Network((3, size, size), known.layers(_CLASSES), dtype=np.float64)
        known.fill(network)
    x = np.random.default_rng(1).normal(size=(_SAMPLES, 3, size, size))
    with torch.no_grad():
        evaluated = module.eval()(torch.from_numpy(x)).numpy()
    ours = network.predict(x, engine="reference")
    return Agreement(apart(ours, evaluated), *_trained(module.train(), network, known.our_name, x))


def _without_dropout(known: Architecture) -> Architecture:
    names = known.setting_names
    return known.having(**{n: 0.0 for n in ("dropout", "stochastic_depth") if n in names})


def _trained(
    module: Any, network: gt.Network, our_name: Callable[[str], str | None], x: np.ndarray
) -> tuple[float, float, str, float]:
    """Outputs, the farthest gradient, its name, and running statistics of one step in training."""
    import torch

    image = torch.from_numpy(x.copy()).requires_grad_()
    with exact_slopes():
        output = module(image)
    target = np.random.default_rng(2).normal(size=tuple(output.shape))
    ((output - torch.from_numpy(target)) ** 2).mean().backward()
    step = gt.trace(network, x, target, loss=gt.MeanSquaredError(), engine="reference")
    theirs = {our_name(path): p.grad.numpy() for path, p in module.named_parameters()}
    theirs["input"] = image.grad.numpy()
    largest = max(np.abs(gradient).max() for gradient in theirs.values())
    worst, where = 0.0, ""
    for name, gradient in theirs.items():
        assert name is not None
        mine = step.grad[name].reshape(gradient.shape)
        if max(np.abs(gradient).max(), np.abs(mine).max()) <= NOTHING * largest:
            continue
        if not (off := apart(mine, gradient)) <= worst:
            worst, where = off, name
    gt.train(
        *(network, (x, target)),
        **{"loss": gt.MeanSquaredError(), "optimizer": gt.SGD(0.001), "epochs": 1},
        **{"batch_size": len(x), "shuffle": False, "engine": "reference", "progress": False},
    )
    moved = {our_name(path): b.numpy() for path, b in module.named_buffers() if b.ndim}
    statistics = max((apart(network.buffers[n], b) for n, b in moved.items() if n), default=0.0)
    trained = apart(step.value[network.output_name], output.detach().numpy())
    return trained, worst, where, statistics


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--names", default="*", help="Those that fit this pattern alone.")
@click.option("--libraries", default="torchvision,timm", callback=listed(LIBRARIES, "library"))
@click.option("--size", default=64, help="Height and width of the images.")
@click.option("--tables", is_flag=True, help="Print counts and digests of names, and compare none.")
def main(names: str, libraries: list[str], size: int, tables: bool) -> None:
    """Compare named architectures with those of torchvision and timm, by weights of each."""
    missing = [p for p in ("torch", "torchvision", "timm") if find_spec(p) is None]
    if missing:
        raise click.ClickException(f"{' and '.join(missing)} must be installed")
    good = True
    for name in (n for n, a in ARCHITECTURES.items() if a.head and fnmatch(n, names)):
        for library in (at for at in libraries if at != "timm" or TIMM[name]):
            if tables:
                click.echo(f"{library:12} {name:20} {table_of(library, name)}")
                continue
            found = agreement(library, name, size)
            good = good and found.right
            click.echo(
                f"{library:12} {name:20} {'right' if found.right else 'WRONG'}: outputs "
                f"{found.evaluated:.1e}, in training {found.trained:.1e}, gradients "
                f"{found.gradients:.1e} ({found.where}), statistics {found.statistics:.1e}"
            )
    sys.exit(not good)


if __name__ == "__main__":
    main()
