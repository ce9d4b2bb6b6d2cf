"""Other options for a server that runs: what holds at once, and what is named because it cannot."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from math import inf

import pytest

from sse_server import (
    ChannelOptions,
    ConnectionOptions,
    CorsOptions,
    HubOptions,
    LogOptions,
    Server,
    ServerClosed,
    ServerOptions,
)
from sse_server.http.http1 import Http1Options
from sse_server.options import changes
from tests.running_server import LOOPS, Client, RunningServer, run_server, wait_until

APP = "https://app.example"
OPTIONS = ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2)

StartServer = Callable[[ServerOptions], RunningServer]


@pytest.fixture(params=LOOPS)
def start(request: pytest.FixtureRequest) -> Iterator[StartServer]:
    with ExitStack() as stack:
        yield lambda options: stack.enter_context(run_server(request.param, options))


def _reload(running: RunningServer, **changed: object) -> list[str]:
    server = running.server
    new = replace(server.options, **changed)  # type: ignore[arg-type] # mypy checks no dictionary
    return running.call(lambda: server.reload(new))


def _status(client: Client, method: str = "GET") -> tuple[int, str | None]:
    """The status, and which origin may read the answer, for a page of `APP`."""
    if method == "GET":
        client.get("/channels", f"Origin: {APP}\r\n")
    else:
        client.post("/events/news", "x", f"Origin: {APP}\r\n")
    answer = client.read_answer()
    return answer.status, answer.fields.get("access-control-allow-origin")


def test_an_origin_may_read_and_publish_from_the_next_request_on(start: StartServer) -> None:
    running = start(OPTIONS)
    stream, client = running.subscriber(), running.client()
    assert _status(client) == (200, None)
    assert _status(client, "POST") == (403, None)
    assert _reload(running, cors=CorsOptions(origins=(APP,))) == []
    assert _status(client) == (200, APP)
    assert _status(client, "POST") == (200, APP)
    assert stream.read_events(1) == ["x"]
    assert _reload(running, cors=CorsOptions()) == []
    assert _status(client, "POST") == (403, None)


def test_limits_of_http_hold_for_the_next_connection(start: StartServer) -> None:
    running = start(OPTIONS)
    old = running.client()
    assert _status(old)[0] == 200
    assert _reload(running, http1=Http1Options(max_body_bytes=3)) == []
    for client, status in ((old, 200), (running.client(), 413)):
        client.post("/events/news", "four")
        assert client.read_answer().status == status


def test_timeouts_hold_from_the_next_wait_on(
    start: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sse_server.net.timer._INTERVAL_SECONDS", 0.02)
    running = start(OPTIONS)
    client = running.client()
    connection = ConnectionOptions(idle_timeout_seconds=0.05)
    assert _reload(running, connection=connection) == []
    assert _status(client)[0] == 200
    wait_until(client.is_ended, "the idle connection is closed")


def test_whoever_waits_for_room_gets_in_when_there_is_more(start: StartServer) -> None:
    running = start(replace(OPTIONS, connection=ConnectionOptions(max_connections=2)))
    clients = [running.subscriber(), running.subscriber(), running.client()]
    wait_until(lambda: bool(running.server._site._waiting), "the listener waits for room")
    late = running.client()
    late.get("/healthz")
    assert _reload(running, connection=ConnectionOptions(max_connections=4)) == []
    assert late.read_answer().status == 200
    assert len(clients) == 3


def test_as_many_connections_as_there_are_descriptors_for_counts_those_that_are_open(
    start: StartServer,
) -> None:
    running = start(replace(OPTIONS, connection=ConnectionOptions(max_connections=2)))
    running.subscriber()
    assert _reload(running, connection=ConnectionOptions()) == []
    assert running.server._site.max_connections > 2
    before = running.server._site.max_connections
    assert _reload(running, drain_seconds=0.3) == []
    assert running.server._site.max_connections == before


def test_the_hub_is_told(start: StartServer) -> None:
    running = start(OPTIONS)
    hub = replace(OPTIONS.hub, heartbeat_seconds=inf, stall_timeout_seconds=7, beside_limit=3)
    assert _reload(running, hub=hub) == []
    assert running.server.hub.options == hub
    assert running.server.hub.heartbeats.shortest == inf
    assert running.server.hub.stalls.timeout_seconds == 7


def test_what_needs_a_restart_is_named_every_time_and_stays(start: StartServer) -> None:
    running = start(OPTIONS)
    log = LogOptions(max_bytes=1_000_000, channel=ChannelOptions(max_frames=5))
    for _ in range(2):
        left = _reload(
            running,
            bind=("127.0.0.1:1",),
            allow_anonymous=True,
            drain_seconds=0.1,
            hub=HubOptions(log=log, heartbeat_seconds=9.0),
        )
        assert left == [
            "bind",
            "allow_anonymous",
            "hub.log.max_bytes",
            "hub.log.channel.max_frames",
        ]
    changed = changes(OPTIONS, running.server.options)
    assert changed == [("drain_seconds",), ("hub", "heartbeat_seconds")]
    assert running.server.hub.log.options == LogOptions()


def test_a_server_that_does_not_run_takes_nothing_over() -> None:
    async def main() -> None:
        server = Server(replace(OPTIONS, bind=()))
        with pytest.raises(ServerClosed):
            server.reload(OPTIONS)
        async with server:
            assert server.reload(OPTIONS) == ["bind"]
        with pytest.raises(ServerClosed):
            server.reload(OPTIONS)

    asyncio.run(main())
