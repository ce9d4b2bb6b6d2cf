"""Files that cannot be used, or not any more: a clear error, and nothing stops that still works."""

import contextlib
import fcntl
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sse_server import ConfigurationError, ServerOptions
from sse_server.engines.sqlite.engine import SqliteEngine
from sse_server.engines.sqlite.options import SqliteOptions
from tests.running_server import RunningServer, run_server, wait_until


def served(path: Path) -> contextlib.AbstractContextManager[RunningServer]:
    options = ServerOptions(
        bind=("127.0.0.1:0",),
        drain_seconds=0.2,
        engine=f"sqlite://{path}",
        sqlite=SqliteOptions(lock_wait_seconds=0.1),
    )
    return run_server("asyncio", options)


def refused(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught, served(path):
        raise AssertionError("it serves")
    text = str(caught.value)
    assert text.startswith("ServerOptions.engine: ")
    assert "\n" not in text
    return text.removeprefix("ServerOptions.engine: ")


def publish(running: RunningServer, data: str = "x") -> tuple[int, dict[str, object]]:
    with running.client() as client:
        client.post("/events/news", data)
        answer = client.read_answer()
        found: dict[str, object] = json.loads(answer.body)
        return answer.status, found


def readiness(running: RunningServer) -> int:
    with running.client() as client:
        client.get("/readyz")
        return client.read_answer().status


def engine_of(running: RunningServer) -> SqliteEngine:
    engine = running.server._engine._engine
    assert isinstance(engine, SqliteEngine)
    return engine


@contextlib.contextmanager
def going_on(running: RunningServer, problem: str) -> Iterator[None]:
    """Behind it, events cannot be stored, and streams go on."""
    assert publish(running, "before")[0] == 200
    stream = running.subscriber("/events/news?last_event_id=earliest")
    assert stream.read_events(1) == ["before"]
    yield  # it is brought about
    status, answer = publish(running, "lost " * 1_000)
    assert status == 503
    assert answer["error"] == "unavailable"
    assert problem in str(answer["message"])
    assert readiness(running) == 503
    late = running.subscriber("/events/news?last_event_id=earliest")
    assert late.read_events(1) == ["before"]


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    problem = refused(tmp_path / "no" / "events.db")
    assert problem.endswith(f"make the directory '{tmp_path}/no', or name another file")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert "Is a directory" in refused(tmp_path)


def test_a_file_of_two_servers_is_refused_to_the_second(tmp_path: Path) -> None:
    with served(tmp_path / "events.db"):
        assert refused(tmp_path / "events.db") == (
            f"'{tmp_path}/events.db' is used by another server; stop that one, or give each a file "
            "of its own"
        )
    with served(tmp_path / "events.db") as running:
        assert publish(running)[0] == 200


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_text("my diary " * 1_000)
    assert "it is not a database; restore a copy of it" in refused(path)
    assert path.read_text() == "my diary " * 1_000


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    before = path.read_bytes()
    assert "is the database of another program; name another file" in refused(path)
    assert path.read_bytes() == before


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "was written by a newer version" in refused(path)


def test_a_file_that_is_damaged_at_the_start_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running:
        assert publish(running)[0] == 200
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4_096)
    assert "it is damaged; restore a copy of it" in refused(path)


def test_a_file_locked_by_another_program_is_told_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert "another program has locked it; end that program" in refused(path)


def test_while_a_file_is_locked_publishers_get_503_and_streams_go_on(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running, contextlib.closing(sqlite3.connect(path)) as connection:
        with going_on(running, "another program has locked it"):
            connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        wait_until(lambda: readiness(running) == 200, "it stores again")
        assert publish(running)[0] == 200


def test_when_the_file_is_full_publishers_get_503_and_streams_go_on(tmp_path: Path) -> None:
    with served(tmp_path / "events.db") as running:
        connection = engine_of(running)._writer._connection
        with going_on(running, "the disk is full"):
            running.call(lambda: connection.execute("PRAGMA max_page_count = 1"))
            while publish(running, "x" * 4_000)[0] == 200:
                pass
        running.call(lambda: connection.execute("PRAGMA max_page_count = 1000000"))
        wait_until(lambda: readiness(running) == 200, "it stores again")
        assert publish(running, "x" * 4_000)[0] == 200


def test_a_disk_that_is_full_is_told_and_used_again_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mount.returncode:
        pytest.skip(f"no small disk can be made: {mount.stderr.strip()}")
    try:
        with served(disk / "events.db") as running:
            ballast = disk / "ballast"
            with going_on(running, "the disk is full"):
                fill(ballast)
            ballast.unlink()
            wait_until(lambda: readiness(running) == 200, "it stores again")
            assert publish(running)[0] == 200
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_file_that_cannot_be_written_any_more_is_told(tmp_path: Path) -> None:
    with served(tmp_path / "events.db") as running:
        connection = engine_of(running)._writer._connection
        with going_on(running, "it cannot be written"):
            running.call(lambda: connection.execute("PRAGMA query_only = 1"))
        running.call(lambda: connection.execute("PRAGMA query_only = 0"))
        wait_until(lambda: readiness(running) == 200, "it stores again")


def test_a_file_that_was_replaced_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running:
        with going_on(running, "it has been replaced since the start: start the server anew"):
            path.rename(tmp_path / "away.db")
            path.write_bytes(b"")
        (tmp_path / "away.db").rename(path)
        wait_until(lambda: readiness(running) == 200, "it stores again")


def test_what_cannot_be_read_is_a_gap_and_the_stream_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running:
        _, first = publish(running, "first")
    with served(path) as running:
        assert publish(running, "second")[0] == 200
        engine = engine_of(running)
        running.call(lambda: engine._readers.submit(os.getpid).result())
        good = engine._file.connect
        engine._file.connect = broken  # type: ignore[method-assign]
        stream = running.subscriber(f"/events/news?last_event_id={str(first['id'])[:-1]}0")
        block = stream.read_until(b"\n\n")
        assert b"event: gap\n" in block
        assert stream.read_events(1) == ["second"]
        engine._file.connect = good  # type: ignore[method-assign]
        assert publish(running, "third")[0] == 200
        assert stream.read_events(1) == ["third"]


def fill(path: Path) -> None:
    """Leave no room on the disk."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"x" * 4_096):
            pass


def broken() -> sqlite3.Connection:
    raise sqlite3.DatabaseError("database disk image is malformed")


def test_the_file_is_for_its_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with served(tmp_path / "events.db") as running:
            assert publish(running)[0] == 200
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}
    assert {"events.db", "events.db-wal", "events.db-lock"} <= modes.keys()


def test_the_lock_is_let_go_of_when_the_start_fails(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_text("no database" * 100)
    refused(path)
    with (tmp_path / "events.db-lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
