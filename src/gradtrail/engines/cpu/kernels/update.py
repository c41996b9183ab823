"""The end of a step: every weight moved by the optimiser's rule.

What the rule changes goes to new arrays; where anything is not finite a flag is set, and the new
arrays are not used.
"""

from __future__ import annotations

from ....equation.frozen import frozen
from ....equation.scalar import Call, Expression, Literal, Variable
from ..builder import Code
from ..frame import Slot
from ..ir_types import P, Value
from ..vector_math import compile_expression
from .finite import flag_unless_finite
from .kernel import Kernel
from .walking import each_of_chunk


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


@frozen
class Update(Kernel):
    """The optimiser's rule. Arguments: weights, gradients, new weights, state, new state.

    Args:
        assignments: the rule's, from `fold_scalars`.
        state: the names of what is remembered; their arrays lie one after another.
        scalars: how many numbers the step gives.
        length: of each array, in numbers.
        clears: whether the gradients are set to zero, for the blocks of the next step to add to.
        first: how many of the step's numbers come before these: those of other parameters.
    """

    assignments: tuple[tuple[str, Expression], ...]
    state: tuple[str, ...]
    scalars: int
    length: int
    clears: bool = True
    first: int = 0

    def lines(self) -> list[str]:
        """See `Kernel.lines`."""
        return ["for each parameter:", *(f"    {n} ← {e}" for n, e in self.assignments)]

    def write(self, code: Code) -> None:
        """See `Kernel.write`."""
        held = code.frame(Slot.SCALARS, P)
        known = {
            f"s{i}": code.spread(code.at(held, 4 * (self.first + i))) for i in range(self.scalars)
        }
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

        each_of_chunk(code, move)
