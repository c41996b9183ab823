"""What a network takes each sample for: what the confusion matrix and the mistakes share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ..arrays.loss_values import log_softmax
from ..checking.arguments import positive
from ..engines import engine_for
from ..errors import NonFiniteError
from ..graph.class_names import class_names
from ..layers.cross_entropy import CrossEntropy
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

    Arguments and errors are those of `confusion`; `what` is the public function, for messages.
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
            wrong = ~np.isfinite(found).all(axis=1)
            if wrong.any():
                raise NonFiniteError(
                    "the network gives a NaN or an infinity for sample "
                    f"{batch.numbers[wrong][0]}; look for one in its weights and in the samples"
                )
            taken.append(found.argmax(axis=1))
            shares.append(np.exp(log_softmax(found.astype(np.float64)).max(axis=1)))
    true = loss.classes(feed.y, feed.prediction)
    numbered = names or tuple(map(str, range(outputs)))
    return Predictions(true, np.concatenate(taken), np.concatenate(shares), numbered)
