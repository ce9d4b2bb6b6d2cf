"""nginx before us: HTTP/2 over TLS at the side of its clients, HTTP/1.1 at ours."""

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from h2.errors import ErrorCodes

from sse_server import ServerOptions
from sse_server.net.tls import TlsOptions
from tests.conftest import find_free_port, require_command
from tests.http2_client import Http2Client
from tests.peers.programs import run, running, running_nginx
from tests.running_server import TIMEOUT_SECONDS, RunningServer, run_server, wait_until

SERVERS = """
    upstream server {{ server 127.0.0.1:{upstream}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {tls.cert};
        ssl_certificate_key {tls.key};
        location / {{
            proxy_pass http://server;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            {buffering}
        }}
    }}
"""
BUFFERING = {
    "off": "proxy_buffering off;",
    "left to X-Accel-Buffering": "",
}


@dataclass(frozen=True, slots=True)
class Front:
    """nginx, and the server behind it."""

    behind: RunningServer
    port: int
    cert: str
    folder: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def curl(self) -> list[str]:
        """curl, which speaks HTTP/2 as browsers do."""
        curl = require_command("curl", package="curl")
        return [curl, "-sN", "--http2", "--cacert", self.cert]

    def follow(self, *options: str) -> AbstractContextManager[Path]:
        """Open a stream, with its head shown, until the context is left."""
        return running(self.folder, *self.curl, "-i", *options, f"{self.url}/events/news")

    def wait_for_streams(self, count: int) -> None:
        wait_until(lambda: self.behind.server.hub.subscribers == count, f"{count} are open")


@pytest.fixture(params=list(BUFFERING.values()), ids=list(BUFFERING))
def front(
    request: pytest.FixtureRequest, tmp_path: Path, certificate: TlsOptions
) -> Iterator[Front]:
    port = find_free_port()
    options = ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, allow_anonymous=True)
    with run_server("uvloop", options) as behind:
        servers = SERVERS.format(
            upstream=behind.port, port=port, tls=certificate, buffering=request.param
        )
        assert certificate.cert is not None
        with running_nginx(tmp_path, port, servers):
            yield Front(behind, port, certificate.cert, tmp_path)


def shows(output: Path, *texts: bytes) -> bool:
    """Whether these have come, each behind the one before."""
    return re.search(b".*".join(map(re.escape, texts)), output.read_bytes(), re.DOTALL) is not None


def wait_for(condition: Callable[[], bool], output: Path) -> None:
    wait_until(condition, f"it is shown: {output.read_text()}")


def test_events_come_as_they_are_published(front: Front) -> None:
    with front.follow() as output:
        wait_for(partial(shows, output, b"HTTP/2 200", b": stream is open\n"), output)
        for number in range(5):  # each is there before the next one is published
            front.behind.publish("news", f"number {number}")
            wait_for(partial(shows, output, b"data: number %d\n\n" % number), output)
        assert front.behind.site_sizes == (0, 1)


def test_a_post_comes_through(front: Front) -> None:
    with front.follow() as output:
        front.wait_for_streams(1)
        body = "x" * 100_000  # more than nginx and a window of HTTP/2 take at once
        answer = run(
            *front.curl, "-w", "\n%{http_version}", "--data-binary", body,
            f"{front.url}/events/news",
        )  # fmt: skip
        told, version = answer.rsplit("\n", 1)
        assert version == "2"
        assert "id" in json.loads(told)
        wait_for(partial(shows, output, b"data: " + body.encode() + b"\n\n"), output)


def test_a_client_that_comes_back_gets_what_it_missed(front: Front) -> None:
    with front.follow() as output:
        front.wait_for_streams(1)
        front.behind.publish("news", "seen")
        wait_for(partial(shows, output, b"data: seen\n\n"), output)
    last_id = re.findall(rb"^id: (.+)$", output.read_bytes(), re.MULTILINE)[-1]
    front.wait_for_streams(0)
    front.behind.publish("news", "missed", "missed, too")
    with front.follow("-H", f"Last-Event-ID: {last_id.decode()}") as output:
        wait_for(partial(shows, output, b"data: missed\n", b"data: missed, too\n\n"), output)
        front.behind.publish("news", "live")
        wait_for(partial(shows, output, b"data: live\n\n"), output)
    assert b"data: seen" not in output.read_bytes()
    assert b"event: gap" not in output.read_bytes()


def test_who_leaves_is_gone(front: Front) -> None:
    with front.follow(), front.follow():
        front.wait_for_streams(2)
    front.wait_for_streams(0)
    wait_until(lambda: front.behind.site_sizes[1] == 0, "no stream is left")


def test_one_stream_of_a_connection_leaves_and_the_others_stay(front: Front) -> None:
    context = ssl.create_default_context(cafile=front.cert)
    context.set_alpn_protocols(["h2"])
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", front.port), TIMEOUT_SECONDS),
        server_hostname="localhost",
    ) as sock:
        assert sock.selected_alpn_protocol() == "h2"
        client = Http2Client(sock)
        stays, leaves = client.subscribe(), client.subscribe()
        front.wait_for_streams(2)
        client.h2.reset_stream(leaves, ErrorCodes.CANCEL)
        client.flush()
        front.wait_for_streams(1)
        front.behind.publish("news", "still here")
        assert client.read_events(stays, 1) == ["still here"]
    front.wait_for_streams(0)
