"""The scanner: looks at the 9 bytes that each HTTP/2 frame begins with, before h2 sees any.

h2 holds a frame that is not whole, however long it says it is: here it is refused by its header.
Frames that h2 need not see (PING, PRIORITY, unknown ones, GOAWAY, after which h2's machine would
take nothing more) are answered or dropped here, where each costs a microsecond and not 20.

Inside an open header block every frame is h2's: nothing may come between (RFC 9113 section 4.3).
"""

import struct

from h2.errors import ErrorCodes

from sse_server.http.h2_budgets import Budgets, Http2Error, too_much
from sse_server.http.h2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER_BYTES,
    GOAWAY,
    HEADERS,
    MAX_FRAME_BYTES,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    UNKNOWN,
    WINDOW_UPDATE,
    ping,
)

MAX_CONTINUATIONS = 8
"""Of one block: 144 KiB, four times what a head may have."""
MAX_SETTINGS = 32
"""Of one frame. There are 8 that anybody has defined; h2 remembers each one it is told."""

_FRAMES_PER_TURN = 512  # about 10 ms of h2's time, when there is a body in small pieces
_HEAD_BYTES_PER_TURN = 2_048  # of header blocks, beside the last: 1,600 fields in 1.6 KB take 3 ms
_BUDGETED = frozenset((SETTINGS, PING, PRIORITY, GOAWAY, UNKNOWN))
_HEADER = struct.Struct(">HBBBL")
_STREAM_BITS = 0x7FFF_FFFF
_PING_BYTES = 8
_PRIORITY_BYTES = 5
_GOAWAY_BYTES = 8
_SETTING_BYTES = 6


class FrameScanner:
    """Cuts what a client sends into whole frames, counts them, and keeps some from h2."""

    __slots__ = ("_block", "_budgets", "_buffer", "_continuations", "_has_settings", "_preface",
                 "block_bytes", "has_more", "is_leaving", "output", "pongs", "progress", "resets",
                 "window_updates")  # fmt: skip

    def __init__(self, budgets: Budgets) -> None:
        """The preface is still to come."""
        self._budgets = budgets
        self._buffer = bytearray()
        self._preface = PREFACE  # what of it has not been seen
        self._block = False  # a header block is open
        self.block_bytes = 0  # of that, what h2 holds
        self._continuations = 0
        self.progress = 0  # frames and header blocks that came to their end
        self.has_more = False  # the last call of `take` left something that is whole
        self._has_settings = False
        self.resets = 0  # RST_STREAM and WINDOW_UPDATE in the last call of `take`
        self.window_updates = 0
        self.output: list[bytes] = []  # answers to PINGs
        self.pongs: list[bytes] = []  # answers to PINGs of ours
        self.is_leaving = False  # the client has sent GOAWAY

    @property
    def is_waiting(self) -> bool:
        """Whether something has begun and is not whole: the preface, a frame, a header block.

        The preface is whole with its SETTINGS (RFC 9113 section 3.4).
        """
        return bool(self._buffer or self._block or not self._has_settings)

    @property
    def held_bytes(self) -> int:
        """What has come and is not whole."""
        return len(self._buffer) + self.block_bytes

    def receive(self, data: bytes) -> None:
        """Take what the client sent.

        Raises:
            Http2Error: it does not begin as HTTP/2 does.
        """
        self._buffer += data
        if self._preface:
            size = min(len(self._preface), len(self._buffer))
            if self._buffer[:size] != self._preface[:size]:
                raise Http2Error(ErrorCodes.PROTOCOL_ERROR, "this is not the preface of HTTP/2")
            self._preface = self._preface[size:]
            del self._buffer[:size]

    def take(self, most_heads: int, now: float) -> bytes:
        """Frames for h2, all whole, with at most so many heads of requests among them.

        Raises:
            Http2Error: a frame that ends the connection.
        """
        buffer = self._buffer
        at = kept = 0
        self.resets = self.window_updates = 0
        left, room = _FRAMES_PER_TURN, _HEAD_BYTES_PER_TURN
        parts: list[bytes] = []
        end = len(buffer)
        while end - at >= FRAME_HEADER_BYTES and most_heads > 0 and left > 0 and room > 0:
            left -= 1
            high, low, kind, flags, stream_id = _HEADER.unpack_from(buffer, at)
            size = (high << 8) | low
            if size > MAX_FRAME_BYTES:
                raise Http2Error(ErrorCodes.FRAME_SIZE_ERROR, f"a frame of {size} bytes")
            behind = at + FRAME_HEADER_BYTES + size
            if behind > end:
                break
            self._count(kind, flags, at, size, now)
            if not self._block and self._deals_with(
                kind, flags, stream_id & _STREAM_BITS, at, size
            ):
                parts.append(bytes(buffer[kept:at]))
                kept = behind
            elif kind in (HEADERS, CONTINUATION):
                self._block = not flags & END_HEADERS
                self.block_bytes = self.block_bytes + size if self._block else 0
                most_heads -= kind == HEADERS
                room -= size
            self.progress += not self._block
            at = behind
        parts.append(bytes(buffer[kept:at]))
        del buffer[:at]
        self.has_more = min(most_heads, left, room) <= 0
        return b"".join(parts)

    def _count(self, kind: int, flags: int, at: int, size: int, now: float) -> None:
        """Count a frame, and refuse what is too much."""
        if not self._has_settings:
            if kind != SETTINGS:  # RFC 9113 section 3.4: the preface goes on with it
                raise Http2Error(ErrorCodes.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self._has_settings = True
        kind = min(kind, UNKNOWN)
        if kind in _BUDGETED or (kind == DATA and self._is_empty(flags, at, size)):
            self._budgets.count(kind, now)
        if kind == WINDOW_UPDATE:
            self.window_updates += 1
        elif kind == RST_STREAM:
            self.resets += 1
        elif kind == SETTINGS:
            _check_settings(flags, size)
        elif kind == HEADERS:
            self._continuations = 0
        elif kind == CONTINUATION:
            self._continuations += 1
            if self._continuations > MAX_CONTINUATIONS:
                raise too_much("continuations")

    def _is_empty(self, flags: int, at: int, size: int) -> bool:
        """Whether a frame of DATA has none, padding apart, and does not end its stream."""
        if flags & END_STREAM:
            return False
        padding = 1 + self._buffer[at + FRAME_HEADER_BYTES] if size and flags & PADDED else 0
        return padding >= size

    def _deals_with(self, kind: int, flags: int, stream_id: int, at: int, size: int) -> bool:
        """Whether a frame is sound and h2 need not see it: then it is dealt with."""
        body = at + FRAME_HEADER_BYTES
        if kind == PING and size == _PING_BYTES and not stream_id:
            opaque = bytes(self._buffer[body : body + size])
            if flags & ACK:
                self.pongs.append(opaque)
            else:
                self.output.append(ping(opaque, ack=True))
            return True
        if kind == PRIORITY and size == _PRIORITY_BYTES and stream_id:
            depends_on = int.from_bytes(self._buffer[body : body + 4], "big") & _STREAM_BITS
            return depends_on != stream_id
        if kind == GOAWAY and size >= _GOAWAY_BYTES and not stream_id:
            self.is_leaving = True
            return True
        return kind > CONTINUATION


def _check_settings(flags: int, size: int) -> None:
    if size and flags & ACK:
        raise Http2Error(ErrorCodes.FRAME_SIZE_ERROR, "SETTINGS that acknowledge and set")
    if size > MAX_SETTINGS * _SETTING_BYTES:
        raise too_much("settings")
