"""Who may ask the server: the browser that was given the address, from the page itself.

Any page in the same browser can send requests to 127.0.0.1, and a name that it owns can be made to
mean 127.0.0.1. So every request must name the host that we are (`Host`), come from our own page
(`Origin`, `Sec-Fetch-Site`) and know the token, which a cookie holds once the address was opened.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_READING = ("GET", "HEAD")


class Guard:
    """An application behind a lock.

    Args:
        app: what answers those who may ask.
        port: of the server, on 127.0.0.1.
        policy: the content security policy of the page.

    Attributes:
        seconds: processor time of the thread that this runs in, at the end of the last request.
    """

    def __init__(self, app: ASGIApp, port: int, policy: str) -> None:
        self.app = app
        self.token = secrets.token_urlsafe(32)
        self.cookie = f"gradtrail-{port}"  # cookies are shared by all ports of a host
        self.seconds = 0.0
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._headers = [
            (name.lower().encode(), value.encode())
            for name, value in {**_HEADERS, "Content-Security-Policy": policy}.items()
        ]
        self._tickets: set[str] = set()

    def ticket(self) -> str:
        """A token that is good for one time.

        A browser is started with it: what a process is started with, all users of a machine can
        see.
        """
        made = secrets.token_urlsafe(32)
        self._tickets.add(made)
        return made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in self._headers}
                others = [(n, v) for n, v in message["headers"] if n.lower() not in names]
                message["headers"] = [*others, *self._headers]
            await send(message)

        try:
            answer = self._answer(Request(scope)) or self.app
            await answer(scope, receive, guarded)
        finally:
            self.seconds = time.thread_time()

    def _answer(self, request: Request) -> Response | None:
        """A refusal, or the cookie for the token; None for who may ask."""
        headers, method = request.headers, request.method
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return _refusal(request, 421, f"this server is {' or '.join(self._hosts)}, nobody else")
        if not _from_us(request, f"http://{hosts[0]}"):
            return _refusal(
                request, 403, "another site asked; open the address of the page in a tab of its own"
            )
        if method not in (*_READING, "POST"):
            return _refusal(request, 405, f"there is no {method} here")
        token = request.query_params.get("token")
        if token is not None and request.url.path == "/" and method == "GET":
            return self._let_in(request, token)
        if not _same(request.cookies.get(self.cookie, ""), self.token):
            return _refusal(
                request,
                403,
                "the page opens with the whole address that gradtrail printed, its token included",
            )
        return None

    def _let_in(self, request: Request, token: str) -> Response:
        """A cookie for who has the token, and the page's address without it."""
        ticket = next((t for t in self._tickets if _same(token, t)), None)
        if ticket is not None:
            self._tickets.discard(ticket)
        elif not _same(token, self.token):
            return _refusal(
                request, 403, "the token is none, or was used; take the address that was printed"
            )
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self.cookie, self.token, path="/", httponly=True, samesite="strict")
        return answer


def _from_us(request: Request, own: str) -> bool:
    """Whether our page asks, or a person with an address.

    Other servers on this machine are the same site, whatever their ports; they may link to us.
    """
    headers = request.headers
    origins = headers.getlist("origin")
    if any(origin != own for origin in origins):
        return False
    if request.method not in _READING and not origins:
        return False
    site = headers.get("sec-fetch-site", "none")
    linked = (
        headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    )
    return site in ("none", "same-origin") or (site == "same-site" and linked)


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


def _refusal(request: Request, status: int, sentence: str) -> Response:
    """Why not, as the one who asks can read it."""
    if request.url.path.startswith("/api/"):
        return Response(json.dumps({"error": sentence}), status, media_type="application/json")
    return Response(f"gradtrail: {sentence}\n", status, media_type="text/plain")
