"""Tags: how many of each are found, and how many of what is taken for one are right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ..checking.arguments import is_real
from ..checking.calls import call_example
from ..errors import ArgumentError, DataError
from ..layers.element_losses import BCEWithLogits
from ..showing.shown import Shown
from ..showing.tables import Table
from .metrics import percent, shares
from .predictions import predicted

if TYPE_CHECKING:
    from ..engines import Engine
    from ..graph import Graph


@final
@call_example("gt.tag_scores(network, (x, y))")
@dataclass(frozen=True)
class TagScores(Shown):
    """Counts of K tags, each a yes or no by itself; prints as a table.

    What is counted are samples, or positions where there are masks.

    Args:
        found: (K,) int64, how often a tag is there and is said.
        missed: (K,) int64, how often it is there and is not said.
        wrong: (K,) int64, how often it is said and is not there.
        total: how many yes or no there are for each tag.
        tags: the K names.
    """

    found: np.ndarray
    missed: np.ndarray
    wrong: np.ndarray
    total: int
    tags: tuple[str, ...]

    @classmethod
    def of(cls, y: Any, said: Any, tags: Sequence[str] | None = None) -> TagScores:
        """From yes and no.

        Args:
            y: (M, K, …) truth values, or 0 and 1: what is there.
            said: likewise, what is said to be.
            tags: the K names; by default numbers.

        Raises:
            DataError: no yes or no, or not as many of one as of the other.
        """
        true, taken = np.asarray(y), np.asarray(said)
        for name, array in (("y", true), ("said", taken)):
            if array.ndim < 2 or array.shape != true.shape or not np.isin(array, (0, 1)).all():
                raise DataError(
                    f"{name} must be 0 and 1 of a shape (M, K) or (M, K, …) that both have, got "
                    f"shape {array.shape} and dtype {array.dtype}"
                )
        names = tuple(map(str, range(true.shape[1]) if tags is None else tags))
        if len(names) != true.shape[1]:
            raise DataError(f"{len(names)} tags are named, but y has {true.shape[1]}")
        true, taken = true.astype(bool), taken.astype(bool)
        axes = (0, *range(2, true.ndim))
        found, missed, wrong = (
            np.sum(a, axis=axes) for a in (true & taken, true & ~taken, taken & ~true)
        )
        return cls(found, missed, wrong, true.size // max(1, len(names)), names)

    @property
    def support(self) -> np.ndarray:
        """How often each tag is there, (K,) int64."""
        return np.asarray(self.found + self.missed)

    @property
    def precision(self) -> np.ndarray:
        """Of what is said to have a tag the share that has, (K,); NaN where nothing is said to."""
        return shares(self.found, self.found + self.wrong)

    @property
    def recall(self) -> np.ndarray:
        """Of what has a tag the share that is found, (K,); NaN where nothing has it."""
        return shares(self.found, self.support)

    @property
    def f1(self) -> np.ndarray:
        """The harmonic mean of precision and recall, (K,); NaN where a tag is nowhere."""
        return shares(2 * self.found, 2 * self.found + self.missed + self.wrong)

    @property
    def iou(self) -> np.ndarray:
        """Of what has a tag or is said to, the share of both, (K,); NaN where nothing is."""
        return shares(self.found, self.found + self.missed + self.wrong)

    @property
    def micro_f1(self) -> float:
        """F1 of all tags' counts together, so that frequent tags count more."""
        found, off = int(self.found.sum()), int((self.missed + self.wrong).sum())
        return 2 * found / (2 * found + off) if found + off else math.nan

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the tags that are anywhere, each as much as others."""
        there = self.f1[~np.isnan(self.f1)]
        return float(there.mean()) if len(there) else math.nan

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON; None where a share has no denominator."""
        figures = ("precision", "recall", "f1", "iou")
        each = {
            name: [None if np.isnan(v) else float(v) for v in getattr(self, name)]
            for name in figures
        }
        counts = {n: getattr(self, n).tolist() for n in ("support", "found", "missed", "wrong")}
        means = {n: getattr(self, n) for n in ("macro_f1", "micro_f1")}
        means = {name: None if math.isnan(value) else value for name, value in means.items()}
        return {"tags": list(self.tags), "total": self.total, **counts, **each, **means}

    def _table(self) -> Table:
        heads = ("tag", ">there", ">found", ">missed", ">wrong", ">precision", ">recall", ">F1")
        counts = (self.support, self.found, self.missed, self.wrong)
        figures = (self.precision, self.recall, self.f1)
        rows = [
            (name, *(f"{c[k]:,}" for c in counts), *(percent(f[k]) for f in figures))
            for k, name in enumerate(self.tags)
        ]
        means = f"mean F1 {percent(self.macro_f1)}; of all tags together {percent(self.micro_f1)}"
        return Table((), heads, rows, (means,))


@call_example("gt.tag_scores(network, (x, y))")
def tag_scores(
    network: Graph,
    data: Any,
    *,
    threshold: float = 0.5,
    classes: Sequence[str] | None = None,
    batch_size: int = 256,
    engine: str | Engine | None = None,
) -> TagScores:
    """How well a network tells several tags, each a yes or no by itself, in evaluation.

    The network's outputs are what `gt.BCEWithLogits` takes: a tag is said where the sigmoid of its
    output is above the threshold.

    Args:
        network: is not changed.
        data: samples, and 0 or 1 for each of their tags, (N, K), or masks (N, K, …).
        threshold: a probability between 0 and 1.
        classes: the tags' names; by default the network's, or numbers.
        batch_size: how many samples are computed at once.
        engine: None for the default, "cpu", "reference", or an engine object.

    Raises:
        ArgumentError: a threshold out of range; not as many names as the network has outputs.
        DataError: samples or labels that do not fit.
        NonFiniteError: the network gives a NaN or an infinity.

    Example:
        >>> x, y = np.zeros((2, 1, 8, 8)), [[0, 1], [1, 1]]
        >>> net = Network((1, 8, 8), [Flatten(), Linear(2)])
        >>> net.parameters["fc1.bias"] = np.array([-1.0, 1.0])
        >>> tag_scores(net, (x, y)).f1
        array([0., 1.])
    """
    if not is_real(threshold) or not 0 < threshold < 1:
        raise ArgumentError(f"tag_scores: threshold must lie between 0 and 1, got {threshold!r}")
    least = math.log(threshold / (1 - threshold))  # the output whose sigmoid it is
    loss, counted = BCEWithLogits(), []
    names, batches = predicted("tag_scores", network, data, loss, classes, batch_size, engine)
    with closing(batches):
        for outputs, labels in batches:
            true = loss.targets(labels, outputs.shape)["T"]
            counted.append(TagScores.of(true, outputs > least, names))
    found, missed, wrong = (
        np.sum([getattr(one, name) for one in counted], axis=0)
        for name in ("found", "missed", "wrong")
    )
    return TagScores(found, missed, wrong, sum(one.total for one in counted), names)
