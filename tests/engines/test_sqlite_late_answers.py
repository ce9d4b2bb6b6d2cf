"""The server with the SQLite engine: answers that wait for the file."""

import asyncio
import contextlib
import json
import socket
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.engines.served import FEW
from tests.engines.served import served as server_on
from tests.http2_client import Http2Client
from tests.running_server import LOOPS, Client, RunningServer, wait_until

served = partial(server_on, hub=FEW, lock_wait_seconds=30)


@contextlib.contextmanager
def held_up(path: Path) -> Iterator[None]:
    """Nothing is stored meanwhile, and nothing fails."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def data_of(running: RunningServer) -> list[str]:
    """All that is kept."""
    stream = running.subscriber("/events/news?last_event_id=earliest")
    running.publish("news", "the end")
    found: list[str] = []
    while "the end" not in found:
        found += stream.read_events(1)
    return found[:-1]


@pytest.mark.parametrize("loop_name", LOOPS)
def test_who_leaves_while_it_waits_keeps_nobody_from_an_answer(
    tmp_path: Path, loop_name: str
) -> None:
    path = tmp_path / "events.db"
    with served(path, loop_name=loop_name) as running:
        site = running.server._site
        staying, leaving = running.client(), running.client()
        with held_up(path):
            leaving.post("/events/news", "left")
            wait_until(lambda: running.call(lambda: site.held.unanswered) == 4, "it is taken in")
            staying.post("/events/news", "stayed")
            wait_until(lambda: running.call(lambda: site.held.unanswered) == 10, "so is this")
            leaving.reset()
            wait_until(lambda: running.call(lambda: site.held.unanswered) == 6, "it has left")
        assert staying.read_answer().status == 200
        assert data_of(running) == ["left", "stayed"]


@pytest.mark.parametrize("loop_name", LOOPS)
def test_what_is_pipelined_is_answered_in_order(tmp_path: Path, loop_name: str) -> None:
    path = tmp_path / "events.db"
    with served(path, loop_name=loop_name) as running, running.client() as client:
        for number in range(40):
            client.post("/events/news", str(number))
            client.get("/healthz")
        positions = []
        for _ in range(40):
            positions.append(json.loads(client.read_answer().body)["id"])
            assert "id" not in json.loads(client.read_answer().body)
        assert [int(position.partition("-")[2]) for position in positions] == list(range(1, 41))
        assert data_of(running) == [str(number) for number in range(40)]


@pytest.mark.parametrize("loop_name", LOOPS)
def test_publishes_on_one_connection_of_http2_are_stored_and_answered_together(
    tmp_path: Path, loop_name: str
) -> None:
    path = tmp_path / "events.db"
    with served(path, loop_name=loop_name) as running:
        sock = running.keep(socket.create_connection(("127.0.0.1", running.port), 10))
        client = Http2Client(sock)
        with held_up(path):
            streams = [
                client.send("/events/news", method="POST", body=str(number).encode())
                for number in range(20)
            ]
            assert client.answer(client.send("/healthz")).status == 200
        assert {client.answer(stream).status for stream in streams} == {200}
        commits = running.server._engine.counters.batches
        assert sum(commits.counts) <= 4
        assert data_of(running) == [str(number) for number in range(20)]


def test_an_answer_that_is_waited_for_when_the_server_shuts_down_is_given(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(served(path, drain_seconds=30))
        client = Client(socket.create_connection(("127.0.0.1", running.port), 10))
        stack.enter_context(client)
        with held_up(path):
            client.post("/events/news", "x")
            site = running.server._site
            wait_until(lambda: running.call(lambda: site.held.unanswered) == 1, "it is taken in")
            closing = asyncio.run_coroutine_threadsafe(running.server.close(), running.loop)
            wait_until(lambda: site.draining, "it takes no more in")
        assert client.read_answer().status == 200
        client.socket.close()
        closing.result(30)
