"""What a body is said to be, and what a client says it takes."""

import re

from sse_server.errors import UnsupportedMediaType
from sse_server.http.request import Request

EVENT_STREAM = b"text/event-stream"

_NO_WEIGHT = re.compile(rb";[ \t]*q=0(?:\.0{0,3})?[ \t]*(?:;|\Z)")


def body_type(request: Request) -> bytes:
    """The body's media type in lower case, without parameters; empty if the request names none.

    A charset is not looked at: JSON is always UTF-8 (RFC 8259 section 8.1).
    """
    value = request.header(b"content-type")
    return b"" if value is None else value.partition(b";")[0].strip().lower()


def refuse_encoded_body(request: Request) -> None:
    """Take a body only as it is (RFC 9110 section 8.4).

    Raises:
        UnsupportedMediaType: it is compressed.
    """
    encoding = request.header(b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in (b"", b"identity"):
        raise UnsupportedMediaType("the body must not be compressed: leave Content-Encoding out")


def names_event_stream(request: Request) -> bool:
    """Whether Accept names `text/event-stream` with a weight above 0; a wildcard does not count."""
    for value in request.header_values(b"accept"):
        for item in value.lower().split(b","):
            media_type, semicolon, parameters = item.partition(b";")
            if media_type.strip() == EVENT_STREAM:
                return not _NO_WEIGHT.search(semicolon + parameters)
    return False
