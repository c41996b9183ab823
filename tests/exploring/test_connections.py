"""Whoever connects and asks nothing takes little, and ends nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from exploring.asking import Client, nothing_left, session
from exploring.following import bits, data, training

from gradtrail.exploring import connections
from gradtrail.exploring.connections import ACCEPTED, CONNECTIONS
from gradtrail.exploring.explorer import Explorer
from gradtrail.exploring.live import Live, session_of
from gradtrail.exploring.server import Server

IDLE = """
import resource, socket, sys
count, port = int(sys.argv[1]), int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 64), hard))
held = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
print(len(held), flush=True)
sys.stdin.read()
"""
"""Connects so many times, says how many, and holds them until its input ends."""


@contextmanager
def idle(count: int, port: int) -> Iterator[None]:
    """So many connections of another process that ask nothing."""
    command = [sys.executable, "-c", IDLE, str(count), str(port)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == f"{count}\n".encode()
        yield
        process.stdin.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_two_thousand_idle_connections_beside_a_followed_training_end_nothing(
    tmp_path: Path,
) -> None:
    expected = training([], epochs=1)
    expected.run()
    live = Live()
    followed = training([live], epochs=1)
    with nothing_left():
        shown = session_of(followed, *data(16), title="run")
        explorer = Explorer(shown, live=live)
        live.watch(followed, shown, explorer.seconds)
        client, before = Client(explorer.url), descriptors()
        with idle(2000, client.port):
            assert client.get("/api/live", after=0).json["running"]
            assert descriptors() - before <= CONNECTIONS + ACCEPTED
            followed.run()
            (tmp_path / "as usual").write_text("a descriptor is to be had")
            assert not client.get("/api/live", after=0).json["running"] or live.settle()
        explorer.close()
    assert bits(followed.network) == bits(expected.network)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(session())
    yield made
    made.close()


def connected(server: Server, sent: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    made.sendall(sent)
    return made


def ended(held: socket.socket, answer: bytearray | None = None) -> bool:
    """Whether the server closed it instead of saying more, waiting for either if need be."""
    try:
        more = held.recv(4096)
    except ConnectionResetError:
        return True
    if answer is not None:
        answer += more
    return more == b""


def test_the_oldest_that_never_asked_is_closed_for_one_too_many(server: Server) -> None:
    client = Client(server.url)
    asking = connected(server, f"GET /none HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode())
    assert asking.recv(12) == b"HTTP/1.1 403"
    first, *others = (connected(server) for _ in range(CONNECTIONS))
    assert ended(first)
    for held in others:
        held.setblocking(False)
        with pytest.raises(BlockingIOError, match="temporarily unavailable"):
            held.recv(1)
    assert client.get("/").status == 200  # and others[0] had to go for it
    others[0].settimeout(20)
    assert ended(others[0])
    for held in (asking, first, *others):
        held.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\n",
        b"POST /api/edit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{",
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_a_request_that_does_not_arrive_is_not_waited_for(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST", 0.05)
    server = Server(session())
    try:
        held = connected(server, sent)
        answer = bytearray()
        while not ended(held, answer):
            pass
        held.close()
        assert answer[:12] in (b"", b"HTTP/1.1 421")  # refused before all of it was there
        assert Client(server.url).get("/").status == 200
    finally:
        server.close()


def test_a_look_that_fails_is_none_of_the_training() -> None:
    """Nothing that the page does with the weights ends what trains them."""
    expected = training([], epochs=1)
    expected.run()
    live = Live()
    followed = training([live], epochs=1)
    shown = session_of(followed, *data(16), title="run")

    def full(*_: object) -> None:
        raise MemoryError("no room for copies")

    live._hand_over = full  # type: ignore[method-assign]
    live.watch(followed, shown)
    live._asked = np.inf
    followed.run()
    live.close()
    assert bits(followed.network) == bits(expected.network)
