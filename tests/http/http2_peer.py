"""A client of HTTP/2 that sends what it likes, straight into a machine."""

from collections.abc import Callable, Iterator

from h2.errors import ErrorCodes

from sse_server.http.h2_budgets import Http2Error
from sse_server.http.h2_frames import (
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
)
from sse_server.http.h2_options import Http2Options
from sse_server.http.http1 import Http1Options
from sse_server.http.http2 import Http2
from sse_server.http.response import EventStream, Opened, Response
from sse_server.wire.flow import Framing, Sink
from tests.core.fakes import Bench
from tests.http.carrier import FakeCarrier
from tests.http.test_h2_equivalence import frames

GET = b"\x82\x86\x84\x01\x09localhost"  # of "/"
POST = b"\x83\x86\x84\x01\x09localhost"
CANCEL = b"\0\0\0\x08"


def literal(name: bytes, value: bytes) -> bytes:
    """A field that is not indexed."""
    return b"\x00" + string(name) + string(value)


def string(value: bytes) -> bytes:
    size = len(value)
    if size < 127:
        return bytes((size,)) + value
    size -= 127
    length = b"\x7f"
    while size >= 128:
        length += bytes((0x80 | size & 0x7F,))
        size >>= 7
    return length + bytes((size,)) + value


def head(stream_id: int, block: bytes = GET, flags: int = END_HEADERS | END_STREAM) -> bytes:
    return frame(HEADERS, flags, stream_id, block)


def post(stream_id: int, *fields: bytes) -> bytes:
    """A request whose body follows."""
    return head(stream_id, POST + b"".join(fields), END_HEADERS)


def setting(key: int, value: int) -> bytes:
    return frame(SETTINGS, 0, 0, key.to_bytes(2, "big") + value.to_bytes(4, "big"))


class Peer:
    """A client that sends what it likes, and what it is told.

    Its requests stay open, unless it has `answers`; with `follows` each is answered by events.
    """

    def __init__(
        self,
        *,
        max_streams: int = 256,
        turn_bytes: int = 16_384,
        limits: Http1Options | None = None,
    ) -> None:
        self.carrier = FakeCarrier()
        self.now = 0.0
        options = Http2Options(max_concurrent_streams=max_streams, turn_bytes=turn_bytes)
        self.server = Http2(options, limits or Http1Options(), None, lambda: self.now, self.carrier)
        self.server.begin()
        self.kind = ""
        self.answers = False
        self.follows = False
        self.bench = Bench()
        self.requests = 0
        self.tell(PREFACE + frame(SETTINGS, 0, 0))
        self.carrier.written.clear()

    def tell(self, data: bytes, turn: Callable[[], bool] | None = None) -> None:
        """Send, and let the server do all that it does then; its turns may be taken by `turn`."""
        turn = turn or self.server.turn
        try:
            self.server.receive(data)
            more = True
            while more:
                more = turn()
                while (one := self.server.next_request()) is not None:
                    self.requests += 1
                    if self.answers:
                        self.server.respond(one[0], Response(200))
                    elif self.follows:
                        self.server.open_stream(one[0], EventStream(self.open))
        except Http2Error as error:
            self.kind = error.kind

    def open(self, sink: Sink, framing: Framing) -> Opened:
        return Opened(b": hi\n\n", self.bench.hub.subscribe(sink, framing, ["news"]))

    def publish(self, data: str) -> None:
        self.bench.publish("news", data)
        self.bench.run()

    @property
    def heard(self) -> Iterator[tuple[int, int, int, bytes]]:
        for kind, flags, stream_id, payload, _ in frames(b"".join(self.carrier.written)):
            yield kind, flags, stream_id, payload

    @property
    def goaways(self) -> list[ErrorCodes]:
        return [
            ErrorCodes(int.from_bytes(payload[4:8], "big"))
            for kind, _, _, payload in self.heard
            if kind == GOAWAY
        ]

    @property
    def resets(self) -> list[tuple[int, ErrorCodes]]:
        return [
            (stream_id, ErrorCodes(int.from_bytes(payload, "big")))
            for kind, _, stream_id, payload in self.heard
            if kind == RST_STREAM
        ]

    @property
    def statuses(self) -> dict[int, bytes]:
        """The first bytes of each head: its status."""
        return {
            stream_id: payload[1:6] for kind, _, stream_id, payload in self.heard if kind == HEADERS
        }
