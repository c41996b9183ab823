"""All of some data, for what goes through them batch by batch: arrays, or images read meanwhile."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..data.images import Images
from ..engines import Batch, Samples
from ..engines.batch import (
    check_mass,
    contiguous_view,
    copied_labels,
    output_shape,
    refuse_images,
)
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
            refuse_images(loss, "data")
            self._source, self.y = data, copied_labels(data.y)
            self.outputs = output_shape(network, loss)
        else:
            samples = Samples.of(network, data, loss)
            self._source, self.y, self.outputs = samples.x, samples.y, samples.outputs
        whole = Samples(np.empty((len(self.y), 0)), self.y, loss, self.outputs)
        for part in whole.by_output:
            part.loss.check(part.y, part.prediction)
            check_mass(part.y, part.loss, part.prediction, "data")
        self.shape = (len(self), *network.sample_shape)
        self.scales = [part.scale for part in Batch(whole, whole.places).by_output]

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
        return Batch(part, part.places, scales=self.scales)
