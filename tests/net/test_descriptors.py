"""When the descriptors run out: old clients are served, the processor rests, new clients wait."""

import os
import resource
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from sse_server.net.descriptors import RESERVED_DESCRIPTORS, spare_descriptors
from tests.running_server import LOOPS, Client, wait_until

LIMIT = 256

SERVER = """
import asyncio, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
from sse_server import Event, Server, ServerOptions
from tests.running_server import new_loop

held = []

async def main():
    async with Server(ServerOptions(bind=("127.0.0.1:0",))) as server:
        print(server.addresses[0].rpartition(":")[2], flush=True)
        while True:
            await asyncio.sleep(0.5)
            await server.publish("news", Event("tick"))
            if {greedy}:  # the application takes what was meant for connections
                try:
                    while len(held) < {limit}:
                        held.append(open("/dev/null"))
                except OSError:
                    pass

with asyncio.Runner(loop_factory=lambda: new_loop({loop!r})) as runner:
    runner.run(main())
"""


class Starved:
    """A server in a process of its own that may open few files."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline())

    def client(self) -> Client:
        client = Client(socket.create_connection(("127.0.0.1", self.port)))
        client.get("/events/news")
        return client

    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


def _start(stack: ExitStack, loop: str, *, greedy: bool = False) -> Starved:
    root = Path(__file__).parent.parent.parent
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER.format(limit=LIMIT, loop=loop, greedy=greedy)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    stack.enter_context(process.stdout or ExitStack())
    return Starved(process)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("loop", LOOPS)
def test_when_all_descriptors_are_taken_old_clients_are_served_and_new_ones_wait(loop: str) -> None:
    with ExitStack() as stack:
        server = _start(stack, loop)
        old = [server.client() for _ in range(150)]
        for client in old:
            client.read_stream_head()
        crowd = [server.client() for _ in range(150)]
        for client in (*old, *crowd):
            stack.enter_context(client)
        time.sleep(1.0)
        assert server.descriptors() < LIMIT  # something is left for everything else

        spent, begun = server.processor_seconds(), time.monotonic()
        while time.monotonic() - begun < 4.0:
            for client in old:
                client.read_events(1)
        share = (server.processor_seconds() - spent) / (time.monotonic() - begun)
        assert share <= 0.05

        waiting = []
        for client in crowd:
            client.socket.settimeout(0)
            try:
                client.read_stream_head()
            except BlockingIOError:
                waiting.append(client)
        assert waiting
        for client in old[: len(waiting)]:
            client.socket.close()
        begun = time.monotonic()
        for client in waiting:
            client.socket.settimeout(2)
            client.read_stream_head()
            assert client.read_events(1) == ["tick"]
        assert time.monotonic() - begun < 1.0 + 0.5  # the tick's period


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("loop", LOOPS)
def test_when_others_have_taken_the_descriptors_old_clients_are_served(loop: str) -> None:
    with ExitStack() as stack:
        server = _start(stack, loop, greedy=True)
        old = [server.client() for _ in range(50)]
        for client in old:
            stack.enter_context(client).read_stream_head()
        wait_until(lambda: server.descriptors() == LIMIT, "nothing is left")
        crowd = [stack.enter_context(server.client()) for _ in range(100)]
        spent, begun = server.processor_seconds(), time.monotonic()
        while time.monotonic() - begun < 3.0:
            for client in old:
                client.read_events(1)
        assert (server.processor_seconds() - spent) / (time.monotonic() - begun) <= 0.05
        del crowd


def test_a_reserve_is_kept() -> None:
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = spare_descriptors()
    with Path("/dev/null").open("rb"):
        assert spare_descriptors() == spare - 1
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit - 100, hard))
        assert spare_descriptors() == spare - 100
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    assert spare < limit - RESERVED_DESCRIPTORS


def test_there_is_always_room_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (8, 8))
    assert spare_descriptors() == 1


def test_without_a_limit_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    infinity = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (infinity, infinity))
    assert spare_descriptors() == sys.maxsize
