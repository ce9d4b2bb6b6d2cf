"""Servers that are told to end in the middle of a fan-out."""

import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from sse_server import ServerOptions
from tests.conftest import Serve
from tests.faults.conftest import Readers, numbered_publisher, open_unread_stream, pouring
from tests.faults.follower import transcript
from tests.running_server import Client, run_server

# Nobody who reads loses anything or is cut, however late a machine with other work lets it read.
OPTIONS = ServerOptions(drain_seconds=10.0)
CONFIG = f"""
drain_seconds = {OPTIONS.drain_seconds}

[channels."*"]
max_frames = 1_000_000
max_bytes = 1_000_000_000
"""
CUT_SLACK_SECONDS = 10.0  # for a machine with other work


class Witness:
    """A stream that is read to its end in a thread."""

    def __init__(self, port: int) -> None:
        self._client = Client(socket.create_connection(("127.0.0.1", port)))
        self._client.get("/events/news")
        self._received = b""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with self._client:
            self._received = self._client.read_to_end()

    def received(self) -> bytes:
        """All of it: it has ended, and not with a reset."""
        self._thread.join()
        return self._received


@pytest.mark.parametrize(
    ("number", "streams", "unread"),
    [
        (signal.SIGTERM, 200, 0),
        pytest.param(signal.SIGTERM, 200, 5, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 200, 5, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 2_000, 5, marks=pytest.mark.slow),
    ],
)
def test_a_signal_in_full_fan_out_ends_every_stream_cleanly(
    serve: Serve,
    crowd: Readers,
    tmp_path: Path,
    number: signal.Signals,
    streams: int,
    unread: int,
) -> None:
    config = tmp_path / "sse-server.toml"
    config.write_text(CONFIG)
    served = serve("--config", str(config))
    crowd.open(served.port, streams)
    sockets = [open_unread_stream(served.port) for _ in range(unread)]
    witnesses = [Witness(served.port) for _ in range(5)]
    try:
        with numbered_publisher(served.port) as publisher:
            publisher.publish()
            crowd.wait(1)
            with pouring(publisher):
                time.sleep(1.0)
                started = time.monotonic()
                served.process.send_signal(number)
                crowd.crowd.wait_for_end(OPTIONS.drain_seconds + CUT_SLACK_SECONDS)
        assert served.process.wait(OPTIONS.drain_seconds + CUT_SLACK_SECONDS) == 0, served.log()
        seconds = time.monotonic() - started
    finally:
        for sock in sockets:
            sock.close()
    told = crowd.told()
    assert (told.ends, told.farewells) == (streams, streams)
    assert publisher.accepted > 1
    assert publisher.accepted <= told.fewest <= publisher.sent
    assert seconds < OPTIONS.drain_seconds + CUT_SLACK_SECONDS
    if not unread:
        assert seconds < OPTIONS.drain_seconds, "nobody had to be waited for"
    for witness in witnesses:
        _assert_farewell(witness.received(), streams + unread + len(witnesses))


def _assert_farewell(received: bytes, streams: int) -> None:
    """The last event says that the server ends, and when to come back."""
    response, events = transcript(received)
    assert response.is_complete
    assert [event.type for event in events].index("server-shutdown") == len(events) - 1
    # When the drain can be over and the next one there; then one after the other, at the least
    # rate that a server is taken to let in.
    assert response.parser.retry_ms is not None
    first_ms = OPTIONS.restart_seconds * 1000
    last_ms = first_ms + OPTIONS.drain_seconds * 1000 + streams / 1_000 * 1000
    assert first_ms <= response.parser.retry_ms <= last_ms


@pytest.mark.slow
def test_a_client_that_keeps_an_answered_connection_open_does_not_hold_up_the_end(
    crowd: Readers,
) -> None:
    options = ServerOptions(bind=("127.0.0.1:0",), drain_seconds=9.0)
    lines = '{"channel": "news", "data": "x"}\n' * 10_000
    with run_server("uvloop", options) as running:
        crowd.open(running.port, 500)  # so that publishers wait for their answers
        clients = [running.client() for _ in range(4)]
        for client in clients:  # one of these is being published when the end is asked for
            client.post("/events", lines, "Content-Type: application/x-ndjson\r\n")
        time.sleep(0.2)
        started = time.monotonic()
        running.run(running.server.close())
        assert time.monotonic() - started < 7.0
        answers = [client.read_answer() for client in clients]
        # 503: what had not arrived when the end was asked for. Nobody is reset.
        assert {answer.status for answer in answers} <= {200, 503}
        assert 200 in {answer.status for answer in answers}
        assert answers[-1].fields["connection"] == "close"
        assert crowd.told().ends == 500
