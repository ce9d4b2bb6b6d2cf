"""One HTTP/1.1 connection, without its socket: bytes in, requests out; answers in, bytes out.

The phases of a connection, and who moves it:

- `IDLE`: between requests, nothing of the next one has come. `next_request` leaves it.
- `HEAD`: the head of a request is incomplete. `next_request` leaves it.
- `BODY`: its body is. `next_request` leaves it.
- `ANSWERING`: a request has been handed out. `respond` and `open_stream` leave it; what the client
  sends meanwhile waits, up to a bound.
- `STREAMING`: an event stream is open. The connection does nothing else any more; drop the machine.
- `CLOSING`: nothing more is read. `next_request` comes here by raising, `respond` after the last
  answer, `refuse` always.

    machine.receive(data)
    while (request := machine.next_request()) is not None:
        write(machine.respond(answer(request)))
    write(machine.take_output())
    if machine.must_close: ...

A parser never has two requests in hand, so nothing of it outlives a request: canonical heads are
read by an expression, every other by an h11 connection that lives for one call.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated

from sse_server.errors import LimitExceeded, RequestError
from sse_server.http.chunked import ChunkedBody, chunked, plain
from sse_server.http.heads import CONTINUE, event_stream_head, response_bytes
from sse_server.http.request import Headers, Request
from sse_server.http.request_head import (
    NOT_HTTP,
    HeadLimits,
    RequestHead,
    check_incomplete,
    read_head,
    refuse,
)
from sse_server.http.response import Response, error_response
from sse_server.options import RELOADABLE, Bounds
from sse_server.wire.flow import Framing

ServerDate = Callable[[], bytes]
"""The value of the Date field for an answer that is written now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Http1Options(HeadLimits):
    """How much a client may send before it is answered."""

    max_body_bytes: Annotated[int, Bounds(1, 1 << 30), RELOADABLE] = 8 * 1024 * 1024
    """A batch of 10,000 events of 800 bytes. It is held whole: it is checked before it counts."""
    max_pipelined_bytes: Annotated[int, Bounds(1, 1 << 24), RELOADABLE] = 65_536
    """Behind a request that is being answered: one read of an event loop, hundreds of requests."""


