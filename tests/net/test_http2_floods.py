"""Floods over HTTP/2: each ends its connection, is told why, and is counted by its kind."""

import contextlib
import logging
import socket
import time
from collections.abc import Callable

import pytest
from h2.errors import ErrorCodes

from sse_server.http.h2_frames import (
    DATA,
    END_STREAM,
    GOAWAY,
    PREFACE,
    SETTINGS,
    frame,
)
from tests.http.floods import FLOODS, POST, head
from tests.http.test_h2_equivalence import frames
from tests.http2_client import Http2Client
from tests.running_server import RunningServer, wait_until


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Asked for before the server: whoever listens is looked for once a second."""
    caplog.set_level(logging.INFO, "sse_server")
    return caplog


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_ended_told_counted_and_logged_once(
    logged: pytest.LogCaptureFixture, running: RunningServer, name: str
) -> None:
    kind = name.partition(" ")[0]
    reader = running.subscriber("/events/calm")
    client = running.client()
    client.send(PREFACE + frame(SETTINGS, 0, 0))
    used = time.process_time()
    with contextlib.suppress(ConnectionError):
        client.send(FLOODS[name])
    breaks = running.server._journal.breaks
    wait_until(lambda: breaks.total() == 1, "it is ended")
    assert breaks == {kind: 1}
    # What is unread at the server's side makes its kernel reset the connection, told or not.
    with contextlib.suppress(ConnectionError):
        calm = [
            payload
            for sort, _, _, payload, _ in frames(client.read_to_end())
            if sort == GOAWAY and payload[4:] == b"\0\0\0\x0b"
        ]
        assert len(calm) == 1
    assert time.process_time() - used < 2  # both sides
    wait_until(lambda: running.server.hub.subscribers == 1, "its streams are gone")
    running.publish("calm", "undisturbed")
    assert reader.read_events(1) == ["undisturbed"]
    lines = [line for line in logged.records if line.message == "connection broken off"]
    assert [line.__dict__["kind"] for line in lines] == [kind]


Act = Callable[[Http2Client], None]


def leave_and_come_back(client: Http2Client) -> None:
    """A page with 100 sources that is reloaded."""
    for _ in range(2):
        streams = [client.subscribe() for _ in range(100)]
        for stream in streams:
            client.h2.reset_stream(stream, ErrorCodes.CANCEL)
        client.flush()


def read_in_small_steps(client: Http2Client) -> None:
    """Windows that are opened for every frame, of the stream and of the connection."""
    stream = client.subscribe()
    for number in range(400):
        body = b"x" * 100
        client.answer(client.send("/events/news", method="POST", body=body))
        client.read_events(stream, 1)
        assert number >= 0


@pytest.mark.parametrize("act", [leave_and_come_back, read_in_small_steps])
def test_what_is_no_flood_goes_on(running: RunningServer, act: Act) -> None:
    client = Http2Client(running.keep(socket.create_connection(("127.0.0.1", running.port))))
    act(client)
    assert client.answer(client.send("/healthz")).status == 200
    assert not client.goaways


def test_a_body_in_tiny_pieces_does_not_hold_others_up(running: RunningServer) -> None:
    client = running.client()
    pieces = b"".join(frame(DATA, 0, 1, b"x") for _ in range(20_000))
    client.send(PREFACE + frame(SETTINGS, 0, 0) + head(0, POST, 0))
    client.send(pieces + frame(DATA, END_STREAM, 1))
    with running.client() as other:
        for _ in range(5):
            other.get("/healthz")
            assert other.read_answer().status == 200
    wait_until(lambda: running.server.hub.published == 1, "it is published")
