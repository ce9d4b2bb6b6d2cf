"""What /metrics shows is what has happened, on real sockets."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from sse_server import (
    ChannelOptions,
    HubOptions,
    LagPolicy,
    LogOptions,
    Server,
    ServerOptions,
)
from sse_server.observe.process import LinuxProcess
from tests.running_server import RunningServer, run_server, wait_until

OPTIONS = ServerOptions(
    bind=("127.0.0.1:0",),
    drain_seconds=0.2,
    hub=HubOptions(
        busiest_channels=2,
        log=LogOptions(patterns=(("drop", ChannelOptions(lag=LagPolicy.DROP, max_lag_frames=2)),)),
    ),
)


@pytest.fixture
def running() -> Iterator[RunningServer]:
    with run_server("uvloop", OPTIONS) as running:
        yield running


def scrape(running: RunningServer) -> dict[str, float]:
    """Each sample by its name and its labels, as they are written."""
    client = running.client()
    client.get("/metrics")
    answer = client.read_answer()
    client.socket.close()
    assert answer.status == 200
    assert answer.fields["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for family in plain(answer.body.decode()):
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sample.labels.items())
            name = sample.name.removeprefix("sse_server_") + (f"{{{labels}}}" if labels else "")
            assert name not in found
            found[name] = sample.value
    return found


def test_streams_and_what_they_were_sent(running: RunningServer) -> None:
    readers = [running.subscriber(), running.subscriber(fields="Last-Event-ID: earliest\r\n")]
    epoch = running.call(lambda: running.server.hub.positions.encode(0)).decode()
    readers.append(running.subscriber(fields=f"Last-Event-ID: {epoch}\r\n"))
    running.publish("news", "one", "two")
    for reader in readers:
        reader.read_events(2)
    running.publish("late", "three")
    running.publish("later", "four")
    readers.pop().socket.close()
    wait_until(lambda: running.server.hub.subscribers == 2, "it is gone")
    found = scrape(running)
    wanted = {
        "open_streams": 2,
        "open_connections": 3,
        "streams_opened_total": 3,
        "streams_resumed_total": 1,
        "streams_closed_total{reason=lost}": 1,
        "streams_closed_total{reason=slow}": 0,
        "events_published_total": 4,
        "events_delivered_total": 6,
        "channel_events_published_total{channel=news}": 2,
        "channel_events_published_total{channel=late}": 1,
        "channel_events_published_total{channel=other}": 1,
        "channels": 3,
        "log_events": 4,
        "backlog_events_bucket{le=0.0}": 2,
        "backlog_events_gcount": 2,
        "gaps_total": 0,
    }
    assert {name: found[name] for name in wanted} == wanted
    blocks = running.call(lambda: running.server.hub.log.windows["news"].blocks)
    # Two streams are read for with the third's chunk around both events: a few bytes each.
    assert found["delivered_bytes_total"] >= 3 * sum(map(len, blocks))
    assert found["publish_to_written_seconds_count"] >= 1
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert found["process_open_fds"] > 3


def test_a_reader_that_stops_is_paused_and_loses_what_lags(running: RunningServer) -> None:
    reader = running.subscriber("/events/drop")
    for _ in range(40):
        running.publish("drop", "x" * 300_000)
        if running.call(lambda: len(running.server.hub.stalls)):
            break
    running.publish("drop", *"abcde")
    found = scrape(running)
    assert found["paused_streams"] == 1
    assert found["pauses_total"] >= 1
    assert found["backlog_events_bucket{le=0.0}"] == 0
    assert found["backlog_events_gsum"] >= 5
    assert found["backlog_bytes_gsum"] > 0
    reader.read_until(b"data: e\n")
    found = scrape(running)
    assert found["paused_streams"] == 0
    assert found["gaps_total"] == 1
    assert found["gap_events_lost_total"] == found["events_dropped_total"] >= 3
    assert found["backlog_events_gsum"] == 0


def test_refusals_by_code(running: RunningServer) -> None:
    for target, fields in (
        ("/nothing", ""),
        ("/nothing?x=1", ""),
        ("/events/news?event=gap", "Host: elsewhere\r\n"),
    ):
        with running.client() as client:
            client.get(target, fields)
            assert client.read_answer().status >= 400
    with running.client() as client:
        client.post("/events/news?event=gap", "x")
        assert client.read_answer().status == 400
    with running.client() as client:
        client.send("nonsense\r\n\r\n")
        assert client.read_answer().status == 400
    found = scrape(running)
    codes = {name: value for name, value in found.items() if name.startswith("refusals")}
    assert codes["refusals_total{code=not-found}"] == 2
    assert codes["refusals_total{code=invalid-event}"] == 1
    assert sum(codes.values()) == 5


def test_open_metrics_for_who_takes_it(running: RunningServer) -> None:
    client = running.subscriber()
    running.publish("news", "one")
    client.read_events(1)
    with running.client() as client:
        client.get("/metrics", "Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n")
        answer = client.read_answer()
    assert answer.fields["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in open_metrics(answer.body.decode())}  # type: ignore[no-untyped-call]
    assert families["sse_server_backlog_bytes"].type == "gaugehistogram"
    assert families["sse_server_backlog_bytes"].unit == "bytes"


def test_metrics_are_not_for_strangers(running: RunningServer) -> None:
    with running.client() as client:
        client.get("/metrics", "X-Forwarded-For: 192.0.2.1\r\n")
        assert client.read_answer().status == 403


def test_two_servers_in_one_process_count_apart(running: RunningServer) -> None:
    with ExitStack() as stack:
        other = stack.enter_context(run_server("asyncio"))
        other.subscriber()
        assert scrape(running)["streams_opened_total"] == 0
        assert scrape(other)["streams_opened_total"] == 1


def test_a_scrape_does_not_grow_with_channels(running: RunningServer) -> None:
    async def publish(server: Server) -> None:
        for number in range(20_000):
            await server.publish(f"channel:{number}", "x")

    running.run(publish(running.server))
    page = running.server._surface.metrics.page

    def cpu_seconds() -> float:
        begun = time.thread_time()
        page(b"")
        return time.thread_time() - begun

    assert min(running.call(cpu_seconds) for _ in range(5)) < 0.02
    assert scrape(running)["channels"] == 20_000


def test_where_there_is_no_proc_nothing_is_shown(tmp_path: Path) -> None:
    assert list(LinuxProcess(tmp_path).collect()) == []
