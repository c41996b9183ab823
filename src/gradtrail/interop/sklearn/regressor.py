"""A convolutional network as a scikit-learn regressor."""

from __future__ import annotations

from typing import Any, ClassVar, Self, final

import numpy as np
from sklearn.base import RegressorMixin

from ...errors import DataError
from ...layers import Loss, MeanSquaredError
from ...layers.weighted_loss_functions import WeightedSquaredError
from ...network import Network
from .estimator import CNNEstimator
from .shapes import refuse_maps
from .standardization import Standardization


@final
class CNNRegressor(RegressorMixin, CNNEstimator):  # type: ignore[misc]
    """A convolutional network that is trained by the squared error and tells numbers.

    Arguments and attributes are those of `CNNClassifier`, without `class_weight` and `classes_`.
    Targets are one number per sample (N,), or several (N, targets). Each target is standardised
    over the samples of `fit`, and `predict` undoes it; losses are of standardised targets. The
    default for images has no dropout.

    Attributes:
        target_standardization_: the targets' means and deviations.
        n_outputs_: how many targets there are.
    """

    _drops: ClassVar[bool] = False
    _labels: ClassVar[dict[str, Any]] = {"multi_output": True, "y_numeric": True}

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over some samples at a constant learning rate, from where the network is.

        The first call learns the samples' shape, the standardisation of samples and targets, and
        makes the network; later ones keep them.

        Args:
            X: samples, as for `fit`.
            y: targets.
            sample_weight: as for `fit`, but not divided by their mean.

        Returns:
            The estimator itself.

        Raises:
            DataError: another number of targets than at the first call.
        """
        self._refuse(y)
        return self._train_further(X, y, sample_weight=sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The targets of each sample.

        Args:
            X: samples, as for `fit`.

        Returns:
            (N,) or (N, targets) as in `fit`, float64.

        Raises:
            DataError: samples unlike those that were fitted.
        """
        outputs = self._outputs(X)  # which says where there is no network yet
        found = self.target_standardization_.undo(outputs)
        return found[:, 0] if self._single else found

    def _refuse(self, y: Any) -> None:
        refuse_maps(y, "numbers for every position")

    def _learn_targets(self, y: np.ndarray, weights: np.ndarray | None, classes: Any = None) -> int:
        """See `CNNEstimator._learn_targets`: the targets' number, means and deviations."""
        self._single = y.ndim == 1
        rows = y.reshape(len(y), -1)
        self.n_outputs_ = rows.shape[1]
        if weights is not None:
            rows, weights = rows[weights > 0], weights[weights > 0]
        learned = Standardization.of(rows, (self.n_outputs_,), "y", weights)
        self.target_standardization_ = learned
        return self.n_outputs_

    def _targets(self, y: np.ndarray) -> np.ndarray:
        """See `CNNEstimator._targets`: standardised."""
        rows = y.reshape(len(y), -1)
        if rows.shape[1] != self.n_outputs_:
            raise DataError(
                f"y has {rows.shape[1]} targets, but the network was made for {self.n_outputs_}; "
                "fit a new estimator for other targets"
            )
        return self.target_standardization_.apply(rows)

    def _loss(self, *, weighted: bool) -> Loss:
        return WeightedSquaredError() if weighted else MeanSquaredError()

    def _in_units(self, network: Network) -> None:
        """See `CNNEstimator._in_units`: deviation and mean go into the last layer's weights."""
        last = network.steps[-1].name
        learned = self.target_standardization_
        weight, bias = (network.parameters[f"{last}.{kind}"] for kind in ("weight", "bias"))
        weight *= learned.deviation[:, None].astype(weight.dtype)
        bias[...] = bias * learned.deviation + learned.mean

    def __sklearn_tags__(self) -> Any:
        """scikit-learn's description: several targets are taken."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
