"""What the classes of some data are called, for a network that tells them apart: one rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, warn

if TYPE_CHECKING:
    from .graph import Graph

_SHOWN = 6


def class_names(
    what: str, network: Graph, outputs: int, data: Any, classes: Sequence[str] | None
) -> tuple[str, ...]:
    """A name for each of a network's outputs: those given, else the network's, else the images'.

    The network's go before the images', since they say what its outputs stand for, and were saved
    with it. Images whose classes are called 0, 1, 2, … name nothing.

    Args:
        what: the public function, for messages.
        network: whose outputs they are.
        outputs: how many it has.
        data: what the caller passed; images may have names.
        classes: the names that were given; None for none.

    Returns:
        One for each output; empty where nobody knows.

    Raises:
        ArgumentError: not as many names were given as the network has outputs.

    Warns:
        GradtrailWarning: the images' classes are others than the network's, or another number.
    """
    if classes is not None:
        return _given(what, outputs, classes)
    images = tuple(map(str, getattr(data, "classes", None) or ()))
    if images == tuple(map(str, range(len(images)))):
        images = ()
    names = network.classes or (images if len(images) == outputs else ())
    if images and images != names:
        warn(
            f"{what}: the images' classes are {_listed(images)}, but the network "
            + (
                f"calls its outputs {_listed(names)}, and these names are shown; open the images "
                "with the network's, classes=network.classes, to have their labels in that order"
                if names
                else f"has {outputs} outputs, so that their numbers are shown; pass classes= "
                "(--classes) with a name for each"
            )
        )
    return names


def _given(what: str, outputs: int, classes: Any) -> tuple[str, ...]:
    """Names as the caller gave them, looked at."""
    if isinstance(classes, str) or not hasattr(classes, "__len__"):
        raise ArgumentError(f"{what}: classes must be a list of names, got {classes!r}")
    if len(classes) != outputs:
        raise ArgumentError(
            f"{what}: {len(classes)} classes are named, but the network has {outputs} outputs"
        )
    return tuple(map(str, classes))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (", …" if len(names) > _SHOWN else "")
