"""Lanes: standing members of one group, visited in one step.

A member is a subscriber, or a bundle of them that one write serves. A lane has one place: all its
members have everything up to there. It is quiet (at its group's tip) or queued in the pump. Members
may leave or pause from inside any write of a visit, so a visit walks a copy of the list, and a
member's own place is stored before it is written to: whoever leaves takes a place with it that is
true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.core.bundle import Bundle
from sse_server.wire.flow import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sse_server.core.group import Group
    from sse_server.core.pump import Pump
    from sse_server.core.subscriber import Subscriber
    from sse_server.wire.flow import Bundler, Sent

_BUNDLED_PER_WRITE = 32  # so many further streams of a bundle cost as much as a write (7 µs)


class Lane:
    """At most `group.lane_size` members that stand at one place."""

    __slots__ = ("beats_at", "bundles", "group", "members", "place", "queued", "seen",
                 "seen_before", "sent", "sent_before", "streams", "told", "visiting",
                 "wrote_at")  # fmt: skip

    def __init__(self, group: Group, place: int, seen: int, wrote_at: float) -> None:
        """An empty lane at `place`, up to which the group's windows have had `seen` frames.

        Who comes first was written to at `wrote_at`.
        """
        self.group = group
        self.members: list[Subscriber | Bundle] = []
        self.bundles: dict[Bundler, Bundle] = {}  # among the members: one of each connection
        self.streams = 0  # subscribers, in bundles or not
        self.place = place
        self.seen = seen
        self.seen_before = seen  # before the visit that is going on
        self.sent: Sent = NOTHING  # to each member that stood here all the time
        self.sent_before = self.sent
        self.queued = False
        self.visiting = False
        self.told = place  # no member was sent an older id last
        self.wrote_at = wrote_at
        self.beats_at = 0  # the second in which its heartbeat is looked at

    @property
    def base(self) -> Lane:
        """Itself, as for those in a bundle the lane that the bundle stands in."""
        return self

    @property
    def cost(self) -> int:
        """What a visit takes, in writes."""
        writes = len(self.members)
        return writes + (self.streams - writes) // _BUNDLED_PER_WRITE

    def __iter__(self) -> Iterator[Subscriber]:
        """All that stand here, in bundles or not."""
        for member in self.members:
            if isinstance(member, Bundle):
                yield from member.members
            else:
                yield member

    def add(self, member: Subscriber | Bundle, told: int) -> None:
        """Let a member stand here that has, like the lane, all there is for its group."""
        self.told = min(self.told, told)
        self.streams += member.size
        member.lane = self
        member.slot = len(self.members)
        self.members.append(member)
        member.since = self.sent
        member.place = max(member.place, self.place)

    def add_bundle(self, bundle: Bundle, told: int) -> None:
        """Let a bundle stand here, or its members in one of the same connection."""
        twin = self.bundles.get(bundle.bundler)
        if twin is None:
            self.bundles[bundle.bundler] = bundle
            self.add(bundle, told)
        else:
            twin.absorb(bundle, told)

    def remove(self, member: Subscriber | Bundle) -> None:
        """Take a member out at its own place: in a visit that has not come to it, the old one."""
        last = self.members.pop()
        if last is not member:
            last.slot = member.slot
            self.members[member.slot] = last
        self.streams -= member.size
        member.lane = None
        unvisited = self._is_unvisited(member)
        if not unvisited:  # the lane may have gone on without a write
            member.place = max(member.place, self.place)
        member.seen = self.seen_before if unvisited else self.seen
        member.take(self.sent_before if unvisited else self.sent)

    def settle(self) -> None:
        """A member has left."""
        self.group.settle(self)

    def place_of(self, bundle: Bundle) -> int:
        """Up to where all that stand in a bundle have everything."""
        return bundle.place if self._is_unvisited(bundle) else self.place

    def seen_of(self, bundle: Bundle) -> int:
        """Frames of the group's windows up to the place at which a bundle is."""
        return self.seen_before if self._is_unvisited(bundle) else self.seen

    def sent_of(self, bundle: Bundle) -> Sent:
        """What has been sent to a bundle that stood here all the time."""
        return self.sent_before if self._is_unvisited(bundle) else self.sent

    def _is_unvisited(self, member: Subscriber | Bundle) -> bool:
        """Whether a visit goes on that has not come to it."""
        return self.visiting and member.place < self.place

    def run(self, pump: Pump) -> int:
        """Bring the members on by one burst; returns the number of writes."""
        self.queued = False
        group = self.group
        log = pump.log
        if not self.members:
            group.settle(self)
            return 1
        for window in group.windows:
            if window.lost > self.place:
                return self._dissolve()
        burst = log.since(self.place, group)
        if burst is None:
            return self._beat(pump)
        self.told = burst.last
        self.seen_before = self.seen
        self.seen = burst.seen
        frames, size = self.sent_before = self.sent
        self.sent = (frames + burst.frames, size + len(burst.data))
        cost, writes, streams = self.cost, len(self.members), self.streams
        self._write(burst.data, burst.place, pump.now)
        pump.count(burst, streams, writes)
        if burst.cut or log.newest != burst.newest:
            pump.enqueue(self)
        else:
            group.settle(self)
        return 1 + cost

    def _write(self, data: bytes, place: int, now: float) -> None:
        """Send the same to every member, each of which may leave from inside any write.

        No write raises; if one does, its member is ended, and the others have their burst.
        """
        self.wrote_at = now
        self.place = place
        self.visiting = True
        fault: Exception | None = None
        for member in self.members.copy():
            if member.lane is self:
                member.place = place
                try:
                    member.write(data)
                except Exception as error:  # noqa: BLE001 (whatever it is)
                    fault = error
                    member.break_off()
        self.visiting = False
        if fault is not None:
            self.group.hub.pump.fault = fault

    def _beat(self, pump: Pump) -> int:
        """Nothing to read: go with the log, and say that the stream lives when it is time to."""
        group = self.group
        newest = pump.log.newest
        self.seen_before = self.seen
        self.sent_before = self.sent
        if pump.now < self.wrote_at + group.hub.heartbeats.shortest:
            self.place = newest
            group.settle(self)
            return 1
        data = group.heartbeat(newest, moved=newest > self.told)
        self.told = newest
        cost = self.cost
        group.hub.heartbeats.sent += self.streams
        self._write(data, newest, pump.now)
        group.settle(self)
        return 1 + cost

    def _dissolve(self) -> int:
        """Frames were lost under it, which should not happen: each member reads on by itself."""
        for member in self.members.copy():
            member.step_out()
        self.group.settle(self)
        return 1
