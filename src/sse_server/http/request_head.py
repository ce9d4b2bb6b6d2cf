"""Request heads of HTTP/1.1: what is refused before h11 sees it, and what an accepted one means.

h11 parses every head that is not canonical. It is lenient where a proxy in front of us may read the
same bytes in another way, and it sets no limits on a head that arrives in one piece: what is
ambiguous or too large is refused here.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, NamedTuple, NoReturn

import h11

from sse_server.errors import LimitExceeded, RemoteProtocolError
from sse_server.http.fast_head import ParsedHead, parse_canonical
from sse_server.http.request import Headers, Request
from sse_server.options import RELOADABLE, Bounds, Options

NOT_HTTP = "not-http"
"""The code of an error that gets no answer: the peer does not speak HTTP/1.x at all."""

# RFC 9112 section 2.2: a bare CR is not a line end, a bare LF is one only to the lenient; NUL and
# other controls are in no field. Where a CR is the last byte so far, the next one decides.
_BROKEN_LINE = re.compile(rb"\r(?!\n|\Z)|(?<!\r)\n|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FOLDED = re.compile(rb"\r\n[ \t]")
_CONTENT_LENGTH = re.compile(rb"(?i)\ncontent-length:([^\r]*+)")
_VERSION = re.compile(rb"HTTP/([0-9])\.[0-9]")
# No userinfo, no percent-encoding, no comma: what a browser or a proxy puts there, and nothing that
# two readers could split in two ways (RFC 9110 sections 4.2.4 and 7.2).
HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_ABSOLUTE_FORM = re.compile(rb"(?i:https?)://([^/?#]*)(/[^?#]*)?(?:\?([^#]*))?")

_MAX_LENGTH_DIGITS = 19  # all that fit in 64 bits
_WORDS_OF_A_REQUEST_LINE = 3
_WITH_BODY = frozenset((b"POST", b"PUT", b"PATCH"))
_MAX_KNOWN_HEADS = 512
_MAX_KNOWN_HEAD_BYTES = 2_048  # 3 MB for all of them, with what was read


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLimits(Options):
    """How large the head of a request may be."""

    max_request_line_bytes: Annotated[int, Bounds(64, 1 << 20), RELOADABLE] = 8_192
    """RFC 9112 section 3 asks for 8,000 at least; an address with 30 long channels fits."""
    max_field_bytes: Annotated[int, Bounds(64, 1 << 20), RELOADABLE] = 8_192
    """One header line: a large token or cookie fits. Servers and proxies agree on about this."""
    max_fields: Annotated[int, Bounds(1, 10_000), RELOADABLE] = 100
    """A browser sends about 20, some proxies in front of it 10 more."""
    max_head_bytes: Annotated[int, Bounds(64, 1 << 24), RELOADABLE] = 32_768
    """All of it. Held per connection before anything is known of the client."""


class RequestHead(NamedTuple):
    """An accepted head and what it says about the bytes behind it."""

    request: Request
    """Without its body."""
    length: int | None
    """Bytes of the body; None: it comes in chunks."""
    close: bool
    """The client takes no second answer on this connection."""
    expects_continue: bool


# Heads that announce a body, as they were read: a publisher sends the same one with each event, and
# reading it is most of what a request costs. Those without a body begin streams: one each, and with
# cookies and ids of their own no two are the same.
_known: dict[bytes, tuple[HeadLimits, RequestHead]] = {}


def refuse(message: str, status: int = 400, code: str = "bad-request") -> NoReturn:
    """Raise what answers a client that broke the rules."""
    raise RemoteProtocolError(message, status, code)


def check_incomplete(buffer: bytearray, start: int, checked: int, limits: HeadLimits) -> None:
    """Refuse a head that cannot become a good one, before its end has arrived.

    It begins at `start`; the bytes before `checked` have been looked at in an earlier call.

    Raises:
        RemoteProtocolError: it is none, whatever follows.
        LimitExceeded: it is too large already.
    """
    line_end = buffer.find(b"\r\n", start)
    line_bytes = (len(buffer) if line_end < 0 else line_end) - start
    if line_bytes > limits.max_request_line_bytes + (line_end < 0):  # the CR may be here already
        raise LimitExceeded(limit="target", allowed=limits.max_request_line_bytes)
    if line_end + 2 > checked and line_end >= 0:  # it has just become whole
        _check_request_line(bytes(buffer[start:line_end]))
    if _BROKEN_LINE.search(buffer, max(start, checked - 1)):
        _refuse_broken_line()
    if len(buffer) - start > limits.max_head_bytes:
        raise LimitExceeded(limit="head", allowed=limits.max_head_bytes)


def read_head(head: bytes, limits: HeadLimits) -> RequestHead:
    """The request that `head` begins; it ends with its empty line.

    Raises:
        RemoteProtocolError: it is malformed, ambiguous, or asks for what no HTTP/1.1 server does.
        LimitExceeded: it is too large.
    """
    known = _known.get(head)
    if known is not None and known[0] is limits:
        return known[1]
    read = _read(head, limits)
    if read.length != 0 and len(head) <= _MAX_KNOWN_HEAD_BYTES:
        if len(_known) >= _MAX_KNOWN_HEADS:
            _known.clear()  # those in use are back with their next request
        _known[head] = limits, read
    return read


def _read(head: bytes, limits: HeadLimits) -> RequestHead:
    _check_limits(head, limits)
    parsed = parse_canonical(head) or _parse_any(head)
    method, target, version, headers, fields = parsed
    host = fields.get(b"host")
    if host is None:
        if version != b"1.0":
            refuse("an HTTP/1.1 request has one Host field, and this one has none")
    elif not HOST.fullmatch(host):
        refuse("the Host field is not a host name or address with an optional port")
    length = _length(method, version, fields)
    # RFC 9110 section 10.1.1: an expectation in HTTP/1.0 is not one.
    expect = None if version == b"1.0" else fields.get(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        refuse("the only expectation met here is 100-continue", 417, "expectation-failed")
    if target.startswith(b"/") and b"#" not in target:
        path, _, query = target.partition(b"?")
    else:
        path, query, headers = _read_target(method, target, headers)
    request = Request(method, path, query, headers, b"", version)
    return RequestHead(request, length, _closes(version, fields), expect is not None)


def _check_limits(head: bytes, limits: HeadLimits) -> None:
    """The limits hold for a head that came in one read too."""
    if head.index(b"\r\n") > limits.max_request_line_bytes:
        raise LimitExceeded(limit="target", allowed=limits.max_request_line_bytes)
    if len(head) > limits.max_head_bytes:
        raise LimitExceeded(limit="head", allowed=limits.max_head_bytes)
    if head.count(b"\n") - 2 > limits.max_fields:
        refuse(f"more than {limits.max_fields} header fields: send fewer", 431, "head-too-large")
    if len(head) <= limits.max_field_bytes:
        return
    if max(map(len, head.split(b"\r\n")[1:])) > limits.max_field_bytes:
        refuse(
            f"a header field is longer than {limits.max_field_bytes} bytes: send a shorter one",
            431,
            "head-too-large",
        )


def _parse_any(head: bytes) -> ParsedHead:
    """Let h11 parse it, once everything is refused that h11 should not take."""
    _check_request_line(head[: head.index(b"\r\n")])
    if _BROKEN_LINE.search(head):
        _refuse_broken_line()
    if _FOLDED.search(head):
        refuse("a header field goes on over more than one line (RFC 9112 section 5.2)")
    lengths = _CONTENT_LENGTH.findall(head)  # h11 makes one of several that agree
    if len(lengths) > 1 or (lengths and not _is_length(lengths[0].strip(b" \t"))):
        refuse("Content-Length has to be one decimal number of bytes, given once")
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        fault = str(error).partition(": b")[0]  # without the client's own bytes
        if error.error_status_hint == HTTPStatus.NOT_IMPLEMENTED:
            refuse(f"this is not done here: {fault}", 501, "not-implemented")
        refuse(f"the head of the request is not HTTP/1.1: {fault}")
    assert isinstance(event, h11.Request), "the head was complete"
    headers = tuple([(name, value) for name, value in event.headers])
    # RFC 9110 section 2.5: a later minor version is read as the latest one known.
    version = b"1.0" if event.http_version == b"1.0" else b"1.1"
    return ParsedHead(event.method, event.target, version, headers, _by_name(headers))


def _check_request_line(line: bytes) -> None:
    words = line.split(b" ")
    if len(words) != _WORDS_OF_A_REQUEST_LINE:
        refuse("the first line is not a request line: method, target and version")
    if not words[2].startswith(b"HTTP/"):
        # RFC 9113 section 3.4: something like HTTP/2's preface, whose sender reads no HTTP/1.1.
        refuse("the first line does not end with a version of HTTP", code=NOT_HTTP)
    version = _VERSION.fullmatch(words[2])
    if version is None:
        refuse("the version of HTTP in the first line is malformed")
    if version[1] != b"1":
        refuse("requests in this form are HTTP/1.0 or HTTP/1.1", 505, "version-not-supported")


def _refuse_broken_line() -> NoReturn:
    refuse("the head has a bare CR or LF or another control character (RFC 9112 section 2.2)")


def _is_length(value: bytes) -> bool:
    return value.isdigit() and len(value) <= _MAX_LENGTH_DIGITS


def _by_name(headers: Headers) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields[name] = fields[name] + b"," + value if name in fields else value
    return fields


def _length(method: bytes, version: bytes, fields: dict[bytes, bytes]) -> int | None:
    """Bytes of the body; None: chunked (RFC 9112 section 6.3)."""
    length = fields.get(b"content-length")
    if b"transfer-encoding" in fields:  # `chunked`, or h11 had refused it
        if length is not None or version == b"1.0":
            # RFC 9112 section 6.1: an attempt at smuggling, or a peer that cannot be trusted.
            refuse("Transfer-Encoding beside Content-Length, or in HTTP/1.0, is ambiguous")
        return None
    if length is None:
        if version == b"1.0" and method in _WITH_BODY:
            refuse("an HTTP/1.0 request with a body needs Content-Length", 411, "length-required")
        return 0
    return int(length)


def _closes(version: bytes, fields: dict[bytes, bytes]) -> bool:
    """HTTP/1.0 gets one answer; keeping it alive there is an extension we do without."""
    connection = fields.get(b"connection")
    if version == b"1.0":
        return True
    if connection is None or connection == b"keep-alive":
        return False
    return b"close" in [option.strip(b" \t") for option in connection.lower().split(b",")]


def _read_target(method: bytes, target: bytes, headers: Headers) -> tuple[bytes, bytes, Headers]:
    """Path, query and headers for a target that is no path (RFC 9112 section 3.2)."""
    if method == b"CONNECT":
        refuse("this server is no tunnel", 501, "not-implemented")
    if target == b"*" and method == b"OPTIONS":
        return target, b"", headers
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None or not HOST.fullmatch(absolute[1]):
        refuse("the target of a request is a path, or an http address without user and fragment")
    # Section 3.2.2: what the Host field says gives way to the address.
    others = tuple([(name, value) for name, value in headers if name != b"host"])
    return absolute[2] or b"/", absolute[3] or b"", ((b"host", absolute[1]), *others)
