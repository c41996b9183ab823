"""A run from its recipe to its end, or from where it was stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data.bad_files import BadFilesError
from ..errors import DataError, NonFiniteError, typed
from ..network.saving import WEIGHTS, save_network
from ..storage.files import delete_unfinished, lock_file, write_bytes, write_json
from ..training import Confusion, History, Observer
from ..training.loop import prepare_training
from ..training.metrics import confusion
from ..training.training import Training
from ..training.watched_weights import FILE as WATCH
from ..training.watched_weights import save_watched
from .failed_step import save_failed_step
from .recipe import Recipe
from .run_folder import (
    CHECKPOINTS,
    FAILED,
    METRICS,
    RECIPE,
    START,
    Run,
    check_vacant,
    run_folder,
    save_history,
)
from .run_inputs import RunInputs, prepare_run

_TRAINS = "is training by"
"""What a process does with a recipe that it holds, in the words of `lock_file`."""

Ready = Callable[[RunInputs, Training], None]
"""What is called when a training is about to begin, with its recipe and with itself."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Args:
        folder: where it is.
        history: of the training.
        confusion: on the test images, or on those held out; None without any, or where it was
            interrupted before its first step.
        judged_by: "test" or "validation", which images these are.
        over: whether there was nothing left to train.
    """

    folder: Path
    history: History
    confusion: Confusion | None
    judged_by: str
    over: bool = False


def start(
    recipe: Recipe,
    out: Path | None,
    *,
    observers: Sequence[Observer] = (),
    ready: Ready | None = None,
) -> Outcome:
    """Train by a recipe, in a new folder.

    Args:
        recipe: checked.
        out: the run's folder, new or empty; None for a numbered one under `runs`.
        observers: who are told.
        ready: what is called before the first step.

    Raises:
        GradtrailError: whatever does not fit; no folder stays behind unless something was trained.
        NonFiniteError: a NaN or an infinity appeared; the folder keeps the step, see `failed`.
        KeyboardInterrupt: Ctrl-C came before the first step.
    """
    check_vacant(out)
    work = prepare_run(recipe)
    with run_folder(out, recipe.model.title) as folder:
        resolved = work.recipe
        tuning = resolved.fine_tuning
        begun = tuning is not None and tuning.changes_weights
        if begun or resolved.model.file is not None or resolved.model.weights is not None:
            resolved = _own_start(resolved, work, folder)
            work = replace(work, recipe=resolved)
        write_bytes(folder / RECIPE, resolved.to_toml().encode())
        with lock_file(folder / RECIPE, _TRAINS):
            training = _training(work, folder, observers, resuming=False)
            return _run(work, folder, training, ready)


def resume(
    folder: Path,
    *,
    threads: int | None = None,
    epochs: int | None = None,
    observers: Sequence[Observer] = (),
    ready: Ready | None = None,
) -> Outcome:
    """Go on with a run, bit by bit as if nothing had stopped it.

    Args:
        folder: the run's, or a file in it.
        threads: how many the engine may use; None for the recipe's number.
        epochs: how many there are to be in all, which the recipe says from then on; None for its
            number.
        observers: who are told.
        ready: what is called before the first step.

    Raises:
        GradtrailError: there is no run, its data are not there any more, or are others.
    """
    run = Run.at(folder)
    path = run.folder / RECIPE
    with ExitStack() as locks:
        locks.enter_context(lock_file(path, _TRAINS))
        recipe = run.recipe
        table = recipe.training
        table = table if threads is None else replace(table, threads=threads)
        table = table if epochs is None else replace(table, epochs=epochs)
        work = _same_images(replace(recipe, training=table), path)
        for place in (run.folder, run.folder / CHECKPOINTS):
            if place.is_dir():
                delete_unfinished(place)
        training = _training(work, run.folder, observers, resuming=True)
        if epochs is not None and epochs != recipe.training.epochs:
            _write_epochs(path, recipe, epochs)
            locks.enter_context(lock_file(path, _TRAINS))  # it is another file now
        return _run(work, run.folder, training, ready)


def _same_images(recipe: Recipe, path: Path) -> RunInputs:
    """What a run that goes on works on, which are all the images that it began with.

    Raises:
        DataError: some cannot be read any more.
    """
    try:
        return prepare_run(recipe, said=True)
    except BadFilesError as error:
        raise DataError(
            f"{error.cause}; a run goes on with the same images as before: bring back those that "
            "it was trained on, and move away what was added. Without the bad ones a training "
            f"begins: gradtrail train {typed(path)} --bad skip"
        ) from error


def _write_epochs(path: Path, recipe: Recipe, epochs: int) -> None:
    """Put the number of epochs into a run's recipe, and leave all else as it stands."""
    import tomlkit

    document, before = tomlkit.parse(path.read_text(encoding="utf-8")), recipe.training.epochs
    table = document.setdefault("training", tomlkit.table())
    table["epochs"] = epochs
    if recipe.schedule is not None:
        table["epochs"].comment(
            f"{before} at first: until then the schedule was that of {before}, so that another run "
            "by this recipe is another training"
        )
    write_bytes(path, tomlkit.dumps(document).encode())


