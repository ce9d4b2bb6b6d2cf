"""Answers, whatever version of HTTP carries them: a response that ends, or an event stream."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from sse_server.errors import RequestError
from sse_server.http.request import Headers, Request
from sse_server.wire.flow import Framing, Sink, Source

JSON = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")
"""For answers that are another's a moment later."""


@dataclass(frozen=True, slots=True)
class Response:
    """A finite answer. The machine adds length, date and connection fields."""

    status: int
    headers: Headers = ()
    body: bytes = b""


class Opened(NamedTuple):
    """A stream that has just begun: its first block, and where its connection's news go."""

    opening: bytes
    source: Source


@dataclass(frozen=True, slots=True)
class EventStream:
    """An answer that stays open.

    `open` is called once, when the head is about to be written: it subscribes the sink and returns
    the block that stands before every burst. It never writes to the sink itself.
    """

    open: Callable[[Sink, Framing], Opened]
    headers: Headers = ()
    """Beyond the constant ones of every event stream."""
    resumed: bool = False
    """Its client says what it had last."""
    agent: bytes | None = None
    """What its client calls itself, cut short."""


Answer = Response | EventStream
Endpoint = Callable[[Request], Answer | Awaitable[Answer]]
"""Answers at once where it can. An awaitable costs a task, a promise (`sse_server.promise`) hardly
anything: that is for answers that many wait for at once, all others may be coroutines."""


def json_response(status: int, value: object, headers: Headers = ()) -> Response:
    """`value` as JSON, with a newline behind it for those who read it in a terminal."""
    body = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    return Response(status, (JSON, *headers), body)


def error_response(error: RequestError) -> Response:
    """The JSON that every refused request gets. What is refused now may be granted later."""
    body = {"error": error.code, "message": error.message, **error.details}
    return json_response(error.status, body, (NO_STORE, *error.headers))
