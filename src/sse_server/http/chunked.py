"""The chunked transfer coding (RFC 9112 section 7.1): framing for what we send, a reader of bodies.

The reader is stricter than h11, which takes sizes of 20 digits, extensions of any length and folded
trailers; what both take they read the same (`tests/http/test_chunked.py`).
"""

import re
from typing import NoReturn

from sse_server.errors import LimitExceeded, RemoteProtocolError

LAST_CHUNK = b"0\r\n\r\n"

_MAX_SIZE_LINE_BYTES = 256  # 16 digits and an extension that nobody sends
_MAX_TRAILER_BYTES = 4_096  # checksums and signatures; they are dropped
# One byte per chunk is 6 bytes on the wire and a microsecond: about as much framing as data is
# allowed, after an allowance for bodies that are small.
_FREE_FRAMING_BYTES = 16_384

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t -~\x80-\xff]*)?")
_SIZE_LINE_SO_FAR = re.compile(rb"[0-9A-Fa-f]{0,16}(?:(?<=[0-9A-Fa-f]);[\t -~\x80-\xff]*)?\r?")
_TRAILER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")

# What the reader stands before; a positive number is what is left of a chunk.
_SIZE = 0
_CHUNK_END = -1
_TRAILER = -2


def chunked(parts: list[bytes]) -> bytes:
    """All parts as one chunk. Nothing for nothing: an empty chunk would end the body."""
    size = sum(map(len, parts))
    return b"".join((b"%x\r\n" % size, *parts, b"\r\n")) if size else b""


def plain(parts: list[bytes]) -> bytes:
    """All parts, for a body that ends with its connection."""
    return b"".join(parts)


class ChunkedBody:
    """Collects one chunked body. Extensions and trailers are dropped."""

    __slots__ = ("_body", "_framing_bytes", "_max_bytes", "_next", "_trailer_bytes")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._body = bytearray()
        self._framing_bytes = 0
        self._trailer_bytes = 0
        self._next = _SIZE

    @property
    def held_bytes(self) -> int:
        """What has been collected."""
        return len(self._body)

    def read(self, buffer: bytearray) -> bytes | None:
        """Take what can be taken from the front of `buffer`: the whole body, or None so far.

        Raises:
            RemoteProtocolError: it is malformed, or hardly anything but framing.
            LimitExceeded: a chunk would pass the limit of the body; it has not been waited for.
        """
        at = 0
        while True:
            if self._next > 0:
                taken = self._read_data(buffer, at)
            elif self._next == _SIZE:
                taken = self._read_size(buffer, at)
            elif self._next == _CHUNK_END:
                taken = self._read_chunk_end(buffer, at)
            else:
                taken = self._read_trailer(buffer, at)
                if taken == len(b"\r\n"):
                    del buffer[: at + taken]
                    return bytes(self._body)
            if not taken:
                del buffer[:at]
                return None
            at += taken

    def _read_data(self, buffer: bytearray, at: int) -> int:
        data = buffer[at : at + self._next]
        self._body += data
        self._next = self._next - len(data) or _CHUNK_END
        return len(data)

    def _read_chunk_end(self, buffer: bytearray, at: int) -> int:
        end = buffer[at : at + 2]
        if not b"\r\n".startswith(end):
            _refuse("a chunk of the body is longer than it says")
        if len(end) < len(b"\r\n"):
            return 0
        self._next = _SIZE
        return len(end)

    def _read_size(self, buffer: bytearray, at: int) -> int:
        end = buffer.find(b"\r\n", at, at + _MAX_SIZE_LINE_BYTES)
        if end < 0:
            if len(buffer) - at >= _MAX_SIZE_LINE_BYTES:
                _refuse("the line before a chunk of the body is too long")
            if not _SIZE_LINE_SO_FAR.fullmatch(buffer, at):
                _refuse("the size of a chunk of the body is malformed")
            return 0
        line = _SIZE_LINE.fullmatch(buffer, at, end)
        if line is None:
            _refuse("the size of a chunk of the body is malformed")
        size = int(line[1], 16)
        if len(self._body) + size > self._max_bytes:
            raise LimitExceeded(limit="body", allowed=self._max_bytes)
        taken = end + 2 - at
        self._framing_bytes += taken + 2
        if self._framing_bytes > _FREE_FRAMING_BYTES + len(self._body) + size:
            _refuse("the chunks of the body are too small")
        self._next = size or _TRAILER
        return taken

    def _read_trailer(self, buffer: bytearray, at: int) -> int:
        room = _MAX_TRAILER_BYTES - self._trailer_bytes
        end = buffer.find(b"\r\n", at, at + room)
        if end < 0:
            if len(buffer) - at >= room:
                _refuse("the trailers of the body are too long", 431, "head-too-large")
            return 0
        if end > at and not _TRAILER_LINE.fullmatch(buffer, at, end):
            _refuse("a trailer of the body is malformed")
        taken = end + 2 - at
        self._trailer_bytes += taken
        return taken


def _refuse(message: str, status: int = 400, code: str = "bad-request") -> NoReturn:
    raise RemoteProtocolError(message, status, code)
