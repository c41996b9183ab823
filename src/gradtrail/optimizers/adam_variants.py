"""NAdam, which looks ahead along Adam's mean, RAdam, which trusts its square later, and Lion.

NAdam   w ← w − lr·((1 − μₜ)/(1 − Πμ)·g + μₜ₊₁/(1 − Πμ·μₜ₊₁)·m)/(√v̂ + ε)
RAdam   w ← w − lr·m̂·rₜ/(√v̂ + ε), and while rₜ is none w ← w − lr·m̂
Lion    w ← w − lr·(sign(β₁·m + (1 − β₁)·g) + λ·w);  m ← β₂·m + (1 − β₂)·g
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..checking.arguments import flags
from ..checking.calls import call_example
from ..equation.scalar import Expression, Variable, sign, sqrt, where
from .adam import Adam
from .optimizer import Groups, Rule, check_settings

w, g, m, v = map(Variable, ("weight", "gradient", "mean", "square"))
lr, beta1, beta2, eps, decay = map(Variable, ("lr", "beta1", "beta2", "eps", "weight_decay"))

_SHRUNK = 1000
"""Behind so many steps the product of NAdam's factors, each below 1, is as good as 0."""


def _slope(optimizer: Adam) -> tuple[list[tuple[str, Expression]], Expression]:
    """Weight decay, apart from the gradient or within it, and the gradient then."""
    if optimizer.weight_decay and optimizer.decoupled:
        return [("weight", w - lr * decay * w)], g
    return [], g + decay * w if optimizer.weight_decay else g


@call_example("gt.NAdam(0.002)")
class NAdam(Adam):
    """Adam with Nesterov's look ahead.

    Args:
        lr: the learning rate, above 0.
        betas: β₁ and β₂, at least 0 and below 1.
        eps: ε, above 0.
        weight_decay: λ, added to the gradient as λ·w; at least 0.
        momentum_decay: how fast β₁ comes into its own, at least 0.
        decoupled_weight_decay: whether weight decay is apart from the gradient, as in AdamW.
        groups: patterns over names with settings of their own; see `Optimizer.take_groups`.
        decay_bias_and_norm: whether biases and norms have weight decay, too.

    Raises:
        ArgumentError: an argument out of its range.

    Source: T. Dozat, "Incorporating Nesterov momentum into Adam" (2016), algorithm 2.
    """

    settings_names = (*Adam.settings_names, "momentum_decay", "decoupled_weight_decay")

    def __init__(
        self,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        groups: Groups | None = None,
        decay_bias_and_norm: bool = True,
    ) -> None:
        check_settings("NAdam", above={}, least={"momentum_decay": momentum_decay})
        flags("NAdam", decoupled_weight_decay=decoupled_weight_decay)
        self.momentum_decay = momentum_decay
        self.decoupled_weight_decay = decoupled_weight_decay
        super().__init__(
            *(lr, betas, eps, weight_decay),
            groups=groups,
            decay_bias_and_norm=decay_bias_and_norm,
        )

    @property
    def rule(self) -> Rule:
        """See the class."""
        now, ahead, bias2 = map(Variable, ("now", "ahead", "bias2"))
        before, slope = _slope(self)
        size = sqrt(v / bias2) + eps
        assignments = [
            *before,
            ("mean", beta1 * m + (1 - beta1) * slope),
            ("square", beta2 * v + (1 - beta2) * (slope * slope)),
            ("weight", w - (lr * now) * (slope / size) - (lr * ahead) * (m / size)),
        ]
        return Rule(("mean", "square"), tuple(assignments))

    def scalars(self, step: int) -> Mapping[str, float]:
        """See `Optimizer.scalars`; what the gradient and the mean count."""
        own, following = self._factor(step), self._factor(step + 1)
        product = 0.0
        if step <= _SHRUNK:
            product = math.prod(map(self._factor, range(1, step + 1)))
        return {
            **super().scalars(step),
            "now": (1 - own) / (1 - product),
            "ahead": following / (1 - product * following),
        }

    def _factor(self, step: int) -> float:
        """μ of a step."""
        return float(self.betas[0] * (1 - 0.5 * 0.96 ** (step * self.momentum_decay)))

    @property
    def decoupled(self) -> bool:  # type: ignore[override]
        """Whether weight decay is apart from the gradient."""
        return self.decoupled_weight_decay


