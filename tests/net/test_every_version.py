"""What holds whatever version of HTTP a client speaks, in clear or over TLS."""

import asyncio
import gc
import json
import re
import time

import pytest

from sse_server import Event, ServerOptions
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.subscriber import Subscriber
from sse_server.core.window import ChannelOptions
from sse_server.endpoints.cors import CorsOptions
from sse_server.http.http1 import Http1Options
from sse_server.net.site import ConnectionOptions
from sse_server.net.tls import TlsOptions
from sse_server.wire.flow import CloseReason
from tests.net.conftest import StartServer
from tests.net.subjects import Subject, reset
from tests.running_server import RunningServer, wait_until

LARGE = HubOptions(log=LogOptions(channel=ChannelOptions(max_bytes=1 << 30)))


def start(start_server: StartServer, subject: Subject, **options: object) -> RunningServer:
    settings = {
        "bind": ("127.0.0.1:0",),
        "drain_seconds": 2.0,
        "tls": subject.tls or TlsOptions(),
        **options,
    }
    return start_server(ServerOptions(**settings))  # type: ignore[arg-type] # what a test names


@pytest.fixture
def served(start_server: StartServer, subject: Subject) -> RunningServer:
    """A server that speaks what the subject does."""
    return start(start_server, subject)


def test_what_is_published_arrives(served: RunningServer, subject: Subject) -> None:
    publisher, reader = subject.connect(served), subject.connect(served)
    opening = reader.subscribe()
    match = re.fullmatch(
        rb"(?:\w+\r\n)?: stream is open\nretry: \d{4}\nid: ([\w-]+)-0\n\n", opening
    )
    assert match is not None
    told = publisher.request("POST", "/events/news?event=greeting", body=b"hello")
    assert told.status == 200
    assert json.loads(told.body)["id"] == f"{match[1].decode()}-1"
    assert reader.read_events(1) == ["hello"]
    history = publisher.request("GET", "/channels/news/events")
    assert json.loads(history.body)["events"][0]["data"] == "hello"
    sent = publisher.request(
        "POST", "/send?channel=news", (("content-type", "application/json"),), b'{"a":1}'
    )
    assert json.loads(sent.body)["clients"] == 1
    assert reader.read_events(1) == ['{"a":1}']


@pytest.mark.parametrize(
    ("method", "target", "fields", "status"),
    [
        ("GET", "/healthz", (), 200),
        ("HEAD", "/healthz", (), 200),
        ("HEAD", "/events/news", (), 200),
        ("OPTIONS", "/events/news", (), 204),
        ("GET", "/nowhere", (), 404),
        ("DELETE", "/events/news", (), 405),
        ("BREW", "/events/news", (), 501),
        ("GET", "/events/news", (("accept", "application/json"),), 406),
        ("GET", "/events/%0d%0a", (), 400),
        ("GET", "/events/news", (("host", "attacker.example"),), 403),
        ("GET", "/" + "a" * 9_000, (), 414),
        ("GET", "/healthz", (("x-large", "a" * 9_000),), 431),
        ("POST", "/events/news", (("expect", "the impossible"),), 417),
    ],
)
def test_answers_are_the_same(
    served: RunningServer,
    subject: Subject,
    method: str,
    target: str,
    fields: tuple[tuple[str, str], ...],
    status: int,
) -> None:
    link = subject.connect(served)
    answer = link.request(method, target, fields)
    assert answer.status == status
    assert "date" in answer.fields
    if method == "HEAD":
        assert answer.body == b""
    elif status >= 400:
        assert set(json.loads(answer.body)) == {"error", "message"}
    if status in {204, 405}:
        assert answer.fields["allow"] == "GET, HEAD, OPTIONS, POST"


def test_a_body_that_is_too_large_is_refused(start_server: StartServer, subject: Subject) -> None:
    served = start(start_server, subject, http1=Http1Options(max_body_bytes=10_000))
    answer = subject.connect(served).request("POST", "/events/news", body=b"a" * 10_001)
    assert (answer.status, json.loads(answer.body)["error"]) == (413, "body-too-large")


def test_a_large_batch_is_taken_and_a_large_history_is_told(
    served: RunningServer, subject: Subject
) -> None:
    link = subject.connect(served)
    lines = b"".join(b'{"channel":"big","data":"%d %s"}\n' % (n, b"x" * 700) for n in range(4_000))
    fields = (("content-type", "application/x-ndjson"),)
    assert link.request("POST", "/events", fields, lines).status == 200
    history = link.request("GET", "/channels/big/events")
    assert history.status == 200
    assert len(history.body) > 65_536  # more than a window


def test_pages_of_other_origins_are_let_in_where_they_are_named(
    start_server: StartServer, subject: Subject
) -> None:
    cors = CorsOptions(origins=("https://app.example",))
    served = start(start_server, subject, cors=cors)
    fields = (("origin", "https://app.example"),)
    answer = subject.connect(served).request("GET", "/healthz", fields)
    assert answer.fields["access-control-allow-origin"] == "https://app.example"


