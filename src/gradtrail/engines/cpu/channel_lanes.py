"""Where elements lie when the lanes are channels, and in which order; see `single.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod

from ...equation import Access, Affine, Contraction, Node, Term
from .addresses import bare, lanes_of
from .kernels.channels import ToRow
from .keys import ArrayKey
from .layout import Layout
from .nest import PART, Epilogue, LoopSchedule, Nest, Stream, TermSum
from .target import LANES, Target
from .tiling import TileCosts, readings_of

_BODY = 320
"""How many multiply-adds of a register are written out one behind the other, at the most."""


class UnsuitableError(Exception):
    """A layer that has no form with channel lanes."""


def channel_stream(access: Access, layout: Layout, argument: int, lane: str) -> Stream:
    """Where an access reads, in an array with channel lanes or in one of single numbers."""
    positions = access.positions[1:] if lanes_of(access) else access.positions
    strides: dict[str, int] = {}
    offset, lanes = layout.origin, False
    for axis, (position, stride) in enumerate(zip(positions, layout.strides, strict=True)):
        offset += position.offset.integer * stride
        channel = layout.lanes and axis == 0
        for name, coefficient in position.terms:
            if channel and name != lane:  # a summed channel: sixteen of them lie side by side
                several = len(positions) > 1
                strides[name] = 4
                strides |= {name + "16": stride} if several else {}
                continue
            lanes = lanes or channel
            strides[name] = strides.get(name, 0) + coefficient.integer * stride
    return Stream(argument, tuple(strides.items()), offset, lanes, "float", access.array)


def check_channels(
    term: Term,
    lane: str,
    ranges: Mapping[str, int],
    in_lanes: Sequence[bool],
    sizes: Mapping[str, int],
) -> None:
    """Refuse a product whose channels are not where lanes can be, or that would add up beyond them.

    What `by_channels` looks for in each activation by itself is not looked for here.

    Args:
        term: the product.
        lane: the index of the channels of the target, which are its lanes.
        ranges: of the indices; those that are split into groups of sixteen have `16` behind them.
        in_lanes: of each factor whether its array has channel lanes.
        sizes: of all indices.

    Raises:
        UnsuitableError: it is so.
    """
    packed: set[str] = set()
    uneven: set[str] = set()
    for factor, lies in zip(term.factors, in_lanes, strict=True):
        access = factor.access
        names = [n for p in bare(access) for n in p.names]
        split = {n for n in names if n + "16" in ranges}
        if lies:
            channel = access.positions[1].plain
            if channel != lane and channel not in term.summed:
                raise UnsuitableError
            uneven |= {n for n in split if sizes[n] % LANES}
        elif lanes_of(access) or lane not in names:
            if split or (lanes_of(access) and lane in names):
                raise UnsuitableError  # which is read number by number, in one row
        elif len(set(names)) < len(names):
            raise UnsuitableError
        elif isinstance(factor, Access):
            packed |= split  # with zeros in the lanes beyond
    if uneven - packed:
        raise UnsuitableError


def grouped_names(names: Iterable[str], ranges: dict[str, int]) -> list[tuple[str, ...]]:
    """Indices in order, each with its group before it."""
    return [(n + "16", n) if n + "16" in ranges else (n,) for n in names if n != "n"]


def argument_of(letters: list[ArrayKey], key: ArrayKey) -> int:
    """Which argument an array is."""
    if key not in letters:
        letters.append(key)
    return letters.index(key)


def as_row(shape: tuple[int, ...], layout: Layout, hands_out: bool = False) -> ToRow:
    """An activation as one row."""
    if not layout.lanes:
        raise UnsuitableError
    channels, *places = shape
    block, *strides = layout.strides
    return ToRow(channels, tuple(places), tuple(strides), block, layout.origin, hands_out)


def by_channels(access: Access, equation: Contraction, lane: str, layout: Layout) -> bool:
    """Whether an activation's element has one channel for all lanes, or each lane its own.

    Args:
        access: of a sample's element.
        equation: in which it stands.
        lane: the index of the target's channel.
        layout: of the activation.
    """
    channel, places = access.positions[1].plain, access.positions[2:]
    if channel is None or any({channel, lane} & {*p.names} for p in places):
        return False
    whole = equation.range_of[channel] == equation.shape_of[access.array][1]
    return whole and (channel != lane or layout.lanes)


def flattens(node: Node) -> bool:
    """Whether a layer lays out several axes as one, in their order and all of them."""
    equation = node.equation
    assert isinstance(equation, Contraction)
    target, (term, *others) = equation.target, equation.terms
    if len(target.positions) != 2 or others or term.scale.value != 1:
        return False
    (source,) = term.factors
    row, step = Affine(), 1
    shape = equation.shape_of[source.access.array]
    for position, size in reversed([*zip(source.access.positions, shape, strict=True)][1:]):
        row, step = row + position * step, step * size
    places = (
        {name: c.integer for name, c in p.terms if equation.range_of[name] > 1}
        | {"": p.offset.integer}
        for p in (row, target.positions[1])
    )
    here, there = places
    return here == there and step == equation.shape_of[target.array][1]


def schedule_nest(
    target: Target,
    stored: Stream,
    sums: tuple[TermSum, ...],
    ranges: dict[str, int],
    result: Access,
    epilogue: tuple[Epilogue, ...],
) -> Nest:
    """A nest in order and tiles: places in the tile, so that weights are read once for several.

    Args:
        target: the processor.
        stored: the result's stream.
        sums: what is added up; the one over most indices decides.
        ranges: of all indices.
        result: the access that is computed.
        epilogue: what happens before storing.
    """
    shown = [n for n in result.names if n != "n"]
    main = max(sums, key=lambda s: len(s.summed))
    rounds = prod([ranges[n] for n in main.summed])
    free = {n: ranges[n] for n in shown}
    tiling = TileCosts(target, readings_of(main), free, rounds, overlap=True).cheapest()
    tile = (*((n, s) for n, s in tiling.tile if s > 1), (PART, target.parts))
    body, unrolled = prod(s for _, s in tile), []
    for n in reversed(main.summed):
        if body * ranges[n] > _BODY:
            break
        body *= ranges[n]
        unrolled.append(n)
    schedule = LoopSchedule((*shown, PART), tile, tuple(unrolled))
    return Nest(stored, sums, tuple(ranges.items()), schedule, epilogue=epilogue)
