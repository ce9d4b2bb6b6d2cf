"""Requests that two readers could take for two different things, on real sockets.

Each is refused once and the connection closed, and the server goes on serving others.
"""

from collections.abc import Iterator

import pytest

from tests.running_server import LOOPS, RunningServer, run_server

GOOD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module", params=LOOPS)
def running(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """One server for all: none of these may do it any harm."""
    with run_server(request.param) as running:
        yield running


def _get(*lines: bytes, line: bytes = b"GET /healthz HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: localhost", *lines, b"", b""])


def _post(*lines: bytes, body: bytes = b"") -> bytes:
    return _get(*lines, line=b"POST /events/news HTTP/1.1") + body


CHUNKED = b"Transfer-Encoding: chunked"

REFUSED = {
    "content-length with transfer-encoding": (
        400,
        _post(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"),
    ),
    "transfer-encoding with content-length": (
        400,
        _post(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"),
    ),
    "two lengths that differ": (400, _post(b"Content-Length: 1", b"Content-Length: 2", body=b"a")),
    "two lengths that agree": (400, _post(b"Content-Length: 1", b"Content-Length: 1", body=b"a")),
    "two lengths in one field": (400, _post(b"Content-Length: 1, 1", body=b"a")),
    "length with plus sign": (400, _post(b"Content-Length: +1", body=b"a")),
    "length with minus sign": (400, _post(b"Content-Length: -1", body=b"a")),
    "hex length": (400, _post(b"Content-Length: 0x1", body=b"a")),
    "empty length": (400, _post(b"Content-Length:", body=b"a")),
    "length of 2^64+5": (400, _post(b"Content-Length: 18446744073709551621", body=b"aaaaa")),
    "length of 400 digits": (400, _post(b"Content-Length: " + b"1" * 400)),
    "length beyond the limit": (413, _post(b"Content-Length: 999999999999")),
    "obs-fold": (400, _get(b"X: a", b" b")),
    "obs-fold of a length": (400, _post(b"Content-Length:", b" 1", body=b"a")),
    "bare CR in a field": (400, _get(b"X: a\rContent-Length: 1")),
    "bare LF in a field": (400, _get(b"X: a\nContent-Length: 1")),
    "bare LF for every line end": (400, GOOD.replace(b"\r\n", b"\n")),
    "NUL in a value": (400, _get(b"X: a\0b")),
    "NUL in a target": (400, _get(line=b"GET /\0 HTTP/1.1")),
    "escape in a value": (400, _get(b"X: \x1b[2J")),
    "space before a colon": (400, _post(b"Content-Length : 1", body=b"a")),
    "tab before a colon": (400, _post(b"Transfer-Encoding\t: chunked", body=b"0\r\n\r\n")),
    "space before the first field": (400, b"GET / HTTP/1.1\r\n Host: localhost\r\n\r\n"),
    "field without a name": (400, _get(b": a")),
    "field without a colon": (400, _get(b"Nothing")),
    "chunk size of 17 digits": (400, _post(CHUNKED, body=b"00000000000000001\r\na\r\n0\r\n\r\n")),
    "chunk size with 0x": (400, _post(CHUNKED, body=b"0x1\r\na\r\n0\r\n\r\n")),
    "chunk size with a sign": (400, _post(CHUNKED, body=b"+1\r\na\r\n0\r\n\r\n")),
    "chunk size with a space": (400, _post(CHUNKED, body=b"1 \r\na\r\n0\r\n\r\n")),
    "chunk size that is empty": (400, _post(CHUNKED, body=b"\r\na\r\n0\r\n\r\n")),
    "chunk size of 2^64-1": (413, _post(CHUNKED, body=b"ffffffffffffffff\r\na")),
    "chunk longer than it says": (400, _post(CHUNKED, body=b"1\r\nabc\r\n0\r\n\r\n")),
    "chunk line ended by LF": (400, _post(CHUNKED, body=b"1\na\r\n0\r\n\r\n")),
    "chunk extension without end": (400, _post(CHUNKED, body=b"1;" + b"x" * 9_000)),
    "chunk extension with a bare CR": (400, _post(CHUNKED, body=b"1;\rx\r\na\r\n0\r\n\r\n")),
    "chunks of one byte": (400, _post(CHUNKED, body=b"1\r\na\r\n" * 9_000 + b"0\r\n\r\n")),
    "trailer without a colon": (400, _post(CHUNKED, body=b"0\r\nnothing\r\n\r\n")),
    "trailers without end": (431, _post(CHUNKED, body=b"0\r\n" + b"x: y\r\n" * 2_000)),
    "transfer-encoding gzip": (501, _post(b"Transfer-Encoding: gzip")),
    "transfer-encoding chunked twice": (501, _post(b"Transfer-Encoding: chunked, chunked")),
    "transfer-encoding xchunked": (501, _post(b"Transfer-Encoding: xchunked")),
    "transfer-encoding in HTTP/1.0": (
        400,
        b"POST /events/news HTTP/1.0\r\nHost: localhost\r\n" + CHUNKED + b"\r\n\r\n0\r\n\r\n",
    ),
    "no length in HTTP/1.0": (411, b"POST /events/news HTTP/1.0\r\nHost: localhost\r\n\r\n"),
    "no host": (400, b"GET /healthz HTTP/1.1\r\n\r\n"),
    "two hosts": (400, _get(b"Host: localhost")),
    "host with a path": (400, b"GET /healthz HTTP/1.1\r\nHost: localhost/x\r\n\r\n"),
    "host with a user": (400, b"GET /healthz HTTP/1.1\r\nHost: a@localhost\r\n\r\n"),
    "empty host": (400, b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n"),
    "authority-form": (501, _get(line=b"CONNECT localhost:80 HTTP/1.1")),
    "authority-form of a GET": (400, _get(line=b"GET localhost:80 HTTP/1.1")),
    "asterisk-form of a GET": (400, _get(line=b"GET * HTTP/1.1")),
    "absolute-form with a user": (400, _get(line=b"GET http://a@localhost/ HTTP/1.1")),
    "target with a fragment": (400, _get(line=b"GET /healthz#a HTTP/1.1")),
    "HTTP/0.9": (400, b"GET /healthz\r\n\r\n"),
    "HTTP/0.9 in the request line": (505, _get(line=b"GET /healthz HTTP/0.9")),
    "HTTP/2.0 in the request line": (505, _get(line=b"GET /healthz HTTP/2.0")),
    "HTTP/3.0 in the request line": (505, _get(line=b"GET /healthz HTTP/3.0")),
    "HTTP/1.10 in the request line": (400, _get(line=b"GET /healthz HTTP/1.10")),
    "unknown expectation": (417, _get(b"Expect: 200-ok")),
    "TLS on a cleartext port": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "request line of 9,000 bytes": (414, _get(line=b"GET /" + b"a" * 9_000 + b" HTTP/1.1")),
    "request line without end": (414, b"GET /" + b"a" * 9_000),
    "field of 9,000 bytes": (431, _get(b"X: " + b"a" * 9_000)),
    "101 fields": (431, _get(*[b"X: a"] * 100)),
    "10,000 fields in one read": (431, _get(*[b"X: a"] * 10_000)),
    "head of 64 KiB in one read": (431, _get(*[b"X: " + b"a" * 8_000] * 8)),
}


def _serves(running: RunningServer) -> bool:
    with running.client() as client:
        client.send(GOOD)
        return client.read_answer().status == 200


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("step", [None, 7], ids=["whole", "in pieces"])
def test_ambiguity_is_refused_once_and_the_connection_closed(
    running: RunningServer, case: str, step: int | None
) -> None:
    status, request = REFUSED[case]
    if step is not None and len(request) > 2_000:
        step = len(request) // 5
    with running.client() as client:
        # What follows would be the smuggled request: it must never be answered.
        data = request + GOOD
        for start in range(0, len(data), step or len(data)):
            client.send(data[start : start + (step or len(data))])
        answer = client.read_answer()
        assert answer.status == status, answer
        assert answer.fields["connection"] == "close"
        assert answer.fields["content-type"] == "application/json"
        assert client.read_to_end() == b""
    assert _serves(running)
    assert running.server.hub.published == 0


UNAMBIGUOUS = {
    "absolute-form": (200, _get(line=b"GET http://localhost/healthz HTTP/1.1")),
    "asterisk-form of OPTIONS": (204, _get(line=b"OPTIONS * HTTP/1.1")),
    "empty line before the request": (200, b"\r\n" + GOOD),
    "HTTP/1.2 in the request line": (200, _get(line=b"GET /healthz HTTP/1.2")),
    "spaces around a value": (200, _get(b"X: \t a \t")),
    "bad percent-encoding": (400, _get(line=b"GET /events/%zz HTTP/1.1")),
    "percent-encoded NUL": (400, _get(line=b"GET /events/a%00b HTTP/1.1")),
    "no body where one was meant": (400, _post(CHUNKED, body=b"0;a=b\r\nX: y\r\n\r\n")),
}


@pytest.mark.parametrize("case", UNAMBIGUOUS)
def test_what_is_unambiguous_is_answered_and_the_connection_kept(
    running: RunningServer, case: str
) -> None:
    status, request = UNAMBIGUOUS[case]
    if case == "no body where one was meant":
        request = request.replace(b"/events/news", b"/send")
    with running.client() as client:
        client.send(request + GOOD)
        assert client.read_answer().status == status
        assert client.read_answer().status == 200


def test_http_1_0_gets_one_answer(running: RunningServer) -> None:
    with running.client() as client:
        client.send(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n" + GOOD)
        assert client.read_answer().status == 200
        assert client.read_to_end() == b""


def test_the_preface_of_http_2_behind_a_request_is_refused_as_a_version(
    running: RunningServer,
) -> None:
    with running.client() as client:
        client.send(GOOD + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert client.read_answer().status == 200
        assert client.read_answer().status == 505
        assert client.read_to_end() == b""


def test_another_protocol_is_closed_without_an_answer(running: RunningServer) -> None:
    with running.client() as client:
        client.send(b"HELO example.org SMTP\r\n")
        assert client.read_to_end() == b""
    assert _serves(running)


@pytest.mark.parametrize("case", ["chunk with an extension", "trailers"])
def test_chunked_bodies_are_read(case: str) -> None:
    body = {
        "chunk with an extension": b"5;a=b\r\nhello\r\n0;c\r\n\r\n",
        "trailers": b"5\r\nhello\r\n0\r\nX: y\r\nContent-Length: 3\r\n\r\n",
    }[case]
    with run_server("asyncio") as fresh, fresh.client() as client:  # others count what is published
        client.send(_post(CHUNKED, body=body) + GOOD)
        assert client.read_answer().status == 200
        assert client.read_answer().status == 200
