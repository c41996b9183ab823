"""What a training follows from, as options say it: a recipe, and what stands in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..data.image_spec import FITS
from ..data.known import NAMES
from ..errors import ArgumentError, FileError, typed
from ..network.architecture import ARCHITECTURES
from ..runs import read_recipe, shipped_names, shipped_tables, tables_of
from ..runs.recipe import Recipe
from .data_options import reading_options, with_options
from .path_types import PATH, WORD, is_path
from .word_meanings import is_data_name, is_model_file, size_from, words

F = TypeVar("F", bound=Callable[..., Any])

Changes = dict[tuple[str | int, ...], tuple[str, Any]]

_RATES = {
    **{"sgd": 0.05, "adam": 2e-3, "adamw": 2e-3, "nadam": 2e-3, "radam": 2e-3},
    **{"rmsprop": 1e-3, "adagrad": 0.01, "lion": 2e-4},
}
SCHEDULES = {
    "constant": "Constant",
    "step": "StepDecay",
    "one-cycle": "OneCycle",
    "cosine": "Cosine",
    "cosine-restarts": "CosineWarmRestarts",
    "polynomial": "Polynomial",
    "plateau": "ReduceLROnPlateau",
}
_FOUND = {
    "data": ("test", "classes", "size", "channels", "channels_last"),
    "model": ("mean", "std"),
}


def usual(table: str, key: str) -> str:
    """What the data's recipes say, for the help: `12 for digits, 2 for mnist and fashion-mnist`."""
    found: dict[str, list[str]] = {}
    for name in (*NAMES, "images"):
        value = shipped_tables(name).get(table, {}).get(key, "constant")
        found.setdefault(str(value), []).append(name)
    return ", ".join(f"{value} for {' and '.join(names)}" for value, names in found.items())


RECIPE_ARGUMENT = click.argument(
    "recipe", required=False, type=WORD, shell_complete=words(shipped_names)
)

_TRAINED = tuple(name for name, known in ARCHITECTURES.items() if not known.beyond_recipes)
"""The named architectures for images with a class each."""

_MODEL_AND_DATA = (
    click.option(
        "--model",
        type=WORD,
        shell_complete=words(lambda: _TRAINED),
        show_default=usual("model", "architecture"),
        help=f"{', '.join(_TRAINED)}, an architecture as JSON, a saved network, or an ONNX file.",
    ),
    click.option(
        "--weights",
        type=PATH,
        help="A safetensors file that the model starts from, such as torchvision's or timm's.",
    ),
    click.option(
        "--freeze",
        multiple=True,
        help='Layers or arrays that stay as they are, such as "features*"; several may be given.',
    ),
    click.option(
        "--replace-head",
        is_flag=True,
        default=None,
        help="Begin the last layer anew, with an output for each class of the data.",
    ),
    click.option(
        "--data",
        type=WORD,
        shell_complete=words(lambda: NAMES),
        show_default="digits",
        help=f"{', '.join(NAMES)}, or a path: a folder of images with a folder per class, or an "
        ".npz.",
    ),
    click.option(
        "--data-path",
        type=PATH,
        help="The folder that a named data set's files are in; by default GRADTRAIL_DATA and the "
        "usual places, or else they are downloaded.",
    ),
    click.option(
        "--size",
        show_default="their own, and 64 where they differ",
        help="Rows and columns that images in a folder are brought to, such as 64 or 48,64.",
    ),
    click.option("--fit", type=click.Choice(FITS), help="How they are brought to it."),
    reading_options,
)

BATCH_SIZE = click.option(
    "--batch-size", type=click.IntRange(1), show_default=usual("training", "batch_size")
)

OPTIMIZER = click.option(
    "--optimizer", type=click.Choice(list(_RATES)), show_default=usual("optimizer", "type")
)

_COMPUTING = (
    click.option("--seed", type=click.IntRange(0), show_default="0"),
    click.option(
        "--engine", help="What computes: cpu or reference; by default the library's choice."
    ),
    click.option(
        "--threads",
        type=click.IntRange(1),
        help="How many the engine may use; no result depends on it.",
    ),
)


