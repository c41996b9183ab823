"""Memory foretold: a training that cannot fit is refused before it takes any."""

from __future__ import annotations

import sys
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from ..errors import NoRoomError
from ..machine.free_memory import Room, rooms
from ..optimizers import SGD
from ..showing.numbers import percent_text

if TYPE_CHECKING:
    from ..graph import Graph
    from .course import Setup

_PARAMETERS, _ACTIVATIONS = 160, 64
"""Bytes for each parameter and for each element of an output that no engine needs more than."""

_LOOK = 24, 16
"""The same for one step beside a training that has begun, whose arrays are all kept."""

_CODE = 250_000_000
"""Address space of the compiler and of threads' stacks and heaps, before their first use."""

_LANES = 16
"""Samples that an engine may compute at once however few there are."""


class _Need(NamedTuple):
    """What a training takes at the least, in bytes.

    Args:
        parts: of "parameters", "gradients", "activations", "optimizer" and "code".
        images: that are kept, as far as they are not in memory already.
        samples: that are computed at once; a number, not bytes.
    """

    parts: dict[str, int]
    images: int
    samples: int


def check_memory(setup: Setup) -> None:
    """Compare what a training needs at the least with what there is; no parameter is made.

    Raises:
        NoRoomError: it cannot fit; the message says what would.
    """
    network, course, feed, held_out, engine, optimizer = setup
    left, samples = rooms(), min(course.batch_size, len(feed))
    code = 0 if "llvmlite.binding" in sys.modules else _CODE
    kept = sum(one.bytes_to_come for one in (feed, held_out) if one is not None)
    if _short(left, _most(network, samples), kept) is None:
        return  # by far: the engine need not be asked

    def needed(samples: int) -> dict[str, int]:
        return engine.memory(network, course.loss, optimizer, samples)

    needs = needed(samples)
    short = _short(left, sum(needs.values()), kept, code)
    if short is None:
        return
    smaller = samples // 2
    while smaller and _short(left, sum(needed(smaller).values()), kept, code) is not None:
        smaller //= 2
    kept, code = (0, code) if short.reserved else (kept, 0)
    need = _Need({**needs, "code": code}, kept, samples)
    raise NoRoomError(_sentence(setup, need, short, smaller))


def _short(left: list[Room], need: int, kept: int, code: int = 0) -> Room | None:
    """The first limit that leaves too little.

    Where memory counts as it is reserved, that for images is already, and that for code is not.
    """
    return next((r for r in left if need + (code if r.reserved else kept) > r.free), None)


def can_look(network: Graph, samples: int) -> bool:
    """Whether there is surely room to keep all arrays of one step beside a training."""
    return _short(rooms(), _most(network, samples, *_LOOK), 0) is None


def _most(
    network: Graph, samples: int, parameter: int = _PARAMETERS, element: int = _ACTIVATIONS
) -> int:
    """More bytes than any engine takes, from those of a parameter and an output's element."""
    lanes = -(-samples // _LANES) * _LANES
    shapes = network.system(lanes, training=True).shapes
    outputs = sum(prod(shapes[step.output]) for step in network.steps)
    outputs += sum(prod(shapes[name]) for name in network.inputs)
    return parameter * _count(network) + element * outputs


def _count(network: Graph) -> int:
    return sum(map(prod, network.parameters.shapes.values()))


def _sentence(setup: Setup, need: _Need, left: Room, smaller: int) -> str:
    """What is needed, what there is, and what would fit."""
    network, needs, kept = setup.network, need.parts, need.images
    told = [
        f"{_size(needs['parameters'])} for {_count(network):,} parameters",
        f"{_size(needs['gradients'])} for gradients",
        f"{_size(needs['activations'])} for activations of {need.samples} samples",
    ]
    if needs["optimizer"]:
        kind = type(setup.course.optimizer).__name__
        told.insert(2, f"{_size(needs['optimizer'])} for what {kind} remembers")
    told += [f"{_size(kept)} for images that are kept"] if kept else []
    told += [f"{_size(needs['code'])} for code and threads"] if needs["code"] else []
    said = (
        f"this training takes {_size(kept + sum(needs.values()))} at the least "
        f"({', '.join(told)}), but {left.limit} {_size(left.free)} left"
    )
    if smaller:
        return f"{said}; batch_size={smaller} would fit"
    layer, share = _largest(network)
    hint = (
        f"layer '{layer}' has {percent_text(share)} of the parameters: make what it reads smaller"
    )
    if any(len(shape) > 1 for shape in network.inputs.values()):
        hint += " by smaller images, or by more pooling before it"
    bytes_with_sgd = setup.engine.memory(network, setup.course.loss, SGD(1.0), 1)
    fits = sum(bytes_with_sgd.values()) + kept + needs["code"] <= left.free
    plainly = "; optimizer=gt.SGD(lr) with batch_size=1 would fit" if fits else ""
    return f"{said}; no batch_size would fit; {hint}{plainly}"


def _largest(network: Graph) -> tuple[str, float]:
    """The layer with the most parameters, and its share."""
    counts: dict[str, int] = {}
    for name, shape in network.parameters.shapes.items():
        layer = name.rpartition(".")[0]
        counts[layer] = counts.get(layer, 0) + prod(shape)
    layer = max(counts, key=lambda name: counts[name], default=network.steps[0].name)
    return layer, counts.get(layer, 0) / max(1, _count(network))


def _size(number: int) -> str:
    """`29.1 GB`, `310 MB`."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"
