"""A place for every array of a step, with the halo that its readers need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce

from ....equation import Normalisation, Selection
from ..addresses import lanes_of
from ..contraction import Form
from ..frame import Slot
from ..kernels.max_pool import winner_element
from ..keys import ArrayKey, gradient, value
from ..layout import Layout, Margins, wider
from ..raw import next_line
from .draft import Draft
from .work import Sent, copies


def declare(draft: Draft) -> None:
    """Declare all arrays of the network."""
    margins = _margins(draft)
    _parameters(draft)
    work, memory, keep = draft.work, draft.memory, draft.options.keep
    shapes = work.system.shapes
    losses = {node.output for node in (*work.system.losses, work.system.nodes[-1])}
    losses = losses if draft.loss is not None else set()
    for name, shape in shapes.items():
        if value(name) in memory or name in losses:
            continue
        lanes, where = _home(draft, name)
        made = name in work.system.inputs or name in work.system.producer
        layout = _layout(margins.get(value(name), ()), shape, lanes, spaced=made)
        memory.add(value(name), where, layout, lasting=keep)
    if draft.options.backward:
        for name in shapes:
            learned = name not in draft.network.parameters and name not in losses
            if name in work.wanted and learned:
                layout = _layout(margins.get(gradient(name), ()), shapes[name], True)
                memory.add(gradient(name), Slot.ARENA, layout, lasting=keep)
    for node in work.system.nodes:
        if isinstance(node.equation, Selection):
            winner = memory[value(node.array_of[node.equation.winner])]
            winner.layout = replace(winner.layout, element=winner_element(node.equation))
    if not keep:
        _share(draft)


def _margins(draft: Draft) -> dict[ArrayKey, Margins]:
    """How wide a halo every array needs."""
    found: dict[ArrayKey, Margins] = {}

    def widen(form: Form, arrays: dict[str, ArrayKey]) -> None:
        for letter, needed in form.margins().items():
            found[arrays[letter]] = wider(found.get(arrays[letter]), needed)

    for node in draft.work.system.nodes:
        for form in draft.work.forward.get(node.name, ()):
            widen(form, {a: value(name) for a, name in node.arrays})
    for sent in draft.work.sent:
        for form in sent.forms:
            widen(form, sent.arrays)
    for group in _one_place(draft.work.in_place):  # which needs one layout
        needed = [found[key] for key in group if key in found]
        if needed:
            found |= dict.fromkeys(group, reduce(wider, needed))
    return found


def _one_place(in_place: Mapping[str, str]) -> Iterable[list[ArrayKey]]:
    """The gradients that share a place, together."""
    groups: dict[str, list[ArrayKey]] = {}
    for product, summed in in_place.items():
        while summed in in_place:
            summed = in_place[summed]
        groups.setdefault(summed, [gradient(summed)]).append(gradient(product))
    return groups.values()


def _parameters(draft: Draft) -> None:
    """Parameters and their gradients in rows of equal places; running statistics.

    Behind them stand the parameters that belong to no part, which have no gradient.

    First those that are summed at once, part by part; then the others, likewise. A part begins on a
    line, since whole registers are moved.
    """
    memory, shapes, at = draft.memory, draft.network.parameters.shapes, 0
    parts = draft.options.parts or (tuple(shapes),)
    for once in (True, False):
        for part in parts:
            at = next_line(at) if draft.options.parts else at
            for name in part:
                if (name in draft.at_once) is once:
                    layout = Layout(tuple(shapes[name]), (), False)
                    memory.put(value(name), Slot.PARAMETERS, layout, at)
                    memory.put(gradient(name), Slot.GRADIENTS, layout, at)
                    at += layout.size
                    if once:
                        at = memory.at_once = next_line(at)
    for name, shape in shapes.items():
        if value(name) not in memory:
            layout = Layout(tuple(shape), (), False)
            memory.put(value(name), Slot.PARAMETERS, layout, next_line(at))
            at = next_line(at) + layout.size
    for name, shape in draft.network.buffers.shapes.items():
        layout = Layout(tuple(shape), (), False)
        held = memory.add(value(name), Slot.CONSTANTS, layout)
        memory.put(ArrayKey("updated", name), Slot.CONSTANTS_UPDATED, layout, held.offset)


def _layout(margins: Margins, shape: tuple[int, ...], lanes: bool, spaced: bool = True) -> Layout:
    """With a halo where somebody reads beyond the elements, be they samples' or given once."""
    halo = margins if any(a or b for a, b in margins) else ()
    if not lanes:
        return Layout(shape, halo, False)
    return Layout(shape[1:], halo, True, spaced=spaced)


def _home(draft: Draft, name: str) -> tuple[bool, Slot]:
    """Whether an array goes by samples, and its region."""
    for node in draft.work.system.nodes:
        for letter, array in node.arrays:
            if array != name:
                continue
            equation = node.equation
            tied = isinstance(equation, Normalisation) and equation.ties_samples
            if tied and letter in equation.saved[:3]:
                return False, Slot.SHARED
            accesses = [a for a in node.equation.accesses if a.array == letter]
            lanes = letter in node.sources or any(map(lanes_of, accesses))
            return lanes, Slot.ARENA if lanes else Slot.CONSTANTS
    return True, Slot.ARENA


def _share(draft: Draft) -> None:
    """Copies that are the same memory: a flattened map, dropout in evaluation."""
    work, memory = draft.work, draft.memory
    for node in work.system.nodes:
        if not copies(work.forward.get(node.name, ())):
            continue
        for of in (value, gradient):
            ours, theirs = of(node.output), of(node.inputs[0])
            alone = of is value or len(work.readers(node.inputs[0])) == 1
            if ours in memory and theirs in memory and alone:
                a, b = memory[ours], memory[theirs]
                if a.layout.contiguous and b.layout.contiguous:
                    a.same = b
    for product, summed in work.in_place.items():
        memory[gradient(product)].same = memory[gradient(summed)]
    for sent in work.sent:
        if not sent.per_sample:
            _hand_on(draft, sent)


def _hand_on(draft: Draft, sent: Sent) -> None:
    """A gradient that is another's, unchanged and of nobody else: what a sum sends back."""
    work, memory = draft.work, draft.memory
    ours, theirs = gradient(sent.receives), gradient(sent.adjoint.node.output)
    alone = work.receives_once(sent.receives) and sent.key not in work.absorbed
    if not alone or not copies(sent.forms) or sent.receives in work.system.inputs:
        return
    a, b = memory[ours], memory[theirs]
    if a.same is None and b.root is not a and a.layout == b.layout:
        a.same = b
