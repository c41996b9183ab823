"""A recipe: all that a training follows from, as a TOML file and as an object.

    [data]           which images, in which size, what is held out
    [model]          which network, and whether images are normalised
    [training]       epochs, batches, seed, clipping, averages, mixup
    [loss]           label smoothing, class weights
    [optimizer]      type and arguments            [schedule]    likewise
    [augment]        how images are moved          [stopping]    when to end early
    [fine_tuning]    weights to start from, what stays as it is
    [checkpoints]    how often, how many           [log]         which logs are written

A recipe is checked whole before anything runs: all mistakes are named at once, by key and line.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from pathlib import Path as FilePath
from typing import Any

from ..data.augment import Augment
from ..errors import ArgumentError, FileError, GradtrailError, warn
from ..graph.description import layer_from
from ..machine.folders import locate
from ..optimizers import SGD, Adagrad, Adam, AdamW, Lion, NAdam, Optimizer, RAdam, RMSprop
from ..renamed import RECIPE_WORDS, SCHEDULES
from ..storage.files import file_errors, read_at_most
from ..training import EarlyStopping
from ..training.course import Course
from ..training.schedules import (
    Constant,
    Cosine,
    CosineWarmRestarts,
    OneCycle,
    Polynomial,
    ReduceLROnPlateau,
    Schedule,
    StepDecay,
)
from ..version import VERSION
from .fine_tuning import FineTuningTable
from .recipe_tables import (
    CheckpointTable,
    DataTable,
    LogTable,
    LossTable,
    ModelTable,
    TrainingTable,
)
from .table_reader import Faults, bare_name, built, choice
from .toml_lines import Path, lines_of

_LIMIT = 1 << 20

OPTIMIZERS: Mapping[str, type[Optimizer]] = {
    k.__name__: k for k in (SGD, Adam, AdamW, RMSprop, Adagrad, NAdam, RAdam, Lion)
}
_SCHEDULES: Mapping[str, type[Schedule]] = {
    k.__name__: k
    for k in (
        *(Constant, StepDecay, Cosine, OneCycle),
        *(CosineWarmRestarts, Polynomial, ReduceLROnPlateau),
    )
}
_CHOICES: Mapping[str, Mapping[str, Any]] = {"optimizer": OPTIMIZERS, "schedule": _SCHEDULES}
"""Tables whose `type` says what they describe."""

_TABLES: Mapping[str, type] = {
    "data": DataTable,
    "model": ModelTable,
    "training": TrainingTable,
    "loss": LossTable,
    "augment": Augment,
    "stopping": EarlyStopping,
    "fine_tuning": FineTuningTable,
    "checkpoints": CheckpointTable,
    "log": LogTable,
}


@dataclass(frozen=True)
class Recipe:
    """All that a training follows from.

    Args:
        data: which images.
        model: which network.
        training: how long, in which steps.
        loss: its settings.
        optimizer: the update rule.
        schedule: of the learning rate; None for a constant one.
        augment: how images are moved; None for not.
        stopping: when to end early; None for never.
        fine_tuning: what a trained network's training begins with; None for none.
        checkpoints: how often the training is kept.
        log: which logs are written.
    """

    data: DataTable
    model: ModelTable
    training: TrainingTable = field(default_factory=TrainingTable)
    loss: LossTable = field(default_factory=LossTable)
    optimizer: Optimizer = field(default_factory=lambda: Adam(2e-3))
    schedule: Schedule | None = None
    augment: Augment | None = None
    stopping: EarlyStopping | None = None
    fine_tuning: FineTuningTable | None = None
    checkpoints: CheckpointTable = field(default_factory=CheckpointTable)
    log: LogTable = field(default_factory=LogTable)

    def course(self) -> Course:
        """The settings of the training itself.

        Raises:
            ArgumentError: settings that exclude each other.
        """
        return Course(
            loss=self.loss.made(),
            optimizer=self.optimizer,
            schedule=self.schedule,
            augment=self.augment,
            stopping=self.stopping,
            **self.training.course_settings(),
        )

    def to_dict(self) -> dict[str, Any]:
        """The recipe as its file has it."""
        parts = {known.name: getattr(self, known.name) for known in fields(self)}
        found = {name: part.settings() for name, part in parts.items() if part is not None}
        if "layers" in found["model"]:  # tables stand behind what is none
            found["model"]["layers"] = found["model"].pop("layers")
        return found

    def to_toml(self) -> str:
        """The recipe as text, with gradtrail's version."""
        from tomlkit import dumps

        return dumps({"gradtrail": VERSION} | self.to_dict())


