"""`gradtrail train --explore`: the page of a training that a command begins."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from exploring.asking import Client, array_of, nothing_left, unpacked
from exploring.following import Asking, eager

import gradtrail as gt
from gradtrail.cli import explore, main
from gradtrail.exploring.explorer import Explorer
from gradtrail.training.training import Training


def trained(out: Path, *more: str) -> Any:
    arguments = ["train", "--epochs", "2", "--batch-size", "64", "--quiet", "--out", str(out)]
    result = CliRunner().invoke(main, [*arguments, *more])
    assert result.exit_code == 0, result.output
    return result


def test_the_command_follows_stays_and_comes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager(monkeypatch)
    pages: list[Explorer] = []
    told: list[dict[str, Any]] = []
    begun, over = threading.Event(), threading.Event()

    def opened(explorer: Explorer, browser: bool) -> None:
        assert browser is False
        pages.append(explorer)
        _ = explorer.url
        begun.set()

    def read() -> None:
        """A page that asks faster than one would."""
        assert begun.wait(30)
        client = Client(pages[0].url)
        while not over.is_set():
            status = client.get("/api/live", after=0).json
            told.append(status)
            client.get("/api/all", version=status["version"])
            time.sleep(0.02)

    def wait(explorer: Explorer) -> None:
        assert explorer.live is not None
        assert explorer.live.settle()
        client = Client(explorer.url)
        told.append(client.get("/api/live", after=0).json)
        answer = client.get("/api/all", version=told[-1]["version"])
        arrays.update(unpacked(answer.body)[1])
        over.set()
        reader.join()

    arrays: dict[tuple[str, str], bytes] = {}
    monkeypatch.setattr(explore, "_open", opened)
    monkeypatch.setattr(Explorer, "wait", wait)
    reader = threading.Thread(target=read)
    reader.start()
    with nothing_left():
        result = trained(tmp_path / "followed", "--explore", "--no-browser")
    over.set()
    assert "the page stays at http://127.0.0.1:" in result.output
    trained(tmp_path / "alone")
    weights = [(tmp_path / n / "weights.safetensors").read_bytes() for n in ("followed", "alone")]
    assert weights[0] == weights[1]
    final = gt.load(tmp_path / "alone")
    for name, array in final.parameters.items():
        np.testing.assert_array_equal(array_of(arrays["value", name], array), array, err_msg=name)
    last = told[-1]
    assert (last["running"], last["step"], last["following"]) == (False, 46, True)
    assert len(last["losses"]) == 46
    assert len(last["history"]["validation_accuracy"]) == 2
    assert any(status["running"] for status in told)
    assert pages[0].session.title == "followed"


def test_ctrl_c_in_the_training_ends_the_page_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stayed = []
    monkeypatch.setattr(explore, "_open", lambda explorer, browser: None)
    monkeypatch.setattr(Explorer, "wait", lambda explorer: stayed.append(explorer))
    monkeypatch.setattr(Training, "over", property(interrupt_after(3)))
    with nothing_left():
        result = CliRunner().invoke(
            main, ["train", "--explore", "--no-browser", "--out", str(tmp_path / "run")]
        )
    assert result.exit_code == 130
    assert stayed == []


def interrupt_after(steps: int) -> Callable[[Training], bool]:
    """What says whether a training is over, and asks it to stop after so many steps."""

    def over(training: Training) -> bool:
        if training.position.steps == 0:
            observer = Asking(lambda seen: seen.step >= steps and training.ask_to_stop())
            training.observers = (*training.observers, observer)
            training._heard = [*training._heard, training.position]
        return training.position.epoch >= training.course.epochs

    return over


@pytest.mark.parametrize("option", [("--no-browser",), ("--port", "0")])
def test_a_pages_options_need_a_page(tmp_path: Path, option: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, ["train", *option, "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert f"{option[0]} is for the page of --explore" in result.output


def test_the_page_of_a_training_has_the_port_that_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        page = ("--explore", "--no-browser", "--port", str(port))
        out = tmp_path / "run"
        result = CliRunner().invoke(main, ["train", "--quiet", *page, "--out", str(out)])
    assert result.exit_code == 2
    assert f"port {port} of 127.0.0.1 cannot be had" in result.output
    assert not out.exists()
    monkeypatch.setattr(Explorer, "wait", lambda explorer: None)
    result = trained(out, *page)
    assert f"exploring at http://127.0.0.1:{port}/" in result.output
