"""Requests on HTTP/2 that are still arriving: heads that are good, and bodies that grow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes

from sse_server.errors import LimitExceeded
from sse_server.http.h2_request import StreamError, check_limits, read_fields, with_body

if TYPE_CHECKING:
    from sse_server.http.h2_request import Field
    from sse_server.http.h2_stream import Http2Stream
    from sse_server.http.http1 import Http1Options
    from sse_server.http.request import Request
    from sse_server.http.request_head import RequestHead


@dataclass(slots=True)
class Arriving:
    """A request whose stream the client has not ended."""

    stream: Http2Stream
    head: RequestHead
    body: bytearray
    since: float


class Arrivals:
    """Those of one connection, by stream."""

    __slots__ = ("_bytes", "_limits", "_requests")

    def __init__(self, limits: Http1Options) -> None:
        """`limits` hold for each request, and that of a body for all of the connection together.

        So it is held to what one connection of HTTP/1.1 may make us hold.
        """
        self._limits = limits
        self._requests: dict[int, Arriving] = {}
        self._bytes = 0  # of all bodies

    @property
    def oldest(self) -> float | None:
        """Since when the oldest has been arriving."""
        return min((arriving.since for arriving in self._requests.values()), default=None)

    def before(self, time: float) -> list[Http2Stream]:
        """The streams whose requests began to arrive then, or earlier."""
        return [one.stream for one in self._requests.values() if one.since <= time]

    def begin(self, stream: Http2Stream, fields: list[Field], now: float, *, ended: bool) -> bool:
        """Take a head; whether its client waits to be told to go on.

        Raises:
            StreamError: its stream is to be reset.
            RequestError: it is answered with this.
        """
        check_limits(fields, self._limits)
        head = read_fields(fields, self._limits)
        if ended and head.length:
            raise StreamError(ErrorCodes.PROTOCOL_ERROR, "a request has no body but a length")
        if (head.length or 0) > self._limits.max_body_bytes:
            raise LimitExceeded(limit="body", allowed=self._limits.max_body_bytes)
        self._requests[stream.h2.stream_id] = Arriving(stream, head, bytearray(), now)
        return head.expects_continue and not ended

    def read(self, stream_id: int, data: bytes) -> None:
        """Take a piece of a body; nothing for requests that were answered before their end.

        Raises:
            StreamError: all bodies together are too large; the client may try again.
            LimitExceeded: this one is.
        """
        arriving = self._requests.get(stream_id)
        if arriving is None:
            return
        arriving.body += data
        self._bytes += len(data)
        allowed = self._limits.max_body_bytes
        if len(arriving.body) > allowed:
            raise LimitExceeded(limit="body", allowed=allowed)
        if self._bytes > allowed:
            raise StreamError(ErrorCodes.REFUSED_STREAM, "too many large bodies at once")

    def end(self, stream_id: int) -> tuple[Http2Stream, Request] | None:
        """It is whole; None if it was answered before."""
        arriving = self.drop(stream_id)
        if arriving is None:
            return None
        request, body = arriving.head.request, arriving.body
        return arriving.stream, with_body(request, bytes(body)) if body else request

    def drop(self, stream_id: int) -> Arriving | None:
        """It is not waited for any more."""
        arriving = self._requests.pop(stream_id, None)
        if arriving is not None:
            self._bytes -= len(arriving.body)
        return arriving
