"""What a network takes each sample for: what the confusion matrix and the mistakes share."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ..arrays.loss_values import log_softmax
from ..checking.arguments import positive
from ..engines import engine_for
from ..errors import DataError, NonFiniteError
from ..graph.class_names import class_names
from ..layers.cross_entropy import CrossEntropy
from ..layers.layer import times
from .feed import feed_for

if TYPE_CHECKING:
    from ..engines import Engine
    from ..graph import Graph
    from ..layers import Loss


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


def predicted(
    what: str,
    network: Graph,
    data: Any,
    loss: Loss,
    classes: Sequence[str] | None,
    batch_size: int,
    engine: str | Engine | None,
) -> tuple[tuple[str, ...], Generator[tuple[np.ndarray, Any], None, None]]:
    """What a network makes of samples, in evaluation, a batch at a time.

    Other arguments and errors are those of `confusion`; `what` is the public function, for
    messages.

    Returns:
        A name for each of its K outputs, and for each batch its outputs (n, K, …) with its labels;
        to be closed where it is left.
    """
    positive(what, batch_size=batch_size)
    runs = engine_for(engine, network)
    feed = feed_for(network, data, loss, runs)
    outputs = feed.prediction[1]
    names = class_names(what, network, outputs, data, classes)

    def batches() -> Generator[tuple[np.ndarray, Any], None, None]:
        labels = np.asarray(feed.y)
        with closing(feed.in_order(batch_size)) as parts:
            for batch in parts:
                found = runs.predict(network, batch.x)
                wrong = ~np.isfinite(found).reshape(len(found), -1).all(axis=1)
                if wrong.any():
                    raise NonFiniteError(
                        "the network gives a NaN or an infinity for sample "
                        f"{batch.numbers[wrong][0]}; look for one in its weights and in the samples"
                    )
                yield found, labels[batch.numbers]

    return names or tuple(map(str, range(outputs))), batches()


def predict_samples(
    what: str,
    network: Graph,
    data: Any,
    classes: Sequence[str] | None,
    batch_size: int,
    engine: str | Engine | None,
) -> Predictions:
    """What a network takes each sample for, in evaluation.

    Arguments and errors are those of `mistakes`; `what` is the public function, for messages.
    """
    loss, true, taken, shares = CrossEntropy(), [], [], []
    names, batches = predicted(what, network, data, loss, classes, batch_size, engine)
    with closing(batches):
        for found, labels in batches:
            if found.ndim > 2:
                raise DataError(
                    f"{what}: the network gives a class for every position, "
                    f"{times(found.shape[1:])}, and not for a sample; gt.confusion(network, "
                    "(x, y)) counts positions"
                )
            true.append(loss.classes(labels, found.shape))
            taken.append(found.argmax(axis=1))
            shares.append(np.exp(log_softmax(found.astype(np.float64)).max(axis=1)))
    return Predictions(np.concatenate(true), np.concatenate(taken), np.concatenate(shares), names)
