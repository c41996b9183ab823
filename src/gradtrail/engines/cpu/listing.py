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
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .cache import read_stored, source_digest, stored_path, write_stored
from .frame import Slot
from .keys import ArrayKey
from .layout import Layout
from .options import EngineSetup, Options
from .phases import Argument, FunctionCall, Phase

if TYPE_CHECKING:
    from ...graph import Graph
    from ...layers import Loss
    from .program import Program

_FORMAT = 1


class Location(NamedTuple):
    """Where an array lies.

    Args:
        region: where in the frame its region is told.
        offset: in bytes.
        layout: how it lies there.
    """

    region: Slot
    offset: int
    layout: Layout

    def within(self, row: np.ndarray, begin: int = 0) -> np.ndarray:
        """The array in its region, a row of bytes of which the first `begin` are another's."""
        begin, layout = begin + self.offset, self.layout
        held = row[begin : begin + layout.size].view(np.float32).reshape(layout.extents)
        return held[layout.inside] if layout.margins else held


@dataclass(frozen=True)
class Listing:
    """What running a program needs.

    Args:
        phases: in order.
        sizes: region → bytes.
        places: array → where it lies.
        constants: array → what it holds throughout.
        shapes: array → shape, in forward order, for a block of samples.
        per_block: samples of a block.
        at_once: how many bytes of parameters, the first ones, are summed over the whole batch.
        segmented: whether every block needs memory of its own.
        options: what the program is for.
    """

    phases: list[Phase[FunctionCall]]
    sizes: Mapping[Slot, int]
    places: Mapping[ArrayKey, Location]
    constants: Mapping[ArrayKey, np.ndarray]
    shapes: Mapping[str, tuple[int, ...]]
    per_block: int
    at_once: int
    segmented: bool
    options: Options

    @classmethod
    def of(cls, program: Program) -> Listing:
        """A planned program as numbers."""
        memory = program.memory
        places = {
            key: Location(a.region, a.offset, a.layout)
            for key, a in memory.arrays.items()
            if a.root.place is not None
        }

        def arguments(keys: tuple[ArrayKey, ...]) -> tuple[Argument, ...]:
            return tuple(Argument(int(places[k].region), places[k].offset) for k in keys)

        phases = [
            Phase(
                p.kind,
                [FunctionCall(c.kernel.symbol, arguments(c.arguments)) for c in p.calls],
                p.length,
                p.chunk,
            )
            for p in program.phases
        ]
        return cls(
            phases,
            memory.sizes,
            places,
            {key: np.asarray(a) for key, a in program.constants.items()},
            program.shapes,
            program.per_block,
            memory.at_once,
            program.segmented,
            program.options,
        )

    @property
    def symbols(self) -> tuple[str, ...]:
        """The functions that are called."""
        return tuple(dict.fromkeys(call.symbol for p in self.phases for call in p.calls))

    def size(self, region: Slot) -> int:
        """Bytes of a region."""
        return self.sizes.get(region, 0)


def listing_for(
    setup: EngineSetup, network: Graph, loss: Loss | None, options: Options
) -> tuple[Listing, Callable[[], Program]]:
    """The listing of a network's program, from disk where it is there.

    Args:
        setup: for which processor, and with which algorithms.
        network: any.
        loss: at its end, or None.
        options: what the program is for.

    Returns:
        The listing; and what gives the program itself, for those who need more.
    """

    @cache
    def program() -> Program:
        from .planning.planner import plan_program

        return plan_program(network, loss, options, setup)

    key = "\0".join(
        [
            source_digest(*_SOURCES).hex(),
            json.dumps(network.architecture()),
            "" if loss is None else json.dumps(loss.settings()),
            repr((options, setup.target, setup.winograd)),
        ]
    )
    path = None
    if all(map(_of_ours, (*(step.layer for step in network.steps), loss))):
        path = stored_path(hashlib.sha256(key.encode()).hexdigest(), "json")
    content = read_stored(path)
    found = None if content is None else _from_json(content, options)
    if found is None:
        found = Listing.of(program())
        write_stored(path, _to_json(found))
    return found, program


def _of_ours(part: object) -> bool:
    """Whether a layer's or a loss's code is among the sources that the key follows from."""
    return part is None or type(part).__module__.startswith(f"{_PACKAGE}.layers.")


_PACKAGE = __name__.partition(".")[0]


_SOURCES = tuple(
    Path(__file__).parents[2] / folder for folder in ("engines/cpu", "equation", "graph", "layers")
)
"""All that a listing follows from."""


def _to_json(listing: Listing) -> bytes:
    data = {
        "format": _FORMAT,
        "phases": [[p.kind, p.calls, p.length, p.chunk] for p in listing.phases],
        "sizes": [*listing.sizes.items()],
        "places": [(k, p.region, p.offset, astuple(p.layout)) for k, p in listing.places.items()],
        "constants": [(k, a.tolist()) for k, a in listing.constants.items()],
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
            [_phase(*p) for p in data["phases"]],
            {Slot(region): size for region, size in data["sizes"]},
            {
                ArrayKey(*k): Location(Slot(r), at, _layout(*lay))
                for k, r, at, lay in data["places"]
            },
            {ArrayKey(*key): np.array(a) for key, a in data["constants"]},
            {n: tuple(shape) for n, shape in data["shapes"].items()},
            data["per_block"],
            data["at_once"],
            data["segmented"],
            options,
        )
    except (ValueError, KeyError, TypeError):
        return None


def _phase(kind: str, calls: list[Any], length: int, chunk: int) -> Phase[FunctionCall]:
    listed = [FunctionCall(symbol, tuple(Argument(*a) for a in given)) for symbol, given in calls]
    return Phase(kind, listed, length, chunk)


def _layout(shape: list[int], margins: list[list[int]], *rest: Any) -> Layout:
    return Layout(tuple(shape), tuple((before, behind) for before, behind in margins), *rest)
