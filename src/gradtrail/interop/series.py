"""From a flat graph to nested branches: which nodes form a chain, and where it forks and joins.

A node that joins several sources ends branches that began where its paths last met: at its
immediate dominator, the last node that every path from the input to it runs through. Between the
two, each source is followed back. A graph in which no node is met twice that way is series–parallel
and can be written with `Residual` and `Concat`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..equation.frozen import frozen
from .refusals import Refusal

INPUT = -1
_DEEPEST = 50  # branches within branches; Python's own stack ends at some hundred


@frozen
class Fork:
    """Branches, and the node that joins them.

    Args:
        join: the node.
        branches: a chain for each of its sources; empty where it reads the fork itself.
    """

    join: int
    branches: tuple[Chain, ...]


Chain = tuple["int | Fork", ...]


def needed_for(sources: Sequence[tuple[int, ...]], end: int) -> set[int]:
    """The nodes that the node `end` depends on, itself included, without the input."""
    found, open_ = set(), [end]
    while open_:
        node = open_.pop()
        if node != INPUT and node not in found:
            found.add(node)
            open_ += sources[node]
    return found


def chain_of(sources: Sequence[tuple[int, ...]], end: int, where: Sequence[str]) -> Chain:
    """The graph from the input to `end` as a chain.

    Args:
        sources: of each node, each before the node itself.
        end: the last node.
        where: what each node is called in messages.

    Raises:
        Refusal: the graph is not series–parallel; the node is named.
    """
    dominators = _dominators(sources, needed_for(sources, end))
    joined_at: dict[int, int] = {}

    def chain(start: int, at: int, join: int, depth: int) -> Chain:
        if depth > _DEEPEST:
            raise Refusal(f"lies in more than {_DEEPEST} branches within branches", where[join])
        entries: list[int | Fork] = []
        while at != start:
            if at in joined_at:
                raise Refusal(
                    f"is read by branches that join at {where[join]} and at "
                    f"{where[joined_at[at]]}, of which neither lies within the other; only nested "
                    "branches can be written as Residual and Concat",
                    where[at],
                )
            joined_at[at] = join
            if len(sources[at]) == 1:
                entries.append(at)
                (at,) = sources[at]
                continue
            fork = dominators[at]
            branches = tuple(chain(fork, source, at, depth + 1) for source in sources[at])
            entries.append(Fork(at, branches))
            at = fork
        return tuple(reversed(entries))

    return chain(INPUT, end, end, 0)


def _dominators(sources: Sequence[tuple[int, ...]], nodes: set[int]) -> dict[int, int]:
    """Each node's immediate dominator."""
    above, depth = {INPUT: INPUT}, {INPUT: 0}
    for node in sorted(nodes):
        first, *others = sources[node]
        for other in others:
            while first != other:
                if depth[first] < depth[other]:
                    other = above[other]
                else:
                    first = above[first]
        above[node], depth[node] = first, depth[first] + 1
    return above
