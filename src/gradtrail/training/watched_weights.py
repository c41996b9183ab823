"""One weight in the course of a training: what is kept of it, as arrays and as a file."""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checking.calls import call_example, checked_path
from ..errors import DataError, FileError, warn
from ..showing.figures import figure, save_figure
from ..showing.numbers import number_text
from ..showing.shown import Shown
from ..showing.tables import Table
from ..storage.arrays import read_arrays
from ..storage.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE = "watch.safetensors"

SAMPLES = 5
"""How many samples are kept for a step: those that brought most."""

ELEMENTS = 64
"""How many elements may be watched at once."""

FIELDS: Mapping[str, tuple[type[np.generic], tuple[int, ...]]] = {
    **{"steps": (np.int64, ())},
    **dict.fromkeys(("weight", "gradient", "update"), (np.float64, ())),
    **{"samples": (np.int64, (SAMPLES,)), "shares": (np.float64, (SAMPLES,))},
}
"""What is kept of each step, by the names of `Watched`, with type and shape."""

_SHOWN = 12


@call_example("gt.load_watched(run)")
@dataclass(frozen=True)
class Watched(Shown):
    """One weight in the course of a training; prints as a table.

    Args:
        element: as it is written: `conv1.weight[2,0,1,1]`.
        steps: (T,) int64, the numbers of the steps, the first being 0.
        weight: (T,) float64, before the step.
        gradient: (T,) float64.
        update: (T,) float64, what the step added to the weight.
        samples: (T, 5) int64, the numbers in the data of the samples that brought most, strongest
            first; −1 where there were fewer.
        shares: (T, 5) float64, what they brought to the gradient.
    """

    element: str
    steps: np.ndarray
    weight: np.ndarray
    gradient: np.ndarray
    update: np.ndarray
    samples: np.ndarray
    shares: np.ndarray

    def __len__(self) -> int:
        return len(self.steps)

    def _table(self) -> Table:
        chosen: Sequence[int] = range(len(self))
        if len(self) > _SHOWN:
            chosen = [*map(int, np.linspace(0, len(self) - 1, _SHOWN))]
        heads = (">step", ">weight", ">gradient", ">update", "samples that brought most")
        rows = [
            (
                str(int(self.steps[t])),
                number_text(float(self.weight[t])),
                number_text(float(self.gradient[t])),
                number_text(float(self.update[t])),
                ", ".join(
                    f"{s} ({number_text(float(share), 2)})"
                    for s, share in zip(self.samples[t][:3], self.shares[t][:3], strict=True)
                    if s >= 0
                ),
            )
            for t in chosen
        ]
        below = f"{len(chosen)} of {len(self)} watched steps" if len(chosen) < len(self) else ""
        return Table((self.element,), heads, rows, (below,) if below else ())

    def to_dict(self) -> dict[str, Any]:
        """The steps as JSON has them."""
        return {"element": self.element} | {n: getattr(self, n).tolist() for n in FIELDS}

    def plot(self, path: str | Path | None = None) -> Figure:
        """Weight and gradient over the steps.

        Args:
            path: where to write it; None for only giving it back.

        Raises:
            MissingPackageError: matplotlib is not there.
            FileError: the file cannot be written.
        """
        drawn = figure(6.4, 4.0)
        above, below = drawn.subplots(2, 1, sharex=True)
        above.plot(self.steps, self.weight, linewidth=1)
        above.set_ylabel("weight")
        above.set_title(self.element, size=9)
        below.axhline(0, color="black", linewidth=0.5)
        below.plot(self.steps, self.gradient, linewidth=0.7)
        below.set_ylabel("gradient")
        below.set_xlabel("step")
        return save_figure(drawn, path)


def watched_arrays(watched: Mapping[str, Watched]) -> dict[str, np.ndarray]:
    """What was watched as arrays, whose names hold the elements' places."""
    return {
        f"{place}.{field}": np.ascontiguousarray(getattr(one, field))
        for place, one in enumerate(watched.values())
        for field in FIELDS
    }


