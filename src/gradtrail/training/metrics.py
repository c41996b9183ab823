"""Which classes are taken for which: the confusion matrix, and the figures of every class."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ..checking.calls import call_example
from ..errors import ArgumentError, DataError
from ..layers.cross_entropy import loss_for
from ..renamed import keep_old_arguments
from ..showing.figures import figure, save_figure
from ..showing.shown import Shown
from ..showing.tables import Table
from .predictions import predicted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..engines import Engine
    from ..graph import Graph
    from ..layers import Loss

_DRAWN = 24
"""Up to how many classes the numbers are written into the picture."""


@final
@call_example("gt.confusion(network, (x, y))")
@dataclass(frozen=True)
class Confusion(Shown):
    """A confusion matrix; prints as a table of its classes.

    Args:
        matrix: (K, K) int64; row: the class it is, column: the class it is taken for.
        classes: the K classes' names.
        counted: what is counted: "samples", or "positions" of maps; the table of these has the IoU.
    """

    matrix: np.ndarray
    classes: tuple[str, ...]
    counted: str = "samples"

    @classmethod
    def of(cls, y: Any, predicted: Any, classes: Sequence[str] | int) -> Confusion:
        """From class numbers.

        Args:
            y: (M,) what it is.
            predicted: (M,) what it is taken for.
            classes: their names, or how many there are.

        Raises:
            DataError: numbers that are no classes, or not as many of one as of the other.
        """
        names = tuple(map(str, range(classes) if isinstance(classes, int) else classes))
        true, taken = np.asarray(y), np.asarray(predicted)
        samples = true.size
        for name, array in (("y", true), ("predicted", taken)):
            wrong = array.shape != (samples,) or array.dtype.kind not in "biu"
            if wrong or (samples and not 0 <= array.min() <= array.max() < len(names)):
                raise DataError(
                    f"{name} must be {samples} class numbers from 0 to {len(names) - 1}, got "
                    f"shape {array.shape} and dtype {array.dtype}"
                )
        count = len(names)
        pairs = true.astype(np.int64) * count + taken.astype(np.int64)
        return cls(np.bincount(pairs, minlength=count * count).reshape(count, count), names)

    @property
    def support(self) -> np.ndarray:
        """How many samples or positions each class has, (K,) int64."""
        return np.asarray(self.matrix.sum(axis=1))

    @property
    def accuracy(self) -> float:
        """The share of samples that are right."""
        return float(np.trace(self.matrix) / max(1, self.matrix.sum()))

    @property
    def recall(self) -> np.ndarray:
        """Of each class's samples the share that is found, (K,); NaN where it has none."""
        return shares(np.diagonal(self.matrix), self.support)

    @property
    def precision(self) -> np.ndarray:
        """Of what is taken for a class the share that is, (K,); NaN where nothing is."""
        return shares(np.diagonal(self.matrix), self.matrix.sum(axis=0))

    @property
    def f1(self) -> np.ndarray:
        """The harmonic mean of precision and recall, (K,); NaN where both are missing."""
        return shares(2 * np.diagonal(self.matrix), self.support + self.matrix.sum(axis=0))

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union (Jaccard index), (K,): how far each class and its guess overlap.

        Of what is a class or is taken for it, the share of what is both; NaN where nothing is.
        """
        met = np.diagonal(self.matrix)
        return shares(met, self.support + self.matrix.sum(axis=0) - met)

    @keep_old_arguments(count="k")
    def most_confused(self, k: int = 5) -> list[tuple[str, str, int]]:
        """The k most frequent mistakes: what it is, what it is taken for, how often."""
        wrong = self.matrix.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:k]
        places = (np.unravel_index(at, wrong.shape) for at in order)
        return [
            (self.classes[i], self.classes[j], int(wrong[i, j])) for i, j in places if wrong[i, j]
        ]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON; None where a share has no denominator."""
        columns = {n: getattr(self, n) for n in ("precision", "recall", "f1", "iou", "support")}
        each = {
            name: [None if np.isnan(v) else v.item() for v in values]
            for name, values in columns.items()
        }
        return {
            "accuracy": self.accuracy,
            "classes": list(self.classes),
            "matrix": self.matrix.tolist(),
            **each,
        }

    def _table(self) -> Table:
        named = {"precision": self.precision, "recall": self.recall, "F1": self.f1}
        if self.counted == "positions":
            named["IoU"] = self.iou
        heads = ("class", f">{self.counted}", *(f">{n}" for n in named), "mostly taken for")
        rows = []
        for place, name in enumerate(self.classes):
            taken = self.matrix[place].copy()
            taken[place] = 0
            other = int(taken.argmax())
            mistake = f"{self.classes[other]} ({taken[other]:,})" if taken[other] else ""
            cells = [percent(values[place]) for values in named.values()]
            rows.append((name, f"{self.support[place]:,}", *cells, mistake))
        right, total = int(np.trace(self.matrix)), int(self.matrix.sum())
        below = f"accuracy {self.accuracy:.2%}: {right:,} of {total:,}"
        if self.counted == "positions" and total:
            below += f"; mean IoU {np.nanmean(self.iou):.2%}"
        return Table((), heads, rows, (below,))

    def plot(self, path: str | Path | None = None) -> Figure:
        """The matrix as a picture; each row's shares as shades.

        Args:
            path: where to write it; None for only giving it back.

        Raises:
            MissingPackageError: matplotlib is not there.
            FileError: the file cannot be written.
        """
        count = len(self.classes)
        side = min(12.0, 2.5 + 0.45 * count)
        drawn = figure(side, side)
        axes = drawn.subplots()
        shares = self.matrix / np.maximum(1, self.support)[:, None]
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        if count <= _DRAWN:
            axes.set_xticks(range(count), self.classes, rotation=90)
            axes.set_yticks(range(count), self.classes)
            for (i, j), value in np.ndenumerate(self.matrix):
                colour = "white" if shares[i, j] > 0.5 else "black"
                text = str(value) if value else ""
                axes.text(j, i, text, ha="center", va="center", color=colour, size=8)
        axes.set_xlabel("taken for")
        axes.set_ylabel("is")
        return save_figure(drawn, path)


def shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; NaN where the whole is 0."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def percent(share: float) -> str:
    """`93.10%`; a dash where the share has no denominator."""
    return "–" if np.isnan(share) else f"{share:.2%}"


@call_example("gt.confusion(network, (x, y))")
def confusion(
    network: Graph,
    data: Any,
    *,
    loss: Loss | None = None,
    classes: Sequence[str] | None = None,
    batch_size: int = 256,
    engine: str | Engine | None = None,
) -> Confusion:
    """Which classes a network takes for which, in evaluation.

    Args:
        network: is not changed.
        data: samples and labels, or `gt.data.Images` such as a folder. Where the network has a
            class for every position, (N, K, H, W) and the like, positions are counted.
        loss: of classes, which says what labels are left out, such as
            `gt.CrossEntropy(ignore_index=255)`; by default `CrossEntropy()`.
        classes: their names; by default the network's, or those of the images, or numbers.
        batch_size: how many samples are computed at once.
        engine: None for the default, "cpu", "reference", or an engine object.

    Raises:
        ArgumentError: a loss that knows no classes; not as many names as the network has outputs.
        DataError: samples or labels that do not fit.
        NonFiniteError: the network gives a NaN or an infinity.

    Example:
        >>> x, y = np.zeros((2, 1, 8, 8)), [0, 1]
        >>> net = Network((1, 8, 8), [Flatten(), Linear(2)])
        >>> confusion(net, (x, y)).matrix.sum(axis=1)
        array([1, 1])
    """
    chosen = loss_for(loss)
    names, batches = predicted("confusion", network, data, chosen, classes, batch_size, engine)
    matrix, counted = np.zeros((len(names), len(names)), np.int64), "samples"
    with closing(batches):
        for found, labels in batches:
            true = chosen.classes(labels, found.shape)
            if true is None:
                raise ArgumentError(
                    f"confusion: {type(chosen).__name__} compares with no classes. "
                    "gt.tag_scores(network, (x, y)) counts tags and masks, each by itself"
                )
            there, counted = true >= 0, "positions" if found.ndim > 2 else "samples"
            matrix += Confusion.of(true[there], found.argmax(axis=1)[there], names).matrix
    return Confusion(matrix, names, counted)
