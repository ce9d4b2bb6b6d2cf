"""The pump: a queue of whoever has something to read, served in turns."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from sse_server.core.gap import ToldGap
from sse_server.core.histogram import SECONDS, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sse_server.core.burst import Burst
    from sse_server.core.log import Log


_MAX_TOLD_GAPS = 64


class Turn(Protocol):
    """A channel, lane or walking subscriber in the queue."""

    queued: bool

    def run(self, pump: Pump) -> int:
        """Take one turn; returns what it cost, in writes. Clears `queued` first."""
        ...


class Pump:
    """Reads from the log and writes to members until nobody has anything to read."""

    __slots__ = (
        "_clock",
        "_dry_bytes",
        "_dry_waiters",
        "_queue",
        "_scheduled",
        "_wake",
        "_writes_per_run",
        "bursts",
        "busy_since",
        "bytes",
        "conflated",
        "dry_at",
        "fault",
        "frames",
        "gaps",
        "latency",
        "log",
        "lost",
        "now",
        "skipped",
        "told_gaps",
    )

    def __init__(
        self, log: Log, wake: Callable[[], None], writes_per_run: int, clock: Callable[[], float]
    ) -> None:
        """`wake` asks the loop to call `run` soon; it is asked once at a time."""
        self.log = log
        self._wake = wake
        self._writes_per_run = writes_per_run
        self._clock = clock
        self._queue: deque[Turn] = deque()
        self._scheduled = False
        self._dry_waiters: list[Callable[[], None]] = []
        self.now = clock()  # when the run began that goes on, or the last one
        self.busy_since: float | None = None  # None: dry
        self.dry_at = log.newest  # everybody who waits for a turn has read up to here
        self._dry_bytes = 0
        self.bursts = 0  # writes to members
        self.frames = 0  # deliveries: frames times streams
        self.bytes = 0
        self.fault: Exception | None = None  # of a sink, in the run that goes on
        self.gaps = 0  # gaps told
        self.lost = 0  # frames that the gaps told of, where known
        self.skipped = 0  # frames left out for who lagged; among those that gaps told of
        self.conflated = 0  # frames left out because a later one superseded them
        # From the first turn after it was dry until it is again, where something was published.
        self.latency = Histogram(SECONDS)
        # The newest of them, until somebody takes them away.
        self.told_gaps: deque[ToldGap] = deque(maxlen=_MAX_TOLD_GAPS)

    @property
    def is_dry(self) -> bool:
        """Whether nobody waits for a turn."""
        return not self._queue

    @property
    def unread_bytes(self) -> int:
        """At most so much has been appended that somebody who waits has not read."""
        return self.log.appended_bytes - self._dry_bytes

    @property
    def waiting(self) -> Collection[Turn]:
        """Who waits for a turn."""
        return self._queue

    def enqueue(self, turn: Turn) -> None:
        """Give it a turn. The caller has seen that it is not queued, or it has just begun one."""
        turn.queued = True
        self._queue.append(turn)
        if self.busy_since is None:
            self.busy_since = self._clock()
        if not self._scheduled:
            self._scheduled = True
            self._wake()

    def run(self) -> None:
        """Serve turns until the queue is empty or the loop is due, then ask to be called again.

        Raises:
            Exception: what a sink or a turn has raised, which none should; the others were served.
        """
        self._scheduled = False
        self.now = self._clock()
        queue = self._queue
        left = self._writes_per_run
        try:
            while queue and left > 0:
                left -= queue.popleft().run(self)
        finally:
            self._rest()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault

    def _rest(self) -> None:
        """Be called again, if anybody waits for a turn."""
        if not self._queue:
            self._run_dry()
        elif not self._scheduled:
            self._scheduled = True
            self._wake()

    def when_dry(self, call: Callable[[], None]) -> None:
        """Call this once, when the queue is empty next."""
        if self._queue:
            self._dry_waiters.append(call)
        else:
            call()

    def count(self, burst: Burst, streams: int, writes: int) -> None:
        """Count a burst that so many writes brought to so many streams."""
        self.bursts += writes
        self.frames += burst.frames * streams
        self.bytes += len(burst.data) * streams
        for gap in burst.gaps:
            self.gaps += streams
            self.lost += (gap.lost or 0) * streams
            self.told_gaps.append(ToldGap(gap.windows, gap.reason, gap.lost, streams))
        self.skipped += burst.skipped * streams
        self.conflated += burst.conflated * streams

    def _run_dry(self) -> None:
        log = self.log
        log.forget_bursts()
        if log.appended_bytes != self._dry_bytes and self.busy_since is not None:
            self.latency.observe(self._clock() - self.busy_since)
        self.busy_since = None
        self.dry_at = log.newest
        self._dry_bytes = log.appended_bytes
        waiters = self._dry_waiters
        self._dry_waiters = []
        for call in waiters:
            call()
