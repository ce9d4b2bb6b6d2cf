"""What the contract is tried on: each engine, and how to have it."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from sse_server.core.engine_counters import EngineCounters
from sse_server.core.log_options import LogOptions
from sse_server.core.window import ChannelOptions
from sse_server.engines.base import Engine
from sse_server.engines.idempotency import IdempotencyOptions
from sse_server.engines.memory import MemoryEngine
from sse_server.engines.sqlite.engine import SqliteEngine
from sse_server.engines.sqlite.file import DatabaseFile
from sse_server.engines.sqlite.options import Durability, SqliteOptions
from sse_server.engines.sqlite.retention import Retention
from sse_server.wire.event import Event
from tests.engines.shared import SharedEngine, Store

FEW = "few"
"""A channel of which three events are kept, where an engine keeps some."""
LOG = LogOptions(patterns=((FEW, ChannelOptions(max_frames=3, history_max_frames=3)),))
IDEMPOTENCY = IdempotencyOptions(window_seconds=100.0)


class Subject(ABC):
    """A place where events are kept, and engines on it."""

    survives = True
    """An engine that is made later has what an earlier one had."""
    is_shared = False
    """Several engines can be open at a time."""
    keeps_history = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_000_000.0

    @abstractmethod
    def make(self) -> Engine: ...

    @abstractmethod
    def copy(self) -> Callable[[], None]:
        """Copy what is kept, with no engine open; what is returned restores the copy."""

    @abstractmethod
    def trim(self) -> None:
        """Of `FEW` three events are left now, with no engine open."""


class Memory(Subject):
    survives = False
    keeps_history = False

    def make(self) -> MemoryEngine:
        return MemoryEngine(lambda: self.now, IDEMPOTENCY)

    def copy(self) -> Callable[[], None]:
        raise NotImplementedError

    def trim(self) -> None:
        raise NotImplementedError


class Sqlite(Subject):
    durability = Durability.NORMAL

    def make(self) -> SqliteEngine:
        return SqliteEngine(
            str(self.folder / "events.db"),
            SqliteOptions(durability=self.durability),
            LOG,
            IDEMPOTENCY,
            lambda: self.now,
            lambda: self.now,
        )

    def copy(self) -> Callable[[], None]:
        copied = self.folder / "copy.db"
        shutil.copy(self.folder / "events.db", copied)
        assert not (self.folder / "events.db-wal").exists()

        def restore() -> None:
            shutil.copy(copied, self.folder / "events.db")

        return restore

    def trim(self) -> None:
        file = DatabaseFile(str(self.folder / "events.db"), SqliteOptions())
        connection = file.open()
        retention = Retention(connection, LOG.of, "", 100.0, EngineCounters(), lambda: self.now)
        while retention.work(0.0) == 0.0:
            pass
        connection.close()
        file.release()


class SqliteFull(Sqlite):
    durability = Durability.FULL


class Shared(Subject):
    is_shared = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.store = Store(lambda: self.now, IDEMPOTENCY.window_seconds)

    def make(self) -> SharedEngine:
        return SharedEngine(self.store)

    def copy(self) -> Callable[[], None]:
        events = self.store.events[:]
        epochs = self.store.epochs[:]

        def restore() -> None:
            self.store.events[:] = events
            self.store.epochs[:] = [*epochs, (b"restored", self.store.newest)]

        return restore

    def trim(self) -> None:
        offsets = [offset for offset, name, _ in self.store.events if name == FEW]
        self.store.trim(FEW, offsets[-4])


ALL: list[type[Subject]] = [Memory, Sqlite, SqliteFull, Shared]
SURVIVING = [subject for subject in ALL if subject.survives]
KEEPING = [subject for subject in ALL if subject.keeps_history]


class Nobody:
    """A hub that wants nothing of what it is handed."""

    def deliver(
        self, channel: str, offset: int, event: Event, block: bytes | None = None
    ) -> None: ...

    def advance(self, offset: int) -> None: ...

    def begin_anew(self, epoch: bytes, newest: int) -> None: ...

    def complete(self, channel: str, offset: int) -> None: ...
