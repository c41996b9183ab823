"""What labels count that come without names, and labels by other classes or in another order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import DataError
from .dataset import DataSet, Part

_SHOWN = 5


def name_labels(found: DataSet, path: object) -> DataSet:
    """Arrays whose labels are understood: from 1, or from 0 with some that never come.

    Labels 1 … K, all of them and no other, count the classes "1" … "K".

    Args:
        found: arrays.
        path: where they are from.
    """
    found = replace(found, notes=(*found.notes, *_never_learned(found, path)))
    if found.classes is not None:
        return found
    present = _present(found)
    highest = int(present[-1])
    if len(present) == highest > 1 and present[0] == 1:
        note = (
            f"{path}: its labels are 1 to {highest} and never 0: they were taken to count from 1, "
            f"so that class '1' is output 0; pass classes= with '0' in front (--classes, in a "
            "recipe [data] classes) to keep an output for 0"
        )
        classes = tuple(map(str, range(1, highest + 1)))
        return replace(_mapped(found, lambda y: y - 1), classes=classes, notes=(*found.notes, note))
    if len(present) == highest + 1:
        return found
    absent = np.setdiff1d(np.arange(min(highest, 1 << 16)), present)
    note = (
        f"{path}: no sample has the label {_first(absent)}, but labels go up to {highest}: a "
        f"network gets {highest + 1:,} outputs for the {len(present):,} that there are; number "
        "them anew if that is not meant"
    )
    return replace(found, notes=(*found.notes, note))


def order_labels(found: DataSet, classes: Sequence[str], path: object) -> DataSet:
    """Arrays whose labels count these classes, wherever theirs have another order.

    Labels without names are the classes of that name, such as "7"; or else their places, from 0,
    or from 1 where the highest is the number of classes and none is 0, which is said.

    Args:
        found: arrays.
        classes: the classes in the order of their labels.
        path: where the arrays are from.

    Raises:
        DataError: a class that is none of them.
    """
    found = replace(found, notes=(*found.notes, *_never_learned(found, path)))
    present, wanted = _present(found), tuple(classes)
    own = found.classes
    names = [str(label) if own is None else own[label] for label in present]
    if own is None and not set(names) <= set(wanted):
        return _placed(found, wanted, present, path)
    strange = [name for name in names if name not in wanted]
    if strange:
        raise DataError(
            f"{path} has the class {strange[0]!r}, which is none of {', '.join(wanted)}"
        )
    order = np.array([wanted.index(name) for name in names])
    return replace(_mapped(found, lambda y: order[np.searchsorted(present, y)]), classes=wanted)


def rename_classes(found: DataSet, classes: Sequence[str], name: str) -> DataSet:
    """A known set whose classes come in another order, or are called otherwise.

    Args:
        found: arrays with the names of their classes.
        classes: the set's own names in any order, or others in the order of its labels.
        name: of the set.

    Raises:
        DataError: fewer names than classes, or some of its own in the places of others.
    """
    known = found.classes or ()
    given = f"classes ({_first(classes)})"
    if len(classes) < len(known):
        raise DataError(
            f"{given}: {name} has {len(known)} classes; name all of them in the order of their "
            "labels"
        )
    if set(known) <= set(classes):
        return order_labels(found, classes, name)
    for label, own in enumerate(known):
        if own in classes and classes.index(own) != label:
            raise DataError(
                f"{given}: {name} has {own!r} as label {label}, not {classes.index(own)}; name all "
                "of its own classes in any order, or others in the order of its labels"
            )
    return order_labels(replace(found, classes=None), classes, name)


def _placed(found: DataSet, classes: tuple[str, ...], present: np.ndarray, path: object) -> DataSet:
    """Arrays whose labels are the places of these classes."""
    lowest, highest, count = int(present[0]), int(present[-1]), len(classes)
    if highest == count and lowest > 0:
        note = (
            f"{path}: its labels go from {lowest} to {highest} and there are {count} classes: they "
            f"were taken to count from 1, so that {highest} is {classes[-1]!r}"
        )
        return replace(_mapped(found, lambda y: y - 1), classes=classes, notes=(*found.notes, note))
    if highest >= count:
        raise DataError(
            f"{path} has the label {highest}, but there are {count} classes, for labels 0 to "
            f"{count - 1}: {_first(classes)}"
        )
    if lowest == 1 and highest == count - 1:
        note = (
            f"{path}: its labels go from 1 to {highest} and were taken to count from 0: 1 is "
            f"{classes[1]!r}, and no sample is {classes[0]!r}"
        )
        found = replace(found, notes=(*found.notes, note))
    return replace(found, classes=classes)


def _never_learned(found: DataSet, path: object) -> tuple[str, ...]:
    """Labels that no training sample has, but another part: often one that counts otherwise."""
    if not isinstance(found.train, tuple):
        return ()
    strange = np.setdiff1d(_present(found), found.train[1])
    if not len(strange):
        return ()
    return (
        f"{path}: no training sample has the label {_first(strange)}, but samples of the other "
        "parts do: nothing can be learned about it; look whether all parts count their classes "
        "alike",
    )


def _first(items: Sequence[object] | np.ndarray) -> str:
    """The first few of them, and whether there are more."""
    return ", ".join(map(str, items[:_SHOWN])) + (", …" if len(items) > _SHOWN else "")


def _present(found: DataSet) -> np.ndarray:
    """The labels that there are in any part, in order."""
    parts = (found.train, found.validation, found.test)
    return np.unique(np.concatenate([part[1] for part in parts if isinstance(part, tuple)]))


def _mapped(found: DataSet, change: Callable[[np.ndarray], np.ndarray]) -> DataSet:
    """The data with every label changed."""

    def other(part: Part | None) -> Part | None:
        return (part[0], change(part[1])) if isinstance(part, tuple) else part

    train = other(found.train)
    assert train is not None
    return replace(found, train=train, validation=other(found.validation), test=other(found.test))
