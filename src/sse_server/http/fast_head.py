"""Canonical request heads, read without h11.

What browsers, curl and HTTP libraries send needs no parser that also takes everything else RFC 9112
allows: one expression for the request line, one for a field, and that only where it is new, since
most fields come word for word from many clients: 3 µs instead of 80. Whatever this module takes,
h11 takes and reads the same (`tests/http/test_fast_head.py`); whatever is not spelled in exactly
this way is left to h11.
"""

import re
from typing import NamedTuple

from sse_server.http.request import Headers

# `#` stays out: a fragment is not sent, and what follows it would be no part of the address.
_REQUEST_LINE = re.compile(rb"([A-Z]++) (/[!\"$-~]*+) HTTP/1\.1")
_FIELD = re.compile(rb"([A-Za-z0-9-]++): ([!-~][ -~]*+)(?<! )")

_EMPTY_LINE = [b"", b""]  # as what is split by line ends ends
_MAX_LENGTH_DIGITS = 19  # all that fit in 64 bits; h11 would take 20

# Lines that have been read, and what they say. When there are too many all are forgotten: those in
# use are back with the next heads. What says who a client is comes from no other.
_known_fields: dict[bytes, tuple[bytes, bytes]] = {}
_MAX_KNOWN_FIELDS = 1_024
_MAX_KNOWN_FIELD_BYTES = 256  # a User-Agent; 0.6 MB in all
_PRIVATE = frozenset((b"authorization", b"cookie"))


class ParsedHead(NamedTuple):
    """A request head taken apart; what it means is still to be judged."""

    method: bytes
    target: bytes
    version: bytes
    headers: Headers
    fields: dict[bytes, bytes]
    """The headers by name; the values of a repeated field are joined by commas."""


class _NotCanonicalError(Exception):
    """A field is spelled in another way."""


def parse_canonical(head: bytes) -> ParsedHead | None:
    """`head`, its empty line included, if it is canonical; None leaves it to h11.

    Canonical is: HTTP/1.1, a target that begins with a slash, one space after each colon, values of
    visible ASCII and single spaces or more between, no field twice, no transfer coding.
    """
    lines = head.split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(lines[0])
    if line is None or lines[-2:] != _EMPTY_LINE:
        return None
    known = _known_fields.get
    try:
        headers = tuple([known(field) or _read_field(field) for field in lines[1:-2]])
    except _NotCanonicalError:
        return None
    fields = dict(headers)
    if len(fields) != len(headers) or b"transfer-encoding" in fields:
        return None
    length = fields.get(b"content-length")
    if length is not None and not (length.isdigit() and len(length) <= _MAX_LENGTH_DIGITS):
        return None
    return ParsedHead(line[1], line[2], b"1.1", headers, fields)


def _read_field(line: bytes) -> tuple[bytes, bytes]:
    """Name and value, from now on known.

    Raises:
        _NotCanonicalError: the line is left to h11.
    """
    match = _FIELD.fullmatch(line)
    if match is None:
        raise _NotCanonicalError
    field = match[1].lower(), match[2]
    if len(line) <= _MAX_KNOWN_FIELD_BYTES and field[0] not in _PRIVATE:
        if len(_known_fields) >= _MAX_KNOWN_FIELDS:
            _known_fields.clear()
        _known_fields[line] = field
    return field
