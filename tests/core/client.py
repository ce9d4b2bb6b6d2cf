"""One stream as its client sees it, alone or carried among others: all it is sent is checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sse_server.core.bundle import Bundle
from sse_server.http.chunked import chunked
from sse_server.wire.encoder import id_block
from sse_server.wire.flow import Client, CloseReason
from sse_server.wire.parser import EventStreamParser
from tests.core.model import position
from tests.core.scene import FAREWELL

if TYPE_CHECKING:
    from sse_server.core.subscriber import Subscriber
    from sse_server.wire.flow import Framing, Sink
    from sse_server.wire.parser import StreamEvent
    from tests.core.model import Ledger, Snapshot
    from tests.core.operations import Operations
    from tests.core.scene import Manner, Script


def unchunked(data: bytes) -> bytes:
    size, _, rest = data.partition(b"\r\n")
    assert len(rest) == int(size, 16) + 2, "one write is one chunk"
    assert rest.endswith(b"\r\n")
    return rest[:-2]


@dataclass(eq=False)
class Stream:
    """One stream as its client sees it; the sink that the hub writes to."""

    machine: Operations
    channels: list[str]
    framing: Framing
    tells_positions: bool
    script: Script
    ledger: Ledger
    bundler: Carrier | None = None
    subscriber: Subscriber | None = None
    paused: bool = False
    is_open: bool = True
    finishing: bool = False
    silent_since: float = 0.0
    """It has stood since then, and nothing was written to it."""
    writes: int = 0
    frames: int = 0
    last_id: bytes | None = None
    snapshots: list[Snapshot] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parser = EventStreamParser()

    def opened(self, subscriber: Subscriber, opening: bytes | None) -> None:
        self.subscriber = subscriber
        assert (opening is None) == (self.ledger.fault is not None or self.ledger.unresolved)
        if opening is not None:
            assert opening == position(self.ledger.last_id)
            self.parser.feed(id_block(opening))
            self.last_id = opening
        self.snapshots.append(self.ledger.snapshot(self.last_id))

    @property
    def manner(self) -> Manner:
        number = self.machine.carriers.index(self.bundler)
        return self.framing, self.tells_positions, number

    @property
    def place(self) -> int:
        """Up to where it has everything; of those in a bundle the bundle knows."""
        assert self.subscriber is not None
        lane = self.subscriber.lane
        return max(self.subscriber.place, lane.place if isinstance(lane, Bundle) else 0)

    def write(self, data: bytes) -> None:
        self.machine.writes += 1
        self.receive(data)
        self.react()

    def receive(self, data: bytes) -> None:
        assert self.is_open, "written to after it was gone"
        assert not self.paused, "written to while paused"
        assert self.subscriber is not None
        assert self.ledger.last_id <= self.place <= self.machine.hub.newest
        self.writes += 1
        self.silent_since = self.machine.now
        blocks = unchunked(data) if self.framing is chunked else data
        if self.subscriber.inquiry is not None:
            assert blocks == b":\n", "who waits is told that the stream lives, and nothing else"
            self.machine.heartbeats += 1
            return
        self.ledger.resolve()
        self._check_size(blocks)
        if blocks == b":\n" and not self.tells_positions:
            self.machine.heartbeats += 1
        elif blocks.startswith(b":"):
            self._take_heartbeat(blocks)
        else:
            for event in self.parser.feed(blocks):
                self.frames += event.type != "gap"
                self._take(event)

    def react(self) -> None:
        """What happens inside the write."""
        if self.is_open and not self.paused:
            for action in self.script.pop(self.writes, []):
                self.machine.act(action, self)

    unsent = 0
    client = Client(None, None)

    def end(self, reason: CloseReason, last: bytes = b"") -> None:
        assert self.finishing, "nobody asked for it"
        assert not self.paused
        assert (reason, last) == (CloseReason.DRAINED, FAREWELL)
        if not self.machine.lacks(self):
            self.ledger.finish()
        self.machine.sent_away(self)

    def abort(self, reason: CloseReason) -> None:
        raise AssertionError("nobody asked for it")

    def _take(self, event: StreamEvent) -> None:
        self.ledger.floor = self.machine.hub.log._floor
        self.ledger.take(event)
        self.last_id = event.last_event_id.encode()
        self.snapshots.append(self.ledger.snapshot(self.last_id))

    def _take_heartbeat(self, blocks: bytes) -> None:
        """It fires no event, and the client knows a recent position."""
        assert self.subscriber is not None
        assert self.tells_positions
        assert self.parser.feed(blocks) == []
        self.machine.heartbeats += 1
        place = self.place
        is_new = self.ledger.last_id == 0 == place  # it has not been told a position yet
        assert (
            is_new
            or self.last_id == position(place)
            or self.parser.last_event_id.encode() == position(place)
        )
        if blocks != b":\n":
            assert blocks == b":\nid: %b\n\n" % position(place)
            self.ledger.beat(place)
            self.last_id = position(place)
            self.snapshots.append(self.ledger.snapshot(self.last_id))

    def _check_size(self, blocks: bytes) -> None:
        """Whole frames within the budget, but at least one.

        A page that an engine has read may have one more behind it: of an ephemeral channel, which
        the engine does not keep. It ends where that stands.
        """
        assert blocks == b":\n" or blocks.endswith(b"\n\n")
        parts = blocks.removesuffix(b"\n\n").split(b"\n\n")
        frames = [part for part in parts if b"\nevent: gap\n" not in part]
        machine = self.machine
        if machine.history is not machine.memory and frames and self._is_ephemeral(frames[-1]):
            del frames[-1]
        budget = machine.hub.options.log.max_burst_bytes
        assert len(frames) <= 1 or sum(len(part) + 2 for part in frames) <= budget

    def _is_ephemeral(self, part: bytes) -> bool:
        found = re.match(rb"id: e-(\d+)\n", part)
        if found is None:
            return False
        history = self.machine.history
        return history.options[history.frames[int(found[1])].channel].ephemeral


class Carrier:
    """A connection that carries several streams."""

    def bundle(self) -> Shared:
        return Shared()


class Shared:
    """Writes the same to several of them: all have it when the first reacts."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []

    def add(self, sink: Sink) -> None:
        assert isinstance(sink, Stream)
        self.streams.append(sink)

    def remove(self, sink: Sink) -> None:
        assert isinstance(sink, Stream)
        self.streams.remove(sink)

    def write(self, data: bytes) -> None:
        streams = self.streams.copy()
        streams[0].machine.writes += 1
        for stream in streams:
            stream.receive(data)
        for stream in streams:
            stream.react()
