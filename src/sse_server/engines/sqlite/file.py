"""The file: whose it is, and what stands in it.

Tables:

- `events`: the frames as they are sent, by offset. What is read again is joined inside SQLite, one
  call a page: in Python each row would take and give back the interpreter's lock, and wait for the
  loop each time.
- `keys`: publishers' ids of the idempotency window, by the offset of their event.
- `channels`: how much is kept of each channel and what it has lost, up to `counted`.
- `epochs`: the names that positions bear, and beyond which offset each begins. Every start begins
  one. So positions that were given by a log that is gone, because an older copy of the file was
  restored or because power failed, are never mistaken for those that came in their place.
- `facts`: single numbers. `counted`: events up to here are in `channels`. `floor`: up to here a
  channel that is not in `channels` may have lost something.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from sse_server.engines.sqlite.options import Durability
from sse_server.engines.sqlite.problems import cannot_use, unfit
from sse_server.errors import ConfigurationError, quoted
from sse_server.wire.position import Positions, new_epoch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sse_server.engines.sqlite.options import SqliteOptions

MIN_VERSION = (3, 28, 0)
"""Window functions, UPSERT, and the mends of both."""
APPLICATION_ID = 0x5353_4531  # "SSE1", for file(1)
SCHEMA = 1
MAX_EPOCHS = 10_000
"""A start every minute for a week. Positions of older ones are of a log that is gone."""
# Of the write-ahead log, 16 MB: moving them into the file is waited for, mostly for the disk. With
# SQLite's own 1,000 that was 5 % of the time of a server that does nothing but store, now half.
_CHECKPOINT_PAGES = 4_000
_WAL_LIMIT_BYTES = 64 * 1024 * 1024  # what is left of a write-ahead log that has grown
_CACHE_KIB = 16 * 1024

_TABLES = """
CREATE TABLE events (
    offset INTEGER PRIMARY KEY, channel TEXT NOT NULL, time INTEGER NOT NULL, block BLOB NOT NULL);
CREATE INDEX events_of_channels ON events (channel, offset);
CREATE TABLE keys (
    offset INTEGER PRIMARY KEY, channel TEXT NOT NULL, key TEXT NOT NULL, time INTEGER NOT NULL);
CREATE TABLE channels (
    name TEXT PRIMARY KEY, events INTEGER NOT NULL, bytes INTEGER NOT NULL,
    lost INTEGER NOT NULL, expires INTEGER) WITHOUT ROWID;
