"""How much memory a training takes, told from its listing before any of it is taken."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from .context import GROUPS
from .frame import Slot
from .listing import listing_for
from .options import EngineSetup, Options
from .raw import padded

if TYPE_CHECKING:
    from ...graph import Graph
    from ...layers import Loss
    from ...optimizers import Optimizer


def bytes_needed(
    setup: EngineSetup, network: Graph, loss: Loss, optimizer: Optimizer, samples: int
) -> dict[str, int]:
    """See `Engine.memory`.

    A step reads one side of weights and of the optimiser's state and writes the other; the network
    has the weights once more, and the optimiser is handed a copy of its state at every epoch's end.
    """
    moved = optimizer.grouped(network)
    rules = [optimizer.within(group).rule for group in moved]
    parts = tuple(group.names for group in moved) if network.frozen else ()
    options = Options(training=True, backward=True, parts=parts)
    listing, _ = listing_for(setup, network, loss, options)
    row, weights = padded(listing.size(Slot.GRADIENTS)), padded(listing.size(Slot.PARAMETERS))
    blocks = -(-samples // listing.per_block)
    groups, busy = min(blocks, GROUPS), min(blocks, setup.threads)
    arenas = (blocks if listing.segmented else busy) * padded(listing.size(Slot.ARENA))
    arenas += blocks * padded(listing.size(Slot.PARTIAL)) + padded(listing.size(Slot.SHARED))
    scratch = setup.threads * padded(listing.size(Slot.SCRATCH))
    own = network.dtype.itemsize * sum(map(prod, network.parameters.shapes.values()))
    return {
        "parameters": own + 2 * weights + padded(listing.size(Slot.PACKED)),
        "gradients": listing.at_once + groups * (row - listing.at_once),
        "optimizer": 3 * max(len(rule.state) for rule in rules) * row,
        "activations": arenas + scratch,
    }
