"""Bundles: the streams of one connection that stand at one place of one group.

To its lane a bundle is one member, served by one write. To a subscriber in it, it is what a lane is
to others: where it stands. Its members leave it one by one, each with a place that is true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.wire.flow import NOTHING

if TYPE_CHECKING:
    from sse_server.core.lane import Lane
    from sse_server.core.subscriber import Subscriber
    from sse_server.wire.flow import Bundler, Sent


class Bundle:
    """Subscribers that are written to at once."""

    __slots__ = ("_sent", "_shared", "bundler", "lane", "members", "place", "seen", "since", "slot",
                 "write")  # fmt: skip

    def __init__(self, bundler: Bundler, place: int) -> None:
        """Empty, at `place`; in no lane yet."""
        self.bundler = bundler
        self._shared = bundler.bundle()
        self.write = self._shared.write
        self.members: list[Subscriber] = []
        self.place = place
        self.seen = 0  # as a subscriber's; what its members take along is the lane's
        self._sent: Sent = NOTHING  # up to when it came into its lane
        self.since: Sent = NOTHING  # what its lane had been sent then
        self.lane: Lane | None = None
        self.slot = 0  # its index in the lane

    @property
    def size(self) -> int:
        """Streams that one write goes to."""
        return len(self.members)

    @property
    def base(self) -> Lane:
        """The lane that its members stand in."""
        assert self.lane is not None
        return self.lane

    @property
    def sent(self) -> Sent:
        """What each member has been sent that stood here all the time."""
        if self.lane is not None:
            self.take(self.lane.sent_of(self))
        return self._sent

    def take(self, sent: Sent) -> None:
        """Count what it was sent in its lane, which has been sent so much by now."""
        since = self.since
        if sent is not since:
            frames, size = self._sent
            self._sent = (frames + sent[0] - since[0], size + sent[1] - since[1])
            self.since = sent

    def add(self, member: Subscriber, told: int) -> None:
        """Let a subscriber stand here that has all there is for its group, as all here have."""
        if self.lane is not None:
            self.lane.told = min(self.lane.told, told)
            self.lane.streams += 1
        member.lane = self
        member.slot = len(self.members)
        member.since = self.sent
        member.place = max(member.place, self.place)
        member.write = _left_to_its_bundle  # a bound method for each would be 64 bytes
        self.members.append(member)
        self._shared.add(member.sink)

    def remove(self, member: Subscriber) -> None:
        """Take a member out, at the bundle's place; when it was the last, the bundle is gone."""
        lane = self.lane
        assert lane is not None
        member.place = max(member.place, lane.place_of(self))
        member.seen = lane.seen_of(self)
        member.take(self.sent)
        last = self.members.pop()
        if last is not member:
            last.slot = member.slot
            self.members[member.slot] = last
        member.lane = None
        member.write = member.sink.write
        lane.streams -= 1
        self._shared.remove(member.sink)
        if not self.members:
            del lane.bundles[self.bundler]
            lane.remove(self)
            lane.settle()

    def settle(self) -> None:
        """A member has left: its lane has been settled if that was the last."""

    def step_out(self) -> None:
        """Frames were lost under it: each member reads on by itself."""
        for member in self.members.copy():
            member.step_out()

    def break_off(self) -> None:
        """The sink has raised, which none should."""
        for member in self.members.copy():
            member.break_off()

    def absorb(self, other: Bundle, told: int) -> None:
        """Take in the members of another one of the same connection that has all there is, too.

        It has left its lane, and counted what it was sent there.
        """
        sent = other.sent
        for member in other.members:
            other._shared.remove(member.sink)
            member.place = max(member.place, other.place)
            member.take(sent)
            self.add(member, told)
        other.members.clear()


def _left_to_its_bundle(_data: bytes) -> None:
    """What a member of a bundle has in the place of its sink's `write`."""
    raise AssertionError("its bundle writes for it")
