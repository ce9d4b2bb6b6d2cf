"""Streams of one HTTP/2 connection that are sent the same bytes, in one write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.http.h2_frames import (
    MAX_FRAME_BYTES,
    data_frames,
    lone_data_frame,
    shared_data_frames,
)
from sse_server.http.h2_stream import Http2Stream

if TYPE_CHECKING:
    from sse_server.http.h2_outflow import Outflow
    from sse_server.wire.flow import Sink

_MAX_WRITE_BYTES = 256 * 1024  # more is sent in turns, so that a full transport is seen in between
_NO_LIMIT = 1 << 62
_NONE: list[bytes] = []  # in the place of a list; nothing is put into it


class StreamBundle:
    """What a bundle of subscribers writes to.

    The window of a stream in it is its limit minus `total`; as long as `total` stays below `floor`,
    which is no higher than any limit, nobody need look at the streams.
    """

    __slots__ = ("_flow", "_id", "_ids", "floor", "streams", "total")

    def __init__(self, flow: Outflow) -> None:
        """Empty."""
        self._flow = flow
        self.streams: list[Http2Stream] = []
        self._id: bytes | None = None  # of its only stream, as it stands in frames
        self._ids: list[bytes] = _NONE  # of its streams, when there are more
        self.total = 0
        self.floor = _NO_LIMIT

    def add(self, stream: Sink) -> None:
        """Its subscriber has what all here have, and all of that has been sent."""
        assert isinstance(stream, Http2Stream), "a bundle is of one connection"
        assert not stream.rest, "a stream with a rest is not where the others are"
        streams = self.streams
        stream.bundle = self
        stream.slot = len(streams)
        stream.h2.join(self)
        streams.append(stream)
        if len(streams) == 1:
            self._id = stream.id_bytes
        elif self._id is not None:
            self._ids = [self._id, stream.id_bytes]
            self._id = None
        else:
            self._ids.append(stream.id_bytes)
        self._flow.stands(stream)

    def remove(self, stream: Sink) -> None:
        """It goes on by itself, or is gone."""
        assert isinstance(stream, Http2Stream), "a bundle is of one connection"
        streams, ids = self.streams, self._ids
        last = streams.pop()
        if last is not stream:
            last.slot = stream.slot
            streams[stream.slot] = last
            ids[stream.slot] = last.id_bytes
        if len(streams) > 1:
            ids.pop()
        else:
            self._ids = _NONE
            self._id = streams[0].id_bytes if streams else None
        stream.bundle = None
        stream.h2.join(None)

    def write(self, data: bytes) -> None:
        """Send the same on every stream."""
        flow = self._flow
        direct = flow.direct
        size = len(data)
        if self._id is not None and direct is not None and size <= MAX_FRAME_BYTES:
            # One stream, and nobody waits: as little as can be, half of it would be seen (a write
            # of HTTP/1.1 is 8 µs, and what is looked at here is in no cache).
            h2 = flow.h2
            total = self.total + size
            window = h2.outbound_flow_control_window - size
            if total <= self.floor and window >= 0:
                self.total = total
                h2.outbound_flow_control_window = window
                flow.data_frames += 1
                direct(lone_data_frame(self._id, data))
                return
        self._write_to_all(data)

    def _write_to_all(self, data: bytes) -> None:
        flow, streams = self._flow, self.streams
        h2 = flow.h2
        size = len(data)
        total = self.total + size
        window = h2.outbound_flow_control_window
        all_bytes = size * len(streams)
        # Attributes and not properties: this is most of what we add to a write.
        waits = flow.line or flow.asked or flow.paused or all_bytes > window
        if not waits and all_bytes <= _MAX_WRITE_BYTES:
            if total > self.floor:
                self.floor = min([stream.h2.limit for stream in streams])
            if total <= self.floor:
                self.total = total
                h2.outbound_flow_control_window = window - all_bytes
                flow.data_frames += len(streams) * (1 + size // MAX_FRAME_BYTES)
                if self._id is None:
                    flow.send(shared_data_frames(self._ids, data))
                else:
                    flow.send(data_frames(self._id, data))
                    flow.goes_direct()
                return
        flow.hold(streams.copy(), data)
