"""Pages of what is kept, read beside the writer.

Every page is one snapshot. Frames are joined inside SQLite: see `sse_server.engines.sqlite.file`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from sse_server.core.history import Page

if TYPE_CHECKING:
    import sqlite3

    from sse_server.core.history import Question

_MAX_SOURCES = 500  # in one compound query, as SQLite allows

_LOST = """
SELECT (SELECT value FROM facts WHERE name = 'floor'),
(SELECT json_group_array(json_array(name, lost)) FROM channels
WHERE name IN (SELECT value FROM json_each(?)))
"""

_SOURCE = """
SELECT offset, length(block) AS size FROM events INDEXED BY events_of_channels
WHERE channel {which} AND offset > ? AND offset <= ?
"""
_ONE = _SOURCE.format(which="= ?")
_ANY = _SOURCE.format(which="IN (SELECT value FROM json_each(?))")

# What fits, and whether there is more.
_FIT = """
SELECT count(*), min(offset), coalesce(sum(fits), 0), max(CASE WHEN fits THEN offset END) FROM (
SELECT offset, row_number() OVER (ORDER BY offset) <= ? AND (
    row_number() OVER (ORDER BY offset) = 1
    OR sum(size) OVER (ORDER BY offset ROWS UNBOUNDED PRECEDING) <= ?) AS fits
FROM ({sources} ORDER BY offset LIMIT ?))
"""

_BLOCKS = """
SELECT CAST(group_concat(block, '') AS BLOB) FROM (
SELECT block FROM events INDEXED BY events_of_channels
WHERE channel IN (SELECT value FROM json_each(?)) AND offset >= ? AND offset <= ?
ORDER BY offset LIMIT ?)
"""


def read_page(
    connection: sqlite3.Connection, question: Question, max_frames: int, max_bytes: int
) -> Page:
    """The first page of what was asked for; at least one frame, if there is one."""
    connection.execute("BEGIN")
    try:
        return _read(connection, question, max_frames, max_bytes)
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")


def _read(
    connection: sqlite3.Connection, question: Question, max_frames: int, max_bytes: int
) -> Page:
    channels, after, until = question
    names = orjson.dumps(channels).decode()
    lost = _lost(connection, channels, names)
    if after is not None:
        lost = {name: offset for name, offset in lost.items() if offset > after}
        until = min([until, *lost.values()])
    place = -1 if after is None else after
    # By itself each channel is in order, and SQLite merges them as far as it is asked.
    sources = [_ANY] if len(channels) > _MAX_SOURCES else [_ONE] * len(channels)
    keys = (names,) if len(channels) > _MAX_SOURCES else channels
    values = [value for key in keys for value in (key, place, until)]
    found, first, count, last = connection.execute(
        _FIT.format(sources=" UNION ALL ".join(sources)),
        (max_frames, max_bytes, *values, max_frames + 1),
    ).fetchone()
    if not found:
        return Page(b"", 0, None, until, lost)
    (blocks,) = connection.execute(_BLOCKS, (names, first, last, count)).fetchone()
    return Page(blocks, count, first, last if found > count else until, lost)


def _lost(connection: sqlite3.Connection, channels: tuple[str, ...], names: str) -> dict[str, int]:
    """By channel, up to where it has lost something."""
    floor, known = connection.execute(_LOST, (names,)).fetchone()
    lost = {**dict.fromkeys(channels, floor), **dict(orjson.loads(known))}
    return {channel: offset for channel, offset in lost.items() if offset > 0}
