"""A hub with a clock of its own, and sinks that remember what they are given."""

import json
from collections.abc import Callable
from typing import Any

from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.subscriber import Subscriber
from sse_server.core.window import FRAME_OVERHEAD_BYTES, ChannelOptions, Window
from sse_server.http.chunked import plain
from sse_server.wire.event import Event, Priority
from sse_server.wire.flow import Bundler, Client, CloseReason, Framing
from sse_server.wire.parser import EventStreamParser, StreamEvent
from sse_server.wire.position import Positions

POSITIONS = Positions(b"e")


def nothing() -> None:
    """What happens in a write, if nothing is to happen."""


class Recorder:
    """A sink; `on_write` happens inside each write."""

    bundler: Bundler | None = None
    client = Client("127.0.0.1:1234", "a browser")

    def __init__(self, on_write: Callable[[], object] = nothing) -> None:
        self.bursts: list[bytes] = []
        self.on_write = on_write
        self.unsent = 0
        self.ended: CloseReason | None = None
        self.aborted: CloseReason | None = None

    def write(self, data: bytes) -> None:
        self.bursts.append(data)
        self.on_write()

    def end(self, reason: CloseReason, last: bytes = b"") -> None:
        self.ended = reason
        self.bursts.append(last)

    def abort(self, reason: CloseReason) -> None:
        self.aborted = reason

    @property
    def events(self) -> list[StreamEvent]:
        return EventStreamParser().feed(b"".join(self.bursts))

    @property
    def last_id(self) -> str:
        """What the client would come back with."""
        parser = EventStreamParser()
        parser.feed(b"".join(self.bursts))
        return parser.last_event_id

    @property
    def data(self) -> list[str]:
        return [event.data for event in self.events if event.type != "gap"]

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """What is told of each gap, and its id."""
        return [
            {**json.loads(event.data), "id": event.last_event_id}
            for event in self.events
            if event.type == "gap"
        ]


class Bench:
    """A hub, and a hand on everything that drives it."""

    def __init__(
        self,
        *,
        log: LogOptions | None = None,
        newest: int = 0,
        lane_size: int = 512,
        writes_per_run: int = 512,
        beside_limit: int = 16,
        heartbeat_seconds: float = 15.0,
        stall_timeout_seconds: float = 30.0,
        max_burst_bytes: int = 64 * 1024,
        busiest_channels: int = 100,
        **channels: ChannelOptions,
    ) -> None:
        self.now = 0.0
        self.wakes = 0
        log = log or LogOptions(patterns=tuple(channels.items()), max_burst_bytes=max_burst_bytes)
        options = HubOptions(
            log=log,
            lane_size=lane_size,
            writes_per_run=writes_per_run,
            beside_limit=beside_limit,
            heartbeat_seconds=heartbeat_seconds,
            stall_timeout_seconds=stall_timeout_seconds,
            busiest_channels=busiest_channels,
        )
        self.hub = Hub(options, POSITIONS, self._wake, lambda: self.now, newest)

    def _wake(self) -> None:
        self.wakes += 1

    def publish(self, channel: str, *data: str, key: str | None = None, low: bool = False) -> None:
        priority = Priority.LOW if low else Priority.NORMAL
        for text in data:
            event = Event(text, key=key, priority=priority)
            self.hub.deliver(channel, self.hub.newest + 1, event)

    def join(
        self,
        *channels: str,
        last_id: bytes | None = None,
        framing: Framing = plain,
        sink: Recorder | None = None,
        tells_positions: bool = True,
    ) -> tuple[Recorder, Subscriber]:
        sink = sink or Recorder()
        subscriber = self.hub.subscribe(
            sink, framing, channels, last_id, tells_positions=tells_positions
        )
        return sink, subscriber

    def pause(self, *channels: str, last_id: bytes | None = None) -> tuple[Recorder, Subscriber]:
        """Join, and be full at once."""
        sink, subscriber = self.join(*channels, last_id=last_id)
        subscriber.pause()
        return sink, subscriber

    def resume(self, subscriber: Subscriber) -> None:
        """Let a paused subscriber have everything."""
        subscriber.resume()
        self.run()

    def tick(self, seconds: float = 1.0) -> None:
        """So much later, one tick, and what comes of it."""
        self.now += seconds
        self.hub.tick()
        self.run()

    def run(self) -> int:
        """As a loop would, until nobody asks to be woken; returns how often it was needed."""
        runs = 0
        while self.wakes:
            self.wakes = 0
            self.hub.pump.run()
            runs += 1
        return runs


def frame_bytes(offset: int, data: str) -> int:
    """What the log counts for a frame of `Bench.publish`."""
    return len(f"id: e-{offset}\ndata: {data}\n\n") + FRAME_OVERHEAD_BYTES


def window_of(*offsets: int, size: int = 10, lost: int = 0, uncertain: int = -1) -> Window:
    window = Window("news", ChannelOptions(), lost=lost, uncertain=uncertain)
    for offset in offsets:
        window.append(offset, b"%d" % offset * size, now=float(offset))
    return window
