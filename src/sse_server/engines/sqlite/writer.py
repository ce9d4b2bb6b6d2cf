"""The writer: one thread that stores groups of events, and trims in between.

It is given one group at a time, which is one transaction.

Rows go to SQLite many at a time. `executemany` would give back the interpreter's lock for each row,
and wait for it each time while the loop is busy: up to 5 ms.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from functools import cache
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from sse_server.engines.sqlite.file import transaction
from sse_server.engines.sqlite.problems import problem_of
from sse_server.engines.sqlite.retention import Retention

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sse_server.engines.sqlite.file import DatabaseFile
    from sse_server.engines.sqlite.group import Group, Value

_VALUES = 4  # in a row
_ROWS = 128  # in one statement: SQLite before 3.32 allows 999 values
_EVENTS = "INSERT INTO events (offset, channel, time, block) VALUES "
_KEYS = "INSERT INTO keys (offset, channel, key, time) VALUES "
_RETRY_SECONDS = 1.0  # how often to look whether it works again


class Outcome(NamedTuple):
    """What came of a group, or of looking whether the file can be written again."""

    group: Group | None
    problem: str | None
    """None: it is stored."""
    seconds: float


class Writer:
    """A thread that owns the connection that writes."""

    def __init__(
        self,
        file: DatabaseFile,
        connection: sqlite3.Connection,
        retention: Retention,
        tell: Callable[[Outcome | None], None],
    ) -> None:
        """`tell` is called in the thread: with what came of each group, in order; None: the end."""
        self._file = file
        self._connection = connection
        self._retention = retention
        self._tell = tell
        self._groups: SimpleQueue[Group | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sse-sqlite", daemon=True)
        self._works = True

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def store(self, group: Group) -> None:
        """Have a group stored, when those before are."""
        self._groups.put(group)

    def stop(self) -> None:
        """End when all groups are stored."""
        self._groups.put(None)

    def _run(self) -> None:
        while self._take_turn():
            pass
        self._connection.close()
        self._tell_loop(None)

    def _take_turn(self) -> bool:
        """Store what comes next, or see what is due; whether to go on."""
        try:
            group = self._groups.get(timeout=self._trim())
        except Empty:
            if not self._works:
                self._attempt(None)
            return True
        if group is not None:
            self._attempt(group)
        return group is not None

    def _attempt(self, group: Group | None) -> None:
        """Store a group, or see whether one could be, and tell what came of it."""
        began = time.monotonic()
        problem = None
        try:
            self._file.check()
            with transaction(self._connection):
                if group is None:
                    self._probe()
                else:
                    self._insert(_EVENTS, group.rows)
                    self._insert(_KEYS, [value for row in group.keys for value in row])
        except Exception as error:  # noqa: BLE001 (the edge of the thread: publishers are answered)
            problem = problem_of(error)
        self._works = problem is None
        self._tell_loop(Outcome(group, problem, time.monotonic() - began))

    def _tell_loop(self, outcome: Outcome | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed before the engine
            self._tell(outcome)

    def _insert(self, statement: str, values: Sequence[Value]) -> None:
        for start in range(0, len(values), _VALUES * _ROWS):
            some = values[start : start + _VALUES * _ROWS]
            self._connection.execute(_of_rows(statement, len(some) // _VALUES), some)

    def _probe(self) -> None:
        self._connection.execute("UPDATE facts SET value = value + 1 WHERE name = 'probe'")

    def _trim(self) -> float:
        """Do a little of what is due; returns for how many seconds nothing more is."""
        if not self._works:
            return _RETRY_SECONDS
        try:
            return self._retention.work(time.monotonic())
        except Exception:  # noqa: BLE001 (what is damaged may read as anything; events are stored)
            self._retention.counters.trim_failures += 1
            return _RETRY_SECONDS


@cache  # of so few that all are remembered
def _of_rows(statement: str, rows: int) -> str:
    return statement + ",".join(["(?,?,?,?)"] * rows)
