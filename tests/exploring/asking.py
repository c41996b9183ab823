"""A small network's page, and a client that asks its server by hand, header by header."""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np

import gradtrail as gt
from gradtrail.exploring.session import Session


def session(title: str = "a <b> & 'c'") -> Session:
    """A session about a few digits, whose title is no HTML."""
    layers = [gt.Conv2d(3, 3), gt.ReLU(), gt.MaxPool2d(2), gt.Flatten(), gt.Linear(10)]
    net = gt.Network((1, 8, 8), layers, seed=2)
    x, y = gt.data.digits().test
    return Session(gt.trace(net, x[:6], y[:6]), title=title)


class Answer:
    """An answer, read to its end."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status, self.body = response.status, response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks as a browser that has the cookie would; every header can be another."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        assert place.port is not None
        self.port, self.token = place.port, parse_qs(place.query)["token"][0]
        self.host = f"127.0.0.1:{self.port}"
        self.cookie = f"gradtrail-{self.port}={self.token}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str | None
    ) -> Answer:
        """One request; a header that is None is left out, `_` in a name is `-`."""
        given: dict[str, str | None] = {"Host": self.host, "Cookie": self.cookie}
        if method == "POST":
            given |= {"Origin": f"http://{self.host}", "Content-Length": str(len(body or b""))}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **query: object) -> Answer:
        return self.ask("GET", f"{path}?{urlencode(query)}" if query else path)

    def edit(self, *changes: dict[str, Any]) -> Answer:
        return self.ask("POST", "/api/edit", json.dumps({"changes": changes}).encode())


def packed_in(html: str) -> bytes:
    """What is in the page, unpacked as the page does it."""
    (text,) = re.findall(r'<script type="text/plain" id="session">([^<]*)</script>', html)
    return gzip.decompress(base64.b64decode(text, validate=True))


def unpacked(content: bytes) -> tuple[Any, dict[tuple[str, ...], bytes], int]:
    """A packed header, each array's bytes by side, name and state, and where the arrays begin."""
    length = int.from_bytes(content[:4], "little")
    header = json.loads(content[4 : 4 + length])
    begin, found = 4 + length, {}
    for entry in header if isinstance(header, list) else header["arrays"]:
        at = begin + entry["offset"]
        assert at % 8 == 0
        called = tuple(entry[key] for key in ("side", "name", "state") if key in entry)
        found[called] = content[at : at + entry["bytes"]]
    return header, found, begin


def array_of(content: bytes, like: np.ndarray) -> np.ndarray:
    """Bytes as they were sent, in the order that they stand for."""
    kind = f"<f{like.dtype.itemsize}" if like.dtype.kind == "f" else "<i4"
    return np.frombuffer(content, kind).reshape(like.shape)


def engines() -> set[threading.Thread]:
    """The CPU engine's threads, which sleep until there is work again."""
    return {t for t in threading.enumerate() if re.fullmatch(r"gradtrail-\d+", t.name)}


@contextmanager
def nothing_left() -> Iterator[None]:
    """No thread that began inside runs on behind it; one may take a moment to end."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before | engines()]
    for thread in left:
        thread.join(5)
    assert [thread.name for thread in left if thread.is_alive()] == []
