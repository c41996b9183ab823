"""Calls of what weighs the elements of each sample against one another: norms, and softmax."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

from ....equation import Access, Node, Normalisation, SoftmaxEquation
from ..activation import function_of
from ..addresses import SAMPLE, access_stream
from ..frame import Slot
from ..kernels.along_axes import Indices
from ..kernels.lanes import SumLanes
from ..kernels.sample_norm_kernels import (
    JoinSampleStatistics,
    SampleNormalise,
    SampleNormaliseBack,
    SampleParameterSums,
    SampleStatistics,
)
from ..kernels.softmax_kernels import SoftmaxBack, SoftmaxForward
from ..keys import ArrayKey, gradient, value
from ..layout import Layout
from ..nest import Stream
from ..phases import Phase
from ..program import KernelCall
from .draft import Draft
from .work import Sent

Arrays = Mapping[str, tuple[Access, ArrayKey]]
"""Letter → where an array is read or written, and which one it is."""


def normalise_samples(draft: Draft, node: Node, equation: Normalisation) -> None:
    """Statistics and normalised values of each sample, with what is computed along with them."""
    summed, addend = draft.work.sums.get(node.name, (node, None))
    after = draft.work.fused.get(summed.name)
    target = value(summed.output if after is None else after.output)
    arrays = {"X": (equation.source, value(node.inputs[0])), "Z": (equation.result, target)}
    arrays |= _statistics(draft, node, equation)
    arrays["v"] = (equation.statistic, value(node.array_of[equation.statistic.array]))
    if draft.options.keep:
        arrays["U"] = (equation.result, value(node.array_of[equation.normalised]))
    for letter, access in (("γ", equation.scale), ("β", equation.shift)):
        if access is not None:
            arrays[letter] = (access, value(node.array_of[access.array]))
    if addend is not None:
        arrays["A"] = (equation.result, value(addend))
    if after is not None and draft.work.keeps(node):
        arrays["B"] = (equation.result, value(node.output))
    kept, over = _indices(equation, equation.over)
    function = None if after is None else function_of(after)
    kernel = SampleNormalise(kept, over, _streams(draft, arrays), equation.epsilon, function)
    along = [n.name for n in (summed, after) if n is not None and n is not node]
    does = "forward" + "".join(f", with {n}" for n in along)
    draft.call(kernel, _keys(arrays), node.name, does)
    _follow(draft, node, equation)


def normalise_samples_back(draft: Draft, sent: Sent) -> None:
    """Both parameters' sums at the first of them, and dX at its own adjoint."""
    node, operand = sent.adjoint.node, sent.adjoint.operand
    equation = node.equation
    assert isinstance(equation, Normalisation)
    arrays: dict[str, tuple[Access, ArrayKey]] = {
        "X": (equation.source, draft.held(value(node.inputs[0]))),
        "dZ": (equation.result, gradient(node.output)),
        **_statistics(draft, node, equation),
    }
    if operand != equation.source.array:
        wanted = [p for p in equation.parameters if node.array_of[p.array] in draft.work.wanted]
        if operand == wanted[0].array:
            _parameters(draft, node, equation, arrays, wanted)
        return
    target = gradient(sent.receives)
    arrays["dX"] = (equation.source, target)
    if equation.scale is not None:
        arrays["γ"] = (equation.scale, value(node.array_of[equation.scale.array]))
    kept, over = _indices(equation, equation.over)
    streams = _streams(draft, arrays)
    kernel = SampleNormaliseBack(kept, over, streams, adds=target in draft.written)
    draft.call(kernel, _keys(arrays), node.name, f"backward towards {sent.receives}")
    draft.written.add(target)


def soften(draft: Draft, node: Node, equation: SoftmaxEquation) -> None:
    """A softmax, or its logarithm."""
    arrays = {
        "X": (equation.source, value(node.inputs[0])),
        "Z": (equation.result, value(node.output)),
    }
    kept, over = _indices(equation, equation.along)
    kernel = SoftmaxForward(kept, over, _streams(draft, arrays), equation.log)
    draft.call(kernel, _keys(arrays), node.name, "forward")


def soften_back(draft: Draft, sent: Sent) -> None:
    """What a softmax sends back, from its result."""
    node, target = sent.adjoint.node, gradient(sent.receives)
    equation = node.equation
    assert isinstance(equation, SoftmaxEquation)
    arrays = {
        "X": (equation.result, value(node.output)),
        "dZ": (equation.result, gradient(node.output)),
        "dX": (equation.source, target),
    }
    kept, over = _indices(equation, equation.along)
    adds = target in draft.written
    kernel = SoftmaxBack(kept, over, _streams(draft, arrays), equation.log, adds)
    draft.call(kernel, _keys(arrays), node.name, f"backward towards {sent.receives}")
    draft.written.add(target)


