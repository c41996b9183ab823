"""Optimisers: an update rule as expressions over a weight, its gradient and what is remembered.

    SGD     v ← μ·v + g;  w ← w − lr·v           (Nesterov: w ← w − lr·(g + μ·v))
    Adam    m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;  w ← w − lr·m̂/(√v̂ + ε)
    AdamW   w ← w − lr·λ·w, then Adam

The rules and defaults are PyTorch's. An engine may compile the expressions; `apply` evaluates them
in NumPy.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self
from weakref import WeakKeyDictionary

import numpy as np

from ..arrays.operations import OPERATIONS
from ..checking.calls import call_example, in_short
from ..equation.frozen import frozen
from ..equation.scalar import Expression, Variable, evaluate_scalar, sqrt
from ..errors import ArgumentError, ShapeError, UnknownNameError
from ..layers.layer import as_json

if TYPE_CHECKING:
    from ..graph import Graph

__all__ = ["Adam", "AdamW", "Optimizer", "Rule", "SGD"]

w, g, m, v = map(Variable, ("weight", "gradient", "mean", "square"))


@frozen
class Rule:
    """One update of one weight.

    Args:
        state: the arrays remembered per weight, zero at the start.
        assignments: (name, expression) in order; names are `gradient`, `weight` and those of the
            state. The expressions read these, the step's scalars, and `norm`.
        norm: whether they read `norm`: the length of all parameters' gradients taken together.
    """

    state: tuple[str, ...]
    assignments: tuple[tuple[str, Expression], ...]
    norm: bool = False


class Optimizer(ABC):
    """The base of the optimisers. What is remembered is kept per network."""

    settings_names: ClassVar[tuple[str, ...]]

    lr: float

    def __init__(self) -> None:
        self._memories: WeakKeyDictionary[Graph, _Memory] = WeakKeyDictionary()

    @property
    @abstractmethod
    def rule(self) -> Rule:
        """The update rule for the present settings."""

    @abstractmethod
    def scalars(self, step: int) -> Mapping[str, float]:
        """The numbers of one step, the first being 1, that the rule's expressions name."""

    def update(self, network: Graph, gradients: Mapping[str, Any]) -> None:
        """Change the network's parameters by one step.

        Args:
            network: whose parameters are changed.
            gradients: of every parameter by name, such as `t.grad`; further names are ignored.

        Raises:
            UnknownNameError: a parameter without gradient; nothing was changed.
            ShapeError: a gradient of another shape; nothing was changed.
        """
        known = {name: np.asarray(gradients[name]) for name in _all(network, gradients)}
        for name, gradient in known.items():
            if gradient.shape != network.parameters[name].shape:
                raise ShapeError(
                    f"the gradient of {name} has shape {gradient.shape}, but the parameter "
                    f"{network.parameters[name].shape}"
                )
        self.apply(network, network.parameters, known)

    @np.errstate(all="ignore")
    def apply(
        self,
        network: Graph,
        weights: Mapping[str, np.ndarray],
        gradients: Mapping[str, np.ndarray],
    ) -> None:
        """`update` on arrays that stand for the network's parameters, in place.

        What leaves their dtype's range becomes ∞ without NumPy's warnings, as on the CPU engine.
        """
        step, held = self.remembered(network)
        rule, scalars = self.rule, dict(self.scalars(step + 1))
        if rule.norm:
            scalars["norm"] = float(np.sqrt(sum(_square(gradients[name]) for name in weights)))
        states: dict[str, dict[str, np.ndarray]] = {}
        for name, weight in weights.items():
            before = held.get(name, {})
            values: dict[str, Any] = {
                a: before.get(a, np.zeros(weight.shape, weight.dtype)) for a in rule.state
            }
            values |= {**scalars, "weight": weight}
            values["gradient"] = gradients[name].astype(weight.dtype)
            for assigned, expression in rule.assignments:
                result = evaluate_scalar(expression, values, OPERATIONS)
                values[assigned] = np.asarray(result, dtype=weight.dtype)
            states[name] = {a: values[a] for a in ("weight", *rule.state)}
        # all is computed: from here on nothing can fail halfway
        for name, weight in weights.items():
            weight[...] = states[name].pop("weight")
        self.remember(network, step + 1, states)

    def remembered(self, network: Graph) -> tuple[int, Mapping[str, Mapping[str, np.ndarray]]]:
        """How many steps a network was moved, and per parameter the arrays of the rule's state."""
        memory = self._memories.get(network, _Memory())
        return memory.step, memory.arrays

    def remember(
        self, network: Graph, step: int, arrays: Mapping[str, Mapping[str, np.ndarray]]
    ) -> None:
        """Go on from here: what `remembered` gave, or what an engine moved on by itself."""
        memory = self._memories.setdefault(network, _Memory())
        memory.step = step
        memory.arrays = {name: dict(state) for name, state in arrays.items()}

    def at_a_rate_of_its_own(self) -> Self:
        """The same optimiser with the same memory, whose learning rate may change by itself."""
        other = copy(self)
        other._memories = self._memories
        return other

    def settings(self) -> dict[str, Any]:
        """The optimiser as JSON: its type and its arguments."""
        return {"type": type(self).__name__} | {
            n: as_json(getattr(self, n)) for n in self.settings_names
        }

    def __getstate__(self) -> dict[str, Any]:
        """The settings alone: what is remembered belongs to networks of this process."""
        return {n: v for n, v in vars(self).items() if n != "_memories"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """See `__getstate__`."""
        vars(self).update(state)
        self._memories = WeakKeyDictionary()

    def __repr__(self) -> str:
        inside = ", ".join(f"{n}={getattr(self, n)!r}" for n in self.settings_names)
        return f"{type(self).__name__}({inside})"


class _Memory:
    """What an optimiser remembers of one network."""

    def __init__(self) -> None:
        self.step = 0
        self.arrays: dict[str, dict[str, np.ndarray]] = {}


@call_example("gt.SGD(0.1, momentum=0.9)")
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's variant.

    Args:
        lr: the learning rate, above 0.
        momentum: μ, how much of the last step is kept; at least 0.
        nesterov: whether to look ahead along the momentum.
        weight_decay: λ, added to the gradient as λ·w; at least 0.

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
    ) -> None:
        super().__init__()
        _check("SGD", above={"lr": lr}, least={"momentum": momentum, "weight_decay": weight_decay})
        if nesterov and momentum == 0:
            raise ArgumentError("SGD: nesterov=True looks ahead along the momentum; set momentum")
        self.lr, self.momentum = lr, momentum
        self.nesterov, self.weight_decay = nesterov, weight_decay

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


