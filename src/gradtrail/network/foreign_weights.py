"""Weights from a file of another network: what fits is taken, and what does not is named."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..checking.calls import call_example
from ..checking.name_patterns import fitting
from ..errors import ArgumentError, FileError
from ..graph import Graph
from ..storage.arrays import read_arrays

Renaming = Callable[[str], str | None] | Mapping[str, str]
"""The file's names → the network's; None for what the network has not."""

_SHOWN = 6
"""How many names a message lists."""


@dataclass(frozen=True)
class LoadedWeights:
    """What came of reading weights. It prints as a sentence.

    Args:
        loaded: the arrays of the network that the file gave.
        kept: those that the file has not, which stayed as they were.
        misfits: those that it has in another shape: name → (the file's, the network's).
        skipped: those that were to be left.
        unused: the file's arrays that are none of the network's, by the file's names.
    """

    loaded: tuple[str, ...]
    kept: tuple[str, ...]
    misfits: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    skipped: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether file and network have the same arrays, but for what was to be left."""
        return not (self.kept or self.misfits or self.unused)

    def problems(self) -> list[str]:
        """What did not fit, as clauses."""
        told = []
        if self.kept:
            told.append(f"it has no {_listed(self.kept)}")
        for name, (given, wanted) in list(self.misfits.items())[:_SHOWN]:
            told.append(f"{name} has shape {given}, but its layer needs {wanted}")
        if len(self.misfits) > _SHOWN:
            told.append(f"{len(self.misfits) - _SHOWN} more have other shapes")
        if self.unused:
            belong = "belongs" if len(self.unused) == 1 else "belong"
            told.append(f"{_listed(self.unused)} of the file {belong} to no layer")
        return told

    def __repr__(self) -> str:
        told = [f"read {len(self.loaded)} arrays"]
        told += [f"left {_listed(self.skipped)}"] if self.skipped else []
        return "; ".join([*told, *self.problems()])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


@call_example('gt.load_weights(network, "weights.safetensors")')
def load_weights(
    network: Graph,
    path: str | os.PathLike[str],
    *,
    skip: Sequence[str] = (),
    strict: bool = True,
    rename: Renaming | None = None,
) -> LoadedWeights:
    """Put a file's arrays into a network, by name.

    Where gradtrail wrote the file and it is the whole network's, the network's random draws go on
    from there, too.

    Args:
        network: whose parameters and running statistics are changed.
        path: a safetensors file, such as one of `Network.save`, torchvision's or timm's.
        skip: patterns over names of layers and arrays that stay as they are, such as a head for
            other classes.
        strict: whether file and network must have the same arrays, but for those; else what fits is
            taken, and what comes back says the rest.
        rename: from the file's names to the network's: a function, which gives None for what the
            network has not, or a mapping, which leaves other names as they are.

    Returns:
        What was taken and what was not, by name; it prints as a sentence.

    Raises:
        FileError: the file is missing or damaged, or its arrays are others; nothing was changed.
        UnknownNameError: a pattern of `skip` fits nothing; the message lists near names.
    """
    source = Path(path)
    arrays, metadata = read_arrays(source)
    fits, report = _matched(network, arrays, _patterns(skip), rename)
    told = report.problems() if strict else []
    if not report.loaded and not strict:
        told = [*report.problems(), "so that no array was taken"]
    if told:
        hint = "" if not strict else _remedy(report)
        raise FileError(f"{source} does not fit: {'; '.join(told)}{hint}")
    for name, array in fits.items():
        side = network.parameters if name in network.parameters else network.buffers
        side[name] = array
    if report.complete and not skip and rename is None:
        from .saving import drawn_of

        network.drawn = drawn_of(metadata)
    return report


def _patterns(skip: Any) -> Sequence[str]:
    if isinstance(skip, str) or not all(isinstance(pattern, str) for pattern in skip):
        raise ArgumentError(
            f'load_weights: skip is a list of patterns such as ["fc*"], got {skip!r}'
        )
    return tuple(skip)


def _remedy(report: LoadedWeights) -> str:
    """What to do where some of a file fits and some does not."""
    if not report.loaded:
        return ""
    layers = dict.fromkeys(n.rpartition(".")[0] for n in (*report.misfits, *report.kept))
    some = f'skip=["{next(iter(layers))}"] leaves a layer as it is, and ' if layers else ""
    return f"; {some}strict=False takes the {len(report.loaded)} arrays that fit"


def _matched(
    network: Graph,
    arrays: Mapping[str, np.ndarray],
    skip: Sequence[str],
    rename: Renaming | None,
) -> tuple[dict[str, np.ndarray], LoadedWeights]:
    """The arrays that fit, and what is to be said of all."""
    wanted = {**network.parameters.shapes, **network.buffers.shapes}
    left = frozenset[str]().union(*(fitting("load_weights: skip", p, wanted) for p in skip))
    fits: dict[str, np.ndarray] = {}
    misfits: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    unused = []
    for given, array in arrays.items():
        name = _renamed(given, rename)
        if name is None or name in left:
            continue
        if name not in wanted or array.dtype.kind not in "biuf":
            unused.append(given)
        elif (shaped := _shaped(array, wanted[name], rename is not None)) is None:
            misfits[name] = array.shape, wanted[name]
        else:
            fits[name] = shaped
    kept = (n for n in wanted if n not in left and n not in fits and n not in misfits)
    misfits = {name: misfits[name] for name in wanted if name in misfits}
    loaded = tuple(name for name in wanted if name in fits)
    skipped = tuple(name for name in wanted if name in left)
    return fits, LoadedWeights(loaded, tuple(kept), misfits, skipped, tuple(unused))


def _renamed(name: str, rename: Renaming | None) -> str | None:
    if rename is None:
        return name
    return rename.get(name, name) if isinstance(rename, Mapping) else rename(name)


def _shaped(array: np.ndarray, shape: tuple[int, ...], other: bool) -> np.ndarray | None:
    """The array in a layer's shape, which another library may have otherwise.

    A dense layer may be a convolution there, and an array may have axes of 1 beside its own.
    """
    if array.shape == shape:
        return array
    flat = {array.ndim, len(shape)} == {2, 4} and array.shape[0] == shape[0]
    alike = [s for s in array.shape if s > 1] == [s for s in shape if s > 1]
    fits = array.size == prod(shape) and (flat or alike)
    return array.reshape(shape) if other and fits else None
