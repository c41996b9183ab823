"""A model in ONNX while it is being written: its arrays, its nodes, the version of its operators.

Arrays have our names (`input`, `conv1.weight`, `conv1.output`), nodes those of the layers. A layer
that is several nodes has its name before theirs: `silu1.sigmoid`, `silu1`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...layers.steps import Step
from ...network import Network

SINCE: Mapping[str, int] = {
    "Round": 11,
    **{"Celu": 12, "Einsum": 12, "LessOrEqual": 12},
    "HardSwish": 14,
    "LayerNormalization": 17,
    "Mish": 18,
    "Gelu": 20,
    "GroupNormalization": 21,
    "RMSNormalization": 23,
}
"""The version that an operator came with, or that gave it the form in which it is written here. All
others are in version 9 as they are written."""

AS_INPUTS: Mapping[str, int] = {
    "Clip": 11,
    "Dropout": 12,
    "Pad": 11,
    "ReduceMax": 18,
    "ReduceMean": 18,
    "ReduceSum": 13,
    "Slice": 10,
}
"""From which version on an operator takes its settings as inputs; before, as attributes."""


class LaterVersionError(Exception):
    """A layer cannot be written in the operators of a version.

    Args:
        version: the first in which it can.
        step: the layer's.
    """

    def __init__(self, version: int, step: Step) -> None:
        super().__init__(version, step)
        self.version, self.step = version, step


class Writing:
    """One network on its way into a model.

    Args:
        network: that is written.
        onnx: the package.
        opset: the version of the operators.
    """

    def __init__(self, network: Network, onnx: Any, opset: int) -> None:
        self.network, self.helper, self.opset = network, onnx.helper, opset
        self.shapes = network.system(1).shapes
        self.arrays: dict[str, Any] = {}
        self.nodes: list[Any] = []
        self._taken: set[str] = {step.output for step in network.steps} | {*network.inputs}

    def shape(self, step: Step) -> tuple[int, ...]:
        """The shape of a layer's first input, of one sample, 1 before it."""
        return self.shapes[step.sources[0]]

    def needs(self, version: int, step: Step) -> None:
        """Go on only with operators of this version or a later one.

        Raises:
            LaterVersionError: they are of an earlier one.
        """
        if self.opset < version:
            raise LaterVersionError(version, step)

    def description_of(self, name: str, array: str | None = None) -> Any:
        """The name, dtype and shape of an input or output; the batch is N.

        Args:
            name: what it is called in the model.
            array: of the network, if that is called otherwise.
        """
        kind = self.helper.np_dtype_to_tensor_dtype(self.network.dtype)
        sizes = ["N", *self.shapes[array or name][1:]]
        return self.helper.make_tensor_value_info(name, kind, sizes)

    # -- arrays -----------------------------------------------------------------------------------

    def held(self, step: Step, *keys: str) -> list[str]:
        """Put a layer's parameters or running statistics into the model, those that there are."""
        names = [f"{step.owner}.{key}" for key in keys]
        sides = (self.network.parameters, self.network.buffers)
        return [self.array(name, side[name]) for name in names for side in sides if name in side]

    def array(self, name: str, values: np.ndarray) -> str:
        """Put an array into the model, once; several layers may read it."""
        if name not in self.arrays:
            self._taken.add(name)
            kind = self.helper.np_dtype_to_tensor_dtype(values.dtype)
            ordered = values.dtype.newbyteorder("<")
            content = np.ascontiguousarray(values).astype(ordered).tobytes()
            made = self.helper.make_tensor(name, kind, values.shape, content, raw=True)
            self.arrays[name] = made
        return name

    def laid(self, step: Step, name: str, sizes: Sequence[int]) -> str:
        """Put a parameter into the model with axes of one position among its own.

        It is called what it is here, unless another layer reads it in another shape.
        """
        values = self.network.parameters[name].reshape(tuple(sizes))
        if name in self.arrays and tuple(self.arrays[name].dims) != values.shape:
            name = self._free(step, f"{name.rpartition('.')[2]}_laid")
        return self.array(name, values)

    def constant(self, step: Step, part: str, values: Any) -> str:
        """Put numbers that are nothing trained into the model, in the network's dtype."""
        return self.array(self._free(step, part), np.asarray(values, self.network.dtype))

    def integers(self, step: Step, part: str, values: Any) -> str:
        """Put whole numbers into the model, such as sizes and axes."""
        return self.array(self._free(step, part), np.asarray(values, np.int64))

    def _free(self, step: Step, part: str) -> str:
        """A name for a part of a layer, which nothing else has."""
        name, count = f"{step.name}.{part}", 1
        while name in self._taken or name in self.network.parameters:
            count += 1
            name = f"{step.name}.{part}{count}"
        self._taken.add(name)
        return name

    # -- nodes ------------------------------------------------------------------------------------

    def node(
        self,
        operator: str,
        step: Step,
        inputs: Sequence[str],
        *,
        part: str = "",
        **attributes: Any,
    ) -> str:
        """Append a node; one that is only a part of a layer has its name behind the layer's.

        Returns:
            What its output is called.

        Raises:
            LaterVersionError: the operator is not in this version yet.
        """
        self.needs(SINCE.get(operator, 1), step)
        name = self._free(step, part) if part else step.name
        output = name if part else step.output
        self.nodes.append(
            self.helper.make_node(operator, [*inputs], [output], name=name, **attributes)
        )
        return output

    def told(
        self,
        operator: str,
        step: Step,
        inputs: Sequence[str],
        settings: Mapping[str, Any],
        *,
        part: str = "",
        **attributes: Any,
    ) -> str:
        """Append a node whose settings are inputs or attributes, by the version.

        Args:
            operator: one of `AS_INPUTS`.
            step: that it is of.
            inputs: the arrays that it computes with.
            settings: by name, in the order of the inputs; lists are whole numbers.
            part: as in `node`.
            **attributes: which are attributes in every version.
        """
        if self.opset < AS_INPUTS[operator]:
            return self.node(operator, step, inputs, part=part, **settings, **attributes)
        read = [
            self.integers(step, name, value)
            if isinstance(value, list)
            else self.constant(step, name, value)
            for name, value in settings.items()
        ]
        return self.node(operator, step, [*inputs, *read], part=part, **attributes)

    def reshaped(self, step: Step, source: str, sizes: Sequence[int], *, part: str = "") -> str:
        """Append a view of samples in another shape; the batch stays what it is."""
        target = self.integers(step, f"{part or 'output'}.shape", [0, *sizes])
        return self.node("Reshape", step, [source, target], part=part)

    def met(self, step: Step) -> list[str]:
        """What a layer reads, all with as many axes: here an array with fewer has the first ones.

        ONNX counts axes from the end, so that further axes of one position go behind.
        """
        shapes = [self.shapes[name] for name in step.sources]
        most = max(map(len, shapes))
        return [
            name
            if len(shape) == most
            else self.reshaped(step, name, [*shape[1:], *[1] * (most - len(shape))], part="wide")
            for name, shape in zip(step.sources, shapes, strict=True)
        ]

    def ordered(self, step: Step, source: str, order: Sequence[int], *, part: str = "") -> str:
        """Append the axes in another order."""
        return self.node("Transpose", step, [source], part=part, perm=[*order])


Writer = Callable[[Writing, Step], None]
"""Appends what a layer is."""


def one_operator(
    operator: str, attributes: Callable[[Any], Mapping[str, Any]] = lambda layer: {}
) -> Writer:
    """A layer that is one operator, which reads its weight and bias behind its inputs."""

    def write(w: Writing, step: Step) -> None:
        inputs = [*step.sources, *w.held(step, "weight", "bias")]
        w.node(operator, step, inputs, **attributes(step.layer))

    return write
