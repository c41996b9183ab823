"""What a network takes each sample for: what confusion matrix and mistakes share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ..checking.arguments import positive
from ..engines import Batch, engine_for
from ..errors import NonFiniteError
from ..graph.class_names import class_names
from ..layers.loss_functions import CrossEntropy, log_softmax
from .feed import feed_for

if TYPE_CHECKING:
    from ..engines import Engine
    from ..graph import Graph


@final
@dataclass(frozen=True, eq=False)
class Predictions:
    """The classes of M samples.

    Args:
        true: (M,) int64, what they are.
        taken: (M,) int64, what they are taken for.
        probabilities: (M,) float64, that the network gives to these.
        classes: the name of each of the network's outputs.
    """

    true: np.ndarray
    taken: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]


def predict_samples(
    what: str,
    network: Graph,
    data: Any,
    classes: Sequence[str] | None,
    batch_size: int,
    engine: str | Engine | None,
) -> Predictions:
    """What a network takes each sample for, in evaluation.

    Args:
        what: the public function, for messages.
        network: is not changed.
        data: see `gradtrail.confusion`, as all that follow.
        classes: their names.
        batch_size: how many samples are computed at once.
        engine: which computes.

    Raises:
        ArgumentError: not as many names as the network has outputs.
        DataError: samples or labels that do not fit.
        NonFiniteError: the network gives a NaN or an infinity.
    """
    positive(what, batch_size=batch_size)
    loss, runs = CrossEntropy(), engine_for(engine, network)
    feed = feed_for(network, data, loss, runs)
    outputs = network.system(1, loss=loss).shapes[network.output_name][1]
    names = class_names(what, network, outputs, data, classes)
    taken, shares = [], []
    with closing(feed.in_order(batch_size)) as batches:
        for batch in batches:
            found = runs.predict(network, batch.x)
            _check_finite(found, batch)
            taken.append(found.argmax(axis=1))
            shares.append(np.exp(log_softmax(found.astype(np.float64)).max(axis=1)))
    true = loss.classes(feed.y)
    assert true is not None
    numbered = names or tuple(map(str, range(outputs)))
    return Predictions(true, np.concatenate(taken), np.concatenate(shares), numbered)


def _check_finite(outputs: np.ndarray, batch: Batch) -> None:
    """Refuse outputs that could not be compared."""
    wrong = ~np.isfinite(outputs).all(axis=1)
    if wrong.any():
        raise NonFiniteError(
            f"the network gives a NaN or an infinity for sample {batch.numbers[wrong][0]}; look "
            "for one in its weights and in the samples"
        )
