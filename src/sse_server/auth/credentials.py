"""Credentials: where a request says who it is from.

`Authorization: Bearer …`, for clients that send header fields; then the query's `token`, for
EventSource, and only where something is read; then a cookie of a name that is set. The first that
is there counts, whether it holds or not, and the others are not looked at.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from sse_server.errors import Unauthorized
from sse_server.http.request import Request

_BEARER = re.compile(rb"bearer +([!-~]+) *", re.IGNORECASE)  # RFC 6750 section 2.1, and lenient
_READING = frozenset((b"GET", b"HEAD"))


class Way(Enum):
    """How a credential came."""

    HEADER = "the header field Authorization"
    QUERY = "the query"
    COOKIE = "a cookie"


class Credential(NamedTuple):
    """What a request has brought."""

    way: Way
    text: bytes

    def __repr__(self) -> str:
        """Without what it is."""
        return f"Credential({self.way.name})"


def credential(request: Request, cookie: bytes | None) -> Credential | None:
    """What `request` brings first; `cookie` is the name of the one that is looked for.

    Raises:
        Unauthorized: it is there twice, or of a kind that is not taken.
    """
    authorization = _single(request, b"authorization")
    if authorization is not None:
        match = _BEARER.fullmatch(authorization)
        if match is None:
            raise Unauthorized("Authorization has to be: Bearer, and a token or a key")
        return Credential(Way.HEADER, match[1])
    if b"token" in request.query and request.method in _READING:
        tokens = list(request.parameter_values(b"token"))
        if len(tokens) > 1:
            raise Unauthorized("the query has token more than once: send one")
        if tokens:
            return Credential(Way.QUERY, tokens[0])
    if cookie is not None:
        value = cookie_value(request, cookie)
        if value is not None:
            return Credential(Way.COOKIE, value)
    return None


def cookies(request: Request) -> Iterator[tuple[bytes, bytes]]:
    """Names and values of the cookies that `request` has (RFC 6265 section 4.2)."""
    for field in request.header_values(b"cookie"):
        for pair in field.split(b";"):
            name, equals, value = pair.strip().partition(b"=")
            if equals:
                yield name, value.strip(b'"')


def cookie_value(request: Request, name: bytes) -> bytes | None:
    """The first cookie that is called so."""
    return next((value for key, value in cookies(request) if key == name), None)


def _single(request: Request, name: bytes) -> bytes | None:
    values = list(request.header_values(name))
    if len(values) > 1:
        raise Unauthorized("the request has Authorization more than once: send one")
    return values[0] if values else None
