"""What all update rules share: their base, and what they remember of each network.

An optimiser is expressions over a weight, its gradient and what is remembered. An engine may
compile them; `apply` evaluates them in NumPy. Rules and defaults are PyTorch's.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from copy import copy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np

from ..arrays.operations import OPERATIONS
from ..checking.arguments import flags
from ..checking.calls import in_short
from ..checking.name_patterns import fits, fitting
from ..equation.frozen import frozen
from ..equation.scalar import Expression, evaluate_scalar
from ..errors import ArgumentError, ShapeError, UnknownNameError, unknown
from ..layers.functional import as_json

if TYPE_CHECKING:
    from ..graph import Graph


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


Groups = Mapping[str, Mapping[str, Any]]
"""Patterns over the names of layers and arrays, each with the settings of what it means."""


class ParameterGroup(NamedTuple):
    """Parameters that are moved alike.

    Args:
        names: theirs, in forward order.
        settings: what stands in the place of the optimiser's own settings, by name.
    """

    names: tuple[str, ...]
    settings: Mapping[str, Any]


class Memory(NamedTuple):
    """What an optimiser remembers of one network.

    Args:
        step: how many steps the network was moved.
        arrays: per parameter, those of the rule's state.
    """

    step: int
    arrays: Mapping[str, Mapping[str, np.ndarray]]


class Optimizer(ABC):
    """The base of the optimisers. What is remembered is kept per network.

    An optimiser may have groups: parameters, chosen by patterns over names, with settings of their
    own. `lr` is the rate of all others; where it changes, the groups' rates change in proportion.
    """

    settings_names: ClassVar[tuple[str, ...]]

    lr: float
    groups: Groups = MappingProxyType({})
    decay_bias_and_norm: bool = True
    _rate_beside: float
    """The learning rate beside which the groups' rates were given."""

    def __init__(self) -> None:
        self._memories: WeakKeyDictionary[Graph, tuple[Memory, Mapping[str, object]]]
        self._memories = WeakKeyDictionary()

    @property
    @abstractmethod
    def rule(self) -> Rule:
        """The update rule for the present settings."""

    @abstractmethod
    def scalars(self, step: int) -> Mapping[str, float]:
        """The numbers of one step, the first being 1, that the rule's expressions name."""

    def take_groups(self, groups: Groups | None, *, decay_bias_and_norm: bool = True) -> None:
        """Have groups; at the end of an optimiser's `__init__`.

        Args:
            groups: pattern → settings, later ones before earlier ones; None for no groups.
            decay_bias_and_norm: whether biases and the parameters of norms have weight decay where
                no group says so.

        Raises:
            ArgumentError: a setting that the optimiser has not, or out of its range.
        """
        kind = type(self).__name__
        flags(kind, decay_bias_and_norm=decay_bias_and_norm)
        self.decay_bias_and_norm = decay_bias_and_norm
        if groups is not None and not (
            isinstance(groups, Mapping)
            and all(isinstance(p, str) and isinstance(s, Mapping) for p, s in groups.items())
        ):
            raise ArgumentError(
                f"{kind}: groups map patterns over names to settings, which are mappings, too; "
                f"got {in_short(groups)}"
            )
        self._rate_beside = self.lr
        self.groups = {p: self._checked_group(p, s) for p, s in (groups or {}).items()}

    def _checked_group(self, pattern: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """A group's settings as the optimiser has its own."""
        where = f"{type(self).__name__}: groups[{pattern!r}]"
        for name in settings:
            if name not in self.settings_names:
                raise ArgumentError(f"{where}: {unknown('setting', name, self.settings_names)}")
        made = self._with(settings, where)
        return {name: getattr(made, name) for name in settings}

    def _with(self, settings: Mapping[str, Any], where: str) -> Self:
        """The same optimiser with other settings and without groups, checked."""
        own = {name: getattr(self, name) for name in self.settings_names}
        try:
            return type(self)(**(own | dict(settings)))
        except ArgumentError as cause:
            raise ArgumentError(f"{where}: {cause}") from None

    def grouped(self, network: Graph) -> tuple[ParameterGroup, ...]:
        """The parameters that a network trains, by the settings that they are moved with.

        Raises:
            ArgumentError: settings of several groups that do not go together.
            UnknownNameError: a group's pattern fits no parameter of the network.
        """
        kind = type(self).__name__
        for pattern in self.groups:
            fitting(f"{kind}: groups", pattern, network.whole.parameters)
        lean = () if self.decay_bias_and_norm else _biases_and_norms(network)
        found: dict[str, tuple[list[str], dict[str, Any]]] = {}
        for name in network.trained:
            bare = not self.decay_bias_and_norm and name in lean
            settings: dict[str, Any] = {"weight_decay": 0.0} if bare else {}
            for pattern, given in self.groups.items():
                if fits(pattern, name):
                    settings |= given
            key = repr(sorted(settings.items()))
            if key not in found and settings:
                self._with(settings, f"{kind}: groups for {name!r}")
            found.setdefault(key, ([], settings))[0].append(name)
        members = found.values()
        return tuple(ParameterGroup(tuple(names), settings) for names, settings in members)

    def within(self, group: ParameterGroup) -> Optimizer:
        """The optimiser as it moves the parameters of a group now."""
        if not group.settings:
            return self
        other = self.at_a_rate_of_its_own()
        other.groups, other.decay_bias_and_norm = {}, True
        for name, value in group.settings.items():
            setattr(other, name, value)
        if "lr" in group.settings:
            other.lr = group.settings["lr"] * (self.lr / self._rate_beside)
        return other

    def update(self, network: Graph, gradients: Mapping[str, Any]) -> None:
        """Change the network's parameters by one step.

        Args:
            network: whose parameters are changed.
            gradients: of every parameter that is not frozen, by name, such as `t.grad`; further
                names are ignored.

        Raises:
            UnknownNameError: a parameter without gradient; nothing was changed.
            ShapeError: a gradient of another shape; nothing was changed.
        """
        for name in network.trained:
            if name not in gradients:
                raise UnknownNameError(f"no gradient is given for parameter {name!r}")
        known = {name: np.asarray(gradients[name]) for name in network.trained}
        for name, gradient in known.items():
            if gradient.shape != network.parameters[name].shape:
                raise ShapeError(
                    f"the gradient of {name} has shape {gradient.shape}, but the parameter "
                    f"{network.parameters[name].shape}"
                )
        self.apply(network, {name: network.parameters[name] for name in known}, known)

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
        norm = None
        states: dict[str, dict[str, np.ndarray]] = {}
        for group in self.grouped(network):
            part = self.within(group)
            rule, scalars = part.rule, dict(part.scalars(step + 1))
            if rule.norm:
                if norm is None:
                    norm = _length(gradients[name] for name in network.trained)
                scalars["norm"] = norm
            for name in group.names:
                if name in weights:
                    states[name] = _moved(
                        rule, scalars, weights[name], gradients[name], held.get(name, {})
                    )
        # all is computed: from here on nothing can fail halfway
        for name, state in states.items():
            weights[name][...] = state.pop("weight")
        self.remember(network, step + 1, states)

    def remembered(self, network: Graph) -> Memory:
        """How many steps a network was moved, and per parameter the arrays of the rule's state."""
        memory, then = self._memories.get(network, (Memory(0, {}), {}))
        shapes, now = network.parameters.shapes, network.whole.replaced
        arrays = {  # a head may be another by now
            name: state
            for name, state in memory.arrays.items()
            if name in shapes and then.get(owner := name.rpartition(".")[0]) is now.get(owner)
        }
        return Memory(memory.step, arrays)

    def remember(
        self, network: Graph, step: int, arrays: Mapping[str, Mapping[str, np.ndarray]]
    ) -> None:
        """Go on from here: what `remembered` gave, or what an engine moved on by itself."""
        held = {name: dict(state) for name, state in arrays.items()}
        self._memories[network] = Memory(step, held), dict(network.whole.replaced)

    def at_a_rate_of_its_own(self) -> Self:
        """The same optimiser with the same memory, whose learning rate may change by itself."""
        other = copy(self)
        other._memories = self._memories
        return other

    def forgetful(self) -> Self:
        """The same settings without any memory, whose learning rate may change by itself."""
        other = copy(self)
        other._memories = WeakKeyDictionary()
        return other

    def take_settings(self, other: Optimizer) -> None:
        """Have the settings that another of the same kind has now, but for the learning rate."""
        for name in (*other.settings_names, "groups", "decay_bias_and_norm"):
            if name != "lr":
                setattr(self, name, getattr(other, name))

    def settings(self) -> dict[str, Any]:
        """The optimiser as JSON: its type and its arguments, groups where there are some."""
        found = {"type": type(self).__name__} | {
            n: as_json(getattr(self, n)) for n in self.settings_names
        }
        found |= {} if self.decay_bias_and_norm else {"decay_bias_and_norm": False}
        return found | ({"groups": self._groups_now()} if self.groups else {})

    def _groups_now(self) -> dict[str, dict[str, Any]]:
        """The groups with their present rates, as JSON."""
        now = {p: self.within(ParameterGroup((), settings)) for p, settings in self.groups.items()}
        return {
            p: {n: as_json(getattr(now[p], n)) for n in settings}
            for p, settings in self.groups.items()
        }

    def __getstate__(self) -> dict[str, Any]:
        """The settings alone: what is remembered belongs to networks of this process."""
        return {n: v for n, v in vars(self).items() if n != "_memories"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """See `__getstate__`."""
        vars(self).update(state)
        self._memories = WeakKeyDictionary()

    def __repr__(self) -> str:
        shown = {n: getattr(self, n) for n in self.settings_names}
        shown |= {"groups": self._groups_now()} if self.groups else {}
        shown |= {} if self.decay_bias_and_norm else {"decay_bias_and_norm": False}
        inside = ", ".join(f"{n}={value!r}" for n, value in shown.items())
        return f"{type(self).__name__}({inside})"


def _biases_and_norms(network: Graph) -> frozenset[str]:
    """The parameters that shift or scale alone."""
    norms = {step.name for step in network.whole.steps if step.layer.prefix == "norm"}
    return frozenset(
        name
        for name in network.whole.parameters
        if name.endswith(".bias") or name.rpartition(".")[0] in norms
    )


def _moved(
    rule: Rule,
    scalars: Mapping[str, float],
    weight: np.ndarray,
    gradient: np.ndarray,
    before: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """A weight and its state behind a step, as new arrays."""
    values: dict[str, Any] = {
        a: before.get(a, np.zeros(weight.shape, weight.dtype)) for a in rule.state
    }
    values |= {**scalars, "weight": weight, "gradient": gradient.astype(weight.dtype)}
    for assigned, expression in rule.assignments:
        result = evaluate_scalar(expression, values, OPERATIONS)
        values[assigned] = np.asarray(result, dtype=weight.dtype)
    return {a: values[a] for a in ("weight", *rule.state)}


def _length(gradients: Iterable[np.ndarray]) -> float:
    """Of all gradients together."""
    return float(np.sqrt(sum(map(_square, gradients))))


def _square(gradient: np.ndarray) -> float:
    """The sum of the squares, in float64."""
    flat = gradient.astype(np.float64).ravel()
    return float(flat @ flat)


def check_settings(kind: str, *, above: Mapping[str, Any], least: Mapping[str, Any]) -> None:
    """See that settings are finite numbers.

    Args:
        kind: the optimiser.
        above: those that must be above 0, by name.
        least: those that may be 0.

    Raises:
        ArgumentError: one is not.
    """
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
