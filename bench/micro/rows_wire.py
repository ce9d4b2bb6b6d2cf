"""Rows of sse_server.wire."""

from collections.abc import Callable

from bench.micro.timer import row
from sse_server.wire.encoder import encode, frame
from sse_server.wire.event import Event
from sse_server.wire.parser import EventStreamParser

_LINE = "x" * 200
_EVENTS = 50


@row("encode an event of one line, 200 bytes", target=0.06)
def encode_line() -> Callable[[], object]:
    event = Event(data=_LINE)
    return lambda: encode(event)


@row("encode an event of 20 lines, 200 bytes, named", target=0.28)
def encode_lines() -> Callable[[], object]:
    event = Event(type="update", data="\n".join(["x" * 9] * 20))
    return lambda: encode(event)


@row("make an event and encode it, 200 bytes", target=0.38)
def make_and_encode() -> Callable[[], object]:
    return lambda: encode(Event(data=_LINE))


@row("parse a stream of 200-byte events", "per event", target=0.4, calls=_EVENTS)
def parse() -> Callable[[], object]:
    stream = b"".join(
        frame(b"0123456789-%d" % number, encode(Event(data=_LINE))) for number in range(_EVENTS)
    )
    return lambda: EventStreamParser().feed(stream)
