"""HTTP/2 with programs that people have: curl, nghttp, h2load, httpx, Node, and Caddy before us."""

import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sse_server import Http2Options, ServerOptions
from sse_server.net.tls import TlsOptions
from sse_server.wire.parser import EventStreamParser
from tests.conftest import find_free_port, require_command
from tests.peers.conftest import NodeRun
from tests.peers.programs import accepts, run, running
from tests.running_server import RunningServer, run_server, wait_until


@dataclass(frozen=True, slots=True)
class Address:
    """A server, and how to reach it."""

    running: RunningServer
    url: str
    cert: str | None
    """What a client is to trust; None: in clear."""

    @property
    def curl(self) -> list[str]:
        """How curl is told to speak HTTP/2."""
        return ["--http2-prior-knowledge"] if self.cert is None else ["--cacert", self.cert]


@pytest.fixture(params=["h2c", "h2"])
def address(request: pytest.FixtureRequest, certificate: TlsOptions) -> Iterator[Address]:
    """A server in clear, and one over TLS."""
    tls = certificate if request.param == "h2" else TlsOptions()
    options = ServerOptions(
        bind=("127.0.0.1:0",),
        drain_seconds=5.0,
        tls=tls,
        allow_anonymous=True,
        http2=Http2Options(max_concurrent_streams=300),
    )
    with run_server("uvloop", options) as running:
        yield Address(running, f"{running.server.scheme}://127.0.0.1:{running.port}", tls.cert)


