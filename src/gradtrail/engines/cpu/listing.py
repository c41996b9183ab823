"""A program as plain numbers: which functions are called with which addresses.

This is all that running needs. Making it from a network's equations takes a few tenths of a second,
so it is kept on disk as JSON beside the machine code, under everything it follows from: the text of
the code generator, of the layers and of the equations, the architecture, the loss, the options and
the processor. Layers and losses from elsewhere may change without a trace in their settings; for
them a listing is made anew in every process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .cache import read, stored_path, write
from .frame import Slot
from .layout import Layout
from .options import Options, Setup

if TYPE_CHECKING:
    from ...graph import Graph
    from ...layers import Loss
    from .program import Program

__all__ = ["ListedCall", "ListedPhase", "Listing", "Place", "listed", "listing_of"]

_FORMAT = 1


@dataclass(frozen=True)
class Place:
    """Where an array lies.

    Args:
        field: the region.
        offset: in bytes.
        layout: how it lies there.
    """

    field: Slot
    offset: int
    layout: Layout


ListedCall = tuple[str, tuple[tuple[int, int], ...]]
"""A function's name and its arguments, a region and an offset each."""


@dataclass(frozen=True)
class ListedPhase:
    """Calls between two barriers.

    Args:
        kind: `blocks`, `one` for a single task, `chunks` for ranges of a length.
        calls: in order.
        length: of what the chunks divide.
        chunk: how much of it one task takes.
    """

    kind: str
    calls: tuple[ListedCall, ...]
    length: int = 0
    chunk: int = 1


@dataclass(frozen=True)
class Listing:
    """What running a program needs.

    Args:
        phases: in order.
        sizes: region → bytes.
        places: buffer → where it lies.
        constants: buffer → what it holds throughout.
        shapes: array → shape, in forward order, for sixteen samples.
        per_block: samples of a block.
        at_once: how many bytes of parameters, the first ones, are summed over the whole batch.
        segmented: whether every block needs memory of its own.
        options: what the program is for.
    """

    phases: tuple[ListedPhase, ...]
    sizes: Mapping[Slot, int]
    places: Mapping[str, Place]
    constants: Mapping[str, np.ndarray]
    shapes: Mapping[str, tuple[int, ...]]
    per_block: int
    at_once: int
    segmented: bool
    options: Options

    @property
    def symbols(self) -> tuple[str, ...]:
        """The functions that are called."""
        return tuple(dict.fromkeys(symbol for p in self.phases for symbol, _ in p.calls))

    def size(self, field: Slot) -> int:
        """Bytes of a region."""
        return self.sizes.get(field, 0)


def listing_of(program: Program) -> Listing:
    """A built program as numbers."""
    memory = program.memory
    placed = {
        name: Place(b.field, b.offset, b.layout)
        for name, b in memory.buffers.items()
        if b.root.place is not None
    }

    def arguments(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
        return tuple((int(placed[n].field), placed[n].offset) for n in names)

    phases = tuple(
        ListedPhase(
            p.kind,
            tuple((c.kernel.symbol, arguments(c.arguments)) for c in p.calls),
            p.length,
            p.chunk,
        )
        for p in program.phases
    )
    constants = {name: np.asarray(a) for name, a in program.constants.items()}
    return Listing(
        phases,
        memory.sizes,
        placed,
        constants,
        program.system.shapes,
        program.per_block,
        memory.at_once,
        program.segmented,
        program.options,
    )


def listed(
    setup: Setup,
    network: Graph,
    loss: Loss | None,
    options: Options,
    by_class: bool = True,
) -> tuple[Listing, Callable[[], Program]]:
    """The listing of a network's program, from disk where it is there.

    Args:
        setup: for which processor, and with which algorithms.
        network: any.
        loss: at its end, or None.
        options: what the program is for.
        by_class: whether the rows of the targets belong to classes.

    Returns:
        The listing; and what gives the program itself, for those who need more.
    """
    held: list[Program] = []

    def built() -> Program:
        if not held:
            from .planning.build import build

            held.append(build(network, loss, options, setup, by_class))
        return held[0]

    key = "\0".join(
        [
            _sources().hex(),
            json.dumps(network.architecture()),
            "" if loss is None else json.dumps(loss.settings()),
            repr((options, by_class, setup.target, setup.winograd)),
        ]
    )
    path = None
    if all(map(_of_ours, (*(step.layer for step in network.steps), loss))):
        path = stored_path(hashlib.sha256(key.encode()).hexdigest(), "json")
    content = read(path)
    if content is not None:
        found = _from_json(content, options)
        if found is not None:
            return found, built
    made = listing_of(built())
    write(path, _to_json(made))
    return made, built


def _of_ours(part: object) -> bool:
    """Whether a layer's or a loss's code is among the sources that the key follows from."""
    return part is None or type(part).__module__.startswith(f"{_PACKAGE}.layers.")


_PACKAGE = __name__.partition(".")[0]


@cache
def _sources() -> bytes:
    """A digest of all that a listing follows from: the engine, the equations, the graph."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent.parent
    folders = ("engines/cpu", "equation", "graph", "layers")
    for path in sorted(p for f in folders for p in (root / f).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


def _to_json(listing: Listing) -> bytes:
    data = {
        "format": _FORMAT,
        "phases": [[p.kind, p.calls, p.length, p.chunk] for p in listing.phases],
        "sizes": {int(f): size for f, size in listing.sizes.items()},
        "places": {
            n: [int(p.field), p.offset, asdict(p.layout)] for n, p in listing.places.items()
        },
        "constants": {n: a.tolist() for n, a in listing.constants.items()},
        "shapes": dict(listing.shapes),
        "per_block": listing.per_block,
        "at_once": listing.at_once,
        "segmented": listing.segmented,
    }
    return json.dumps(data, separators=(",", ":")).encode()


def _from_json(content: bytes, options: Options) -> Listing | None:
    """A stored listing; None where it is none of this format."""
    try:
        data: Any = json.loads(content)
        if data["format"] != _FORMAT:
            return None
        return Listing(
            tuple(_phase(*p) for p in data["phases"]),
            {Slot(int(f)): size for f, size in data["sizes"].items()},
            {n: Place(Slot(f), at, _layout(lay)) for n, (f, at, lay) in data["places"].items()},
            {n: np.array(a) for n, a in data["constants"].items()},
            {n: tuple(shape) for n, shape in data["shapes"].items()},
            data["per_block"],
            data["at_once"],
            data["segmented"],
            options,
        )
    except (ValueError, KeyError, TypeError):
        return None


def _phase(kind: str, calls: list[Any], length: int, chunk: int) -> ListedPhase:
    listed = tuple((symbol, tuple((f, at) for f, at in arguments)) for symbol, arguments in calls)
    return ListedPhase(kind, listed, length, chunk)


def _layout(data: Mapping[str, Any]) -> Layout:
    margins = tuple((a, b) for a, b in data["margins"])
    return Layout(tuple(data["shape"]), margins, data["lanes"], data["element"], data["spaced"])
