"""Lines that connections cause, on real sockets."""

import logging

import pytest

from sse_server import HubOptions, ServerOptions
from tests.running_server import run_server, wait_until


def records(caplog: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.message == event]


def test_a_client_that_takes_nothing_is_told_of(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sse_server.net.timer._INTERVAL_SECONDS", 0.02)
    caplog.set_level(logging.DEBUG, "sse_server")
    options = ServerOptions(
        bind=("127.0.0.1:0",), hub=HubOptions(stall_timeout_seconds=1.0), drain_seconds=0.2
    )
    with run_server("uvloop", options) as running:
        running.subscriber()
        for _ in range(40):
            running.publish("news", "x" * 300_000)
            if running.call(lambda: len(running.server.hub.stalls)):
                break
        wait_until(lambda: bool(records(caplog, "stream closed")), "it is cut off")
    (paused,) = records(caplog, "stream paused")
    (slow,) = records(caplog, "stream too slow")
    (closed,) = records(caplog, "stream closed")
    assert paused.__dict__["channels"] == ["news"]
    assert slow.__dict__["held_bytes"] > 0
    assert slow.__dict__["peer"].startswith("127.0.0.1:")
    assert closed.__dict__["reason"] == "slow"
    assert closed.__dict__["events"] >= 1


def test_a_stream_that_ends_with_the_server_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sse_server")
    with run_server("asyncio") as running:
        reader = running.subscriber(fields="Last-Event-ID: gone-1\r\n")
        reader.read_until(b"event: gap")
        running.run(running.server.close())
    (opened,) = records(caplog, "stream opened")
    assert opened.__dict__["resumed"] is True
    (gap,) = records(caplog, "gap told")
    assert gap.__dict__["reason"] == "foreign-epoch"
    assert [record.__dict__["reason"] for record in records(caplog, "stream closed")] == ["drained"]
    (stopped,) = records(caplog, "server stopped")
    assert stopped.__dict__["streams"] == 1
