"""The server with the SQLite engine: what clients see of it over restarts."""

import json
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import Any

from sse_server.core.history import Page, Question
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from tests.engines.served import FEW, engine_of
from tests.engines.served import served as server_on
from tests.running_server import RunningServer

served = partial(server_on, hub=FEW, lock_wait_seconds=5.0)


def history(running: RunningServer, query: str = "") -> dict[str, Any]:
    with running.client() as client:
        client.get(f"/channels/news/events?limit=7{query}")
        answer = client.read_answer()
        assert answer.status == 200, answer
        found: dict[str, Any] = json.loads(answer.body)
        return found


def test_a_stream_reads_what_is_kept_and_goes_on_live(tmp_path: Path) -> None:
    path = tmp_path / "größe 100%.db"
    with served(path) as running:
        running.publish("news", *map(str, range(50)))
    with served(path) as running:
        running.publish("news", *map(str, range(50, 90)))
        stream = running.subscriber("/events/news?last_event_id=earliest")
        assert stream.read_events(90) == [str(number) for number in range(90)]
        running.publish("news", "live")
        assert stream.read_events(1) == ["live"]
    assert path.exists()


def test_the_history_of_a_channel_is_read_through_the_engine(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running:
        running.publish("news", *map(str, range(20)))
    with served(path) as running:
        got: list[str] = []
        after: str | None = "earliest"
        pages = 0
        while after is not None:
            page = history(running, f"&after={after}")
            assert page["complete"] is True
            got += [event["data"] for event in page["events"]]
            after = page["next"]
            pages += 1
        assert got == [str(number) for number in range(20)]
        assert pages == 3
        end = page["end"]
        running.publish("news", "new")
        (event,) = history(running, f"&after={end}")["events"]
        assert event["data"] == "new"


def test_a_restart_is_no_gap(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running:
        running.publish("news", "1")
        stream = running.subscriber("/events/news?last_event_id=earliest")
        assert stream.read_events(1) == ["1"]
        last_id = history(running)["end"]
        running.publish("news", "2")
    for data in ("3", "4"):
        with served(path) as running:
            running.publish("news", data)
    with served(path) as running:
        stream = running.subscriber("/events/news", f"Last-Event-ID: {last_id}\r\n")
        running.publish("news", "5")
        assert stream.read_events(4) == ["2", "3", "4", "5"]


def test_what_the_log_lets_go_ahead_of_a_replay_is_read_from_the_file(tmp_path: Path) -> None:
    """A log that has room for little, all channels together, and clients that read slowly."""
    path = tmp_path / "events.db"
    small = HubOptions(log=LogOptions(max_bytes=100_000))
    with served(path) as running:
        running.publish("news", *(f"{number} {'x' * 500}" for number in range(500)))
    with served(path, hub=small) as running:
        streams = [
            running.subscriber("/events?channel=news&channel=more&last_event_id=earliest")
            for _ in range(3)
        ]
        running.publish("news", *(f"{number} {'x' * 500}" for number in range(500, 1_000)))
        for number in range(20):  # each batch takes all the room
            running.publish("other", *["y" * 500] * 300)
            running.publish("news", *(f"{1_000 + number * 10 + n} " for n in range(10)))
        assert running.call(lambda: running.server.hub.log.evicted) > 5_000
        for stream in streams:
            events = stream.read_events(1_200)
            assert [int(event.split()[0]) for event in events] == list(range(1_200))
        assert running.call(lambda: running.server.hub.pump.gaps) == 0


def test_a_stream_that_waits_for_a_slow_disk_is_not_silent(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running:
        running.publish("news", "old")
    with served(path, hub=HubOptions(heartbeat_seconds=1.0)) as running:
        engine = engine_of(running)
        is_there = threading.Event()
        read = engine._read

        def read_slowly(question: Question, max_frames: int, max_bytes: int) -> Page:
            assert is_there.wait(30)
            return read(question, max_frames, max_bytes)

        engine._read = read_slowly  # type: ignore[method-assign]
        try:
            stream = running.subscriber("/events/news?last_event_id=earliest")
            for _ in range(2):
                stream.read_until(b"2\r\n:\n\r\n")
        finally:
            is_there.set()
        assert stream.read_events(1) == ["old"]


def test_who_had_what_a_restored_copy_has_not_is_told_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running:
        running.publish("news", "1")
        kept = history(running)["end"]
    shutil.copy(path, tmp_path / "copy.db")
    with served(path) as running:
        running.publish("news", "2", "3")
        gone = history(running)["end"]
    shutil.copy(tmp_path / "copy.db", path)
    with served(path) as running:
        running.publish("news", "other")
        stream = running.subscriber("/events/news", f"Last-Event-ID: {gone}\r\n")
        block = stream.read_until(b"\n\n")
        assert b"event: gap\n" in block
        assert b'"reason":"foreign-epoch"' in block
        assert stream.read_events(2) == ["1", "other"]
        stream = running.subscriber("/events/news", f"Last-Event-ID: {kept}\r\n")
        assert stream.read_events(1) == ["other"]
