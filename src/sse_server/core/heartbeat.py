"""Heartbeats: a sign of life on streams that nothing else was sent on.

Lanes stand in buckets by the second in which they are due. When a second comes, each of its lanes
is looked at once: one that was written to meanwhile moves on to a later bucket. So a lane costs one
look per interval, whatever is published. The seconds differ by lane, so that the work is spread.

A stream that waits for what an engine keeps stands in no lane. It stands here by itself, as what it
waits for (`core.history.Inquiry`).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Protocol

from sse_server.core.pump import Turn

if TYPE_CHECKING:
    from sse_server.core.lane import Lane
    from sse_server.core.pump import Pump

_NEVER = -1  # the bucket of all lanes when there are no heartbeats
_GOLDEN = 0.618  # its multiples, taken modulo 1, are as far apart as can be


class Beating(Turn, Protocol):
    """A lane, or who waits by itself. Its turn, when there is nothing to read, is a heartbeat."""

    beats_at: int
    """The second in which it is looked at."""

    @property
    def wrote_at(self) -> float:
        """When it was last sent something."""
        ...


class Heartbeats:
    """Which lanes are due when."""

    __slots__ = ("_buckets", "_earliest", "_phase", "_second", "_spread", "sent", "shortest")

    def __init__(self, interval_seconds: float, now: float) -> None:
        """No stream is silent for longer than `interval_seconds`; infinite: there are none."""
        self._phase = 0.0
        self._buckets: dict[int, dict[Beating, None]] = {}
        self._second = int(now)  # the first that has not been looked at
        self.sent = 0
        self.change_interval(interval_seconds)

    def change_interval(self, interval_seconds: float) -> None:
        """Go on with another interval, for all lanes at once."""
        # Early by up to a quarter: over that, lanes that were written to at once are spread, but
        # for a second, as a bucket is looked at when its second begins.
        self.shortest = interval_seconds * 0.75
        self._earliest = min(self.shortest + 1, interval_seconds)
        self._spread = max(0.0, interval_seconds * 0.25 - 1)
        buckets, self._buckets = self._buckets, {}
        for bucket in buckets.values():
            for lane in bucket:
                self._put(lane, lane.wrote_at)

    def add(self, lane: Beating) -> None:
        """Watch over a lane that was written to at `wrote_at`, until it is empty."""
        self._put(lane, lane.wrote_at)

    def hasten(self, lane: Lane, wrote_at: float) -> None:
        """Members have come to a lane from another one, which was written to at `wrote_at`."""
        if wrote_at < lane.wrote_at:  # they have been silent for longer
            lane.wrote_at = wrote_at
            self.forget(lane)
            self._put(lane, wrote_at)

    def forget(self, lane: Beating) -> None:
        """A lane is gone: what it holds is not to stay until it would have been due."""
        bucket = self._buckets.get(lane.beats_at)
        if bucket is not None:
            bucket.pop(lane, None)

    def beat(self, pump: Pump, now: float) -> None:
        """Give the lanes that are due a turn. Called about once a second."""
        while self._second <= now:
            second = self._second
            self._second += 1
            for lane in self._buckets.pop(second, ()):
                is_due = now >= lane.wrote_at + self.shortest
                if is_due and not lane.queued:
                    pump.enqueue(lane)
                self._put(lane, now if is_due else lane.wrote_at)

    def _put(self, lane: Beating, written_at: float) -> None:
        if self.shortest == inf:
            lane.beats_at = _NEVER
            self._buckets.setdefault(_NEVER, {})[lane] = None
            return
        self._phase = (self._phase + _GOLDEN) % 1.0
        due = written_at + self._earliest + self._spread * self._phase
        lane.beats_at = max(self._second, int(due))
        self._buckets.setdefault(lane.beats_at, {})[lane] = None
