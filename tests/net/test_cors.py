"""Pages of other origins, on real sockets: what a browser is told, and what it is not."""

import pytest

from sse_server import ServerOptions
from sse_server.endpoints.cors import CorsOptions
from tests.net.conftest import StartServer
from tests.running_server import Answer, RunningServer

APP = "https://app.example"
STRANGERS = ["null", "https://evil.example", "https://app.example.evil", "http://app.example", "*"]
PREFLIGHT = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-evil\r\n"


@pytest.fixture
def running(start_server: StartServer) -> RunningServer:
    cors = CorsOptions(origins=(APP,))
    return start_server(ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, cors=cors))


def _ask(running: RunningServer, origin: str, method: str = "GET", fields: str = "") -> Answer:
    with running.client() as client:
        client.get("/events/news", f"Origin: {origin}\r\n{fields}", method=method)
        if method == "GET":
            return client.read_stream_head()
        return client.read_answer(head_only=method == "HEAD")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_configured_origin_may_read_with_credentials(running: RunningServer, method: str) -> None:
    fields = _ask(running, APP, method).fields
    assert fields["access-control-allow-origin"] == APP
    assert fields["access-control-allow-credentials"] == "true"
    assert fields["vary"] == "Origin"


@pytest.mark.parametrize("origin", STRANGERS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_an_origin_is_never_reflected_and_null_is_none(
    running: RunningServer, origin: str, method: str
) -> None:
    answer = _ask(running, origin, method, PREFLIGHT)
    assert not [name for name in answer.fields if name.startswith("access-control")]
    assert answer.fields["vary"] == "Origin"
    assert b"evil" not in answer.head


def test_a_preflight_is_answered(running: RunningServer) -> None:
    answer = _ask(running, APP, "OPTIONS", PREFLIGHT)
    assert answer.status == 204
    assert answer.fields["access-control-allow-origin"] == APP
    assert "POST" in answer.fields["access-control-allow-methods"]
    assert "x-evil" not in answer.fields["access-control-allow-headers"].lower()


@pytest.mark.parametrize("target", ["/nowhere", "/healthz", "/channels"])
def test_every_answer_varies_by_origin(running: RunningServer, target: str) -> None:
    with running.client() as client:
        client.get(target)
        assert "Origin" in client.read_answer().fields["vary"]


def test_without_configuration_nobody_of_another_origin_may(start_server: StartServer) -> None:
    running = start_server(ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2))
    answer = _ask(running, APP)
    assert not [name for name in answer.fields if name.startswith("access-control")]
