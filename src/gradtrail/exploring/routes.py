"""What the server answers: the page, its modules, the numbers of the step, and edits.

What takes time runs in a worker thread and holds the session's lock; what goes wrong is one
sentence as JSON.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..checking.arguments import is_whole
from ..errors import ArgumentError, GradtrailError
from ..machine.forking import renew_in_forks
from .document import Document, saved_page
from .naming import attachment, file_name
from .packing import json_bytes, pack
from .session import Session
from .step_description import arrays_by_side, describe_step

if TYPE_CHECKING:
    from .live import Live

T = TypeVar("T")

BODY = 8 << 20
"""How many bytes a request may have."""

_KINDS = {"js": "text/javascript", "css": "text/css"}
_LOG = logging.getLogger("gradtrail.exploring")


class _RefusedError(Exception):
    """A request that is answered by a sentence.

    Args:
        status: of HTTP.
        sentence: what is wrong.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Routes:
    """The answers about one session.

    Args:
        session: what the page shows.
        document: the page.
        files: its parts, by their paths.
        live: the training that it follows, if any.

    Attributes:
        seconds: processor time of all that ran in worker threads so far.
    """

    def __init__(
        self,
        session: Session,
        document: Document,
        files: Mapping[str, bytes],
        live: Live | None = None,
    ) -> None:
        self.session, self.document, self.files, self.live = session, document, files, live
        self.seconds = 0.0
        renew_in_forks(self._free)

    def _free(self) -> None:
        self._counting = threading.Lock()

    def app(self) -> Starlette:
        """The application; who may use it is another's business, see `guard`."""
        reading: dict[str, Callable[[Request], Response]] = {
            "description": self._description,
            "state": self._state,
            "rows": self._rows,
            "all": self._all,
            "why": self._why,
            "file": self._file,
        }
        routes = [
            Route("/", self._page),
            Route("/page/{path:path}", self._part),
            Route("/api/live", _told(self._live)),
            Route("/api/edit", _told(self._edit), methods=["POST"]),
        ]
        routes += [Route(f"/api/{n}", _told(self._worked(f))) for n, f in reading.items()]
        return Starlette(routes=routes)

    async def _page(self, request: Request) -> Response:
        return Response(self.document.html, media_type="text/html")

    async def _part(self, request: Request) -> Response:
        """A module or the style: one of the files that there were when the server started."""
        path = request.path_params["path"]
        if path not in self.files:
            return Response("gradtrail: the page has no such part\n", 404, media_type="text/plain")
        return Response(self.files[path], media_type=_KINDS[path.rpartition(".")[2]])

    def _description(self, request: Request) -> Response:
        with self.session.lock:
            return _json(describe_step(self.session))

    def _state(self, request: Request) -> Response:
        with self.session.lock:
            return _json(self.session.state())

    def _rows(self, request: Request) -> Response:
        asked = request.query_params
        with self.session.lock:
            self._check_asked(request)
            rows = self.session.rows(
                asked.get("side", ""),
                asked.get("name", ""),
                _whole("from", asked.get("from")),
                _whole("to", asked.get("to")),
            )
            return Response(rows.tobytes(), media_type="application/octet-stream")

    def _all(self, request: Request) -> Response:
        """Every array at once, and what the next update would add."""
        with self.session.lock:
            self._check_asked(request)
            changes = [("change", name) for name in self.session.changes]
            content = pack(self.session.arrays_of([*arrays_by_side(self.session), *changes]))
        return Response(content, media_type="application/octet-stream")

    def _why(self, request: Request) -> Response:
        asked = request.query_params
        places = [part for part in asked.get("index", "").split(",") if part]
        index = [_whole("index", part) for part in places]
        with self.session.lock:
            self._check_asked(request)
            answer = self.session.why(asked.get("side", ""), asked.get("name", ""), index)  # type: ignore[arg-type]
            return _json(answer.to_dict())

    def _file(self, request: Request) -> Response:
        """The page as one file, to be kept."""
        document = saved_page(self.session)
        headers = {"Content-Disposition": attachment(file_name(self.session.title))}
        return Response(document.html, media_type="text/html", headers=headers)

    async def _live(self, request: Request) -> Response:
        if self.live is None:
            raise _RefusedError(404, "no training is followed here")
        after = _whole("after", request.query_params.get("after", "0"))
        return _json(self.live.status(after))

    async def _edit(self, request: Request) -> Response:
        body = await _body(request)
        return await self._in_worker(self._edited, body)

    def _edited(self, body: bytes) -> Response:
        try:
            data = json.loads(body)
        except (ValueError, RecursionError) as cause:
            raise _RefusedError(400, f"the request is not JSON: {cause}") from None
        if not isinstance(data, dict) or "changes" not in data:
            raise _RefusedError(400, 'an edit is {"changes": [...]}, and this has no "changes"')
        with self.session.lock:
            if "version" in data:
                self._check_version(data["version"])
            self.session.apply(data["changes"])
            return _json(self.session.state())

    def _check_asked(self, request: Request) -> None:
        """`_check_version` of a query's."""
        self._check_version(_whole("version", request.query_params.get("version")))

    def _check_version(self, version: object) -> None:
        """Refuse what is about a step that has been replaced since it was asked.

        Raises:
            ArgumentError: no version.
        """
        if not is_whole(version):
            raise ArgumentError(f"version must be a whole number, got {version!r:.40}")
        if version != self.session.version:
            raise _RefusedError(
                409, f"version {version} is gone; the step is {self.session.version} now"
            )

    def _worked(self, function: Callable[[Request], Response]) -> Callable[..., Any]:
        async def endpoint(request: Request) -> Response:
            return await self._in_worker(function, request)

        return endpoint

    async def _in_worker(self, function: Callable[[T], Response], argument: T) -> Response:
        """Run a function off the event loop, and count its processor time."""

        def counted() -> Response:
            since = time.thread_time()
            try:
                return function(argument)
            finally:
                with self._counting:
                    self.seconds += time.thread_time() - since

        return await run_in_threadpool(counted)


def _told(function: Callable[..., Any]) -> Callable[..., Any]:
    """An endpoint whose errors are one sentence; what nobody foresaw goes to the log alone."""

    async def endpoint(request: Request) -> Response:
        try:
            found: Response = await function(request)
        except _RefusedError as cause:
            found = _json({"error": str(cause)}, cause.status)
        except GradtrailError as cause:
            found = _json({"error": str(cause)}, 400)
        except Exception:
            _LOG.exception("%s failed", request.url.path)
            found = _json({"error": "this failed; the terminal of gradtrail says how"}, 500)
        return found

    return endpoint


def _json(data: Any, status: int = 200) -> Response:
    return Response(json_bytes(data), status, media_type="application/json")


def _whole(name: str, text: str | None) -> int:
    """A whole number in a query.

    Raises:
        ArgumentError: it is none.
    """
    if text is None or not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise ArgumentError(f"{name} must be a whole number, got {text!r:.40}")
    return int(text)


async def _body(request: Request) -> bytes:
    """What was sent, if it is not too long."""
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > BODY:
            raise _RefusedError(413, f"a request has at most {BODY >> 20} MB")
    return bytes(found)
