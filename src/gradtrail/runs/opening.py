"""From a recipe to what a training works on: images, classes, and the network for them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..architecture import architecture, layer_from, network_from
from ..data import Images, channel_statistics, enlarged, split
from ..data import load as load_data
from ..data.cifar import find_cifar
from ..data.dataset import DataSet, Part
from ..data.idx import find_idx
from ..data.known import folder_of
from ..data.naming import CLASSES
from ..data.pixels import unit
from ..data.recognised import recognised
from ..errors import ArgumentError, DataError, FileError, ShapeError, warn
from ..files import load, load_weights, read_json
from ..layers import Normalize
from ..network import Network
from .parts import DataTable, LossTable, ModelTable
from .recipe import Recipe

__all__ = [
    "Opened",
    "Prepared",
    "arrays_of",
    "labels_of",
    "network_from_file",
    "open_data",
    "prepared",
]

T = TypeVar("T")

_NAMED = 1 << 20
"""So many outputs at most get numbers as names."""

_CLASSES = 1000
"""So many classes may be counted by any number of samples."""


class Opened(NamedTuple):
    """A recipe's data.

    Args:
        train: what is learned from.
        validation: what is evaluated after every epoch; None where there is nothing.
        test: what is evaluated at the end; None where there is nothing.
        classes: their names.
        notes: what a person should be told.
    """

    train: Part
    validation: Part | None
    test: Part | None
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an image, (C, H, W)."""
        images = self.train.shape if isinstance(self.train, Images) else self.train[0].shape[1:]
        return tuple(images)

    @property
    def shown(self) -> str:
        """What the images are that are evaluated after every epoch: "validation" or "test"."""
        return "test" if self.validation is self.test else "validation"

    @property
    def held(self) -> Part | None:
        """What a trained network is judged by: the test images, or else those held out."""
        return self.validation if self.test is None else self.test


@dataclass(frozen=True)
class Prepared:
    """All that a training works on.

    Args:
        recipe: resolved: what was found in the data is in it.
        data: the images.
        network: for them, with fresh parameters or those of a file.
        notes: what a person should be told.
    """

    recipe: Recipe
    data: Opened
    network: Network
    notes: tuple[str, ...]