Begin = Callable[..., Path]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Starts a program that goes on until the test ends; returns the file with what it prints."""
    with ExitStack() as ends:
        yield lambda *command: ends.enter_context(running(tmp_path, *command))


def wait_for_streams(address: Address, count: int) -> None:
    wait_until(lambda: address.running.server.hub.subscribers == count, f"{count} streams are open")


# --- curl -----------------------------------------------------------------------------------------


def test_curl_follows_and_publishes(address: Address, begin: Begin) -> None:
    curl = require_command("curl", package="curl")
    shown = begin(curl, "-sN", *address.curl, f"{address.url}/events/news")
    wait_for_streams(address, 1)
    answer = run(
        curl, "-s", *address.curl, "-w", "%{http_version}", "-d", "hello",
        f"{address.url}/events/news",
    )  # fmt: skip
    assert answer.endswith("2")
    wait_until(lambda: b"data: hello\n\n" in shown.read_bytes(), "the event is shown")
    assert shown.read_bytes().startswith(b": stream is open\nretry: ")


def test_curl_sends_a_large_body(address: Address, tmp_path: Path) -> None:
    curl = require_command("curl", package="curl")
    body = tmp_path / "body"
    body.write_bytes(b"".join(b'{"channel":"big","data":"%d"}\n' % n for n in range(10_000)))
    answer = run(
        curl, "-s", *address.curl, "-H", "Content-Type: application/x-ndjson",
        "--data-binary", f"@{body}", f"{address.url}/events",
    )  # fmt: skip
    assert json.loads(answer)["published"] == 10_000


# In clear this curl waits for the end of the first transfer before it sends the second.
@pytest.mark.parametrize("address", ["h2"], indirect=True)
def test_curl_has_many_streams_on_one_connection(address: Address, begin: Begin) -> None:
    curl = require_command("curl", package="curl")
    urls = [f"{address.url}/events/news?n={number}" for number in range(20)]
    shown = begin(curl, "-sN", "--parallel", "--parallel-max", "20", *address.curl, *urls)
    wait_for_streams(address, 20)
    assert address.running.site_sizes == (1, 0)
    address.running.publish("news", "to all")
    wait_until(lambda: shown.read_bytes().count(b"data: to all\n") == 20, "all are shown it")


def test_curl_is_told_at_shutdown(address: Address, tmp_path: Path) -> None:
    curl = require_command("curl", package="curl")
    command = [curl, "-sSN", *address.curl, f"{address.url}/events/news"]
    shown = run_until_shutdown(address, tmp_path, 1, *command)
    assert shown.count(b"#") == 100 * sum(range(40))
    assert b"event: server-shutdown\n" in shown


# --- nghttp2's tools ------------------------------------------------------------------------------


def test_nghttp_with_tiny_windows_gets_everything(address: Address, tmp_path: Path) -> None:
    nghttp = require_command("nghttp", package="nghttp2-client")
    urls = [f"{address.url}/events/news?n={number}" for number in range(3)]
    # Windows of 1,023 bytes for a stream, and 4,095 for all.
    shown = run_until_shutdown(address, tmp_path, 3, nghttp, "-w", "10", "-W", "12", *urls)
    # Pieces of the three stand between one another, so only characters can be counted.
    assert shown.count(b"#") == 3 * 100 * sum(range(40))


def run_until_shutdown(
    address: Address, folder: Path, streams: int, *command: str, events: int = 40
) -> bytes:
    """Let a program follow while events of growing size are published, and the server is closed.

    Returns what it printed. It has to end by itself, with 0.
    """
    output = folder / "shown"
    with output.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
    try:
        wait_for_streams(address, streams)
        for number in range(events):
            address.running.publish("news", f"{number} " + "#" * (100 * number))
        address.running.run(address.running.server.close())
        assert process.wait(10) == 0, output.read_text()
    finally:
        process.kill()
        process.wait()
    return output.read_bytes()


def test_h2load_is_answered(address: Address) -> None:
    h2load = require_command("h2load", package="nghttp2-client")
    shown = run(h2load, "-n", "3000", "-c", "5", "-m", "100", f"{address.url}/healthz")
    assert "3000 succeeded, 0 failed, 0 errored, 0 timeout" in shown
    assert "status codes: 3000 2xx" in shown


def test_h2load_with_windows_of_one_byte_is_answered(address: Address) -> None:
    h2load = require_command("h2load", package="nghttp2-client")
    url = f"{address.url}/healthz"
    shown = run(h2load, "-n", "500", "-c", "1", "-m", "10", "-w", "1", "-W", "10", url)
    assert "500 succeeded, 0 failed, 0 errored, 0 timeout" in shown
    assert not address.running.server._journal.breaks


def test_h2load_publishes(address: Address, tmp_path: Path) -> None:
    h2load = require_command("h2load", package="nghttp2-client")
    body = tmp_path / "body"
    body.write_bytes(b"x" * 200)
    url = f"{address.url}/events/load"
    shown = run(h2load, "-n", "2000", "-c", "4", "-m", "20", "-d", str(body), url)
    assert "2000 succeeded, 0 failed" in shown
    assert address.running.server.hub.published == 2_000


# --- httpx, which is made with h2 -----------------------------------------------------------------


def test_httpx_follows_publishes_and_is_told_at_shutdown(address: Address) -> None:
    trusted = ssl.create_default_context(cafile=address.cert)
    client = httpx.Client(http1=False, http2=True, verify=trusted, base_url=address.url, timeout=10)
    with client, client.stream("GET", "/events/news") as stream:
        assert stream.http_version == "HTTP/2"
        assert client.post("/events/news", content=b"hello").status_code == 200
        parser = EventStreamParser()
        seen = []
        for data in stream.iter_raw():
            seen += [event.type for event in parser.feed(data)]
            if seen == ["message"]:
                address.running.loop.call_soon_threadsafe(
                    lambda: address.running.loop.create_task(address.running.server.close())
                )
    assert seen == ["message", "server-shutdown"]


# --- Node -----------------------------------------------------------------------------------------

NODE = """
import http2 from "node:http2";
import fs from "node:fs";
const [url, cert, streams, events] = process.argv.slice(1);
const session = http2.connect(url, {
  ca: cert === "" ? undefined : fs.readFileSync(cert),
  settings: { initialWindowSize: 1000, headerTableSize: 0, enablePush: false },
});
let left = Number(streams), opened = 0;
for (let number = 0; number < Number(streams); number++) {
  const request = session.request({ ":path": `/events/news?n=${number}` });
  let text = "";
  request.setEncoding("utf8");
  request.on("response", (head) => {
    if (head[":status"] !== 200) throw new Error(`status ${head[":status"]}`);
    if (++opened === Number(streams)) {
      for (let event = 0; event < Number(events); event++) {
        const post = session.request({ ":path": "/events/news", ":method": "POST" });
        post.end(`${event} ` + "x".repeat(event * 50));
        post.resume();
      }
    }
  });
  request.on("data", (piece) => {
    text += piece;
    if ((text.match(/^data: [0-9]+ x*$/gm) ?? []).length === Number(events)) {
      request.close(http2.constants.NGHTTP2_CANCEL);
      if (--left === 0) session.close(() => console.log("all have all"));
    }
  });
}
"""


def test_node_with_small_windows_and_no_header_table(address: Address, node_run: NodeRun) -> None:
    shown = node_run(NODE, address.url, address.cert or "", "10", "50")
    assert shown == "all have all\n"
    address.running.wait_until_empty()


# --- Caddy before us ------------------------------------------------------------------------------


CADDYFILE = """
{{
    admin off
    auto_https off
}}
http://:{port} {{
    reverse_proxy h2c://127.0.0.1:{upstream}
}}
"""


@pytest.fixture
def address_of_caddy(tmp_path: Path, begin: Begin) -> Iterator[tuple[RunningServer, str]]:
    caddy = shutil.which("caddy") or require_command("caddy", package="caddy")
    options = ServerOptions(bind=("127.0.0.1:0",), drain_seconds=2.0, allow_anonymous=True)
    port = find_free_port()
    with run_server("uvloop", options) as running:
        file = tmp_path / "Caddyfile"
        file.write_text(CADDYFILE.format(port=port, upstream=running.port))
        own = ("env", f"XDG_CONFIG_HOME={tmp_path}", f"XDG_DATA_HOME={tmp_path}")
        log = begin(*own, caddy, "run", "--config", str(file), "--adapter", "caddyfile")
        wait_until(lambda: accepts(port), f"Caddy listens: {log.read_text()}")
        yield running, f"http://127.0.0.1:{port}"


def test_caddy_passes_on_by_one_connection(
    address_of_caddy: tuple[RunningServer, str], begin: Begin
) -> None:
    curl = require_command("curl", package="curl")
    running, url = address_of_caddy
    shown = [begin(curl, "-sN", "--http1.1", f"{url}/events/news") for _ in range(20)]
    wait_until(lambda: running.server.hub.subscribers == 20, "all are open")
    assert running.site_sizes == (1, 0)
    run(curl, "-s", "-d", "through Caddy", f"{url}/events/news")
    event = b"data: through Caddy\n"
    wait_until(lambda: all(event in output.read_bytes() for output in shown), "all are shown it")


def test_clients_that_leave_caddy_leave_us(address_of_caddy: tuple[RunningServer, str]) -> None:
    running, url = address_of_caddy
    host, _, port = url.removeprefix("http://").partition(":")
    clients = [socket.create_connection((host, int(port)), 10) for _ in range(50)]
    for client in clients:
        client.sendall(b"GET /events/news HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_until(lambda: running.server.hub.subscribers == 50, "all are open")
    for client in clients:
        client.close()
    wait_until(lambda: running.server.hub.subscribers == 0, "all are gone")
    assert running.site_sizes == (1, 0)
