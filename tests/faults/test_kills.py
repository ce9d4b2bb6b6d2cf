"""Processes that are killed in the middle of everything: what was acknowledged is there."""

import asyncio
import subprocess
import sys
import time
import urllib.error
from itertools import count
from pathlib import Path
from random import Random

import pytest

from sse_server.core.history import Question
from sse_server.engines.schemes import EngineSettings, make_engine
from sse_server.wire.parser import EventStreamParser, StreamEvent
from tests.conftest import Serve
from tests.faults.follower import Follower, following, wait_for
from tests.peers.publisher import publish, wait_for_clients

CLIENTS = 10
PUBLISHER = """
import asyncio, os, sys
from itertools import count
from sse_server.engines.base import Publication
from sse_server.engines.schemes import EngineSettings, make_engine
from sse_server.wire.event import Event

class Nobody:
    def deliver(self, channel, offset, event, block):
        pass

async def main(url, start):
    engine = make_engine(url, EngineSettings())
    await engine.open()
    engine.start(Nobody())

    async def publish(publisher):
        for number in count():
            data = f"{start}-{publisher}-{number}"
            size = 1 if number % 5 else 3
            batch = [Publication("news", Event(f"{data}-{part}")) for part in range(size)]
            receipts = await engine.publish(batch)
            lines = [f"{r.position.decode()} {e.data}\\n" for r, (_, e) in zip(receipts, batch)]
            os.write(1, "".join(lines).encode())

    await asyncio.gather(*map(publish, range(8)))

asyncio.run(main(*sys.argv[1:]))
"""


async def read_all(url: str) -> list[StreamEvent]:
    """All that is kept."""
    engine = make_engine(url, EngineSettings())
    await engine.open()
    try:
        place: int | None = None
        parser = EventStreamParser()
        events: list[StreamEvent] = []
        while place is None or place < engine.newest:
            page = await engine.history(Question(("news",), place, engine.newest), 1_000, 1 << 20)
            assert page.lost == {}
            events += parser.feed(page.blocks)
            place = page.end
        return events
    finally:
        await engine.close()


def kill_while_publishing(folder: Path, random: Random, rounds: int) -> None:
    """Kill the process that publishes, again and again; look at what is there each time."""
    url = f"sqlite://{folder}/events.db"
    acknowledged: list[tuple[str, str]] = []
    for number in range(rounds):
        publishing = subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, url, str(number)], stdout=subprocess.PIPE
        )
        assert publishing.stdout is not None
        first = publishing.stdout.readline()  # it publishes
        time.sleep(random.random() * 0.1)
        publishing.kill()
        text = first + publishing.stdout.read()
        publishing.stdout.close()
        publishing.wait()
        lines = text.decode().splitlines(keepends=True)
        if not lines[-1].endswith("\n"):
            lines.pop()
        acknowledged += [(line.split()[0], line.split()[1]) for line in lines]
    events = asyncio.run(read_all(url))
    there = {event.last_event_id: event.data for event in events}
    assert len(there) == len(events)
    assert [one for one in acknowledged if there.get(one[0]) != one[1]] == []
    assert len({event.data for event in events}) == len(events), "something is there twice"
    # Batches are there as a whole, in a row.
    parts = [event.data for event in events if int(event.data.split("-")[2]) % 5 == 0]
    for begin in range(0, len(parts), 3):
        name = parts[begin].removesuffix("-0")
        assert parts[begin : begin + 3] == [f"{name}-{part}" for part in range(3)]


def test_what_an_engine_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    kill_while_publishing(tmp_path, Random(1), rounds=4)


@pytest.mark.slow
def test_what_an_engine_acknowledged_is_there_after_a_hundred_kills(tmp_path: Path) -> None:
    kill_while_publishing(tmp_path, Random(2), rounds=100)


def test_streams_resume_over_kills_without_a_gap(serve: Serve, tmp_path: Path) -> None:
    engine = f"--engine=sqlite://{tmp_path}/events.db"
    served = serve(engine)
    followers = [Follower(served.port, last_event_id="earliest") for _ in range(CLIENTS)]
    acknowledged: list[tuple[str, str]] = []

    async def publish_for_ever() -> None:
        for number in count():
            while True:
                try:
                    # Whether or not the first try was stored: this one says where it stands.
                    position = await asyncio.to_thread(
                        publish, served.url, "news", str(number), id=str(number)
                    )
                except (urllib.error.URLError, ConnectionError, TimeoutError):
                    await asyncio.sleep(0.02)
                else:
                    acknowledged.append((position, str(number)))
                    break

    async def main() -> None:
        nonlocal served
        async with following(followers):
            await asyncio.to_thread(wait_for_clients, served.url, "news", CLIENTS)
            publishing = asyncio.create_task(publish_for_ever())
            for _ in range(3):
                enough = len(acknowledged) + 50
                await wait_for(lambda enough=enough: len(acknowledged) >= enough)  # type: ignore[misc]
                served.process.kill()
                served.process.wait()
                served = await asyncio.to_thread(serve, engine, port=served.port)
            enough = len(acknowledged) + 20
            await wait_for(lambda: len(acknowledged) >= enough)
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            newest = await asyncio.to_thread(publish, served.url, "news", "end")
            acknowledged.append((newest, "end"))
            await wait_for(lambda: all("end" in follower.data for follower in followers))

    asyncio.run(main())
    for follower in followers:
        assert follower.gaps == []
        got = [(event.last_event_id, event.data) for event in follower.events]
        # One more may have been stored when the publisher was stopped.
        assert [one for one in got if one in acknowledged] == acknowledged
        assert len(got) <= len(acknowledged) + 1
        assert len(set(got)) == len(got)
