"""A step, its explorer, and the page of it in Chromium; a server that is asked directly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from exploring.asking import Client, session
from exploring.browsing import chromium
from exploring.reading import LAYERS, SAMPLES, Page

import gradtrail as gt
from gradtrail.exploring.explorer import Explorer
from gradtrail.exploring.server import Server
from gradtrail.exploring.session import Session


@pytest.fixture(scope="module")
def network() -> gt.Network:
    net = gt.Network((1, 8, 8), LAYERS, seed=3)
    train, _ = gt.data.digits()
    gt.train(net, train, optimizer=gt.SGD(0.1), epochs=3, batch_size=32, progress=False)
    return net


@pytest.fixture
def traced(network: gt.Network) -> gt.Trace:
    x, y = gt.data.digits().test
    return gt.trace(network, x[:SAMPLES], y[:SAMPLES], seed=5)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def explorer(traced: gt.Trace) -> Iterator[Explorer]:
    with Explorer(Session(traced, optimizer=gt.SGD(0.1), title="a digit net")) as made:
        yield made


@pytest.fixture
def page(browser: Any, explorer: Explorer) -> Iterator[Page]:
    opened = Page(browser, explorer.url)
    yield opened
    opened.close()
    assert opened.complaints == []
    origin = explorer.url.split("?")[0]
    assert [u for u in opened.asked if not u.startswith((origin, "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server(session())
    yield made
    made.close()


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server.url)


@pytest.fixture
def shown(server: Server) -> Session:
    """The session, as it was at first."""
    held = server._routes.session
    held.apply([{"kind": "reset"}])
    return held