def _parameters(
    draft: Draft, node: Node, equation: Normalisation, arrays: Arrays, wanted: list[Access]
) -> None:
    """Σ dZ·U and Σ dZ: lane by lane, and where the sums are wanted with the lanes added."""
    found = dict(arrays)
    for access in wanted:
        name, letter = node.array_of[access.array], "dγ" if access == equation.scale else "dβ"
        layout = Layout(equation.shape_of[access.array], (), True)
        if draft.options.per_sample:
            key = draft.share(name, layout)
        else:
            key = ArrayKey("waiting", detail=f"{letter} {layout.shape}")
            draft.memory.add(key, Slot.ARENA, layout)
        found[letter] = (access, key)
    shown = [n for n in equation.result.names if any(n in access.names for access in wanted)]
    over, kept = _indices(equation, shown)
    does = "backward towards " + " and ".join(node.array_of[a.array] for a in wanted)
    kernel = SampleParameterSums(kept, over, _streams(draft, found))
    draft.call(kernel, _keys(found), node.name, does)
    for letter in ("dγ", "dβ"):
        if letter not in found:
            continue
        access, key = found[letter]
        name = node.array_of[access.array]
        if draft.options.sums:
            sums = SumLanes(prod(equation.shape_of[access.array]))
            draft.call(sums, (gradient(name), key), node.name, does)
        if draft.options.per_sample:
            draft.join_share(name, key, node.name, does)


def _statistics(draft: Draft, node: Node, equation: Normalisation) -> dict[str, Any]:
    """r, and of a mean its two numbers."""
    found = {"r": (equation.statistic, value(node.array_of[equation.inverse]))}
    if equation.mean is not None:
        rest = ArrayKey("rest", node.name)
        layout = Layout(equation.shape_of[equation.mean][1:], (), True)
        draft.memory.add(rest, Slot.ARENA, layout)
        found["μ"] = (equation.statistic, value(node.array_of[equation.mean]))
        found["rest"] = (equation.statistic, rest)
    return found


def _follow(draft: Draft, node: Node, equation: Normalisation) -> None:
    """The running statistics, behind everything else: their mean over the samples of the batch."""
    layer: Any = draft.layers[node.name]
    running = [f"{draft.owners[node.name]}.{b.name}" for b in layer.running.values()]
    if not running or not draft.options.backward or draft.options.keep:
        return
    assert equation.mean is not None
    channels, memory = equation.shape_of[equation.mean][1], draft.memory
    partial = [ArrayKey("partial", node.name, f"running {i}") for i in range(2)]
    for key in partial:
        memory.add(key, Slot.PARTIAL, Layout((channels,), (), False))
    held = [value(node.array_of[a]) for a in (equation.mean, equation.statistic.array)]
    draft.call(SampleStatistics(channels), (*held, *partial), node.name, "running statistics")
    count = equation.count.integer
    join = JoinSampleStatistics(channels, count / (count - 1), float(layer.momentum))
    updates = [b for r in running for b in (draft.running(r), ArrayKey("updated", r))]
    arguments = (*map(draft.of_all_blocks, partial), *updates)
    call = KernelCall(join, arguments, node.name, "running statistics of the batch")
    draft.closing.append(Phase("one", [call]))


def _indices(
    equation: Normalisation | SoftmaxEquation, inside: tuple[str, ...] | list[str]
) -> tuple[Indices, Indices]:
    """The result's indices in their order, without the sample's: those outside, those inside."""
    names = [n for n in equation.result.names if n != SAMPLE]
    ranges = equation.range_of
    return (
        tuple((n, ranges[n]) for n in names if n not in inside),
        tuple((n, ranges[n]) for n in names if n in inside),
    )


def _streams(draft: Draft, arrays: Arrays) -> tuple[tuple[str, Stream], ...]:
    """How the arrays' addresses move; with lanes wherever there are any, shown or not."""
    found = []
    for argument, (letter, (access, key)) in enumerate(arrays.items()):
        layout = draft.memory[key].layout
        stream = access_stream(access, layout, argument, _text(letter, access))
        found.append((letter, replace(stream, lanes=layout.lanes)))
    return tuple(found)


def _keys(arrays: Arrays) -> list[ArrayKey]:
    return [key for _, key in arrays.values()]


def _text(letter: str, access: Access) -> str:
    """An element as it is printed, without its sample."""
    from ....equation import text
    from ..addresses import bare

    shown = replace(access, array=letter, positions=bare(access), padding=())
    return text(shown, numbers=True) if shown.positions else letter
