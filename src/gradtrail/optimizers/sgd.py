"""Stochastic gradient descent.

v ← μ·v + g;  w ← w − lr·v           (Nesterov: w ← w − lr·(g + μ·v))
"""

from __future__ import annotations

from collections.abc import Mapping

from ..checking.calls import call_example
from ..equation.scalar import Expression, Variable
from ..errors import ArgumentError
from .optimizer import Groups, Optimizer, Rule, check_settings

w, g = Variable("weight"), Variable("gradient")


@call_example("gt.SGD(0.1, momentum=0.9)")
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's variant.

    Args:
        lr: the learning rate, above 0.
        momentum: μ, how much of the last step is kept; at least 0.
        nesterov: whether to look ahead along the momentum.
        weight_decay: λ, added to the gradient as λ·w; at least 0.
        groups: patterns over names with settings of their own; see `Optimizer.take_groups`.
        decay_bias_and_norm: whether biases and norms have weight decay, too.

    Raises:
        ArgumentError: an argument out of its range.

    Source: I. Sutskever et al., "On the importance of initialization and momentum" (2013).
    """

    settings_names = ("lr", "momentum", "nesterov", "weight_decay")

    def __init__(
        self,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        groups: Groups | None = None,
        decay_bias_and_norm: bool = True,
    ) -> None:
        super().__init__()
        check_settings(
            "SGD", above={"lr": lr}, least={"momentum": momentum, "weight_decay": weight_decay}
        )
        if nesterov and momentum == 0:
            raise ArgumentError("SGD: nesterov=True looks ahead along the momentum; set momentum")
        self.lr, self.momentum = lr, momentum
        self.nesterov, self.weight_decay = nesterov, weight_decay
        self.take_groups(groups, decay_bias_and_norm=decay_bias_and_norm)

    @property
    def rule(self) -> Rule:
        """See the class."""
        lr, momentum = Variable("lr"), Variable("momentum")
        slope: Expression = g + Variable("weight_decay") * w if self.weight_decay else g
        if not self.momentum:
            return Rule((), (("weight", w - lr * slope),))
        velocity = Variable("velocity")
        ahead: Expression = slope + momentum * velocity if self.nesterov else velocity
        kept = ("velocity", momentum * velocity + slope)
        return Rule(("velocity",), (kept, ("weight", w - lr * ahead)))

    def scalars(self, step: int) -> Mapping[str, float]:
        """See `Optimizer.scalars`."""
        return {"lr": self.lr, "momentum": self.momentum, "weight_decay": self.weight_decay}
