"""Response heads of HTTP/2 as header blocks (RFC 7541), without h2's encoder.

Nothing here is put into the peer's table, so a block does not depend on the blocks before it: it
can be kept and sent again, and no connection needs an encoder. Each begins by setting the table's
size to 0: a peer that lowered it waits for that (RFC 7541 section 4.2), and Node takes nothing
without.
"""

from functools import lru_cache

from sse_server.http.heads import EVENT_STREAM_FIELDS, WITHOUT_CONTENT, field_lines
from sse_server.http.request import Headers
from sse_server.http.response import Response

CONTINUE_BLOCK = b"\x20\x08\x03100"
"""`:status: 100`."""

_TABLE_SIZE_0 = b"\x20"
_INDEXED_STATUS = {200: 0x88, 204: 0x89, 206: 0x8A, 304: 0x8B, 400: 0x8C, 404: 0x8D, 500: 0x8E}
_STATUS_NAME = 0x08  # a literal that is not indexed, its name the 8th of the static table
_NEW_NAME = b"\x00"
_LENGTH_BITS = 7
_MAX_REMEMBERED = 256  # sets of fields, as in HTTP/1.1


def _string(value: bytes) -> bytes:
    """A string literal, not Huffman coded (section 5.2)."""
    size = len(value)
    limit = (1 << _LENGTH_BITS) - 1
    if size < limit:
        return bytes((size,)) + value
    prefix = bytearray((limit,))
    size -= limit
    while size >= 1 << _LENGTH_BITS:
        prefix.append(0x80 | (size & limit))
        size >>= _LENGTH_BITS
    prefix.append(size)
    return bytes(prefix) + value


def _field(name: bytes, value: bytes) -> bytes:
    return _NEW_NAME + _string(name) + _string(value)


def _status(status: int) -> bytes:
    if status in _INDEXED_STATUS:
        return bytes((_INDEXED_STATUS[status],))
    return bytes((_STATUS_NAME,)) + _string(b"%d" % status)


@lru_cache(maxsize=_MAX_REMEMBERED)
def _fields(headers: Headers) -> bytes:
    """`headers` as they stand in a block, checked as for HTTP/1.1."""
    field_lines(headers)
    return b"".join([_field(name.lower(), value) for name, value in headers])


def response_block(response: Response, *, date: bytes | None) -> bytes:
    """The head of an answer; its length is that of the body, also where HEAD gets none."""
    parts = [_TABLE_SIZE_0, _status(response.status), _fields(response.headers)]
    if response.status not in WITHOUT_CONTENT:
        parts.append(_field(b"content-length", b"%d" % len(response.body)))
    if date is not None:
        parts.append(_field(b"date", date))
    return b"".join(parts)


def event_stream_block(headers: Headers, *, date: bytes | None) -> bytes:
    """The head of an event stream."""
    block = _EVENT_STREAM + _fields(headers) if headers else _EVENT_STREAM
    return block if date is None else block + _field(b"date", date)


_EVENT_STREAM = _TABLE_SIZE_0 + _status(200) + _fields(EVENT_STREAM_FIELDS)
