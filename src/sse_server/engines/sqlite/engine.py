"""The engine: orders events in the loop, and has them stored by its writer.

One group is being written at a time; what is published meanwhile is the next. When a group is
stored the loop is woken once: its events are handed up, and its publishers answered. So nothing is
handed up that a crash could take back, and no task is made for a publish.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import local
from typing import TYPE_CHECKING

from sse_server.core.engine_counters import EngineCounters
from sse_server.engines.base import Receipt
from sse_server.engines.idempotency import IdempotencyKeys
from sse_server.engines.sqlite.file import DatabaseFile, begin_epoch, newest_offset
from sse_server.engines.sqlite.pages import read_page
from sse_server.engines.sqlite.problems import problem_of
from sse_server.engines.sqlite.retention import Retention
from sse_server.engines.sqlite.writer import Group, Writer
from sse_server.errors import Unavailable
from sse_server.wire.encoder import encode, frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sse_server.core.history import Page, Question
    from sse_server.core.log_options import LogOptions
    from sse_server.engines.base import Publication, Upward
    from sse_server.engines.idempotency import IdempotencyOptions
    from sse_server.engines.sqlite.options import SqliteOptions
    from sse_server.engines.sqlite.writer import EventRow, KeyRow, Outcome
    from sse_server.wire.event import Event

_GROUP_EVENTS = 4_096  # about 20 ms in one transaction
_GROUP_BYTES = 8 * 1024 * 1024
_MAX_WAITING_BYTES = 64 * 1024 * 1024
_READERS = 2
"""Threads that read: while one waits for the disk another page can be read."""


class _Publish:
    """One call of `publish`, until it is answered."""

    __slots__ = ("answer", "bytes", "events", "is_stored", "keys", "new", "receipts")

    def __init__(self, answer: asyncio.Future[list[Receipt]]) -> None:
        self.answer = answer
        self.receipts: list[Receipt] = []
        self.new: list[tuple[str, int, Event]] = []  # to be handed up
        self.events: list[EventRow] = []
        self.keys: list[KeyRow] = []
        self.bytes = 0
        self.is_stored = True  # nothing but repeats of what is


class SqliteEngine:
    """Keeps events in one file. One server at a time."""

    keeps_history = True
    selective = False

    def __init__(
        self,
        path: str,
        options: SqliteOptions,
        log: LogOptions,
        idempotency: IdempotencyOptions,
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is opened yet. `log` has the options of channels; `clock` is monotonic."""
        self._file = DatabaseFile(path, options)
        self._log = log
        self._idempotency = idempotency
        self._keys = IdempotencyKeys(idempotency)
        self._clock = clock
        self._wall_clock = wall_clock
        self.newest = 0
        self.trouble: str | None = None
        self.counters = EngineCounters()
        self._ordered = 0  # the newest offset that was given
        self._upward: Upward | None = None
        self._waiting: list[_Publish] = []
        self._waiting_bytes = 0
        self._writing: list[_Publish] = []
        self._is_writing = False
        self._is_closed = False
        self._ended: asyncio.Event | None = None
        self._reading = local()
        self._connections: list[sqlite3.Connection] = []

    async def open(self) -> None:
        """Open the file; make it where there is none.

        Raises:
            ConfigurationError: it cannot be used.
        """
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._open)
        self._readers = ThreadPoolExecutor(_READERS, "sse-sqlite-reader")
        self._ended = asyncio.Event()
        self._writer.start()

    def _open(self) -> None:
        connection = self._file.open()
        self.positions = begin_epoch(connection)
        self._ordered = self.newest = newest_offset(connection)
        self._load_keys(connection)
        self._retention = Retention(
            connection,
            self._log.of,
            repr((self._log.channel, self._log.patterns)),
            self._idempotency.window_seconds,
            self.counters,
            self._wall_clock,
        )
        self._writer = Writer(self._file, connection, self._retention, self._tell)

    def _load_keys(self, connection: sqlite3.Connection) -> None:
        """Know what was published lately."""
        now, now_ms = self._clock(), self._wall_clock() * 1_000
        rows = connection.execute(
            "SELECT offset, channel, key, time FROM keys ORDER BY offset DESC LIMIT ?",
            (self._idempotency.max_keys,),
        ).fetchall()
        for offset, channel, key, time_ms in reversed(rows):
            age = max(0.0, now_ms - time_ms) / 1_000
            self._keys.remember(channel.decode(), key.decode(), offset, now - age)

    def start(self, upward: Upward) -> None:
        """Begin to hand up."""
        self._upward = upward

    def publish(
        self, publications: Sequence[Publication]
    ) -> list[Receipt] | asyncio.Future[list[Receipt]]:
        """Order `publications`; the answer comes when they are stored.

        Raises:
            Unavailable: too much waits to be stored already, or the engine is closed.
        """
        assert self._upward is not None, "published before start"
        if self._is_closed:
            raise Unavailable("the engine is closed")
        if self._waiting_bytes > _MAX_WAITING_BYTES:
            raise Unavailable("too much waits to be stored: publish again later")
        publish = _Publish(self._loop.create_future())
        self._order(publish, publications)
        if publish.is_stored:
            return publish.receipts
        self._waiting.append(publish)
        self._waiting_bytes += publish.bytes
        if not self._is_writing:
            self._write()
        return publish.answer

    def _order(self, publish: _Publish, publications: Sequence[Publication]) -> None:
        position = self.positions.encode
        now_ms = round(self._wall_clock() * 1_000)
        for channel, event in publications:
            if event.id is not None:
                now = self._clock()
                first = self._keys.find(channel, event.id, now)
                if first is not None:
                    publish.receipts.append(Receipt(position(first), duplicate=True))
                    if first > self.newest:
                        publish.is_stored = False
                    continue
                self._keys.remember(channel, event.id, self._ordered + 1, now)
                publish.keys.append((self._ordered + 1, channel, event.id, now_ms))
            self._ordered = offset = self._ordered + 1
            name = position(offset)
            block = frame(name, encode(event))
            publish.events.append((offset, channel, now_ms, block))
            publish.bytes += len(block)
            publish.new.append((channel, offset, event))
            publish.is_stored = False
            publish.receipts.append(Receipt(name, duplicate=False))

    def _write(self) -> None:
        """Have the next group stored."""
        count = events = size = 0
        for publish in self._waiting:
            if count and (events > _GROUP_EVENTS or size > _GROUP_BYTES):
                break
            count += 1
            events += len(publish.events)
            size += publish.bytes
        self._writing, self._waiting = self._waiting[:count], self._waiting[count:]
        self._waiting_bytes -= size
        self._is_writing = True
        rows = [row for publish in self._writing for row in publish.events]
        keys = [row for publish in self._writing for row in publish.keys]
        self._writer.store(Group(rows, keys))

    def _tell(self, outcome: Outcome | None) -> None:
        """In the writer's thread: wake the loop."""
        self._loop.call_soon_threadsafe(self._told, outcome)

    def _told(self, outcome: Outcome | None) -> None:
        """What came of the group that was being written; or of a look at the file."""
        if outcome is None:
            assert self._ended is not None
            self._ended.set()
            return
        self.trouble = outcome.problem and f"events cannot be stored: {outcome.problem}"
        if outcome.group is None:
            return
        written, self._writing = self._writing, []
        self._is_writing = False
        if outcome.problem is None:
            self.counters.stored(sum(len(one.events) for one in written), outcome.seconds)
            self._hand_up(written)
        else:
            # Those who wait would wait as long again. Among them may be repeats of what has failed.
            written += self._waiting
            self._waiting = []
            self._waiting_bytes = 0
            self.counters.failures += 1
            self._refuse(written)
        if self._waiting:
            self._write()
        elif self._is_closed:
            self._writer.stop()

    def _hand_up(self, written: list[_Publish]) -> None:
        assert self._upward is not None
        deliver = self._upward.deliver
        for publish in written:
            for channel, offset, event in publish.new:
                self.newest = offset
                deliver(channel, offset, event)
            if not publish.answer.done():  # nobody may wait for it any more
                publish.answer.set_result(publish.receipts)

    def _refuse(self, failed: list[_Publish]) -> None:
        for publish in failed:
            for offset, channel, key, _ in publish.keys:
                self._keys.forget(channel, key, offset)
        for publish in failed:
            if not publish.answer.done():
                publish.answer.set_exception(Unavailable(f"{self.trouble}: publish again later"))

    async def history(self, question: Question, max_frames: int, max_bytes: int) -> Page:
        """Read a page.

        Raises:
            Unavailable: the file cannot be read.
        """
        if self._is_closed:
            raise Unavailable("the engine is closed")
        read = partial(self._read, question, max_frames, max_bytes)
        try:
            return await self._loop.run_in_executor(self._readers, read)
        except (sqlite3.Error, OSError, ValueError) as error:  # damaged text is a ValueError
            raise Unavailable(f"history cannot be read: {problem_of(error)}") from error

    def _read(self, question: Question, max_frames: int, max_bytes: int) -> Page:
        """In a thread of the pool, which has a connection of its own."""
        connection: sqlite3.Connection | None = getattr(self._reading, "connection", None)
        if connection is None:
            self._reading.connection = connection = self._file.connect()
            self._connections.append(connection)
        return read_page(connection, question, max_frames, max_bytes)

    def watch(self, channel: str) -> None:
        """Everything is handed up."""

    def unwatch(self, channel: str) -> None:
        """Everything is handed up."""

    async def close(self) -> None:
        """Store what waits, and let go of the file. Idempotent."""
        if self._ended is None or self._is_closed:
            return
        self._is_closed = True
        if not self._is_writing:
            self._writer.stop()
        await self._ended.wait()
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._connections:
            connection.close()
        self._file.release()
