"""The kinds of files that gradtrail writes and reads again, crafted: checkpoints, runs, recipes."""

from __future__ import annotations

import json
import random
import tempfile
import tomllib
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit
from safetensors.numpy import save

import gradtrail as gt
from gradtrail.data import ArrayImages
from gradtrail.runs import prepare_run, read_recipe
from gradtrail.runs.failed_step import load_failed_step
from gradtrail.runs.run_folder import load_history, save_history
from gradtrail.training import Observer, Seen
from gradtrail.training.history import EPOCH_FIGURES

from .crafted import Arrays, changed_arrays, changed_tree, opened, recrafted
from .kinds import RECIPE, Kind, bytes_of, network

SAMPLES, BATCH, EPOCHS = 20, 8, 3
"""Three epochs of three steps, the last of four samples."""


class Pressing(Observer):
    """Ctrl-C in the fifth step."""

    def step(self, seen: Seen) -> None:
        if seen.step == 5:
            raise KeyboardInterrupt


def pixels(count: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(2)
    return draw.integers(0, 256, (count, 1, 8, 8), np.uint8), np.arange(count) % 4


def floats(count: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    x, y = pixels(count)
    return x.astype(np.float32) / np.float32(255), y


TRAININGS: dict[str, Callable[[], dict[str, Any]]] = {
    "everything": lambda: {
        "data": floats(),
        "validation": floats(6),
        "average": 0.9,
        "stopping": gt.EarlyStopping(2),
        "schedule": gt.schedules.OneCycle(),
        "watch": ["conv1.weight[0,0,1,2]"],
    },
    "weights of classes": lambda: {
        "data": floats(),
        "optimizer": gt.SGD(0.1, momentum=0.9),
        "loss": gt.CrossEntropy(weight=(1.0, 0.0, 2.0, 0.5)),
        "drop_last": True,
    },
    "images": lambda: {
        "data": ArrayImages(*pixels()),
        "augment": gt.Augment(crop=1, flip=0.5),
        "mixup": 0.2,
        "clip_norm": 1.0,
    },
}
"""By name: the settings of a training whose checkpoints are crafted."""


def trained(folder: Path, make: Callable[[], dict[str, Any]], **others: Any) -> tuple[Any, Any]:
    """A network and its history, kept in a folder."""
    net, settings = network(), make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gt.GradtrailWarning)
        history = gt.train(
            net,
            settings.pop("data"),
            epochs=EPOCHS,
            batch_size=BATCH,
            threads=1,
            progress=False,
            checkpoints=gt.Checkpoints(folder, keep=9),
            **settings | others,
        )
    return net, history


def checkpoint(name: str) -> Callable[[], Kind]:
    """A checkpoint in the middle of an epoch; it is trained on from."""
    make = TRAININGS[name]

    def kind() -> Kind:
        x, y = floats(2)
        gt.trace(network(), x, y, engine="reference")  # what names a NaN, and loads what it needs
        with tempfile.TemporaryDirectory() as made:
            trained(Path(made), make, log=[Pressing()])
            path = gt.Checkpoints(made).newest().path
            file, content = path.name, path.read_bytes()

        def read(path: Path) -> Any:
            try:
                return trained(path.parent, make, resume=True)
            finally:
                for other in path.parent.iterdir():
                    if other != path:
                        other.unlink()

        def wrong(path: Path, found: Any) -> str | None:
            net, history = found
            arrays = {**net.parameters, **net.buffers}.values()
            finite = all(np.isfinite(array).all() for array in arrays)
            whole = history.steps == history.epochs * (2 if name == "weights of classes" else 3)
            return None if finite and whole else f"it ended as {history}"

        return Kind(f"checkpoint of {name}", file, (content,), read, wrong, crafted, 1.0)

    return kind


def crafted(sample: bytes, draw: random.Random) -> bytes:
    """A checkpoint with something changed in its JSON or its arrays, and the digest anew."""

    def about(told: dict[str, Any]) -> None:
        known = ("architecture", "course", "engine") if draw.random() < 0.8 else ()
        compared = {name: told.pop(name) for name in known}  # with what there is, and used nowhere
        changed = changed_tree(dict(told), draw)
        told.clear()
        told.update(changed if isinstance(changed, dict) else {"a": changed})
        told.update(compared)

    def arrays(held: Arrays) -> None:
        changed_arrays(held, draw)

    def write(path: Path) -> None:
        path.write_bytes(sample)
        which = draw.randrange(3)
        recrafted(path, about if which else None, arrays if which != 1 else None)

    return bytes_of(write, "checkpoint.safetensors")


def held(key: str) -> Callable[[bytes, random.Random], bytes]:
    """How a safetensors file is crafted whose metadata have JSON under a key."""

    def changed(sample: bytes, draw: random.Random) -> bytes:
        with tempfile.TemporaryDirectory() as made:
            path = Path(made) / "a.safetensors"
            path.write_bytes(sample)
            arrays, metadata = opened(path)
        if draw.random() < 0.6:
            metadata[key] = json.dumps(changed_tree(json.loads(metadata[key]), draw))
        else:
            changed_arrays(arrays, draw)
        if draw.random() < 0.05:
            metadata = draw.choice(({}, {key: ""}, {key: "[" * 5000}, {key: "9" * 5000}))
        return save({n: np.ascontiguousarray(a) for n, a in arrays.items()}, metadata)

    return changed


def sound(path: Path, found: Any) -> str | None:
    """Reading succeeded, and nothing else can be said."""
    return None


def weights() -> Kind:
    def write(path: Path) -> None:
        net = network()
        net.classes = tuple("abcd")
        net.save(path)

    def wrong(path: Path, found: gt.Network) -> str | None:
        told = found.classes
        good = told is None or (len(told) == 4 and all(isinstance(name, str) for name in told))
        return None if good else f"its classes are {told!r}"

    content = bytes_of(write, "weights.safetensors")
    return Kind(
        "weights", "weights.safetensors", (content,), gt.load, wrong, held("gradtrail"), 1.0
    )


def figures() -> gt.History:
    history = gt.History([0.5] * 6, *([0.25] * 2 for _ in range(5)), best=1)
    assert len(history.seconds) == 2
    return history


def same_lengths(path: Path, found: gt.History) -> str | None:
    lists = [getattr(found, name) for name in EPOCH_FIGURES]
    good = all(len(values) in (0, found.epochs) for values in lists)
    good &= all(np.isfinite(values).all() for values in lists)
    return None if good else f"it is {found!r}"


def history() -> Kind:
    with tempfile.TemporaryDirectory() as made:
        save_history(Path(made), figures())
        content = (Path(made) / "history.safetensors").read_bytes()

    def read(path: Path) -> gt.History:
        return load_history(path.parent)

    change = held("history")
    return Kind("history", "history.safetensors", (content,), read, same_lengths, change, 1.0)


def earlier_history() -> Kind:
    content = json.dumps(figures().to_dict(), indent=2).encode()

    def change(sample: bytes, draw: random.Random) -> bytes:
        return json.dumps(changed_tree(json.loads(sample), draw)).encode()

    def read(path: Path) -> gt.History:
        return load_history(path.parent)

    return Kind("earlier history", "history.json", (content,), read, same_lengths, change, 0.9)


def watched() -> Kind:
    with tempfile.TemporaryDirectory() as made:
        _, found = trained(Path(made), TRAININGS["everything"])
        from gradtrail.training.watched_weights import save_watched

        save_watched(Path(made) / "watch.safetensors", found.watched)
        content = (Path(made) / "watch.safetensors").read_bytes()

    def wrong(path: Path, found: Any) -> str | None:
        for one in found.values():
            if len({len(getattr(one, n)) for n in ("steps", "weight", "samples", "shares")}) > 1:
                return f"{one.element} has columns of several lengths"
            str(one)
            json.dumps(one.to_dict(), allow_nan=False)
        return None

    return Kind(
        "watched", "watch.safetensors", (content,), gt.load_watched, wrong, held("watched"), 1.0
    )


def failed() -> Kind:
    told = {"format": 1, "message": "m", "epoch": 1, "step": 2, "draw": 3, "seed": 0}
    x, y = floats(4)
    arrays = {"x": x, "y": y, "numbers": np.arange(4)}
    key = "gradtrail failed step"
    content = save(arrays, {key: json.dumps(told)})

    def read(path: Path) -> Any:
        return load_failed_step(path.parent)

    return Kind("failed step", "failed.safetensors", (content,), read, sound, held(key), 1.0)


def recipe() -> Kind:
    """Changed as a tree, so that it is TOML whatever its values are; data and network are made."""

    def change(sample: bytes, draw: random.Random) -> bytes:
        while True:
            tree = changed_tree(tomllib.loads(sample.decode()), draw)
            try:
                text = tomlkit.dumps(tree).encode()
                tomllib.loads(text.decode())
            except Exception:  # TOML has no such value, or its writer fails: another draw
                continue
            return text

    def read(path: Path) -> Any:
        found = read_recipe(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", gt.GradtrailWarning)
            return found, prepare_run(found)

    def wrong(path: Path, found: Any) -> str | None:
        recipe, work = found
        work.network.plan(2)
        path.write_text(recipe.to_toml(), encoding="utf-8")
        again = read_recipe(path).to_dict()
        return None if again == recipe.to_dict() else "what is written is not what was read"

    return Kind("recipe", "recipe.toml", (RECIPE,), read, wrong, change, 1.0)


CHECKPOINTS = tuple(cache(checkpoint(name)) for name in TRAININGS)
"""Each trained once, although it stands twice below."""

CRAFTED: tuple[Callable[[], Kind], ...] = (
    *CHECKPOINTS,
    *(recipe, weights, history, earlier_history, watched, failed),
    *CHECKPOINTS,  # most of the fields are theirs
)
