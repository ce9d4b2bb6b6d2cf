"""Farewells: what a stream is told when its server shuts down.

All clients come back to the server that starts next. They are told to wait until it can be there,
and then to come spread over the time that it takes to let them all in.
"""

import random
from dataclasses import dataclass
from typing import Self

import orjson

from sse_server.wire.encoder import own_event

_DATA = orjson.dumps({"message": "the server is shutting down; reconnect as retry says"})
_LEAST_RATE = 1_000  # streams a second that a server lets in, where none was busier yet


@dataclass(frozen=True, slots=True)
class Farewell:
    """Draws the last block of each stream."""

    first_seconds: float
    """When the next server can be there, at the earliest."""
    spread_seconds: float
    """How long it takes to let all of them in."""

    @classmethod
    def of(cls, first_seconds: float, streams: int, peak_rate: int) -> Self:
        """For so many streams; `peak_rate` is the most that this server has let in in a second."""
        return cls(first_seconds, streams / max(peak_rate, _LEAST_RATE))

    def block(self) -> bytes:
        """An `event: server-shutdown`, with a time to wait that is this client's own.

        Without an id: the client resumes from what it has been sent.
        """
        wait_seconds = self.first_seconds + random.uniform(0.0, self.spread_seconds)  # noqa: S311
        return own_event(b"server-shutdown", _DATA, None, retry_ms=round(wait_seconds * 1000))
