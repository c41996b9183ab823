"""Patterns over the names of arrays and of their layers, as `freeze` and optimisers take them.

`conv1.weight` is one array, `*.bias` every bias, `conv1` and `conv1.*` a layer's arrays, `layer3_*`
those of all layers that are called so. `*`, `?` and `[…]` mean what they mean in a shell; `*` takes
dots as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from ..errors import UnknownNameError


def owner_of(array: str) -> str:
    """The layer that an array such as `conv1.weight` belongs to."""
    return array.rpartition(".")[0]


def fits(pattern: str, array: str) -> bool:
    """Whether a pattern means an array, by its own name or by its layer's."""
    return fnmatchcase(array, pattern) or fnmatchcase(owner_of(array), pattern)


def fitting(where: str, pattern: str, arrays: Iterable[str]) -> frozenset[str]:
    """The arrays that a pattern means, at least one.

    Args:
        where: who was given the pattern, for the message.
        pattern: such as `features*`.
        arrays: the names of all there are.

    Raises:
        UnknownNameError: it means none; the message lists near names.
    """
    listed = list(arrays)
    found = frozenset(name for name in listed if fits(pattern, name))
    if not found:
        raise UnknownNameError(f"{where}: {pattern!r} {_none_fits(pattern, listed)}")
    return found


def _none_fits(pattern: str, arrays: list[str]) -> str:
    """What is said of a pattern without a match."""
    import difflib

    layers = list(dict.fromkeys(map(owner_of, arrays)))
    plain = pattern.replace("*", "").strip(".")
    near = difflib.get_close_matches(plain, [*layers, *arrays], n=3)
    shown = ", ".join(near or layers[:16]) or "there are none"
    return (
        "is the name of no layer and no array, and as a pattern fits none; "
        f"{'did you mean' if near else 'the layers are'}: {shown}"
    )
