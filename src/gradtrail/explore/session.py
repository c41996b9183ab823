"""What the page shows: one learning step of a network, which may be changed and computed anew.

A session works on copies. Its network starts with the parameters of the traced step, whatever has
become of the network since, and nobody else's network is changed.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DataError, UnknownNameError, unknown
from ..trace import Trace, trace
from ..trace.element import Side
from ..trace.why import Answer
from ..train import SGD, Optimizer

__all__ = ["Session"]

_RATE = 0.05
"""The learning rate where nobody says one."""


class Session:
    """A traced step that may be changed.

    Args:
        traced: the step to begin with.
        optimizer: what an update is made by; by default SGD with a rate of 0.05.
        numbers: (N,) the samples' places in the data they are from; by default 0, 1, ….
        title: what the page is called.

    Raises:
        ArgumentError: a step that was not traced, or no optimiser.
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
        self.network = copy.deepcopy(origin.network)
        for held in (self.network.parameters, self.network.buffers):
            for name in held:
                if name in traced.value:
                    held[name] = traced.value[name]
        self.loss, self.training, self.seed = origin.loss, origin.training, origin.seed
        self.engine, self._optimizer = origin.engine, optimizer
        self._first = traced, copy.deepcopy(self.network)
        self.version = -1
        self._begin()

    def _begin(self) -> None:
        """The step as it was at first."""
        traced, network = self._first
        self.trace, self.network = traced, copy.deepcopy(network)
        self.x, self.y = traced.origin.x.copy(), np.array(traced.origin.y)
        self.optimizer = copy.copy(self._optimizer)  # which remembers nothing yet
        self.updates = 0
        self.edited = False
        self.version += 1

    @property
    def dtypes(self) -> Mapping[str, str]:
        """How the numbers of each value are stored: `f4`, `f8` or `i4`."""
        return {name: stored(self.trace.value[name]).dtype.str[1:] for name in self.trace.value}

    def rows(self, side: Side, name: str, begin: int, end: int) -> np.ndarray:
        """Some of an array along its first axis, as it is sent; a single number is one row.

        Raises:
            UnknownNameError: there is no such array.
            ArgumentError: rows that it has not.
        """
        if side not in ("value", "grad"):
            raise ArgumentError(f"an array is a value or a grad, got {side!r}")
        array = np.atleast_1d((self.trace.value if side == "value" else self.trace.grad)[name])
        if not 0 <= begin <= end <= len(array):
            raise ArgumentError(f"{name} has rows 0 to {len(array)}, got {begin} to {end}")
        return stored(array[begin:end])

    def why(self, side: Side, name: str, index: Sequence[int]) -> Answer:
        """See `gradtrail.trace`."""
        asked = self.trace.value if side == "value" else self.trace.grad
        return asked.why(name, tuple(index))

    def state(self) -> dict[str, Any]:
        """What changes with the step, as JSON."""
        outputs = self.trace.value[self.network.output_name]
        classes = self.loss.classes(self.y)
        return {
            "version": self.version,
            "loss": float(self.trace.loss),
            "labels": np.asarray(self.y if classes is None else classes).tolist(),
            "predicted": None if classes is None else outputs.argmax(axis=1).tolist(),
            "updates": self.updates,
            "edited": self.edited,
            "lr": float(self.optimizer.lr),
        }

    def apply(self, changes: Sequence[Mapping[str, Any]]) -> None:
        """Change the network or the samples and compute the step anew; all changes, or none.

        Args:
            changes: in order, each with its `kind`:
                `element`: `name` (of a parameter or `input`), `index` and `value`;
                `sample`: `n` and `pixels`, all numbers of one sample in order;
                `label`: `n` and `label`;
                `update`: one step of the optimiser along the present gradient, with `lr` if given;
                `reset`: everything as it was at first.

        Raises:
            ArgumentError: a change that cannot be made; it says which and why.
            DataError: a label that does not fit.
        """
        if not isinstance(changes, list | tuple):
            raise ArgumentError(f"changes are a list, got {changes!r:.60}")
        kept = self.x.copy(), self.y.copy(), copy.deepcopy(self.network), self.trace
        optimizer, updates, edited = copy.deepcopy(self.optimizer), self.updates, self.edited
        self._hand_on(self.optimizer, optimizer, self.network, kept[2])
        try:
            for change in changes:
                self._change(change)
        except Exception:
            self.x, self.y, self.network, self.trace = kept
            self.optimizer, self.updates, self.edited = optimizer, updates, edited
            raise
        self.version += 1

    @staticmethod
    def _hand_on(first: Optimizer, second: Optimizer, old: Any, new: Any) -> None:
        """What an optimiser remembers of one network, for another optimiser and its copy."""
        step, arrays = first.remembered(old)
        copied = {name: {k: a.copy() for k, a in held.items()} for name, held in arrays.items()}
        second.remember(new, step, copied)

    def _change(self, change: Mapping[str, Any]) -> None:
        kind = change.get("kind") if isinstance(change, Mapping) else None
        if kind == "reset":
            self._begin()
            return
        kinds = {
            "element": self._set_element,
            "sample": self._set_sample,
            "label": self._set_label,
            "update": self._update,
        }
        if kind not in kinds:
            raise ArgumentError(unknown("change", kind, [*kinds, "reset"]))
        kinds[kind](change)
        self.edited = self.edited or kind != "update"
        self.trace = trace(
            self.network,
            self.x,
            self.y,
            loss=self.loss,
            training=self.training,
            seed=self.seed,
            engine=self.engine,
        )

    def _set_element(self, change: Mapping[str, Any]) -> None:
        name, value = change.get("name"), _number(change.get("value"))
        held: Mapping[str, np.ndarray] = {"input": self.x, **self.network.parameters}
        if name not in held:
            raise UnknownNameError(unknown("editable array", name, held))
        index = change.get("index")
        shape = held[name].shape
        whole = isinstance(index, list | tuple) and len(index) == len(shape)
        if not whole or not all(_within(i, size) for i, size in zip(index, shape, strict=True)):
            raise ArgumentError(f"{name} has the shape {shape}, so it has no element {index!r:.60}")
        held[name][tuple(index)] = value

    def _set_sample(self, change: Mapping[str, Any]) -> None:
        n, pixels = self._sample(change), change.get("pixels")
        if not isinstance(pixels, list | tuple) or len(pixels) != self.x[n].size:
            got = f"{len(pixels)} of them" if isinstance(pixels, list | tuple) else f"{pixels!r:.40}"
            raise ArgumentError(f"a sample is {self.x[n].size} numbers, got {got}")
        self.x[n] = np.array([_number(p) for p in pixels]).reshape(self.x[n].shape)

    def _set_label(self, change: Mapping[str, Any]) -> None:
        n, label = self._sample(change), change.get("label")
        if self.y.ndim != 1:
            raise ArgumentError("only labels that are one number for each sample can be changed")
        counted = self.y.dtype.kind in "biu"
        if counted and not (isinstance(label, int) and not isinstance(label, bool)):
            raise DataError(f"a label is a whole number here, got {label!r:.40}")
        labels = self.y.copy()
        labels[n] = label if counted else _number(label)
        outputs = self.trace.value[self.network.output_name]
        self.loss.targets(labels, outputs.shape)  # refuses what is no class
        self.y = labels

    def _sample(self, change: Mapping[str, Any]) -> int:
        n = change.get("n")
        if not _within(n, len(self.x)):
            raise ArgumentError(f"there are the samples 0 to {len(self.x) - 1}, got {n!r:.40}")
        assert isinstance(n, int)
        return n

    def _update(self, change: Mapping[str, Any]) -> None:
        if "lr" in change:
            lr = _number(change["lr"])
            if lr <= 0:
                raise ArgumentError(f"lr must be above 0, got {lr!r}")
            self.optimizer.lr = lr
        self.optimizer.update(self.network, self.trace.grad)
        self.updates += 1


def stored(array: np.ndarray) -> np.ndarray:
    """An array as it is sent: floats in their precision, whole numbers as int32; little-endian."""
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return np.ascontiguousarray(array, "<i4")


def _number(value: object) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not np.isfinite(value):  # type: ignore[call-overload]
        raise ArgumentError(f"needs a finite number, got {value!r:.40}")
    return float(value)  # type: ignore[arg-type]


def _within(place: object, size: int) -> bool:
    return isinstance(place, int) and not isinstance(place, bool) and 0 <= place < size
