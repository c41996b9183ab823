"""One epoch by gradtrail and by PyTorch, from the same weights and in the same order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import gradtrail as gt

from .ours import engine
from .report import verdict
from .settings import Curves
from .task import without_dropout

__all__ = [
    "Curve",
    "Data",
    "Verdict",
    "by_gradtrail",
    "by_pytorch",
    "compare",
    "data",
    "window_means",
]

Data = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Curve:
    """What an epoch gave.

    Args:
        losses: of each step, before its update.
        accuracy: of the trained network on the test samples, 0 to 1.
    """

    losses: Sequence[float]
    accuracy: float


@dataclass(frozen=True)
class Verdict:
    """One comparison.

    Args:
        what: was compared.
        found: the difference.
        bound: what it may be.
        unit: such as `%`, for the two as they are shown.
        scale: how many units 1 is.
        judged: whether the bound has to hold.
    """

    what: str
    found: float
    bound: float
    unit: str = ""
    scale: float = 1.0
    judged: bool = True

    @property
    def failed(self) -> bool:
        """Whether the bound had to hold and does not."""
        return self.judged and not self.good

    @property
    def good(self) -> bool:
        """Whether it is within the bound; not a number is not."""
        return bool(self.found <= self.bound)

    def cells(self) -> tuple[str, str, str, str]:
        """What, found, bound, and PASS or FAIL where it is judged."""

        def shown(value: float) -> str:
            return f"{self.scale * value:.3g} {self.unit}".strip()

        judged = verdict(self.good) if self.judged else ""
        return self.what, shown(self.found), f"≤ {shown(self.bound)}", judged


def data(settings: Curves, samples: int | None = None) -> Data:
    """Training and test samples, the former in the order of the epoch.

    Args:
        settings: which data, and the order's seed.
        samples: only so many of the training samples.
    """
    (x, y), test = gt.data.load(settings.data)
    order = np.random.default_rng(settings.seed).permutation(len(x))[:samples]
    return (x[order], y[order]), test


def _network(settings: Curves) -> gt.Network:
    return without_dropout(gt.architecture(settings.network).network(seed=settings.seed))


def by_gradtrail(data: Data, threads: int, options: Mapping[str, Any], settings: Curves) -> Curve:
    """The epoch by our engine, through `gt.train`."""
    network, runs = _network(settings), engine(threads, options)
    history = gt.train(
        network, data[0], optimizer=gt.SGD(settings.lr, momentum=settings.momentum), epochs=1,
        batch_size=settings.batch_size, shuffle=False, engine=runs, progress=False,
    )  # fmt: skip
    found = gt.evaluate(network, data[1], engine=runs)
    return Curve(history.step_losses, found["accuracy"])


def by_pytorch(data: Data, threads: int, settings: Curves, *, channels_last: bool) -> Curve:
    """The epoch by PyTorch, eager.

    Args:
        data: training and test samples.
        threads: how many.
        settings: the training.
        channels_last: in this order in memory, which sums in another order.

    Raises:
        ImportError: PyTorch is not installed.
    """
    import torch
    from torch.nn import functional

    from .peers.pytorch import module_for

    torch.set_num_threads(threads)
    order = torch.channels_last if channels_last else torch.contiguous_format
    module = module_for(_network(settings)).train().to(memory_format=order)
    optimizer = torch.optim.SGD(module.parameters(), settings.lr, momentum=settings.momentum)
    x, y = (torch.from_numpy(part) for part in data[0])
    losses = []
    for at in range(0, len(x), settings.batch_size):
        chosen = slice(at, at + settings.batch_size)
        optimizer.zero_grad()
        outputs = module(x[chosen].contiguous(memory_format=order))
        loss = functional.cross_entropy(outputs, y[chosen])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    x, y = (torch.from_numpy(part) for part in data[1])
    module.eval()
    with torch.no_grad():
        right = sum(
            int((module(part).argmax(1) == labels).sum())
            for part, labels in zip(x.split(1000), y.split(1000), strict=True)
        )
    return Curve(losses, right / len(x))


def window_means(losses: Sequence[float], window: int) -> np.ndarray:
    """The means over each whole window of steps; one over all where there is no whole one."""
    whole = len(losses) // window
    if whole == 0:
        return np.array([np.mean(losses)])
    return np.reshape(losses[: whole * window], (whole, window)).mean(axis=1)


def compare(ours: Curve, theirs: Curve, settings: Curves) -> list[Verdict]:
    """The three comparisons, all judged unless the training is chaotic."""
    first = settings.first
    a, b = np.array(ours.losses), np.array(theirs.losses)
    means, expected = (window_means(list(v), settings.window) for v in (a, b))
    return [
        Verdict(
            f"largest difference of the first {min(first, len(a))} losses",
            float(np.abs(a[:first] - b[:first]).max()),
            settings.first_bound,
        ),
        Verdict(
            f"largest difference of the mean over {settings.window} steps",
            float((np.abs(means - expected) / np.abs(expected)).max()),
            settings.window_bound, "%", 100, not settings.chaotic,
        ),
        Verdict(
            "difference of the final test accuracies",
            abs(ours.accuracy - theirs.accuracy),
            settings.accuracy_bound, "points", 100, not settings.chaotic,
        ),
    ]  # fmt: skip
