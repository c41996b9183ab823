"""What explore() does from a script, a prompt and a notebook, and what comes back."""

from __future__ import annotations

import sys
import threading
import webbrowser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from exploring.asking import Client, nothing_left, session

import gradtrail as gt
from gradtrail.exploring.default_samples import takes_digits, usual_samples
from gradtrail.exploring.explorer import Explorer
from gradtrail.showing.notebook import in_notebook


def small(channels: int = 1, size: int = 8, outputs: int = 10) -> gt.Network:
    return gt.Network((channels, size, size), [gt.Flatten(), gt.Linear(outputs)], seed=1)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that the browser was asked for."""
    found: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: found.append(url) or True)
    return found


def explored(net: gt.Network, *pair: Any, **settings: Any) -> Explorer:
    found = net.explore(*pair, open=False, block=False, **settings)
    assert isinstance(found, Explorer)
    return found


def test_a_page_is_opened_by_a_ticket_and_closed(opened: list[str]) -> None:
    net = small()
    x, y = gt.data.digits().test
    with nothing_left():
        with gt.trace(net, x[:3], y[:3]).explore(block=False, title="digits") as explorer:
            assert len(opened) == 1
            assert opened[0] != explorer.url
            ticket = Client(opened[0])
            assert ticket.ask("GET", f"/?token={ticket.token}", Cookie=None).status == 303
            client = Client(explorer.url)
            assert client.get("/api/description").json["title"] == "digits"
            change = {"kind": "element", "name": "fc1.bias", "index": [0], "value": 2.5}
            assert client.edit(change).status == 200
            assert repr(explorer) == f"Explorer('digits', 3 samples, {explorer.url})"
        assert repr(explorer) == "Explorer('digits', 3 samples, closed)"
    assert explorer.network.parameters["fc1.bias"][0] == 2.5
    assert net.parameters["fc1.bias"][0] != 2.5
    net.parameters["fc1.bias"][0] = 2.5
    assert explorer.trace.loss == gt.trace(net, x[:3], y[:3]).loss
    with pytest.raises(gt.ArgumentError, match="this page was closed"):
        _ = explorer.url


def test_without_a_browser_the_address_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    with Explorer(session()) as explorer:
        explorer.open()
        assert capsys.readouterr().err == f"open {explorer.url} in a browser\n"


def test_a_script_waits_until_the_page_is_closed(
    opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waited: list[Explorer] = []

    def wait(explorer: Explorer) -> None:
        waited.append(explorer)
        explorer.close()

    monkeypatch.setattr(Explorer, "wait", wait)
    monkeypatch.delattr(sys, "ps1", raising=False)
    found = session().trace.explore()
    assert waited == [found]
    printed = capsys.readouterr().out
    assert printed.startswith("exploring at http://127.0.0.1:")
    assert "Ctrl-C ends it" in printed
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with session().trace.explore():  # type: ignore[union-attr]
        assert len(waited) == 1


def test_waiting_ends_with_close_and_with_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = Explorer(session())
    threading.Timer(0.05, explorer.close).start()
    explorer.wait()
    assert "closed" in repr(explorer)
    other = Explorer(session())

    def interrupted(seconds: float) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(other._closed, "wait", interrupted)
    other.wait()
    assert "closed" in repr(other)


def test_a_file_is_written_and_nothing_served(tmp_path: Path, opened: list[str]) -> None:
    path = tmp_path / "new" / "step.html"
    with nothing_left():
        assert small().explore(save=path, samples=2, title="two") == path
    assert opened == []
    assert "<title>two</title>" in path.read_text(encoding="utf-8")
    with Explorer(session()) as explorer:
        size = explorer.save(path)
        assert size == path.stat().st_size
        with pytest.raises(gt.ArgumentError, match="step.html is there already"):
            explorer.save(path, overwrite=False)
        with pytest.raises(gt.FileError, match="it is there, and no file"):
            explorer.save(tmp_path)
    assert [p.name for p in path.parent.iterdir()] == ["step.html"]


def test_a_networks_own_samples() -> None:
    net = small()
    x, y = gt.data.digits().test
    explorer = explored(net, x, y, samples=5, seed=3, training=False, loss=gt.CrossEntropy())
    with explorer:
        expected = gt.trace(net, x[:5], y[:5], seed=3, training=False)
        assert explorer.trace.loss == expected.loss
        assert explorer.session.training is False
        assert len(explorer.session.numbers) == 5


def test_digits_where_they_fit_and_noise_elsewhere() -> None:
    x, y = gt.data.digits().test
    loss = gt.CrossEntropy()
    found = usual_samples(small(size=12, outputs=11), 4, loss, 0)
    np.testing.assert_array_equal(found[0], gt.data.enlarged(x[:4], 12, 12))
    np.testing.assert_array_equal(found[1], y[:4])
    for other in (small(channels=3), small(size=7), small(outputs=9)):
        assert not takes_digits(other)
        noise, labels = usual_samples(other, 4, loss, seed=7)
        expected = np.random.default_rng(7).standard_normal((4, *other.input_shape))
        np.testing.assert_array_equal(noise, expected.astype(np.float32))
        np.testing.assert_array_equal(labels, np.zeros(4))
    flat = gt.Network((5,), [gt.Linear(10)])
    assert usual_samples(flat, 3, loss, 0)[0].shape == (3, 5)
    with explored(small()) as explorer:
        assert explorer.trace.loss == gt.trace(small(), x[:16], y[:16]).loss


def test_mistakes_are_one_sentence() -> None:
    net = small()
    x, y = gt.data.digits().test
    for arguments, settings, message in (
        ((x,), {}, "x and y go together"),
        ((), {"y": y}, "x and y go together"),
        ((), {"samples": 0}, "samples must be .*0"),
        ((), {"open": 1}, "open must be .* 1"),
        ((), {"block": "no"}, "block must be .*'no'"),
        ((), {"optimizer": 0.1}, "optimizer must be an object .* got 0.1"),
        ((), {"port": -1, "open": False}, "port must be a whole number"),
        ((x[:, 0], y), {}, "the channel axis is missing"),
        ((x, y[:100]), {}, "y has 100 labels, but x has 355 samples"),
        ((x[:20], y), {}, "y has 355 labels, but x has 20 samples"),
        ((x, 3), {}, "y has a single value, but x has 355 samples"),
    ):
        with pytest.raises(gt.GradtrailError, match=message):
            net.explore(*arguments, **settings)
    with pytest.raises(gt.ArgumentError, match="explore has no argument 'sample'.*samples"):
        net.explore(sample=3)
    with pytest.raises(gt.ArgumentError, match="explore has no argument 'ports'.*port"):
        session().trace.explore(ports=3)
    with pytest.raises(gt.ArgumentError, match="MeanSquaredError compares with other labels"):
        small(channels=2).explore(loss=gt.MeanSquaredError())


def test_in_a_notebook_nothing_is_opened(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not in_notebook()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert in_notebook()
    with nothing_left():
        explorer = session().trace.explore()
        assert isinstance(explorer, Explorer)
        assert repr(explorer) == "Explorer('gradtrail', 6 samples, not served yet)"
    assert opened == []
