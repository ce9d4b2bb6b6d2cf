"""Fields of a request's head, the framing of its body, limits."""

import time
from dataclasses import replace

import pytest

from sse_server.http import request_head
from sse_server.http.http1 import Http1Options
from sse_server.http.request import Request
from sse_server.http.request_head import read_head
from tests.http.exchange import OPTIONS, accepted, head, new_machine, read, refused


def post(*fields: bytes, body: bytes = b"", line: bytes = b"POST / HTTP/1.1") -> bytes:
    return head(*fields, line=line) + body


# --- the framing of the body ---


def test_content_length_beside_transfer_encoding_is_refused_and_closed() -> None:
    chunked = b"Transfer-Encoding: chunked"
    for fields in ((b"Content-Length: 5", chunked), (chunked, b"Content-Length: 5")):
        assert refused(post(*fields, body=b"0\r\n\r\n")).status == 400


@pytest.mark.parametrize(
    "fields",
    [
        (b"Content-Length: 2", b"Content-Length: 2"),
        (b"Content-Length: 2", b"content-length: 3"),
        (b"Content-Length: 2, 2",),
        (b"Content-Length: 2,3",),
        (b"Content-Length: +2",),
        (b"Content-Length: -2",),
        (b"Content-Length: 0x2",),
        (b"Content-Length: 2a",),
        (b"Content-Length: 2 2",),
        (b"Content-Length: 1_0",),
        (b"Content-Length: 2.0",),
        (b"Content-Length: \xb2",),
        (b"Content-Length:",),
    ],
    ids=lambda fields: " + ".join(map(repr, fields)),
)
def test_a_content_length_that_is_not_one_number_is_refused(fields: tuple[bytes, ...]) -> None:
    assert refused(post(*fields, body=b"xx")).status == 400


def test_a_content_length_of_more_than_19_digits_is_refused() -> None:
    assert refused(post(b"Content-Length: 18446744073709551621")).status == 400  # 2^64 + 5
    assert refused(post(b"Content-Length: %b5" % (b"0" * 19))).status == 400
    assert refused(post(b"Content-Length: %b" % (b"9" * 5_000))).status == 400


def test_a_content_length_of_19_digits_is_too_large_and_not_waited_for() -> None:
    assert refused(post(b"Content-Length: 9999999999999999999")).status == 413


@pytest.mark.parametrize(
    "coding",
    [b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"xchunked", b"identity"],
)
def test_a_transfer_coding_other_than_chunked_is_501(coding: bytes) -> None:
    assert refused(post(b"Transfer-Encoding: " + coding)).status == 501


