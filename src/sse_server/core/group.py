"""Groups: all who follow one combination of channels in one framing.

Those of a group who have everything stand in its lanes. One lane, the open one, takes those who
have caught up. When publishing outruns the pump, the open lane may be behind when somebody arrives:
then a new one is opened, and lanes that meet at the tip with room to spare become one again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sse_server.core.bundle import Bundle
from sse_server.core.lane import Lane
from sse_server.core.reading import count

if TYPE_CHECKING:
    from sse_server.core.channel import Channel
    from sse_server.core.hub import Hub
    from sse_server.core.pump import Pump
    from sse_server.core.subscriber import Subscriber
    from sse_server.core.window import Window
    from sse_server.wire.flow import Framing


class GroupKey(NamedTuple):
    """What those who are sent the same bytes have in common."""

    channels: tuple[str, ...]
    """In order."""
    framing: Framing
    tells_positions: bool
    """Whether heartbeats carry the position."""


class Group:
    """Subscribers that are sent the same bytes."""

    __slots__ = (
        "channels",
        "framing",
        "hub",
        "key",
        "lane_size",
        "lanes",
        "open",
        "size",
        "tells_positions",
        "windows",
    )

    def __init__(self, hub: Hub, key: GroupKey, channels: tuple[Channel, ...]) -> None:
        """`channels` are those that `key` names."""
        self.hub = hub
        self.key = key
        self.channels = channels
        self.windows: tuple[Window, ...] = tuple(channel.window for channel in channels)
        self.framing = key.framing
        self.tells_positions = key.tells_positions
        self.lane_size = hub.options.lane_size
        self.lanes: dict[Lane, None] = {}
        self.open: Lane | None = None
        self.size = 0  # subscribers, standing or not

    @property
    def newest(self) -> int:
        """The offset of the newest frame of its channels."""
        return max([window.newest for window in self.windows])

    def stand(self, member: Subscriber, told: int) -> None:
        """Let a subscriber that has everything stand in a lane that has everything, too.

        `told` is the last id it was sent.
        """
        member.stood = True
        member.slow = False
        lane = self.open
        newest = self.newest
        if lane is None or lane.place < newest or lane.cost >= self.lane_size:
            lane = self._new_lane(member)
        elif member.wrote_at < lane.wrote_at:  # it has been silent for longer
            self.hub.heartbeats.hasten(lane, member.wrote_at)
        bundler = member.sink.bundler
        if bundler is None:
            lane.add(member, told)
            return
        bundle = lane.bundles.get(bundler)
        if bundle is not None and lane.place_of(bundle) < newest:  # a visit comes to it later
            lane = self._new_lane(member)
            bundle = None
        if bundle is None:
            bundle = Bundle(bundler, member.place)
            bundle.add(member, told)
            lane.add_bundle(bundle, told)
        else:
            bundle.add(member, told)

    def _new_lane(self, member: Subscriber) -> Lane:
        """A lane for who has everything; it is the open one now."""
        seen = count(self.windows, member.place)
        lane = Lane(self, member.place, seen, member.wrote_at)
        self.lanes[lane] = None
        self.hub.heartbeats.add(lane)
        self.open = lane
        return lane

    def settle(self, lane: Lane) -> None:
        """A lane has come to the tip, or lost a member: keep at most one that is half empty.

        The open lane is that one.
        """
        if lane.visiting or lane.queued:
            return
        if not lane.members:
            self._drop(lane)
            return
        other = self.open
        if other is lane or lane.cost * 2 > self.lane_size:
            return
        newest = self.newest
        if lane.place < newest:
            return
        if other is None or other.queued or other.visiting or other.place < newest:
            self.open = lane
            return
        if lane.cost > other.cost:
            lane, other = other, lane
        if lane.cost + other.cost > self.lane_size:
            self.open = lane
            return
        self._move(lane, other)
        self.hub.heartbeats.hasten(other, lane.wrote_at)
        self.open = other

    def _move(self, lane: Lane, other: Lane) -> None:
        """Let all who stand in one lane stand in another, and drop the first."""
        for member in lane.members:
            member.take(lane.sent)
            if isinstance(member, Bundle):
                other.add_bundle(member, lane.told)
            else:
                other.add(member, lane.told)
        lane.members.clear()
        self._drop(lane)

    def heartbeat(self, newest: int, *, moved: bool) -> bytes:
        """What says that a stream lives; with the position when that has moved.

        A comment without the blank line that would end a block: some clients take every blank line
        behind an id for an event.
        """
        if not moved or not self.tells_positions:
            return self.framing([b":\n"])
        return self.framing([b":\nid: %b\n\n" % self.hub.positions.encode(newest)])

    def wake(self, pump: Pump) -> None:
        """Something was appended: queue the lanes that are behind."""
        for lane in self.lanes:
            if not lane.queued:
                pump.enqueue(lane)

    def _drop(self, lane: Lane) -> None:
        self.lanes.pop(lane, None)
        self.hub.heartbeats.forget(lane)
        if self.open is lane:
            self.open = None
