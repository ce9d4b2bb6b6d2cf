"""Files that come with the package: read once, and sent to whoever does not have them yet."""

import hashlib
from importlib import resources

from sse_server._version import __version__
from sse_server.http.request import Headers, Request
from sse_server.http.response import Response


def read(name: str) -> bytes:
    """The file `name` of this package, in which VERSION stands for the package's."""
    content = resources.files("sse_server.endpoints").joinpath(name).read_bytes()
    return content.replace(b"VERSION", __version__.encode())


class File:
    """A file as an answer. Whoever keeps it asks each time whether it is still the one."""

    __slots__ = ("_etag", "_response", "_unchanged")

    def __init__(self, content: bytes, content_type: bytes, headers: Headers = ()) -> None:
        """`headers` beyond those of every file."""
        self._etag = b'"%b"' % hashlib.sha256(content).hexdigest()[:32].encode()
        kept = ((b"etag", self._etag), (b"cache-control", b"no-cache"))
        typed = ((b"content-type", content_type), (b"x-content-type-options", b"nosniff"))
        self._response = Response(200, (*typed, *kept, *headers), content)
        self._unchanged = Response(304, kept)

    def __call__(self, request: Request) -> Response:
        """The file, or that it is unchanged (RFC 9110 section 13.1.2)."""
        for value in request.header_values(b"if-none-match"):
            for tag in value.split(b","):
                if tag.strip().removeprefix(b"W/") in (self._etag, b"*"):
                    return self._unchanged
        return self._response