def _own_start(recipe: Recipe, work: RunInputs, folder: Path) -> Recipe:
    """A recipe that does not depend on another run's files."""
    save_network(work.network, folder / START)
    own: dict[str, Any] = {"file": START, "architecture": None, "layers": None, "weights": None}
    architecture = work.network.architecture()
    if "layers" in architecture:
        own |= {"file": None, "layers": architecture["layers"], "weights": START}
    model = replace(recipe.model, **own, normalize=False)
    tuning = None if recipe.fine_tuning is None else recipe.fine_tuning.settled()
    return replace(recipe, model=model, fine_tuning=tuning)


def _training(
    work: RunInputs, folder: Path, observers: Sequence[Observer], *, resuming: bool
) -> Training:
    """The training, checked and ready to run."""
    recipe = work.recipe
    return prepare_training(
        work.network,
        work.data.train,
        recipe.course(),
        validation=work.data.validation,
        threads=recipe.training.threads,
        engine=recipe.training.engine,
        watch=recipe.training.watch,
        observers=[*observers, *_logs(recipe, folder)],
        checkpoints=recipe.checkpoints.within(folder / CHECKPOINTS),
        resume=resuming,
        cache_features=recipe.fine_tuning is None or recipe.fine_tuning.cache_features,
    )


def _run(work: RunInputs, folder: Path, training: Training, ready: Ready | None) -> Outcome:
    """Train, and write what came of it."""
    recipe, network, data, over = work.recipe, work.network, work.data, training.over
    if ready is not None:
        ready(work, training)
    (folder / FAILED).unlink(missing_ok=True)
    try:
        history = training.run()
    except NonFiniteError as cause:
        save_failed_step(folder, training, str(cause))
        raise NonFiniteError(
            f"{cause}. {folder} keeps the network as it was before: gradtrail why {typed(folder)} "
            "looks at that step"
        ) from cause
    if history.interrupted and not history.steps:
        raise KeyboardInterrupt
    save_network(network, folder / WEIGHTS)
    found, judged_by = None, "validation" if data.test is None else "test"
    if data.held is not None:
        found = confusion(
            network, data.held, classes=network.classes, engine=recipe.training.engine
        )
        write_json(folder / METRICS, {"images": judged_by} | found.to_dict())
    if history.watched:
        save_watched(folder / WATCH, history.watched)
    save_history(folder, history)
    return Outcome(folder, history, found, judged_by, over)


def _logs(recipe: Recipe, folder: Path) -> list[Observer]:
    """The logs that a recipe asks for."""
    from ..training.logs import CSVLog, JSONLinesLog
    from ..training.tensorboard import TensorBoardLog

    wanted = recipe.log
    kinds = (
        (wanted.csv, CSVLog, "log.csv"),
        (wanted.jsonl, JSONLinesLog, "log.jsonl"),
        (wanted.tensorboard, TensorBoardLog, "tensorboard"),
    )
    return [kind(folder / name) for chosen, kind, name in kinds if chosen]
