"""An optimiser's rule with more around it: gradients clipped before, weights averaged behind.

Both are a few more assignments in the same list, so every engine has them without further code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

import numpy as np

from ..equation.scalar import Expression, Literal, Variable, maximum, where
from .optimizer import Memory, Optimizer, ParameterGroup, Rule

if TYPE_CHECKING:
    from ..graph import Graph

AVERAGE = "average"
"""The name of the averages among what a rule remembers."""

_TINY = 1e-6  # as in PyTorch's clip_grad_norm_

g, w = Variable("gradient"), Variable("weight")


@final
class Composed(Optimizer):
    """Another optimiser's rule, with clipping and averaging.

    Gradients are clipped by value or by norm:
        gradient ← min(max(gradient, −clip_value), clip_value)
        gradient ← gradient·min(1, clip_norm/(norm + 10⁻⁶))
    and behind each step, in the average over all steps that halves its memory again and again,
        average ← decay·average + (1 − decay)·weight
    which begins at 0 and is divided by 1 − decayᵗ when it is read.

    Args:
        optimizer: whose rule it is.
        clip_norm: the greatest length of all gradients together, above 0; None for any.
        clip_value: the greatest size of a gradient's element, above 0; None for any. Not with
            `clip_norm`.
        decay: of the averages, above 0 and below 1; None for none.

    Source: R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural
        networks" (2013), algorithm 1, for the norm; B. Polyak and A. Juditsky, "Acceleration of
        stochastic approximation by averaging" (1992), for the averages.
    """

    settings_names = ()

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        decay: float | None = None,
    ) -> None:
        super().__init__()
        self.optimizer, self.decay = optimizer, decay
        self.clip_norm, self.clip_value = clip_norm, clip_value

    @property
    def lr(self) -> float:
        """The learning rate of the optimiser inside."""
        return self.optimizer.lr

    @lr.setter
    def lr(self, rate: float) -> None:
        self.optimizer.lr = rate

    def grouped(self, network: Graph) -> tuple[ParameterGroup, ...]:
        """Those of the optimiser inside."""
        return self.optimizer.grouped(network)

    def within(self, group: ParameterGroup) -> Optimizer:
        """See `Optimizer.within`; what is around is the same for all."""
        if not group.settings:
            return self
        return Composed(
            self.optimizer.within(group),
            clip_norm=self.clip_norm,
            clip_value=self.clip_value,
            decay=self.decay,
        )

    def take_settings(self, other: Optimizer) -> None:
        """Those of the optimiser inside."""
        self.optimizer.take_settings(other)

    @property
    def rule(self) -> Rule:
        """See the class."""
        inner = self.optimizer.rule
        before: list[tuple[str, Expression]] = []
        if self.clip_value is not None:
            limit = Variable("clip_value")
            before.append(("gradient", -maximum(-maximum(g, -limit), -limit)))
        if self.clip_norm is not None:
            share = Variable("clip_norm") / (Variable("norm") + _TINY)
            before.append(("gradient", g * where(share - 1.0, Literal(1.0), share)))
        behind: list[tuple[str, Expression]] = []
        if self.decay is not None:
            decay = Variable("decay")
            behind.append((AVERAGE, decay * Variable(AVERAGE) + (1 - decay) * w))
        return Rule(
            (*inner.state, *(name for name, _ in behind)),
            (*before, *inner.assignments, *behind),
            norm=inner.norm or self.clip_norm is not None,
        )

    def scalars(self, step: int) -> Mapping[str, float]:
        """See `Optimizer.scalars`."""
        own = {"clip_norm": self.clip_norm, "clip_value": self.clip_value, "decay": self.decay}
        given = {name: value for name, value in own.items() if value is not None}
        return {**self.optimizer.scalars(step), **given}

    def remembered(self, network: Graph) -> Memory:
        """See `Optimizer.remembered`: the inner optimiser's arrays, and the averages."""
        step, inner = self.optimizer.remembered(network)
        own = super().remembered(network).arrays
        names = inner.keys() | own.keys()
        arrays = {name: {**inner.get(name, {}), **own.get(name, {})} for name in names}
        return Memory(step, arrays)

    def remember(
        self, network: Graph, step: int, arrays: Mapping[str, Mapping[str, np.ndarray]]
    ) -> None:
        """See `Optimizer.remember`: each part where it belongs."""
        inner, own = {}, {}
        for name, state in arrays.items():
            inner[name] = {kind: a for kind, a in state.items() if kind != AVERAGE}
            own[name] = {kind: a for kind, a in state.items() if kind == AVERAGE}
        self.optimizer.remember(network, step, inner)
        super().remember(network, step, own)

    def averages(self, network: Graph, steps: int) -> dict[str, np.ndarray]:
        """The averaged weights, by parameter.

        Args:
            network: that was trained.
            steps: over how many steps, at least 1.
        """
        assert self.decay is not None
        held = super().remembered(network).arrays
        share = 1 - self.decay**steps
        return {name: state[AVERAGE] / share for name, state in held.items()}
