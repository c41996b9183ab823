"""Adam and AdamW.

Adam    m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;  w ← w − lr·m̂/(√v̂ + ε)
AdamW   w ← w − lr·λ·w, then Adam
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import ClassVar

from ..checking.calls import call_example
from ..equation.scalar import Expression, Variable, sqrt
from ..errors import ArgumentError
from .optimizer import Groups, Optimizer, Rule, check_settings

w, g, m, v = map(Variable, ("weight", "gradient", "mean", "square"))


@call_example("gt.Adam(0.001)")
class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square.

    Args:
        lr: the learning rate, above 0.
        betas: β₁ and β₂, at least 0 and below 1.
        eps: ε, above 0.
        weight_decay: λ, added to the gradient as λ·w; at least 0.
        groups: patterns over names with settings of their own; see `Optimizer.take_groups`.
        decay_bias_and_norm: whether biases and norms have weight decay, too.

    Raises:
        ArgumentError: an argument out of its range.

    Source: D. Kingma and J. Ba, "Adam" (2014), algorithm 1.
    """

    settings_names: ClassVar[tuple[str, ...]] = ("lr", "betas", "eps", "weight_decay")
    decoupled: ClassVar[bool] = False

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        groups: Groups | None = None,
        decay_bias_and_norm: bool = True,
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        check_settings(kind, above={"lr": lr, "eps": eps}, least={"weight_decay": weight_decay})
        two = isinstance(betas, Sequence) and len(betas) == 2
        if not two or not all(isinstance(b, Real) and 0 <= b < 1 for b in betas):
            raise ArgumentError(
                f"{kind}: betas must be two numbers from 0 to below 1, got {betas!r}"
            )
        self.lr, self.eps, self.weight_decay = lr, eps, weight_decay
        self.betas = (float(betas[0]), float(betas[1]))
        self.take_groups(groups, decay_bias_and_norm=decay_bias_and_norm)

    @property
    def rule(self) -> Rule:
        """See the class."""
        names = ("lr", "beta1", "beta2", "eps", "weight_decay", "bias1", "bias2")
        lr, beta1, beta2, eps, decay, bias1, bias2 = map(Variable, names)
        slope: Expression = g
        assignments: list[tuple[str, Expression]] = []
        if self.weight_decay and self.decoupled:
            assignments.append(("weight", w - lr * decay * w))
        elif self.weight_decay:
            slope = g + decay * w
        assignments += [
            ("mean", beta1 * m + (1 - beta1) * slope),
            ("square", beta2 * v + (1 - beta2) * (slope * slope)),
            ("weight", w - (lr / bias1) * (m / (sqrt(v) / sqrt(bias2) + eps))),
        ]
        return Rule(("mean", "square"), tuple(assignments))

    def scalars(self, step: int) -> Mapping[str, float]:
        """See `Optimizer.scalars`; the biases of means that started at 0."""
        beta1, beta2 = self.betas
        return {
            "lr": self.lr,
            "beta1": beta1,
            "beta2": beta2,
            "eps": self.eps,
            "weight_decay": self.weight_decay,
            "bias1": 1 - beta1**step,
            "bias2": 1 - beta2**step,
        }


@call_example("gt.AdamW(0.001)")
class AdamW(Adam):
    """Adam with weight decay apart from the gradient.

    Args:
        lr: the learning rate, above 0.
        betas: β₁ and β₂, at least 0 and below 1.
        eps: ε, above 0.
        weight_decay: λ, taken off each weight as lr·λ·w; at least 0.
        groups: patterns over names with settings of their own; see `Optimizer.take_groups`.
        decay_bias_and_norm: whether biases and norms have weight decay, too.

    Raises:
        ArgumentError: an argument out of its range.

    Source: I. Loshchilov and F. Hutter, "Decoupled weight decay regularization" (2017), alg. 2.
    """

    decoupled: ClassVar[bool] = True

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        groups: Groups | None = None,
        decay_bias_and_norm: bool = True,
    ) -> None:
        super().__init__(
            lr, betas, eps, weight_decay, groups=groups, decay_bias_and_norm=decay_bias_and_norm
        )
