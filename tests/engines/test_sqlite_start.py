"""What a start does with a file: bounded work whatever stands in it, and a new epoch."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from sse_server.core.log_options import LogOptions
from sse_server.engines.base import Publication
from sse_server.engines.idempotency import IdempotencyOptions
from sse_server.engines.sqlite import file as module
from sse_server.engines.sqlite.engine import SqliteEngine
from sse_server.engines.sqlite.file import DatabaseFile
from sse_server.engines.sqlite.options import SqliteOptions
from sse_server.wire.event import Event
from sse_server.wire.position import PositionFault, Positions
from tests.engines.subjects import Nobody

FILL = """
WITH RECURSIVE number (n) AS (SELECT ?1 + 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1 + ?2)
INSERT INTO events SELECT n, 'c' || (n % 100), 1000 * n, zeroblob(20) FROM number
"""


def engine_on(path: Path) -> SqliteEngine:
    clocks = (lambda: 0.0, lambda: 1e9)
    return SqliteEngine(str(path), SqliteOptions(), LogOptions(), IdempotencyOptions(), *clocks)


def start(path: Path) -> Positions:
    """Start on a file, publish one event, and end."""

    async def main() -> Positions:
        engine = engine_on(path)
        await engine.open()
        engine.start(Nobody())
        answer = engine.publish([Publication("a", Event("x"))])
        assert not isinstance(answer, list)
        await answer
        await engine.close()
        return engine.positions

    return asyncio.run(main())


def work_of_a_start(path: Path, patches: pytest.MonkeyPatch) -> int:
    """Thousands of steps that SQLite takes until the engine is open."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    connect = DatabaseFile._connect

    def connect_counted(file: DatabaseFile) -> sqlite3.Connection:
        connection = connect(file)
        connection.set_progress_handler(count, 100)
        return connection

    async def main() -> None:
        engine = engine_on(path)
        with patches.context() as inner:
            inner.setattr(DatabaseFile, "_connect", connect_counted)
            inner.setattr("sse_server.engines.sqlite.writer.Writer.start", lambda _: None)
            await engine.open()
        engine._writer._connection.close()
        engine._readers.shutdown()
        engine._file.release()

    asyncio.run(main())
    return steps


def test_a_start_takes_the_same_work_whatever_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.db"
    start(path)
    few = work_of_a_start(path, monkeypatch)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(FILL, (10, 50_000))
        connection.commit()
    many = work_of_a_start(path, monkeypatch)
    assert many <= few + 1


def test_each_start_is_an_epoch_and_the_oldest_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_EPOCHS", 3)
    path = tmp_path / "events.db"
    given: list[bytes] = []
    for offset in range(1, 7):
        positions = start(path)
        given.append(positions.encode(offset))
        assert positions.parse(given[-1]) == offset
    assert len({position.partition(b"-")[0] for position in given}) == 6
    found = [positions.parse(position) for position in given]
    assert found == [PositionFault.FOREIGN_EPOCH] * 3 + [4, 5, 6]


def test_a_start_that_gave_no_position_leaves_no_epoch(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    start(path)

    async def open_only() -> None:
        engine = engine_on(path)
        await engine.open()
        await engine.close()

    for _ in range(3):
        asyncio.run(open_only())
    start(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT begin FROM epochs ORDER BY begin").fetchall() == [
            (-1,),
            (1,),
        ]


def test_what_a_start_waits_for_is_the_server_before_it(tmp_path: Path) -> None:
    """Restarts overlap: the new one waits until the old one has let go of the file."""

    async def main() -> None:
        path = tmp_path / "events.db"
        first, second = engine_on(path), engine_on(path)
        await first.open()
        first.start(Nobody())
        opening = asyncio.ensure_future(second.open())
        answer = first.publish([Publication("a", Event("x"))])
        assert not isinstance(answer, list)
        await answer
        assert not opening.done()
        await first.close()
        await opening
        assert second.newest == 1
        await second.close()

    asyncio.run(main())
