"""WINDOW_UPDATE and DATA that come in, in runs and past h2, which takes 10 µs for each frame.

Windows and the states of streams stay in h2: what is done to them here is what h2 would have done
(`tests/http/test_h2_inflow.py`). DATA for a stream that takes none is left to it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes
from h2.exceptions import FlowControlError
from h2.stream import StreamState

from sse_server.http.h2_budgets import Http2Error
from sse_server.http.h2_frames import FRAME_HEADER_BYTES, STREAM_BITS

if TYPE_CHECKING:
    from sse_server.http.h2_mended import MendedConnection

UPDATE_BYTES = 13
"""A frame of WINDOW_UPDATE."""

_MAX_WINDOW_BYTES = 2**31 - 1  # RFC 9113 section 6.9.1
_UPDATE = struct.Struct(">5xLL")


class Run:
    """Frames of WINDOW_UPDATE and DATA that came together. What order they had says nothing."""

    __slots__ = ("bodies", "faults", "is_of_streams", "updates")

    def __init__(self) -> None:
        """Empty."""
        self.updates: list[bytes] = []  # frames
        self.is_of_streams = False  # some of these
        self.bodies: dict[int, Pieces] = {}  # by stream
        self.faults: dict[int, ErrorCodes] = {}  # streams that end by some other frame

    @property
    def is_ordered(self) -> bool:
        """Whether it has to stand where it came: what opens the connection need not."""
        return bool(self.is_of_streams or self.bodies or self.faults)

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.updates or self.bodies or self.faults)

    def add(self, stream_id: int, frame: bytes, *, is_padded: bool) -> int:
        """Take a frame of DATA; how much there is in it."""
        pieces = self.bodies.get(stream_id)
        if pieces is None:
            pieces = self.bodies[stream_id] = Pieces()
        data = frame[FRAME_HEADER_BYTES:]
        pieces.size += len(data)
        if is_padded:
            data = data[1 : len(data) - data[0]]
        pieces.frames.append(frame)
        pieces.data.append(data)
        return len(data)


class Pieces:
    """DATA for one stream, which it does not end."""

    __slots__ = ("data", "frames", "size")

    def __init__(self) -> None:
        """None."""
        self.data: list[bytes] = []
        self.frames: list[bytes] = []  # the same
        self.size = 0  # as flow control counts: with padding


def is_idle(h2: MendedConnection, stream_id: int) -> bool:
    """Whether a stream has never been open."""
    return stream_id % 2 == 0 or stream_id > h2.highest_inbound_stream_id


def open_windows(h2: MendedConnection, frames: bytes) -> dict[int, ErrorCodes]:
    """Open windows as a run of WINDOW_UPDATE says.

    Returns NO_ERROR for each stream whose window was opened, 0 being the connection; another code
    for those that end by it (RFC 9113 section 6.9). For h2 an increment of 0 ends the connection.

    Raises:
        Http2Error: it does.
    """
    increments: dict[int, int] = {}
    wrong: set[int] = set()
    for named, told in _UPDATE.iter_unpack(frames):
        stream_id, increment = named & STREAM_BITS, told & STREAM_BITS
        increments[stream_id] = increments.get(stream_id, 0) + increment
        if not increment:
            wrong.add(stream_id)
    return {
        stream_id: _open(h2, stream_id, 0 if stream_id in wrong else increment)
        for stream_id, increment in increments.items()
        if stream_id in h2.streams or not stream_id or is_idle(h2, stream_id)  # else it is closed
    }


def _open(h2: MendedConnection, stream_id: int, increment: int) -> ErrorCodes:
    """Open the window of one, or of the connection."""
    window_of = h2.streams.get(stream_id) if stream_id else h2
    if window_of is None:
        raise Http2Error(ErrorCodes.PROTOCOL_ERROR, "WINDOW_UPDATE for an idle stream")
    window = window_of.outbound_flow_control_window + increment
    if increment and window <= _MAX_WINDOW_BYTES:
        window_of.outbound_flow_control_window = window
        return ErrorCodes.NO_ERROR
    code = ErrorCodes.FLOW_CONTROL_ERROR if increment else ErrorCodes.PROTOCOL_ERROR
    if not stream_id:
        raise Http2Error(code, f"WINDOW_UPDATE by {increment}")
    return code


def takes_data(h2: MendedConnection, stream_id: int, size: int) -> bool:
    """Whether a stream takes DATA of that size, padding and all; it comes out of both windows.

    Raises:
        Http2Error: it is more than they had.
    """
    stream = h2.streams.get(stream_id)
    if stream is None or stream.state_machine.state is not StreamState.OPEN:
        return False
    try:
        h2._inbound_flow_control_window_manager.window_consumed(size)  # noqa: SLF001
        stream._inbound_window_manager.window_consumed(size)  # noqa: SLF001
    except FlowControlError as error:
        raise Http2Error(error.error_code, str(error)) from error
    return True
