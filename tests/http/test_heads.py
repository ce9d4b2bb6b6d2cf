import h11
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sse_server.errors import LocalProtocolError
from sse_server.http.chunked import LAST_CHUNK, chunked
from sse_server.http.heads import (
    CONTINUE,
    EVENT_STREAM_FIELDS,
    event_stream_head,
    field_lines,
    response_bytes,
)
from sse_server.http.response import Response
from tests.http.exchange import DATE

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


def client_of(method: str) -> h11.Connection:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    return client


def read_answer(client: h11.Connection) -> Answer:
    """The next answer, whole, as h11 reads it in the part of the client."""
    answer = client.next_event()
    assert isinstance(answer, h11.Response), answer
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage), event
    return answer.status_code, list(answer.headers), body


def written_by_h11(response: Response, method: str, *, close: bool) -> Answer:
    """The same answer, written by h11 and read back."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    server.next_event()
    server.next_event()
    fields = list(response.headers)
    if response.status not in {204, 304}:
        fields.append((b"Content-Length", b"%d" % len(response.body)))
    fields.append((b"Date", DATE))
    if close:
        fields.append((b"Connection", b"close"))
    written = server.send(h11.Response(status_code=response.status, headers=fields)) or b""
    if method != "HEAD" and response.status not in {204, 304}:
        written += server.send(h11.Data(data=response.body)) or b""
    written += server.send(h11.EndOfMessage()) or b""
    client = client_of(method)
    client.receive_data(written)
    return read_answer(client)


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"content-type", b"allow", b"vary", b"x-a", b"retry-after", b"etag"]),
        st.from_regex(r"([!-~]([ -~]{0,20}[!-~])?)?", fullmatch=True).map(str.encode),
    ),
    max_size=5,
).map(tuple)
STATUSES = st.sampled_from([200, 201, 202, 204, 304, 400, 404, 405, 413, 429, 431, 500, 503, 505])


@given(
    STATUSES,
    HEADERS,
    st.binary(max_size=200),
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.booleans(),
)
def test_what_is_written_here_h11_reads_as_if_it_had_written_it(
    status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes, method: str, close: bool
) -> None:
    assume(body or method != "HEAD")  # the length of nothing is left out: a test of its own
    response = Response(status, headers, body)
    written = response_bytes(response, date=DATE, close=close, head_only=method == "HEAD")
    client = client_of(method)
    client.receive_data(written)
    assert read_answer(client) == written_by_h11(response, method, close=close)
    expected = h11.MUST_CLOSE if close else h11.DONE
    assert client.our_state is expected
    assert client.trailing_data == (b"", False)


def test_the_reason_phrase_is_that_of_the_status() -> None:
    written = response_bytes(Response(404), date=None, close=False)
    assert written == b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    assert response_bytes(Response(299), date=None, close=False).startswith(b"HTTP/1.1 299 \r\n")


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_content_has_neither_length_nor_body(status: int) -> None:
    written = response_bytes(Response(status, (), b"dropped"), date=None, close=False)
    assert b"Content-Length" not in written
    assert written.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x", b"a\r\nSet-Cookie: b"),
        (b"x", b"a\nb"),
        (b"x", b"a\rb"),
        (b"x", b"a\x00"),
        (b"x", b" a"),
        (b"x", b"a "),
        (b"x\r\ny", b"a"),
        (b"x y", b"a"),
        (b"x:", b"a"),
        (b"", b"a"),
    ],
)
def test_a_field_that_would_end_its_line_early_is_a_bug_and_not_sent(
    name: bytes, value: bytes
) -> None:
    with pytest.raises(LocalProtocolError):
        field_lines(((name, value),))


@pytest.mark.parametrize("name", [b"Content-Length", b"transfer-encoding", b"connection", b"date"])
def test_a_field_that_the_machine_writes_is_not_taken_from_an_endpoint(name: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        response_bytes(Response(200, ((name, b"1"),)), date=None, close=False)


def test_the_fields_that_are_remembered_are_bounded() -> None:
    for number in range(2_000):
        field_lines(((b"x", b"%d" % number),))
    assert field_lines.cache_info().currsize <= 256


@given(HEADERS, st.lists(st.binary(min_size=1, max_size=50), max_size=5))
def test_h11_reads_an_event_stream(
    headers: tuple[tuple[bytes, bytes], ...], bursts: list[bytes]
) -> None:
    client = client_of("GET")
    client.receive_data(event_stream_head(headers, date=DATE, version=b"1.1"))
    for burst in bursts:
        client.receive_data(chunked([burst]))
    client.receive_data(LAST_CHUNK)
    status, fields, body = read_answer(client)
    assert (status, body) == (200, b"".join(bursts))
    assert fields == [
        *EVENT_STREAM_FIELDS,
        (b"connection", b"keep-alive"),
        (b"transfer-encoding", b"chunked"),
        *headers,
        (b"date", DATE),
    ]


def test_h11_reads_an_event_stream_of_http_1_0_until_the_end() -> None:
    client = client_of("GET")
    client.receive_data(event_stream_head((), date=None, version=b"1.0") + b"data: x\n\n")
    client.receive_data(b"")
    status, fields, body = read_answer(client)
    assert (status, body) == (200, b"data: x\n\n")
    assert fields == [*EVENT_STREAM_FIELDS, (b"connection", b"close")]


def test_h11_reads_the_interim_answer() -> None:
    client = client_of("GET")
    client.receive_data(CONTINUE)
    interim = client.next_event()
    assert isinstance(interim, h11.InformationalResponse)
    assert interim.status_code == 100


def test_the_answer_to_head_has_no_length_where_that_of_get_has_none() -> None:
    # RFC 9110 section 8.6: it would have to be the one that the answer to GET has.
    stream = response_bytes(
        Response(200, EVENT_STREAM_FIELDS), date=None, close=False, head_only=True
    )
    assert b"content-length" not in stream.lower()
    page = response_bytes(Response(200, (), b"page"), date=None, close=False, head_only=True)
    assert b"content-length: 4\r\n" in page.lower()
