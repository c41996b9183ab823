"""A convolutional network as a scikit-learn classifier."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, final

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import column_or_1d

from ...arrays.loss_values import log_softmax
from ...errors import ArgumentError, DataError
from ...layers import CrossEntropy, Loss
from ...layers.weighted_loss_functions import WeightedCrossEntropy
from .estimator import CNNEstimator
from .shapes import label_shape, refuse_maps


@final
@dataclass(eq=False, repr=False)
class CNNClassifier(ClassifierMixin, CNNEstimator):  # type: ignore[misc]
    """A convolutional network that is trained by the cross-entropy and tells classes.

    Samples are rows of features (N, features), grey images (N, H, W) or images (N, C, H, W); labels
    are of any type that can be sorted. Samples are standardised: each channel of images, or each
    feature of rows, to mean 0 and deviation 1 over the samples of `fit`.

    Args:
        layers: a list of gradtrail layers without the last; `Linear(number of classes)` is added,
            behind a `Flatten` if need be. Or the name of an architecture, such as "lenet-short". Or
            None: convolutions of 3 × 3, as many as the image's size asks for, or one hidden layer
            for rows of features.
        width: how wide the default is: channels of its first convolution, the others having twice
            as many; of rows, half the units of the hidden layer.
        input_shape: of one sample, (channels, height, width) or (features,), where X has rows of
            features. None: a row whose length is a square of 8 × 8 or more is a grey image.
        epochs: how often all samples are seen; None for as many as make 1,000 steps, at least 10
            and at most 200.
        batch_size: samples of a step.
        lr: the learning rate, above 0; None for 0.003, and with "sgd" 0.03.
        optimizer: "adamw", "adam" or "sgd".
        momentum: of "sgd", Nesterov's; at least 0.
        weight_decay: at least 0; None for 0.3 with "adamw", else 0.
        schedule: how the learning rate changes: "one-cycle", "cosine", "step", "constant", or an
            object such as `gt.schedules.Cosine(warm_up=0.1)`.
        shuffle: whether each epoch has an order of its own.
        augment: how images are changed at random each time they are seen, such as
            `gt.Augment(crop=1, rotation=10)`; None for not.
        early_stopping: whether some samples are held out, and the training ends when the loss on
            them has not become less for a while; the best epoch's weights are kept.
        validation_fraction: how many are held out, of each class alike; between 0 and 1.
        n_iter_no_change: for how many epochs in a row.
        class_weight: how much each class counts: None for each sample alike, "balanced" for each
            class alike, or a dictionary from labels to numbers ≥ 0.
        threads: how many may be used; None for all processors, and in joblib's workers for each
            worker's share. It changes no result.
        engine: None for the default, "cpu", "reference", or an engine object.
        random_state: what the first weights, the order of samples and dropout follow from. The same
            number gives the same network, bit by bit; None another one each time.
        verbose: whether progress is shown.

    Attributes:
        classes_: the labels that were seen, sorted.
        network_: the trained `gradtrail.Network`; it takes what `samples` gives.
        standardization_: means and deviations, `mean` and `deviation`.
        history_: the training's `gradtrail.History`, with the loss of every step.
        loss_curve_: the mean loss of each epoch.
        n_iter_: how many epochs there were.
        n_features_in_: how many numbers a sample has.
        feature_names_in_: the columns' names, where X was a data frame.

    Example:
        >>> clf = CNNClassifier(random_state=0).fit(X, y)
        >>> clf.predict(X[:1])
        array([0])
    """

    _drops: ClassVar[bool] = True
    _labels: ClassVar[dict[str, Any]] = {}

    class_weight: Any = field(default=None, kw_only=True)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch over some samples at a constant learning rate, from where the network is.

        The first call learns the samples' shape and standardisation, and makes the network; later
        ones keep them. Optimiser, learning rate and class weights are those of the first call, too.

        Args:
            X: samples, as for `fit`.
            y: labels.
            classes: all labels that there will be; needed at the first call, where not all are in
                `y`.
            sample_weight: as for `fit`, but not divided by their mean.

        Returns:
            The estimator itself.

        Raises:
            ArgumentError: `class_weight="balanced"`, or classes other than at the first call.
            DataError: a label that is none of the classes.
        """
        self._refuse(y)
        if isinstance(self.class_weight, str):
            raise ArgumentError(
                f"partial_fit: class_weight={self.class_weight!r} needs all labels at once; pass "
                "a dictionary of weights"
            )
        if classes is not None:
            classes = unique_labels(classes)
            if hasattr(self, "network_") and not np.array_equal(classes, self.classes_):
                raise ArgumentError(
                    f"partial_fit: classes are {self.classes_.tolist()} since the first call, but "
                    f"got {classes.tolist()}; leave classes out, or fit a new estimator"
                )
        return self._train_further(X, y, classes, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The class of each sample, (N,).

        Args:
            X: samples, as for `fit`.

        Raises:
            DataError: samples unlike those that were fitted.
        """
        outputs = self._outputs(X)  # which says where there is no network yet
        return np.asarray(self.classes_[outputs.argmax(axis=1)])

    def decision_function(self, X: Any) -> np.ndarray:
        """The network's outputs before the softmax.

        Args:
            X: samples, as for `fit`.

        Returns:
            (N, classes), float64; of two classes the second's less the first's, (N,).
        """
        outputs = self._outputs(X)
        return outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of each class's probability, (N, classes) float64, by log-sum-exp."""
        return log_softmax(self._outputs(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Each class's probability, (N, classes) float64, in the order of `classes_`."""
        return np.asarray(np.exp(self.predict_log_proba(X)))

    def _refuse(self, y: Any) -> None:
        shape = label_shape(y)
        refuse_maps(y, "a class for every position (segmentation)")
        if len(shape) == 2 and shape[1] > 1:
            raise DataError(
                f"y has shape {shape}: several tags for a sample (multi-label) are trained by "
                "gt.train(network, (x, y), loss=gt.BCEWithLogits()); CNNRegressor brings each near "
                "0 or 1, and one-hot rows are class numbers by y.argmax(axis=1)"
            )

    def _learn_targets(self, y: np.ndarray, weights: np.ndarray | None, classes: Any = None) -> int:
        """See `CNNEstimator._learn_targets`: the classes, and what they count."""
        check_classification_targets(y)
        self.classes_ = unique_labels(y) if classes is None else classes
        self._weights = None
        if self.class_weight == "balanced" and weights is not None:
            self._weights = _balanced(np.bincount(self._targets(y), weights, len(self.classes_)))
        elif self.class_weight is not None:
            found = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
            self._weights = tuple(map(float, found))
        return len(self.classes_)

    def _targets(self, y: np.ndarray) -> np.ndarray:
        """See `CNNEstimator._targets`: the classes' numbers."""
        check_classification_targets(y)
        y = column_or_1d(y)
        new = ~np.isin(y, self.classes_)
        if new.any():
            first, known = y[new].tolist()[0], self.classes_.tolist()
            raise DataError(
                f"label {first!r} is none of the classes {known}; name all of them at the first "
                "call of partial_fit by classes="
            )
        return np.searchsorted(self.classes_, y)

    def _groups(self, y: np.ndarray) -> np.ndarray:
        """See `CNNEstimator._groups`: the classes."""
        return np.asarray(self._targets(y), np.int64)

    def _target_weights(self, targets: np.ndarray) -> np.ndarray | float:
        """See `CNNEstimator._target_weights`: that of its class."""
        return 1.0 if self._weights is None else np.array(self._weights)[targets]

    def _loss(self, *, weighted: bool) -> Loss:
        return WeightedCrossEntropy() if weighted else CrossEntropy(weight=self._weights)


def _balanced(counts: np.ndarray) -> tuple[float, ...]:
    """Class weights by which all classes that are there count the same; 0 for the others.

    `compute_class_weight` takes weights of samples from scikit-learn 1.7 on, and no class whose
    samples all have weight 0.
    """
    there = counts > 0
    found = np.zeros(len(counts))
    found[there] = counts.sum() / (there.sum() * counts[there])
    return tuple(map(float, found))
