"""Questions that the command line asks a finished run: what was watched, terms, why, paths."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import run

import gradtrail as gt
from gradtrail.runs import Run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the digits, with two weights watched."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    result = run(
        *("train", "--epochs", "1", "--quiet", "--out", str(out)),
        *("--watch", "conv1.weight[1,0,2,1]", "--watch", "fc1.bias[3]"),
    )
    assert result.exit_code == 0, result.output
    return out


def traced(out: Path, numbers: np.ndarray, **settings) -> gt.Trace:
    """What the commands should have computed."""
    (x, y), _ = gt.data.digits()
    return gt.trace(gt.load(out), x[numbers], y[numbers], **settings)


def test_a_watched_run_keeps_what_was_watched(finished: Path) -> None:
    from gradtrail.training.watched_weights import load_watched

    watched = load_watched(finished)
    assert list(watched) == ["conv1.weight[1,0,2,1]", "fc1.bias[3]"]
    steps = Run(finished).history.steps
    assert len(watched["fc1.bias[3]"]) == steps


def test_trace_prints_the_terms_of_a_run(finished: Path) -> None:
    element = "dconv1.weight[2,0,1,1]"
    terms = traced(finished, np.arange(32)).grad.terms("conv1.weight", (2, 0, 1, 1))
    shown = run("trace", str(finished), element, "--top", "3")
    assert shown.exit_code == 0, shown.output
    assert shown.output.strip() == terms.text(3)
    told = json.loads(run("trace", str(finished), element, "--json", "--top", "2").output)
    assert told["element"] == element
    assert told["sum"] == terms.sum()
    assert [row["product"] for row in told["rows"]] == [row.product for row in terms.top(2)]
    shares = run("trace", str(finished), element, "--by", "n", "--top", "2").output
    assert shares.strip() == str(terms.by("n").top(2))
    by_place = json.loads(run("trace", str(finished), element, "--by", "y, x", "--json").output)
    best = next(iter(terms.by("y", "x").top(1).items()))
    assert (by_place["by"][0]["y"], by_place["by"][0]["x"]) == best[0]


def test_trace_takes_other_samples_and_evaluation(finished: Path) -> None:
    numbers = np.array([40, 41, 42, 7])
    chosen = ("--samples", "40-42,7", "--evaluation", "--engine", "reference")
    terms = traced(finished, numbers, training=False, engine="reference").value.terms(
        "conv1.output", (3, 2, 1, 1)
    )
    shown = run("trace", str(finished), "conv1.output[3,2,1,1]", *chosen)
    assert shown.output.splitlines()[:-1] == str(terms).splitlines()
    assert shown.output.splitlines()[-1] == "samples 0, 1, … are 40, 41, 42, 7 of the data"
    told = json.loads(run("trace", str(finished), "loss", *chosen, "--json").output)
    assert told["samples"] == [40, 41, 42, 7]
    (_, (x, y)) = gt.data.digits()
    test = gt.trace(gt.load(finished), x[:32], y[:32]).value.terms("loss")
    assert run("trace", str(finished), "loss", "--split", "test").output.strip() == str(test)


def test_trace_draws_a_picture(finished: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    result = run("trace", str(finished), "dconv1.weight[2,0,1,1]", "--plot", str(picture))
    assert result.output.splitlines()[-1] == f"picture in {picture}"
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_why_says_it_in_words(finished: Path) -> None:
    answer = traced(finished, np.arange(32)).grad.why("conv1.weight", (2, 0, 1, 1))
    assert run("why", str(finished), "dconv1.weight[2,0,1,1]").output.strip() == str(answer)
    told = json.loads(run("why", str(finished), "dconv1.weight[2,0,1,1]", "--json").output)
    assert told == answer.to_dict() | {"samples": list(range(32))}
    of_layer = run("why", str(finished), "dconv1[0,2,1,1]").output
    assert of_layer == run("why", str(finished), "dconv1.output[0,2,1,1]").output


def test_why_in_another_language(finished: Path) -> None:
    element = "dconv1.weight[2,0,1,1]"
    answer = traced(finished, np.arange(32)).grad.why(element, language="ko")
    shown = run("why", str(finished), element, "--language", "ko").output
    assert shown.strip() == str(answer)
    assert "개의 합입니다" in shown
    told = json.loads(run("why", str(finished), element, "--language", "ko", "--json").output)
    assert told["text"] == str(answer)
    assert told["fact"] == answer.fact.to_dict()
    unknown = run("why", str(finished), element, "--language", "fr")
    assert unknown.exit_code == 2
    assert "'fr' is not one of 'en', 'ko'" in unknown.output
    without = run("why", str(finished), "--language", "ko")
    assert without.exit_code == 2
    assert without.output.startswith(
        "gradtrail: --language is that of the sentence about an element"
    )


def test_why_without_an_element_gives_the_overview(finished: Path) -> None:
    t = traced(finished, np.arange(32))
    shown = run("why", str(finished)).output
    for part in (t.vanishing(), t.dead(), t.ties()):
        assert str(part) in shown
    told = json.loads(run("why", str(finished), "--json").output)
    assert told["dead"] == json.loads(json.dumps(t.dead().to_dict()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dconv9.weight[0]"], "no array is called 'dconv9.weight'"),
        (["conv1.weight[0,0"], "an element is written as its array and its index"),
        (["conv1.weight[0,0,0,9]"], "position 9 on axis 3 lies outside 0 … 2"),
        (["loss", "--samples", "5-2"], "--samples: 5-2 runs backwards; write 2-5"),
        (["loss", "--samples", "a"], "--samples is a list of numbers and ranges"),
        (["loss", "--data", "faces"], "no data set is called 'faces'"),
        (["loss", "--data", "digits", "--data-path", "x"], "leave out path"),
    ],
)
def test_mistakes_in_questions_are_one_message(
    finished: Path, arguments: list[str], message: str
) -> None:
    result = run("trace", str(finished), *arguments)
    assert result.exit_code == 2
    assert result.output.startswith("gradtrail: ")
    assert message in result.output
    assert len(result.output.splitlines()) == 1


def test_a_question_to_what_is_no_run(tmp_path: Path, finished: Path) -> None:
    assert "is it a run's folder?" in run("why", str(tmp_path)).output
    alone = tmp_path / "net.safetensors"
    gt.load(finished).save(alone)
    assert "name them with --data" in run("why", str(alone)).output
    assert run("why", str(alone), "--data", "digits").exit_code == 0


def test_follow_prints_the_strongest_paths(finished: Path) -> None:
    paths = traced(finished, np.arange(32)).grad.follow("conv1.weight", (2, 0, 1, 1), k=2)
    shown = run("follow", str(finished), "dconv1.weight[2,0,1,1]", "-k", "2")
    assert shown.exit_code == 0, shown.output
    assert shown.output.strip() == str(paths)
    told = json.loads(run("follow", str(finished), "input[3,0,4,4]", "--json").output)
    forwards = traced(finished, np.arange(32)).value.follow("input", (3, 0, 4, 4))
    assert told == json.loads(json.dumps(forwards.to_dict())) | {"samples": list(range(32))}


def test_influence_ranks_the_runs_images(finished: Path, tmp_path: Path) -> None:
    (x, y), (x_test, y_test) = gt.data.digits()
    network = gt.load(finished)
    found = gt.influence(network, (x, y), of="conv1")
    shown = run("influence", str(finished), "--of", "conv1", "--top", "5", "--by", "pull")
    assert shown.output.strip() == found.text(5, "pull")
    told = json.loads(run("influence", str(finished), "--split", "test", "--json").output)
    ranking = gt.influence(network, (x_test, y_test)).ranking()
    assert [entry["sample"] for entry in told["ranking"]] == ranking[:20].tolist()
    picture = tmp_path / "i.png"
    result = run(
        "influence", str(finished), "--split", "test", "--data", "digits", "--plot", str(picture)
    )
    assert result.output.splitlines()[-1] == f"picture in {picture}"
    assert picture.exists()


def test_watch_prints_what_a_run_kept(finished: Path, tmp_path: Path) -> None:
    watched = gt.load_watched(finished)
    shown = run("watch", str(finished))
    assert shown.output.strip() == "\n\n".join(map(str, watched.values()))
    picture = tmp_path / "w.png"
    one = run("watch", str(finished), "fc1.bias[3]", "--plot", str(picture))
    assert one.output.strip() == f"{watched['fc1.bias[3]']}\npicture in {picture}"
    told = json.loads(run("watch", str(finished), "--json").output)
    assert [entry["element"] for entry in told] == list(watched)
    assert "did you mean: fc1.bias[3]" in run("watch", str(finished), "fc1.bias[4]").output
    assert "--plot draws one element" in run("watch", str(finished), "--plot", "x.png").output
    assert "nothing was watched in its training" in run("watch", str(tmp_path)).output


def test_a_network_in_an_onnx_file_is_asked_as_a_saved_one(finished: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    file, kept = tmp_path / "net.onnx", tmp_path / "net.safetensors"
    gt.load(finished).save(kept)
    assert run("export", str(finished), "--to", "onnx", "--out", str(file)).exit_code == 0
    asked = [run("evaluate", str(f), "--data", "digits", "--json").output for f in (file, kept)]
    told = [json.loads(one) for one in asked]
    assert told[0]["matrix"] == told[1]["matrix"]
    assert told[0]["images"] == "test"
