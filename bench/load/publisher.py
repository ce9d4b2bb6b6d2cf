"""A publisher on one keep-alive connection: numbered events, in order."""

import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bench.load.stream import event_data

_TIMEOUT_SECONDS = 60.0


class Publisher:
    """Publishes events 1, 2, 3 … and checks that each is accepted."""

    def __init__(
        self, address: tuple[str, int], request: Callable[[bytes], bytes], event_bytes: int
    ) -> None:
        self._socket = socket.create_connection(address, timeout=_TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._event_bytes = event_bytes
        self._answers = Answers()
        self.sent = 0
        self.accepted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def publish(self, sent_ns: int | None = None) -> None:
        """Publish one event and wait until it is accepted.

        `sent_ns` is when it should have been sent (time.monotonic_ns), if not now: then a server
        that holds the publisher up does not shorten the latencies it is measured by.
        """
        self._send(1, sent_ns)
        self.settle()

    def pour(self, *, seconds: float, max_events: int, pipelined: int) -> None:
        """Publish as fast as events are accepted, up to `pipelined` of them on their way."""
        deadline = time.monotonic() + seconds
        last = self.sent + max_events
        while time.monotonic() < deadline and self.sent < last:
            free = pipelined - (self.sent - self.accepted)
            if free:
                self._send(min(free, last - self.sent))
            self._receive()
        self.settle()

    def settle(self) -> None:
        """Wait until all that was sent is accepted."""
        while self.accepted < self.sent:
            self._receive()

    def _send(self, count: int, sent_ns: int | None = None) -> None:
        now = time.monotonic_ns() if sent_ns is None else sent_ns
        numbers = range(self.sent + 1, self.sent + 1 + count)
        self.sent += count
        self._socket.sendall(
            b"".join(
                self._request(event_data(number, now, self._event_bytes)) for number in numbers
            )
        )

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the publisher's connection")
        self.accepted += self._answers.feed(data)


class Answers:
    """Counts complete answers on a connection; bodies have a Content-Length or none."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> int:
        """How many answers these bytes complete.

        Raises:
            ConnectionError: an answer that is not 2xx, or one that is framed otherwise.
        """
        pending = self._pending + data
        count = 0
        while True:
            end = _end_of_answer(pending)
            if not end:
                break
            pending = pending[end:]
            count += 1
        self._pending = pending
        return count


def _end_of_answer(pending: bytes) -> int:
    """Where the first answer ends; 0 while it is incomplete."""
    head, end, _ = pending.partition(b"\r\n\r\n")
    if not end:
        return 0
    status, *fields = head.lower().split(b"\r\n")
    code = status.split(b" ", 2)[1]
    if not code.startswith(b"2"):
        raise ConnectionError(f"the server answered a publish with {status.decode()}")
    length = 0 if code == b"204" else -1
    for field in fields:
        name, _, value = field.partition(b":")
        if name == b"content-length":
            length = int(value)
    if length < 0:
        raise ConnectionError("an answer to a publish has no Content-Length")
    stop = len(head) + len(end) + length
    return stop if len(pending) >= stop else 0
