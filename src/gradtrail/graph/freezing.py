"""What a training leaves as it is: frozen parameters, and running statistics.

A layer's running statistics are frozen together. Its statistics are those of evaluation then, in
training as well, so that such a layer couples no samples.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ..checking.name_patterns import fitting, owner_of
from ..errors import ArgumentError


def arrays_in_order(parameters: Iterable[str], buffers: Iterable[str]) -> tuple[str, ...]:
    """The names of all arrays, layer by layer in forward order."""
    found: dict[str, list[str]] = {}
    for name in (*parameters, *buffers):
        found.setdefault(owner_of(name), []).append(name)
    return tuple(name for names in found.values() for name in names)


def meant_by(
    where: str, patterns: Sequence[Any], arrays: Sequence[str], buffers: Collection[str]
) -> frozenset[str]:
    """The arrays that patterns mean; of a layer's running statistics all, where they mean one.

    Args:
        where: who was given the patterns.
        patterns: over names of layers and arrays; none for everything.
        arrays: the names of all arrays.
        buffers: those that are running statistics.

    Raises:
        ArgumentError: a pattern is no text.
        UnknownNameError: a pattern fits no array; the message lists near names.
    """
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise ArgumentError(
                f'{where}: patterns are texts such as "conv1" or "*.bias", one after another and '
                f"without brackets, got {pattern!r}"
            )
    found = set(arrays) if not patterns else set[str]()
    for pattern in patterns:
        found |= fitting(where, pattern, arrays)
    layers = {owner_of(name) for name in found if name in buffers}
    return frozenset(found | {name for name in buffers if owner_of(name) in layers})


def as_listed(frozen: Collection[str], arrays: Sequence[str]) -> list[str]:
    """Frozen arrays as a file has them: a layer's name where all of its arrays are frozen."""
    thawed = {owner_of(name) for name in arrays if name not in frozen}
    listed = (owner_of(n) if owner_of(n) not in thawed else n for n in arrays if n in frozen)
    return list(dict.fromkeys(listed))


def listed_arrays(listed: Any, arrays: Sequence[str], buffers: Collection[str]) -> frozenset[str]:
    """The arrays that a file lists; names are no patterns there.

    Raises:
        ArgumentError: it is no list of names, or one is no array's and no layer's.
    """
    if not isinstance(listed, list | tuple) or not all(isinstance(n, str) for n in listed):
        raise ArgumentError(f"frozen must be a list of names of layers and arrays, got {listed!r}")
    known = {*arrays, *map(owner_of, arrays)}
    for name in listed:
        if name not in known:
            raise ArgumentError(f"frozen: {name!r} is the name of no layer and of no array")
    chosen = set(listed)
    found = {name for name in arrays if name in chosen or owner_of(name) in chosen}
    layers = {owner_of(name) for name in found if name in buffers}
    return frozenset(found | {name for name in buffers if owner_of(name) in layers})


class FrozenNames(tuple[str, ...]):
    """Names of arrays; shown by layers, with what is trained still.

    Args:
        names: of the arrays.
        about: what is said of them.
    """

    about: str

    def __new__(cls, names: Iterable[str], about: str = "") -> FrozenNames:
        """See the class."""
        made = super().__new__(cls, names)
        made.about = about
        return made

    def __repr__(self) -> str:
        return self.about


def told_freezing(
    did: str,
    names: Collection[str],
    arrays: Sequence[str],
    sizes: Mapping[str, int],
    frozen: Collection[str],
) -> FrozenNames:
    """The arrays that were frozen or thawed, with a sentence that says it.

    Args:
        did: `froze` or `unfroze`.
        names: which arrays it changed.
        arrays: all of the network.
        sizes: the elements of each parameter.
        frozen: what is frozen now.
    """
    listed = as_listed(names, arrays)
    shown = ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
    count = sum(size for name, size in sizes.items() if name not in frozen)
    about = (
        f"{did} {shown or 'nothing more'}; {count:,} of {sum(sizes.values()):,} parameters are "
        "trained"
    )
    return FrozenNames((n for n in arrays if n in names), about)
