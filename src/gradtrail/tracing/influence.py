"""Which training images pull a layer, a filter or the whole network, and which against the rest.

Of every sample of the data, as the network is now:

    surprise    its loss: how much its label contradicts what the network learnt from all samples
    pull        the norm of its gradient: how hard it pulls
    agreement   the cosine between its gradient and the mean of all: with the rest, or against it

The data go through the network twice, batch by batch: once for the mean gradient, once for what
each sample's own gradient is beside it. Neither makes the gradients of a linear layer's weight.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.loss_values import sample_losses
from ..checking.arguments import positive
from ..checking.calls import call_example
from ..engines import Engine, SampleGradients, engine_for
from ..engines.predicting import predict
from ..equation import LossEquation
from ..errors import ArgumentError, UnknownNameError, unknown
from ..graph import Graph
from ..graph.class_names import class_names
from ..graph.output_losses import network_loss
from ..graph.packed_samples import unpacked
from ..layers.loss_functions import AnyLoss
from ..showing.bars import showing
from ..showing.figures import figure, save_figure, show_sample
from ..showing.numbers import number_text
from ..showing.shown import Shown
from ..showing.tables import Table
from .labelled_data import LabelledData
from .records import json_data

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RANKINGS = ("surprise", "pull", "against")
"""What samples can be ranked by, most first; `against` is by the gradient's inner product with the
mean gradient, most negative first."""

_SHOWN, _DRAWN, _NAME = 20, 100, 20


@dataclass(frozen=True)
class RankedSample:
    """One sample in a ranking.

    Args:
        sample: its number in the data.
        label: its class; None where there are no classes.
        predicted: the class of its greatest output; None likewise.
        surprise: its loss.
        pull: the norm of its gradient.
        agreement: the cosine with the mean gradient, −1 to 1.
        label_name, predicted_name: what these classes are called; None where nobody knows.
        file: where the sample is from; None likewise.
    """

    sample: int
    label: int | None
    predicted: int | None
    surprise: float
    pull: float
    agreement: float
    label_name: str | None = None
    predicted_name: str | None = None
    file: str | None = None

    @property
    def told(self) -> tuple[str, str]:
        """Label and prediction as they are written: by name, or by number, or empty."""
        label = "" if self.label is None else str(self.label)
        predicted = "" if self.predicted is None else str(self.predicted)
        return self.label_name or label, self.predicted_name or predicted


@call_example("gt.influence(network, (x, y))")
@dataclass(frozen=True, eq=False)
class Influence(Shown):
    """What every sample of the data does to a network; prints as a table of the first.

    Args:
        of: what of the network: `conv1`, `conv1.weight[2]`; empty for all of it.
        samples: the data.
        outputs: (N, …) what the network predicts.
        surprise: (N,) float64.
        pull: (N,) float64.
        along: (N,) float64, the inner product with the mean gradient.
        mean: the norm of the mean gradient.
        classes: the classes' names; empty where they have none.
        files: the samples' files; empty where they have none.
    """

    of: str
    samples: LabelledData
    outputs: np.ndarray
    surprise: np.ndarray
    pull: np.ndarray
    along: np.ndarray
    mean: float
    classes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.surprise)

    @property
    def agreement(self) -> np.ndarray:
        """(N,) the cosine between each sample's gradient and the mean; 0 where one of them is 0."""
        sizes = self.pull * self.mean
        with np.errstate(all="ignore"):
            return np.asarray(np.where(sizes == 0, 0.0, self.along / sizes))

    def ranking(self, by: str = "surprise") -> np.ndarray:
        """The numbers of all samples, (N,) int64, first what is most so.

        Args:
            by: "surprise", which finds mislabelled samples best; "pull"; or "against", first those
                whose gradient points most against the mean.

        Raises:
            ArgumentError: another word.
        """
        if by not in RANKINGS:
            raise ArgumentError(f"by must be one of {', '.join(RANKINGS)}, got {by!r}")
        keys = {"surprise": -self.surprise, "pull": -self.pull, "against": self.along}
        return np.argsort(np.where(np.isnan(keys[by]), -np.inf, keys[by]), kind="stable")

    def top(self, k: int = 20, by: str = "surprise") -> tuple[RankedSample, ...]:
        """The first k of a ranking.

        Raises:
            ArgumentError: k below 1, or another word than `ranking` takes.
        """
        positive("top", k=k)
        return tuple(map(self._ranked, self.ranking(by)[:k]))

    def _ranked(self, n: int) -> RankedSample:
        classes = self.samples.classes
        label = None if classes is None else int(classes[n])
        predicted = None if classes is None else int(self.outputs[n].argmax())
        surprise, pull, agreement = (
            float(a[n]) for a in (self.surprise, self.pull, self.agreement)
        )
        ranked = RankedSample(int(n), label, predicted, surprise, pull, agreement)
        if self.classes and label is not None and predicted is not None:
            names = self.classes[label], self.classes[predicted]
            ranked = replace(ranked, label_name=names[0], predicted_name=names[1])
        return replace(ranked, file=self.files[n]) if self.files else ranked

    def text(self, k: int = _SHOWN, by: str = "surprise") -> str:
        """The first k of a ranking as a table."""
        return self._table(k, by).text()

    def _table(self, k: int = _SHOWN, by: str = "surprise") -> Table:
        mark = "" if self.classes else ">"
        heads = [">sample", f"{mark}label", f"{mark}predicted", ">surprise", ">pull", ">agreement"]
        heads += ["file"] if self.files else []
        rows = [
            (
                str(r.sample),
                *r.told,
                *(number_text(v, 3) for v in (r.surprise, r.pull, r.agreement)),
                *([] if r.file is None else [r.file]),
            )
            for r in self.top(k, by)
        ]
        what = f"on {self.of}" if self.of else "on the whole network"
        above = f"the first {len(rows)} of {len(self):,} samples by {by}, {what}"
        return Table((above,), heads, rows)

    def to_dict(self, k: int = _SHOWN, by: str = "surprise") -> dict[str, Any]:
        """The first k of a ranking as JSON has them."""
        ranking = json_data(self.top(k, by))
        return {"of": self.of, "samples": len(self), "by": by, "ranking": ranking}

    def plot(
        self, path: str | Path | None = None, *, k: int = _SHOWN, by: str = "surprise"
    ) -> Figure:
        """The first samples of a ranking, with label and prediction.

        Of sequences it draws curves, of volumes their middle planes.

        Args:
            path: where to write it; None for only giving it back.
            k: how many, at most 100.
            by: as in `ranking`.

        Raises:
            ArgumentError: the samples are no images; MissingPackageError: matplotlib is not there.
            FileError: the file cannot be written.
        """
        if len(self.samples.shape) < 3:
            raise ArgumentError(
                "plot: the samples are no images of (channels, height, width), no sequences and no "
                "volumes"
            )
        if k > _DRAWN:
            raise ArgumentError(f"plot: at most {_DRAWN} images are drawn, got k={k}")
        ranked = self.top(k, by)
        columns = min(5, len(ranked))
        rows = -(-len(ranked) // columns)
        drawn = figure(1.7 * columns, 2.0 * rows + 0.3)
        panels = np.atleast_1d(drawn.subplots(rows, columns, squeeze=False)).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, one in zip(panels, ranked, strict=False):
            show_sample(axes, self.samples.x(one.sample, one.sample + 1)[0])
            label, predicted = one.told
            told = f"\n{label}, seen as {predicted}" if label else ""
            name = str(one.sample) if one.file is None else PurePath(one.file).name
            if len(name) > _NAME:
                name = f"{name[: _NAME // 2]}…{name[-(_NAME // 2) :]}"
            axes.set_title(f"{name}{told}", size=7)
        drawn.suptitle(f"by {by}" + (f", on {self.of}" if self.of else ""), size=9)
        return save_figure(drawn, path)


@call_example("gt.influence(network, (x, y))")
def influence(
    network: Graph,
    data: Any,
    *,
    of: str = "",
    loss: AnyLoss | None = None,
    batch_size: int = 256,
    engine: str | Engine | None = None,
    progress: bool = False,
    classes: Sequence[str] | None = None,
    files: Sequence[str] | None = None,
) -> Influence:
    """What every sample of the data does to a network as it is now, in evaluation.

    Mislabelled images surface at the top of `ranking()`, by surprise.

    Args:
        network: is not changed.
        data: samples (N, *input_shape) and their labels, or `gt.data.Images` such as a folder.
        of: a layer (`conv1`), a parameter (`conv1.weight`) or one of its filters
            (`conv1.weight[2]`); empty for the whole network.
        loss: by default `CrossEntropy()`; of several outputs a mapping of theirs to a loss each, or
            to (loss, weight).
        batch_size: how many samples are computed at once.
        engine: None for the default, "cpu", "reference", or an engine object.
        progress: a bar in a terminal or a notebook.
        classes: their names; by default the network's or those of the images.
        files: the samples' names; by default the images' files.

    Returns:
        Each sample's surprise, pull and agreement, and rankings by them.

    Raises:
        DataError: samples or labels that do not fit.
        UnknownNameError: `of` is nothing of this network.
    """
    positive("influence", batch_size=batch_size)
    loss, runs = network_loss(network, loss), engine_for(engine, network)
    samples = LabelledData(network, data, loss)
    names, place = _chosen(network, of)
    called: Sequence[str] = ()
    if samples.classes is not None or classes is not None:
        called = class_names("influence", network, samples.outputs[0], data, classes)
    files = _files(data, samples, files)
    with showing(progress) as shown:

        def gradients(what: str, before: int) -> Iterator[tuple[slice, SampleGradients]]:
            """Which samples, and their gradients; the bar counts both times through the data."""
            for begin in range(0, len(samples), batch_size):
                end = min(begin + batch_size, len(samples))
                batch = samples.share(begin, end)
                yield slice(begin, end), runs.per_sample(network, batch, loss, training=False)
                if shown is not None:
                    shown.show(what, before + end, 2 * len(samples))

        mean = {name: np.zeros(network.parameters.shapes[name]) for name in names}
        for _, part in gradients("mean gradient", 0):
            found = part.mean()
            for name in names:
                mean[name] += found[name].astype(np.float64) * (part.count / len(samples))
        squares, along = _beside(mean, gradients("each sample", len(samples)), len(samples), place)
    within = () if place is None else (place,)
    size = np.linalg.norm(np.concatenate([mean[n][within].ravel() for n in names]))
    outputs = predict(network, samples.x, len(samples), batch_size, runs)
    surprise = _losses(network, samples, outputs, batch_size)
    pull = np.sqrt(squares)
    named = tuple(called), tuple(files)
    return Influence(of, samples, outputs, surprise, pull, along, float(size), *named)


def _files(data: Any, samples: LabelledData, files: Sequence[str] | None) -> list[str]:
    """The samples' files; empty where they come from none.

    Raises:
        ArgumentError: not as many as there are samples.
    """
    files = getattr(data, "paths", ()) if files is None else files
    if files and (isinstance(files, str) or len(files) != len(samples)):
        count = "one file is" if isinstance(files, str) else f"{len(files)} files are"
        raise ArgumentError(f"influence: {count} named for {len(samples)} samples")
    return [str(name) for name in files]


def _beside(
    mean: Mapping[str, np.ndarray],
    gradients: Iterator[tuple[slice, SampleGradients]],
    count: int,
    place: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Each sample's squared norm, and its inner product with the mean: (N,) float64 both.

    Args:
        mean: the mean gradient of each parameter that is meant.
        gradients: which samples, and theirs.
        count: N.
        place: the one filter that is meant; None for all.
    """
    chosen = (slice(None),) if place is None else (slice(None), place)
    axis = None if place is None else 0
    squares, along = np.zeros(count), np.zeros(count)
    for here, part in gradients:
        for name, whole in mean.items():
            squares[here] += np.square(part.norms_of(name, axis))[chosen]
            along[here] += part.dots_of(name, whole, axis)[chosen]
    return squares, along


_PART = re.compile(r"([^\W\d]\w*)(\.\w+)?\s*(?:\[\s*(-?\d+)\s*\])?")


def _chosen(network: Graph, of: str) -> tuple[list[str], int | None]:
    """The parameters that are meant, and the filter of the one."""
    shapes: Mapping[str, tuple[int, ...]] = network.parameters.shapes
    if not of:
        return list(shapes), None
    match = _PART.fullmatch(of) if isinstance(of, str) else None
    if match is None:
        raise ArgumentError(
            "influence: of is a layer, a parameter or one of its filters, such as conv1, "
            f"conv1.weight or conv1.weight[2]; got {of!r}"
        )
    name = match[1] + (match[2] or "")
    names = [n for n in shapes if n == name or n.partition(".")[0] == name]
    if not names:
        layers = dict.fromkeys(n.partition(".")[0] for n in shapes)
        raise UnknownNameError(unknown("layer or parameter", name, [*layers, *shapes]))
    place = None if match[3] is None else int(match[3])
    size = shapes[names[0]][0]
    if place is not None and (name not in shapes or not -size <= place < size):
        what = f"{name} has {size} filters, 0 to {size - 1}"
        what = what if name in shapes else f"{name} is a layer; name its weight"
        raise ArgumentError(f"influence: {what}; got {of!r}")
    return names, None if place is None else place % size


def _losses(
    network: Graph, samples: LabelledData, outputs: np.ndarray, batch_size: int
) -> np.ndarray:
    """Each sample's own loss, (N,) float64: its term in the sum that the loss is the mean of."""
    found = np.zeros(len(samples))
    parts = samples.loss.parts
    shapes = {part.name: part.shape for part in parts} or {"": samples.outputs}
    weights = [part.weight for part in parts] or [1.0]
    for begin in range(0, len(samples), batch_size):
        end = min(begin + batch_size, len(samples))
        losses = network.system(end - begin, loss=samples.loss).losses
        given = unpacked(outputs[begin:end], shapes).values()
        each = zip(losses, given, samples.share(begin, end).by_output, weights, strict=True)
        for node, rows, share, weight in each:
            equation, loss = node.equation, share.samples.loss
            assert isinstance(equation, LossEquation)
            source = {equation.source.array: rows.astype(np.float64)}
            with np.errstate(all="ignore"):
                arrays = source | dict(share.targets) | dict(loss.constants(share.prediction))
                found[begin:end] += weight * sample_losses(equation, arrays)
    return found