def test_transfer_encoding_twice_is_501() -> None:
    assert refused(post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")).status == 501


def test_transfer_encoding_is_compared_without_case() -> None:
    assert accepted(post(b"TRANSFER-encoding: Chunked", body=b"1\r\nx\r\n0\r\n\r\n")).body == b"x"


def test_transfer_encoding_with_a_vertical_tab_is_refused() -> None:
    assert refused(post(b"Transfer-Encoding: \x0bchunked")).status == 400


def test_transfer_encoding_in_http_1_0_is_refused() -> None:
    line = b"POST / HTTP/1.0"
    assert refused(post(b"Transfer-Encoding: chunked", line=line)).status == 400


def test_http_1_0_has_to_say_how_long_a_body_is() -> None:
    line = b"POST / HTTP/1.0"
    assert refused(post(line=line)).status == 411
    assert accepted(post(b"Content-Length: 2", line=line, body=b"xx")).body == b"xx"


def test_without_a_length_there_is_no_body() -> None:
    assert accepted(post()).body == b""


def test_a_get_may_have_a_body() -> None:
    assert accepted(head(b"Content-Length: 3") + b"abc").body == b"abc"


# --- fields ---


@pytest.mark.parametrize("fold", [b" ", b"\t", b" \t "])
def test_a_folded_field_is_refused(fold: bytes) -> None:
    assert refused(head(b"X: a", fold + b"b")).status == 400
    assert refused(head(fold + b"X: a")).status == 400
    assert refused(head(fold + b"Host: a", host=None)).status == 400


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\nY: c\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_a_bare_lf_is_refused(raw: bytes) -> None:
    assert refused(raw).status == 400


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r \r\n\r\n",
        b"GET / HTTP/1.1\rHost: a\r\r",
        b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_a_bare_cr_is_refused(raw: bytes) -> None:
    assert refused(raw).status == 400


@pytest.mark.parametrize("control", [*range(9), *range(11, 13), *range(14, 32), 127])
def test_nul_and_control_characters_are_refused(control: int) -> None:
    raw = bytes([control])
    assert refused(head(b"X: a%bb" % raw)).status == 400
    assert refused(head(b"X%b: a" % raw)).status == 400
    assert refused(head(line=b"GET /%b HTTP/1.1" % raw)).status == 400


def test_a_tab_and_bytes_beyond_ascii_in_a_value_are_taken() -> None:
    assert accepted(head(b"X: a\tb\xc3\xa4\xff")).header(b"x") == b"a\tb\xc3\xa4\xff"


@pytest.mark.parametrize(
    "field", [b"X : a", b"X\t: a", b" : a", b": a", b"X", b"X a: b", b"\xe4: b"]
)
def test_a_malformed_field_name_is_refused(field: bytes) -> None:
    assert refused(head(field)).status == 400
    assert refused(head(field, b"Y: b")).status == 400


def test_a_space_before_the_colon_of_a_framing_field_is_refused() -> None:
    assert refused(post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n")).status == 400
    assert refused(post(b"Content-Length : 2", body=b"xx")).status == 400


def test_white_space_around_a_value_is_no_part_of_it() -> None:
    request = accepted(head(b"X: \t a b \t", b"Y:c", b"Z:", b"W: "))
    assert request.headers[1:] == ((b"x", b"a b"), (b"y", b"c"), (b"z", b""), (b"w", b""))


def test_a_repeated_field_is_kept_twice() -> None:
    request = accepted(head(b"X: a", b"X: b"))
    assert list(request.header_values(b"x")) == [b"a", b"b"]


# --- expectations ---


def test_another_expectation_than_100_continue_is_417() -> None:
    assert refused(post(b"Expect: a-miracle", b"Content-Length: 2", body=b"xx")).status == 417
    assert refused(post(b"Expect: 100-continue, x", b"Content-Length: 2", body=b"xx")).status == 417


def test_an_expectation_in_http_1_0_is_ignored() -> None:
    assert accepted(head(b"Expect: x", line=b"GET / HTTP/1.0")).path == b"/"


# --- limits, which hold however the bytes arrive ---


def test_a_long_request_line_is_414() -> None:
    options = Http1Options(max_request_line_bytes=100)
    fits = b"GET /%b HTTP/1.1" % (b"x" * 86)
    assert len(fits) == 100
    assert accepted(head(line=fits), options).path == b"/" + b"x" * 86
    assert refused(head(line=b"x" + fits), options).status == 414
    assert refused(b"GET /" + b"x" * 50_000).status == 414


def test_a_long_field_is_431() -> None:
    options = Http1Options(max_field_bytes=100)
    fits = b"X: " + b"v" * 97
    assert accepted(head(fits), options).header(b"x") == b"v" * 97
    assert refused(head(fits + b"v"), options).status == 431


def test_too_many_fields_are_431() -> None:
    options = Http1Options(max_fields=10)
    assert len(accepted(head(*[b"X: a"] * 9), options).headers) == 10
    assert refused(head(*[b"X: a"] * 10), options).status == 431
    assert refused(head(*[b"A:"] * 5_000)).status == 431


def test_a_head_of_64_kib_in_one_read_is_431() -> None:
    options = Http1Options(max_head_bytes=1_000)
    filling = 1_000 - len(head(b"X: "))
    assert accepted(head(b"X: " + b"v" * filling), options).path == b"/"
    assert refused(head(b"X: " + b"v" * (filling + 1)), options).status == 431
    assert refused(head(*[b"X: " + b"v" * 8_000] * 8)).status == 431


@pytest.mark.parametrize(
    "filling",
    [
        b"Content-Length: 1" + b" " * 8_000 + b"1",
        b"X: a" + b" " * 8_000 + b"\x80",
        b"X: " + b"a " * 4_000 + b"\x80",
        b"a" * 8_000,
        b"Host: " + b"a" * 8_000 + b"!",
    ],
    ids=["length", "spaces", "words", "name", "host"],
)
def test_no_head_within_the_limits_takes_long_to_read(filling: bytes) -> None:
    raw = head(*[filling] * 3)
    best = 1.0
    for _ in range(5):
        begun = time.perf_counter()
        read(new_machine(), [raw])
        best = min(best, time.perf_counter() - begun)
    assert best < 0.02  # 50 ms is what one connection may cost in all


# --- heads that come again ---


def test_a_head_that_announces_a_body_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = post(b"X-Once: 1", b"Content-Length: 2")
    first = accepted(raw + b"ab")
    monkeypatch.delattr(request_head, "parse_canonical")
    again = read(new_machine(), [raw + b"cd"])
    assert isinstance(again, Request)
    assert again == replace(first, body=b"cd")
    with pytest.raises(NameError):
        read(new_machine(), [post(b"X-Once: 2", b"Content-Length: 2") + b"ab"])


def test_a_head_that_comes_again_is_held_against_the_limits_of_its_connection() -> None:
    raw = post(b"X: " + b"a" * 200, b"Content-Length: 2", body=b"ab")
    accepted(raw)
    assert refused(raw, Http1Options(max_field_bytes=100)).status == 431
    accepted(raw)


def test_a_head_that_is_refused_is_refused_again() -> None:
    raw = post(b"Content-Length: 2", b"Transfer-Encoding: chunked")
    accepted(post(b"Content-Length: 2", body=b"ab"))
    for _ in range(3):
        assert refused(raw).status == 400


def test_heads_that_come_again_are_kept_within_bounds() -> None:
    known = request_head._known
    for number in range(2 * request_head._MAX_KNOWN_HEADS):
        read_head(post(b"X: %d" % number, b"Content-Length: 1"), OPTIONS)
        assert len(known) <= request_head._MAX_KNOWN_HEADS
    assert max(map(len, known)) < 100
    long = post(b"X: " + b"a" * request_head._MAX_KNOWN_HEAD_BYTES, b"Content-Length: 1")
    read_head(long, OPTIONS)
    read_head(head(b"X: without a body"), OPTIONS)
    assert long not in known
    assert head(b"X: without a body") not in known