@call_example("gt.RAdam(0.001)")
class RAdam(Adam):
    """Adam that goes without its mean square until enough steps make that known.

    Args:
        lr: the learning rate, above 0.
        betas: β₁ and β₂, at least 0 and below 1.
        eps: ε, above 0.
        weight_decay: λ, added to the gradient as λ·w; at least 0.
        decoupled_weight_decay: whether weight decay is apart from the gradient, as in AdamW.
        groups: patterns over names with settings of their own; see `Optimizer.take_groups`.
        decay_bias_and_norm: whether biases and norms have weight decay, too.

    Raises:
        ArgumentError: an argument out of its range.

    Source: L. Liu et al., "On the variance of the adaptive learning rate and beyond" (2019),
        algorithm 2.
    """

    settings_names = (*Adam.settings_names, "decoupled_weight_decay")

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        groups: Groups | None = None,
        decay_bias_and_norm: bool = True,
    ) -> None:
        flags("RAdam", decoupled_weight_decay=decoupled_weight_decay)
        self.decoupled_weight_decay = decoupled_weight_decay
        super().__init__(
            *(lr, betas, eps, weight_decay),
            groups=groups,
            decay_bias_and_norm=decay_bias_and_norm,
        )

    @property
    def rule(self) -> Rule:
        """See the class."""
        bias1, bias2, share = map(Variable, ("bias1", "bias2", "share"))
        before, slope = _slope(self)
        adapted = where(share, share * (sqrt(bias2) / (sqrt(v) + eps)), 1.0)
        assignments = [
            *before,
            ("mean", beta1 * m + (1 - beta1) * slope),
            ("square", beta2 * v + (1 - beta2) * (slope * slope)),
            ("weight", w - (lr / bias1) * (m * adapted)),
        ]
        return Rule(("mean", "square"), tuple(assignments))

    def scalars(self, step: int) -> Mapping[str, float]:
        """See `Optimizer.scalars`; rₜ, 0 while there is none."""
        beta = self.betas[1]
        most = 2 / (1 - beta) - 1
        length = most - 2 * step * beta**step / (1 - beta**step)
        share = 0.0
        if length > 5:
            counted = (length - 4) * (length - 2) * most
            share = math.sqrt(counted / ((most - 4) * (most - 2) * length))
        return {**super().scalars(step), "share": share}

    @property
    def decoupled(self) -> bool:  # type: ignore[override]
        """Whether weight decay is apart from the gradient."""
        return self.decoupled_weight_decay


@call_example("gt.Lion(0.0001)")
class Lion(Adam):
    """Steps of one size, in the direction of a mean's sign.

    Args:
        lr: the learning rate, above 0; a third to a tenth of AdamW's.
        betas: β₁ and β₂, at least 0 and below 1.
        weight_decay: λ, taken off each weight as lr·λ·w; at least 0.
        groups: patterns over names with settings of their own; see `Optimizer.take_groups`.
        decay_bias_and_norm: whether biases and norms have weight decay, too.

    Raises:
        ArgumentError: an argument out of its range.

    Source: X. Chen et al., "Symbolic discovery of optimization algorithms" (2023), program 1.
    """

    settings_names = ("lr", "betas", "weight_decay")

    def __init__(
        self,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        groups: Groups | None = None,
        decay_bias_and_norm: bool = True,
    ) -> None:
        super().__init__(
            lr,
            betas,
            weight_decay=weight_decay,
            groups=groups,
            decay_bias_and_norm=decay_bias_and_norm,
        )

    @property
    def rule(self) -> Rule:
        """See the class."""
        moved: Expression = sign(beta1 * m + (1 - beta1) * g)
        moved = moved + decay * w if self.weight_decay else moved
        return Rule(("mean",), (("weight", w - lr * moved), ("mean", beta2 * m + (1 - beta2) * g)))
