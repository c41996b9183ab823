"""The pictures, by matplotlib where it is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .curves import Curve, window_means
from .report import Bar, number

__all__ = ["curve_picture", "have_matplotlib", "ratio_picture"]


def have_matplotlib() -> bool:
    """Whether pictures can be drawn."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def ratio_picture(path: Path, bars: Sequence[Bar], caption: str) -> None:
    """How many times longer than we every mode takes, network by network.

    Args:
        path: where the PNG goes.
        bars: at least one.
        caption: the machine, in a line.
    """
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys(bar.group for bar in bars))
    names = list(dict.fromkeys(bar.name for bar in bars))
    figure = Figure(figsize=(2.2 + 2.2 * len(groups), 4.4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(names)
    # a disturbed round must not squeeze the bars: what is above is cut
    top = 1.3 * max(max(b.height, b.goal or 0.0) for b in bars)
    for place, name in enumerate(names):
        mine = [bar for bar in bars if bar.name == name]
        at = [groups.index(b.group) + width * (place - (len(names) - 1) / 2) for b in mine]
        heights = [b.height for b in mine]
        # quartiles over the rounds need not enclose the ratio of the medians
        below = [max(0.0, b.height - b.low) for b in mine]
        above = [max(0.0, b.high - b.height) for b in mine]
        axes.bar(at, heights, 0.92 * width, label=name, yerr=(below, above), capsize=2)
        for x, height in zip(at, heights, strict=True):
            axes.annotate(number(height), (x, 0.02 * top), fontsize=8, ha="center", color="white")
    for group in groups:
        goal = next((b.goal for b in bars if b.group == group), None)
        if goal is not None:
            where = groups.index(group)
            axes.hlines(goal, where - 0.45, where + 0.45, colors="black", linestyles=":", lw=1)
            axes.annotate("goal", (where + 0.45, goal), fontsize=7, va="bottom", ha="right")
    axes.axhline(1.0, color="black", lw=0.8)
    axes.set_ylim(0, top)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_ylabel("time of a training step, times gradtrail's")
    axes.set_title(caption, fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def curve_picture(path: Path, runs: Mapping[str, Mapping[str, Curve]], window: int) -> None:
    """The loss curves, and how far each is from the first; a column for each training.

    Args:
        path: where the PNG goes.
        runs: for each training its curves by name; the first is what the others are compared with.
        window: over how many steps the upper curves are averaged.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1 + 5.5 * len(runs), 6.0), layout="constrained")
    columns = figure.subplots(2, len(runs), height_ratios=(2, 1), squeeze=False).T
    for (above, below), (title, curves) in zip(columns, runs.items(), strict=True):
        first, *others = curves
        for place, (name, curve) in enumerate(curves.items()):
            means = window_means(curve.losses, window)
            steps = window * (np.arange(len(means)) + 0.5)
            shown = f"{name}, test accuracy {100 * curve.accuracy:.2f} %"
            width = 3 - 2 * place / len(curves)
            above.plot(steps, means, "--" if place else "-", lw=width, label=shown)
        expected = np.array(curves[first].losses)
        for name in others:
            difference = np.abs(np.array(curves[name].losses) - expected)
            below.semilogy(np.maximum(difference, 1e-9), lw=0.7, label=name)
        above.set_title(title)
        above.set_ylabel(f"loss, mean over {window} steps")
        below.set_ylabel(f"|loss − {first}'s|")
        below.set_xlabel("step")
        for axes in (above, below):
            axes.legend(frameon=False, fontsize=7)
            axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
