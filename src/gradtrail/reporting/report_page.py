"""The page: what a run was, how it went, what it gets wrong, how its gradients are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from pathlib import Path

import numpy as np

from .. import layers as kinds
from ..data import Images
from ..data.dataset import Part
from ..data.folder_options import Bad
from ..data.task_progress import TaskProgress
from ..engines import engine_for
from ..errors import FileError, escaped
from ..machine.packages import optional_package
from ..network import Network
from ..runs import Run
from ..runs.recipe_data import part_arrays, part_labels
from ..runs.run_folder import RECIPE
from ..showing.tables import Table
from ..storage.files import check_writable, write_bytes
from ..tracing.influence import RankedSample, influence
from ..tracing.trace import trace
from ..training import Confusion, History
from ..training.metrics import confusion
from ..training.mistaken_samples import mistakes
from .pictures import as_pixels, curve_pictures, filters, picture
from .style import PAGE, STYLE

_MISTAKES, _HARDEST = 40, 30
"""How many pictures are shown."""

_RANKED, _MEMORY = 20_000, 256 << 20
"""Of how many training images at most the gradients are ranked, and how many bytes these take."""


def write_report(
    folder: Path, out: Path | None = None, *, bad: Bad | None = None, progress: bool = False
) -> Path:
    """Write the page of a run, by default as `report.html` in its folder.

    Args:
        folder: the run's.
        out: the file.
        bad: what is done about images that cannot be read any more; see `Run`.
        progress: whether standard error says how far it is.

    Raises:
        FileError: there is no finished run, its data are not there, or the page cannot be written.
        MissingPackageError: matplotlib is not there.
    """
    path = out or Run.at(folder).folder / "report.html"
    check_writable(path)
    write_bytes(path, report(folder, bad=bad, progress=progress).encode())
    return path


def report(folder: Path, *, bad: Bad | None = None, progress: bool = False) -> str:
    """The page of a run as HTML; it needs nothing from anywhere else.

    Args:
        folder: the run's.
        bad: what is done about images that cannot be read any more; see `Run`.
        progress: whether standard error says how far it is.

    Raises:
        FileError: there is no finished run, its data are not there, or nothing is to be told of.
        MissingPackageError: matplotlib is not there.
    """
    optional_package("matplotlib", "a report")  # before the work that it would end
    run = Run.at(folder, bad)
    network, held, history = run.network, run.data.held, run.history  # in the order of complaints
    if held is None:
        raise FileError(f"{folder} has no test images and none held out; nothing to report on")
    if not history.steps:
        raise FileError(f"{folder}: its history has no step; nothing to report on")
    making, parts = _parts(run, network, held), []
    with TaskProgress(f"report of {run.folder.name}", len(making), "parts", shown=progress) as bar:
        for done, part in enumerate(making, 1):
            parts.append(part())
            bar.to(done)
    return PAGE.format(title=escaped(run.folder.name), style=STYLE, body="\n".join(parts))


def _parts(run: Run, network: Network, held: Part) -> list[Callable[[], str]]:
    """What makes each part of the page, in order; some take a while."""
    data, course = run.data, run.recipe.course()
    judged = "validation" if data.test is None else "test"
    found = confusion(network, held, classes=network.classes)
    written = (run.folder / RECIPE).read_text(encoding="utf-8")
    return [
        lambda: _head(run, found, judged),
        lambda: _section("How it went", _curves(run, run.history), _epochs(run.history)),
        lambda: _section(
            f"What is taken for what ({judged} images)", _matrix(found), found._repr_html_()
        ),
        lambda: _section("The worst mistakes", *_mistakes(network, held, found.classes)),
        lambda: _section("Filters of the first convolution", *_filters(network)),
        lambda: _section(
            "Gradients, layer by layer", *_health(network, data.train, course.loss, run)
        ),
        lambda: _section(*_hardest(network, data.train, run)),
        lambda: _section("The plan", network.plan(course.batch_size)._repr_html_()),
        lambda: _section("The recipe", f"<pre>{escaped(written, quote=False)}</pre>"),
    ]


def _section(title: str, *parts: str) -> str:
    """A part with its heading; of what is wider than the page, the tables move alone."""
    room = f'<div class="scroll" role="region" tabindex="0" aria-label="{escaped(title)}">'
    body = "".join(parts).replace("<table", f"{room}<table").replace("</table>", "</table></div>")
    return f"<section><h2>{escaped(title)}</h2>{body}</section>"


def _paragraph(text: str) -> str:
    return f"<p>{escaped(text)}</p>"


def _head(run: Run, found: Confusion, judged: str) -> str:
    """The figures that one looks for first."""
    history, recipe = run.history, run.recipe
    data = recipe.data.name or Path(recipe.data.path or "").name  # the whole path: in the recipe
    figures = [
        (f"{judged} accuracy", f"{found.accuracy:.2%}"),
        ("epochs", f"{history.epochs}"),
        ("steps", f"{history.steps:,}"),
        ("training time", f"{sum(history.seconds):,.1f} s"),
        ("parameters", f"{run.network.plan().parameter_count:,}"),
        ("data", data),
    ]
    boxes = "".join(f"<div><dt>{escaped(k)}</dt><dd>{escaped(v)}</dd></div>" for k, v in figures)
    notes = []
    if history.interrupted:
        notes.append("The training was interrupted; it can be gone on with.")
    if history.stopped and history.best is not None:
        notes.append(f"It ended early; the weights are those of epoch {history.best + 1}.")
    told = "".join(map(_paragraph, notes))
    return f"<header><h1>{escaped(run.folder.name)}</h1><dl>{boxes}</dl>{told}</header>"


def _curves(run: Run, history: History) -> str:
    """Loss, accuracy and learning rate over the training."""
    per_epoch = run.recipe.course().steps(len(part_labels(run.data.train)))
    return f'<div class="curves">{"".join(curve_pictures(history, per_epoch))}</div>'


def _epochs(history: History) -> str:
    """The figures of every epoch as a table."""
    columns = {
        "loss": history.loss,
        "accuracy": history.accuracy,
        "held-out loss": history.validation_loss,
        "held-out accuracy": history.validation_accuracy,
        "seconds": history.seconds,
    }
    known = {name: values for name, values in columns.items() if values}

    def cell(name: str, value: float) -> str:
        return f"{value:.2%}" if "accuracy" in name else f"{value:.4g}"

    rows = [
        (f"{at + 1}", *(cell(name, values[at]) for name, values in known.items()))
        for at in range(history.epochs)
    ]
    table = Table((), (">epoch", *(f">{name}" for name in known)), rows).html()
    return f"<details><summary>every epoch</summary>{table}</details>"


def _matrix(found: Confusion) -> str:
    """The confusion matrix, each cell shaded by its row's share."""
    shares = found.matrix / np.maximum(1, found.support)[:, None]
    heads = "".join(f"<th><span>{escaped(name)}</span></th>" for name in found.classes)

    def cell(i: int, j: int) -> str:
        count, share = int(found.matrix[i, j]), float(shares[i, j])
        colour = "36,88,166" if i == j else "196,80,27"
        style = f"background:rgba({colour},{min(1, share * (1 if i == j else 4)):.3f})"
        light = " light" if i == j and share > 0.5 else ""
        title = f"{found.classes[i]} taken for {found.classes[j]}: {count}"
        text = str(count) if count else ""
        return f'<td class="number{light}" style="{style}" title="{escaped(title)}">{text}</td>'

    count = len(found.classes)
    rows = "".join(
        f"<tr><th>{escaped(found.classes[i])}</th>{''.join(cell(i, j) for j in range(count))}</tr>"
        for i in range(count)
    )
    return (
        '<table class="matrix"><caption>rows: what it is; columns: what it is taken for</caption>'
        f"<thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _gallery(entries: Iterable[tuple[np.ndarray, str]]) -> str:
    """Pictures with a line below each."""
    figures = "".join(
        f"<figure>{picture(as_pixels(image), text)}"
        f"<figcaption>{escaped(text)}</figcaption></figure>"
        for image, text in entries
    )
    return f'<div class="gallery">{figures}</div>'


def _called(part: Part, place: int) -> str:
    """An image's file, or its number."""
    if isinstance(part, Images) and part.paths:
        path = part.paths[place]
        return f"{path.parent.name}/{path.name}"
    return f"image {place}"


def _mistakes(network: Network, held: Part, classes: tuple[str, ...]) -> list[str]:
    """The images that are wrong with the greatest certainty."""
    found = mistakes(network, held, classes=classes)
    if not found:
        return [_paragraph("There are none.")]
    worst = found.samples[:_MISTAKES]
    x, _ = part_arrays(held, worst)
    told = (
        f"{m.label}, taken for {m.taken} ({m.probability:.0%}); {_called(held, m.sample)}"
        for m in found
    )
    above = (
        f"{len(found):,} of {found.total:,} images are wrong; these with the greatest certainty:"
    )
    return [_paragraph(above), _gallery(zip(x, told, strict=False))]


def _filters(network: Network) -> list[str]:
    """The first convolution's weights as pictures."""
    for step in network.steps:
        if isinstance(step.layer, kinds.Conv2d):
            weight = np.asarray(network.parameters[f"{step.name}.weight"], np.float64)
            shown = filters(weight) if weight.shape[2] * weight.shape[3] > 1 else []
            if shown:
                above = f"{step.name}.weight: grey is 0, bright is above, dark is below."
                return [_paragraph(above), f'<div class="filters">{"".join(shown)}</div>']
    return [_paragraph("There is no convolution with windows larger than one pixel.")]


def _health(network: Network, train: Part, loss: kinds.Loss, run: Run) -> list[str]:
    """What `t.vanishing`, `t.dead` and `t.ties` say of a batch of training images."""
    size = min(run.recipe.training.batch_size, len(part_labels(train)))
    places = np.linspace(0, len(part_labels(train)) - 1, size).astype(np.int64)
    t = trace(network, *part_arrays(train, places), loss=loss)
    above = f"One step of {size} training images, spread over the data, at the trained weights."
    parts = [_paragraph(above)]
    for title, overview in (
        ("How large gradients are, from the first layer to the last", t.vanishing()),
        ("Units that are closed for every image", t.dead()),
        ("Windows whose greatest element is there more than once", t.ties()),
    ):
        parts.append(f"<h3>{escaped(title)}</h3>{overview._repr_html_()}")
    return parts


def _hardest(network: Network, train: Part, run: Run) -> list[str]:
    """The training images with the greatest loss: first those that are seen as another class.

    Returns:
        The title and what stands below.
    """
    count = len(part_labels(train))
    most = max(1, min(count, _RANKED, _MEMORY // (4 * prod(network.sample_shape))))
    places = np.linspace(0, count - 1, most).astype(np.int64)
    x, y = part_arrays(train, places)
    runs, loss = engine_for(run.recipe.training.engine, network), run.recipe.course().loss
    ranked = influence(network, (x, y), loss=loss, engine=runs).top(len(x))
    names = network.classes or tuple(map(str, range(max(y) + 1)))
    wrong = [one for one in ranked if one.label != one.predicted]

    def told(one: RankedSample) -> str:
        label, seen = (names[n or 0] for n in (one.label, one.predicted))
        taken = "seen so" if label == seen else f"seen as {seen}"
        return (
            f"{label}, {taken}; loss {one.surprise:.2f}, pull {one.pull:.3g}; "
            f"{_called(train, places[one.sample])}"
        )

    title = "The training images with the greatest loss"
    above = f"All of {len(places):,} training images are seen as labelled; these least surely."
    if wrong:
        title = "Training images that contradict the rest"
        above = (
            f"{len(wrong):,} of {len(places):,} training images are seen as another class than "
            "their labels say; by their loss. Labels that are wrong come first, and hard cases."
        )
    above += " Pull is the length of the image's gradient."
    chosen = (wrong or list(ranked))[:_HARDEST]
    return [title, _paragraph(above), _gallery((x[one.sample], told(one)) for one in chosen)]