def _recipe_from(data: Mapping[str, Any], faults: Faults) -> Recipe | None:
    """The recipe that a file's content describes; None where something is wrong with it.

    Args:
        data: tables by name.
        faults: what is wrong is added to these.
    """
    parts: dict[str, Any] = {}
    for name, table in data.items():
        path: Path = (name,)
        if name == "gradtrail":
            continue
        if name in _CHOICES:
            kind = choice(_CHOICES[name], table, path, faults)
            if kind is not None:
                parts[name] = built(kind, table, path, faults, skip=("type",))
        elif name in _TABLES:
            parts[name] = built(_TABLES[name], table, path, faults)
        else:
            known = ", ".join([*_TABLES, *_CHOICES])
            faults.add(path, f"is no table of a recipe; there are: {known}")
    for name in ("data", "model"):
        if name not in data:
            faults.add((), f"a recipe needs a table [{name}]")
    if isinstance(model := parts.get("model"), ModelTable) and model.layers is not None:
        _check_layers(model.layers, faults)
    if faults:
        return None
    recipe = Recipe(**{name: part for name, part in parts.items() if part is not None})
    _check_together(recipe, faults)
    return None if faults else recipe


def _check_layers(layers: list[dict[str, Any]], faults: Faults) -> None:
    """Each layer by itself; whether they fit together, the data's shape decides."""
    for place, entry in enumerate(layers):
        try:
            layer_from(entry, f"layer {place}")
        except GradtrailError as cause:
            faults.add(("model", "layers", place), str(cause))


def _check_together(recipe: Recipe, faults: Faults) -> None:
    """What several tables say between them."""
    try:
        recipe.course()
    except ArgumentError as cause:
        told = str(cause)
        table = next((t for t in ("training", "stopping", "loss") if t in told), "training")
        names = [n for n in vars(recipe.training) if n in told]
        faults.add((table, names[0]) if names else (table,), told)


def read_recipe(
    path: str | os.PathLike[str] | None,
    changes: Mapping[Path, tuple[str, Any]] | None = None,
    base: Mapping[str, Any] | None = None,
) -> Recipe:
    """A recipe from a file, all of it checked.

    Args:
        path: the file; None for `base` alone.
        changes: values that take the place of the file's, by their keys, each with what it is
            called in messages: `{("optimizer", "lr"): ("--lr", 0.1)}`. None as a value takes the
            key out.
        base: tables that stand where there is no file.

    Raises:
        FileError: the file cannot be read, or is no recipe; every mistake is named.
    """
    text = "" if path is None else _read(FilePath(path))
    where = "the recipe" if path is None else os.fspath(path)
    try:
        data = tomllib.loads(text) if path is not None else deepcopy(dict(base or {}))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as cause:
        raise FileError(f"{where} is not TOML: {cause}") from None
    lines = _in_present_words(data, lines_of(text), where)
    named: dict[Path, str] = {}
    for keys, (name, value) in (changes or {}).items():
        _change(data, keys, value)
        named[keys] = name
    faults = Faults()
    recipe = _recipe_from(data, faults)
    if recipe is None:
        raise FileError(_told(where, faults, lines, named))
    return recipe if path is None else _absolute(recipe, FilePath(path).absolute().parent, named)


