"""What else an attacker tries: upgrades, bodies where none belong, long queries, waiting."""

import time

import pytest

from sse_server import ServerOptions
from sse_server.net.site import ConnectionOptions
from tests.net.conftest import StartServer
from tests.running_server import RunningServer

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

UPGRADES = {
    "h2c": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "websocket": "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "TLS": "Connection: upgrade\r\nUpgrade: TLS/1.2\r\n",
}


@pytest.mark.parametrize("protocol", UPGRADES)
def test_an_upgrade_is_ignored(running: RunningServer, protocol: str) -> None:
    with running.client() as client:
        client.get("/healthz", UPGRADES[protocol])
        answer = client.read_answer()
        assert answer.status == 200
        assert "upgrade" not in answer.fields
        client.get("/healthz")
        assert client.read_answer().status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_where_none_is_due_is_read_and_never_taken_for_a_request(
    running: RunningServer, method: str, *, chunked: bool
) -> None:
    framing, body = f"Content-Length: {len(SMUGGLED)}\r\n", SMUGGLED
    if chunked:
        framing = "Transfer-Encoding: chunked\r\n"
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    with running.client() as client:
        client.get("/healthz", framing, method=method)
        client.send(body)
        client.get("/readyz", "Connection: close\r\n")
        first = client.read_answer(head_only=method == "HEAD")
        assert first.status == {"OPTIONS": 204, "DELETE": 405}.get(method, 200)
        assert client.read_answer().status == 200
        assert client.read_to_end() == b""


def test_a_body_behind_a_request_for_a_stream_is_read_first(running: RunningServer) -> None:
    with running.client() as client:
        client.get("/events/news", f"Content-Length: {len(SMUGGLED)}\r\n")
        client.send(SMUGGLED)
        client.read_stream_head()
        running.publish("news", "one")
        assert client.read_events(1) == ["one"]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/events?" + "channel=a&" * 800, 200),  # one channel, named often
        ("/events?" + "&".join(f"channel={n}" for n in range(500)), 400),
        ("/events?" + "&" * 8_000, 200),
        ("/events?" + "%41" * 2_600, 200),
        ("/events?channel=" + "%zz" * 2_600, 400),
        ("/events/" + "a/" * 4_000, 400),
        ("/events?" + "channel=a&" * 820, 414),
    ],
    ids=["repeated", "channels", "separators", "encoded", "badly encoded", "path", "too long"],
)
def test_a_long_address_is_answered_and_holds_nobody_up(
    running: RunningServer, target: str, status: int
) -> None:
    with running.client() as client:
        client.get(target)
        if status == 200:
            client.read_stream_head()
        else:
            assert client.read_answer().status == status
    with running.client() as client:
        client.get("/healthz")
        assert client.read_answer().status == 200


def test_every_expectation_is_told_once_to_continue(running: RunningServer) -> None:
    request = "Expect: 100-continue\r\nContent-Length: 5\r\n"
    with running.client() as client:
        for _ in range(20):
            client.get("/events/news", request, method="POST")
            assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            for byte in b"hello":
                client.send(bytes([byte]))
            assert client.read_answer().status == 200
        # Who does not wait is not told: an answer that nobody expects would be taken for the next.
        client.send(20 * f"POST /events/news HTTP/1.1\r\nHost: a\r\n{request}\r\nhello")
        received = [client.read_answer().status for _ in range(20)]
        assert received == [403] * 20  # another name than localhost


@pytest.mark.usefixtures("fast_timer")
def test_who_expects_to_continue_and_does_not_is_answered_408(start_server: StartServer) -> None:
    running = start_server(
        ServerOptions(bind=("127.0.0.1:0",), connection=ConnectionOptions(body_timeout_seconds=0.3))
    )
    with running.client() as client:
        begun = time.monotonic()
        client.get("/events/news", "Expect: 100-continue\r\nContent-Length: 5\r\n", method="POST")
        assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert client.read_answer().status == 408
        assert client.read_to_end() == b""
        assert time.monotonic() - begun > 0.25


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /events/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"DELETE /events/news HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"POST /events/news HTTP/1.0\r\nHost: localhost\r\n\r\n", 411),
        (b"POST /send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388609\r\n\r\n", 413),
        (b"GET /" + b"a" * 8_200 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (
            b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
            415,
        ),
        (
            b"POST /events/a HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n\r\n",
            415,
        ),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: 200-ok\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431),
        (b"BREW /events/news HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
    ],
)
def test_each_refusal_has_its_status(
    running: RunningServer, request_bytes: bytes, status: int
) -> None:
    with running.client() as client:
        client.send(request_bytes)
        answer = client.read_answer()
        assert answer.status == status
        assert answer.fields["content-type"] == "application/json"
        assert b'"error":' in answer.body
    with running.client() as client:
        client.get("/healthz")
        assert client.read_answer().status == 200
