"""Layers that are a formula of their own, as ONNX's operators: rows gathered, multiplied, summed.

Whatever layer has no operator is written by its equation, where that is a sum of products or a
maximum over windows. Products without a sum are `Mul`, others `Einsum`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ...layers.steps import Step
from ..gathered_sums import LETTERS, GatheredFactor, GatheredSum, GatheredTerm, gathered_sum
from .onnx_expressions import write_expression
from .onnx_writing import Writing

_Labels = Sequence[str]


def write_equation(w: Writing, step: Step) -> None:
    """Write a layer by its equation.

    Raises:
        ArgumentError: it cannot be written.
    """
    shapes = (w.shapes[name] for name in step.sources)
    declared = step.layer.declare(*shapes, training=False)
    try:
        found = gathered_sum(declared.equation)
    except ArgumentError as cause:
        raise ArgumentError(
            f"to_onnx: ONNX has no operator for layer {step.name!r} ({step.layer.kind}), and "
            f"{cause}; use layers that ONNX has, or write it as gt.Equation"
        ) from None
    arrays = dict(zip(declared.sources, step.sources, strict=True))
    for held in (declared.parameters, declared.buffers):
        arrays |= {letter: f"{step.owner}.{known.name}" for letter, known in held.items()}
    _Formula(w, step, found, arrays).write()


class _Formula:
    """One layer that is written by its equation.

    Args:
        w: the model in the making.
        step: the layer's.
        found: what it computes.
        arrays: letter → what the array is called in the model.
    """

    def __init__(
        self, w: Writing, step: Step, found: GatheredSum, arrays: Mapping[str, str]
    ) -> None:
        self.w, self.step, self.found, self.arrays = w, step, found, arrays

    def write(self) -> None:
        """Append the nodes."""
        labels, terms = self.found.labels, self.found.terms
        if self.found.maximum:
            (factor,) = terms[0].factors
            read = self._gathered(factor, -np.inf)
            self._reduced("ReduceMax", read, factor.labels, terms[0].summed, end=True)
            return
        total = ""
        for place, term in enumerate(terms):
            last = place == len(terms) - 1
            product, along = self._product(term, end=last and not total)
            if len(terms) > 1:
                product = self._wide(product, along, labels)
                total = self._node("Add", [total, product], "sum", last) if total else product

    def _node(self, operator: str, read: Sequence[str], part: str, end: bool, **more: Any) -> str:
        """A node; with `end` it gives the layer's output."""
        names = [self._present(name) for name in read]
        return self.w.node(operator, self.step, names, part="" if end else part, **more)

    def _present(self, name: str) -> str:
        """An array's name; it is put into the model, if it is a parameter."""
        for side in (self.w.network.parameters, self.w.network.buffers):
            if name in side:
                self.w.array(name, side[name])
        return name

    def _product(self, term: GatheredTerm, *, end: bool) -> tuple[str, _Labels]:
        """One term, and the indices of its axes, in the result's order."""
        read = [(self._gathered(factor), factor.labels) for factor in term.factors]
        scaled = term.scale != 1 or not read
        along = [x for x in self.found.labels if any(x in labels for _, labels in read)]
        twice = any(len({*labels}) < len(labels) for _, labels in read)
        if not read:
            return self.w.constant(self.step, "number", term.scale), []
        last = end and not scaled
        if (term.summed and len(read) > 1) or twice:
            product = self._einsum(read, along, last)
        elif term.summed:
            ((name, labels),) = read
            product = self._reduced("ReduceSum", name, labels, term.summed, end=last)
        else:
            product = self._multiplied(read, along, last)
        if scaled:
            number = self.w.constant(self.step, "scale", term.scale)
            product = self._node("Mul", [product, number], "scaled", end)
        return product, along

    def _einsum(self, read: Sequence[tuple[str, _Labels]], along: _Labels, end: bool) -> str:
        known: dict[str, str] = {}
        for _, labels in read:
            for label in labels:
                known.setdefault(label, LETTERS[len(known)])
        sides = (",".join("".join(map(known.get, labels)) for _, labels in read), along)  # type: ignore[arg-type]
        equation = f"{sides[0]}->{''.join(known[label] for label in along)}"
        return self._node("Einsum", [name for name, _ in read], "product", end, equation=equation)

    def _reduced(
        self, operator: str, name: str, labels: _Labels, over: _Labels, *, end: bool
    ) -> str:
        """The sum or the maximum over some indices, the others in the result's order."""
        axes = [axis for axis, label in enumerate(labels) if label in over]
        left = [label for label in labels if label not in over]
        order = [left.index(label) for label in self.found.labels if label in left]
        turned = order != sorted(order)
        part = "reduced" if turned or not end else ""
        settings = {"axes": axes}
        found = self.w.told(
            operator, self.step, [self._present(name)], settings, part=part, keepdims=0
        )
        return self._node("Transpose", [found], "turned", end, perm=order) if turned else found

    def _multiplied(self, read: Sequence[tuple[str, _Labels]], along: _Labels, end: bool) -> str:
        """A product without a sum: arrays that lie along the same axes, element by element."""
        if len(read) == 1 and list(read[0][1]) == list(along):
            return self._node("Identity", [read[0][0]], "same", end) if end else read[0][0]
        if len(read) == 1:
            ((name, labels),) = read
            order = [labels.index(label) for label in along]
            return self._node("Transpose", [name], "turned", end, perm=order)
        found = ""
        for place, (name, labels) in enumerate(read):
            laid = self._wide(name, labels, along)
            last = end and place == len(read) - 1
            found = self._node("Mul", [found, laid], "product", last) if found else laid
        return found

    def _wide(self, name: str, labels: _Labels, along: _Labels) -> str:
        """An array along more axes: those that it has in their order, the others of one position.

        Axes before all that it has need not be there: ONNX counts from the end.
        """
        order = [list(labels).index(label) for label in along if label in labels]
        if order != sorted(order):
            name = self._node("Transpose", [name], "turned", False, perm=order)
        own = [label for label in along if label in labels]
        behind = list(along[along.index(own[0]) :]) if own else []
        if behind == own:
            return name
        sizes = [self.found.sizes[label] if label in own else 1 for label in behind]
        if behind[0] == self.found.labels[0]:  # the samples
            return self.w.reshaped(self.step, name, sizes[1:], part="wide")
        if name in self.w.network.parameters and order == sorted(order):
            return self.w.laid(self.step, name, sizes)
        target = self.w.integers(self.step, "wide.shape", sizes)
        return self._node("Reshape", [name, target], "wide", False)

    def _gathered(self, factor: GatheredFactor, outside: float = 0.0) -> str:
        """A factor with its function, and its rows where its indices lead."""
        w, step = self.w, self.step
        if factor.numbers is not None:
            return w.constant(step, factor.letter, factor.numbers)
        name = self.arrays[factor.letter]
        shape = w.shapes[name]
        if factor.function is not None or any(table is not None for table in factor.tables):
            self._present(name)
        if factor.function is not None:
            name = write_expression(w, step, factor.function.body, {"x": name}, called="function")
        tables = [*enumerate(factor.tables)]
        padded = [axis for axis, t in tables if t is not None and (t < 0).any()]
        if padded:
            pads = [0] * len(tables) + [int(axis in padded) for axis, _ in tables]
            settings = {"pads": pads, "value": outside}
            name = w.told("Pad", step, [name], settings, part="padded", mode="constant")
        for axis, table in reversed(tables):
            if table is not None:
                name = self._rows(factor, name, axis, np.where(table < 0, shape[axis], table))
        return name

    def _rows(self, factor: GatheredFactor, name: str, axis: int, table: np.ndarray) -> str:
        """Rows of an axis, as many axes of them as the table has."""
        w, step = self.w, self.step
        flat = table.reshape(-1) if table.ndim > 1 else table
        rows = w.integers(step, "rows", flat)
        name = w.node("Gather", step, [name, rows], part="gathered", axis=axis)
        if table.ndim < 2:
            return name
        # of sizes that are not gathered yet, those before the axis stay, and those behind are known
        before = [0] * axis
        behind = [self.found.sizes[label] for label in self._labels_behind(factor, axis)]
        target = w.integers(step, "rows.shape", [*before, *table.shape, *behind])
        return w.node("Reshape", step, [name, target], part="laid")

    @staticmethod
    def _labels_behind(factor: GatheredFactor, axis: int) -> _Labels:
        """The indices of the axes behind one of the array's."""
        counts = [1 if table is None else table.ndim for table in factor.tables]
        return factor.labels[sum(counts[: axis + 1]) :]
