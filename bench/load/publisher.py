"""A publisher on one keep-alive connection: numbered events, in order.

Events carry serial numbers from 1. Those of one channel have consecutive ones; where each
subscriber has a channel of its own, the events of a round, one to each channel, have the same.
"""

import socket
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from bench.load.answers import Answers
from bench.load.certificate import client_context
from bench.load.stream import event_data
from bench.load.subjects.base import Subject

_TIMEOUT_SECONDS = 60.0


class Publisher:
    """Publishes events 1, 2, 3 … to a channel and checks that each is accepted."""

    def __init__(
        self, address: tuple[str, int], subject: Subject, channel: str, event_bytes: int
    ) -> None:
        self._socket = socket.create_connection(address, timeout=_TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if subject.tls:
            self._socket = client_context("http/1.1").wrap_socket(self._socket)
        self._subject = subject
        self._channel = channel
        self.event_bytes = event_bytes
        """Of the data of the events to come."""
        self._answers = Answers()
        self._unanswered: deque[int] = deque()
        """The serial number that each request on its way leads to."""
        self.sent = 0
        """The highest serial number sent."""
        self.accepted = 0
        """The highest that was accepted, as were all below."""

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

    def pour(self, *, seconds: float, max_events: int, pipelined: int, batch: int = 1) -> None:
        """Publish as fast as events are accepted.

        Each request carries `batch` events; up to `pipelined` requests are on their way.
        """
        deadline = time.monotonic() + seconds
        last = self.sent + max_events
        while time.monotonic() < deadline and self.sent < last:
            free = pipelined - len(self._unanswered)
            if free and batch > 1:
                self._send_batch(min(batch, last - self.sent))
            elif free:
                self._send(min(free, last - self.sent))
            if len(self._unanswered) == pipelined or batch == 1:
                self._receive()
        self.settle()

    def publish_each(self, channels: Sequence[str], *, pipelined: int, batch: int = 1) -> None:
        """Publish one event to each of the channels, all with the next number."""
        self.sent += 1
        for at in range(0, len(channels), batch * pipelined):
            part = channels[at : at + batch * pipelined]
            data = event_data(self.sent, time.monotonic_ns(), self.event_bytes)
            events = [(channel, data) for channel in part]
            if batch > 1:
                requests = [
                    self._subject.batch_request(events[first : first + batch])
                    for first in range(0, len(events), batch)
                ]
            else:
                requests = [self._subject.publish_request(*event) for event in events]
            self._unanswered.extend([self.sent] * len(requests))
            self._socket.sendall(b"".join(requests))
            self.settle()

    def settle(self) -> None:
        """Wait until all that was sent is accepted."""
        while self._unanswered:
            self._receive()

    def _send(self, count: int, sent_ns: int | None = None) -> None:
        """A request for each of the next events."""
        now = time.monotonic_ns() if sent_ns is None else sent_ns
        numbers = range(self.sent + 1, self.sent + 1 + count)
        self.sent += count
        self._unanswered.extend(numbers)
        request, channel, size = self._subject.publish_request, self._channel, self.event_bytes
        self._socket.sendall(
            b"".join([request(channel, event_data(number, now, size)) for number in numbers])
        )

    def _send_batch(self, count: int) -> None:
        """One request for all of the next events."""
        now = time.monotonic_ns()
        numbers = range(self.sent + 1, self.sent + 1 + count)
        self.sent += count
        self._unanswered.append(self.sent)
        channel, size = self._channel, self.event_bytes
        events = [(channel, event_data(number, now, size)) for number in numbers]
        self._socket.sendall(self._subject.batch_request(events))

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the publisher's connection")
        for _ in range(self._answers.feed(data)):
            self.accepted = self._unanswered.popleft()
