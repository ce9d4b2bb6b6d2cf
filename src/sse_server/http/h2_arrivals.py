"""Requests on HTTP/2 from their heads to their answers: bodies that grow, and what they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes

from sse_server.errors import LimitExceeded
from sse_server.http.h2_lean import NOTHING
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
    """Those of one connection."""

    __slots__ = ("_arriving", "_limits", "_sizes", "_whole", "bytes")

    def __init__(self, limits: Http1Options) -> None:
        """`limits` hold for each request, and that of a body for all of the connection together.

        So it is held to what one connection of HTTP/1.1 may make us hold.
        """
        self._limits = limits
        self._arriving: dict[int, Arriving] = NOTHING
        self._whole: tuple[tuple[Http2Stream, Request], ...] = ()  # nobody has taken them yet
        self._sizes: dict[int, int] = NOTHING  # of bodies, until they are answered
        self.bytes = 0  # of all of them

    @property
    def has_bodies(self) -> bool:
        """Whether any is arriving."""
        return bool(self._arriving)

    @property
    def oldest(self) -> float | None:
        """Since when the oldest has been arriving."""
        return min((arriving.since for arriving in self._arriving.values()), default=None)

    @property
    def waiting(self) -> list[Http2Stream]:
        """Streams whose requests are whole and wait to be answered."""
        return [stream for stream, _ in self._whole]

    def before(self, time: float) -> list[Http2Stream]:
        """The streams whose requests began to arrive then, or earlier."""
        return [one.stream for one in self._arriving.values() if one.since <= time]

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
        if ended:
            self._whole += ((stream, head.request),)
            return False
        if self._arriving is NOTHING:
            self._arriving, self._sizes = {}, {}
        self._arriving[stream.h2.stream_id] = Arriving(stream, head, bytearray(), now)
        return head.expects_continue

    def read(self, stream_id: int, data: bytes) -> None:
        """Take a piece of a body; nothing for requests that were answered before their end.

        Raises:
            StreamError: all bodies together are too large; the client may try again. Or this one
                is longer than was said.
            LimitExceeded: it is too large.
        """
        arriving = self._arriving.get(stream_id)
        if arriving is None:
            return
        arriving.body += data
        size = self._sizes[stream_id] = len(arriving.body)
        self.bytes += len(data)
        length = arriving.head.length
        if length is not None and size > length:
            raise StreamError(ErrorCodes.PROTOCOL_ERROR, "a body longer than was said")
        allowed = self._limits.max_body_bytes
        if size > allowed:
            raise LimitExceeded(limit="body", allowed=allowed)
        if self.bytes > allowed:
            raise StreamError(ErrorCodes.REFUSED_STREAM, "too many large bodies at once")

    def end(self, stream_id: int) -> None:
        """It is whole, unless it was answered before.

        Raises:
            StreamError: it is shorter than was said.
        """
        arriving = self._arriving.pop(stream_id, None)
        if arriving is not None:
            if (arriving.head.length or 0) > len(arriving.body):
                raise StreamError(ErrorCodes.PROTOCOL_ERROR, "a body shorter than was said")
            request = arriving.head.request
            if arriving.body:
                request = with_body(request, bytes(arriving.body))
            self._whole += ((arriving.stream, request),)

    def next(self) -> tuple[Http2Stream, Request] | None:
        """The next one that is whole and whose stream is still open; None: there is none."""
        while self._whole:
            (stream, request), *_ = self._whole
            self._whole = self._whole[1:]
            if stream.is_open:
                return stream, request
        return None

    def drop(self, stream_id: int) -> None:
        """It is answered, or nobody waits for an answer any more. Again is harmless."""
        self._arriving.pop(stream_id, None)
        self.bytes -= self._sizes.pop(stream_id, 0)
        if not (self._arriving or self._sizes):
            self._arriving = self._sizes = NOTHING

    def clear(self) -> None:
        """Nothing will be answered any more."""
        self._arriving = self._sizes = NOTHING
        self._whole = ()
        self.bytes = 0
