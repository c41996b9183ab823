"""From a recipe to what a training works on: images, classes, and the network for them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Images, channel_statistics
from ..data.known import folder_of
from ..errors import ArgumentError, DataError, FileError, ShapeError, warn
from ..graph.description import layer_from
from ..layers import Normalize
from ..network import Network
from ..network.architecture import architecture, network_from
from ..network.foreign_weights import load_weights
from ..network.saving import load
from ..storage.files import read_json
from .fine_tuning import FineTuningTable
from .recipe import Recipe
from .recipe_data import RecipeData, part_labels, read_data
from .recipe_tables import DataTable, LossTable, ModelTable

_NAMED = 1 << 20
"""So many outputs at most get numbers as names."""


@dataclass(frozen=True)
class RunInputs:
    """All that a training works on.

    Args:
        recipe: resolved: what was found in the data is in it.
        data: the images.
        network: for them, with fresh parameters or those of a file.
    """

    recipe: Recipe
    data: RecipeData
    network: Network


def prepare_run(recipe: Recipe, *, said: bool = False) -> RunInputs:
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
    tuning = recipe.fine_tuning
    anew = tuning is not None and tuning.replace_head
    names = () if saved is None or anew else saved.classes or ()
    table, data = _ordered(table, names)
    _check_stopping(recipe, data)
    wanted = _wanted(model, saved, data)
    if wanted != data.shape:
        notes.append(_resized(model, data, wanted))
        table = replace(table, size=(wanted[1], wanted[2]))
        data = read_data(table)
    model, network = (model, saved) if saved is not None else _fresh(model, data, tuning)
    if tuning is not None:
        tuning.apply(network, model, len(data.classes))
    data = _matching(network, data)
    if names and names != data.classes:
        notes.append(f"{model.file} called its outputs {_some(names)}: now {_some(data.classes)}")
    network.classes = data.classes
    height, width = data.shape[1:]
    table = replace(_located(table), size=(height, width), channels=data.shape[0])
    table = replace(table, classes=data.classes)
    resolved = replace(recipe, data=table, model=model, loss=_weighted(recipe.loss, data))
    for note in () if said else (*data.notes, *notes):
        warn(note)
    return RunInputs(resolved, data, network)


def _ordered(table: DataTable, names: tuple[str, ...]) -> tuple[DataTable, RecipeData]:
    """The data, with their classes in the order of a saved network's where these are the same."""
    data = read_data(table)
    same = table.classes is None and set(names) == set(data.classes)
    if not same or names == data.classes:
        return table, data
    table = replace(table, classes=names)
    return table, read_data(table)


def _some(classes: tuple[str, ...]) -> str:
    """The first names of classes, for a message."""
    return ", ".join(classes[:5]) + (", …" if len(classes) > 5 else "")


def _resized(model: ModelTable, data: RecipeData, wanted: tuple[int, ...]) -> str:
    """The note about images that a network takes in another size."""
    size, other = (f"{shape[1]} × {shape[2]}" for shape in (data.shape, wanted))
    files = isinstance(data.train, Images)  # which may have any size, whatever is asked for
    done = f"the images are {'brought' if files else f'enlarged from {size}'} to {other}"
    if model.architecture is None:
        return f"{done}, which {model.file} takes"
    instead = " instead" if files else ""
    return f"{model.architecture} is too deep for {size} pixels: {done}{instead}"


def _matching(network: Network, data: RecipeData) -> RecipeData:
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
        f"{len(classes)} classes: {_some(classes)}",
        f"End the network with Linear({len(classes)})"
        if len(outputs) == 1
        else f"Recipes have a class for each image: end the network with Flatten() and "
        f"Linear({len(classes)}), or train it in Python, with gt.train",
    )


def _located(table: DataTable) -> DataTable:
    """Where the data lie, wherever a command runs."""
    path = table.path
    if table.name is not None:
        folder = folder_of(table.name, path)
        path = None if folder is None else str(folder)
    absolute = (None if p is None else os.path.abspath(p) for p in (path, table.test))
    return replace(table, path=next(absolute), test=next(absolute))


def _check_stopping(recipe: Recipe, data: RecipeData) -> None:
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


def _wanted(model: ModelTable, saved: Network | None, data: RecipeData) -> tuple[int, ...]:
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
            "Recipes read images (channels, height, width); train it in Python, with gt.train"
            if len(wanted) != 3
            else "Choose a model of their shape"
            if arrays or wanted[:1] not in ((1,), (3,))
            else f"A recipe reads images so with channels = {wanted[0]} under [data]",
        )
    return wanted


def _fresh(
    model: ModelTable, data: RecipeData, tuning: FineTuningTable | None
) -> tuple[ModelTable, Network]:
    """A new network, with a file's weights if there is one; its table with the statistics."""
    normalize = _statistics(model, data)
    first = [] if normalize is None else [normalize]
    if normalize is not None:
        numbers = {"mean": normalize.mean, "std": normalize.std}
        model = replace(model, **numbers)  # type: ignore[arg-type]
    published = None if tuning is None else tuning.weights
    layers = _layers(model, len(data.classes), published)
    network = Network(data.shape, first + layers, seed=model.seed)
    if model.weights is not None:
        load_weights(network, model.weights)
    return model, network


def _layers(model: ModelTable, classes: int, published: str | None = None) -> list[Any]:
    """The layers of a network with fresh parameters, for weights that it is to be given."""
    if model.architecture is not None:
        return architecture(model.architecture).made_for(published).layers(classes)
    assert model.layers is not None
    return [layer_from(entry, f"layer {place}") for place, entry in enumerate(model.layers)]


def _statistics(model: ModelTable, data: RecipeData) -> Normalize | None:
    """The layer that normalises images, by what is given or found; None where none is wanted."""
    if not model.normalize:
        return None
    if any(isinstance(layer, Normalize) for layer in _layers(model, len(data.classes))[:1]):
        return None
    if model.mean is not None and model.std is not None:
        return Normalize(model.mean, model.std)
    train = data.train if isinstance(data.train, Images) else data.train[0]
    mean, std = channel_statistics(train)
    return Normalize(tuple(mean.tolist()), tuple(std.tolist()))


def _weighted(loss: LossTable, data: RecipeData) -> LossTable:
    """Class weights as numbers: "balanced" gives each class the same weight in all."""
    if loss.weight != "balanced":
        return loss
    counts = np.bincount(part_labels(data.train), minlength=len(data.classes))
    present = counts > 0
    weights = np.where(present, counts.sum() / (present.sum() * np.maximum(counts, 1)), 0.0)
    return replace(loss, weight=tuple(map(float, weights)))
