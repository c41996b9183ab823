"""`python -m benchmarks.mislabelled`: how many wrong labels each ranking of `gt.influence` finds.

Some labels are changed to another class, a network learns the data with them, and all images are
ranked. A ranking is as good as the share of the changed ones that stand at its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import click
import numpy as np

import gradtrail as gt
from gradtrail.data.known import NAMES
from gradtrail.tracing.influence import RANKINGS

from .arguments import workloads
from .report import Table
from .session import shown
from .settings import MISLABELLED, Mislabelled, Workload

__all__ = ["Found", "found_first", "main", "measured", "with_wrong_labels"]


@dataclass(frozen=True)
class Found:
    """What one training gave.

    Args:
        shares: ranking → the share of the wrong labels that stand at its beginning, 0 to 1.
        accuracy: of the trained network on the test images, whose labels are right, 0 to 1.
    """

    shares: Mapping[str, float]
    accuracy: float


def with_wrong_labels(y: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which some are changed to another class, every other one as likely.

    Args:
        y: (N,) integers from 0.
        share: how many of them, 0 to 1.
        seed: which, and to what.

    Returns:
        The labels (N,), and the places of the changed ones.
    """
    draw, classes = np.random.default_rng(seed), int(y.max()) + 1
    places = draw.choice(len(y), round(share * len(y)), replace=False)
    wrong = y.copy()
    wrong[places] = (y[places] + draw.integers(1, classes, len(places))) % classes
    return wrong, places


def found_first(ranking: np.ndarray, places: np.ndarray, share: float) -> float:
    """The share of some places that stand at the beginning of a ranking.

    Args:
        ranking: (N,) all places in order.
        places: those that are looked for.
        share: how much of the ranking is its beginning, 0 to 1.
    """
    return float(np.isin(places, ranking[: round(share * len(ranking))]).mean())


def measured(name: str, data: gt.data.Split, seed: int, settings: Mislabelled) -> Found:
    """Train one network on data with wrong labels, and look for them.

    Args:
        name: an architecture's.
        data: training and test samples with right labels.
        seed: of the weights, the order, and which labels are wrong.
        settings: the training, and what is looked at.
    """
    (x, y), test = data
    wrong, places = with_wrong_labels(y, settings.wrong, seed)
    network = gt.architecture(name).network(x.shape[1:], int(y.max()) + 1, seed=seed)
    gt.train(
        network, (x, wrong), optimizer=gt.SGD(settings.lr, momentum=settings.momentum),
        epochs=settings.epochs, batch_size=settings.batch_size, seed=seed, progress=False,
    )  # fmt: skip
    ranked = gt.influence(network, (x, wrong))
    shares = {by: found_first(ranked.ranking(by), places, settings.first) for by in RANKINGS}
    return Found(shares, gt.evaluate(network, test)["accuracy"])


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--networks", default=",".join(MISLABELLED.networks), callback=workloads,
              help="Architectures by name.")  # fmt: skip
@click.option("--data", type=click.Choice(NAMES), default=MISLABELLED.data)
@click.option("--epochs", type=click.IntRange(1), default=MISLABELLED.epochs)
@click.option("--seeds", type=click.IntRange(1), default=MISLABELLED.seeds,
              help="How many trainings of each network.")  # fmt: skip
def main(networks: list[Workload], data: str, epochs: int, seeds: int) -> None:
    """Change some labels, train, and see which ranking finds them.

    Example: python -m benchmarks.mislabelled --data digits --networks digits-cnn --epochs 5
    """
    settings = replace(MISLABELLED, epochs=epochs)
    table = Table(("network", "ranked by", *(f"seed {seed} >" for seed in range(seeds))))
    try:
        loaded = gt.data.load(data)
        with shown(len(networks) * seeds) as (told, done):
            for network in networks:
                found = []
                for seed in range(seeds):
                    told(f"{network.name}: seed {seed}")
                    found.append(measured(network.name, loaded, seed, settings))
                    done()
                for by in RANKINGS:
                    cells = (f"{100 * one.shares[by]:.1f} %" for one in found)
                    table.add(network.name, by, *cells)
                cells = (f"{100 * one.accuracy:.1f} %" for one in found)
                table.add(network.name, "(test accuracy)", *cells)
    except gt.GradtrailError as cause:
        raise click.ClickException(str(cause)) from cause
    click.echo(f"{data}, {settings.title}: {settings.told}\n\n{table.markdown()}")


if __name__ == "__main__":
    main()
