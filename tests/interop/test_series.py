"""Nested branches from a flat graph, and the graphs that have none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from random_networks import drawn_network
from tails import beginning

import gradtrail as gt
from gradtrail.interop.refusals import Refusal
from gradtrail.interop.series import INPUT, Chain, Fork, chain_of, needed_for


def nested(sources: Sequence[tuple[int, ...]], end: int | None = None) -> Chain:
    last = len(sources) - 1 if end is None else end
    return chain_of(sources, last, [f"node {at}" for at in range(len(sources))])


def test_a_chain_is_itself() -> None:
    assert nested([(INPUT,), (0,), (1,)]) == (0, 1, 2)


def test_a_way_around_is_an_empty_branch() -> None:
    assert nested([(INPUT,), (0,), (1,), (2, 0)]) == (0, Fork(3, ((1, 2), ())))
    assert nested([(INPUT,), (0, INPUT)]) == (Fork(1, ((0,), ())),)


def test_branches_within_branches() -> None:
    sources = [(INPUT,), (0,), (1,), (2, 1), (0,), (3, 4), (5,)]
    inner = Fork(3, ((2,), ()))
    assert nested(sources) == (0, Fork(5, ((1, inner), (4,))), 6)


def test_joins_that_begin_at_one_node_lie_within_each_other() -> None:
    """(f(x) + x) + g(f(x) + x), and f(x) + (g(x) + x)."""
    assert nested([(INPUT,), (0, INPUT), (1,), (2, 1)]) == (
        Fork(1, ((0,), ())),
        Fork(3, ((2,), ())),
    )
    assert nested([(INPUT,), (INPUT,), (1, INPUT), (0, 2)]) == (
        Fork(3, ((0,), (Fork(2, ((1,), ())),))),
    )


def test_what_the_end_does_not_need_is_left_out() -> None:
    assert needed_for([(INPUT,), (INPUT,), (0,)], 2) == {0, 2}
    assert nested([(INPUT,), (INPUT,), (0,), (1,)], end=2) == (0, 2)


def test_branches_that_cross_are_refused_by_name() -> None:
    """a feeds b and c, d adds a and b, and the end adds c = f(b) and d."""
    sources = [(INPUT,), (0,), (1,), (0, 1), (2, 3)]
    sentence = "is read by branches that join at node 3 and at node 4, of which neither"
    with pytest.raises(Refusal, match=sentence) as caught:
        nested(sources)
    assert caught.value.where == "node 1"


def test_a_thousand_branches_in_a_row_but_not_within_each_other() -> None:
    row: list[tuple[int, ...]] = [(INPUT,)]
    for _ in range(1000):
        row += [(len(row) - 1,), (len(row), len(row) - 1)]
    assert len(nested(row)) == 1001
    within: list[tuple[int, ...]] = [(INPUT,)]
    for _ in range(1000):
        within += [(len(within) - 1,), (len(within), INPUT)]
    with pytest.raises(Refusal, match="lies in more than 50 branches within branches"):
        nested(within)


def flat(chain: Sequence[Any]) -> list[int]:
    found: list[int] = []
    for entry in chain:
        if isinstance(entry, Fork):
            found += [at for branch in entry.branches for at in flat(branch)]
            entry = entry.join
        found.append(entry)
    return found


@pytest.mark.parametrize("block", beginning(2, range(10)))
def test_random_networks_keep_their_order(block: int) -> None:
    """What a network lays out flat is found again as it was nested."""
    for number in range(20 * block, 20 * block + 20):
        network = drawn_network(number, exchanged=True)
        place = {step.output: at for at, step in enumerate(network.steps)} | {"input": INPUT}
        sources = [tuple(place[name] for name in step.sources) for step in network.steps]
        chain = nested(sources)
        assert flat(chain) == list(range(len(sources)))
        assert [isinstance(entry, Fork) for entry in chain] == [
            isinstance(layer, gt.Residual | gt.Concat) for layer in network.layers
        ]
