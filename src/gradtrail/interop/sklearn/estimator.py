"""What the classifier and the regressor share: samples in, a network trained, its outputs.

scikit-learn's conventions hold: `__init__` stores its arguments and does nothing else, `fit` checks
them, and what is learned has a name that ends in `_`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ...data.augment import Augment
from ...data.splitting import held_out_mask
from ...engines import engine_for
from ...errors import DataError
from ...layers import Loss, Normalize
from ...network import Network
from ...training import EarlyStopping, History, train
from ...training.schedules import Schedule
from .architectures import layers_for
from .settings import epochs_for, optimizer_for, schedule_for, threads_for
from .shapes import rows_of, sample_shape
from .standardization import Standardization

_AT_ONCE = 256
"""How many samples are predicted at a time."""

_LEAST = 4
"""Fewer are predicted together with copies of the last.

The engine computes up to three samples by a program of their own, with the sums in another order;
so a sample's outputs are the same bits in whatever company it comes.
"""

_SEEDS = np.iinfo(np.int32).max


class Given(NamedTuple):
    """What is learned from.

    Args:
        rows: (N, features).
        y: their labels.
        weights: (N,) how much each counts, above 0; None for all alike.
    """

    rows: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None

    def part(self, chosen: Any) -> Given:
        """Some of the samples."""
        weights = None if self.weights is None else self.weights[chosen]
        return Given(self.rows[chosen], self.y[chosen], weights)


def _weights_of(sample_weight: Any, rows: np.ndarray) -> np.ndarray | None:
    """Weights as the caller gave them, (N,) float64; None where there are none.

    Raises:
        DataError: none of the samples counts.
        ValueError: scikit-learn's own, for another number of them or negative ones.
    """
    if sample_weight is None:
        return None
    weights: np.ndarray = _check_sample_weight(
        sample_weight, rows, dtype=np.float64, ensure_non_negative=True
    )
    if not weights.any():
        raise DataError("sample_weight is 0 for every sample; nothing would count")
    return weights


@dataclass(eq=False, repr=False)
class CNNEstimator(BaseEstimator, ABC):  # type: ignore[misc]
    """The base of the estimators; see `CNNClassifier` for the arguments."""

    _drops: ClassVar[bool]
    """Whether the default layers for images have dropout."""

    _labels: ClassVar[dict[str, Any]]
    """How scikit-learn checks labels."""

    layers: Any = None
    _: KW_ONLY
    width: int = 32
    input_shape: Any = None
    epochs: int | None = None
    batch_size: int = 32
    lr: float | None = None
    optimizer: str = "adamw"
    momentum: float = 0.9
    weight_decay: float | None = None
    schedule: Any = "one-cycle"
    shuffle: bool = True
    augment: Augment | None = None
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    threads: int | None = None
    engine: Any = None
    random_state: Any = None
    verbose: bool = False

    @abstractmethod
    def _learn_targets(self, y: np.ndarray, weights: np.ndarray | None, classes: Any = None) -> int:
        """Learn from the first labels what labels are like.

        Args:
            y: (N,) or (N, targets).
            weights: (N,) how much each counts, at least 0; None for all alike.
            classes: all labels that there will be, where there are classes; None for those in `y`.

        Returns:
            How many outputs the network needs.
        """

    @abstractmethod
    def _targets(self, y: np.ndarray) -> np.ndarray:
        """Labels as the network's loss compares them.

        Raises:
            DataError: labels unlike the first ones.
        """

    @abstractmethod
    def _loss(self, *, weighted: bool) -> Loss:
        """The loss of the fitted estimator.

        Args:
            weighted: whether the samples have weights.
        """

    @abstractmethod
    def _refuse(self, y: Any) -> None:
        """Refuse labels that the estimator does not take, by the name of what they are.

        Raises:
            DataError: it names what takes them.
        """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network.

        Args:
            X: samples, (N, features), (N, H, W) or (N, C, H, W).
            y: a label for each, see the class.
            sample_weight: (N,) how much each sample counts in the loss and in the standardisation
                of samples and targets, at least 0; None for all alike. They are divided by their
                mean, and multiplied with class weights. A sample of weight 0 is as if it were not
                there.

        Returns:
            The estimator itself. After Ctrl-C it holds the network as the last step left it, and
            the interruption goes on to the caller.

        Raises:
            ArgumentError: an argument out of its range.
            DataError: samples or labels that cannot be learned.
            NonFiniteError: a NaN or an infinity appeared in the training.
            ShapeError: layers that do not fit the samples.
        """
        self._refuse(y)
        rows, shape, y = self._taken(X, y, first=True)
        weights = _weights_of(sample_weight, rows)
        if weights is not None:
            weights = weights / weights[weights > 0].mean()
        outputs = self._learn_targets(y, weights)
        given, held, stopping = Given(rows, y, weights), None, None
        if weights is not None:  # what does not count is as if it were not there
            given = given.part(weights > 0)
        if self.early_stopping:
            apart = held_out_mask(self._groups(given.y), self.validation_fraction, 0)
            given, held = given.part(~apart), given.part(apart)
            stopping = EarlyStopping(self.n_iter_no_change)
        epochs = epochs_for(self.epochs, len(given.rows), self.batch_size)
        schedule = schedule_for(self.schedule)
        self._begin(given, shape, outputs)
        self._train(given, epochs, schedule, held, stopping)
        return self

    def _groups(self, y: np.ndarray) -> np.ndarray:
        """What a share of each is held out of, (N,) int64: all samples alike."""
        return np.zeros(len(y), np.int64)

    def samples(self, X: Any) -> np.ndarray:
        """Samples as `network_` takes them: in its shape, and standardised.

        Args:
            X: samples, as for `fit`.

        Returns:
            (N, *network_.input_shape), float32.

        Raises:
            DataError: samples unlike those that were fitted.
        """
        rows = self._known(X)
        return self.standardization_.apply(rows)

    def to_network(self) -> Network:
        """A network that takes samples as they are, to be saved or handed on.

        `Normalize` stands in front of the layers; the other layers keep their names. A regressor's
        last layer gives the targets in their own units.

        Returns:
            A new `gradtrail.Network`; its samples are (N, *network_.input_shape).
        """
        check_is_fitted(self, "network_")
        learned, trained = self.standardization_, self.network_
        mean, deviation = (tuple(map(float, a)) for a in (learned.mean, learned.deviation))
        layers = [Normalize(mean, deviation), *trained.layers]
        network = Network(trained.input_shape, layers, seed=trained.seed)
        network.parameters.update(trained.parameters)
        network.buffers.update(trained.buffers)
        self._in_units(network)
        return network

    def _in_units(self, network: Network) -> None:
        """Let a network's last layer give what the estimator predicts; of classes, nothing."""

    def _taken(
        self,
        X: Any,
        y: Any,
        *,
        first: bool,
    ) -> tuple[np.ndarray, tuple[int, ...], np.ndarray]:
        """Samples and labels as the caller gave them, checked.

        Args:
            X: see `fit`.
            y: see `fit`.
            first: whether the estimator learns what samples look like, instead of knowing it.

        Returns:
            Rows of features, the shape of one sample, labels.
        """
        rows, came = rows_of(X)
        rows, y = validate_data(self, rows, y, reset=first, **self._labels)
        if not first:
            return rows, self._agreed(rows, came), y
        return rows, sample_shape(rows.shape[1], came, self.input_shape), y

    def _known(self, X: Any) -> np.ndarray:
        """Samples for the fitted network as rows of features, checked."""
        check_is_fitted(self, "network_")
        rows, came = rows_of(X)
        rows = validate_data(self, rows, reset=False)
        self._agreed(rows, came)
        return np.asarray(rows)

    def _agreed(self, rows: np.ndarray, came: tuple[int, ...] | None) -> tuple[int, ...]:
        fitted = self.network_.input_shape
        return sample_shape(rows.shape[1], came, fitted, known="the network's input_shape")

    def _begin(self, given: Given, shape: tuple[int, ...], outputs: int) -> None:
        """A new network for these samples, and an optimiser."""
        self._random = np.random.RandomState(check_random_state(self.random_state).randint(_SEEDS))
        self.optimizer_ = optimizer_for(self.optimizer, self.lr, self.momentum, self.weight_decay)
        layers = layers_for(self.layers, shape, outputs, self.width, drops=self._drops)
        self.standardization_ = Standardization.of(given.rows, shape, weights=given.weights)
        self.network_ = Network(shape, layers, seed=self._random.randint(_SEEDS))
        self.history_ = History()

    def _train(
        self,
        given: Given,
        epochs: int,
        schedule: Schedule | None,
        held: Given | None = None,
        stopping: EarlyStopping | None = None,
    ) -> None:
        """Train the network for so many epochs, and note how it went."""
        pairs = [
            None if p is None else (self.standardization_.apply(p.rows), self._weighed(p))
            for p in (given, held)
        ]
        done = train(
            self.network_,
            pairs[0],
            validation=pairs[1],
            stopping=stopping,
            augment=self.augment,
            loss=self._loss(weighted=given.weights is not None),
            optimizer=self.optimizer_,
            schedule=schedule,
            epochs=epochs,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            threads=threads_for(self.threads),
            engine=self.engine,
            seed=self._random.randint(_SEEDS),
            progress=bool(self.verbose),
        )
        self.history_ = self.history_.followed_by(done)
        self.loss_curve_ = self.history_.loss
        self.n_iter_ = self.history_.epochs
        if done.interrupted:
            raise KeyboardInterrupt("the estimator holds the network as the last step left it")

    def _train_further(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        """One epoch at a constant rate, from where the network is; weights count as they are."""
        first = not hasattr(self, "network_")
        rows, shape, y = self._taken(X, y, first=first)
        weights = _weights_of(sample_weight, rows)
        outputs = self._learn_targets(y, weights, classes) if first else 0
        given = Given(rows, y, weights)
        if weights is not None:
            given = given.part(weights > 0)
        if first:
            self._begin(given, shape, outputs)
        self._train(given, 1, None)
        return self

    def _weighed(self, given: Given) -> np.ndarray:
        """Labels as the loss compares them; with weights, rows that end with them."""
        targets = self._targets(given.y)
        if given.weights is None:
            return targets
        return np.column_stack([targets, given.weights * self._target_weights(targets)])

    def _target_weights(self, targets: np.ndarray) -> np.ndarray | float:
        """The weight of each target (N,) by what it is, or one weight of all: they are alike."""
        return 1.0

    def _outputs(self, X: Any) -> np.ndarray:
        """What the network gives for samples, (N, outputs) float64; memory is bounded."""
        rows = self._known(X)
        engine = engine_for(self.engine, self.network_, threads_for(self.threads))
        parts = []
        for at in range(0, len(rows), _AT_ONCE):
            part = rows[at : at + _AT_ONCE]
            samples = self.standardization_.apply(part)
            if len(part) < _LEAST:
                copies = np.repeat(samples[-1:], _LEAST - len(part), axis=0)
                samples = np.concatenate([samples, copies])
            parts.append(self.network_.predict(samples, engine=engine)[: len(part)])
        return np.concatenate(parts).astype(np.float64)

    def __getstate__(self) -> dict[str, Any]:
        """With what the optimiser remembers, which it leaves out of its own state."""
        state = dict(super().__getstate__())
        if hasattr(self, "network_"):
            state["_remembered"] = self.optimizer_.remembered(self.network_)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """See `__getstate__`."""
        remembered = state.pop("_remembered", None)
        super().__setstate__(state)
        if remembered is not None:
            self.optimizer_.remember(self.network_, *remembered)
