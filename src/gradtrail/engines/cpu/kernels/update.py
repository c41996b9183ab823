"""The end of a step: the groups' gradients added, and every weight moved by the optimiser's rule.

The sums of the groups are added as a tree that their number alone determines. What the rule changes
goes to new arrays; where anything is not finite a flag is set, and the new arrays are not used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ....equation.frozen import frozen
from ....equation.scalar import Call, Expression, Literal, Variable
from ..builder import Code, P, Value
from ..frame import Slot
from ..vector_math import compile_expression
from .finite import flag_unless_finite
from .kernel import Kernel

_Part = TypeVar("_Part")


def fold_scalars(
    assignments: tuple[tuple[str, Expression], ...], arrays: frozenset[str]
) -> tuple[tuple[tuple[str, Expression], ...], tuple[Expression, ...]]:
    """A rule with everything that holds for a whole step taken out.

    Args:
        assignments: the rule's.
        arrays: the names that differ from weight to weight.

    Returns:
        The assignments with variables `s0, s1, …` in place of the greatest expressions without any
        of `arrays`; and those expressions, to be evaluated once a step in float64.
    """
    scalars: dict[Expression, str] = {}

    def reads_arrays(part: Expression) -> bool:
        if isinstance(part, Variable):
            return part.name in arrays
        return isinstance(part, Call) and any(map(reads_arrays, part.arguments))

    def fold(part: Expression) -> Expression:
        if isinstance(part, Literal):
            return part
        if not reads_arrays(part):
            return Variable(scalars.setdefault(part, f"s{len(scalars)}"))
        if isinstance(part, Call):
            return Call(part.operation, tuple(map(fold, part.arguments)))
        return part

    changed = tuple((name, fold(expression)) for name, expression in assignments)
    return changed, tuple(scalars)


def _each(code: Code, step: Callable[[Value], None]) -> None:
    """Over the chunk's numbers, a register at a time; gives the offset in bytes."""
    with code.loop("p", code.frame(Slot.STOP), code.frame(Slot.START), code.width) as p:
        step(code.mul_index(p, 4))


@frozen
class SumGroups(Kernel):
    """Adds the groups' gradients into the first group's. Argument: the gradients of group 0.

    Args:
        groups: how many.
    """

    groups: int

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        names = [f"dW{group}" for group in range(self.groups)]
        tree = join_pairs(names, lambda a, b: f"({a} + {b})")
        return [f"for each parameter: dW = {tree.removeprefix('(').removesuffix(')')}"]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        stride = code.frame(Slot.GRADIENTS_STRIDE)
        bases = [code.argument(0)]
        for _ in range(self.groups - 1):
            bases.append(code.at(bases[-1], stride))

        def add(offset: Value) -> None:
            values = [code.load(code.at(b, offset)) for b in bases]
            code.store(join_pairs(values, code.add), code.at(bases[0], offset))
            for base in bases[1:]:  # for the next step
                code.store(code.number(0.0), code.at(base, offset))

        if self.groups > 1:
            _each(code, add)


def join_pairs(parts: list[_Part], join: Callable[[_Part, _Part], _Part]) -> _Part:
    """All parts as one, in a tree that their number alone determines: neighbours, then pairs."""
    while len(parts) > 1:
        pairs = [join(a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)]
        parts = pairs + ([parts[-1]] if len(parts) % 2 else [])
    return parts[0]


@frozen
class Update(Kernel):
    """The optimiser's rule. Arguments: weights, gradients, new weights, state, new state.

    Args:
        assignments: the rule's, from `fold_scalars`.
        state: the names of what is remembered; their arrays lie one after another.
        scalars: how many numbers the step gives.
        length: of each array, in numbers.
        clears: whether the gradients are set to zero, for the blocks of the next step to add to.
    """

    assignments: tuple[tuple[str, Expression], ...]
    state: tuple[str, ...]
    scalars: int
    length: int
    clears: bool = True

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["for each parameter:", *(f"    {n} ← {e}" for n, e in self.assignments)]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        held = code.frame(Slot.SCALARS, P)
        known = {f"s{i}": code.spread(code.at(held, 4 * i)) for i in range(self.scalars)}
        weights, gradients, new_weights, state, new_state = (code.argument(i) for i in range(5))
        size = self.length * 4

        def move(offset: Value) -> None:
            values: dict[str, Value] = dict(known)
            values["weight"] = code.load(code.at(weights, offset))
            values["gradient"] = code.load(code.at(gradients, offset))
            for place, name in enumerate(self.state):
                values[name] = code.load(code.at(code.at(state, place * size), offset))
            if self.clears:
                code.store(code.number(0.0), code.at(gradients, offset))
            checked = [values["gradient"]]
            for name, expression in self.assignments:
                values[name] = compile_expression(code, expression, values)
            code.store(values["weight"], code.at(new_weights, offset))
            checked.append(values["weight"])
            for place, name in enumerate(self.state):
                code.store(values[name], code.at(code.at(new_state, place * size), offset))
                checked.append(values[name])
            flag_unless_finite(code, checked)

        _each(code, move)
