"""An incremental parser of `text/event-stream` (WHATWG HTML section 9.2.6).

Bytes go in, events come out; the end of the stream needs no call, as a block without its blank line
is dropped. Lines are split before they are decoded: no line end is part of a longer UTF-8 sequence,
and a sequence cut by one is replaced the same way in both orders.

The data of the block being read is in `_data`, the line being read in `_line`. After a CR the line
is complete, and an LF that comes next belongs to it, in whichever chunk it comes.
"""

import codecs
from typing import NamedTuple

from sse_server.errors import RemoteProtocolError

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Beyond any event of a server with default limits. A peer that never ends a line costs this."""

# Longer than anybody waits. The standard has no bound, but int() refuses thousands of digits.
_MAX_RETRY_DIGITS = 18
_MAX_RETRY_MS = 10**_MAX_RETRY_DIGITS - 1


class StreamEvent(NamedTuple):
    """What EventSource would fire."""

    type: str
    data: str
    last_event_id: str


class EventStreamParser:
    """Reads one stream.

    After `RemoteProtocolError` it is of no more use: resume elsewhere from the last event handled.
    """

    __slots__ = (
        "_after_cr",
        "_data",
        "_data_bytes",
        "_id",
        "_line",
        "_max_event_bytes",
        "_start",
        "_type",
        "last_event_id",
        "retry_ms",
    )

    def __init__(self, last_event_id: str = "", *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        """`last_event_id`: what the stream was opened with.

        `max_event_bytes` bounds one block's data lines, and any other line, as they are sent.
        """
        self.last_event_id = last_event_id
        """Of the last complete block: what to reconnect with."""
        self.retry_ms: int | None = None
        """The reconnection time that the stream asked for last."""
        self._max_event_bytes = max_event_bytes
        self._start: bytes | None = b""  # what may yet become a byte order mark; None: decided
        self._after_cr = False
        self._line = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._type = ""
        self._id = last_event_id

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """The events that `chunk` completes.

        Raises:
            RemoteProtocolError: an event or a line is larger than `max_event_bytes`.
        """
        if self._start is not None:
            chunk = self._without_mark(self._start + chunk)
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines and self._line:
            self._line += lines[0]
            lines[0] = bytes(self._line)
            self._line.clear()
        events: list[StreamEvent] = []
        for line in lines:
            if line:
                self._read_field(line)
            else:
                self._end_block(events)
        # Grown in place: a long line that comes in small chunks costs each of its bytes once.
        self._line += rest
        if self._line:  # with a blank line next, what is held already is all there will be
            self._check_size(len(self._line))
        return events

    def _without_mark(self, start: bytes) -> bytes:
        """`start` without one byte order mark, or nothing while it may still become one."""
        if len(start) < len(codecs.BOM_UTF8) and codecs.BOM_UTF8.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(codecs.BOM_UTF8)

    def _check_size(self, line_bytes: int) -> None:
        """Refuse a line, whole or not yet, that is too much beside the data already held."""
        if self._data_bytes + line_bytes > self._max_event_bytes:
            problem = f"the stream has an event or a line of over {self._max_event_bytes} bytes"
            raise RemoteProtocolError(problem, status=413, code="event-too-large")

    def _read_field(self, line: bytes) -> None:
        """Take one line that is not blank. A comment is a field with an empty name: unknown."""
        self._check_size(len(line))
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._data_bytes += len(line) + 1
        elif name == b"event":
            self._type = value.decode(errors="replace")
        elif name == b"id":
            if 0 not in value:
                self._id = value.decode(errors="replace")
        elif name == b"retry" and value.isdigit():
            digits = value.lstrip(b"0")
            self.retry_ms = (
                int(digits or b"0") if len(digits) <= _MAX_RETRY_DIGITS else _MAX_RETRY_MS
            )

    def _end_block(self, events: list[StreamEvent]) -> None:
        """Take a blank line. The id counts even if there is no data to fire an event with."""
        self.last_event_id = self._id
        if self._data:
            data = b"\n".join(self._data).decode(errors="replace")
            events.append(StreamEvent(self._type or "message", data, self._id))
            self._data = []
            self._data_bytes = 0
        self._type = ""
