"""The pump: a queue of whoever has something to read, served in turns."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from sse_server.core.log import Burst, Log


class Turn(Protocol):
    """A channel, lane or walking subscriber in the queue."""

    queued: bool

    def run(self, pump: Pump) -> int:
        """Take one turn; returns what it cost, in writes. Clears `queued` first."""
        ...


class Pump:
    """Reads from the log and writes to members until nobody has anything to read."""

    __slots__ = ("_queue", "_scheduled", "_wake", "_writes_per_run", "bursts", "bytes", "frames",
                 "gaps", "log", "lost")  # fmt: skip

    def __init__(self, log: Log, wake: Callable[[], None], writes_per_run: int) -> None:
        """`wake` asks the loop to call `run` soon; it is asked once at a time."""
        self.log = log
        self._wake = wake
        self._writes_per_run = writes_per_run
        self._queue: deque[Turn] = deque()
        self._scheduled = False
        self.bursts = 0  # writes to members
        self.frames = 0  # deliveries: frames times members
        self.bytes = 0
        self.gaps = 0  # gaps told
        self.lost = 0  # frames that the gaps told of, where known

    @property
    def is_dry(self) -> bool:
        """Whether nobody waits for a turn."""
        return not self._queue

    def enqueue(self, turn: Turn) -> None:
        """Give it a turn. The caller has seen that it is not queued, or it has just begun one."""
        turn.queued = True
        self._queue.append(turn)
        if not self._scheduled:
            self._scheduled = True
            self._wake()

    def run(self) -> None:
        """Serve turns until the queue is empty or the loop is due, then ask to be called again."""
        self._scheduled = False
        queue = self._queue
        left = self._writes_per_run
        while queue and left > 0:
            left -= queue.popleft().run(self)
        if queue:
            if not self._scheduled:
                self._scheduled = True
                self._wake()
        else:
            self.log.forget_bursts()

    def count(self, burst: Burst, members: int) -> None:
        """Count a burst that went to so many."""
        self.bursts += members
        self.frames += burst.frames * members
        self.bytes += len(burst.data) * members
        for gap in burst.gaps:
            self.gaps += members
            self.lost += (gap.lost or 0) * members
