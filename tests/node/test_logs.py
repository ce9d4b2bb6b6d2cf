"""Logs of a process: lines that programs can read, and no secrets in them."""

import json
import logging
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sse_server.config.logging_options import LoggingOptions
from sse_server.node.logs import configure
from tests.conftest import Serve
from tests.running_server import Client, wait_until

SERVE_AT_DEBUG = """
from sse_server import ServerOptions
from sse_server.config.logging_options import LoggingOptions
from sse_server.node.logs import configure
from sse_server.node.process import serve
configure(LoggingOptions(level="debug"))
serve(
    ServerOptions(bind=("127.0.0.1:0",)),
    lambda server: print(server.addresses[0], flush=True),
)
"""


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging is the process's: as it was, after each test."""
    root, own = logging.getLogger(), logging.getLogger("sse_server")
    before = (root.level, own.level, root.handlers.copy())
    yield
    root.setLevel(before[0])
    own.setLevel(before[1])
    root.handlers[:] = before[2]


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LoggingOptions(format="json"))
    evil = "a\r\n{}\x1b[2J\x7f\x85\u2028\ud800"
    logging.getLogger("sse_server.x").info("stream opened", extra={"path": evil, "channels": ["a"]})
    logging.getLogger("sse_server.x").debug("not this")
    logging.getLogger("httpx").info("nor this")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isascii()
    assert line.isprintable()
    entry = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", entry.pop("timestamp"))
    assert entry == {
        "level": "info",
        "logger": "sse_server.x",
        "event": "stream opened",
        "path": evil,
        "channels": ["a"],
    }


@pytest.mark.parametrize("evil", ["a\nb", "a\rb", "a\x1b[31m", "a\x85b", "a\u2028b"])
def test_readable_lines_hold_no_control_characters(
    capsys: pytest.CaptureFixture[str], evil: str
) -> None:
    configure(LoggingOptions(format="console", level="debug"))
    logger = logging.getLogger("sse_server.x")
    logger.debug(f"hello {evil}", extra={"path": evil, "channels": [evil]})  # noqa: G004
    try:
        int(evil)
    except ValueError:
        logger.exception("it failed")
    lines = capsys.readouterr().err.split("\n")
    assert all(line.isprintable() for line in lines)
    assert [line[:2] for line in lines[:3]] == ["20", "20", "  "]
    assert all(line.startswith("  ") for line in lines[2:-1])


def test_configuring_again_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LoggingOptions(format="json", level="debug"))
    configure(LoggingOptions(format="json", level="error"))
    logging.getLogger("sse_server.x").warning("not this")
    logging.getLogger("sse_server.x").error("this")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_process_says_when_it_starts_and_stops(serve: Serve) -> None:
    served = serve()
    assert served.stop() == 0
    entries = [json.loads(line) for line in served.log().splitlines() if line.startswith("{")]
    assert [entry["event"] for entry in entries] == ["server started", "server stopped"]
    assert entries[0]["addresses"] == [f"127.0.0.1:{served.port}"]


def test_no_secret_is_in_any_line_at_debug() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVE_AT_DEBUG],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            host, _, port = process.stdout.readline().strip().rpartition(":")
            address = (host, int(port))
            fields = (
                "Cookie: session=SECRET\r\nAuthorization: Bearer SECRET\r\nX-Api-Key: SECRET\r\n"
                "Origin: https://app.example\r\n"
            )
            with Client(socket.create_connection(address)) as stream:
                stream.get("/events/news?token=SECRET", fields)
                stream.read_stream_head()
                with Client(socket.create_connection(address)) as client:
                    client.post("/events/news?id=SECRET", "SECRET", "Cookie: SECRET=1\r\n")
                    assert client.read_answer().status == 200
                    client.get("/nothing?token=SECRET", fields)
                    assert client.read_answer().status == 404
                    client.post("/events/news?event=SECRET%0A", "SECRET")
                    assert client.read_answer().status == 400
                assert stream.read_events(1) == ["SECRET"]
            with Client(socket.create_connection(address)) as client:
                client.send("GET /?SECRET HTTP/1.1\r\nSECRET SECRET\r\n\r\n")
                assert client.read_answer().status >= 400

            def open_streams() -> str:
                with Client(socket.create_connection(address)) as client:
                    client.get("/metrics")
                    return client.read_answer().body.decode()

            wait_until(lambda: "sse_server_open_streams 0.0" in open_streams(), "it is gone")
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=15)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "SECRET" not in errors
    entries = [json.loads(line) for line in errors.splitlines()]
    events = [entry["event"] for entry in entries]
    for event in ("stream opened", "event published", "stream closed", "origin refused"):
        assert events.count(event) >= 1, events
    assert events.count("request refused") == 3
    (closed,) = [entry for entry in entries if entry["event"] == "stream closed"]
    assert (closed["reason"], closed["events"], closed["streams"]) == ("lost", 1, 0)
    assert closed["bytes"] > 0
    assert all({"timestamp", "level", "logger", "event"} <= entry.keys() for entry in entries)
