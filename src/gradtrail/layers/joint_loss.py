"""The losses of a network with several outputs: one for each, and their weighted sum.

    L = L_a + 0.3·L_b        each L_o with its own equation; its gradient is the weight

Labels of several outputs are one structured array, a field for each: so they are chosen, shuffled
and split as the labels of one output are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from ..checking.calls import in_short
from ..checking.input_samples import as_array
from ..equation import Access, Contraction, Term
from ..equation.frozen import frozen
from ..errors import DataError, ShapeError
from .class_labels import check_number
from .layer import Declaration, Shape
from .loss_functions import Loss, LossPart


@final
@frozen
class JointLoss(Loss):
    """The weighted sum of the losses of a network's outputs.

    Labels are a structured array, a field for each output; predictions are known by the parts, so
    that of the shapes that the methods are given only the number of samples counts.

    Args:
        each: the outputs' losses, in their order.
    """

    each: tuple[LossPart, ...]

    @property
    def parts(self) -> tuple[LossPart, ...]:
        """See `Loss.parts`."""
        return self.each

    def declare(self, prediction: Shape) -> Declaration:
        """See `Loss.declare`: the sum of the parts, which are declared by themselves."""
        terms = [
            Term(Access("L", ()), (Access(letter, ()),), part.scale)
            for letter, part in zip(self.letters, self.parts, strict=True)
        ]
        equation = Contraction.of(terms, {}, dict.fromkeys(("L", *self.letters), ()))
        return Declaration(equation, self.letters)

    @property
    def letters(self) -> tuple[str, ...]:
        """What stands for each part in the sum."""
        return tuple(f"L_{part.name}" for part in self.parts)

    def gathered(self, labels: Any, name: str = "y") -> np.ndarray:
        """The labels of all outputs as one array that nobody else has.

        Args:
            labels: a mapping by the outputs' names, or as many arrays in their order; or what this
                has given before.
            name: what the caller calls them.

        Raises:
            DataError: an output without labels, labels of no output, or no arrays.
        """
        given = self._by_name(labels, name)
        arrays = [as_array(given[part.name], f"{name}[{part.name!r}]") for part in self.parts]
        counts = [len(array) if array.ndim else None for array in arrays]
        if None in counts or len({*counts}) > 1:
            told = ", ".join(
                f"{'one value' if count is None else count} of {part.name}"
                for count, part in zip(counts, self.parts, strict=True)
            )
            raise DataError(f"{name}: every output needs as many labels, got {told}")
        fields = [
            (part.name, array.dtype, array.shape[1:])
            for part, array in zip(self.parts, arrays, strict=True)
        ]
        found = np.empty(len(arrays[0]), fields)
        for part, array in zip(self.parts, arrays, strict=True):
            found[part.name] = array
        return found

    def _by_name(self, labels: Any, name: str) -> Mapping[str, Any]:
        """What was given for each output."""
        outputs = [part.name for part in self.parts]
        listed = ", ".join(outputs)
        if isinstance(labels, np.ndarray) and labels.dtype.names:
            labels = {field: labels[field] for field in labels.dtype.names}
        if isinstance(labels, Mapping):
            for output in outputs:
                if output not in labels:
                    raise DataError(
                        f"{name} lacks the output {output!r}; the network's outputs are {listed}"
                    )
            for key in labels:
                if key not in outputs:
                    raise DataError(
                        f"{name}: no output is called {key!r}; the network's outputs are {listed}"
                    )
            return labels
        several = isinstance(labels, Sequence) and not isinstance(labels, str)
        if several and len(labels) == len(outputs):
            return dict(zip(outputs, labels, strict=True))
        raise DataError(
            f"{name} must be {{name: labels}} or {len(outputs)} arrays in the order {listed}, for "
            f"the network has {len(outputs)} outputs; got {in_short(labels)}"
        )

    def check(self, labels: Any, prediction: Shape) -> None:
        """See `Loss.check`; the output is named."""
        for part in self.parts:
            check_number(labels[part.name], prediction[0])
            try:
                part.loss.check(labels[part.name], part.prediction(prediction[0]))
            except DataError as cause:
                raise DataError(f"output {part.name!r}: {cause}") from None

    def targets(self, labels: Any, prediction: Shape) -> Mapping[str, np.ndarray]:
        """See `Loss.targets`; none, since each part has its own.

        Raises:
            ShapeError: always.
        """
        raise ShapeError("the targets of several outputs are those of each part")

    def chance(self, labels: Any, prediction: Shape) -> float | None:
        """See `Loss.chance`: the parts' in their weights; None where one is not known."""
        total = 0.0
        for part in self.parts:
            own = part.loss.chance(labels[part.name], part.prediction(prediction[0]))
            if own is None:
                return None
            total += part.weight * own
        return total

    def settings(self) -> dict[str, Any]:
        """See `Loss.settings`: those of each part, by its output."""
        parts = {
            part.name: {"weight": float(part.weight), "loss": part.loss.settings()}
            for part in self.parts
        }
        return {"type": "JointLoss", "parts": parts}
