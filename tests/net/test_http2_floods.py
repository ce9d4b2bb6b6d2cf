"""Floods over HTTP/2: each ends its connection, is told why, and is counted by its kind."""

import contextlib
import logging
import socket
import time
from collections.abc import Callable

import pytest
from h2.errors import ErrorCodes

from sse_server.http.h2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    frame,
    goaway,
    ping,
    window_update,
)
from tests.http.test_h2_equivalence import frames
from tests.http2_client import Http2Client
from tests.running_server import RunningServer, wait_until

GET = b"\x82\x86\x84\x01\x09localhost"  # of "/"
STREAM = b"\x82\x86\x04\x0c/events/news\x01\x09localhost"
POST = b"\x83\x86\x04\x0c/events/news\x01\x09localhost"
CANCEL = b"\0\0\0\x08"


def head(number: int, block: bytes = STREAM, flags: int = END_STREAM) -> bytes:
    return frame(HEADERS, END_HEADERS | flags, 2 * number + 1, block)


def rapid_resets(count: int) -> bytes:
    """CVE-2023-44487."""
    return b"".join(head(n) + frame(RST_STREAM, 0, 2 * n + 1, CANCEL) for n in range(count))


def made_resets(count: int) -> bytes:
    """Resets that the server makes: each request is malformed (MadeYouReset, CVE-2025-8671)."""
    return b"".join(head(n, b"\x82\x86\x84\x00\x05Upper\x01x") for n in range(count))


def head_of_many_fields(number: int) -> bytes:
    """One byte for each of 1,600 empty cookies."""
    return head(number, GET + b"\xa0" * 1_600)


FLOODS = {
    "resets": rapid_resets(10_000),
    "resets made": made_resets(2_000),
    "resets of nothing": head(0, GET) + frame(RST_STREAM, 0, 1, CANCEL) * 10_000,
    "pings": ping(b"12345678") * 10_000,
    "settings": frame(SETTINGS, 0, 0) * 10_000,
    "settings in one frame": frame(SETTINGS, 0, 0, b"\0\x77\0\0\0\0" * 33),
    "priorities": frame(PRIORITY, 0, 1, b"\0\0\0\3\0") * 20_000,
    "unknown-frames": frame(99, 0, 0) * 20_000,
    "empty-data": head(0, POST, 0) + frame(DATA, 0, 1) * 10_000,
    "window-updates": head(0) + window_update(0, 1) * 20_000,
    "resets made by DATA": b"".join(
        head(n) + frame(DATA, 0, 2 * n + 1, b"x") for n in range(3_000)
    ),
    "resets made by windows": b"".join(
        head(n) + window_update(2 * n + 1, 2**31 - 1) for n in range(3_000)
    ),
    "resets made by trailers": b"".join(
        head(n, POST, 0) + head(n, b"\x00\x01a\x01b", 0) for n in range(3_000)
    ),
    "resets made by heads": b"".join(map(head_of_many_fields, range(100))),
    "settings acknowledged": frame(SETTINGS, ACK, 0) * 10_000,
    "settings that open windows": b"".join(map(head, range(200)))
    + b"".join(frame(SETTINGS, 0, 0, b"\0\4\0\1\0" + bytes((n & 1,))) for n in range(10_000)),
    "pings acknowledged": ping(b"12345678", ack=True) * 10_000,
    "goaways": goaway(0) * 10_000,
    "empty-data with padding": head(0, POST, 0)
    + frame(DATA, PADDED, 1, b"\x0f" + b"\0" * 15) * 10_000,
    "window-updates of streams": b"".join(map(head, range(200)))
    + b"".join(window_update(2 * (n % 200) + 1, 1) for n in range(20_000)),
    "late-frames": head(0, POST + b"\x00\x05Upper\x01x", 0) + frame(DATA, 0, 1, b"x") * 10_000,
    "refused-streams": b"".join(map(head, range(10_000))),
    "enhance-your-calm by a bomb": head(
        0, GET + b"\x40\x01a\x7f\x80\x1e" + b"x" * 3_967 + b"\xbe" * 9_000
    ),
    "continuations": frame(HEADERS, 0, 1, GET) + frame(CONTINUATION, 0, 1, b"") * 10_000,
}


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
