"""What the page shows: one learning step of a network, which may be changed and computed anew.

A session works on copies. Its network starts with the parameters of the traced step, whatever has
become of the network since, and nobody else's network is changed. It may follow a training: then it
takes over that one's weights from time to time, until somebody edits something.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checking.arguments import is_whole
from ..errors import ArgumentError, DataError, UnknownNameError, indexed, unknown
from ..machine.forking import renew_in_forks
from ..optimizers import SGD, Optimizer
from ..tracing.element import Side
from ..tracing.records import json_number
from ..tracing.trace import Trace, trace
from ..tracing.why import Answer
from .entries import array_of_numbers, finite_number, is_place, representable
from .packing import as_sent

if TYPE_CHECKING:
    from ..graph import Graph

_RATE = 0.05
"""The learning rate where nobody says one."""

_STATE = ("x", "y", "trace", "optimizer", "updates", "edited", "following", "_first")
"""What a change may change, besides the network's arrays."""


class Session:
    """A traced step that may be changed.

    Whoever shares a session with other threads holds its `lock` while he asks or changes something.

    Args:
        traced: the step to begin with.
        optimizer: what an update is made by; by default SGD with a rate of 0.05.
        numbers: (N,) the samples' places in the data they are from; by default 0, 1, ….
        title: what the page is called.

    Raises:
        ArgumentError: a step that was not traced, no optimiser, or another number of places than
            of samples.
    """

    def __init__(
        self,
        traced: Trace,
        *,
        optimizer: Optimizer | None = None,
        numbers: Sequence[int] | None = None,
        title: str = "",
    ) -> None:
        if not isinstance(traced, Trace):
            raise ArgumentError(f"explore: shows what gt.trace gives, got {traced!r}")
        optimizer = SGD(_RATE) if optimizer is None else optimizer
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(
                f"explore: optimizer must be an object such as gt.SGD(0.1), got {optimizer!r}"
            )
        origin = traced.origin
        self.title = title or "gradtrail"
        self.numbers = tuple(range(len(origin.x)) if numbers is None else map(int, numbers))
        if len(self.numbers) != len(origin.x):
            raise ArgumentError(
                f"explore: numbers must be one for each of the {len(origin.x)} samples, got "
                f"{len(self.numbers)}"
            )
        self.network = copy.deepcopy(origin.network)
        fill_network(self.network, traced.value)
        self.loss, self.training, self.seed = origin.loss, origin.training, origin.seed
        self.engine, self._optimizer = origin.engine, optimizer
        renew_in_forks(self._free)
        self.following: bool | None = None
        self._latest: Mapping[str, np.ndarray] | None = None
        self._first: tuple[Trace, Mapping[str, np.ndarray]] = traced, self._arrays()
        self.version = -1
        self._changes: tuple[tuple[int, float], dict[str, np.ndarray]] | None = None
        self._begin()

    def _free(self) -> None:
        self.lock = threading.RLock()

    def _begin(self) -> None:
        """The step as it was at first, or as the training that is followed had it last."""
        self.trace, arrays = self._first
        fill_network(self.network, arrays)
        origin = self.trace.origin
        self.x, self.y = origin.x.copy(), np.array(origin.y)
        self.optimizer = copy.copy(self._optimizer)  # which remembers nothing yet
        self.updates = 0
        self.edited = False
        self.version += 1

    def _arrays(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and running statistics."""
        arrays = {**self.network.parameters, **self.network.buffers}
        return {name: array.copy() for name, array in arrays.items()}

    def _traced(self, x: np.ndarray, y: np.ndarray) -> Trace:
        return trace(
            self.network,
            x,
            y,
            loss=self.loss,
            training=self.training,
            seed=self.seed,
            engine=self.engine,
        )

    def follow(self, arrays: Mapping[str, np.ndarray]) -> bool:
        """Take over the weights of a training, unless something was edited.

        Args:
            arrays: its parameters and running statistics by name; they are kept, so nobody may
                change them any more.

        Returns:
            Whether the step was computed anew. If not, the change `follow` takes these arrays.
        """
        self._latest = arrays
        if not self.following:
            return False
        self._take(arrays)
        return True

    def _take(self, arrays: Mapping[str, np.ndarray]) -> None:
        """The step at other weights, with the samples as they were at first."""
        origin = self._first[0].origin
        fill_network(self.network, arrays)
        self._first = self._traced(origin.x, origin.y), arrays
        rate = self.optimizer.lr
        self._begin()
        self.optimizer.lr = rate  # that somebody chose on the page

    @property
    def output(self) -> str:
        """The array of the output; of several the first one's."""
        return next(iter(self.network.outputs.values()))

    @property
    def dtypes(self) -> Mapping[str, str]:
        """How the numbers of each value are stored: `f4`, `f8` or `i4`."""
        return {name: as_sent(self.trace.value[name]).dtype.str[1:] for name in self.trace.value}

    def rows(self, side: str, name: str, begin: int, end: int) -> np.ndarray:
        """Some of an array along its first axis, as it is sent; a single number is one row.

        Raises:
            UnknownNameError: there is no such array.
            ArgumentError: rows that it has not.
        """
        array = self.array(side, name)
        if not 0 <= begin <= end <= len(array):
            raise ArgumentError(f"{name} has rows 0 to {len(array)}, got {begin} to {end}")
        return as_sent(array[begin:end])

    def array(self, side: str, name: str) -> np.ndarray:
        """An array by its side: `value`, `grad` or `change`; a single number is one row.

        Raises:
            UnknownNameError: there is no such array.
            ArgumentError: no such side.
        """
        sides = {"value": self.trace.value, "grad": self.trace.grad}
        if side == "change":
            if name not in self.changes:
                raise UnknownNameError(unknown("parameter", name, self.changes))
            return np.atleast_1d(self.changes[name])
        if side not in sides:
            raise ArgumentError(f"an array is a value, a grad or a change, got {side!r}")
        return np.atleast_1d(sides[side][name])

    def arrays_of(
        self, asked: Iterable[tuple[str, str]]
    ) -> list[tuple[dict[str, str], np.ndarray]]:
        """Some arrays by side and name, as `packing.pack` takes them."""
        return [({"side": side, "name": name}, self.array(side, name)) for side, name in asked]

    @property
    def changes(self) -> Mapping[str, np.ndarray]:
        """What the next update would add to each parameter."""
        key = self.version, self.optimizer.lr
        if self._changes is None or self._changes[0] != key:
            before = self.network.parameters
            after = {name: before[name].copy() for name in before}
            gradients = {name: self.trace.grad[name] for name in before}
            with np.errstate(all="ignore"):
                self._optimizer_as_it_is().apply(self.network, after, gradients)
                found = {name: after[name] - before[name] for name in before}
            self._changes = key, found
        return self._changes[1]

    def _optimizer_as_it_is(self) -> Optimizer:
        """Another optimiser that remembers what the present one does."""
        other = copy.copy(self.optimizer)
        other.remember(self.network, *self.optimizer.remembered(self.network))
        return other

    @property
    def memory(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        """What the optimiser remembers, by parameter and by the names of its rule's state."""
        return self.optimizer.remembered(self.network)[1]

    def why(self, side: Side, name: str, index: Sequence[int]) -> Answer:
        """See `gradtrail.trace`.

        Raises:
            UnknownNameError: there is no such array.
            ArgumentError: no such side, or an index that does not fit.
        """
        if side not in ("value", "grad"):
            raise ArgumentError(f"a value or a grad has a reason, got {side!r}")
        asked = self.trace.value if side == "value" else self.trace.grad
        return asked.why(name, tuple(index))

    def state(self) -> dict[str, Any]:
        """What changes with the step, as JSON."""
        outputs = self.trace.value[self.output]
        labels, classes = self.y, None
        if self.loss.parts:
            labels = np.zeros(len(self.x))  # the page shows no labels of several outputs
        elif outputs.ndim == 2:
            classes = self.loss.classes(self.y, outputs.shape)
        return {
            "version": self.version,
            "loss": json_number(float(self.trace.loss)),
            "labels": np.asarray(labels if classes is None else classes).tolist(),
            "predicted": None if classes is None else outputs.argmax(axis=1).tolist(),
            "updates": self.updates,
            "steps": self.optimizer.remembered(self.network)[0],
            "edited": self.edited,
            "lr": float(self.optimizer.lr),
            "following": self.following,
        }

    def apply(self, changes: Sequence[Mapping[str, Any]]) -> None:
        """Change the network or the samples and compute the step anew; all changes, or none.

        Args:
            changes: in order, each with its `kind`:
                `element`: `name` (of a parameter or `input`), `index` and `value`;
                `sample`: `n` and `pixels`, all numbers of one sample in order;
                `label`: `n` and `label`;
                `target`: `n` and `values`, all numbers that one sample's outputs are compared
                    with, in order; where labels are no class numbers;
                `rate`: `lr`, the optimiser's from now on;
                `update`: one step of the optimiser along the present gradient;
                `reset`: everything as it was at first, or as the training that was followed had it
                    last;
                `follow`: the newest weights of the training, and those that come after them; every
                    other change but `reset` and `rate` ends that.

        Raises:
            ArgumentError: a change that cannot be made; it says which and why.
            DataError: a label or a target that does not fit.
        """
        if not isinstance(changes, list | tuple):
            raise ArgumentError(f"changes are a list, got {changes!r:.60}")
        kept, arrays = {name: getattr(self, name) for name in _STATE}, self._arrays()
        self.optimizer = self._optimizer_as_it_is()
        self.x, self.y = self.x.copy(), self.y.copy()  # a trace may hold the others
        try:
            with np.errstate(all="ignore"):  # what is not finite is shown
                for change in changes:
                    self._change(change)
        except Exception:
            vars(self).update(kept)
            fill_network(self.network, arrays)
            raise
        self.version += 1

    def _change(self, change: Mapping[str, Any]) -> None:
        kind = change.get("kind") if isinstance(change, Mapping) else None
        whole = {"reset": self._begin, "follow": self._go_on}
        kinds = {
            "element": self._set_element,
            "sample": self._set_sample,
            "label": self._set_label,
            "target": self._set_target,
            "rate": self._set_rate,
            "update": self._update,
        }
        if not isinstance(kind, str) or kind not in {*kinds, *whole}:
            raise ArgumentError(unknown("change", kind, [*kinds, *whole]))
        if kind in whole:
            whole[kind]()
            return
        kinds[kind](change)
        if kind == "rate":
            return
        self.edited = self.edited or kind != "update"
        if self.following:
            self.following = False
        self.trace = self._traced(self.x, self.y)

    def _go_on(self) -> None:
        """Follow the training again."""
        if self.following is None:
            raise ArgumentError("no training is followed here")
        self.following = True
        if self._latest is None:
            self._begin()
        else:
            self._take(self._latest)

    def _set_element(self, change: Mapping[str, Any]) -> None:
        name, value = change.get("name"), finite_number(change.get("value"))
        held: Mapping[str, np.ndarray] = {
            **self.network.by_input(self.x),
            **self.network.parameters,
        }
        if not isinstance(name, str) or name not in held:
            raise UnknownNameError(unknown("editable array", name, held))
        index: Any = change.get("index")
        shape = held[name].shape
        whole = isinstance(index, list | tuple) and len(index) == len(shape)
        if not whole or not all(is_place(i, size) for i, size in zip(index, shape, strict=True)):
            such = indexed("", index) if isinstance(index, list | tuple) else repr(index)
            raise ArgumentError(f"{name} has the shape {shape}, so it has no element {such:.60}")
        held[name][tuple(index)] = representable(value, held[name])

    def _set_sample(self, change: Mapping[str, Any]) -> None:
        n = self._sample(change)
        drawn = self.network.by_input(self.x)[self.network.input_name]  # what the page draws on
        drawn[n] = array_of_numbers("a sample", change.get("pixels"), drawn[n])

    def _set_label(self, change: Mapping[str, Any]) -> None:
        n, label = self._sample(change), change.get("label")
        self._one_output()
        if self.y.ndim != 1:
            raise ArgumentError("only labels that are one number for each sample can be changed")
        counted = self.y.dtype.kind in "biu"
        if counted and not is_whole(label):
            raise DataError(f"a label is a whole number here, got {label!r:.40}")
        labels = self.y.copy()
        try:
            labels[n] = label if counted else representable(finite_number(label), labels)
        except OverflowError:
            raise DataError(f"a label is {labels.dtype} here, got {label!r:.40}") from None
        self._label(labels)

    def _set_target(self, change: Mapping[str, Any]) -> None:
        n = self._sample(change)
        self._one_output()
        outputs = self.trace.value[self.output].shape
        if self.y.ndim == 1 and self.loss.classes(self.y, outputs) is not None:
            raise ArgumentError("the targets follow from class numbers here; change a label")
        targets = self.y.astype(self.y.dtype if self.y.dtype.kind == "f" else np.float64)
        targets[n] = array_of_numbers("a target", change.get("values"), np.asarray(targets[n]))
        self._label(targets)

    def _one_output(self) -> None:
        """Refuse other labels where there are those of several outputs."""
        if self.loss.parts:
            raise ArgumentError("the labels of a network with several outputs stay as they are")

    def _label(self, labels: np.ndarray) -> None:
        """Other labels, unless the loss refuses them."""
        outputs = self.trace.value[self.output]
        self.loss.targets(labels, outputs.shape)
        self.y = labels

    def _sample(self, change: Mapping[str, Any]) -> int:
        n = change.get("n")
        if not is_place(n, len(self.x)):
            raise ArgumentError(f"there are the samples 0 to {len(self.x) - 1}, got {n!r:.40}")
        assert isinstance(n, int)
        return n

    def _set_rate(self, change: Mapping[str, Any]) -> None:
        lr = finite_number(change.get("lr"))
        if lr <= 0:
            raise ArgumentError(f"lr must be above 0, got {lr!r}")
        self.optimizer.lr = lr

    def _update(self, change: Mapping[str, Any]) -> None:
        self.optimizer.update(self.network, self.trace.grad)
        self.updates += 1


def fill_network(network: Graph, arrays: Mapping[str, np.ndarray]) -> None:
    """Write those parameters and running statistics that are among the arrays."""
    for held in (network.parameters, network.buffers):
        for name in held:
            if name in arrays:
                held[name] = arrays[name]
