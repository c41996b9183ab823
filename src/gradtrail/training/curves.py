"""How a training went, drawn over its epochs: loss, accuracy, learning rate.

What draws is apart from the history, since a report draws the same curves in a page's colours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..showing.figures import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .history import History

_SMOOTH = 60
"""Steps over which the loss is averaged at most."""

_POINTS = 2000
"""Points of a curve at most."""


class Colours(NamedTuple):
    """What the curves are drawn in."""

    trained: str = "#2458a6"
    held: str = "#b4461a"
    faint: str = "#c9d6ea"


def curves(
    history: History, colours: Colours | None = None, ends: list[int] | None = None
) -> dict[str, Callable[[Axes], None]]:
    """What there is to draw, by its title.

    Args:
        history: of at least one step.
        colours: what it is drawn in.
        ends: how many steps were done at the end of each epoch, for a history that has not noted
            them; by default the epochs are of one length.
    """
    own = colours or Colours()
    places = _places(history, ends)
    whole: dict[str, Any] = {"clip_on": False}  # the last epoch's mark stands on the edge
    epochs = np.arange(1, history.epochs + 1)

    def held_out(axes: Axes, values: list[float]) -> None:
        if values:
            axes.plot(epochs, values, "o-", color=own.held, label="held out", **whole)

    def loss(axes: Axes) -> None:
        losses = np.array(history.step_losses)
        width = min(_SMOOTH, max(1, len(losses) // 10))
        smooth = np.convolve(losses, np.ones(width) / width, "valid")
        middle = places[(width - 1) // 2 :][: len(smooth)]
        axes.plot(*_thinned(places, losses), color=own.faint, linewidth=0.8)
        axes.plot(*_thinned(middle, smooth), color=own.trained, label="training")
        held_out(axes, history.validation_loss)

    def accuracy(axes: Axes) -> None:
        axes.plot(epochs, history.accuracy, "o-", color=own.trained, label="training", **whole)
        held_out(axes, history.validation_accuracy)

    def rate(axes: Axes) -> None:
        axes.plot(*_thinned(places, np.array(history.rates)), color=own.trained)
        axes.set_ylim(0, 1.05 * max(history.rates))

    found: dict[str, Callable[[Axes], None]] = {"loss": loss}
    if history.accuracy:
        found["accuracy"] = accuracy
    if history.rates:
        found["learning rate"] = rate
    return found


def whole_epochs(axes: Axes, history: History, ends: list[int] | None = None) -> None:
    """An axis over the epochs, which has whole ones; over the steps where no epoch is whole.

    Args:
        axes: with the curve in it.
        history: that it is of.
        ends: as in `curves`.
    """
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch" if history.epochs else "step")
    axes.set_xlim(0, max(history.epochs, float(_places(history, ends)[-1])))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def drawn(history: History) -> Figure:
    """All curves side by side.

    Raises:
        MissingPackageError: matplotlib is not there.
    """
    found = curves(history)
    made = figure(3.9 * len(found), 3.0)
    (row,) = made.subplots(1, len(found), squeeze=False)
    for axes, (title, draw) in zip(row, found.items(), strict=True):
        draw(axes)
        axes.set_title(title, size=11)
        whole_epochs(axes, history)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=9)
    return made


def _places(history: History, ends: list[int] | None) -> np.ndarray:
    """Where each step ends on the axis, (T,): in epochs, or in steps where no epoch is whole."""
    steps = np.arange(1, history.steps + 1, dtype=np.float64)
    if not history.epochs:
        return steps
    even = np.linspace(0, history.steps, history.epochs + 1)[1:]
    before = np.concatenate([[0.0], history.ends or ends or even])
    places = np.interp(steps, before, np.arange(len(before)))
    beyond = steps > before[-1]  # of an epoch that is not over: as long as the last one
    places[beyond] = history.epochs + (steps[beyond] - before[-1]) / (before[-1] - before[-2])
    return places


def _thinned(places: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """So many points as can be told apart."""
    shown = slice(None, None, -(-len(values) // _POINTS))
    return places[shown], values[shown]
