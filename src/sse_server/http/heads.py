"""Response heads as bytes: written once where they are constant, and never through h11.

h11 takes 35 µs to write a head; what is written here it reads back as it was meant
(`tests/http/test_heads.py`).
"""

import re
from functools import lru_cache
from http import HTTPStatus

from sse_server.errors import LocalProtocolError, quoted
from sse_server.http.request import Headers
from sse_server.http.response import Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

EVENT_STREAM_FIELDS: Headers = (
    (b"content-type", b"text/event-stream"),
    # no-transform: a proxy that compresses would hold events back until its block is full.
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx
    (b"surrogate-control", b"no-store"),  # CDNs, which may not heed cache-control
)
"""What says that an answer is an event stream, also in the answer to HEAD."""

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode("ascii"))
    for status in HTTPStatus
}
WITHOUT_CONTENT = frozenset((HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED))

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
_MADE_HERE = frozenset((b"connection", b"content-length", b"date", b"transfer-encoding"))
_MAX_REMEMBERED = 256  # sets of fields: one per origin of CORS, one per kind of answer


@lru_cache(maxsize=_MAX_REMEMBERED)
def field_lines(headers: Headers) -> bytes:
    """`headers` as they stand in a head, one line each.

    Raises:
        LocalProtocolError: a field that the machine writes itself, or one that would end its line
            early and let somebody write the next one.
    """
    lines = []
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            message = f"not a header field: {quoted(name)}: {quoted(value)}"
            raise LocalProtocolError(message)
        if name.lower() in _MADE_HERE:
            message = f"the connection writes the field {quoted(name)} itself"
            raise LocalProtocolError(message)
        lines.append(b"%b: %b\r\n" % (name.title(), value))
    return b"".join(lines)


def response_bytes(
    response: Response, *, date: bytes | None, close: bool, head_only: bool = False
) -> bytes:
    """Head and body. With `head_only`, the answer to HEAD: GET's length and no body."""
    status = response.status
    line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    # RFC 9110 section 6.6.1: an origin server that has a clock says when it answered.
    dated = b"" if date is None else b"Date: %b\r\n" % date
    closing = b"Connection: close\r\n" if close else b""
    fields = field_lines(response.headers)
    if status in WITHOUT_CONTENT:  # RFC 9110 section 8.6: without a length either
        return b"%b%b%b%b\r\n" % (line, fields, dated, closing)
    body = b"" if head_only else response.body
    if head_only and not response.body:  # RFC 9110 section 8.6: GET's would be a stream, unmeasured
        return b"%b%b%b%b\r\n" % (line, fields, dated, closing)
    length = len(response.body)
    return b"%b%bContent-Length: %d\r\n%b%b\r\n%b" % (line, fields, length, dated, closing, body)


def event_stream_head(headers: Headers, *, date: bytes | None, version: bytes) -> bytes:
    """The head of an event stream: chunked, or for HTTP/1.0 ended by the connection's end."""
    lines = _STREAM_LINES_1_0 if version == b"1.0" else _STREAM_LINES
    extra = field_lines(headers)
    if date is None:
        return b"%b%b\r\n" % (lines, extra)
    return b"%b%bDate: %b\r\n\r\n" % (lines, extra, date)


_STREAM = _STATUS_LINES[200] + field_lines(EVENT_STREAM_FIELDS)
_STREAM_LINES = _STREAM + b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n"
_STREAM_LINES_1_0 = _STREAM + b"Connection: close\r\n"
