"""Streams of one HTTP/2 connection that are sent the same bytes, in one write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.http.h2_frames import MAX_FRAME_BYTES, shared_data_frames
from sse_server.http.h2_stream import Http2Stream

if TYPE_CHECKING:
    from sse_server.http.h2_outflow import Outflow
    from sse_server.wire.flow import Sink

_MAX_WRITE_BYTES = 256 * 1024  # more is sent in turns, so that a full transport is seen in between
_NO_LIMIT = 1 << 62


class StreamBundle:
    """What a bundle of subscribers writes to.

    The window of a stream in it is its limit minus `total`; as long as `total` stays below `floor`,
    which is no higher than any limit, nobody need look at the streams.
    """

    __slots__ = ("_flow", "_ids", "floor", "streams", "total")

    def __init__(self, flow: Outflow) -> None:
        """Empty."""
        self._flow = flow
        self.streams: list[Http2Stream] = []
        self._ids: list[bytes] = []  # of the streams, as they stand in frames
        self.total = 0
        self.floor = _NO_LIMIT

    def add(self, stream: Sink) -> None:
        """Its subscriber has what all here have, and all of that has been sent."""
        assert isinstance(stream, Http2Stream), "a bundle is of one connection"
        assert not stream.rest, "a stream with a rest is not where the others are"
        stream.bundle = self
        stream.slot = len(self.streams)
        stream.h2.join(self)
        self.streams.append(stream)
        self._ids.append(stream.id_bytes)
        self._flow.stands(stream)

    def remove(self, stream: Sink) -> None:
        """It goes on by itself, or is gone."""
        assert isinstance(stream, Http2Stream), "a bundle is of one connection"
        last = self.streams.pop()
        last_id = self._ids.pop()
        if last is not stream:
            last.slot = stream.slot
            self.streams[stream.slot] = last
            self._ids[stream.slot] = last_id
        stream.bundle = None
        stream.h2.join(None)

    def write(self, data: bytes) -> None:
        """Send the same on every stream."""
        flow = self._flow
        h2 = flow.h2
        ids = self._ids
        size = len(data)
        total = self.total + size
        window = h2.outbound_flow_control_window
        all_bytes = size * len(ids)
        # Attributes and not properties: for a stream alone this is half of what we add to a write.
        waits = flow.line or flow.asked or flow.paused or all_bytes > window
        if not waits and all_bytes <= _MAX_WRITE_BYTES:
            if total > self.floor:
                self.floor = min([stream.h2.limit for stream in self.streams])
            if total <= self.floor:
                self.total = total
                h2.outbound_flow_control_window = window - all_bytes
                flow.data_frames += len(ids) * (1 + size // MAX_FRAME_BYTES)
                flow.send(shared_data_frames(ids, data))
                return
        flow.hold(self.streams.copy(), data)
