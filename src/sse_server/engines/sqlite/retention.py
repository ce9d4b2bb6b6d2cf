"""Retention: what leaves the file, by channel: by number, by age and by bytes.

It works in small steps between groups of events. A step counts events that were not counted yet, or
takes the oldest from one channel that has too much. What a channel has is in `channels`, and moves
in the same transaction as the events: whenever the process ends, it is right up to `counted`.

Room in the file is used again. While more than a quarter of the file is free, a little of it is
given back each time that nothing else is left to do: so that costs little also where much comes and
goes, and the file would soon need the room again.

Whatever has many rows comes as one, as JSON: see `sse_server.engines.sqlite.file`.
"""

from __future__ import annotations

import time
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import orjson

from sse_server.engines.sqlite.file import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from sse_server.core.engine_counters import EngineCounters
    from sse_server.core.window import ChannelOptions

REST_SECONDS = 1.0
_STEP_EVENTS = 2_000  # counted or deleted in one step: some milliseconds
_STEP_CHANNELS = 100
_MAX_EMPTY = 100_000  # channels without events of which it is known what they lost
_MAX_FREE_PAGES = 1_024  # 4 MiB: less than that is not worth giving back
_MAX_FREE_SHARE = 1 / 4  # a busy day's room is not given back every night
_STEP_PAGES = 128  # moved and given back at a time: half a MiB a second, some milliseconds

_COUNT = """
INSERT INTO channels (name, events, bytes, lost, expires)
SELECT channel, count(*), sum(length(block)), (SELECT value FROM facts WHERE name = 'floor'), 0
FROM events WHERE offset > ?1 AND offset <= ?2 GROUP BY channel
ON CONFLICT (name) DO UPDATE SET
expires = CASE WHEN events THEN expires ELSE 0 END,
events = events + excluded.events, bytes = bytes + excluded.bytes
"""

_TOUCHED = """
SELECT json_group_array(json_array(name, events, bytes, expires)) FROM channels WHERE name IN (
SELECT channel FROM events WHERE offset > ? AND offset <= ?)
"""

_EXPIRED = """
SELECT json_group_array(json_array(name, events, bytes, expires)) FROM (
SELECT * FROM channels WHERE expires <= ? ORDER BY expires LIMIT ?)
"""

_SET_EXPIRES = """
UPDATE channels SET expires = ?1 + (
SELECT time FROM events WHERE channel = name ORDER BY offset LIMIT 1)
WHERE name IN (SELECT value FROM json_each(?2))
"""

# The oldest events of a channel: up to where they go, and the first that may stay.
_TOO_MANY = """
SELECT max(offset), min(CASE WHEN
    time > :oldest_ms AND (events = 1 OR events <= :max_events AND bytes <= :max_bytes)
    THEN offset END)
FROM (SELECT offset, time,
    :events + 1 - row_number() OVER (ORDER BY offset) AS events,
    :bytes + size - sum(size) OVER (ORDER BY offset ROWS UNBOUNDED PRECEDING) AS bytes
    FROM (SELECT offset, time, length(block) AS size FROM events
        WHERE channel = :name ORDER BY offset LIMIT :step))
"""

# Whenever the process ends, they are looked at again.
_OVER = "UPDATE channels SET expires = 0 WHERE name IN (SELECT value FROM json_each(?))"

_KEYS = """
SELECT max(offset), min(CASE WHEN time > ? THEN offset END)
FROM (SELECT offset, time FROM keys ORDER BY offset LIMIT ?)
"""


class Bounds(NamedTuple):
    """How much is kept of a channel."""

    events: int
    bytes: int
    age_ms: int | None


def bounds(options: ChannelOptions) -> Bounds:
    """How much is kept where these options hold.

    Never less than the log may hold: who has read what the file has goes on there. What is
    ephemeral is read from the log alone.
    """
    events, size, age = options.max_frames, options.max_bytes, options.max_age_seconds
    if not options.ephemeral:
        events = max(events, options.history_max_frames)
        size = max(size, options.history_max_bytes)
        if age is not None and options.history_max_age_seconds is not None:
            age = max(age, options.history_max_age_seconds)
        else:
            age = None
    return Bounds(events, size, None if age is None else round(age * 1_000))


class Kept(NamedTuple):
    """What is kept of a channel."""

    name: str
    events: int
    bytes: int
    expires: int | None
    """When its oldest event is too old, in milliseconds of the clock on the wall; 0: not known yet.
    None: never."""


