"""Rows of sse_server.http: what a request and a stream cost beside their system calls."""

from collections.abc import Callable
from itertools import count

from bench.load.request import get_stream, post
from bench.micro.timer import row
from sse_server.http.chunked import chunked
from sse_server.http.http1 import Http1, Http1Options
from sse_server.http.response import json_response

_OPTIONS = Http1Options()
_BROWSER = get_stream("/events/news")
_DATE = b"Tue, 15 Nov 1994 08:12:31 GMT"
_FRAME = b"id: 0123456789-1\ndata: %b\n\n" % (b"x" * 200)


def _machine() -> Http1:
    return Http1(_OPTIONS, lambda: _DATE)


def _reading(raw: bytes) -> Callable[[], object]:
    """A connection's first request."""

    def read() -> None:
        machine = _machine()
        machine.receive(raw)
        assert machine.next_request() is not None

    return read


@row("read a browser's GET, canonical", target=2.4)
def get_canonical() -> Callable[[], object]:
    return _reading(_BROWSER)


@row("read a browser's GET, by h11", target=19)
def get_by_h11() -> Callable[[], object]:
    return _reading(_BROWSER.replace(b"Host: ", b"Host:"))  # as good, and not canonical


@row("read a POST of 200 bytes", target=0.75)
def post_event() -> Callable[[], object]:
    """A publisher's second and later ones: its head is known."""
    return _reading(post("/events/news", b"x" * 200))


@row("read a POST of 200 bytes, its head new", target=2.3)
def first_post() -> Callable[[], object]:
    numbers = count()

    def read() -> None:
        _reading(post(f"/events/{next(numbers)}", b"x" * 200))()

    return read


@row("read and answer a POST", target=1.25)
def answer() -> Callable[[], object]:
    raw = post("/events/news", b"x" * 200)
    machine = _machine()

    def respond() -> None:
        machine.receive(raw)
        machine.next_request()
        machine.respond(json_response(200, {"id": "a-1", "channel": "news", "duplicate": False}))

    return respond


@row("read a GET and open a stream", target=2.7)
def open_stream() -> Callable[[], object]:
    def opened() -> None:
        machine = _machine()
        machine.receive(_BROWSER)
        machine.next_request()
        machine.open_stream()

    return opened


@row("frame one event as a chunk", target=0.11)
def chunk_one() -> Callable[[], object]:
    frames = [_FRAME]
    return lambda: chunked(frames)


@row("frame 50 events as a chunk", target=0.6)
def chunk_many() -> Callable[[], object]:
    frames = [_FRAME] * 50
    return lambda: chunked(frames)
