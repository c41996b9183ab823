"""RMSprop and Adagrad: steps divided by the size of the gradients so far.

RMSprop   v ← α·v + (1 − α)·g²;  w ← w − lr·g/(√v + ε)
Adagrad   v ← v + g²;            w ← w − lr/(1 + (t − 1)·decay)·g/(√v + ε)
"""

from __future__ import annotations

from collections.abc import Mapping

from ..checking.arguments import flags
from ..checking.calls import call_example
from ..equation.scalar import Expression, Variable, sqrt
from ..errors import ArgumentError
from .optimizer import Groups, Optimizer, Rule, check_settings

w, g, v = Variable("weight"), Variable("gradient"), Variable("square")


@call_example("gt.RMSprop(0.01)")
class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of the gradient's square.

    Args:
        lr: the learning rate, above 0.
        alpha: α, how much of the mean is kept, at least 0 and below 1.
        eps: ε, above 0.
        weight_decay: λ, added to the gradient as λ·w; at least 0.
        momentum: μ, how much of the last step is kept; at least 0.
        centered: whether the square of the mean gradient is taken off the mean square.
        groups: patterns over names with settings of their own; see `Optimizer.take_groups`.
        decay_bias_and_norm: whether biases and norms have weight decay, too.

    Raises:
        ArgumentError: an argument out of its range.

    Source: G. Hinton, "Neural networks for machine learning", lecture 6e (2012).
    """

    settings_names = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered")

    def __init__(
        self,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        groups: Groups | None = None,
        decay_bias_and_norm: bool = True,
    ) -> None:
        super().__init__()
        least = {"alpha": alpha, "weight_decay": weight_decay, "momentum": momentum}
        check_settings("RMSprop", above={"lr": lr, "eps": eps}, least=least)
        flags("RMSprop", centered=centered)
        if alpha >= 1:
            raise ArgumentError(f"RMSprop: alpha must be at least 0 and below 1, got {alpha!r}")
        self.lr, self.alpha, self.eps = lr, alpha, eps
        self.weight_decay, self.momentum, self.centered = weight_decay, momentum, centered
        self.take_groups(groups, decay_bias_and_norm=decay_bias_and_norm)

    @property
    def rule(self) -> Rule:
        """See the class."""
        lr, alpha, eps, decay, momentum = map(
            Variable, ("lr", "alpha", "eps", "weight_decay", "momentum")
        )
        slope: Expression = g + decay * w if self.weight_decay else g
        assignments = [("square", alpha * v + (1 - alpha) * (slope * slope))]
        spread: Expression = v
        if self.centered:
            mean = Variable("mean")
            assignments.append(("mean", alpha * mean + (1 - alpha) * slope))
            spread = v - mean * mean
        step = slope / (sqrt(spread) + eps)
        if self.momentum:
            velocity = Variable("velocity")
            assignments.append(("velocity", momentum * velocity + step))
            step = velocity
        assignments.append(("weight", w - lr * step))
        return Rule(tuple(name for name, _ in assignments[:-1]), tuple(assignments))

    def scalars(self, step: int) -> Mapping[str, float]:
        """See `Optimizer.scalars`."""
        names = ("lr", "alpha", "eps", "weight_decay", "momentum")
        return {name: getattr(self, name) for name in names}


@call_example("gt.Adagrad(0.01)")
class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far.

    Args:
        lr: the learning rate, above 0.
        lr_decay: how much the rate falls with every step, at least 0.
        weight_decay: λ, added to the gradient as λ·w; at least 0.
        initial_accumulator_value: what the sum of squares begins with, at least 0.
        eps: ε, above 0.
        groups: patterns over names with settings of their own; see `Optimizer.take_groups`.
        decay_bias_and_norm: whether biases and norms have weight decay, too.

    Raises:
        ArgumentError: an argument out of its range.

    Source: J. Duchi et al., "Adaptive subgradient methods" (2011), figure 1.
    """

    settings_names = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def __init__(
        self,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        groups: Groups | None = None,
        decay_bias_and_norm: bool = True,
    ) -> None:
        super().__init__()
        least = {"lr_decay": lr_decay, "weight_decay": weight_decay}
        least["initial_accumulator_value"] = initial_accumulator_value
        check_settings("Adagrad", above={"lr": lr, "eps": eps}, least=least)
        self.lr, self.lr_decay, self.weight_decay, self.eps = lr, lr_decay, weight_decay, eps
        self.initial_accumulator_value = initial_accumulator_value
        self.take_groups(groups, decay_bias_and_norm=decay_bias_and_norm)

    @property
    def rule(self) -> Rule:
        """See the class; what is remembered is the sum above its first value."""
        rate, eps, decay, first = map(Variable, ("rate", "eps", "weight_decay", "first"))
        slope: Expression = g + decay * w if self.weight_decay else g
        size = sqrt(v + first) if self.initial_accumulator_value else sqrt(v)
        step = rate * (slope / (size + eps))
        return Rule(("square",), (("square", v + slope * slope), ("weight", w - step)))

    def scalars(self, step: int) -> Mapping[str, float]:
        """See `Optimizer.scalars`; the rate of the step."""
        return {
            "rate": self.lr / (1 + (step - 1) * self.lr_decay),
            "eps": self.eps,
            "weight_decay": self.weight_decay,
            "first": self.initial_accumulator_value,
        }