def arrays_of(pair: Part, places: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Samples (n, C, H, W) from 0 to 1 and their labels, all of them or those at some places."""
    if isinstance(pair, Images):
        chosen = np.arange(len(pair)) if places is None else places
        return unit(pair.read(chosen)), pair.y[chosen]
    return pair if places is None else (pair[0][places], pair[1][places])


def labels_of(pair: Part) -> np.ndarray:
    """The class numbers, (M,) int64."""
    return pair.y if isinstance(pair, Images) else pair[1]


def open_data(table: DataTable) -> Opened:
    """The images of a recipe.

    Args:
        table: [data].

    Returns:
        The images; their notes are for the caller to say, since a run's own were said when it was
        trained.

    Raises:
        FileError: they are not there, or damaged.
        DataError: images that cannot be read, or that have no common size.
    """
    found = _named(table) if table.path is None or table.name is not None else _read(table)
    if found.validation is not None:
        told = "the data have validation images of their own; none of the others are held out"
        return found._replace(notes=(*found.notes, *((told,) if table.validation else ())))
    if table.validation:
        train, held = _held_out(found.train, table.validation)
        return found._replace(train=train, validation=held)
    return found._replace(validation=found.test)


def _named(table: DataTable) -> Opened:
    """A data set that gradtrail knows.

    Raises:
        DataError: fewer names than it has classes.
    """
    assert table.name is not None
    known = CLASSES[table.name]
    if table.classes is not None and len(table.classes) < len(known):
        raise DataError(
            f"classes ({', '.join(table.classes)}): {table.name} has {len(known)} classes; name "
            "all of them in the order of their labels, or none"
        )
    train, test = (_sized(pair, table.pair) for pair in load_data(table.name, table.path))
    return Opened(train, None, test, table.classes or known)


def _read(table: DataTable) -> Opened:
    """What a path holds."""
    assert table.path is not None
    found = _at(table.path, table, table.classes)
    test, notes = found.test, found.notes
    classes = table.classes or found.classes or _numbered(found, table.path)
    if table.test is not None:
        other = _at(table.test, table, classes)
        test, notes = other.train, (*notes, *other.notes)
    parts = (found.train, found.validation, test)
    train, validation, test = (_sized(part, table.pair) for part in parts)
    assert train is not None
    return Opened(train, validation, test, classes, notes)


def _at(path: str, table: DataTable, classes: tuple[str, ...] | None) -> DataSet:
    """What a path holds; the table's words on images are for folders of them."""
    folder = Path(path)
    if not folder.is_dir() or find_idx(folder) or find_cifar(folder):
        return recognised(path, classes=classes, channels_last=table.channels_last)
    return recognised(
        path,
        size=table.pair,
        channels=table.channels,
        channels_last=table.channels_last,
        fit=table.fit,
        white=table.white,
        bad=table.bad,
        memory=table.memory << 20,
        classes=classes,
    )


def _numbered(found: DataSet, path: str) -> tuple[str, ...]:
    """Numbers as names, for data that have none.

    Raises:
        DataError: numbers that are hardly classes.
    """
    parts = [labels_of(p) for p in (found.train, found.validation, found.test) if p is not None]
    highest, count = max(int(y.max()) for y in parts), sum(map(len, parts))
    if highest >= max(count, _CLASSES):
        raise DataError(
            f"{path} has the label {highest} but {count} samples; classes count from 0, each with "
            "some samples"
        )
    return tuple(map(str, range(highest + 1)))


def _sized(part: T, size: tuple[int, int] | None) -> T:
    """Arrays brought to a size, which is at least theirs; images have theirs already."""
    if not isinstance(part, tuple) or size is None or part[0].shape[2:] == tuple(size):
        return part
    return enlarged(part[0], *size), part[1]  # type: ignore[return-value]


def _held_out(part: Part, share: float) -> tuple[Part, Part]:
    """A share of every class apart."""
    return part.split(share) if isinstance(part, Images) else split(*part, share)


def prepared(recipe: Recipe, *, said: bool = False) -> Prepared:
    """Data and network of a recipe, and the recipe with what was found.

    Args:
        recipe: checked.
        said: whether a person knows the notes already, as those of a run that goes on.

    Raises:
        FileError: data or a network that are not there, or damaged.
        DataError: images that cannot be read, or that have no common size.
        ShapeError: a network that does not fit the images.

    Warns:
        GradtrailWarning: each of the notes, unless they are known.
    """
    model, table, notes = recipe.model, recipe.data, []
    saved = None if model.file is None else network_from_file(model.file, model.seed)
    data = open_data(table)
    _check_stopping(recipe, data)
    wanted = _wanted(model, saved, data)
    if wanted != data.shape:
        notes.append(_resized(model, data, wanted))
        table = replace(table, size=(wanted[1], wanted[2]))
        data = open_data(table)
    normalize = _statistics(model, saved, data)
    if normalize is not None:
        numbers = {"mean": normalize.mean, "std": normalize.std}
        model = replace(model, **numbers)  # type: ignore[arg-type]
    first = [] if normalize is None else [normalize]
    if saved is None:
        network = Network(data.shape, first + _layers(model, len(data.classes)), seed=model.seed)
        if model.weights is not None:
            load_weights(network, model.weights)
    else:
        network = saved
    data = _matching(network, data)
    network.classes = data.classes
    height, width = data.shape[1:]
    table = replace(_located(table), size=(height, width), channels=data.shape[0])
    table = replace(table, classes=data.classes)
    resolved = replace(recipe, data=table, model=model, loss=_weighted(recipe.loss, data))
    for note in () if said else (*data.notes, *notes):
        warn(note)
    return Prepared(resolved, data, network, (*data.notes, *notes))


def _resized(model: ModelTable, data: Opened, wanted: tuple[int, ...]) -> str:
    """The note about images that a network takes in another size."""
    size, other = (f"{shape[1]} × {shape[2]}" for shape in (data.shape, wanted))
    files = isinstance(data.train, Images)  # which may have any size, whatever is asked for
    if model.architecture is not None:
        done = f"brought to {other} instead" if files else f"enlarged from {size} to {other}"
        return f"{model.architecture} is too deep for {size} pixels: the images are {done}"
    if files:
        return f"the images are brought to {other}, which {model.file} takes"
    return f"the images are enlarged from {size} to {other}, which {model.file} takes"


def _matching(network: Network, data: Opened) -> Opened:
    """The data with a class for every output; classes that are numbers may be fewer.

    Raises:
        ShapeError: a network with other outputs than there are classes.
    """
    outputs, classes = network.system(1).shapes[network.output_name][1:], data.classes
    numbers = classes == tuple(map(str, range(len(classes))))
    if numbers and len(outputs) == 1 and len(classes) <= outputs[0] <= _NAMED:
        return data._replace(classes=tuple(map(str, range(outputs[0]))))
    if outputs == (len(classes),):
        return data
    last = network.steps[-1]
    raise ShapeError(
        f"layer '{last.name}' gives {' × '.join(map(str, outputs))} outputs, but the data have "
        f"{len(classes)} classes: {', '.join(classes[:5])}{', …' if len(classes) > 5 else ''}",
        f"End the network with Linear({len(classes)})",
    )


def _located(table: DataTable) -> DataTable:
    """Where the data lie, wherever a command runs."""
    path = table.path
    if table.name is not None:
        folder = folder_of(table.name, path)
        path = None if folder is None else str(folder)
    absolute = (None if p is None else os.path.abspath(p) for p in (path, table.test))
    return replace(table, path=next(absolute), test=next(absolute))


def _check_stopping(recipe: Recipe, data: Opened) -> None:
    """Whether early stopping looks at other images than those that the result is judged by.

    Raises:
        DataError: it does not.
    """
    looks = recipe.stopping is not None and recipe.stopping.of_validation
    if looks and data.validation is data.test:
        raise DataError(
            "early stopping would choose the best epoch by the test images, and these could judge "
            "it no more; hold some training images out: validation = 0.1 in [data], or "
            "--validation 0.1"
        )


def network_from_file(
    file: str | os.PathLike[str], seed: int = 0, shape: tuple[int, ...] | None = None
) -> Network:
    """A saved network, an ONNX file, or an architecture as JSON, with fresh parameters.

    Args:
        file: a run's folder, a safetensors file, an ONNX file, or a JSON file.
        seed: of fresh parameters.
        shape: of a sample, for an ONNX file that leaves it open.

    Raises:
        FileError: it is missing, damaged, or holds no network.
        ArgumentError: a shape for a file that has its own.
    """
    path = Path(file)
    if path.suffix == ".onnx":
        from ..interop import from_onnx

        return from_onnx(path, input_shape=shape)
    if shape is not None:
        raise ArgumentError(f"--input-shape is for named architectures; {path} has its own")
    if path.is_dir() or path.suffix == ".safetensors":
        return load(path)
    data = read_json(path)
    try:
        return network_from(data | {"seed": seed} if isinstance(data, dict) else data)
    except (ArgumentError, ShapeError) as cause:
        raise FileError(f"{path}: {cause}") from cause


def _wanted(model: ModelTable, saved: Network | None, data: Opened) -> tuple[int, ...]:
    """The shape that images must have for a network.

    Raises:
        ShapeError: they cannot be brought to it.
    """
    shape = data.shape
    if saved is None:
        try:
            Network(shape, _layers(model, len(data.classes)))
            return shape
        except ShapeError:
            if model.architecture is None:
                raise
            wanted = (shape[0], *architecture(model.architecture).input_shape[1:])
            if wanted == shape:
                raise
    else:
        wanted = saved.input_shape
    arrays = not isinstance(data.train, Images)
    smaller = len(wanted) == 3 and any(w < s for w, s in zip(wanted[1:], shape[1:], strict=True))
    if len(wanted) != 3 or wanted[0] != shape[0] or (arrays and smaller):
        raise ShapeError(
            f"{model.architecture or model.file} takes samples of {wanted}, but the data have "
            f"{shape}",
            "Choose a model of their shape"
            if arrays or wanted[:1] not in ((1,), (3,))
            else f"A recipe reads images so with channels = {wanted[0]} under [data]",
        )
    return wanted


def _layers(model: ModelTable, classes: int) -> list[Any]:
    """The layers of a network with fresh parameters."""
    if model.architecture is not None:
        return architecture(model.architecture).make(classes)
    assert model.layers is not None
    return [layer_from(entry, f"layer {place}") for place, entry in enumerate(model.layers)]


def _statistics(model: ModelTable, saved: Network | None, data: Opened) -> Normalize | None:
    """The layer that normalises images, by what is given or found; None where none is wanted."""
    if saved is not None or not model.normalize:
        return None
    if any(isinstance(layer, Normalize) for layer in _layers(model, len(data.classes))[:1]):
        return None
    if model.mean is not None and model.std is not None:
        return Normalize(model.mean, model.std)
    train = data.train if isinstance(data.train, Images) else data.train[0]
    mean, std = channel_statistics(train)
    return Normalize(tuple(mean.tolist()), tuple(std.tolist()))


def _weighted(loss: LossTable, data: Opened) -> LossTable:
    """Class weights as numbers: "balanced" gives each class the same weight in all."""
    if loss.class_weights != "balanced":
        return loss
    counts = np.bincount(labels_of(data.train), minlength=len(data.classes))
    present = counts > 0
    weights = np.where(present, counts.sum() / (present.sum() * np.maximum(counts, 1)), 0.0)
    return replace(loss, class_weights=tuple(map(float, weights)))
