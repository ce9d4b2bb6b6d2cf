"""Subscribers: open event streams, each a group and a place in the log.

A subscriber is exactly one of

- standing: in a lane, at the tip or about to be brought there; `lane` is set;
- walking: behind alone; `queued`, or about to be;
- paused: its transport is full; nowhere, it costs its place;
- gone: `group` is None.

Who moves it: the pump (walking to standing), a personal frame (standing to walking), and its
connection (`pause`, `resume`, `gone`), which may speak up from inside any write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.core.reading import UNKNOWN_COUNT, losers

if TYPE_CHECKING:
    from sse_server.core.channel import Channel
    from sse_server.core.group import Group
    from sse_server.core.lane import Lane
    from sse_server.core.log import Burst, Log
    from sse_server.core.pump import Pump
    from sse_server.core.start import Beginning
    from sse_server.core.window import Window
    from sse_server.wire.flow import CloseReason, Sink


class Subscriber:
    """One open event stream. It is the `Source` of its sink."""

    __slots__ = ("__weakref__", "beside", "group", "lane", "paused", "place", "queued", "seen",
                 "sink", "slot", "start", "write")  # fmt: skip

    def __init__(self, sink: Sink, beginning: Beginning) -> None:
        """Nowhere yet: the hub gives it a group."""
        self.sink = sink
        self.write = sink.write
        self.group: Group | None = None
        self.beside: tuple[Channel, ...] = ()
        self.place = beginning.place
        self.seen = (
            beginning.seen
        )  # frames of its windows up to its place; set when it leaves a lane
        self.start = beginning.start
        self.lane: Lane | None = None
        self.slot = 0  # its index in the lane
        self.queued = False
        self.paused = False

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All it follows."""
        return (*self.group.channels, *self.beside) if self.group else ()

    @property
    def windows(self) -> tuple[Window, ...]:
        """All it reads."""
        group = self.group
        assert group is not None
        if not self.beside:
            return group.windows
        return (*group.windows, *[channel.window for channel in self.beside])

    def pause(self) -> None:
        """Source: its transport is full."""
        self.paused = True
        if self.lane is not None:
            self._leave_lane(self.lane)

    def resume(self) -> None:
        """Source: its transport has room again."""
        self.paused = False
        self.go_on()

    def gone(self, reason: CloseReason) -> None:
        """Source: its connection is gone. Idempotent."""
        if self.group is not None:
            self.group.hub.leave(self, reason)

    def step_out(self) -> None:
        """A frame for it alone is about to be appended: walk from here."""
        if self.lane is not None:
            self._leave_lane(self.lane)
            self.go_on()

    def go_on(self) -> None:
        """Be served again, from where it is, if it is nowhere."""
        if self.group is not None and not (self.paused or self.queued or self.lane):
            self.group.hub.pump.enqueue(self)

    def leave_lane(self) -> None:
        """Stand no longer; the place is its own again."""
        if self.lane is not None:
            self._leave_lane(self.lane)

    def run(self, pump: Pump) -> int:
        """Walk: one burst on, or, when everything is read, into a lane."""
        self.queued = False
        group = self.group
        if group is None or self.paused or self.lane is not None:
            return 0
        start = self.start
        if start is not None and start.gap is not None:
            gap, start.gap = start.gap, None
            if not start.forgiven:
                self.start = None  # what follows is the same for all who stand here
            pump.gaps += 1
            self.write(group.framing([gap]))
            self.go_on()
            return 1
        burst = self._read(pump.log, group)
        if burst is None:
            self._stand(group, pump.log.newest)
            return 1
        self.place = burst.place
        if start is not None and burst.place >= start.until:
            self.start = None
        pump.count(burst, 1)
        self.write(burst.data)
        if self.group is group and not (self.paused or self.queued or self.lane):
            if burst.cut or pump.log.newest != burst.newest:
                pump.enqueue(self)
            else:
                self._stand(group, burst.place)
        return 1

    def _read(self, log: Log, group: Group) -> Burst | None:
        """Read on from its place: what its group shares where it can, else by itself."""
        if self.start is None and not self.beside:
            burst = log.since(self.place, group, self.seen)
            shared_only = 0
        elif self._needs_own_reading():
            burst = log.since_alone(self.place, self.windows, group.framing, self.seen, self.start)
            shared_only = 0
        else:
            burst = log.since(self.place, group, self.seen)
            shared_only = self._seen_beside()
        if burst is not None:
            self.seen = burst.seen if burst.seen == UNKNOWN_COUNT else burst.seen + shared_only
        return burst

    def _needs_own_reading(self) -> bool:
        """Whether what it is to be sent next differs from what its group is."""
        place = self.place
        if self.start is not None or losers(self.windows, place):
            return True
        return any(channel.window.newest > place for channel in self.beside)

    def _stand(self, group: Group, place: int) -> None:
        """It has everything up to `place`, the newest of all."""
        self.start = None
        self.place = place
        group.stand(self)

    def _seen_beside(self) -> int:
        """Frames of its own channels, all of which it has read."""
        return sum(
            channel.window.total for channel in self.beside if not channel.window.options.ephemeral
        )

    def _leave_lane(self, lane: Lane) -> None:
        lane.remove(self)
        if self.beside:
            self.seen += self._seen_beside()
        lane.group.settle(lane)
