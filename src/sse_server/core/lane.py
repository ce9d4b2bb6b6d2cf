"""Lanes: standing members of one group, visited in one step.

A lane has one place: all its members have everything up to there. It is quiet (at its group's tip)
or queued in the pump. Members may leave or pause from inside any write of a visit, so a visit walks
a copy of the list, and a member's own place is stored before it is written to: whoever leaves takes
a place with it that is true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sse_server.core.group import Group
    from sse_server.core.pump import Pump
    from sse_server.core.subscriber import Subscriber


class Lane:
    """At most `group.lane_size` members that stand at one place."""

    __slots__ = ("group", "members", "place", "queued", "seen", "seen_before", "visiting")

    def __init__(self, group: Group, place: int, seen: int) -> None:
        """An empty lane at `place`, up to which the group's windows have had `seen` frames."""
        self.group = group
        self.members: list[Subscriber] = []
        self.place = place
        self.seen = seen
        self.seen_before = seen  # before the visit that is going on
        self.queued = False
        self.visiting = False

    def add(self, member: Subscriber) -> None:
        """Let a member stand here that has, like the lane, all there is for its group."""
        member.lane = self
        member.slot = len(self.members)
        self.members.append(member)
        member.place = max(member.place, self.place)

    def remove(self, member: Subscriber) -> None:
        """Take a member out at its own place: in a visit that has not come to it, the old one."""
        last = self.members.pop()
        if last is not member:
            last.slot = member.slot
            self.members[member.slot] = last
        member.lane = None
        unvisited = self.visiting and member.place < self.place
        member.seen = self.seen_before if unvisited else self.seen

    def run(self, pump: Pump) -> int:
        """Bring the members on by one burst; returns the number of writes."""
        self.queued = False
        group = self.group
        burst = pump.log.since(self.place, group, self.seen)
        if burst is None:
            self.place = pump.log.newest
            group.settle(self)
            return 1
        self.place = place = burst.place
        self.seen_before = self.seen
        self.seen = burst.seen
        self.visiting = True
        data = burst.data
        members = self.members.copy()
        for member in members:
            if member.lane is self:
                member.place = place
                member.write(data)
        self.visiting = False
        pump.count(burst, len(members))
        if burst.cut or pump.log.newest != burst.newest:
            pump.enqueue(self)
        else:
            group.settle(self)
        return len(members)
