"""Floods over HTTP/2, as the bytes that follow the preface; their names begin with their kinds."""

from sse_server.http.h2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    frame,
    goaway,
    headers_frames,
    ping,
    window_update,
)

GET = b"\x82\x86\x84\x01\x09localhost"  # of "/"
STREAM = b"\x82\x86\x04\x0c/events/news\x01\x09localhost"
POST = b"\x83\x86\x04\x0c/events/news\x01\x09localhost"
CANCEL = b"\0\0\0\x08"


def head(number: int, block: bytes = STREAM, flags: int = END_STREAM) -> bytes:
    return frame(HEADERS, END_HEADERS | flags, 2 * number + 1, block)


def rapid_resets(count: int) -> bytes:
    """CVE-2023-44487."""
    return b"".join(head(n) + frame(RST_STREAM, 0, 2 * n + 1, CANCEL) for n in range(count))


def made_resets(count: int) -> bytes:
    """Resets that the server makes: each request is malformed (MadeYouReset, CVE-2025-8671)."""
    return b"".join(head(n, b"\x82\x86\x84\x00\x05Upper\x01x") for n in range(count))


def head_of_many_fields(number: int) -> bytes:
    """One byte for each of 1,600 empty cookies."""
    return head(number, GET + b"\xa0" * 1_600)


EIGHT = b"\x18\xc6\x31\x8c\x63"  # eight times "a", in Huffman's code


def coded(count: int) -> bytes:
    """A field of so many characters, of which five bits each are sent."""
    string = EIGHT * (count // 8)
    size = len(string) - 127
    return (
        b"\x00\x01a\xff" + bytes((0x80 | size & 0x7F, 0x80 | size >> 7 & 0x7F, size >> 14)) + string
    )


def blocks(number: int, block: bytes, flags: int = END_STREAM) -> bytes:
    """A head, however long."""
    return headers_frames(2 * number + 1, block, end_stream=bool(flags & END_STREAM))


FLOODS = {
    "resets": rapid_resets(10_000),
    "resets made": made_resets(2_000),
    "resets of nothing": head(0, GET) + frame(RST_STREAM, 0, 1, CANCEL) * 10_000,
    "pings": ping(b"12345678") * 10_000,
    "settings": frame(SETTINGS, 0, 0) * 10_000,
    "settings in one frame": frame(SETTINGS, 0, 0, b"\0\x77\0\0\0\0" * 33),
    "priorities": frame(PRIORITY, 0, 1, b"\0\0\0\3\0") * 20_000,
    "unknown-frames": frame(99, 0, 0) * 20_000,
    "empty-data": head(0, POST, 0) + frame(DATA, 0, 1) * 10_000,
    "window-updates": head(0) + window_update(0, 1) * 20_000,
    "resets made by DATA": b"".join(
        head(n) + frame(DATA, 0, 2 * n + 1, b"x") for n in range(3_000)
    ),
    "resets made by windows": b"".join(
        head(n) + window_update(2 * n + 1, 2**31 - 1) for n in range(3_000)
    ),
    "resets made by trailers": b"".join(
        head(n, POST, 0) + head(n, b"\x00\x01a\x01b", 0) for n in range(3_000)
    ),
    "resets made by heads": b"".join(map(head_of_many_fields, range(100))),
    "settings acknowledged": frame(SETTINGS, ACK, 0) * 10_000,
    "settings that open windows": b"".join(map(head, range(200)))
    + b"".join(frame(SETTINGS, 0, 0, b"\0\4\0\1\0" + bytes((n & 1,))) for n in range(10_000)),
    "pings acknowledged": ping(b"12345678", ack=True) * 10_000,
    "goaways": goaway(0) * 10_000,
    "empty-data with padding": head(0, POST, 0)
    + frame(DATA, PADDED, 1, b"\x0f" + b"\0" * 15) * 10_000,
    "window-updates of streams": b"".join(map(head, range(200)))
    + b"".join(window_update(2 * (n % 200) + 1, 1) for n in range(20_000)),
    "late-frames": head(0, POST + b"\x00\x05Upper\x01x", 0) + frame(DATA, 0, 1, b"x") * 10_000,
    "refused-streams": b"".join(map(head, range(10_000))),
    "enhance-your-calm by a bomb": head(
        0, GET + b"\x40\x01a\x7f\x80\x1e" + b"x" * 3_967 + b"\xbe" * 9_000
    ),
    "small-data": head(0, POST, 0) + frame(DATA, 0, 1, b"x") * 40_000,
    "small-data with padding": head(0, POST, 0) + frame(DATA, PADDED, 1, b"\1xx") * 40_000,
    "small-data of many bodies": b"".join(head(n, POST, 0) for n in range(100))
    + b"".join(frame(DATA, 0, 2 * (n % 100) + 1, b"x" * 15) for n in range(40_000)),
    "small-data that is not small": head(0, POST, 0) + frame(DATA, 0, 1, b"x" * 40) * 100_000,
    "late-frames of large heads": head(0, POST + b"\x00\x05Upper\x01x", 0)
    + blocks(0, coded(60_000)) * 100,
    "refused-streams of large heads": b"".join(map(head, range(256)))
    + b"".join(blocks(n, GET + coded(60_000)) for n in range(256, 356)),
    "refused-streams of heads": b"".join(map(head, range(256)))
    + b"".join(blocks(n, GET + coded(800)) for n in range(256, 2_000)),
    "resets made by large heads": b"".join(blocks(n, GET + coded(60_000)) for n in range(100)),
    "resets made by large trailers": b"".join(
        head(n, POST, 0) + blocks(n, coded(60_000)) for n in range(100)
    ),
    "resets made by windows of nothing": b"".join(
        head(n) + window_update(2 * n + 1, 0) for n in range(3_000)
    ),
    "resets made by priorities": b"".join(
        head(n) + frame(PRIORITY, 0, 2 * n + 1, b"x") for n in range(200)
    )
    + rapid_resets(100),
    "enhance-your-calm by a large head": blocks(0, GET + coded(120_000)),
    "continuations": frame(HEADERS, 0, 1, GET) + frame(CONTINUATION, 0, 1, b"") * 10_000,
}
