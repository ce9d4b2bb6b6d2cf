"""The engine: orders events in the loop, and has them stored by its writer.

One group is being written at a time; what is published meanwhile is the next. When a group is
stored the loop is woken once: its events are handed up, and its publishers answered. So nothing is
handed up that a crash could take back, and no task is made for a publish.

A group costs as much as ten of its events. So one is not begun with the first event, but when a
turn of the loop has brought nothing more for it; and not before those of the last have been
answered, since their publishers are about to send more.
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
from sse_server.engines.sqlite.group import Waiting
from sse_server.engines.sqlite.pages import read_page
from sse_server.engines.sqlite.problems import problem_of
from sse_server.engines.sqlite.retention import Retention
from sse_server.engines.sqlite.writer import Writer
from sse_server.errors import Unavailable
from sse_server.promise import Promise
from sse_server.wire.encoder import encode, frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sse_server.core.history import Page, Question
    from sse_server.core.log_options import LogOptions
    from sse_server.engines.base import Publication, Upward
    from sse_server.engines.idempotency import IdempotencyOptions
    from sse_server.engines.sqlite.group import Group
    from sse_server.engines.sqlite.options import SqliteOptions
    from sse_server.engines.sqlite.writer import Outcome

_MAX_WAITING_BYTES = 64 * 1024 * 1024
_MAX_GATHERING_SECONDS = 0.002
"""For which a group may go on growing: about as long as a small commit takes on a slow disk."""
_READERS = 2
"""Threads that read: while one waits for the disk another page can be read."""


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
        self._waiting = Waiting()
        self._is_busy = False  # a group is gathered, written or answered
        self._gathered = 0  # publishes that the last turn has seen
        self._write_at = 0.0  # by the loop's clock, at the latest
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
    ) -> list[Receipt] | Promise[list[Receipt]]:
        """Order `publications`; the answer comes when they are stored.

        Raises:
            Unavailable: too much waits to be stored already, or the engine is closed.
        """
        assert self._upward is not None, "published before start"
        if self._is_closed:
            raise Unavailable("the engine is closed")
        if self._waiting.bytes > _MAX_WAITING_BYTES:
            raise Unavailable("too much waits to be stored: publish again later")
        group = self._waiting.filling
        receipts, newest, size = self._order(publications, group)
        if newest <= self.newest:
            return receipts  # nothing but repeats of what is stored
        answer: Promise[list[Receipt]] = Promise()
        group.answers.append((answer, receipts))
        self._waiting.count(size)
        if not self._is_busy:
            self._begin()
        return answer

    def _order(
        self, publications: Sequence[Publication], group: Group
    ) -> tuple[list[Receipt], int, int]:
        """Give each its place in a group; returns also the newest of them, and how many bytes."""
        position, rows, events = self.positions.encode, group.rows, group.events
        receipts: list[Receipt] = []
        now_ms = int(self._wall_clock() * 1_000)
        newest = size = 0
        for channel, event in publications:
            if event.id is not None:
                now = self._clock()
                first = self._keys.find(channel, event.id, now)
                if first is not None:
                    newest = max(newest, first)
                    receipts.append(Receipt(position(first), duplicate=True))
                    continue
                self._keys.remember(channel, event.id, self._ordered + 1, now)
                group.keys.append((self._ordered + 1, channel, event.id, now_ms))
            self._ordered = newest = self._ordered + 1
            name = position(newest)
            block = frame(name, encode(event))
            size += len(block)
            rows += (newest, channel, now_ms, block)
            events.append((channel, newest, event, block))
            receipts.append(Receipt(name, duplicate=False))
        return receipts, newest, size

    def _begin(self) -> None:
        """Have the next group stored when all of it has come."""
        self._is_busy = True
        self._gathered = 0
        self._write_at = self._loop.time() + _MAX_GATHERING_SECONDS
        self._loop.call_soon(self._gather)

    def _gather(self) -> None:
        waiting = self._waiting
        count = len(waiting.filling.answers)
        grows = count > self._gathered and not waiting.has_full
        if grows and self._loop.time() < self._write_at:
            self._gathered = count
            self._loop.call_soon(self._gather)
        else:
            self._writer.store(waiting.take())

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
        group = outcome.group
        if group is None:
            return
        if outcome.problem is None:
            self.counters.stored(len(group.events), outcome.seconds)
            self._hand_up(group)
            self._loop.call_soon(self._answer, group)  # behind the pump, which has been woken
        else:
            self.counters.failures += 1
            # Those who wait would wait as long again. Among them may be repeats of what has failed.
            self._refuse([group, *self._waiting.take_all()])

    def _hand_up(self, group: Group) -> None:
        assert self._upward is not None
        deliver = self._upward.deliver
        for channel, offset, event, block in group.events:
            self.newest = offset
            deliver(channel, offset, event, block)

    def _answer(self, group: Group) -> None:
        for answer, receipts in group.answers:
            answer.keep(receipts)
        self._go_on()

    def _refuse(self, failed: list[Group]) -> None:
        for group in failed:
            for offset, channel, key, _ in group.keys:
                self._keys.forget(channel, key, offset)
        for group in failed:
            for answer, _ in group.answers:
                answer.fail(Unavailable(f"{self.trouble}: publish again later"))
        self._go_on()

    def _go_on(self) -> None:
        """With the next group, if there is one."""
        if self._waiting:
            self._begin()
            return
        self._is_busy = False
        if self._is_closed:
            self._writer.stop()

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
        if not self._is_busy:
            self._writer.stop()
        await self._ended.wait()
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._connections:
            connection.close()
        self._file.release()
