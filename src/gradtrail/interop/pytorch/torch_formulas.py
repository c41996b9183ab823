"""Layers that are a formula of their own, as calls of PyTorch: rows taken, then `einsum`.

What has no module and no line is written by its equation, where that is a sum of products or a
maximum over windows; its parameters lie in a `ParameterDict`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ...layers.layer import Declaration
from ...layers.steps import Step
from ..gathered_sums import LETTERS, GatheredFactor, GatheredSum, GatheredTerm, gathered_sum
from .torch_calls import ForwardCall, greatest
from .torch_expressions import expression_call

_Labels = Sequence[str]


def declared(step: Step, shapes: Sequence[tuple[int, ...]]) -> Declaration:
    """A layer's equation for one sample's shapes."""
    return step.layer.declare(*((1, *shape) for shape in shapes), training=False)


def equation_call(
    step: Step, sources: Sequence[ForwardCall], shapes: Sequence[tuple[int, ...]]
) -> ForwardCall:
    """What a layer's equation is in `forward`.

    Raises:
        ArgumentError: it cannot be written.
    """
    found = declared(step, shapes)
    try:
        gathered = gathered_sum(found.equation)
    except ArgumentError as cause:
        raise ArgumentError(
            f"PyTorch has no module for {step.layer.kind}, and {cause}: give layer {step.name!r} "
            "another layer's place, or write it as gt.Equation"
        ) from None
    if found.buffers:
        raise ArgumentError(
            f"PyTorch has no module for {step.layer.kind}, whose running statistics nothing would "
            f"move; put another layer in the place of {step.name!r}"
        )
    arrays = dict(zip(found.sources, sources, strict=True))
    for letter, parameter in found.parameters.items():
        arrays[letter] = ForwardCall("get_attr", f"{step.owner}.{parameter.name}", ())
    ranks = {letter: len(shape) for letter, shape in found.equation.shapes}
    return _Formula(gathered, arrays, ranks).call(step.name)


def _function(target: str, *arguments: Any, name: str | None = None) -> ForwardCall:
    return ForwardCall("call_function", target, arguments, name)


class _Formula:
    """One layer's equation as calls.

    Args:
        found: what it computes.
        arrays: letter → what stands for it.
        ranks: letter → how many axes it has.
    """

    def __init__(
        self, found: GatheredSum, arrays: Mapping[str, ForwardCall], ranks: Mapping[str, int]
    ) -> None:
        self.found, self.arrays, self.ranks = found, arrays, ranks

    def call(self, name: str) -> ForwardCall:
        """The whole, called so."""
        found = self.found
        if found.maximum:
            return self._greatest(found.terms[0], name)
        total: ForwardCall | None = None
        for place, term in enumerate(found.terms):
            last = name if place == len(found.terms) - 1 else None
            if total is None:
                total = self._product(term, last)
            else:
                total = _function("operator.add", total, self._product(term, None), name=last)
        assert total is not None
        return total

    def _greatest(self, term: GatheredTerm, name: str) -> ForwardCall:
        """The first maximum over a window: the innermost index first."""
        (factor,) = term.factors
        best, left = self._gathered(factor, -np.inf), list(factor.labels)
        for label in reversed(term.summed):
            best = greatest(best, left.index(label), False, None)
            left.remove(label)
        order = [left.index(label) for label in self.found.labels]
        return ForwardCall("call_method", "permute", (best, *order), name)

    def _product(self, term: GatheredTerm, name: str | None) -> Any:
        """One term, along axes that end with those of the result."""
        if not term.factors:
            return term.scale
        read = [(self._gathered(factor), factor.labels) for factor in term.factors]
        along = [x for x in self.found.labels if any(x in labels for _, labels in read)]
        scaled = term.scale != 1
        wide = self._behind(along)
        inner = name if not scaled and len(wide) == len(along) else None
        (first, labels), *others = read
        if not others and list(labels) == along and inner is None:
            product = first
        else:
            equation = self._einsum([labels for _, labels in read], along)
            product = _function("torch.einsum", equation, *(call for call, _ in read), name=inner)
        if len(wide) > len(along):
            own = [self.found.sizes[label] if label in along else 1 for label in wide]
            sizes = [-1, *own[1:]] if wide[0] == self.found.labels[0] else own
            last = None if scaled else name
            product = ForwardCall("call_method", "reshape", (product, *sizes), last)
        return _function("operator.mul", product, term.scale, name=name) if scaled else product

    def _behind(self, along: _Labels) -> _Labels:
        """The indices of the result from the first on that a term has: PyTorch counts so, too."""
        labels = self.found.labels
        return labels[labels.index(along[0]) :] if along else []

    @staticmethod
    def _einsum(read: Sequence[_Labels], along: _Labels) -> str:
        known: dict[str, str] = {}
        for labels in read:
            for label in labels:
                known.setdefault(label, LETTERS[len(known)])
        sides = [",".join("".join(known[x] for x in labels) for labels in read)]
        return "->".join([*sides, "".join(known[x] for x in along)])

    def _gathered(self, factor: GatheredFactor, outside: float = 0.0) -> ForwardCall:
        """A factor with its function, and its rows where its indices lead."""
        if factor.numbers is not None:
            like = self.arrays[next(iter(self.arrays))]
            return ForwardCall("call_method", "new_tensor", (like, factor.numbers.tolist()))
        found = self.arrays[factor.letter]
        if factor.function is not None:
            found = expression_call(factor.function.body, {"x": found}, None)
        tables = [*enumerate(factor.tables)]
        padded = [axis for axis, t in tables if t is not None and (t < 0).any()]
        if padded:  # one row behind each axis, which is the last: −1
            from_first = reversed(range(padded[0], len(tables)))
            sides = [side for axis in from_first for side in (0, int(axis in padded))]
            fill = () if outside == 0 else ("constant", outside)
            found = _function("torch.nn.functional.pad", found, sides, *fill)
        for axis, table in reversed(tables):
            if table is not None:
                part = (*[slice(None)] * axis, table.tolist())
                found = _function("operator.getitem", found, part)
        return found
