"""Connections to the page's server: few, and soon to say what they want.

Whoever runs a program on this machine can connect, without a token. A connection costs a file
descriptor of the process that trains, and a training that finds none left cannot write its
checkpoint. So there is a bound on connections, and a time in which a request has to be there.
"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 64
"""How many there are at once at most. A browser opens six to one host."""

ACCEPTED = 16
"""How many are accepted before the oldest are looked at: descriptors beyond the bound."""

REQUEST = 10.0
"""Seconds in which a whole request has to arrive."""

_numbers = count()


class BoundedProtocol(H11Protocol):
    """HTTP on one connection of few.

    Where one too many comes, the oldest that has never asked anything is closed for it; where all
    have, the one that has been idle since longest ago. A browser asks as soon as it is connected.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.number = next(_numbers)
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self._expect()
        there = [c for c in self.connections if not c.transport.is_closing()]
        if len(there) > CONNECTIONS:
            idle = [c for c in there if isinstance(c, BoundedProtocol) and c.idle and c is not self]
            chosen = min(idle, key=lambda c: (c.cycle is not None, c.number), default=self)
            chosen.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._expect()
        super().data_received(data)

    def handle_events(self) -> None:
        """See uvicorn: what came is a request, or part of one."""
        super().handle_events()
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._arrived()

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _expect(self) -> None:
        """A request begins: it has so long to arrive, however slowly it trickles."""
        if self._late is None:
            self._late = self.loop.call_later(REQUEST, self.transport.abort)

    def _arrived(self) -> None:
        """The request is there, or nobody waits for it any more."""
        if self._late is not None:
            self._late.cancel()
            self._late = None
