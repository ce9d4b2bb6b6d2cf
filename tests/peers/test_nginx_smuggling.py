"""Ambiguous requests through a real nginx: whatever it passes on, both see the same requests.

nginx keeps one connection to the server. If the two ever disagreed on where a request ends, the
server would answer a request that nginx has not sent, and the next client would get that answer.
"""

import contextlib
import socket
from collections.abc import Awaitable, Iterator
from pathlib import Path

import pytest

from sse_server import ServerOptions
from sse_server.http.request import Request
from sse_server.http.response import Answer
from tests.conftest import find_free_port
from tests.net.test_framing import GOOD, REFUSED, UNAMBIGUOUS
from tests.peers.programs import running_nginx
from tests.running_server import LOOPS, Client, RunningServer, run_server

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
SERVERS = """
    upstream server {{ server 127.0.0.1:{upstream}; keepalive 1; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://server;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering {buffering};
            proxy_next_upstream off;
        }}
    }}
"""


class Proxied:
    """A server behind nginx, and what it has been asked."""

    def __init__(self, running: RunningServer, port: int) -> None:
        self.port = port
        self.paths: list[bytes] = []
        self._endpoint = running.server._site.endpoint
        running.server._site.endpoint = self._answer

    def client(self) -> Client:

        return Client(socket.create_connection(("127.0.0.1", self.port)))

    def _answer(self, request: Request) -> Answer | Awaitable[Answer]:
        self.paths.append(request.path)
        return self._endpoint(request)


@pytest.fixture(scope="module", params=[(loop, way) for loop in LOOPS for way in ("on", "off")])
def proxied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    loop, buffering = request.param
    folder: Path = tmp_path_factory.mktemp("nginx")
    port = find_free_port()
    options = ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, allow_anonymous=True)
    with run_server(loop, options) as running:
        servers = SERVERS.format(port=port, upstream=running.port, buffering=buffering)
        with running_nginx(folder, port, servers):
            yield Proxied(running, port)


@pytest.mark.parametrize("case", [*REFUSED, *UNAMBIGUOUS])
def test_nginx_and_the_server_see_the_same_requests(proxied: Proxied, case: str) -> None:
    _, request = (REFUSED | UNAMBIGUOUS)[case]
    proxied.paths.clear()
    with proxied.client() as client:
        client.send(request + SMUGGLED)
        answers = _read(client, b"", 0.1)  # nginx keeps it, or waits for more of a body
        # Whatever we were asked, nginx knows of, and somebody waits for the answer.
        while len(proxied.paths) > max(answers.count(b"HTTP/1.1 "), answers != b""):  # or HTTP/0.9
            more = _read(client, answers, 5.0)
            assert more != answers, (proxied.paths, answers)
            answers = more
    assert b"HTTP/1.1 500" not in answers
    for _ in range(3):  # over the connection that nginx has kept
        with proxied.client() as client:
            client.send(GOOD)
            answer = client.read_answer()
            assert answer.status == 200
            assert answer.body.startswith(b'{"status":"ok"'), answer
    assert proxied.paths[-3:] == [b"/healthz"] * 3


def _read(client: Client, answers: bytes, seconds: float) -> bytes:
    """What has been answered so far: until the end, or until nothing comes for so long."""
    client.socket.settimeout(seconds)
    with contextlib.suppress(TimeoutError, ConnectionError):
        while data := client.socket.recv(65_536):
            answers += data
            client.socket.settimeout(0.1)
    client.socket.settimeout(10)
    return answers
