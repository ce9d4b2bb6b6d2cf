"""HTTP/2 as the driver writes it: the start of a connection, requests, answers to control frames.

Written here and not taken from the server that is measured, so that both cannot be wrong together.
"""

import struct

import hpack

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
_WINDOW_UPDATE = 8
ACK = END_STREAM = 0x1
END_HEADERS = 0x4

HEADER = struct.Struct(">HBBBL")
"""Of a frame (RFC 9113 section 4.1): its length in 16 and 8 bits, kind, flags, stream."""

CONNECTION_WINDOW_BYTES = 15 * 1024 * 1024
"""Chromium's. Opened again when half of it was read."""
_INITIAL_WINDOW_SIZE = 0x4
_MAX_WINDOW_BYTES = 0x7FFF_FFFF
"""Of a stream: more than any receives here, so that only the connection's window is answered."""
_DEFAULT_WINDOW_BYTES = 65_535
_ENABLE_PUSH = 0x2

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_CONNECTION_FIELDS = {b"host", b"connection"}
"""Of HTTP/1.1; HTTP/2 has neither (RFC 9113 section 8.2.2)."""


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Any frame."""
    size = len(payload)
    return HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream_id) + payload


def window_update(increment: int) -> bytes:
    """The server may send so many bytes more on the connection."""
    return frame(_WINDOW_UPDATE, 0, 0, struct.pack(">L", increment))


def connection_start(
    request: bytes, streams: int, *, short_head: bool = False, scheme: bytes = b"http"
) -> bytes:
    """A connection's first bytes: preface, settings, and a GET of HTTP/1.1 on each of its streams.

    Fields are written as browsers do: Huffman-coded, and by their number in the table from the
    second request on. A short head has what each request needs, and `accept`.
    """
    settings = {_ENABLE_PUSH: 0, _INITIAL_WINDOW_SIZE: _MAX_WINDOW_BYTES}
    payload = b"".join(struct.pack(">HL", *pair) for pair in settings.items())
    parts = [
        _PREFACE,
        frame(SETTINGS, 0, 0, payload),
        window_update(CONNECTION_WINDOW_BYTES - _DEFAULT_WINDOW_BYTES),
    ]
    fields = _fields(request, scheme, short_head=short_head)
    encoder = hpack.Encoder()
    for number in range(streams):
        block = encoder.encode(fields)
        parts.append(frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, block))
    return b"".join(parts)


def _fields(request: bytes, scheme: bytes, *, short_head: bool) -> list[tuple[bytes, bytes]]:
    """The head of a GET of HTTP/1.1, as HTTP/2 has it."""
    first, *lines = request.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, path, _ = first.split(b" ")
    fields = [
        (b":method", method),
        (b":scheme", scheme),
        (b":authority", b"127.0.0.1"),
        (b":path", path),
    ]
    for line in lines:
        name, value = line.split(b": ", 1)
        name = name.lower()
        if name == b"accept" or (not short_head and name not in _CONNECTION_FIELDS):
            fields.append((name, value))
    return fields