class Phase(Enum):
    """Where a connection is; the module says what each means."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    ANSWERING = auto()
    STREAMING = auto()
    CLOSING = auto()


_DEAF = (Phase.STREAMING, Phase.CLOSING)


class Http1:
    """One HTTP/1.1 connection until an event stream opens on it."""

    __slots__ = (
        "_buffer",
        "_checked",
        "_chunks",
        "_ended",
        "_head",
        "_options",
        "_output",
        "_server_date",
        "phase",
    )

    def __init__(self, options: Http1Options, server_date: ServerDate | None = None) -> None:
        """`options` are shared by all connections. `server_date` None: answers bear no date."""
        self.phase = Phase.IDLE
        self._options = options
        self._server_date = server_date
        self._buffer = bytearray()
        self._checked = 0  # bytes of the buffer in which no end of a head has been found
        self._ended = False
        self._head: RequestHead | None = None  # of the request that is read or answered
        self._chunks: ChunkedBody | None = None
        self._output = b""

    @property
    def must_close(self) -> bool:
        """Once all that was returned is written, the connection is to be closed."""
        return self.phase is Phase.CLOSING

    @property
    def wants_input(self) -> bool:
        """False: read no further until the request in hand is answered."""
        if self.phase is Phase.ANSWERING:
            return len(self._buffer) < self._options.max_pipelined_bytes
        return self.phase is not Phase.CLOSING

    @property
    def unread_bytes(self) -> int:
        """What the client has sent beyond the request in hand."""
        return len(self._buffer)

    @property
    def held_bytes(self) -> int:
        """What is kept of requests that have not been handed out."""
        if self.phase in _DEAF:
            return 0
        chunks = self._chunks
        return len(self._buffer) + (0 if chunks is None else chunks.held_bytes)

    def peek(self, size: int) -> bytes:
        """The first bytes that have been received and not read."""
        return bytes(self._buffer[:size])

    def take_back(self) -> bytes:
        """All that has been received and not read: it is no HTTP/1.1. Drop the machine."""
        received = bytes(self._buffer)
        self._close()
        return received

    def receive(self, data: bytes) -> None:
        """Take what the client sent; nothing (`b""`) is the end of it."""
        if not data:
            self._ended = True
        elif self.phase not in _DEAF:
            self._buffer += data

    def next_request(self) -> Request | None:
        """The next whole request; None while one is being answered and while more input is due.

        Raises:
            RemoteProtocolError: it is no request that can be served; only `refuse` is left.
            LimitExceeded: it is too large; the same.
        """
        try:
            match self.phase:
                case Phase.IDLE | Phase.HEAD:
                    return self._read_body() if self._read_head() else None
                case Phase.BODY:
                    return self._read_body()
                case _:
                    return None
        except RequestError:
            self._close()
            raise

    def take_output(self) -> bytes:
        """What has to be sent now beside answers: `100 Continue`, for who waits for it."""
        output, self._output = self._output, b""
        return output

    def respond(self, response: Response, *, close: bool = False) -> bytes:
        """The bytes of the answer to the request in hand. `close`: it is to be the last one."""
        head = self._leave_answering()
        if close or head.close or (self._ended and not self._buffer):
            close = True
            self._close()
        else:
            self.phase = Phase.HEAD if self._buffer else Phase.IDLE
        head_only = head.request.method == b"HEAD"
        return response_bytes(response, date=self._date(), close=close, head_only=head_only)

    def refuse(self, error: RequestError) -> bytes:
        """The last answer, to what was no request or did not become one in time.

        Nothing where the peer speaks another protocol and an answer would only confuse it.
        """
        self._close()
        if error.code == NOT_HTTP:
            return b""
        return response_bytes(error_response(error), date=self._date(), close=True)

    def open_stream(self, headers: Headers = ()) -> tuple[bytes, Framing]:
        """The head of an event stream, and the framing of all that follows it.

        The connection ends with the stream; `unread_bytes` came behind the request.
        """
        head = self._leave_answering()
        assert head.request.method != b"HEAD", "HEAD is answered with a response"
        self.phase = Phase.STREAMING
        version = head.request.version
        framing = plain if version == b"1.0" else chunked
        return event_stream_head(headers, date=self._date(), version=version), framing

    def _date(self) -> bytes | None:
        return None if self._server_date is None else self._server_date()

    def _leave_answering(self) -> RequestHead:
        assert self.phase is Phase.ANSWERING, self.phase
        assert self._head is not None
        head, self._head = self._head, None
        return head

    def _close(self) -> None:
        self.phase = Phase.CLOSING
        self._buffer.clear()
        self._head = self._chunks = None
        self._output = b""

    def _read_head(self) -> bool:
        """Whether a head has been read. What follows it stays in the buffer."""
        buffer = self._buffer
        # RFC 9112 section 2.2: old clients send an empty line behind a body. It stays here until
        # the head is whole, so that sending more of them does not look like making progress.
        start = 2 if buffer.startswith(b"\r\n") else 0
        if len(buffer) == start:
            self.phase = Phase.CLOSING if self._ended else Phase.IDLE
            return False
        end = buffer.find(b"\r\n\r\n", max(start, self._checked - 3))
        if end < 0:
            check_incomplete(buffer, start, self._checked, self._options)
            self._await_more(Phase.HEAD)
            self._checked = len(buffer)
            return False
        head = bytes(buffer[start : end + 4])
        del buffer[: end + 4]
        self._checked = 0
        self._head = read_head(head, self._options)
        length = self._head.length
        if length is None:
            self._chunks = ChunkedBody(self._options.max_body_bytes)
        elif length > self._options.max_body_bytes:
            raise LimitExceeded(limit="body", allowed=self._options.max_body_bytes)
        return True

    def _read_body(self) -> Request | None:
        """The request in hand, if its body is whole."""
        head = self._head
        assert head is not None
        if head.length == 0:
            self.phase = Phase.ANSWERING
            return head.request
        waits_for_us = head.expects_continue and self.phase is not Phase.BODY and not self._buffer
        body = self._take_body(head.length)
        if body is None:
            if waits_for_us:
                self._output = CONTINUE
            self._await_more(Phase.BODY)
            return None
        self.phase = Phase.ANSWERING
        self._chunks = None
        request = head.request
        return Request(
            request.method, request.path, request.query, request.headers, body, request.version
        )

    def _take_body(self, length: int | None) -> bytes | None:
        if length is None:
            assert self._chunks is not None
            return self._chunks.read(self._buffer)
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _await_more(self, phase: Phase) -> None:
        if self._ended:
            refuse("the connection ended inside a request", code="incomplete-request")
        self.phase = phase
