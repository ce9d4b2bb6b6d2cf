"""What the fault tests share: crowds of streams in a process of their own, pouring publishers."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bench.load.crowd import Crowd
from bench.load.messages import Open, Told
from bench.load.publisher import Publisher
from bench.load.request import get_stream
from bench.load.subjects.own import SseServer

SMALL_RECEIVE_BYTES = 4_096


@pytest.fixture
def crowd() -> Iterator["Readers"]:
    """Streams that read as fast as they can, in another process, with every delivery counted."""
    with Crowd(1, None) as crowd:
        yield Readers(crowd)


@dataclass(frozen=True, slots=True)
class Readers:
    """A crowd that follows `news`, without gaps, repeats and drops."""

    crowd: Crowd

    def open(self, port: int, count: int) -> None:
        request = get_stream("/events/news")
        self.crowd.open(Open(address=("127.0.0.1", port), request=request, count=count))

    def told(self) -> Told:
        """What they have seen, none of them less than any other."""
        (told,) = self.crowd.tell()
        assert (told.gaps, told.repeats, told.drops, told.first_failure) == (0, 0, 0, "")
        return told

    def wait(self, number: int, seconds: float = 30.0) -> None:
        """Return when each has the events up to this number."""
        assert self.crowd.wait(number, seconds), (number, self.crowd.tell())


def numbered_publisher(port: int, event_bytes: int = 200) -> Publisher:
    """Publishes events that a crowd can count, over HTTP."""
    return Publisher(("127.0.0.1", port), SseServer(), "news", event_bytes)


@contextlib.contextmanager
def pouring(publisher: Publisher) -> Iterator[None]:
    """Publish at full speed in the background, until the server refuses."""

    def pour() -> None:
        with contextlib.suppress(ConnectionError):
            publisher.pour(seconds=60, max_events=10_000_000, pipelined=64)

    thread = threading.Thread(target=pour)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def open_unread_stream(port: int) -> socket.socket:
    """A stream on `news` with small buffers, of which nothing is read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_RECEIVE_BYTES)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", port))
    sock.sendall(get_stream("/events/news"))
    return sock
