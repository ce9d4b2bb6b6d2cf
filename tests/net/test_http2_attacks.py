"""Attacks over HTTP/2 on a server in a process of its own: what it uses for them."""

import contextlib
import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from bench.load.server import cpu_ns, resident_bytes
from sse_server.http.h2_frames import (
    CONTINUATION,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
    window_update,
)
from tests.conftest import Serve, Served
from tests.http.floods import FLOODS
from tests.http.http2_peer import CANCEL, head, setting
from tests.http2_client import Http2Client
from tests.running_server import Client

MIB = 1 << 20
BEGIN = PREFACE + frame(SETTINGS, 0, 0)
SCRIPT = b"\x82\x86\x04\x0a/client.js\x01\x09localhost"
FOLLOW = b"\x82\x86\x04\x0c/events/news\x01\x09localhost"
CONNECTIONS = 50
# What is begun and not gone on with.
BEGINNINGS = {
    "half of a preface": PREFACE[:12],
    "frames of 16 MiB": BEGIN + b"\xff\xff\xff\0\0\0\0\0\1" + b"x" * 50_000,
    "frames without an end": BEGIN + b"\x00\x40\x00\0\0\0\0\0\1" + b"x" * 16_000,
    "header blocks without an end": BEGIN
    + frame(HEADERS, 0, 1, b"\x82" * 16_384)
    + frame(CONTINUATION, 0, 1, b"\x82" * 16_384) * 7,
}


def connect(served: Served) -> Client:
    return Client(socket.create_connection(("127.0.0.1", served.port), 10))


def flood(served: Served, data: bytes) -> None:
    """Send a flood, and wait for its end."""
    with connect(served) as client, contextlib.suppress(ConnectionError):
        client.send(BEGIN + data)
        client.read_to_end()


def publish(served: Served, count: int, size: int) -> None:
    with connect(served) as client:
        for _ in range(count):
            client.post("/events/news", "x" * size)
            assert client.read_answer().status == 200


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_floods_cost_little_and_leave_nothing_behind(serve: Serve) -> None:
    served = serve("--allow-anonymous")
    pid = served.process.pid
    for data in FLOODS.values():
        flood(served, data)
    before, used = resident_bytes(pid), cpu_ns(pid)
    for data in FLOODS.values():
        flood(served, data)
    # 50 ms are meant for each.
    assert cpu_ns(pid) - used < len(FLOODS) * 100_000_000
    assert resident_bytes(pid) - before < 16 * MIB


def take_a_byte_at_a_time(client: Client) -> None:
    """Of an answer that is not short, and wait for each."""
    client.send(BEGIN + setting(4, 0) + head(1, SCRIPT))
    while client.socket.recv(65_536):
        client.send(window_update(1, 1))


def reload_a_page(client: Client) -> None:
    """Of a hundred event streams, each answered, and wait for nothing else."""
    client.send(BEGIN)
    first = 1
    while True:
        numbers = range(first, first + 200, 2)
        client.send(b"".join(head(number, FOLLOW) for number in numbers))
        for _ in numbers:
            client.read_until(b"text/event-stream")
        client.send(b"".join(frame(RST_STREAM, 0, number, CANCEL) for number in numbers))
        first += 200


@pytest.mark.slow
@pytest.mark.parametrize("attack", [take_a_byte_at_a_time, reload_a_page])
def test_who_waits_for_answers_is_ended_as_soon(
    serve: Serve, attack: Callable[[Client], None]
) -> None:
    served = serve("--allow-anonymous")
    pid = served.process.pid
    costs: list[int] = []
    for _ in range(3):
        used = cpu_ns(pid)
        with connect(served) as client, contextlib.suppress(ConnectionError, AssertionError):
            attack(client)
        costs.append(cpu_ns(pid) - used)
    assert min(costs) < 150_000_000  # 50 ms are meant


@pytest.mark.slow
@pytest.mark.parametrize("name", BEGINNINGS)
def test_what_is_begun_and_not_ended_takes_little(serve: Serve, name: str) -> None:
    served = serve("--allow-anonymous")
    pid = served.process.pid
    publish(served, 1, 10)
    before = resident_bytes(pid)
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            client = stack.enter_context(connect(served))
            with contextlib.suppress(ConnectionError):
                client.send(BEGINNINGS[name])
        publish(served, 1, 10)
        assert resident_bytes(pid) - before < 16 * MIB


@pytest.mark.slow
def test_a_hundred_streams_whose_windows_are_shut_take_little(serve: Serve) -> None:
    served = serve("--allow-anonymous")
    pid = served.process.pid
    publish(served, 150, 65_000)  # the log is full
    sock = socket.create_connection(("127.0.0.1", served.port), 10)
    with Http2Client(sock) as client:
        client.set_window(0)
        streams = [client.send("/events/news") for _ in range(100)]
        while len(client.heads) < len(streams):
            client.read()
        before = resident_bytes(pid)
        publish(served, 150, 65_000)
        grown = resident_bytes(pid) - before
    assert grown < 8 * MIB  # 4 are meant