CREATE INDEX channels_that_expire ON channels (expires) WHERE expires IS NOT NULL;
CREATE INDEX channels_without_events ON channels (lost) WHERE events = 0;
CREATE TABLE epochs (begin INTEGER NOT NULL, name TEXT NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO facts VALUES ('counted', 0), ('floor', 0), ('probe', 0), ('retention', 0);
"""


class FileIdentity(NamedTuple):
    """Which file stands at a path."""

    device: int
    inode: int


class DatabaseFile:
    """A path, and what is done with it at the start."""

    def __init__(self, path: str, options: SqliteOptions) -> None:
        """Nothing is opened yet."""
        self.path = path
        self._options = options
        self._lock: int | None = None
        self._identity: FileIdentity | None = None

    def open(self) -> sqlite3.Connection:
        """The connection that writes, to a file that is nobody else's, with all tables.

        Raises:
            ConfigurationError: there is no such connection.
        """
        if sqlite3.sqlite_version_info < MIN_VERSION:
            needed = ".".join(map(str, MIN_VERSION))
            raise unfit(
                f"SQLite is {sqlite3.sqlite_version}, older than {needed}", "use a newer Python"
            )
        try:
            self._take_lock()
            return self._open()
        except (OSError, sqlite3.Error) as error:
            self.release()
            raise cannot_use(self.path, error) from error
        except ConfigurationError:
            self.release()
            raise

    def connect(self) -> sqlite3.Connection:
        """One more connection, that reads."""
        connection = self._connect()
        connection.execute("PRAGMA query_only = 1")
        return connection

    def check(self) -> None:
        """See that the path still leads to the file that is open.

        Raises:
            OSError: it does not.
        """
        if self._identity != _identity(self.path):
            raise FileNotFoundError("it has been replaced since the start: start the server anew")

    def release(self) -> None:
        """Let others use the file."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        """Be the only server on this file: two would give the same positions."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._lock = lock = os.open(f"{self.path}-lock", flags, 0o600)
        until = time.monotonic() + self._options.lock_wait_seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise unfit(
                        f"{quoted(self.path)} is used by another server",
                        "stop that one, or give each a file of its own",
                    ) from None
                time.sleep(0.02)
            else:
                return

    def _open(self) -> sqlite3.Connection:
        # What clients publish is theirs: a file that is new is for this user alone.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._identity = _identity(self.path)
        connection = self._connect()
        try:
            _refuse_others(connection, self.path)
            # Where there is no file yet: then what retention frees can be given back.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            _write_ahead(connection, self.path)
            is_full = self._options.durability is Durability.FULL
            connection.execute(f"PRAGMA synchronous = {'FULL' if is_full else 'NORMAL'}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
            with transaction(connection):
                if not _user_version(connection):
                    for statement in _TABLES.split(";\n"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    connection.execute(f"PRAGMA user_version = {SCHEMA}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{_uri(self.path)}?mode=rw",
            uri=True,
            timeout=self._options.lock_wait_seconds,
            isolation_level=None,  # transactions are begun where they begin
            check_same_thread=False,  # it is opened in one thread and used in another
        )
        connection.text_factory = bytes
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def newest_offset(connection: sqlite3.Connection) -> int:
    """The newest there has ever been: what was counted may have gone since."""
    (offset,) = connection.execute(
        "SELECT max(coalesce((SELECT max(offset) FROM events), 0),"
        " (SELECT value FROM facts WHERE name = 'counted'))"
    ).fetchone()
    assert isinstance(offset, int)
    return offset


def begin_epoch(connection: sqlite3.Connection) -> Positions:
    """Begin a new epoch behind the newest event; the positions of all."""
    newest = newest_offset(connection)
    name = new_epoch()
    with transaction(connection):
        # One that gave no position is of no use. The first gave that of the empty log.
        connection.execute("DELETE FROM epochs WHERE begin = ?", (newest,))
        begin = newest if connection.execute("SELECT 1 FROM epochs").fetchone() else -1
        connection.execute("INSERT INTO epochs VALUES (?, ?)", (begin, name.decode()))
        connection.execute(
            "DELETE FROM epochs WHERE begin NOT IN"
            " (SELECT begin FROM epochs ORDER BY begin DESC LIMIT ?)",
            (MAX_EPOCHS,),
        )
        epochs = connection.execute("SELECT name, begin FROM epochs ORDER BY begin").fetchall()
    return Positions(name, begin, epochs[:-1])


def parse_path(rest: str) -> str:
    """The path in a URL, from what stands behind `sqlite:`.

    Raises:
        ConfigurationError: there is none.
    """
    path = unquote(rest.removeprefix("//"))
    if "?" in rest or "#" in rest:
        raise unfit("a file has no parameters", "set what there is in [sqlite]; write ? as %3F")
    if rest.startswith("//") and not path.startswith("/"):
        raise unfit(
            f"a file is on this machine, not on {quoted(path)}",
            "write sqlite:///PATH for a file, or sqlite:PATH for one below the working directory",
        )
    if not path or path.endswith("/") or path == ":memory:" or "\0" in path:
        raise unfit("it names no file", "write sqlite:///PATH")
    return path


def _refuse_others(connection: sqlite3.Connection, path: str) -> None:
    """Write nothing into a file that is of another program, or of a newer one."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    is_empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    if application_id != APPLICATION_ID and not is_empty:
        raise unfit(f"{quoted(path)} is the database of another program", "name another file")
    if _user_version(connection) > SCHEMA:
        raise unfit(
            f"{quoted(path)} was written by a newer version", "use that one, or name another file"
        )


def _write_ahead(connection: sqlite3.Connection, path: str) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != b"wal":
        raise unfit(
            f"the file system of {quoted(path)} allows no write-ahead log",
            "put the file on a local disk",
        )


def _user_version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    assert isinstance(version, int)
    return version


def _identity(path: str) -> FileIdentity:
    found = os.stat(path)  # noqa: PTH116 (for each group of events; a Path costs ten times as much)
    return FileIdentity(found.st_dev, found.st_ino)


def _uri(path: str) -> str:
    return f"file:{quote(os.path.abspath(path))}"  # noqa: PTH100 (a string comes and goes)
