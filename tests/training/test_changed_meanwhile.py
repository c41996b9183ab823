"""What is changed in place while a training goes on: it trains on what was checked, or says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from tails import beginning

import gradtrail as gt
from gradtrail.engines.reference import Reference
from gradtrail.layers import Loss
from gradtrail.training import Observer, Seen

from .common import CLASSES, ENGINES, SHAPE, Held, data, pixels, plain, trained


class Meddling(Observer):
    """Calls something behind the first step."""

    def __init__(self, change: Callable[[], object]) -> None:
        self.change = change

    def step(self, seen: Seen) -> None:
        if seen.step == 1:
            self.change()


def short(y: np.ndarray) -> None:
    y.resize(1, refcheck=False)


CHANGES: dict[str, Callable[[np.ndarray], object]] = {
    "large": lambda y: y.__setitem__(slice(None), 10**6),
    "negative": lambda y: y.__setitem__(slice(None), -(2**40)),
    "short": short,
}


@pytest.mark.parametrize(
    "settings", beginning(2, [{}, {"mixup": 0.4}, {"augment": gt.Augment(flip=0.5)}]), ids=str
)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("engine", ENGINES)
def test_labels_changed_in_place_change_nothing(
    engine: str, change: str, settings: dict[str, Any]
) -> None:
    expected = trained(plain(), engine=engine, **settings).step_losses
    x, y = data()
    meddling = Meddling(lambda: CHANGES[change](y))
    loss = gt.CrossEntropy(weight=(1.0, 2.0, 3.0))
    assert (
        trained(plain(), (x, y), engine=engine, log=[meddling], **settings).step_losses == expected
    )
    weighted = trained(plain(), data(), engine=engine, loss=loss, **settings).step_losses
    x, y = data()
    meddling = Meddling(lambda: CHANGES[change](y))
    found = trained(
        plain(), (x, y), engine=engine, loss=loss, log=[meddling], **settings
    ).step_losses
    assert found == weighted


@pytest.mark.parametrize("engine", ENGINES)
def test_labels_of_images_changed_in_place_change_nothing(engine: str) -> None:
    expected = trained(plain(), Held(*pixels()), engine=engine).step_losses
    x, y = pixels()
    meddling = Meddling(lambda: y.__setitem__(slice(None), 10**6))
    assert trained(plain(), Held(x, y), engine=engine, log=[meddling]).step_losses == expected


class Foreign:
    """Another package's array, which hands itself over as it was usual before NumPy 2."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: Any = None) -> np.ndarray:
        if self.array.dtype == object:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad")
        return self.array

    def __len__(self) -> int:
        return len(self.array)


@pytest.mark.parametrize("engine", ENGINES)
def test_labels_of_another_package_are_copied_without_a_warning(engine: str) -> None:
    x, y = data()
    expected = trained(plain(), (x, y.copy()), engine=engine).step_losses
    meddling = Meddling(lambda: y.fill(10**6))
    given = Foreign(x), Foreign(y)
    assert trained(plain(), given, engine=engine, log=[meddling]).step_losses == expected


def test_an_array_that_does_not_hand_itself_over_is_told() -> None:
    x, _ = data()
    tracked = Foreign(np.zeros(len(x), object))
    with pytest.raises(gt.DataError, match="x cannot be read as an array: Can't call numpy"):
        plain().predict(tracked)
    with pytest.raises(gt.DataError, match="y cannot be read as an array: Can't call numpy"):
        trained(plain(), (x, tracked))


@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_as_targets_changed_in_place_change_nothing(engine: str) -> None:
    x, _ = data()
    y = np.linspace(-1, 1, 2 * len(x)).reshape(-1, 2).copy()
    common = {"engine": engine, "loss": gt.MeanSquaredError()}
    expected = trained(plain(outputs=2), (x, y.copy()), **common).step_losses
    meddling = Meddling(lambda: short(y))
    found = trained(plain(outputs=2), (x, y), log=[meddling], **common).step_losses
    assert found == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_samples_of_another_shape_meanwhile_are_read_as_before(engine: str) -> None:
    """Their values are read where they lie, their shape is not."""
    expected = trained(plain(), engine=engine).step_losses
    x, y = data()
    meddling = Meddling(lambda: setattr(x, "shape", (5, 10 * SHAPE[0], *SHAPE[1:])))
    assert trained(plain(), (x, y), engine=engine, log=[meddling]).step_losses == expected


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("settings", [{}, {"augment": gt.Augment(flip=0.5)}], ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_memory_of_samples_stays_while_it_is_read(
    engine: str, settings: dict[str, Any], checked: bool
) -> None:
    """Also where they are a view of what somebody gives back without asking who reads it."""
    x, y = data()
    refused = Meddling(lambda: x.resize((1, *x.shape[1:]), refcheck=checked))
    for given in (x, x[:], x.reshape(-1, 1, *SHAPE)[:, 0]):
        with pytest.raises(ValueError, match="cannot resize an array that references or is refe"):
            trained(plain(), (given, y), engine=engine, log=[refused], **settings)
    del given
    x.resize((1, *x.shape[1:]), refcheck=False)  # nobody reads it any more
    assert x.shape == (1, *SHAPE)


def test_the_memory_of_samples_stays_while_they_are_predicted() -> None:
    """From one batch to the next; an engine that resizes stands for another thread."""
    x, _ = data()

    class Resizing(Reference):
        def predict(self, network: gt.Network, part: np.ndarray) -> np.ndarray:
            with pytest.raises(ValueError, match="cannot resize"):
                x.resize((1, *x.shape[1:]), refcheck=False)
            return super().predict(network, part)

    net = plain()
    assert len(net.predict(x, batch_size=16, engine=Resizing())) == len(x)


class Strange(Loss):
    """The cross-entropy with classes or rows of its own."""

    def __init__(self, classes: int, width: int) -> None:
        self.inner, self.number, self.width = gt.CrossEntropy(), classes, width

    def declare(self, prediction: tuple[int, ...]) -> Any:
        return self.inner.declare(prediction)

    def targets(self, labels: Any, prediction: tuple[int, ...]) -> Mapping[str, np.ndarray]:
        return self.inner.targets(labels, prediction)

    def rows(self, labels: Any, prediction: tuple[int, ...]) -> tuple[np.ndarray, bool]:
        return np.eye(self.width), True

    def classes(self, labels: Any, prediction: tuple[int, ...]) -> np.ndarray:
        return np.full(len(labels), self.number)


def test_a_loss_whose_classes_lead_astray_is_refused() -> None:
    with pytest.raises(
        gt.errors.DataError, match=r"from 9 to 9 of shape \(50,\), but 50 from 0 to 2"
    ):
        trained(plain(), loss=Strange(9, CLASSES), engine="cpu")
    with pytest.raises(
        gt.errors.DataError, match=r"rows have shape \(2, 2\), but 2 rows of \(3,\)"
    ):
        trained(plain(), loss=Strange(0, 2), engine="cpu")


def test_labels_that_are_no_array_are_refused() -> None:
    with pytest.raises(gt.errors.DataError, match="y is no array: its rows differ in length"):
        trained(plain(), (data(2)[0], [[1], [1, 2]]))
