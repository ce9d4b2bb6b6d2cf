"""Rows of sse_server.http, HTTP/2: what a connection costs beside its system calls."""

from collections import deque
from collections.abc import Callable

from bench.load.frames import connection_start
from bench.load.request import get_stream
from bench.micro.rows_core import Node
from bench.micro.timer import row
from sse_server.errors import RequestError
from sse_server.http.h2_options import Http2Options
from sse_server.http.http1 import Http1Options
from sse_server.http.http2 import Http2
from sse_server.http.response import EventStream, Opened
from sse_server.wire.flow import CloseReason, Framing, Sink, Source

_OPTIONS = Http2Options()
_LIMITS = Http1Options()
_DATE = b"Tue, 15 Nov 1994 08:12:31 GMT"
_GET = get_stream("/events/news")
_STREAMS = 100
_CONNECTIONS = 512


class _NullCarrier:
    """A transport that takes everything and does nothing."""

    __slots__ = ("write",)
    address = None

    def __init__(self) -> None:
        self.write: Callable[[bytes], None] = deque[bytes](maxlen=0).append

    def unsent(self) -> int:
        return 0

    def acknowledged(self) -> tuple[int, int] | None: ...

    def refused(self, error: RequestError) -> None: ...

    def paused(self, source: Source) -> None: ...

    def too_slow(self, held_bytes: int) -> None: ...

    def closed(self, source: Source, reason: CloseReason) -> None: ...

    def emptied(self) -> None: ...


def _open(node: Node, start: bytes) -> Http2:
    """A connection whose first bytes open streams."""

    def subscribe(sink: Sink, framing: Framing) -> Opened:
        return Opened(b"\n", node.hub.subscribe(sink, framing, ["news"]))

    machine = Http2(_OPTIONS, _LIMITS, lambda: _DATE, lambda: 0.0, _NullCarrier())
    machine.begin()
    machine.receive(start)
    more = True
    while more:
        more = machine.turn()
        while (one := machine.next_request()) is not None:
            machine.open_stream(one[0], EventStream(subscribe))
    return machine


def _opening(start: bytes) -> Callable[[], object]:
    node = Node()

    def opened() -> None:
        machine = _open(node, start)
        assert machine.flow.streams
        machine.close()

    return opened


@row("open HTTP/2 with one stream, and close", target=50)
def open_one() -> Callable[[], object]:
    return _opening(connection_start(_GET, 1))


@row("open HTTP/2 with one stream, a short head", target=45)
def open_short() -> Callable[[], object]:
    return _opening(connection_start(_GET, 1, short_head=True))


@row("open HTTP/2 with 100 streams", "per stream", target=17, calls=_STREAMS)
def open_many() -> Callable[[], object]:
    return _opening(connection_start(_GET, _STREAMS))


def _delivering(connections: int, streams: int) -> Callable[[], object]:
    node = Node()
    start = connection_start(_GET, streams)
    machines = [_open(node, start) for _ in range(connections)]

    def publish() -> None:
        node.publish("news")
        node.run()
        for machine in machines:
            machine.flow.window = 1 << 30

    return publish


@row("deliver to 512 connections of HTTP/2", "per delivery", target=0.1, calls=_CONNECTIONS)
def deliver_alone() -> Callable[[], object]:
    return _delivering(_CONNECTIONS, 1)


@row("deliver to 10 of HTTP/2, 100 streams each", "per delivery", target=0.008, calls=10 * _STREAMS)
def deliver_bundled() -> Callable[[], object]:
    return _delivering(10, _STREAMS)
