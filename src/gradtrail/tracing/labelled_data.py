"""All of some data, for what goes through them batch by batch: arrays, or images read meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ..data.images import Images
from ..engines import Batch, Samples
from ..engines.batch import check_mass, contiguous_view, copied_labels
from ..graph import Graph
from ..layers import Loss


class LabelledData:
    """Samples with their labels, checked.

    Args:
        network: that they are for.
        data: a pair (samples, labels), or `gt.data.Images`.
        loss: that compares outputs with labels.

    Raises:
        DataError: samples or labels that do not fit.
    """

    def __init__(self, network: Graph, data: Any, loss: Loss) -> None:
        self.loss, self._dtype = loss, network.dtype
        self._source: np.ndarray | Images
        if isinstance(data, Images):
            data.check_shape(network.input_shape, "data")
            self._source, self.y = data, copied_labels(data.y)
            self.outputs = network.system(1, loss=loss).shapes[network.output_name][1:]
        else:
            samples = Samples.of(network, data, loss)
            self._source, self.y, self.outputs = samples.x, samples.y, samples.outputs
        loss.check(self.y, self.prediction)
        check_mass(self.y, loss, self.prediction, "data")
        self.shape = (len(self), *network.sample_shape)
        even = loss.even(self.y, self.prediction)
        self.scale = 1.0 if even else loss.scale(self.y, self.prediction)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def prediction(self) -> tuple[int, ...]:
        """The shape of all samples' outputs."""
        return (len(self), *self.outputs)

    @cached_property
    def classes(self) -> np.ndarray | None:
        """The class number of each sample, (N,) int64; None where there are no such."""
        return self.loss.classes(self.y, self.prediction) if len(self.outputs) == 1 else None

    def x(self, begin: int, end: int) -> np.ndarray:
        """Samples (n, C, H, W), as the network takes them."""
        if isinstance(self._source, Images):
            return self._source.numbers(begin, end).astype(self._dtype, copy=False)
        return self._source[begin:end]

    def share(self, begin: int, end: int) -> Batch:
        """Some of them as a batch, weighted as they are in the loss of all the data."""
        x = contiguous_view(self.x(begin, end))
        part = Samples(x, self.y[begin:end], self.loss, self.outputs)
        return _Share(part, self.scale)


class _Share(Batch):
    """A part of the data with the weights of the whole.

    By itself a batch divides by the weights of its own labels' classes.

    Args:
        samples: of the part.
        scale: what all the data's rows are multiplied by, from `Loss.scale`.
    """

    def __init__(self, samples: Samples, scale: float) -> None:
        super().__init__(samples, samples.places)
        self._scale = scale

    @cached_property
    def targets(self) -> Mapping[str, np.ndarray]:
        """See `Batch.targets`; a part of which nothing counts has targets of 0 anyway."""
        own = super().scale
        found = self.samples.loss.targets(self.y, self.prediction)
        factor = self._scale / own if own else 1.0
        return found if factor == 1.0 else {a: factor * array for a, array in found.items()}

    @property
    def scale(self) -> float:
        """See `Batch.scale`."""
        return self._scale
