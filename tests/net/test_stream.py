"""Open streams, on real sockets and, where a moment has to be met exactly, on a fake transport."""

import asyncio
import gc
import re
import socket
import time
from pathlib import Path
from typing import cast

import pytest

from sse_server import Event, ServerOptions
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.subscriber import Subscriber
from sse_server.core.window import ChannelOptions
from sse_server.http.chunked import chunked
from sse_server.http.http1 import Http1Options
from sse_server.http.response import EventStream, Opened, Response
from sse_server.net.site import ConnectionOptions, Site
from sse_server.net.stream import Stream
from sse_server.wire.flow import NOTHING, CloseReason
from tests.net.conftest import StartServer
from tests.running_server import RunningServer, wait_until

LARGE = HubOptions(log=LogOptions(channel=ChannelOptions(max_bytes=1 << 30)))


def _descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_the_head_of_a_stream_is_what_browsers_and_proxies_need(running: RunningServer) -> None:
    with running.client() as client:
        client.get("/events/news")
        head = client.read_stream_head()
        date = head.fields.pop("date")
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", date)
        assert head.fields == {
            "content-type": "text/event-stream",
            "cache-control": "no-cache, no-transform",
            "connection": "keep-alive",
            "x-accel-buffering": "no",
            "surrogate-control": "no-store",
            "transfer-encoding": "chunked",
        }


def test_the_opening_block_and_bursts_are_one_chunk_each(running: RunningServer) -> None:
    with running.client() as client:
        client.get("/events/news")
        client.read_until(b"\r\n\r\n")
        size = int(client.read_until(b"\r\n"), 16)
        opening = client.read_exactly(size + 2)
        assert re.fullmatch(rb": stream is open\nretry: \d{4}\nid: [\w-]+-0\n\n\r\n", opening), (
            opening
        )
        epoch = opening.split(b"id: ")[1].rpartition(b"-")[0]

        running.publish("news", "one")
        block = b"id: %b-1\ndata: one\n\n" % epoch
        chunk = b"%x\r\n%b\r\n" % (len(block), block)
        assert client.read_exactly(len(chunk)) == chunk

        running.publish("news", "two", "three")  # in one turn: one burst, one chunk
        size = int(client.read_until(b"\r\n"), 16)
        assert client.read_exactly(size + 2).count(b"data: ") == 2


def test_http_1_0_gets_a_stream_that_ends_with_its_connection(running: RunningServer) -> None:
    with running.client() as client:
        client.send(b"GET /events/news HTTP/1.0\r\nHost: localhost\r\n\r\n")
        head = client.read_stream_head()
        assert head.fields["connection"] == "close"
        assert "transfer-encoding" not in head.fields
        assert head.body.startswith(b": stream is open\n")
        running.publish("news", "one")
        block = client.read_until(b"\n\n")
        assert b"data: one\n" in block
        running.run(running.server.close())
        farewell = client.read_to_end()
        assert farewell.startswith(b"event: server-shutdown\nretry: ")
        assert farewell.endswith(b"\n\n")


def test_a_reader_that_stops_is_paused_and_gets_everything_when_it_reads_on(
    start_server: StartServer,
) -> None:
    running = start_server(ServerOptions(bind=("127.0.0.1:0",), hub=LARGE))
    count, size = 400, 50_000
    with running.subscriber() as slow, running.subscriber() as quick:
        port = slow.socket.getsockname()[1]
        streams = running.call(lambda: list(running.server._site.streams))
        (stream,) = [s for s in streams if s._transport.get_extra_info("peername")[1] == port]
        for number in range(count):
            running.publish("news", f"{number} " + "x" * size)
            quick.read_events(1)
        subscriber = stream._source
        assert isinstance(subscriber, Subscriber)
        assert subscriber.paused
        assert subscriber.lane is None
        assert not subscriber.queued
        # No more than the burst it was paused in: the rest is in the log, once.
        assert stream._transport.get_write_buffer_size() <= 70_000
        events = slow.read_events(count)
        assert [event.split()[0] for event in events] == [str(n) for n in range(count)]
        wait_until(lambda: subscriber.lane is not None, "it stands again")


def _subscribers() -> list[object]:
    return [found for found in gc.get_objects() if isinstance(found, Subscriber)]


@pytest.mark.parametrize("way", ["reset", "end", "half-close"])
def test_a_client_that_leaves_is_gone_at_once_and_nothing_of_it_is_left(
    running: RunningServer, way: str
) -> None:
    with running.subscriber():  # what is made once, is made
        pass
    running.wait_until_empty()
    running.call(gc.collect)
    before = _descriptors()
    client = running.subscriber()
    assert len(running.call(_subscribers)) == 1
    running.call(gc.disable)  # nothing may wait for the collector
    try:
        if way == "reset":
            client.reset()
        elif way == "end":
            client.socket.close()
        else:
            client.socket.shutdown(socket.SHUT_WR)
        running.wait_until_empty()
        client.socket.close()
        wait_until(lambda: not running.call(_subscribers), "the subscriber is freed", 2.0)
        wait_until(lambda: _descriptors() == before, "the descriptor is back", 2.0)
    finally:
        running.call(gc.enable)
    assert running.server.hub.closed == {CloseReason.LOST: 2}


