"""The fields of a request: whatever is taken here, h2 takes, too."""

import pytest
from h2.exceptions import ProtocolError
from h2.utilities import HeaderValidationFlags, validate_headers
from hypothesis import given
from hypothesis import strategies as st

from sse_server.errors import RequestError
from sse_server.http.h2_request import Field, check_limits, list_bytes, read_fields
from sse_server.http.http1 import Http1Options

LIMITS = Http1Options()
REQUEST = HeaderValidationFlags(
    is_client=False, is_trailer=False, is_response_header=False, is_push_promise=False
)
GOOD = [
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":authority", b"localhost"),
    (b":path", b"/events/news?a=b"),
]
NAMES = (
    b":method", b":scheme", b":authority", b":path", b":status", b":protocol", b"host", b"te",
    b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"cookie",
    b"content-length", b"accept", b"Accept", b"", b"x y", b"x:", b"x\n", b"x\xff",
)  # fmt: skip
VALUES = (
    b"", b"GET", b"CONNECT", b"http", b"localhost", b"other", b"/", b"/a b", b"*", b"trailers",
    b"Trailers", b"gzip", b" x", b"x\t", b"a\tb", b"x\r\n", b"\0", b"\x7f", b"caf\xc3\xa9", b"1",
    b"1, 1", b"\xb2",
)  # fmt: skip
FIELDS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(NAMES), st.binary(max_size=3)),
        st.one_of(st.sampled_from(VALUES), st.binary(max_size=3)),
    ),
    max_size=4,
)


def is_taken(fields: list[Field]) -> bool:
    try:
        read_fields(fields, LIMITS)
    except RequestError:
        return False
    return True


def is_taken_by_h2(fields: list[Field]) -> bool:
    try:
        list(validate_headers(fields, REQUEST))
    except ProtocolError:
        return False
    return True


@given(fields=FIELDS, kept=st.sets(st.integers(0, 3)), behind=st.booleans())
def test_what_is_taken_here_h2_takes_too(
    fields: list[Field], kept: set[int], *, behind: bool
) -> None:
    good = [field for number, field in enumerate(GOOD) if number not in kept]
    whole = good + fields if behind else fields + good
    if is_taken(whole):
        assert is_taken_by_h2(whole)


@pytest.mark.parametrize(
    "fields",
    [
        GOOD,
        [*GOOD, (b"te", b"trailers")],
        [*GOOD, (b"cookie", b"a=b"), (b"cookie", b"c=d")],
        [*GOOD[:2], GOOD[3], (b"host", b"localhost")],
        [*GOOD, (b"host", b"localhost")],
    ],
)
def test_what_browsers_and_proxies_send_is_taken(fields: list[Field]) -> None:
    assert is_taken(fields)
    assert is_taken_by_h2(fields)
    check_limits(fields, LIMITS)


def test_crumbs_of_a_cookie_become_one_field() -> None:
    head = read_fields([*GOOD, (b"cookie", b"a=b"), (b"x", b"y"), (b"cookie", b"c=d")], LIMITS)
    assert [value for name, value in head.request.headers if name == b"cookie"] == [b"a=b; c=d"]


def test_the_measure_of_a_list_is_that_of_the_rfc() -> None:
    assert list_bytes([(b"name", b"value"), (b"a", b"")]) == 4 + 5 + 32 + 1 + 32
