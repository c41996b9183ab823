"""A batch norm's calls: blocks, then the whole batch, then blocks again, in both directions."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from ....equation import Node, Normalisation
from ..activation import function_of
from ..frame import Slot
from ..kernels.batch_norm_kernels import (
    GradientSums,
    JoinGradients,
    Normalise,
    NormaliseBack,
    normalise_only,
)
from ..kernels.statistics import BlockStatistics, JoinStatistics
from ..keys import ArrayKey, gradient, value
from ..layout import Layout
from ..program import KernelCall
from .draft import Draft
from .work import Sent


def normalise(draft: Draft, node: Node, equation: Normalisation) -> None:
    """Statistics of the batch, then the normalised values."""
    memory, name = draft.memory, node.name
    source = value(node.inputs[0])
    layout = memory[source].layout
    partial = _partial(draft, name, "forward", layout.shape[0], 3)
    draft.call(BlockStatistics(layout), (source, *partial), name, "statistics")
    statistics = [value(node.array_of[letter]) for letter in equation.saved[:3]]
    statistics.append(_rest(name))
    memory.add(statistics[-1], Slot.SHARED, Layout((layout.shape[0],), (), False))
    layer: Any = draft.layers[name]
    moves = draft.options.backward and not draft.options.keep
    owner = draft.owners[name]
    running = [f"{owner}.{b.name}" for b in layer.running.values()] if moves else []
    join = JoinStatistics(
        layout.shape[0],
        prod(layout.shape[1:]),
        float(equation.epsilon),
        layer.momentum if moves else None,
    )
    updates = [b for r in running for b in (draft.running(r), ArrayKey("updated", r))]
    arguments = (*map(draft.of_all_blocks, partial), *statistics, *updates)
    draft.for_the_batch(join, arguments, name, "statistics of the batch")
    _apply(draft, node, equation, source, statistics)


def _apply(
    draft: Draft, node: Node, equation: Normalisation, source: ArrayKey, statistics: list[ArrayKey]
) -> None:
    """Z from X and the statistics."""
    memory, name = draft.memory, node.name
    summed, addend = draft.work.sums.get(name, (node, None))
    after = draft.work.fused.get(summed.name)
    target = value(summed.output if after is None else after.output)
    affine = [value(node.array_of[p.array]) for p in equation.parameters]
    kernel = Normalise(
        memory[target].layout,
        memory[source].layout,
        equation.scale is not None,
        equation.shift is not None,
        None if addend is None else memory[value(addend)].layout,
        None if after is None else function_of(after),
    )
    mean, _, inverse, rest = statistics
    names = [target, source, mean, rest, inverse, *affine]
    names += [] if addend is None else [value(addend)]
    along = [n.name for n in (summed, after) if n is not None and n is not node]
    does = "forward" + "".join(f", with {n}" for n in along)
    draft.call(kernel, names, name, does)
    if addend is None and not draft.options.keep:
        draft.repeated[target] = KernelCall(kernel, tuple(names), name, does)
        if after is not None and draft.work.keeps(node):
            before = value(node.output)  # made for the first time where it is read
            kernel = replace(kernel, target=memory[before].layout, function=None)
            draft.repeated[before] = KernelCall(kernel, (before, *names[1:]), name, "forward")
    if draft.options.keep:
        kept = value(node.array_of[equation.normalised])
        bare = normalise_only(memory[kept].layout, memory[source].layout)
        draft.call(bare, (kept, source, mean, rest, inverse), name, "forward")


def normalise_back(draft: Draft, sent: Sent) -> None:
    """The sums of the batch at the first of a batch norm's adjoints, and dX at its own."""
    node = sent.adjoint.node
    equation, memory, name = node.equation, draft.memory, node.name
    assert isinstance(equation, Normalisation)
    dz, source = gradient(node.output), value(node.inputs[0])
    mean, _, inverse = (value(node.array_of[letter]) for letter in equation.saved[:3])
    statistics = (mean, _rest(name), inverse)
    totals = [ArrayKey("total", name, str(i)) for i in range(2)]
    if totals[0] not in memory:
        _sums(draft, node, equation, (dz, source, *statistics), totals)
    if sent.adjoint.operand != equation.source.array:
        return
    target = gradient(sent.receives)
    kernel = NormaliseBack(
        memory[target].layout,
        memory[dz].layout,
        memory[source].layout,
        equation.scale is not None,
        target in draft.written,
    )
    scale = [value(node.array_of[equation.scale.array])] if equation.scale else []
    names = (target, dz, source, *statistics, *totals, *scale)
    draft.call(kernel, names, name, f"backward towards {sent.receives}")
    draft.written.add(target)


def _sums(
    draft: Draft,
    node: Node,
    equation: Normalisation,
    reads: tuple[ArrayKey, ...],
    totals: list[ArrayKey],
) -> None:
    """Σ dZ and Σ dZ·U of the batch, which are dβ and dγ, too."""
    memory, name = draft.memory, node.name
    dz, source = (memory[b].layout for b in reads[:2])
    partial = _partial(draft, name, "backward", source.shape[0], 2)
    apart = _apart(draft, node, equation, source.shape[0]) if draft.options.per_sample else []
    kernel = GradientSums(dz, source, lanes=bool(apart))
    draft.call(kernel, (*reads, *partial, *apart), name, "backward, sums")
    for access, key in zip((equation.shift, equation.scale), apart, strict=False):
        if access is not None:
            draft.join_share(node.array_of[access.array], key, name, "backward, sums")
    for total in totals:
        memory.add(total, Slot.SHARED, Layout((source.shape[0],), (), False))
    learned = [a for a in node.parameters if node.array_of[a] in draft.work.towards]
    kept = draft.options.sums
    wanted = [p for p in equation.parameters if kept and p.array in learned]
    grads = [draft.in_first_group(node.array_of[p.array]) for p in wanted]
    join = JoinGradients(source.shape[0], equation.scale in wanted, equation.shift in wanted)
    arguments = (*map(draft.of_all_blocks, partial), *totals, *grads)
    draft.for_the_batch(join, arguments, name, "backward, sums of the batch")


def _apart(draft: Draft, node: Node, equation: Normalisation, channels: int) -> list[ArrayKey]:
    """Each sample's share of Σ dZ and of Σ dZ·U, which are those of dβ and dγ."""
    if equation.scale is None and equation.shift is None:
        return []
    found = []
    layout = Layout((channels,), (), True)
    for access, what in ((equation.shift, "shift"), (equation.scale, "scale")):
        if access is not None:
            found.append(draft.share(node.array_of[access.array], layout))
            continue
        found.append(ArrayKey("share", node.name, f"no {what}"))
        draft.memory.add(found[-1], Slot.PARTIAL, layout)
    return found


def _rest(norm: str) -> ArrayKey:
    """What float32 leaves of the means."""
    return ArrayKey("rest", norm)


def _partial(draft: Draft, norm: str, of: str, channels: int, count: int) -> list[ArrayKey]:
    """Some numbers per channel, for a block and for all of them."""
    found = [ArrayKey("partial", norm, f"{of} {i}") for i in range(count)]
    for key in found:
        draft.memory.add(key, Slot.PARTIAL, Layout((channels,), (), False))
    return found
