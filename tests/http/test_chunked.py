import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.errors import LimitExceeded, RemoteProtocolError
from sse_server.http.chunked import LAST_CHUNK, ChunkedBody, chunked, plain
from sse_server.http.http1 import Http1Options
from tests.http.exchange import accepted, byte_by_byte, head, refused


def post(body: bytes) -> bytes:
    return head(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.1") + body


def read_by_h11(coded: bytes) -> bytes | None:
    """The body as h11 reads it; None: it is incomplete or refused."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(post(coded))
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return body
            elif event is h11.NEED_DATA:
                return None
    except h11.RemoteProtocolError:
        return None


def read_by_us(coded: bytes, pieces: list[bytes] | None = None) -> bytes | None:
    reader = ChunkedBody(1_000_000)
    buffer = bytearray()
    try:
        for piece in [coded] if pieces is None else pieces:
            buffer += piece
            body = reader.read(buffer)
            if body is not None:
                return body
    except (RemoteProtocolError, LimitExceeded):
        return None
    return None


# --- what we send ---


def test_parts_become_one_chunk() -> None:
    assert chunked([b"ab", b"", b"c" * 14]) == b"10\r\nab" + b"c" * 14 + b"\r\n"
    assert plain([b"ab", b"c"]) == b"abc"


def test_an_empty_chunk_is_never_sent_because_it_would_end_the_body() -> None:
    assert chunked([]) == b""
    assert chunked([b"", b""]) == b""


@given(st.lists(st.lists(st.binary(max_size=50), max_size=5), max_size=5))
def test_what_we_send_is_read_back(bursts: list[list[bytes]]) -> None:
    coded = b"".join(map(chunked, bursts)) + LAST_CHUNK
    body = b"".join(map(plain, bursts))
    assert read_by_h11(coded) == body
    assert read_by_us(coded) == body
    assert read_by_us(coded, byte_by_byte(coded)) == body


# --- what we read ---


@pytest.mark.parametrize(
    ("coded", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5\r\nhello\r\n000\r\n\r\n", b"hello"),
        (b"0000000000000005\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"A\r\n0123456789\r\nb\r\n01234567890\r\n0\r\n\r\n", b"012345678901234567890"),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
        (b'1;a=b;c="d"\r\nx\r\n0;e\r\n\r\n', b"x"),
        (b"1\r\nx\r\n0\r\nDigest: abc\r\nX:\r\n\r\n", b"x"),
    ],
)
def test_a_chunked_body_is_read(coded: bytes, body: bytes) -> None:
    assert accepted(post(coded)).body == body


def test_trailers_are_dropped() -> None:
    request = accepted(post(b"1\r\nx\r\n0\r\nX-Secret: 1\r\nHost: b\r\n\r\n"))
    assert request.header(b"x-secret") is None
    assert request.header(b"host") == b"a"


@pytest.mark.parametrize(
    "size",
    [b"", b"-1", b"+1", b"0x1", b"g", b"1 ", b" 1", b"1\t", b"1_0", b"\xb9", b"1,", b"1 ;a", b"1h"],
)
def test_a_malformed_chunk_size_is_refused(size: bytes) -> None:
    assert refused(post(size + b"\r\nx\r\n0\r\n\r\n")).status == 400


def test_a_chunk_size_of_17_digits_is_refused() -> None:
    assert refused(post(b"0" * 16 + b"1\r\nx\r\n0\r\n\r\n")).status == 400
    assert refused(post(b"1" + b"0" * 16 + b"\r\nx")).status == 400


def test_a_chunk_size_of_16_digits_is_too_large_and_not_waited_for() -> None:
    assert refused(post(b"f" * 16 + b"\r\nx")).status == 413


@pytest.mark.parametrize(
    "extension", [b";" + b"x" * 300, b";a\x00b", b";a\rb", b";a\nb", b";\x7f", b";a\r"]
)
def test_a_bad_or_overlong_chunk_extension_is_refused(extension: bytes) -> None:
    assert refused(post(b"1" + extension + b"\r\nx\r\n0\r\n\r\n")).status == 400


@pytest.mark.parametrize(
    "coded", [b"1\nx\n0\n\n", b"1\r\nx\n0\r\n\r\n", b"1\rx\r0\r\r", b"1\r\nx\r0\r\n\r\n"]
)
def test_a_bare_cr_or_lf_between_chunks_is_refused(coded: bytes) -> None:
    assert refused(post(coded)).status == 400


def test_a_chunk_that_is_longer_than_it_says_is_refused() -> None:
    assert refused(post(b"1\r\nxy\r\n0\r\n\r\n")).status == 400


@pytest.mark.parametrize(
    "trailer", [b" folded: x", b"X: a\r\n b", b"X : a", b"X", b": a", b"X: \x00", b"X: a\nb: c"]
)
def test_a_malformed_trailer_is_refused(trailer: bytes) -> None:
    assert refused(post(b"0\r\n" + trailer + b"\r\n\r\n")).status == 400


def test_trailers_are_bounded() -> None:
    assert accepted(post(b"0\r\n" + b"X: y\r\n" * 600 + b"\r\n")).body == b""
    assert refused(post(b"0\r\n" + b"X: y\r\n" * 800 + b"\r\n")).status == 431
    assert refused(post(b"0\r\nX: " + b"y" * 10_000 + b"\r\n\r\n")).status == 431


def test_a_chunked_body_is_bounded_in_all() -> None:
    options = Http1Options(max_body_bytes=10)
    assert accepted(post(b"5\r\nhello\r\n" * 2 + b"0\r\n\r\n"), options).body == b"hello" * 2
    assert refused(post(b"5\r\nhello\r\n" * 2 + b"1\r\nx\r\n0\r\n\r\n"), options).status == 413


def test_a_body_that_is_hardly_anything_but_framing_is_refused() -> None:
    assert refused(post(b"1;%b\r\nx\r\n" % (b"x" * 200) * 100 + b"0\r\n\r\n")).status == 400
    assert refused(post(b"1\r\nx\r\n" * 5_000 + b"0\r\n\r\n")).status == 400
    assert accepted(post(b"1\r\nx\r\n" * 1_000 + b"0\r\n\r\n")).body == b"x" * 1_000


# --- as h11 reads it ---

PIECES = st.sampled_from(
    [
        *[b"0", b"1", b"2", b"5", b"a", b"F", b"\r\n", b"\r", b"\n", b";", b";a=b", b" ", b"\t"],
        *[b"x", b"xy", b"hello", b"X: y", b":", b"0\r\n", b"0\r\n\r\n", b"1\r\nx\r\n", b"\x00"],
        b"\xff",
    ]
)


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_what_we_take_h11_takes_and_reads_the_same(coded: bytes) -> None:
    body = read_by_us(coded)
    assert read_by_us(coded, byte_by_byte(coded)) == body
    if body is not None:
        assert read_by_h11(coded) == body


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.integers(0, 200), st.binary())
def test_a_damaged_body_is_read_as_h11_reads_it_or_refused(
    chunks: list[bytes], at: int, damage: bytes
) -> None:
    coded = b"".join(chunked([chunk]) for chunk in chunks) + LAST_CHUNK
    coded = coded[:at] + damage + coded[at + len(damage) :]
    body = read_by_us(coded)
    assert read_by_us(coded, byte_by_byte(coded)) == body
    if body is not None:
        assert read_by_h11(coded) == body
