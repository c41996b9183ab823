"""A node of an ONNX file as a converter asks about it: each answer checked, each question noted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..reading.arithmetic import shortest_decimal
from ..reading.refusals import Refusal
from ..reading.values import BATCH, Value, Weights
from .onnx_file import Operation

_LARGEST = 1 << 31
_SILENT = {"consumed_inputs"}  # of the first versions, says which memory may be written over
LONGEST = 64  # sizes and axes in one list


class View:
    """One node.

    Args:
        operation: the node.
        known: what all names before it stand for.
        opset: the version of the operators.
        declared_batch: the batch size that the file names, if it names one.
        dtype: of the samples.
        one_sample: whether the file computes with one sample, so that its axis is like any other.
        lead: how many axes the file counts beside those of a sample: 1, or 0 (`OneSample`).
        place: which of the file's axes is that of the samples; not 0 for `SamplesBehind`.
    """

    def __init__(
        self,
        operation: Operation,
        known: Mapping[str, Any],
        opset: int,
        declared_batch: int | None,
        dtype: np.dtype[Any],
        *,
        one_sample: bool = False,
        lead: int = 1,
        place: int = 0,
    ) -> None:
        self.operation, self.known = operation, known
        self.opset, self.declared_batch, self.dtype = opset, declared_batch, dtype
        self.one_sample, self.lead, self.place = one_sample, lead, place
        self.attributes = operation.attributes
        self.count = len(operation.inputs)
        self.asked: set[str] = set()

    def reading(self, known: Mapping[str, Any], *, lead: int = 1, place: int = 0) -> View:
        """The same node, reading other values; what is asked of it is noted here, too."""
        made = View(
            self.operation,
            known,
            self.opset,
            self.declared_batch,
            self.dtype,
            one_sample=self.one_sample,
            lead=lead,
            place=place,
        )
        made.asked = self.asked
        return made

    def check_all_asked(self) -> None:
        """Check that there is no attribute that nobody asked for.

        Raises:
            Refusal: there is one, whose meaning would be lost.
        """
        for name in self.attributes.keys() - self.asked - _SILENT:
            raise Refusal(f"has the attribute {name!r:.60}, which is not known here")

    # -- inputs -----------------------------------------------------------------------------------

    def optional(self, place: int) -> Any:
        """An input, or None where it is left out."""
        name = self.operation.inputs[place] if place < self.count else ""
        if not name:
            return None
        if name not in self.known:
            raise Refusal(f"reads {name!r:.80}, which no layer before it gives")
        return self.known[name]

    def given(self, place: int) -> Any:
        """An input that must be there."""
        found = self.optional(place)
        if found is None:
            raise Refusal(f"lacks its input number {place + 1}")
        return found

    def value(self, place: int) -> Any:
        """An input that depends on the samples."""
        found = self.given(place)
        if not isinstance(found, Value):
            raise Refusal(f"reads a constant as its input number {place + 1}, not the samples")
        return found

    def weights(self, place: int) -> Weights:
        """An input of floating point numbers: an array of the file, or a constant that is made."""
        found = self.given(place)
        if self.is_computed(place):
            found = Weights(f"{self.operation.outputs[0]}, input {place + 1}", np.array(found))
        if not isinstance(found, Weights) or found.values.dtype.kind != "f":
            raise Refusal(f"has something else than an array of the file as input {place + 1}")
        return found

    def is_computed(self, place: int) -> bool:
        """Whether an input is a constant that the file's nodes make, and no array of the file."""
        found = self.optional(place)
        return isinstance(found, np.ndarray) and not are_sizes(found)

    def bias(self, place: int) -> Weights | None:
        """An input that is added, or None where there is none.

        Zeros that are computed are no bias, but how exporters write that a layer has none.
        """
        if self.optional(place) is None:
            return None
        found = self.weights(place)
        return found if found.values.any() or not self.is_computed(place) else None

    def sizes(self, place: int) -> np.ndarray:
        """An input that holds whole numbers, as an array of objects: `BATCH` may be among them."""
        value = self.given(place)
        if isinstance(value, Weights):
            if value.values.dtype.kind != "i" or value.values.size > LONGEST:
                raise Refusal(f"needs a few whole numbers, not the array {value.name!r:.60}")
            return value.values.astype(object)
        if are_sizes(value):
            return np.asarray(value)
        raise Refusal("needs sizes that are known without the samples")

    def integers(self, place: int) -> list[Any]:
        """The same as a list."""
        return list(self.sizes(place).reshape(-1))

    def single(self, value: Any) -> float:
        """One number."""
        number = value.values if isinstance(value, Weights) else np.asarray(value)
        if number.size != 1 or number.dtype.kind not in "fi":
            raise Refusal("needs one number where an array is")
        return float(str(number.reshape(())[()]))  # float32 as its shortest decimal

    # -- attributes -------------------------------------------------------------------------------

    def _attribute(self, name: str, default: Any) -> Any:
        self.asked.add(name)
        found = self.attributes.get(name, default)
        if found is None:
            raise Refusal(f"lacks its attribute {name!r}")
        return found

    def whole_numbers(
        self, name: str, default: list[int] | None, *, count: int, least: int
    ) -> list[int]:
        """An attribute of `count` whole numbers from `least` on; None for no default."""
        found = self._attribute(name, default)
        whole = isinstance(found, list) and all(isinstance(n, int) for n in found)
        if not whole or len(found) != count or any(not least <= n < _LARGEST for n in found):
            raise Refusal(
                f"has {name}={found!r:.60}, not {count} whole numbers from {least} on, for samples "
                "of that many axes"
            )
        return list(found)

    def whole_number(self, name: str, default: int | None, *, least: int | None) -> int:
        """An attribute of one whole number, from `least` on unless that is None."""
        found = self._attribute(name, default)
        below = least is not None and isinstance(found, int) and found < least
        if not isinstance(found, int) or below or abs(found) >= _LARGEST:
            raise Refusal(f"has {name}={found!r:.60}, which is no such number")
        return found

    def number(self, name: str, default: float) -> float:
        """An attribute of one finite number."""
        found = self._attribute(name, default)
        if not isinstance(found, int | float) or not math.isfinite(found):
            raise Refusal(f"has {name}={found!r:.60}, which is no finite number")
        return float(found)

    def flag(self, name: str, default: bool) -> bool:
        """An attribute that is 0 or 1."""
        found = self._attribute(name, int(default))
        if found not in (0, 1):
            raise Refusal(f"has {name}={found!r:.60}, which is neither 0 nor 1")
        return bool(found)

    def word(self, name: str, default: str) -> str:
        """An attribute of text."""
        found = self._attribute(name, default)
        if not isinstance(found, str):
            raise Refusal(f"has {name}={found!r:.60}, which is no word")
        return found

    def attribute_or_input(self, name: str, place: int) -> Any:
        """What older operators have as an attribute and newer ones as an input, or None."""
        self.asked.add(name)
        return self.attributes[name] if name in self.attributes else self.optional(place)

    def resized(self, scales: int, sizes: int | None) -> tuple[list[float], list[Any]]:
        """The factors or the sizes of a resizing; the ones that are not given are empty.

        A factor of 0.7 is meant where float32 has 0.699999988: of 10 rows it makes 7, and a
        position that falls on an edge lies on it.
        """
        self.asked.add("scales")
        told: Any = [] if sizes is None or self.optional(sizes) is None else self.integers(sizes)
        given = self.attributes.get("scales", self.optional(scales))
        factors = given.values if isinstance(given, Weights) else given
        listed = (
            []
            if factors is None
            else [shortest_decimal(float(f)) for f in np.asarray(factors).reshape(-1)]
        )
        return listed, told

    def axes(self, name: str, place: int) -> list[int]:
        """Axes, or what is counted like them; empty where they are left out."""
        self.asked.add(name)
        found: Any = self.attributes.get(name)
        if found is None:
            found = [] if self.optional(place) is None else self.integers(place)
        if not isinstance(found, list) or not all(isinstance(n, int) for n in found):
            counted = isinstance(found, list) and BATCH in found
            why = "and N, the number of samples, may be any" if counted else "no whole numbers"
            raise Refusal(f"has {name}={found!r:.60}, {why}")
        return found

    # -- axes of the samples ----------------------------------------------------------------------

    def axis(self, axis: int, sizes: Sequence[int]) -> int:
        """An axis of the file's, counted as the builder does: that of the samples is 0.

        Args:
            axis: in the file.
            sizes: of one sample.
        """
        count = len(sizes) + self.lead
        if not -count <= axis < count:
            raise Refusal(f"names axis {axis} of {count}")
        found = axis % count
        if self.lead and found == self.place:
            return 0
        return found + 1 if not self.lead or found < self.place else found

    def sizes_of(self, sizes: Sequence[int]) -> list[Any]:
        """The shape that the file knows of samples with these sizes each."""
        batch = 1 if self.declared_batch == 1 else BATCH
        return [*sizes[: self.place], *[batch][: self.lead], *sizes[self.place :]]

    def slices(self, count: int) -> list[tuple[int, int, int, int]]:
        """Start, end, axis and step of each part that is taken.

        Args:
            count: of axes.
        """
        starts, ends = self.axes("starts", 1), self.axes("ends", 2)
        axes = self.axes("axes", 3) or list(range(len(starts)))
        steps = self.axes("steps", 4) or [1] * len(starts)
        if not len(starts) == len(ends) == len(axes) == len(steps):
            raise Refusal("takes parts by starts, ends, axes and steps of different numbers")
        for axis, step in zip(axes, steps, strict=True):
            if not -count <= axis < count or step == 0:
                raise Refusal(f"takes parts of axis {axis} of {count} in steps of {step}")
        return list(zip(starts, ends, (axis % count for axis in axes), steps, strict=True))

    def parts(self, size: int) -> list[int]:
        """The sizes of the parts that an axis is split into."""
        count = self.whole_number("num_outputs", len(self.operation.outputs), least=1)
        found = self.axes("split", 1)
        each = -(-size // count)
        return found or [each] * (count - 1) + [size - each * (count - 1)]


def are_sizes(value: Any) -> bool:
    """Whether a value is an array of sizes; other arrays that are no `Weights` are constants."""
    return isinstance(value, np.ndarray) and value.dtype == object
