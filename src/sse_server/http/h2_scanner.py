"""The scanner: looks at the 9 bytes that each HTTP/2 frame begins with, before h2 sees any.

h2 holds a frame that is not whole, however long it says it is: here it is refused by its header.
Frames that h2 need not see (PING, PRIORITY, unknown ones, GOAWAY, after which h2's machine would
take nothing more) are answered or dropped here, where each costs a microsecond and not 20. Those of
which hundreds may come in one read, WINDOW_UPDATE and DATA, are found in runs, for `h2_inflow`.

Inside an open header block every frame is h2's: nothing may come between (RFC 9113 section 4.3).
"""

import re
import struct

from h2.errors import ErrorCodes

from sse_server.http.h2_budgets import SMALL_BYTES, Budgets, Http2Error, too_much
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
    STREAM_BITS,
    UNKNOWN,
    WINDOW_UPDATE,
    ping,
)
from sse_server.http.h2_inflow import UPDATE_BYTES, Run

MAX_CONTINUATIONS = 8
"""Of one block: 144 KiB, four times what a head may have."""
MAX_SETTINGS = 32
"""Of one frame. There are 8 that anybody has defined; h2 remembers each one it is told."""

_FRAMES_PER_TURN = 512  # about 10 ms of h2's time, when they are for streams that were reset
_UPDATE_BYTES_PER_FRAME = 32 * UPDATE_BYTES  # of WINDOW_UPDATE, cost as much as another frame
_UPDATES = re.compile(rb"(?:\0\0\x04\x08.{9}){1,2048}+", re.DOTALL)
_HEAD_BYTES_PER_TURN = 2_048  # of header blocks, beside the last: 1,600 fields in 1.6 KB take 3 ms
_OF_H2 = frozenset((RST_STREAM, SETTINGS))
_IN_RUNS = frozenset((DATA, WINDOW_UPDATE))
_BUDGETED = frozenset((SETTINGS, PING, PRIORITY, GOAWAY, UNKNOWN))
_HEADER = struct.Struct(">HBBBL")
_PING_BYTES = 8
_PRIORITY_BYTES = 5
_GOAWAY_BYTES = 8
_SETTING_BYTES = 6


Found = bytes | Run
"""Whole frames for h2, or what it need not see."""


