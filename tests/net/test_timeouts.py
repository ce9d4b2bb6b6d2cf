"""How long a client may take: absolute times, which sending slowly does not stretch."""

import time

import pytest

from sse_server import ServerOptions
from sse_server.net.site import ConnectionOptions
from tests.net.conftest import StartServer
from tests.running_server import Client, wait_until

pytestmark = pytest.mark.usefixtures("fast_timer")

SHORT = 0.3
HEAD = b"POST /events/news HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"


def _options(connection: ConnectionOptions) -> ServerOptions:
    return ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, connection=connection)


def _drip(client: Client, data: bytes) -> float:
    """Send a byte every 10 ms until the server answers; returns how long that took."""
    begun = time.monotonic()
    client.socket.settimeout(0.01)
    for at in range(len(data)):
        client.send(data[at : at + 1])
        try:
            client.buffer += client.socket.recv(1)
        except TimeoutError:
            continue
        break
    client.socket.settimeout(10)
    return time.monotonic() - begun


def test_a_dripped_head_is_answered_408(start_server: StartServer) -> None:
    running = start_server(_options(ConnectionOptions(head_timeout_seconds=SHORT)))
    with running.client() as client:
        took = _drip(client, b"GET / HTTP/1.1\r\nX: " + b"a" * 500)
        assert client.read_answer().status == 408
        assert client.read_to_end() == b""
    assert SHORT - 0.05 < took < SHORT + 1.0


def test_a_dripped_body_is_answered_408(start_server: StartServer) -> None:
    running = start_server(_options(ConnectionOptions(body_timeout_seconds=SHORT)))
    with running.client() as client:
        client.send(HEAD)
        took = _drip(client, b"a" * 500)
        assert client.read_answer().status == 408
        assert client.read_to_end() == b""
    assert SHORT - 0.05 < took < SHORT + 1.0


def test_a_client_that_sends_nothing_is_closed_silently(start_server: StartServer) -> None:
    running = start_server(_options(ConnectionOptions(head_timeout_seconds=SHORT)))
    with running.client() as client:
        assert client.read_to_end() == b""


def test_an_idle_connection_is_closed_silently(start_server: StartServer) -> None:
    running = start_server(_options(ConnectionOptions(idle_timeout_seconds=SHORT)))
    with running.client() as client:
        client.get("/healthz")
        assert client.read_answer().status == 200
        begun = time.monotonic()
        assert client.read_to_end() == b""
        assert SHORT - 0.05 < time.monotonic() - begun < SHORT + 1.0


def test_idle_connections_give_way_when_others_wait(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sse_server.net.site._SPARED_IDLE_SECONDS", 0.1)
    running = start_server(_options(ConnectionOptions(max_connections=2)))
    with running.subscriber() as stream, running.client() as idle, running.client() as waits:
        idle.get("/healthz")
        assert idle.read_answer().status == 200
        waits.get("/healthz")
        assert idle.read_to_end() == b""
        assert waits.read_answer().status == 200
        running.publish("news", "one")
        assert stream.read_events(1) == ["one"]


def test_an_idle_connection_has_a_while_to_go_on_when_others_wait(
    start_server: StartServer,
) -> None:
    running = start_server(_options(ConnectionOptions(max_connections=1)))
    with running.client() as idle, running.client():
        for _ in range(3):
            idle.get("/healthz")
            assert idle.read_answer().status == 200
            time.sleep(SHORT)


def test_a_stream_has_no_deadline(start_server: StartServer) -> None:
    running = start_server(
        _options(ConnectionOptions(head_timeout_seconds=0.1, idle_timeout_seconds=0.1))
    )
    with running.subscriber() as client:
        time.sleep(SHORT)
        running.publish("news", "one")
        assert client.read_events(1) == ["one"]


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_busy_pipeline_is_not_cut_although_each_read_ends_inside_a_request(
    start_server: StartServer, part: str
) -> None:
    running = start_server(
        _options(ConnectionOptions(head_timeout_seconds=SHORT, body_timeout_seconds=SHORT))
    )
    request = HEAD + b"a" * 1_000
    cut = 20 if part == "head" else len(HEAD) + 500
    with running.client() as client:
        client.send(request[:cut])
        for _ in range(12):
            time.sleep(0.05)
            client.send(request[cut:] + request[:cut])
            assert client.read_answer().status == 200


def test_a_refused_client_that_goes_on_sending_is_cut_in_the_end(start_server: StartServer) -> None:
    running = start_server(_options(ConnectionOptions(linger_seconds=SHORT)))
    with running.client() as client:
        client.send(HEAD.replace(b"1000", b"99999999"))
        assert client.read_answer().status == 413
        with pytest.raises(ConnectionError):
            for _ in range(1_000):
                client.send(b"a" * 1_000)
                time.sleep(0.01)
    wait_until(lambda: running.site_sizes == (0, 0), "it is gone")
