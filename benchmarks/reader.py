"""What an explorer's page asks, without a browser: `python -m benchmarks.reader URL`.

Told `go` on a line of standard input, it asks every two seconds how the training is, and fetches
the numbers of a new version, as seldom as the page does, until it is told `pause`. At the end of
the input it prints how many versions it saw, how many bytes it read, and the processor time that it
took, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.client import HTTPConnection
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

__all__ = ["WHOLE", "Reader"]

WHOLE = 24_000_000
"""Up to how many bytes the page fetches a step in one piece; of a larger one the first sample."""

EVERY = 2.0
"""Seconds between two questions at least."""

SHARE = 1 / 60
"""Which part of the time fetching new versions takes at most, as in page/view/live.js; there
drawing them counts, too."""


class Reader:
    """A page's requests.

    Args:
        url: with the token.
    """

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        token = parse_qs(place.query)["token"][0]
        assert place.hostname is not None
        self._connection = HTTPConnection(place.hostname, place.port)
        self._cookie = f"gradtrail-{place.port}={token}"
        self.step, self.version, self.versions, self.bytes = 0, -1, 0, 0
        self._arrays = json.loads(self._get("description"))["arrays"]

    def _get(self, what: str, **query: object) -> bytes:
        headers = {"Cookie": self._cookie}
        self._connection.request("GET", f"/api/{what}?{urlencode(query)}", headers=headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 409):  # a version may be gone before all of it is fetched
            raise RuntimeError(f"{what}: {answer.status} {content[:200]!r}")
        self.bytes += len(content)
        return content

    def look(self) -> float:
        """One question, and the numbers if they are new; a browser's own connection, if need be.

        Returns:
            After how many seconds the next one is to come.
        """
        try:
            return self._look()
        except ConnectionError:  # the server closes what is idle for long
            self._connection.close()
            return self._look()

    def _look(self) -> float:
        told: dict[str, Any] = json.loads(self._get("live", after=self.step))
        self.step = told["step"]
        if told["version"] == self.version:
            return EVERY
        begun = time.perf_counter()
        self._fetch()
        return max(EVERY, (time.perf_counter() - begun) / SHARE)

    def _fetch(self) -> None:
        """The numbers of the newest version."""
        self.version = json.loads(self._get("state"))["version"]
        self.versions += 1
        if self._size() <= WHOLE:
            self._get("all", version=self.version)
            return
        for array in self._arrays:
            rows = 1 if array["by_sample"] or not array["shape"] else array["shape"][0]
            for side in ("value", "grad") if array["gradient"] else ("value",):
                asked = {"side": side, "name": array["name"], "from": 0, "to": rows}
                self._get("rows", version=self.version, **asked)

    def _size(self) -> int:
        """Bytes of all numbers, about."""
        return sum(4 * a["size"] * (2 if a["gradient"] else 1) for a in self._arrays)


def main() -> None:
    """See the file."""
    reader, over = Reader(sys.argv[1]), threading.Event()
    going, paused = threading.Event(), threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            go = line.strip() == "go"
            (paused if go else going).clear()
            (going if go else paused).set()
        for event in (over, going, paused):
            event.set()

    threading.Thread(target=listen, daemon=True).start()
    since, rest = time.process_time(), 0.0
    while going.wait() and not over.is_set():
        begun = time.perf_counter()
        if rest > 0:
            paused.wait(rest)  # time stands still while it pauses
            rest -= time.perf_counter() - begun
        else:
            rest = reader.look()
    took = time.process_time() - since
    print(json.dumps({"versions": reader.versions, "bytes": reader.bytes, "seconds": took}))


if __name__ == "__main__":
    main()