class FrameScanner:
    """Cuts what a client sends into whole frames, counts them, and keeps some from h2."""

    __slots__ = ("_block", "_budgets", "_buffer", "_continuations", "_has_settings",
                 "_max_block_bytes", "_preface", "block_bytes", "has_more", "is_leaving", "output",
                 "pongs", "progress", "resets")  # fmt: skip

    def __init__(self, budgets: Budgets, max_block_bytes: int) -> None:
        """The preface is still to come. `max_block_bytes`: of a header block, as it comes."""
        self._budgets = budgets
        self._max_block_bytes = max_block_bytes
        self._buffer = bytearray()
        self._preface = PREFACE  # what of it has not been seen
        self._block = False  # a header block is open
        self.block_bytes = 0  # of that, what h2 holds
        self._continuations = 0
        self.progress = 0  # frames, runs of them, and header blocks that came to their end
        self.has_more = False  # the last call of `take` left something that is whole
        self._has_settings = False
        self.resets = 0  # RST_STREAM in the last call of `take`
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

    def take(self, most_heads: int, now: float) -> list[Found]:
        """What has come whole, in its order, with at most so many heads of requests among it.

        Raises:
            Http2Error: a frame that ends the connection.
        """
        buffer = self._buffer
        at = kept = 0
        self.resets = 0
        left, room = _FRAMES_PER_TURN, _HEAD_BYTES_PER_TURN
        found: list[Found] = []
        run: Run | None = None
        while most_heads > 0 and left > 0 and room > 0:
            header = self._whole(at)
            if header is None:
                break
            kind, flags, size = header
            behind = at + FRAME_HEADER_BYTES + size
            self._count(kind, flags, size, now)
            dealt, cost = at, 1
            if kind in (HEADERS, CONTINUATION):
                self._grow_block(flags, size)
                most_heads -= kind == HEADERS
                room -= size
            elif not (self._block or kind in _OF_H2 or (kind == DATA and flags & END_STREAM)):
                run = run or Run()
                read = self._read_run if kind in _IN_RUNS else self._read_one
                dealt, cost = read(run, at, left, now)
            left -= cost
            self.progress += not self._block
            if dealt > at:
                _pass_on(found, buffer[kept:at])
                kept = at = dealt
            else:
                if run is not None and run.is_ordered:
                    found.append(run)
                    run = None
                at = behind
        _pass_on(found, buffer[kept:at])
        if run:
            found.append(run)
        del buffer[:at]
        self.has_more = min(most_heads, left, room) <= 0
        return found

    def _whole(self, at: int) -> tuple[int, int, int] | None:
        """Type, flags and size of the next frame; None: it is not whole."""
        buffer = self._buffer
        if len(buffer) - at < FRAME_HEADER_BYTES:
            return None
        high, low, kind, flags, _ = _HEADER.unpack_from(buffer, at)
        size = (high << 8) | low
        if size > MAX_FRAME_BYTES:
            raise Http2Error(ErrorCodes.FRAME_SIZE_ERROR, f"a frame of {size} bytes")
        return (kind, flags, size) if at + FRAME_HEADER_BYTES + size <= len(buffer) else None

    def _count(self, kind: int, flags: int, size: int, now: float) -> None:
        """Count a frame, and refuse what is too much."""
        if not self._has_settings:
            if kind != SETTINGS:  # RFC 9113 section 3.4: the preface goes on with it
                raise Http2Error(ErrorCodes.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self._has_settings = True
        kind = min(kind, UNKNOWN)
        if kind in _BUDGETED:
            self._budgets.count(kind, now)
        if kind == RST_STREAM:
            self.resets += 1
        elif kind == SETTINGS:
            _check_settings(flags, size)
        elif kind == HEADERS:
            self._continuations = 0
        elif kind == CONTINUATION:
            self._continuations += 1
            if self._continuations > MAX_CONTINUATIONS:
                raise too_much("continuations")

    def _grow_block(self, flags: int, size: int) -> None:
        """More of a header block has come; it is refused before anybody decodes too much."""
        self.block_bytes += size
        if self.block_bytes > self._max_block_bytes:
            message = f"a header block of {self.block_bytes} bytes"
            raise Http2Error(ErrorCodes.ENHANCE_YOUR_CALM, message)
        self._block = not flags & END_HEADERS
        if not self._block:
            self.block_bytes = 0

    def _read_run(self, run: Run, at: int, left: int, now: float) -> tuple[int, int]:
        """Read DATA and WINDOW_UPDATE as far as they go; their end, and what they cost in frames.

        Those that are wrong, or that end a stream, are h2's.
        """
        buffer = self._buffer
        end = len(buffer)
        cost = small = empty = updates = 0
        while cost < left and end - at >= FRAME_HEADER_BYTES:
            high, low, kind, flags, stream_id = _HEADER.unpack_from(buffer, at)
            if kind == WINDOW_UPDATE:
                found = _UPDATES.match(buffer, at)
                if found is None:
                    break
                run.updates.append(found[0])
                run.is_of_streams |= bool(stream_id) or len(found[0]) > UPDATE_BYTES
                updates += found.end() - at
                at = found.end()
                continue
            size = (high << 8) | low
            behind = at + FRAME_HEADER_BYTES + size
            if kind != DATA or flags & END_STREAM or size > MAX_FRAME_BYTES or behind > end:
                break
            whole = bytes(buffer[at:behind])
            if flags & PADDED and (not size or whole[FRAME_HEADER_BYTES] >= size):
                break
            data_size = run.add(stream_id & STREAM_BITS, whole, is_padded=bool(flags & PADDED))
            small += data_size < SMALL_BYTES
            empty += not data_size
            cost += 1
            at = behind
        if cost:
            self._budgets.count_data(cost, small, now)
        if empty:
            self._budgets.count(DATA, now, empty)
        return at, cost + updates // _UPDATE_BYTES_PER_FRAME + 1

    def _read_one(self, run: Run, at: int, left: int, now: float) -> tuple[int, int]:  # noqa: ARG002
        """Deal with a frame that is no part of a run, if h2 need not see it."""
        high, low, kind, flags, stream_id = _HEADER.unpack_from(self._buffer, at)
        stream_id &= STREAM_BITS
        body = at + FRAME_HEADER_BYTES
        behind = body + (high << 8 | low)
        payload = bytes(self._buffer[body:behind])
        if kind == PING and len(payload) == _PING_BYTES and not stream_id:
            if flags & ACK:
                self.pongs.append(payload)
            else:
                self.output.append(ping(payload, ack=True))
        elif kind == PRIORITY and stream_id:
            if len(payload) != _PRIORITY_BYTES:
                run.faults[stream_id] = ErrorCodes.FRAME_SIZE_ERROR
            elif int.from_bytes(payload[:4], "big") & STREAM_BITS == stream_id:
                run.faults[stream_id] = ErrorCodes.PROTOCOL_ERROR
        elif kind == GOAWAY and len(payload) >= _GOAWAY_BYTES and not stream_id:
            self.is_leaving = True
        elif kind <= CONTINUATION:
            return at, 1
        return behind, 1


def _pass_on(found: list[Found], frames: bytearray) -> None:
    """More for h2: in one piece with what stands before it, if that is h2's."""
    if frames:
        last = found[-1] if found else None
        if isinstance(last, bytes):
            found[-1] = last + frames
        else:
            found.append(bytes(frames))


def _check_settings(flags: int, size: int) -> None:
    if size and flags & ACK:
        raise Http2Error(ErrorCodes.FRAME_SIZE_ERROR, "SETTINGS that acknowledge and set")
    if size > MAX_SETTINGS * _SETTING_BYTES:
        raise too_much("settings")
