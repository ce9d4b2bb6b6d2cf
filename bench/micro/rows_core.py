"""Rows of sse_server.core: the hub with sinks that take everything and do nothing."""

import time
from collections import deque
from collections.abc import Callable

from bench.micro.timer import row
from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.subscriber import Subscriber
from sse_server.http.chunked import chunked
from sse_server.wire.event import Event
from sse_server.wire.flow import Client, CloseReason
from sse_server.wire.position import Positions

_EVENT = Event(data="x" * 200)
_LANE = 512
_CHANNELS = 10_000
_PERSONS = 1_000
_BATCH = 10
_REPLAYED = 100
_JOINERS = 100


class _NullSink:
    """A sink whose write is a call into C that does nothing."""

    __slots__ = ("write",)
    client = Client(None, None)
    unsent = 0
    bundler = None

    def __init__(self) -> None:
        self.write: Callable[[bytes], None] = deque[bytes](maxlen=0).append

    def end(self, reason: CloseReason, last: bytes = b"") -> None: ...

    def abort(self, reason: CloseReason) -> None: ...


class Node:
    """A hub, and the loop that its pump asks for."""

    def __init__(self) -> None:
        self._woken = False
        self.hub = Hub(HubOptions(), Positions(b"micro123"), self._wake, time.monotonic)

    def join(self, *channels: str, last_id: bytes | None = None) -> Subscriber:
        return self.hub.subscribe(_NullSink(), chunked, channels, last_id)

    def publish(self, channel: str) -> None:
        self.hub.deliver(channel, self.hub.newest + 1, _EVENT)

    def run(self) -> None:
        while self._woken:
            self._woken = False
            self.hub.pump.run()

    def _wake(self) -> None:
        self._woken = True


@row("deliver an event to 512 who stand", "per delivery", target=0.016, calls=_LANE)
def deliver() -> Callable[[], object]:
    node = Node()
    for _ in range(_LANE):
        node.join("news")

    def publish() -> None:
        node.publish("news")
        node.run()

    return publish


@row("deliver 10 events in one burst to 512", "per delivery", target=0.003, calls=_LANE * _BATCH)
def deliver_burst() -> Callable[[], object]:
    node = Node()
    for _ in range(_LANE):
        node.join("news")

    def publish() -> None:
        for _ in range(_BATCH):
            node.publish("news")
        node.run()

    return publish


@row("deliver to 512 who follow a personal channel", "per delivery", target=0.016, calls=_LANE)
def deliver_beside() -> Callable[[], object]:
    node = Node()
    for number in range(_LANE):
        node.join("news", f"user{number}")

    def publish() -> None:
        node.publish("news")
        node.run()

    return publish


@row("deliver to 10,000 channels, one subscriber each", "per event", target=2.2, calls=_CHANNELS)
def deliver_to_channels() -> Callable[[], object]:
    node = Node()
    names = [f"user{number}" for number in range(_CHANNELS)]
    for name in names:
        node.join(name)

    def publish() -> None:
        for name in names:
            node.publish(name)
        node.run()

    return publish


@row("deliver a personal event beside a shared channel", "per event", target=3.8)
def deliver_personal() -> Callable[[], object]:
    node = Node()
    for number in range(_PERSONS):
        node.join("news", f"user{number}")

    def publish() -> None:
        node.publish("user7")
        node.run()

    return publish


@row("publish to a channel that nobody follows", "per event", target=0.62)
def publish_unheard() -> Callable[[], object]:
    node = Node()
    return lambda: node.publish("news")


@row("catch up with 100 frames, and leave", "per joiner", target=3, calls=_JOINERS)
def catch_up() -> Callable[[], object]:
    node = Node()
    for _ in range(_REPLAYED):
        node.publish("news")
    begin = node.hub.positions.encode(0)

    def join_all() -> None:
        joiners = [node.join("news", last_id=begin) for _ in range(_JOINERS)]
        node.run()
        for subscriber in joiners:
            subscriber.gone(CloseReason.LOST)

    return join_all


@row("join and leave a channel of many", "per stream", target=2.7)
def join_and_leave() -> Callable[[], object]:
    node = Node()
    for _ in range(_LANE):
        node.join("news")
    return lambda: node.join("news").gone(CloseReason.LOST)


@row("join and leave a channel of its own", "per stream", target=3.8)
def join_and_leave_alone() -> Callable[[], object]:
    node = Node()
    return lambda: node.join("alone").gone(CloseReason.LOST)
