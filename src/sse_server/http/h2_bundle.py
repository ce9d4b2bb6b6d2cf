"""Streams of one HTTP/2 connection that are sent the same bytes, in one write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.http.h2_frames import MAX_FRAME_BYTES, lone_data_frames, shared_data_frames
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
        h2 = flow.h2
        stream_id = self._id
        size = len(data)
        count = len(self.streams) if stream_id is None else 1
        total = self.total + size
        window = h2.outbound_flow_control_window
        all_bytes = size * count
        # Attributes and not properties: for a stream alone this is half of what we add to a write.
        waits = flow.line or flow.asked or flow.paused or all_bytes > window
        if not waits and all_bytes <= _MAX_WRITE_BYTES:
            if total > self.floor:
                self.floor = min([stream.h2.limit for stream in self.streams])
            if total <= self.floor:
                self.total = total
                h2.outbound_flow_control_window = window - all_bytes
                flow.data_frames += count * (1 + size // MAX_FRAME_BYTES)
                flow.send(
                    shared_data_frames(self._ids, data)
                    if stream_id is None
                    else lone_data_frames(stream_id, data)
                )
                return
        flow.hold(self.streams.copy(), data)