def test_replay_goes_over_to_live_with_no_gap_and_no_repeat(
    served: RunningServer, subject: Subject
) -> None:
    total = 3_000
    first = served.run(served.server.publish("news", Event("0"))).position.decode()

    async def publish() -> None:
        for number in range(1, total):
            await served.server.publish("news", Event(str(number)))
            if number % 20 == 0:
                await asyncio.sleep(0)

    publishing = asyncio.run_coroutine_threadsafe(publish(), served.loop)
    links = []
    for _ in range(4):
        link = subject.connect(served)
        link.subscribe(fields=(("last-event-id", first),))
        links.append(link)
    for link in links:
        assert link.read_events(total - 1) == [str(n) for n in range(1, total)]
    publishing.result(10)


def test_a_reader_that_stops_is_paused_and_gets_everything_when_it_reads_on(
    start_server: StartServer, subject: Subject
) -> None:
    served = start(start_server, subject, hub=LARGE)
    slow, quick = subject.connect(served), subject.connect(served)
    slow.subscribe()
    quick.subscribe()
    count, size = 400, 50_000
    for number in range(count):
        served.publish("news", f"{number} " + "x" * size)
        quick.read_events(1)
    stalls = served.server.hub.stalls
    wait_until(lambda: len(stalls) == 1, "the slow one is paused")
    events = slow.read_events(count)
    assert [event.split()[0] for event in events] == [str(n) for n in range(count)]
    wait_until(lambda: len(stalls) == 0, "it is paused no more")


def test_an_event_that_is_larger_than_any_window_arrives(
    start_server: StartServer, subject: Subject
) -> None:
    served = start(start_server, subject, hub=LARGE)
    link = subject.connect(served)
    link.subscribe()
    large = "x" * 900_000
    served.publish("news", large)
    assert link.read_events(1) == [large]


def _subscribers() -> list[object]:
    return [found for found in gc.get_objects() if isinstance(found, Subscriber)]


@pytest.mark.parametrize("way", ["reset", "end"])
def test_a_client_that_leaves_is_gone_at_once_and_nothing_of_it_is_left(
    served: RunningServer, subject: Subject, way: str
) -> None:
    link = subject.connect(served)
    link.subscribe()
    assert len(served.call(_subscribers)) == 1
    served.call(gc.disable)  # nothing may wait for the collector
    try:
        if way == "reset":
            reset(link.socket)
        else:
            link.socket.close()
        served.wait_until_empty()
        wait_until(lambda: not served.call(_subscribers), "the subscriber is freed", 2.0)
    finally:
        served.call(gc.enable)
    assert served.server.hub.closed == {CloseReason.LOST: 1}


def test_at_shutdown_a_stream_is_told_and_ends_cleanly(
    served: RunningServer, subject: Subject
) -> None:
    link = subject.connect(served)
    link.subscribe()
    served.publish("news", "last")
    closing = asyncio.run_coroutine_threadsafe(served.server.close(), served.loop)
    rest = link.read_stream_to_end()
    assert b"data: last\n" in rest
    assert b"event: server-shutdown\nretry: " in rest
    assert rest.index(b"data: last") < rest.index(b"server-shutdown")
    link.socket.close()
    closing.result(5)
    assert served.server.hub.closed == {CloseReason.DRAINED: 1}


def test_idle_connections_are_closed_at_shutdown(served: RunningServer, subject: Subject) -> None:
    link = subject.connect(served)
    assert link.request("GET", "/healthz").status == 200
    closing = asyncio.run_coroutine_threadsafe(served.server.close(), served.loop)
    begun = time.monotonic()
    if subject.http2:
        link.client.read_to_end()  # type: ignore[attr-defined] # it answers the PING
    else:
        assert link.socket.recv(10) == b""
    link.socket.close()
    closing.result(5)
    assert time.monotonic() - begun < 1.5


@pytest.mark.usefixtures("fast_timer")
def test_a_connection_that_is_not_used_is_closed(
    start_server: StartServer, subject: Subject
) -> None:
    options = ConnectionOptions(idle_timeout_seconds=0.3, linger_seconds=0.3)
    served = start(start_server, subject, connection=options)
    link = subject.connect(served)
    assert link.request("GET", "/healthz").status == 200
    if subject.http2:
        link.client.read_to_end()  # type: ignore[attr-defined] # it answers the PING
    else:
        assert link.socket.recv(10) == b""
    served.wait_until_empty()


def test_heartbeats_reach_a_quiet_stream(start_server: StartServer, subject: Subject) -> None:
    served = start(start_server, subject, hub=HubOptions(heartbeat_seconds=1.0))
    link = subject.connect(served)
    link.subscribe()
    served.publish("other", "not for this stream")
    wait_until(lambda: served.server.hub.heartbeats.sent > 0, "a heartbeat is sent")
    served.publish("news", "one")
    assert link.read_events(1) == ["one"]
