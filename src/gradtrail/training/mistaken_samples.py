"""Which samples a network takes for another class, and how surely."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from ..checking.calls import call_example
from ..showing.shown import Shown
from ..showing.tables import Table
from ..storage.files import write_bytes
from .predictions import predict_samples

if TYPE_CHECKING:
    from ..engines import Engine
    from ..graph import Graph

_SHOWN = 20
"""Of how many a table tells."""


class Mistake(NamedTuple):
    """One sample that is taken for another class.

    Args:
        sample: its number in the data.
        label: the class it is.
        taken: the class it is taken for.
        probability: that the network gives to it.
        file: of the image; "" where there is none.
    """

    sample: int
    label: str
    taken: str
    probability: float
    file: str


@final
@dataclass(frozen=True)
class Mistakes(Shown):
    """A network's mistakes, the surest first; prints as a table.

    Args:
        samples: (M,) int64, their numbers in the data.
        labels: (M,) int64, the classes they are.
        taken: (M,) int64, the classes they are taken for.
        probabilities: (M,) float64, that the network gives to these.
        total: how many samples there were, right ones included.
        classes: the classes' names.
        paths: of all samples' files; () where there are none.
    """

    samples: np.ndarray
    labels: np.ndarray
    taken: np.ndarray
    probabilities: np.ndarray
    total: int
    classes: tuple[str, ...]
    paths: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Mistake]:
        columns = (self.samples, self.labels, self.taken, self.probabilities)
        for n, label, taken, share in zip(*(c.tolist() for c in columns), strict=True):
            file = str(self.paths[n]) if self.paths else ""
            yield Mistake(n, self.classes[label], self.classes[taken], share, file)

    def save(self, path: str | Path) -> None:
        """Write all of them as CSV: sample, file, label, taken for, probability.

        Raises:
            FileError: it cannot be written.
        """
        held = io.StringIO()
        writer = csv.writer(held, lineterminator="\n")
        writer.writerow(["sample", "file", "label", "taken_for", "probability"])
        for one in self:
            row = (one.sample, one.file, one.label, one.taken, f"{one.probability:.6g}")
            writer.writerow(row)
        write_bytes(Path(path), held.getvalue().encode())

    def _table(self) -> Table:
        heads = (">sample", "label", "taken for", ">probability", "file")
        columns = len(heads) if self.paths else len(heads) - 1
        rows = [
            (str(m.sample), m.label, m.taken, f"{m.probability:.2%}", m.file)[:columns]
            for m in islice(self, _SHOWN)
        ]
        told = f"{len(self):,} of {self.total:,} samples are wrong"
        more = f"; the surest {_SHOWN}:" if len(self) > _SHOWN else ""
        return Table((told + more,), heads[:columns], rows)


@call_example("mistakes(network, (x, y))")
def mistakes(
    network: Graph,
    data: Any,
    *,
    classes: Sequence[str] | None = None,
    batch_size: int = 256,
    engine: str | Engine | None = None,
) -> Mistakes:
    """The samples that a network takes for another class, in evaluation.

    Args:
        network: is not changed.
        data: samples and labels, or `gt.data.Images` such as a folder.
        classes: their names; by default the network's, or those of the images, or numbers.
        batch_size: how many samples are computed at once.
        engine: None for the default, "cpu", "reference", or an engine object.

    Raises:
        ArgumentError: not as many names as the network has outputs.
        DataError: samples or labels that do not fit.
        NonFiniteError: the network gives a NaN or an infinity.

    Example:
        >>> net = Network((1, 8, 8), [Flatten(), Linear(2)])
        >>> net.parameters["fc1.weight"] = np.zeros((2, 64))
        >>> [m.sample for m in mistakes(net, (np.zeros((3, 1, 8, 8)), [0, 1, 1]))]
        [1, 2]
    """
    held = predict_samples("mistakes", network, data, classes, batch_size, engine)
    wrong = np.flatnonzero(held.taken != held.true)
    wrong = wrong[np.argsort(-held.probabilities[wrong], kind="stable")]
    return Mistakes(
        samples=wrong,
        labels=held.true[wrong],
        taken=held.taken[wrong],
        probabilities=held.probabilities[wrong],
        total=len(held.true),
        classes=held.classes,
        paths=tuple(getattr(data, "paths", ())),
    )
