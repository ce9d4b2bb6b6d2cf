"""Files that cannot be used any more: publishers get 503, and nothing stops that still works."""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
from collections.abc import Awaitable
from pathlib import Path

import pytest

from sse_server.engines.base import Publication, Receipt
from sse_server.errors import Unavailable
from sse_server.wire.event import Event
from tests.engines.served import (
    cannot_store,
    damage_index,
    engine_of,
    fill,
    going_on,
    look,
    publish,
    served,
    small_disk,
    stores_again,
    unwritable,
)
from tests.running_server import wait_until


def test_while_a_file_is_locked_publishers_get_503_and_streams_go_on(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running, contextlib.closing(sqlite3.connect(path)) as connection:
        with going_on(running, "another program has locked it") as stream:
            connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        stores_again(running, stream)


def test_when_the_file_is_full_publishers_get_503_and_streams_go_on(tmp_path: Path) -> None:
    with served(tmp_path / "events.db") as running:
        connection = engine_of(running)._writer._connection
        with going_on(running, "the disk is full") as stream:
            running.call(lambda: connection.execute("PRAGMA max_page_count = 1"))
            while publish(running, "x" * 4_000)[0] == 200:
                assert stream.read_events(1) == ["x" * 4_000]
        running.call(lambda: connection.execute("PRAGMA max_page_count = 1000000"))
        stores_again(running, stream)


def test_a_disk_that_is_full_is_told_and_used_again_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, served(disk / "events.db") as running:
        with going_on(running, "the disk is full") as stream:
            fill(disk / "ballast")
        (disk / "ballast").unlink()
        stores_again(running, stream)


def test_a_batch_that_the_disk_has_no_room_for_is_answered_event_by_event(tmp_path: Path) -> None:
    envelopes = [
        {"channel": "news", "data": f"{n} " + "x" * 1_000, "id": f"{n}"} for n in range(900)
    ]
    body = "\n".join(map(json.dumps, envelopes))
    kind = "Content-Type: application/x-ndjson\r\n"
    with small_disk(tmp_path / "disk") as disk, served(disk / "events.db") as running:
        with running.client() as client:
            client.post("/events", body, kind)
            answer = client.read_answer()
        assert answer.status == 503
        found = json.loads(answer.body)
        stored = found["stored"]
        assert 0 < stored == found["published"] < 900
        assert "the disk is full" in found["message"]
        assert [event.get("error") for event in found["events"]] == (
            [None] * stored + ["unavailable"] * (900 - stored)
        )
        stream = running.subscriber("/events/news?last_event_id=earliest")
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        wait_until(lambda: look(running, "/readyz")[0] == 200, "it stores again")
        with running.client() as client:
            client.post("/events", body, kind)
            again = json.loads(client.read_answer().body)
        assert (again["published"], again["duplicates"]) == (900 - stored, stored)
        positions = [event["id"] for event in again["events"]]
        assert positions[:stored] == [event["id"] for event in found["events"][:stored]]
        events = stream.read_events(900)
        assert [int(event.split()[0]) for event in events] == list(range(900))


def test_a_file_that_cannot_be_written_any_more_is_told(tmp_path: Path) -> None:
    with served(tmp_path / "events.db") as running:
        connection = engine_of(running)._writer._connection
        with going_on(running, "it cannot be written") as stream:
            running.call(lambda: connection.execute("PRAGMA query_only = 1"))
        running.call(lambda: connection.execute("PRAGMA query_only = 0"))
        stores_again(running, stream)


def test_a_disk_that_takes_nothing_any_more_is_told(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running, contextlib.ExitStack() as disk:
        with going_on(running, "the disk does not work (I/O error)") as stream:
            disk.enter_context(unwritable(path, tmp_path / "events.db-wal"))
        disk.close()
        stores_again(running, stream)


def test_a_file_that_was_replaced_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running:
        problem = "it has been replaced since the start: start the server anew"
        with going_on(running, problem) as stream:
            path.rename(tmp_path / "away.db")
            path.write_bytes(b"")
        (tmp_path / "away.db").rename(path)
        stores_again(running, stream)


def test_a_file_that_turns_out_to_be_damaged_is_told(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running:
        running.publish("news", "first")
    damage_index(path)
    with served(path) as running:
        running.subscriber("/events/news")
        cannot_store(running, "it is damaged")
        running.subscriber("/events/news?last_event_id=earliest")
        assert look(running, "/channels/news/events")[0] == 503
        assert running.call(lambda: running.server.hub.subscribers) == 2


def test_what_is_damaged_while_it_serves_is_a_gap_and_all_else_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running:
        running.publish("news", *map(str, range(3_000)))
        _, first = publish(running, "first")
    with served(path) as running:
        assert publish(running, "second")[0] == 200
        damage_index(path)
        position = str(first["id"]).rpartition("-")[0] + "-100"
        stream = running.subscriber(f"/events/news?last_event_id={position}")
        assert b"event: gap\n" in stream.read_until(b"\n\n")
        assert stream.read_events(1) == ["second"]
        assert publish(running, "third")[0] == 200
        assert stream.read_events(1) == ["third"]
        assert look(running, "/readyz")[0] == 200


def test_publishers_are_told_when_too_much_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sse_server.engines.sqlite.engine._MAX_WAITING_BYTES", 3_000)
    path = tmp_path / "events.db"
    with (
        served(path, lock_wait_seconds=60.0) as running,
        contextlib.closing(sqlite3.connect(path, check_same_thread=False)) as connection,
    ):
        connection.execute("BEGIN IMMEDIATE")
        engine = engine_of(running)

        async def publish_much() -> int:
            answers: list[Awaitable[list[Receipt]]] = []
            with pytest.raises(Unavailable, match="too much waits to be stored"):
                while len(answers) < 100:
                    answer = engine.publish([Publication("news", Event("x" * 1_000))])
                    assert not isinstance(answer, list)
                    answers.append(answer)
            await asyncio.to_thread(connection.execute, "ROLLBACK")
            for waiting in answers:
                await waiting
            return len(answers)

        assert 3 <= running.run(publish_much()) <= 5
        assert publish(running)[0] == 200


def test_whatever_goes_wrong_with_a_group_its_publishers_are_answered(tmp_path: Path) -> None:
    with served(tmp_path / "events.db") as running, pytest.MonkeyPatch.context() as patches:
        with going_on(running, "events cannot be stored: a bug of ours") as stream:
            patches.setattr(engine_of(running)._writer, "_insert", raises)
            patches.setattr(engine_of(running)._writer, "_probe", raises)
        patches.undo()
        stores_again(running, stream)


def test_what_goes_wrong_with_retention_stops_no_publisher(tmp_path: Path) -> None:
    with served(tmp_path / "events.db") as running, pytest.MonkeyPatch.context() as patches:
        engine = engine_of(running)
        patches.setattr(engine._writer._retention, "_step", raises)
        wait_until(lambda: engine.counters.trim_failures > 0, "it goes wrong")
        assert publish(running)[0] == 200
        assert look(running, "/readyz")[0] == 200


def raises(*_args: object) -> None:
    raise RuntimeError("a bug of ours")
