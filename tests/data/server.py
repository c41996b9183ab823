"""A server on this machine that behaves as mirrors do, well or badly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mirror(ThreadingHTTPServer):
    """Serves files from memory.

    Attributes:
        files: content by path, such as "/a.gz".
        ranges: whether parts can be asked for.
        cuts: after how many bytes each of the next answers breaks off.
        lengths: whether the length is announced.
        asked: the Range header of every request so far, None for none.
        encoded: whether gzip is said to be an encoding of the answer.
        odd: a Content-Range to send instead of the true one.
    """

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.ranges, self.lengths, self.encoded = files, True, True, False
        self.cuts: list[int] = []
        self.asked: list[str | None] = []
        self.odd: str | None = None

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hangs up is part of the tests


class Answer(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        mirror, content = self.server, self.server.files.get(self.path)
        asked = self.headers["Range"]
        mirror.asked.append(asked)
        if content is None:
            self.send_error(404)
            return
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and mirror.ranges else 0
        if begin >= len(content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = content[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            span = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", mirror.odd or span)
        if mirror.lengths:
            self.send_header("Content-Length", str(len(body)))
        if mirror.encoded:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body[: mirror.cuts.pop(0)] if mirror.cuts else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Mirror]:
    with Mirror(files) as mirror:
        thread = threading.Thread(target=mirror.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield mirror
        finally:
            mirror.shutdown()
            thread.join()