def _in_present_words(data: dict[str, Any], lines: dict[Path, int], where: str) -> dict[Path, int]:
    """Put a recipe's former words as they are now, in place, and say which; its lines likewise."""
    told: list[str] = []

    def tell(path: Path, old: str, new: str) -> None:
        line = f"line {lines[path]}: " if path in lines else ""
        told.append(f"{line}{old} is {new} now")

    for path, new in RECIPE_WORDS.items():
        *tables, old = path
        held: Any = data
        for name in tables:
            held = held.get(name) if isinstance(held, dict) else None
        if isinstance(held, dict) and old in held and new not in held:
            tell(path, *((old, new) if tables else (f"[{old}]", f"[{new}]")))
            entries = {new if key == old else key: value for key, value in held.items()}
            held.clear()
            held.update(entries)
            count, present = len(path), (*tables, new)
            lines = {present + p[count:] if p[:count] == path else p: n for p, n in lines.items()}
    schedule = data.get("schedule")
    kind = schedule.get("type") if isinstance(schedule, dict) else None
    for old, new in SCHEDULES.items():
        if (
            isinstance(schedule, dict)
            and isinstance(kind, str)
            and bare_name(kind) == bare_name(old)
        ):
            tell(("schedule", "type"), kind, new)
            schedule["type"] = new
    if told:
        warn(f"{where}, {'; '.join(told)}; the former words go with the next version")
    return lines


def tables_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A recipe's tables as they stand, unchecked; none where the file cannot be read."""
    try:
        found = tomllib.loads(_read(FilePath(path)))
    except (FileError, ValueError, RecursionError):
        return {}
    return {name: table for name, table in found.items() if isinstance(table, dict)}


def _read(path: FilePath) -> str:
    with file_errors("read", path), path.open("rb") as file:
        content = read_at_most(file, _LIMIT)
    if content is None:
        raise FileError(f"{path} is larger than 1 MiB; no recipe is that long")
    try:
        return content.decode()
    except UnicodeDecodeError as cause:
        raise FileError(f"{path} is not TOML: byte {cause.start} is not UTF-8") from cause


def _change(data: dict[str, Any], keys: Path, value: Any) -> None:
    """Put a value where the keys lead."""
    *tables, last = keys
    at: Any = data
    for key in tables:
        at = at.setdefault(key, {})
        if not isinstance(at, dict):
            return  # which is a mistake of the file, and told as one
    if value is None:
        at.pop(last, None)
    else:
        at[last] = value


def _told(where: str, faults: Faults, lines: Mapping[Path, int], named: Mapping[Path, str]) -> str:
    """All mistakes, each with its place."""
    told = [f"{_place(m.path, lines, named)}{m.what}" for m in faults]
    if len(told) == 1:
        return told[0] if told[0].startswith("--") else f"{where}, {told[0]}"
    return f"{where} has {len(told)} mistakes:" + "".join(f"\n  {line}" for line in told)


def _place(path: Path, lines: Mapping[Path, int], named: Mapping[Path, str]) -> str:
    """`line 4, optimizer.lr: `, or the option that a value came from."""
    if path in named:
        return f"{named[path]}: "
    written_ = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
    known = [path[:end] for end in range(len(path), 0, -1) if path[:end] in lines]
    line = f"line {lines[known[0]]}, " if known else ""
    return f"{line}{written_}: " if written_ else line


def _absolute(recipe: Recipe, folder: FilePath, named: Mapping[Path, str]) -> Recipe:
    """Paths in a file are seen from its folder; those of options from where the command runs."""

    def seen(table: Any, name: str, *keys: str) -> Any:
        given = {
            key: str(folder / locate(value))
            for key in keys
            if (value := getattr(table, key)) is not None and (name, key) not in named
        }
        return replace(table, **given)

    return replace(
        recipe,
        data=seen(recipe.data, "data", "path", "test"),
        model=seen(recipe.model, "model", "file", "weights"),
        fine_tuning=None
        if recipe.fine_tuning is None
        else seen(recipe.fine_tuning, "fine_tuning", "weights"),
    )
