"""What the page is told besides the numbers: equations, shapes, samples, the update rule.

The equations are those of the network, as `equation.codec` writes them. The page's arithmetic is an
interpreter of them, so that there is no second description of any layer.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..equation import Equation, Node, gather, mathml
from ..equation.codec import to_data
from ..graph import Graph
from ..layers.weighted_loss_functions import WeightedCrossEntropy, WeightedSquaredError
from ..optimizers import Optimizer
from ..plan.plan import make_plan
from ..tracing.element import Side
from ..tracing.element_term import ArraySum
from ..tracing.traced_step import is_gate, is_logarithm
from .naming import file_name
from .packing import as_sent
from .session import Session


def describe_step(session: Session) -> dict[str, Any]:
    """The step as JSON, without the arrays' numbers; `state` is what edits change."""
    step = session.trace.step
    return {
        "title": session.title,
        "file": file_name(session.title),
        "training": session.training,
        "input": session.network.input_name,
        "inputs": list(session.network.inputs),
        "output": session.output,
        "classes": session.network.classes,
        "numbers": session.numbers,
        "live": session.following is not None,
        "dtype": str(session.network.dtype),
        "layers": _layers(session),
        "nodes": [_node(node) for node in step.system.nodes],
        "backward": [
            {"node": sent.node.name, "operand": sent.operand, "equation": to_data(sent.equation)}
            for sent in step.system.backward
        ],
        "arrays": _arrays(session),
        "sums": {
            side: {name: [_sum(one) for one in step.sums(side, name)] for name in step.names(side)}
            for side in ("value", "grad")
        },
        "loss": _loss(session),
        "optimizer": described_optimizer(session.optimizer, session.network),
        "state": session.state(),
    }


def _layers(session: Session) -> list[dict[str, Any]]:
    """Each layer with how its shape arose; the loss last."""
    declared = session.network.declarations(len(session.x), training=True)
    plan = make_plan(session.network.outline, declared, len(session.x))
    system = session.trace.system
    forward = {node.name: _formula(node.equation) for node in system.nodes}
    back: dict[str, list[str]] = {name: [] for name in forward}
    for sent in system.backward:
        back[sent.node.name].append(_formula(gather(sent.equation)))
    found: list[dict[str, Any]] = [
        {
            "name": row.name,
            "kind": row.kind,
            "settings": repr(step.layer),
            "sources": row.sources,
            "shape": row.output_shape,
            "how": row.how,
            "multiply_adds": row.multiply_adds,
            "receptive_field": str(row.receptive_field[0].size) if row.receptive_field else "",
        }
        for row, step in zip(plan.rows, session.network.steps, strict=True)
    ]
    nothing = {"how": [], "multiply_adds": 0, "receptive_field": "", "shape": []}
    settings = {part.array: repr(part.loss) for part in session.loss.parts}
    for node in system.nodes[len(found) :]:
        end = {"name": node.name, "kind": node.kind, "sources": node.inputs}
        said = settings.get(node.name, "" if settings else repr(session.loss))
        found.append(end | nothing | {"settings": said})
    return [one | {"formula": forward[one["name"]], "adjoints": back[one["name"]]} for one in found]


def _node(node: Node) -> dict[str, Any]:
    """A layer's equation, with the arrays that its letters stand for."""
    return {
        "name": node.name,
        "kind": node.kind,
        "equation": to_data(node.equation),
        "arrays": node.array_of,
        "sources": node.sources,
        "parameters": node.parameters,
        "saved": node.equation.saved,
        "target": node.equation.target.array,
    }


def _arrays(session: Session) -> list[dict[str, Any]]:
    """Every array in forward order: its shape, what it is, and whether it has a gradient."""
    step, system = session.trace.step, session.trace.system
    gradients = {n: as_sent(array).dtype.str[1:] for n, array in session.trace.grad.items()}
    dtypes, owner = session.dtypes, system.owner
    return [
        {
            "name": name,
            "shape": system.shapes[name],
            "size": prod(system.shapes[name]),
            "role": step.role(name),
            "layer": owner[name].name if name in owner else name,
            "dtype": dtypes[name],
            "gradient": name in gradients,
            "gradient_dtype": gradients.get(name),
            "by_sample": name in system.by_sample,
        }
        for name in step.names("value")
    ]


def _sum(one: ArraySum) -> dict[str, Any]:
    """A sum that an array is: what is computed, and as it is printed, solved for its own index."""
    printed = gather(one.equation)
    letters = dict.fromkeys(a.array for term in one.equation.terms for a in term.accesses)
    return {
        "layer": one.layer,
        "given": one.node is None,
        "arrays": one.arrays,
        "equation": to_data(one.equation),
        "printed": to_data(printed),
        "symbols": "" if one.node is None else _formula(printed),
        "letters": list(letters),
        "factors": [
            [
                {"gate": is_gate(one, factor), "logarithm": is_logarithm(one, factor)}
                for factor in term.factors
            ]
            for term in one.equation.terms
        ],
    }


def _formula(equation: Equation) -> str:
    """MathML; how lines are aligned is left to the page's style, which alone its policy allows."""
    return mathml(equation).replace(' style="text-align:left"', "")


def _loss(session: Session) -> dict[str, Any]:
    """The loss, and what a changed label makes of its targets.

    `weighted` says what stands before the weight in a row that labels a sample: its `targets`, or
    its `class`; `weights` is the array of the weights. `mapped` is there where every position has a
    class. Of several outputs it is there, too: their labels stay as they are.
    """
    if session.loss.parts:
        return {"settings": session.loss.settings(), "mapped": True}
    outputs = session.trace.value[session.output].shape
    found: dict[str, Any] = {"settings": session.loss.settings()}
    if isinstance(session.loss, WeightedCrossEntropy | WeightedSquaredError):
        by_class = isinstance(session.loss, WeightedCrossEntropy)
        found["weighted"] = "class" if by_class else "targets"
        found["weights"] = session.trace.step.system.nodes[-1].array_of["S"]
    if len(outputs) > 2 and session.loss.classes(session.y, outputs) is not None:
        found["mapped"] = True
    if session.y.ndim == 1 and session.y.dtype.kind in "biu" and len(outputs) == 2:
        every = np.arange(outputs[1])
        rows, by_class = session.loss.rows(every, (outputs[1], outputs[1]))
        if by_class:
            masses = [session.loss.mass(np.array([k]), (1, outputs[1])) for k in every]
            found |= {"rows": rows.tolist(), "masses": masses}
    return found


def described_optimizer(optimizer: Optimizer, network: Graph) -> dict[str, Any]:
    """The update rules as expressions, which the page evaluates: the optimiser's, its groups'."""
    groups = [
        {"names": list(group.names), **_rule(optimizer.within(group))}
        for group in optimizer.grouped(network)
        if group.settings
    ]
    apart = {"groups": groups} if groups else {}
    frozen = {"frozen": list(network.frozen)} if network.frozen else {}
    return {**_rule(optimizer), **apart, **frozen}


def _rule(optimizer: Optimizer) -> dict[str, Any]:
    rule = optimizer.rule
    return {
        "settings": optimizer.settings(),
        "state": rule.state,
        "assignments": [[name, to_data(expression)] for name, expression in rule.assignments],
    }


def arrays_by_side(session: Session) -> list[tuple[Side, str]]:
    """Every array that has numbers: values, then gradients."""
    step = session.trace.step
    return [(side, name) for side in ("value", "grad") for name in step.names(side)]
