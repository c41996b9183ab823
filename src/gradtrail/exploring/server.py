"""A server of one page, on this machine alone, in a thread of its own."""

from __future__ import annotations

import logging
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import uvicorn

from ..checking.arguments import whole_number
from ..errors import ArgumentError
from .connections import ACCEPTED, BoundedProtocol
from .document import page_files, served_page
from .guard import Guard
from .routes import Routes
from .session import Session

if TYPE_CHECKING:
    from .live import Live

_ENDING = 5.0
"""Seconds that the thread is waited for at most."""

_WAITING = 1024
"""Connections that wait in the kernel, where they cost us nothing."""


class _Thread(uvicorn.Server):
    """uvicorn's server, which tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(_WAITING)  # asyncio accepts and lets wait by one and the same number
        self.ready.set()


class Server:
    """Serves a session from the moment it is made.

    Args:
        session: what the page shows.
        port: on 127.0.0.1; 0 for any that is free.
        live: the training that the page follows, if any.

    Raises:
        ArgumentError: the port is taken, or not ours to take, or there is no thread to be had.
    """

    def __init__(self, session: Session, port: int = 0, live: Live | None = None) -> None:
        self._socket = _bound(port)
        self.port: int = self._socket.getsockname()[1]
        files = page_files()
        document = served_page(session.title, files)
        self._routes = Routes(session, document, files, live)
        self._guard = Guard(self._routes.app(), self.port, document.policy)
        self._server = _Thread(_configuration(self._guard))
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name="gradtrail-explore",
            daemon=True,
        )
        try:
            self._thread.start()
        except RuntimeError as cause:
            self._socket.close()
            raise ArgumentError(
                f"the page cannot be served, since no thread can be started ({cause}); end other "
                "programs, or save the page instead"
            ) from cause
        while not self._server.ready.wait(0.05) and self._thread.is_alive():
            pass

    @property
    def url(self) -> str:
        """The address that opens the page, with the token in it."""
        return self._address(self._guard.token)

    def ticket(self) -> str:
        """An address that opens the page once."""
        return self._address(self._guard.ticket())

    def _address(self, token: str) -> str:
        return f"http://127.0.0.1:{self.port}/?token={token}"

    @property
    def seconds(self) -> float:
        """Processor time that was spent on requests."""
        return self._guard.seconds + self._routes.seconds

    def close(self) -> None:
        """Stop serving; twice is once."""
        self._server.should_exit = True
        self._thread.join(_ENDING)
        self._socket.close()


def _bound(port: int) -> socket.socket:
    """A socket on this machine's own interface.

    Raises:
        ArgumentError: the port is taken, or not ours to take.
    """
    whole_number("port", port, 0, (1 << 16) - 1)
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let others share the port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
    except OSError as cause:
        made.close()
        raise ArgumentError(
            f"port {port} of 127.0.0.1 cannot be had ({cause.strerror}); choose another one, or 0 "
            "for any that is free"
        ) from None
    return made


def _configuration(app: Any) -> uvicorn.Config:
    """No log, no signals, nothing but HTTP, on few connections, whatever else is installed."""
    logger = logging.getLogger("uvicorn")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=BoundedProtocol,
        backlog=ACCEPTED,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
