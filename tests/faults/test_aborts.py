"""Clients that reset their connections: nothing that they held stays behind."""

import gc
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from bench.load.server import resident_bytes
from tests.running_server import RunningServer, run_server, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

AT_ONCE = 500
"""Streams open at one time; each has two descriptors here."""
MIB = 1024 * 1024


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def objects() -> Counter[str]:
    """How many there are of each of our types, and of tasks and sockets."""
    gc.collect()
    return Counter(
        kind.__qualname__
        for kind in map(type, gc.get_objects())
        if str(kind.__module__).startswith(("sse_server", "socket", "asyncio", "uvloop"))
    )


def open_and_abort(running: RunningServer, count: int) -> None:
    """Open streams, let an event be on its way to them, and reset them."""
    for first in range(0, count, AT_ONCE):
        clients = []
        for number in range(first, min(count, first + AT_ONCE)):
            client = running.client()
            client.get(f"/events?channel=news&channel=user/{number}")
            clients.append(client)
        for client in clients:
            client.read_stream_head()
        running.publish("news", "to all")
        for client in clients:
            client.reset()
        running._sockets.clear()  # kept there to be closed at the end
        wait_until(lambda: running.site_sizes == (0, 0), "all are gone")
    running.wait_until_empty()


@pytest.mark.parametrize(
    ("loop_name", "streams"),
    [
        ("uvloop", 600),
        ("asyncio", 600),
        pytest.param("uvloop", 20_000, marks=[pytest.mark.slow, pytest.mark.timeout(180)]),
    ],
)
def test_streams_that_are_aborted_leave_nothing_behind(loop_name: str, streams: int) -> None:
    with run_server(loop_name) as running:
        open_and_abort(running, 100)
        hub = running.server.hub
        before, open_before = objects(), descriptors()
        # Those of the listener and the timer may come and go.
        spare = Counter({"TimerHandle": 2, "Handle": 2, "Task": 2})
        residents = []
        for _ in range(3):
            open_and_abort(running, streams // 3)
            assert hub.subscribers == 0
            assert len(hub.stalls) == 0
            # uvloop lets a transport go only when it comes round after its stream is gone.
            wait_until(lambda: objects() - before <= spare, "nothing is left behind")
            assert abs(descriptors() - open_before) <= 2
            residents.append(resident_bytes(os.getpid()))
        assert hub.opened == 100 + streams // 3 * 3
        # The first round may have shown the allocator what it needs.
        assert residents[2] - residents[1] < 2 * MIB, residents
