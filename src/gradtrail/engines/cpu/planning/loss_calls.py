"""The calls of a loss: what it compares with, itself, and the gradient that it begins with."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ....equation import LossEquation, Node
from ..frame import Slot
from ..kernels.filling import Copied
from ..kernels.gathering import GatherMaps, GatherTargets
from ..kernels.kernel import Kernel
from ..kernels.losses import CrossEntropyLoss, SquaredErrorLoss
from ..kernels.penalties import LossPlaces, OverlapLoss, PenaltyLoss, SoftmaxPenaltyLoss
from ..keys import ArrayKey, gradient, value
from ..layout import Layout
from .draft import Draft

if TYPE_CHECKING:
    from ....layers import Loss


def plan_loss(draft: Draft, node: Node, equation: LossEquation) -> None:
    """The targets, the loss, and the gradient it begins with.

    Where another loss has sent its gradient there already, it is added behind that.
    """
    _constants(draft, node, equation)
    _gather(draft, node, equation)
    received = gradient(node.inputs[0])
    grad = received if draft.options.backward and received in draft.memory else None
    again = grad is not None and grad in draft.written
    if grad is not None and again:
        own = grad._replace(detail=f"from {node.name}")
        draft.memory.add(own, Slot.ARENA, draft.memory[grad].layout)
        grad = own
    if equation.rule == "squared error":
        kernel, names = _squared_error(draft, node, equation, grad)
    elif equation.rule == "softmax cross-entropy":
        kernel, names = _cross_entropy(draft, node, equation, grad)
    else:
        kernel, names = _of_elements(draft, node, equation, grad)
    draft.call(kernel, names, node.name, "forward and its gradient")
    if grad is not None and again:
        added = Copied(draft.memory[grad].layout.size, adds=True)
        draft.call(added, (received, grad), node.name, f"backward towards {node.inputs[0]}")
    elif grad is not None:
        draft.written.add(grad)


def _part(draft: Draft, node: Node) -> int | None:
    """Which of several outputs a loss is of; None where there is one."""
    system = draft.work.system
    return None if node is system.nodes[-1] else system.losses.index(node)


def _loss(draft: Draft, node: Node) -> Loss:
    """The settings of a node's loss."""
    assert draft.loss is not None
    part = _part(draft, node)
    return draft.loss if part is None else draft.loss.parts[part].loss


def _by_class(draft: Draft, part: int | None) -> bool:
    """Whether the rows of its targets belong to classes."""
    told = draft.options.by_class
    return told if isinstance(told, bool) else told[part or 0]


def _classes(node: Node) -> ArrayKey:
    """The class numbers that a loss compares with."""
    return ArrayKey("classes", node.name)


def _constants(draft: Draft, node: Node, equation: LossEquation) -> None:
    """What no label changes, such as class weights."""
    if equation.constants:
        shape = equation.shape_of[equation.source.array]
        for letter, array in _loss(draft, node).constants(shape).items():
            draft.constants[value(node.array_of[letter])] = array


def _gather(draft: Draft, node: Node, equation: LossEquation) -> None:
    """Targets and class numbers of a block."""
    memory = draft.memory
    targets = value(node.array_of[equation.labels])
    shape = memory[value(node.inputs[0])].layout.shape
    mapped = equation.classed and len(shape) > 1
    classes, part = _classes(node), _part(draft, node)
    memory.add(classes, Slot.ARENA, Layout(shape[1:] if mapped else (1,), (), True), lasting=True)
    factor, by_class = _factors(node, equation), _by_class(draft, part)
    gather: Kernel = GatherTargets(prod(shape), by_class, bool(factor), part)
    if mapped:
        gather = GatherMaps(shape[0], prod(shape[1:]), by_class, part)
    draft.call(gather, (targets, classes, *factor), node.name, "targets")


def _factors(node: Node, equation: LossEquation) -> list[ArrayKey]:
    """The weight of each sample, where it is given."""
    return [value(node.array_of[access.array]) for access in equation.factors]


def _first(node: Node, equation: LossEquation) -> list[ArrayKey]:
    """What every loss reads: outputs, targets, class numbers."""
    return [value(node.inputs[0]), value(node.array_of[equation.labels]), _classes(node)]


def _squared_error(
    draft: Draft, node: Node, equation: LossEquation, grad: ArrayKey | None
) -> tuple[Kernel, list[ArrayKey]]:
    memory, factor = draft.memory, _factors(node, equation)
    output, targets, classes = _first(node, equation)
    weight = memory[factor[0]].layout if factor else None
    wanted = None if grad is None else memory[grad].layout
    layouts = memory[output].layout, memory[targets].layout
    kernel = SquaredErrorLoss(*layouts, weight, wanted, _part(draft, node))
    return kernel, [output, targets, classes, *factor, *([] if grad is None else [grad])]


def _cross_entropy(
    draft: Draft, node: Node, equation: LossEquation, grad: ArrayKey | None
) -> tuple[Kernel, list[ArrayKey]]:
    memory, keep = draft.memory, draft.options.keep
    output, targets, classes = _first(node, equation)
    saved = [
        value(node.array_of[letter]) if letter and keep else None
        for letter in (equation.probabilities, equation.weight)
    ]
    wanted = [*saved, grad]
    p, s, dz = (None if name is None else memory[name].layout for name in wanted)
    weighted = equation.weight is not None
    layouts = memory[output].layout, memory[targets].layout
    kernel = CrossEntropyLoss(*layouts, p, s, dz, weighted, _part(draft, node))
    return kernel, [output, targets, classes, *(name for name in wanted if name is not None)]


def _of_elements(
    draft: Draft, node: Node, equation: LossEquation, grad: ArrayKey | None
) -> tuple[Kernel, list[ArrayKey]]:
    """Penalties and overlaps."""
    memory, keep = draft.memory, draft.options.keep
    first = _first(node, equation)
    output, targets, classes = (memory[name].layout for name in first)
    constants = [value(node.array_of[access.array]) for _, access in equation.constants]
    overlap = equation.rule.endswith("overlap")
    saved = [
        value(node.array_of[letter]) if letter and (keep or needed) else None
        for letter, needed in (
            (equation.probabilities, overlap),
            (equation.elements, False),
            (equation.slopes, False),
        )
    ]
    wanted = [*saved, grad]
    p, e, d, dz = (None if name is None else memory[name].layout for name in wanted)
    places = LossPlaces(
        output,
        targets,
        classes if equation.classed else None,
        tuple(memory[name].layout for name in constants),
        *(p, e, d, dz),
        _part(draft, node),
    )
    names = [*first, *constants, *(name for name in wanted if name is not None)]
    if overlap:
        return OverlapLoss(places, equation.smooth, equation.classed), names
    assert equation.penalty is not None
    if equation.classed:
        return SoftmaxPenaltyLoss(places, equation.penalty), names
    shown = [p.plain for p in equation.source.positions[1:]]
    axes = tuple(
        (variable, tuple(shown.index(n) for n in access.names))
        for variable, access in equation.constants
    )
    return PenaltyLoss(places, equation.penalty, axes), names