def test_a_thousand_streams_are_aborted_twice_and_nothing_is_left(running: RunningServer) -> None:
    before = _descriptors()
    live = []
    for _ in range(2):
        clients = [running.client() for _ in range(1_000)]
        for client in clients:
            client.get("/events/news")
        wait_until(lambda: running.server.hub.subscribers == 1_000, "all are open")
        running.publish("news", "hello")
        for client in clients:
            client.reset()
        running.wait_until_empty()
        del clients, client
        wait_until(lambda: _descriptors() == before, "the descriptors are back", 1.0)
        running.call(gc.collect)
        live.append(sum(isinstance(thing, Stream) for thing in gc.get_objects()))
    assert live == [0, 0]


def test_requests_behind_a_stream_are_not_answered(running: RunningServer) -> None:
    with running.subscriber() as client:
        client.get("/healthz")
        running.publish("news", "one")
        assert b"HTTP/1.1" not in client.read_until(b"data: one\n")


@pytest.mark.parametrize("at_once", [True, False], ids=["with the request", "later"])
def test_too_many_bytes_behind_a_stream_end_it(running: RunningServer, at_once: bool) -> None:
    with running.client() as client:
        head = b"GET /events/news HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client.send(head + b"x" * 5_000 if at_once else head)
        if not at_once:
            client.read_stream_head()
            for _ in range(5):
                client.send(b"x" * 1_000)
        wait_until(lambda: running.server.hub.closed[CloseReason.KICKED] == 1, "it is ended")
    running.wait_until_empty()


def test_a_few_bytes_behind_a_stream_do_no_harm(running: RunningServer) -> None:
    with running.client() as client:
        client.send(b"GET /events/news HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"x" * 4_000)
        client.read_stream_head()
        running.publish("news", "one")
        assert client.read_events(1) == ["one"]


def test_replay_goes_over_to_live_with_no_gap_and_no_repeat(running: RunningServer) -> None:
    total = 6_000
    first = running.run(running.server.publish("news", Event("0"))).position.decode()

    async def publish() -> None:
        for number in range(1, total):
            await running.server.publish("news", Event(str(number)))
            if number % 20 == 0:
                await asyncio.sleep(0)

    publishing = asyncio.run_coroutine_threadsafe(publish(), running.loop)
    joined = []
    for _ in range(8):
        client = running.client()
        client.get("/events/news", f"Last-Event-ID: {first}\r\n")
        joined.append(client)
        time.sleep(0.005)
    try:
        for client in joined:
            client.read_stream_head()
            assert client.read_events(total - 1) == [str(n) for n in range(1, total)]
    finally:
        for client in joined:
            client.socket.close()
    publishing.result(10)


class FakeTransport:
    """Takes nothing: what is written stays in its buffer. Pauses as asyncio's does."""

    def __init__(self, buffered: int, *, paused: bool) -> None:
        self.buffered = buffered
        self.paused = paused
        self.high = 65_536
        self.protocol: asyncio.Protocol | None = None
        self.told: list[object] = []

    def write(self, data: bytes) -> None:
        self.buffered += len(data)
        self._maybe_pause()

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        self.protocol = protocol

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high
        self._maybe_pause()

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def _maybe_pause(self) -> None:
        if self.buffered > self.high and not self.paused:
            self.paused = True
            self.told.append(self.protocol)
            if self.protocol is not None:
                self.protocol.pause_writing()


class Source:
    """Remembers that it was paused."""

    opened_at = 0.0
    delivered = NOTHING
    followed: list[str] = []  # noqa: RUF012 (never changed)

    def __init__(self) -> None:
        self.paused = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def finish(self, farewell: bytes) -> None:
        """Not asked for here."""

    def gone(self, reason: CloseReason) -> None:
        """Not asked for here."""


@pytest.mark.parametrize("paused", [False, True])
def test_a_stream_behind_answers_that_are_not_read_begins_paused(paused: bool) -> None:
    source = Source()
    transport = FakeTransport(40_000, paused=paused)
    loop = asyncio.new_event_loop()
    try:
        site = Site(lambda _request: Response(200), ConnectionOptions(), Http1Options(), loop)
        stream = Stream(cast("asyncio.Transport", transport), site)
        stream.open(EventStream(lambda *_: Opened(b": hi\n\n", source)), b"head", chunked)
    finally:
        loop.close()
    assert source.paused
    assert transport.told == ([] if paused else [stream])  # never the connection, which is gone
