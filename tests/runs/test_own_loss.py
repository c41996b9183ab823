"""What is asked of a run is answered by the loss that it was trained with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import gradtrail as gt
from gradtrail.cli import main
from gradtrail.reporting.report_page import _hardest
from gradtrail.runs import Run

LAYERS = """
[data]
name = "digits"

[model]
normalize = false
layers = [{type = "Flatten"}, {type = "Linear", out_features = 10}]

[training]
epochs = 1
batch_size = 40

[loss]
"""

LOSSES = {
    "smoothed": ("label_smoothing = 0.25", gt.CrossEntropy(label_smoothing=0.25)),
    "weighted": (
        "weight = [4, 1, 1, 1, 1, 1, 1, 1, 1, 0.5]",
        gt.CrossEntropy(weight=(4, 1, 1, 1, 1, 1, 1, 1, 1, 0.5)),
    ),
}


def said(*words: str) -> str:
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module", params=LOSSES)
def trained(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, gt.CrossEntropy]:
    written, loss = LOSSES[request.param]
    place = tmp_path_factory.mktemp("runs")
    (place / "recipe.toml").write_text(LAYERS + written)
    said("train", str(place / "recipe.toml"), "--out", str(place / "run"), "--quiet")
    return str(place / "run"), loss


def test_a_steps_numbers_are_those_of_its_loss(trained) -> None:
    """And no others: with the plain cross-entropy each of them is another one."""
    run, loss = trained
    (x, y), _ = gt.data.digits()
    of_run, plain = (gt.trace(gt.load(run), x[:40], y[:40], loss=one) for one in (loss, None))
    told = json.loads(said("trace", run, "loss", "--json"))
    assert told["sum"] == pytest.approx(of_run.loss, rel=1e-6)
    assert abs(of_run.loss - plain.loss) > 1e-3
    element, name, index = "dfc1.weight[3,20]", "fc1.weight", (3, 20)
    assert float(of_run.grad[name][index]) != float(plain.grad[name][index])
    assert said("trace", run, element).strip() == str(of_run.grad.terms(name, index))
    assert said("why", run, element).strip() == str(of_run.grad.why(name, index))
    assert str(of_run.vanishing()) in said("why", run)
    assert said("follow", run, element).strip() == str(of_run.grad.follow(name, index, k=5))
    alone = json.loads(said("why", run, "dfc1.bias[2]", "--samples", "0", "--json"))
    first = gt.trace(gt.load(run), x[:1], y[:1], loss=loss)
    assert alone["value"] == pytest.approx(float(first.grad["fc1.bias"][2]), rel=1e-6)


def test_images_are_ranked_by_it(trained) -> None:
    run, loss = trained
    (x, y), _ = gt.data.digits()
    of_run, plain = (gt.influence(gt.load(run), (x, y), loss=one) for one in (loss, None))
    told = json.loads(said("influence", run, "--top", "5", "--json"))["ranking"]
    assert [one["sample"] for one in told] == of_run.ranking()[:5].tolist()
    assert told[0]["surprise"] == pytest.approx(of_run.top(1)[0].surprise, rel=1e-6)
    assert abs(of_run.top(1)[0].surprise - plain.top(1)[0].surprise) > 1e-3
    opened = Run(Path(run))
    shown = _hardest(opened.network, opened.data.train, opened)[2]
    assert f"loss {worst(of_run, y):.2f}, pull" in shown


def worst(ranked: gt.Influence, y: np.ndarray) -> float:
    """The loss of the first image that is seen as another class."""
    wrong = (one for one in ranked.top(len(y)) if one.label != one.predicted)
    return next(wrong).surprise