class Retention:
    """Takes away what is to be kept no longer."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        options_of: Callable[[str], ChannelOptions],
        fingerprint: str,
        keys_seconds: float,
        counters: EngineCounters,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`fingerprint` changes when the options do: then every channel is looked at again."""
        self._connection = connection
        self._options_of = options_of
        self._fingerprint = zlib.crc32(fingerprint.encode())
        self._keys_seconds = keys_seconds
        self._clock = clock
        self._over: list[Kept] = []  # perhaps; the channels that are looked at next
        self._rest_until = 0.0
        self._is_compared = False  # the options, with those of the last time
        self.counters = counters

    def work(self, now: float) -> float:
        """Take one step; returns the seconds until the next is due. `now`: monotonic."""
        if now < self._rest_until:
            return self._rest_until - now
        if self._step():
            return 0.0
        self._rest_until = now + REST_SECONDS
        return REST_SECONDS

    def _step(self) -> bool:
        """Whether there was something to do."""
        if not self._is_compared:
            self._compare_options()
        if self._over:
            self._trim(self._over.pop())
            return True
        if self._count() or self._find_expired() or self._forget_keys() or self._forget_some():
            return True
        self._shrink()
        return False

    def _compare_options(self) -> None:
        with transaction(self._connection):
            changed = self._connection.execute(
                "UPDATE facts SET value = ?1 WHERE name = 'retention' AND value <> ?1",
                (self._fingerprint,),
            ).rowcount
            if changed:
                self._connection.execute("UPDATE channels SET expires = 0 WHERE events > 0")
        self._is_compared = True

    def _count(self) -> bool:
        """Take in what is new."""
        connection = self._connection
        (after,) = connection.execute("SELECT value FROM facts WHERE name = 'counted'").fetchone()
        (until,) = connection.execute(
            "SELECT max(offset) FROM"
            " (SELECT offset FROM events WHERE offset > ? ORDER BY offset LIMIT ?)",
            (after, _STEP_EVENTS),
        ).fetchone()
        if until is None:
            return False
        with transaction(connection):
            connection.execute(_COUNT, (after, until))
            connection.execute("UPDATE facts SET value = ? WHERE name = 'counted'", (until,))
            by_age = defaultdict(list)
            for kept in self._read(_TOUCHED, (after, until)):
                allowed = bounds(self._options_of(kept.name))
                if kept.events > allowed.events or kept.bytes > allowed.bytes:
                    self._over.append(kept)
                elif kept.expires == 0:
                    by_age[allowed.age_ms].append(kept.name)
            if self._over:
                names = [kept.name for kept in self._over]
                connection.execute(_OVER, (orjson.dumps(names).decode(),))
            for age_ms, names in by_age.items():
                connection.execute(_SET_EXPIRES, (age_ms, orjson.dumps(names).decode()))
        return True

    def _find_expired(self) -> bool:
        self._over = self._read(_EXPIRED, (self._now_ms(), _STEP_CHANNELS))
        return bool(self._over)

    def _read(self, query: str, values: tuple[int, int]) -> list[Kept]:
        (rows,) = self._connection.execute(query, values).fetchone()
        return [Kept(*row) for row in orjson.loads(rows)]

    def _trim(self, kept: Kept) -> None:
        """Take the oldest of a channel, as many as are too many, but no more than a step's worth.

        One stays however large it is, unless it is too old.
        """
        connection = self._connection
        max_events, max_bytes, age_ms = bounds(self._options_of(kept.name))
        with transaction(connection):
            end, stays = connection.execute(
                _TOO_MANY,
                {
                    **kept._asdict(),
                    "oldest_ms": 0 if age_ms is None else self._now_ms() - age_ms,
                    "max_events": max_events,
                    "max_bytes": max_bytes,
                    "step": _STEP_EVENTS,
                },
            ).fetchone()
            count, size, lost = connection.execute(
                "SELECT count(*), coalesce(sum(length(block)), 0), max(offset) FROM events"
                " WHERE channel = ? AND offset <= ?",
                (kept.name, end if stays is None else stays - 1),
            ).fetchone()
            if count:
                where = (kept.name, lost)
                connection.execute("DELETE FROM events WHERE channel = ? AND offset <= ?", where)
                connection.execute("UPDATE channels SET lost = ?2 WHERE name = ?1", where)
            left = Kept(kept.name, kept.events - count, kept.bytes - size, 0)
            goes_on = left.events > 0 and stays is None
            connection.execute(
                "UPDATE channels SET events = ?, bytes = ?, expires = CASE WHEN ? THEN 0 ELSE ? + ("
                "SELECT time FROM events WHERE channel = name ORDER BY offset LIMIT 1) END"
                " WHERE name = ?",
                (left.events, left.bytes, goes_on, age_ms, left.name),
            )
        self.counters.trimmed += count
        if goes_on:
            self._over.append(left)

    def _forget_keys(self) -> bool:
        """Forget publishers' ids that are older than the window."""
        oldest_ms = self._now_ms() - round(self._keys_seconds * 1_000)
        end, stays = self._connection.execute(_KEYS, (oldest_ms, _STEP_EVENTS)).fetchone()
        if end is None:
            return False
        before = end + 1 if stays is None else stays
        with transaction(self._connection):
            gone = self._connection.execute("DELETE FROM keys WHERE offset < ?", (before,)).rowcount
        return gone == _STEP_EVENTS

    def _forget_some(self) -> bool:
        """Forget what empty channels lost, where there are very many."""
        connection = self._connection
        (empty,) = connection.execute("SELECT count(*) FROM channels WHERE events = 0").fetchone()
        if empty <= _MAX_EMPTY:
            return False
        with transaction(connection):
            (floor,) = connection.execute(
                "SELECT max(lost) FROM"
                " (SELECT lost FROM channels WHERE events = 0 ORDER BY lost LIMIT ?)",
                (min(empty - _MAX_EMPTY, _STEP_EVENTS),),
            ).fetchone()
            connection.execute(
                "UPDATE facts SET value = max(value, ?) WHERE name = 'floor'", (floor,)
            )
            connection.execute("DELETE FROM channels WHERE events = 0 AND lost <= ?", (floor,))
        return True

    def _shrink(self) -> None:
        """Give some free room back to the file system, where there is much.

        In a file that was made without `auto_vacuum` this does nothing.
        """
        free, pages = self._pragma("freelist_count"), self._pragma("page_count")
        if free > max(_MAX_FREE_PAGES, pages * _MAX_FREE_SHARE):
            # As a script, a transaction by itself: `execute` would give back the first page alone.
            self._connection.executescript(f"PRAGMA incremental_vacuum({_STEP_PAGES})")

    def _pragma(self, name: str) -> int:
        (value,) = self._connection.execute(f"PRAGMA {name}").fetchone()
        assert isinstance(value, int)
        return value

    def _now_ms(self) -> int:
        return round(self._clock() * 1_000)
