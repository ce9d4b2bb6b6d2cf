"""Readers that read, but slowly; and publishers that are faster than the pump."""

import asyncio
import json
import socket
import threading
import time

import pytest

from bench.load.crowd import Crowd
from bench.load.stream import event_data
from sse_server import (
    ChannelOptions,
    ConnectionOptions,
    Event,
    HubOptions,
    LagPolicy,
    LogOptions,
    ServerOptions,
    SocketOptions,
)
from sse_server.wire.flow import CloseReason
from sse_server.wire.parser import StreamEvent
from tests.faults.conftest import Readers, open_unread_stream
from tests.faults.follower import Follower, Transcript, following, wait_for
from tests.running_server import RunningServer, run_server, wait_until

EVENTS = 300
KEYS = 7
POURED = 5_000
MAX_LAG_FRAMES = 40


def options(channel: ChannelOptions) -> ServerOptions:
    """Small buffers in the kernel, so that a slow reader is seen to be slow."""
    sockets = SocketOptions(not_sent_low_water_bytes=8_192)
    return ServerOptions(
        bind=("127.0.0.1:0",),
        drain_seconds=0.2,
        hub=HubOptions(log=LogOptions(channel=channel)),
        connection=ConnectionOptions(socket=sockets),
    )


class SlowReader:
    """Reads 10 KB/s until it is let go."""

    def __init__(self, port: int) -> None:
        self.events: list[StreamEvent] = []
        self.ended = False
        self.response = Transcript()
        self._socket = open_unread_stream(port)
        self._hurries = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def hurry(self) -> None:
        """From now on it reads all there is."""
        self._hurries.set()

    def close(self) -> None:
        self.hurry()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        try:
            while data := self._socket.recv(65_536 if self._hurries.is_set() else 1_000):
                self.events += self.response.feed(data)
                self._hurries.wait(0.1)
        except OSError:
            pass
        self.ended = True


def publish_all(running: RunningServer) -> None:
    """Publish numbered events of 4 KB with few keys, over about a second."""

    async def publish(number: int) -> None:
        data = json.dumps([number, "x" * 4_000])
        await running.server.publish("news", Event(data, key=f"k{number % KEYS}"))

    for number in range(EVENTS):
        running.run(publish(number))
        time.sleep(0.003)


def numbers(events: list[StreamEvent]) -> list[int]:
    return [json.loads(event.data)[0] for event in events if event.type == "message"]


def has_newest(reader: SlowReader) -> bool:
    return EVENTS - 1 in numbers(reader.events[-1:])


def test_drop_skips_the_oldest_and_tells_how_many() -> None:
    channel = ChannelOptions(lag=LagPolicy.DROP, max_lag_frames=MAX_LAG_FRAMES)
    with run_server("uvloop", options(channel)) as running:
        reader = SlowReader(running.port)
        wait_until(lambda: running.server.hub.subscribers == 1, "it stands")
        publish_all(running)
        reader.hurry()
        wait_until(lambda: has_newest(reader), "it has the newest")
        reader.close()
        gaps = [json.loads(event.data) for event in reader.events if event.type == "gap"]
        got = numbers(reader.events)
        assert got == sorted(set(got))
        assert gaps
        assert {gap["reason"] for gap in gaps} == {"lagged"}
        assert sum(gap["lost"] for gap in gaps) == EVENTS - len(got)
        assert running.server.hub.pump.skipped == EVENTS - len(got)
        offsets = [int(event.last_event_id.partition("-")[2]) for event in reader.events]
        assert offsets == sorted(set(offsets))


def test_latest_conflates_by_key_and_loses_nothing() -> None:
    channel = ChannelOptions(lag=LagPolicy.LATEST, max_lag_frames=MAX_LAG_FRAMES)
    with run_server("uvloop", options(channel)) as running:
        reader = SlowReader(running.port)
        wait_until(lambda: running.server.hub.subscribers == 1, "it stands")
        publish_all(running)
        reader.hurry()
        wait_until(lambda: has_newest(reader), "it has the newest")
        reader.close()
        got = numbers(reader.events)
        assert got == sorted(set(got))
        assert {event.type for event in reader.events} == {"message"}
        assert len(got) < EVENTS
        assert running.server.hub.pump.conflated == EVENTS - len(got)
        assert got[-KEYS:] == list(range(EVENTS - KEYS, EVENTS)), "the last of each key"


@pytest.mark.slow
def test_disconnect_ends_the_stream_and_the_client_resumes_without_a_loss() -> None:
    channel = ChannelOptions(lag=LagPolicy.DISCONNECT, max_lag_frames=MAX_LAG_FRAMES)
    with run_server("uvloop", options(channel)) as running:
        hub = running.server.hub
        reader = SlowReader(running.port)
        wait_until(lambda: hub.subscribers == 1, "it stands")
        publish_all(running)
        wait_until(lambda: hub.closed[CloseReason.SLOW] == 1, "it is ended")
        assert hub.subscribers == 0
        reader.hurry()
        wait_until(lambda: reader.ended, "it has seen its end")
        reader.close()
        got = numbers(reader.events)
        assert got == list(range(len(got)))
        assert len(got) < EVENTS
        # It comes back, as often as it is too slow again.
        follower = Follower(running.port, last_event_id=reader.response.parser.last_event_id)

        async def follow() -> None:
            async with following([follower]):
                await wait_for(lambda: numbers(follower.events[-1:]) == [EVENTS - 1])

        asyncio.run(follow())
        assert got + numbers(follower.events) == list(range(EVENTS))


@pytest.mark.slow
def test_a_publisher_at_full_speed_waits_for_those_who_read() -> None:
    """But not for those whose transport was full: a run in which one was proves nothing."""
    for _ in range(3):
        with Crowd(1, None) as crowd:
            if _pour_past_readers(Readers(crowd)):
                return
    pytest.fail("in every run the kernel held something back from a reader")


def _pour_past_readers(crowd: Readers) -> bool:
    """Publish far more than a window holds; False: some reader's transport was full meanwhile."""
    log = LogOptions(channel=ChannelOptions(max_frames=100))
    server = ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, hub=HubOptions(log=log))
    with run_server("uvloop", server) as running:
        crowd.open(running.port, 500)
        hub = running.server.hub
        unread = []

        async def publish() -> None:
            """Gives the loop back only where it is made to wait."""
            for number in range(1, POURED + 1):
                await running.server.publish("news", event_data(number, time.monotonic_ns(), 200))
                unread.append(hub.newest - hub.pump.dry_at)

        asyncio.run_coroutine_threadsafe(publish(), running.loop).result(40)
        crowd.crowd.wait(POURED, 30.0)
        assert running.server._engine.delayed > POURED // 100
        assert max(unread) <= 100 // 2 + 1
        if hub.pauses:
            return False
        assert hub.pump.gaps == 0
        assert crowd.told().fewest == POURED
        return True