@call_example("gt.Adam(0.001)")
class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square.

    Args:
        lr: the learning rate, above 0.
        betas: β₁ and β₂, at least 0 and below 1.
        eps: ε, above 0.
        weight_decay: λ, added to the gradient as λ·w; at least 0.

    Raises:
        ArgumentError: an argument out of its range.

    Source: D. Kingma and J. Ba, "Adam" (2014), algorithm 1.
    """

    settings_names = ("lr", "betas", "eps", "weight_decay")
    decoupled: ClassVar[bool] = False

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        _check(kind, above={"lr": lr, "eps": eps}, least={"weight_decay": weight_decay})
        two = isinstance(betas, Sequence) and len(betas) == 2
        if not two or not all(isinstance(b, Real) and 0 <= b < 1 for b in betas):
            raise ArgumentError(
                f"{kind}: betas must be two numbers from 0 to below 1, got {betas!r}"
            )
        self.lr, self.eps, self.weight_decay = lr, eps, weight_decay
        self.betas = (float(betas[0]), float(betas[1]))

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
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay)


def _square(gradient: np.ndarray) -> float:
    """The sum of the squares, in float64."""
    flat = gradient.astype(np.float64).ravel()
    return float(flat @ flat)


def _all(network: Graph, gradients: Mapping[str, Any]) -> list[str]:
    """The names of all parameters, each of which must have a gradient."""
    for name in network.parameters:
        if name not in gradients:
            raise UnknownNameError(f"no gradient is given for parameter {name!r}")
    return list(network.parameters)


def _check(kind: str, *, above: Mapping[str, Any], least: Mapping[str, Any]) -> None:
    for name, value in (above | least).items():  # type: ignore[operator]
        plain = value.item() if isinstance(value, np.number) else value
        good = (
            isinstance(plain, int | float)
            and not isinstance(plain, bool)
            and abs(plain) <= sys.float_info.max
            and (plain > 0 or (name in least and plain == 0))
        )
        if not good:
            hint = ""
            if isinstance(value, Mapping) or hasattr(value, "parameters"):
                hint = f"; the network is given to gt.train, so write gt.{kind}(0.1)"
            raise ArgumentError(
                f"{kind}: {name} must be a finite number {'≥ 0' if name in least else 'above 0'}, "
                f"got {in_short(value)}{hint}"
            )
