"""Request heads of HTTP/2: a list of fields becomes a request (RFC 9113 section 8).

h2 looks at every byte of every field in Python, which takes longer than all else about a request;
its checks are switched off, and this module makes them. Whatever is taken here, h2 takes, too
(`tests/http/test_h2_request.py`).
"""

import re
from collections.abc import Iterable

from h2.errors import ErrorCodes

from sse_server.errors import LimitExceeded, RemoteProtocolError
from sse_server.http.request import Headers, Request
from sse_server.http.request_head import HOST, HeadLimits, RequestHead, refuse

Field = tuple[bytes, bytes]

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
# As in HTTP/1.1: no control characters but the tab, and no blanks around it (section 8.2.1).
_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH = re.compile(rb"/[!\"$-~\x80-\xff]*")  # no fragment
_REQUIRED = (b":method", b":scheme", b":path")
_PSEUDO = frozenset((*_REQUIRED, b":authority"))
_OF_A_CONNECTION = frozenset((
    b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade",
))  # fmt: skip
_MAX_LENGTH_DIGITS = 19
_LINE_BYTES = len(b": \r\n")
_FIELD_BYTES = 32
_CRUMB_ENDS = b"; "
_MAX_CRUMBS = 200  # Chromium keeps 180 cookies of one site


class StreamError(RemoteProtocolError):
    """What resets a stream; the connection goes on (RFC 9113 section 5.4.2)."""

    def __init__(self, error_code: ErrorCodes, message: str) -> None:
        """`error_code` as RFC 9113 section 7 has it."""
        self.error_code = error_code
        super().__init__(message)


def _malformed(message: str) -> StreamError:
    """What RFC 9113 section 8.1.1 calls so."""
    return StreamError(ErrorCodes.PROTOCOL_ERROR, message)


def list_bytes(fields: Iterable[Field]) -> int:
    """The size of a list of fields by the measure of RFC 9113 section 6.5.2."""
    return sum([len(name) + len(value) + _FIELD_BYTES for name, value in fields])


def check_trailers(fields: Iterable[Field]) -> None:
    """Trailers are dropped, but they have to be some.

    Raises:
        StreamError: they are not.
    """
    for name, value in fields:
        _check_field(name, value)


def read_fields(fields: list[Field], limits: HeadLimits) -> RequestHead:
    """The request that a header block begins.

    Raises:
        StreamError: its stream is to be reset.
        RemoteProtocolError: it is answered with this.
        LimitExceeded: the same.
    """
    pseudo, headers = _sort(fields)
    method, authority = pseudo.get(b":method"), pseudo.get(b":authority")
    if method == b"CONNECT":
        refuse("this server is no tunnel", 501, "not-implemented")
    missing = [name for name in _REQUIRED if name not in pseudo]
    if missing or method is None or not _METHOD.fullmatch(method):
        raise _malformed("a request has a method, a scheme and a path")
    target = pseudo[b":path"]
    if len(target) > limits.max_request_line_bytes:
        raise LimitExceeded(limit="target", allowed=limits.max_request_line_bytes)
    if not _PATH.fullmatch(target) and not (target == b"*" and method == b"OPTIONS"):
        raise _malformed("the path of a request begins with a slash")
    hosts = [value for name, value in headers if name == b"host"]
    # Section 8.3.1: a Host that says something else than the authority would be somebody else's.
    if len(hosts) > 1 or (authority is not None and any(host != authority for host in hosts)):
        raise _malformed("the Host field differs from the authority")
    if authority is not None and not hosts:
        headers.insert(0, (b"host", authority))
    elif authority is None and not hosts:
        raise _malformed("a request has an authority")
    if not HOST.fullmatch(headers[0][1] if not hosts else hosts[0]):
        refuse("the authority is not a host name or address with an optional port")
    length = _length(headers)
    expect = next((value for name, value in headers if name == b"expect"), None)
    if expect is not None and expect.lower() != b"100-continue":
        refuse("the only expectation met here is 100-continue", 417, "expectation-failed")
    path, _, query = target.partition(b"?")
    request = Request(method, path, query, tuple(headers), b"", b"2")
    return RequestHead(request, length, close=False, expects_continue=expect is not None)


def check_limits(fields: list[Field], limits: HeadLimits) -> None:
    """The limits of HTTP/1.1 hold for the fields of HTTP/2, as if they had been written out.

    Raises:
        LimitExceeded: there are too many, or too large ones.
        RemoteProtocolError: the same.
    """
    sizes = []
    cookie = 0
    for name, value in fields:
        if name == b"cookie":  # browsers send each of its crumbs as a field (section 8.2.3)
            cookie += len(value) + len(_CRUMB_ENDS)
        elif name[:1] != b":":
            sizes.append(len(name) + len(value) + _LINE_BYTES)
    if cookie:
        sizes.append(len(b"cookie") + cookie - len(_CRUMB_ENDS) + _LINE_BYTES)
    if len(sizes) > limits.max_fields or len(fields) > limits.max_fields + _MAX_CRUMBS:
        refuse(f"more than {limits.max_fields} header fields: send fewer", 431, "head-too-large")
    if sizes and max(sizes) > limits.max_field_bytes:
        refuse(
            f"a header field is longer than {limits.max_field_bytes} bytes: send a shorter one",
            431,
            "head-too-large",
        )
    if sum(sizes) > limits.max_head_bytes:
        raise LimitExceeded(limit="head", allowed=limits.max_head_bytes)


def _sort(fields: list[Field]) -> tuple[dict[bytes, bytes], list[Field]]:
    """Pseudo-header fields, and the others, as HTTP/1.1 would have them."""
    pseudo: dict[bytes, bytes] = {}
    headers: list[Field] = []
    crumbs: list[bytes] = []
    for name, value in fields:
        if name[:1] == b":":
            if headers or crumbs or name in pseudo or name not in _PSEUDO:
                raise _malformed("a pseudo-header field that has no place there")
            if not _VALUE.fullmatch(value):
                raise _malformed("a pseudo-header field with control characters")
            pseudo[name] = value
            continue
        _check_field(name, value)
        if name in _OF_A_CONNECTION or (name == b"te" and value.lower() != b"trailers"):
            raise _malformed("a field that is for one connection of HTTP/1.1")
        if name == b"cookie":  # section 8.2.3: it may come in crumbs
            crumbs.append(value)
        else:
            headers.append((name, value))
    if crumbs:
        headers.append((b"cookie", _CRUMB_ENDS.join(crumbs)))
    return pseudo, headers


def _check_field(name: bytes, value: bytes) -> None:
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise _malformed("a field with characters that no field has")


def _length(headers: Iterable[Field]) -> int | None:
    """What Content-Length says; None: nothing, the body ends with its stream."""
    values = {value for name, value in headers if name == b"content-length"}
    if not values:
        return None
    value = values.pop()
    if values or not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
        raise _malformed("Content-Length has to be one decimal number of bytes")
    return int(value)


def with_body(request: Request, body: bytes) -> Request:
    """The same request, and its body."""
    headers: Headers = request.headers
    return Request(request.method, request.path, request.query, headers, body, request.version)