def model_and_data_options(command: F) -> F:
    """The options on what is trained, and on which images."""
    return with_options(command, _MODEL_AND_DATA)


def computing_options(command: F) -> F:
    """The options on seed, engine and threads."""
    return with_options(command, _COMPUTING)


def recipe_of(recipe: str | None, given: dict[str, Any]) -> Recipe:
    """The recipe with what options say instead.

    Args:
        recipe: a TOML file, or the name of one that comes along; None for the data's own.
        given: the options that were given, by their names as Python has them.

    Raises:
        GradtrailError: no recipe, or one with a mistake.
    """
    data = given.pop("data", None)
    is_file = recipe is not None and (Path(recipe).is_file() or recipe.endswith(".toml"))
    if is_file:
        assert recipe is not None
        return read_recipe(recipe, _changes(given, data, tables_of(recipe)))
    if recipe is not None and recipe not in shipped_names() and is_path(recipe):
        if not Path(recipe).exists():
            raise FileError(f"cannot read {recipe}: there is no such file")
        raise ArgumentError(
            f"{recipe} is no recipe, which is a .toml file; --data {typed(recipe)} trains on what "
            "it holds"
        )
    usual = "digits" if data is None else data if is_data_name(data) else "images"
    base = shipped_tables(recipe or usual)
    return read_recipe(None, _changes(given, data, base), base)


def _changes(given: dict[str, Any], data: str | None, base: dict[str, Any]) -> Changes:
    """What options put in the place of a recipe's values."""
    found: Changes = {}
    if data is not None:
        is_path = not is_data_name(data)
        found["data", "name"] = "--data", None if is_path else data
        found["data", "path"] = "--data", data if is_path else None
        for table, keys in _FOUND.items():  # what a resolved recipe has found in other data
            found |= {(table, key): ("--data", None) for key in keys}
    if "data_path" in given:
        found["data", "path"] = "--data-path", str(given["data_path"])
    if "model" in given:
        model = given["model"]
        file = is_model_file(model)
        for key in ("architecture", "file", "layers", "weights", "mean", "std"):
            found["model", key] = "--model", None
        if "weights" in base.get("model", {}):  # whose own network normalised by itself
            found["model", "normalize"] = "--model", None
        found["model", "file" if file else "architecture"] = "--model", model
    for name in ("weights", "freeze", "replace_head"):
        if name in given:
            value = list(given[name]) if name == "freeze" else given[name]
            value = str(value) if name == "weights" else value
            found["fine_tuning", name] = f"--{name.replace('_', '-')}", value
    if "size" in given:
        found["data", "size"] = "--size", size_from(given.pop("size"))
    tables = {
        "data": ("fit", "white", "bad", "validation", "channels_last", "classes"),
        "training": ("epochs", "batch_size", "accumulate", "seed", "engine", "threads", "watch"),
    }
    for table, keys in tables.items():
        for name in keys:
            if name in given:
                value = given[name]
                value = list(value) if isinstance(value, tuple) else value
                found[table, name] = f"--{name.replace('_', '-')}", value
    if "seed" in given:
        found["model", "seed"] = "--seed", given["seed"]
    for name in given.get("log", ()):
        found["log", name] = "--log", True
    if "schedule" in given:
        found["schedule",] = "--schedule", {"type": SCHEDULES[given["schedule"]]}
    return found | _optimizer_changes(given, base)


def _optimizer_changes(given: dict[str, Any], base: dict[str, Any]) -> Changes:
    """What --optimizer and --lr put in the place of a recipe's values."""
    found: Changes = {}
    table = base.get("optimizer", {})
    before = str(table.get("type")).lower() if isinstance(table, dict) else ""
    kind = given.get("optimizer", before)
    if kind != before:
        moving = {"momentum": 0.9, "nesterov": True} if kind == "sgd" else {}
        usual = {"type": kind, "lr": _RATES[kind], **moving}
        found["optimizer",] = "--optimizer", usual
    if "lr" in given:
        if "optimizer" not in base and "optimizer" not in given:
            found["optimizer", "type"] = "--lr", "Adam"
        found["optimizer", "lr"] = "--lr", given["lr"]
    return found
