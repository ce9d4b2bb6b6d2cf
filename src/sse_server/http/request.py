"""A request, whatever version of HTTP it came by."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote_to_bytes

from sse_server.errors import InvalidRequest

if TYPE_CHECKING:
    from sse_server.http.rights import Rights

Headers = tuple[tuple[bytes, bytes], ...]

_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def percent_decode(raw: bytes) -> bytes:
    """Undo one level of percent-encoding (RFC 3986 section 2.1).

    Raises:
        InvalidRequest: a `%` without two hex digits behind it.
    """
    if b"%" not in raw:
        return raw
    if _BAD_PERCENT.search(raw):
        raise InvalidRequest("the address has a % that two hex digits do not follow")
    return unquote_to_bytes(raw)


@dataclass
class Request:
    """One whole request. Field names are in lower case; nothing else is decoded.

    Nobody changes one. Frozen, it would take 0.6 µs to make instead of 0.1.
    """

    method: bytes
    path: bytes
    """As sent, without the query; begins with a slash."""
    query: bytes = b""
    """As sent, without the question mark."""
    headers: Headers = ()
    body: bytes = b""
    version: bytes = b"1.1"
    """`1.0`, `1.1` or `2`."""

    rights: "ClassVar[Rights | None]" = None
    """What its sender may do; None: everything. Not a field, as most requests never get any."""

    def with_rights(self, rights: "Rights") -> "Request":
        """This request, of somebody who may do so much."""
        request = Request(self.method, self.path, self.query, self.headers, self.body, self.version)
        request.__dict__["rights"] = rights
        return request

    def header(self, name: bytes) -> bytes | None:
        """The first field called `name` (in lower case), or None."""
        for field, value in self.headers:
            if field == name:
                return value
        return None

    def header_values(self, name: bytes) -> Iterator[bytes]:
        """Every field called `name` (in lower case)."""
        return (value for field, value in self.headers if field == name)

    @cached_property
    def parameters(self) -> tuple[tuple[bytes, bytes], ...]:
        """The query as `application/x-www-form-urlencoded` pairs, decoded once, in order.

        Raises:
            InvalidRequest: bad percent-encoding.
        """
        pairs = (pair.partition(b"=") for pair in self.query.split(b"&") if pair)
        return tuple(
            (percent_decode(name.replace(b"+", b" ")), percent_decode(value.replace(b"+", b" ")))
            for name, _, value in pairs
        )

    def parameter(self, name: bytes) -> bytes | None:
        """The first query parameter called `name`, or None."""
        for field, value in self.parameters:
            if field == name:
                return value
        return None

    def parameter_values(self, name: bytes) -> Iterator[bytes]:
        """Every query parameter called `name`."""
        return (value for field, value in self.parameters if field == name)
