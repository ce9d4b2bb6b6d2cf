"""Subscribers: open event streams, each a group and a place in the log.

A subscriber is exactly one of

- standing: in a lane, or a bundle in one, at the tip or about to be brought there; `lane` is set;
- walking: behind alone; `queued`, about to be, or waiting for what the engine keeps (`inquiry`);
- paused: its transport is full; nowhere, it costs its place;
- gone: `group` is None.

Who moves it: the pump (walking to standing), a personal frame (standing to walking), and its
connection (`pause`, `resume`, `gone`), which may speak up from inside any write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.core import history
from sse_server.core.alone import needs_own_reading, read_alone
from sse_server.core.gap import ToldGap
from sse_server.core.lag import pending
from sse_server.core.policy import LagPolicy, Policy, strictest
from sse_server.core.presence import asked_for
from sse_server.core.reading import UNKNOWN_COUNT
from sse_server.wire.flow import NOTHING, CloseReason

if TYPE_CHECKING:
    from sse_server.core.bundle import Bundle
    from sse_server.core.burst import Burst
    from sse_server.core.channel import Channel
    from sse_server.core.group import Group
    from sse_server.core.lane import Lane
    from sse_server.core.log import Log
    from sse_server.core.pump import Pump
    from sse_server.core.start import Beginning
    from sse_server.core.window import Window
    from sse_server.wire.flow import Sent, Sink


class Subscriber:
    """One open event stream. It is the `Source` of its sink."""

    __slots__ = ("asks", "beside", "farewell", "group", "inquiry", "lane", "opened_at", "paused",
                 "place", "queued", "seen", "sent", "since", "sink", "slot", "slow", "start",
                 "stood", "write", "wrote_at")  # fmt: skip
    size = 1  # as a member of a lane

    def __init__(self, sink: Sink, beginning: Beginning, opened_at: float) -> None:
        """Nowhere yet: the hub gives it a group. `opened_at` is a moment that no other has."""
        self.sink = sink
        self.opened_at = opened_at
        self.write = sink.write
        self.wrote_at = opened_at  # where it stands, its lane knows
        self.group: Group | None = None
        self.beside: tuple[Channel, ...] = ()
        self.place = beginning.place
        self.seen = beginning.seen  # frames of its windows up to its place; set on leaving a lane
        self.start = beginning.start
        self.sent: Sent = NOTHING  # up to when it came into its lane
        self.since: Sent = NOTHING  # what its lane had been sent then
        self.inquiry: history.Inquiry | None = None  # it waits for what that tells
        self.asks = True  # the engine, for what the log does not hold
        self.lane: Lane | Bundle | None = None
        self.slot = 0  # its index there
        self.queued = self.paused = False
        self.stood = False  # it has had everything once
        self.slow = False  # it has been paused since it last had everything
        self.farewell: bytes | None = None  # to be said when it has everything

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All it follows."""
        return (*self.group.channels, *self.beside) if self.group else ()

    @property
    def windows(self) -> tuple[Window, ...]:
        """All it reads."""
        group = self.group
        assert group is not None
        own = [channel.window for channel in self.beside]
        return (*group.windows, *own) if own else group.windows

    @property
    def walks(self) -> bool:
        """Whether it is open and neither stands nor is paused."""
        return self.group is not None and self.lane is None and not self.paused

    @property
    def delivered(self) -> Sent:
        """Source: frames and bytes that it was sent, heartbeats aside."""
        if self.lane is not None:
            self.take(self.lane.sent)
        return self.sent

    @property
    def followed(self) -> list[str]:
        """Source: the channels it follows; none when it is gone."""
        return [channel.window.name for channel in self.channels]

    @property
    def chosen(self) -> list[str]:
        """The channels it asked for, by name: without the presence channels that come with them."""
        return asked_for(channel.window for channel in self.channels)

    @property
    def policy(self) -> Policy:
        """What holds when it lags, and after a gap."""
        return strictest(self.windows)

    @property
    def lags(self) -> bool:
        """Whether more is pending than its channels allow to who reads slowly."""
        return self.slow and pending(self.windows, self.place) > self.policy.max_lag_frames

    def pause(self) -> None:
        """Source: its transport is full."""
        if self.group is None or self.paused:
            return
        self.paused = True
        # Who replays a long past fills its transport however fast it reads: it does not lag yet.
        self.slow = self.stood
        self.group.hub.paused(self)
        history.forget(self, self.group.hub)
        self.leave_lane()

    def resume(self) -> None:
        """Source: its transport has room again."""
        if self.group is None or not self.paused:
            return
        self.paused = False
        self.group.hub.resumed(self)
        self.wrote_at = self.group.hub.clock()  # until now it took what was written before
        self.go_on()

    def gone(self, reason: CloseReason) -> None:
        """Source: its connection is gone. Idempotent."""
        if self.group is not None:
            self.group.hub.leave(self, reason)

    def close(self, reason: CloseReason, last: bytes = b"") -> None:
        """End the stream: cleanly where its transport takes something, else at once."""
        if self.group is None:
            return
        paused = self.paused
        self.group.hub.leave(self, reason)
        if paused:
            self.sink.abort(reason)
        else:
            self.sink.end(reason, last)

    def send(self, data: bytes, now: float) -> None:
        """Write to it alone."""
        self.wrote_at = now
        try:
            self.write(data)
        except Exception:
            self.break_off()
            raise

    def break_off(self) -> None:
        """Its sink has raised, which none should: nobody knows what its client has."""
        self.gone(CloseReason.LOST)
        self.sink.abort(CloseReason.LOST)

    def finish(self, farewell: bytes) -> None:
        """End the stream with `farewell`, framed already, as soon as it has everything."""
        if self.inquiry is not None:  # the next server has what it lacks, too
            self.close(CloseReason.DRAINED, farewell)
            return
        self.farewell = farewell
        self.leave_lane()
        self.go_on()

    def take(self, sent: Sent) -> None:
        """Count what it was sent in its lane, which has been sent so much by now."""
        since = self.since
        if sent is not since:
            frames, size = self.sent
            self.sent = (frames + sent[0] - since[0], size + sent[1] - since[1])
            self.since = sent

    def step_out(self) -> None:
        """A frame for it alone is about to be appended: walk from here."""
        if self.lane is not None:
            self.leave_lane()
            self.go_on()

    def go_on(self) -> None:
        """Be served again, from where it is, if it is nowhere."""
        is_somewhere = self.paused or self.queued or self.lane or self.inquiry
        if self.group is not None and not is_somewhere:
            self.group.hub.pump.enqueue(self)

    def leave_lane(self) -> None:
        """Stand no longer; the place is its own again."""
        lane = self.lane
        if lane is None:
            return
        self.wrote_at = lane.base.wrote_at
        lane.remove(self)
        if self.beside:
            self.seen += self._seen_beside()
        lane.settle()

    def run(self, pump: Pump) -> int:
        """Walk: one burst on, or, when everything is read, into a lane."""
        self.queued = False
        group = self.group
        if group is None or self.paused or self.lane is not None:
            return 0
        asked = None if group.hub.history is None else history.turn(self, pump, group)
        if asked is not None:
            return asked
        if self.start is not None and self.start.gap is not None:
            self._tell_first(pump, group, self.start.gap)
            return 1
        if self.lags and self.policy.lag is LagPolicy.DISCONNECT:
            self.close(CloseReason.SLOW)
            return 1
        burst = self._read(pump.log, group)
        if burst is None:
            # It was paused, say, and its place may be beyond the last id that it was sent.
            self._stand(group, pump.log.newest, told=0)
            return 1
        self.place = burst.place
        if self.start is not None and burst.place >= self.start.until:
            self.start = None
        pump.count(burst, 1, 1)
        self.sent = (self.sent[0] + burst.frames, self.sent[1] + len(burst.data))
        self.send(burst.data, pump.now)
        if burst.closes:
            self.close(CloseReason.GAP)
        elif self.group is group and not (self.paused or self.queued or self.lane):
            if burst.cut or pump.log.newest != burst.newest:
                pump.enqueue(self)
            else:
                self._stand(group, burst.place, burst.last)
        return 1

    def _tell_first(self, pump: Pump, group: Group, gap: bytes) -> None:
        """It came with a position that cannot be resumed from: say so before anything else."""
        start = self.start
        assert start is not None
        start.gap = None
        if not start.forgiven:
            self.start = None  # what follows is the same for all who stand here
        pump.gaps += 1
        pump.told_gaps.append(ToldGap(group.windows, start.reason, None, 1))
        self.send(group.framing([gap]), pump.now)
        if start.closes:
            self.close(CloseReason.GAP)
        else:
            self.go_on()

    def _read(self, log: Log, group: Group) -> Burst | None:
        """Read on from its place: what its group shares where it can, else by itself."""
        if needs_own_reading(self):
            burst = read_alone(self, log, group)
            if burst is not None:
                self.seen = burst.seen
            return burst
        burst = log.since(self.place, group)
        if burst is not None:
            self.seen = burst.seen
            if self.beside and burst.seen != UNKNOWN_COUNT:
                self.seen += self._seen_beside()
        return burst

    def _stand(self, group: Group, place: int, told: int) -> None:
        """It has everything up to `place`, the newest of all; the last id it was sent is `told`."""
        self.start = None
        self.asks = True
        self.place = place
        if self.farewell is None:
            group.stand(self, told)
        else:
            self.close(CloseReason.DRAINED, self.farewell)

    def _seen_beside(self) -> int:
        """Frames of its own channels, all of which it has read."""
        windows = [channel.window for channel in self.beside]
        return sum(window.total for window in windows if window.options.is_counted)
