"""Readers that read nothing: what they cost, and what becomes of them."""

import json
import os
import socket
import sys

import pytest

from bench.load.server import resident_bytes
from sse_server import HubOptions, ServerOptions
from sse_server.wire.flow import CloseReason
from tests.faults.conftest import Readers, numbered_publisher, open_unread_stream
from tests.faults.follower import Transcript, stream_request
from tests.running_server import run_server, wait_until

MIB = 1024 * 1024
EVENTS = 150
EVENT_BYTES = 65_536
UNREAD = 50
STALL_SECONDS = 1.0


def read_what_is_left(sock: socket.socket) -> Transcript:
    """All that had been sent when the server gave up."""
    response = Transcript()
    try:
        while data := sock.recv(65_536):
            response.feed(data)
    except ConnectionResetError:
        pass
    assert not response.is_complete, "an end that its client could not have been told"
    return response


def resume(port: int, last_event_id: str, newest: str) -> list[tuple[str, str, str]]:
    """What a stream brings from this id up to the event with the id `newest`."""
    found: list[tuple[str, str, str]] = []
    response = Transcript(last_event_id)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(stream_request("news", last_event_id))
        while response.parser.last_event_id != newest:
            data = sock.recv(65_536)
            assert data, found[-1:]
            found += response.feed(data)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_who_reads_nothing_costs_a_place_and_is_closed_and_told_its_gap(crowd: Readers) -> None:
    hub_options = HubOptions(stall_timeout_seconds=STALL_SECONDS)
    options = ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, hub=hub_options)
    with run_server("uvloop", options) as running:
        hub = running.server.hub
        unread = [open_unread_stream(running.port) for _ in range(UNREAD)]
        crowd.open(running.port, 10)
        wait_until(lambda: hub.subscribers == UNREAD + 10, "all stand")
        before = resident_bytes(os.getpid())
        most = 0
        with numbered_publisher(running.port, EVENT_BYTES) as publisher:
            for number in range(1, EVENTS + 1):
                publisher.publish()
                if number % 10 == 0:
                    crowd.wait(number)
                    most = max(most, resident_bytes(os.getpid()))
            # 4 MiB of the window, what is under way, and less than 200 KiB for each that is stuck;
            # not the 470 MiB that were published to them.
            assert most - before < 48 * MIB
            wait_until(lambda: hub.closed[CloseReason.SLOW] == UNREAD, "the stalled are closed")
            assert hub.subscribers == 10
            assert len(hub.stalls) == 0
            newest = hub.positions.encode(hub.newest).decode()
            oldest = None
            for sock in unread:
                with sock:
                    held = read_what_is_left(sock).parser.last_event_id
                (kind, told, _), *rest = resume(running.port, held, newest)
                gap = json.loads(told)
                assert (kind, gap["requested"], gap["newest"]) == ("gap", held, newest)
                assert {event[0] for event in rest} == {"message"}, "a gap is told once"
                offsets = [int(position.partition("-")[2]) for _, _, position in rest]
                assert offsets == list(range(offsets[0], EVENTS + 1))
                assert offsets[0] > int(held.partition("-")[2]) + 1
                oldest = oldest or gap["oldest"]
                assert gap["oldest"] == oldest == rest[0][2]
            publisher.publish()
            crowd.wait(EVENTS + 1)
        crowd.told()
        assert hub.pump.gaps == UNREAD
