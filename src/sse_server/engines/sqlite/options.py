"""Options of the SQLite engine."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from sse_server.options import Bounds, Options


class Durability(StrEnum):
    """What an event survives that was acknowledged."""

    NORMAL = "normal"
    """The end of the process, whatever ends it. Written to the kernel: after a power failure, or a
    crash of the kernel, the newest events may be missing; streams are told a gap then."""
    FULL = "full"
    """Power failures, too: on the disk (fsync) before it is acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteOptions(Options):
    """How the engine `sqlite:` writes. How long it keeps what is set by channel: `history_…`."""

    durability: Durability = Durability.NORMAL
    """`normal`: what was acknowledged survives the end of the process, also kill -9. `full`: power
    failures, too, by an fsync for each group of events that is written."""
    lock_wait_seconds: Annotated[float, Bounds(0, 3_600)] = 5.0
    """How long to wait for another program that uses the file: a server that is about to end, at
    the start; a backup that locks it, while it runs. Publishers wait as long, then get 503."""
