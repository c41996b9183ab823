"""The tables of a recipe that are no objects elsewhere: data, model, training, loss, and so on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..checking.arguments import positive, whole_number
from ..data.folder_options import names_of, rows_and_columns, white_of
from ..data.known import NAMES
from ..engines import engine_for
from ..errors import ArgumentError, unknown
from ..layers import CrossEntropy, Loss
from ..network.architecture import ARCHITECTURES
from ..training.checkpoints import Checkpoints
from ..training.course import Course
from .table_reader import bare_name


@dataclass(frozen=True)
class RecipeTable:
    """The base of the tables: their fields are the keys."""

    def settings(self) -> dict[str, Any]:
        """The table as a recipe has it: what is not None, tuples as lists."""
        values = {known.name: getattr(self, known.name) for known in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not None
        }


@dataclass(frozen=True)
class DataTable(RecipeTable):
    """[data]: which images.

    Args:
        name: a data set that gradtrail knows; or else `path`.
        path: for a named set, its folder; else a folder of images, an .npz or IDX files.
        test: what `path` is for the test images, where they are elsewhere.
        validation: the share of the training images that is held out, from 0 to below 1; with 0
            the test images are evaluated after every epoch.
        size: rows and columns that images are brought to, or one number for both; by default those
            that they have, and 64 where they differ.
        channels: 1 or 3; by default 1 where all are grey.
        channels_last: whether an .npz has (N, H, W, C); by default as its shape tells.
        white: in image files of 16 bits, the number that is white; by default 65,535.
        fit: how images are brought to a size: "resize", "letterbox" or "crop".
        bad: what is done with files that cannot be read: "refuse" or "skip".
        memory: how many MiB of decoded images are kept at most.
        classes: their names, in the order of their numbers; found in the data.
    """

    name: str | None = None
    path: str | None = None
    test: str | None = None
    validation: float = 0.0
    size: int | tuple[int, int] | None = None
    channels: int | None = None
    channels_last: bool | None = None
    white: int | None = None
    fit: str = "resize"
    bad: str = "refuse"
    memory: int = 1024
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.name is None and self.path is None:
            raise ArgumentError(f"data needs a name ({', '.join(NAMES)}) or a path")
        if self.name is not None and self.name not in NAMES:
            raise ArgumentError(f"name: {unknown('data set', self.name, NAMES)}")
        if not 0 <= self.validation < 1:
            raise ArgumentError(
                f"validation must be a share from 0 to below 1, got {self.validation!r}"
            )
        if self.pair is not None:
            positive("size", rows=self.pair[0], columns=self.pair[1])
        if self.channels not in (None, 1, 3):
            raise ArgumentError(f"channels must be 1 or 3, got {self.channels!r}")
        if self.white is not None:
            white_of(self.white)
        names_of(self.classes)
        _one_of("fit", self.fit, ("resize", "letterbox", "crop"))
        _one_of("bad", self.bad, ("refuse", "skip"))
        positive("data", memory=self.memory)

    @property
    def pair(self) -> tuple[int, int] | None:
        """The size as rows and columns."""
        return None if self.size is None else rows_and_columns(self.size)


def _check_architecture(name: str) -> None:
    """Whether recipes can train an architecture.

    Raises:
        ArgumentError: there is none of this name, or it is not for images with a class each.
    """
    if name not in ARCHITECTURES:
        raise ArgumentError(f"architecture: {unknown('architecture', name, ARCHITECTURES)}")
    if why := ARCHITECTURES[name].beyond_recipes:
        raise ArgumentError(
            f"architecture: {name} {why}; train it in Python: "
            f"gt.train(gt.architecture({name!r}).network(…), (x, y))"
        )


@dataclass(frozen=True)
class ModelTable(RecipeTable):
    """[model]: which network; one of `architecture`, `file` and `layers`.

    Args:
        architecture: a named one.
        file: an architecture as JSON, a saved network or an ONNX file, whose weights training
            starts from.
        layers: tables of layers: `type` and arguments.
        weights: a safetensors file in the recipe's folder that training starts from.
        normalize: whether images are brought to mean 0 and deviation 1 per channel, by a first
            layer. A network from a file keeps the one that it has.
        mean: of each channel; found in the training images.
        std: likewise.
        seed: of the parameters.
    """

    architecture: str | None = None
    file: str | None = None
    layers: list[dict[str, Any]] | None = None
    weights: str | None = None
    normalize: bool = True
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        given = [n for n in ("architecture", "file", "layers") if getattr(self, n) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise ArgumentError(f"a model is one of architecture, file and layers, got {got}")
        if self.architecture is not None:
            _check_architecture(self.architecture)
        if (self.mean is None) != (self.std is None):
            raise ArgumentError("mean and std go together")
        whole_number("model: seed", self.seed, 0)

    @property
    def title(self) -> str:
        """What a run of it is called."""
        return self.architecture or (Path(self.file).stem if self.file else "network")


@dataclass(frozen=True)
class TrainingTable(RecipeTable):
    """[training]: see `gradtrail.train`."""

    epochs: int = 1
    batch_size: int = 64
    accumulate: int = 1
    shuffle: bool = True
    drop_last: bool = False
    seed: int = 0
    engine: str | None = None
    threads: int | None = None
    mixup: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None
    average: float | None = None
    watch: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        engine_for(self.engine)
        if self.threads is not None:
            positive("training", threads=self.threads)
        Course(**self.course_settings())

    def course_settings(self) -> dict[str, Any]:
        """Those of the course; the others say how it is run."""
        apart = ("engine", "threads", "watch")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in apart}


@dataclass(frozen=True)
class LossTable(RecipeTable):
    """[loss]: the cross-entropy's settings, or those of the focal loss.

    Args:
        label_smoothing: how much of each target is spread evenly over the classes, 0 to 1.
        weight: one per class, or "balanced": inversely to how often the classes are there.
        type: "CrossEntropy", as it is by default, or "Focal".
        gamma: of the focal loss, how much less the easy counts.
    """

    label_smoothing: float = 0.0
    weight: str | tuple[float, ...] | None = None
    type: str | None = None
    gamma: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.weight, str):
            _one_of("weight", self.weight, ("balanced",))
        known = {bare_name(kind): kind for kind in ("CrossEntropy", "Focal")}
        if self.type is not None:
            kind = known.get(bare_name(self.type), self.type)
            object.__setattr__(self, "type", kind)
            _one_of("type", kind, tuple(known.values()))
        if self.type != "Focal" and self.gamma is not None:
            raise ArgumentError('gamma is for the focal loss; set type = "Focal"')
        if self.type == "Focal" and self.label_smoothing:
            raise ArgumentError("label_smoothing is for the cross-entropy, not for the focal loss")
        self.made()

    def made(self) -> Loss:
        """The loss; weights that are to be balanced are those of the data, which come later."""
        listed = self.weight if isinstance(self.weight, tuple) else None
        if self.type == "Focal":
            from ..layers import Focal  # few recipes ask for it

            return Focal(2.0 if self.gamma is None else self.gamma, alpha=listed)
        return CrossEntropy(label_smoothing=self.label_smoothing, weight=listed)


@dataclass(frozen=True)
class CheckpointTable(RecipeTable):
    """[checkpoints]: see `gradtrail.Checkpoints`."""

    epochs: int = 1
    steps: int | None = None
    keep: int = 2

    def __post_init__(self) -> None:
        self.within(Path())

    def within(self, folder: Path) -> Checkpoints:
        """Those of a run's folder."""
        return Checkpoints(folder, epochs=self.epochs, steps=self.steps, keep=self.keep)


@dataclass(frozen=True)
class LogTable(RecipeTable):
    """[log]: which logs are written into the run's folder.

    Args:
        csv: whether `log.csv` is.
        jsonl: whether `log.jsonl` is, an object a line.
        tensorboard: whether event files are, in `tensorboard/`.
    """

    csv: bool = False
    jsonl: bool = False
    tensorboard: bool = False


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        listed = ", ".join(f'"{k}"' for k in known)
        raise ArgumentError(f"{name} must be one of {listed}, got {value!r}")