def watched_from(arrays: Mapping[str, np.ndarray], elements: Sequence[str]) -> dict[str, Watched]:
    """The inverse of `watched_arrays`.

    Args:
        arrays: what that gave.
        elements: in their order.
    """
    return {
        element: Watched(element, *(arrays[f"{place}.{field}"] for field in FIELDS))
        for place, element in enumerate(elements)
    }


def check_watched(
    arrays: Mapping[str, np.ndarray],
    elements: Any,
    steps: int | None = None,
    samples: int | None = None,
    every: int = 1,
) -> None:
    """Whether arrays are those of watched elements.

    Args:
        arrays: as `watched_arrays` gives them.
        elements: as they are written, in their order.
        steps: how many the training has made; None where that is not known.
        samples: how many the data have; None where that is not known.
        every: which steps were watched.

    Raises:
        DataError: they are not; the message says what is wrong.
    """
    texts = isinstance(elements, list) and all(isinstance(e, str) for e in elements)
    if not texts or not len(set(elements)) == len(elements) <= ELEMENTS:
        raise DataError(
            f"watched elements must be at most {ELEMENTS} different texts, got "
            f"{reprlib.repr(elements)}"
        )
    wanted = {f"{place}.{field}" for place in range(len(elements)) for field in FIELDS}
    for name in sorted(wanted ^ arrays.keys()):
        raise DataError(f"array {name!r} " + ("is missing" if name in wanted else "is of no use"))
    for place, element in enumerate(elements):
        known = {field: arrays[f"{place}.{field}"] for field in FIELDS}
        count = known["steps"].size
        for field, array in known.items():
            kind, shape = FIELDS[field][0], (count, *FIELDS[field][1])
            if array.dtype != kind or array.shape != shape:
                raise DataError(
                    f"{field} of {element!r:.60} is {array.dtype} {array.shape}, but must be "
                    f"{np.dtype(kind)} {shape}"
                )
            if not np.isfinite(array).all():
                raise DataError(f"{field} of {element!r:.60} has a NaN or an infinity")
        _check_numbers(element, known, steps, samples, every)


def _check_numbers(
    element: str,
    known: Mapping[str, np.ndarray],
    steps: int | None,
    samples: int | None,
    every: int,
) -> None:
    """Whether numbers of steps rise, and those of samples are among the data's."""
    made, brought = known["steps"], known["samples"]
    beyond = steps is not None and made.size and made[-1] >= steps
    if (np.diff(made) <= 0).any() or (made < 0).any() or beyond or (made % every).any():
        raise DataError(f"the steps of {element!r:.60} are none that a training has watched")
    if (brought < -1).any() or (samples is not None and (brought >= samples).any()):
        raise DataError(f"the samples of {element!r:.60} are none of the data")


def save_watched(path: str | os.PathLike[str], watched: Mapping[str, Watched]) -> None:
    """Write what was watched as one safetensors file.

    Raises:
        FileError: the file cannot be written.
    """
    from safetensors.numpy import save

    metadata = {"watched": json.dumps(list(watched))}
    write_bytes(path, save(watched_arrays(watched), metadata))


@call_example("gt.load_watched(run)")
def load_watched(path: str | os.PathLike[str]) -> dict[str, Watched]:
    """What was watched in a run, by element.

    Args:
        path: the run's folder, or the file in it.

    Raises:
        FileError: it is missing or damaged.
    """
    source = checked_path("load_watched", path)
    if source.is_dir() and not (source / FILE).exists():
        raise FileError(
            f"{path} has no {FILE}: nothing was watched in its training; give watch=, or "
            "gradtrail train --watch, the elements to keep"
        )
    source = source / FILE if source.is_dir() else source
    arrays, metadata = read_arrays(source)
    try:
        elements = json.loads(metadata["watched"])
        check_watched(arrays, elements)
    except (KeyError, TypeError, ValueError, RecursionError) as cause:
        raise FileError(f"{source} holds nothing that was watched: {cause}") from cause
    return watched_from(arrays, elements)


def tell_left(elements: Collection[str]) -> None:
    """Say that what was watched before is not any more."""
    if elements:
        was = "were" if len(elements) > 1 else "was"
        warn(
            f"{' and '.join(sorted(elements))} {was} watched before the checkpoint and no longer: "
            "what was kept of that goes with the next checkpoint; name the element in watch= to "
            "keep it"
        )
