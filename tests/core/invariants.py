"""What always holds of a hub, whatever has happened to it."""

from collections import Counter

from hypothesis.stateful import RuleBasedStateMachine, invariant

from sse_server.core.backlog import backlogs
from sse_server.core.bundle import Bundle
from sse_server.core.hub import Hub
from sse_server.core.lane import Lane
from sse_server.core.subscriber import Subscriber
from tests.core.client import Shared, Stream
from tests.core.model import History
from tests.core.scene import HEARTBEAT_SECONDS, MAX_MEMO_BYTES, MAX_TOMBSTONES, MIN_DEAD, followed


class Invariants(RuleBasedStateMachine):
    """A machine whose hub is looked at after each step."""

    hub: Hub
    memory: History
    """What the log holds."""
    now: float
    wakes: int
    """So many times the pump has asked to be run since it was."""
    streams: list[Stream]
    """Those that are open."""
    opened: int
    left: int

    @invariant()
    def check(self) -> None:
        if hasattr(self, "hub"):
            self.check_memory()
            self.check_subscribers()
            self.check_counters()

    def is_waiting(self, subscriber: Subscriber) -> bool:
        """Whether what it is to be sent next has been asked for."""
        return False

    def check_memory(self) -> None:
        log = self.hub.log
        for name, held in self.memory.held.items():
            window = log.windows.get(name)
            if window is None:
                assert not held, f"{name} is forgotten and should not be"
                continue
            assert held or window.followed, f"{name} is not forgotten"
            assert window.offsets[window.head :] == [frame.offset for frame in held]
            assert window.bytes == sum(frame.size for frame in held)
        assert log.windows.keys() <= self.memory.held.keys()
        assert log.bytes == self.memory.bytes
        assert log._memo_bytes <= MAX_MEMO_BYTES + 400
        assert sum(len(burst.data) for burst in log._memo.values()) <= log._memo_bytes
        assert len(log._tombstones) <= MAX_TOMBSTONES
        assert not log._tombstones.keys() & log.windows.keys()
        for heap in (log._ranks, log._ages):
            windows = [entry[-1] for entry in heap]
            assert len(set(windows)) == len(windows) <= 3 * len(log.windows) + MIN_DEAD

    def check_subscribers(self) -> None:
        opened = [stream.subscriber for stream in self.streams]
        assert Counter(self.hub.registry) == Counter(opened)
        assert self.hub.registry.page(-1.0, len(opened)) == opened
        for stream in self.streams:
            subscriber = stream.subscriber
            assert subscriber is not None
            assert subscriber.paused is stream.paused
            assert subscriber.delivered[0] == stream.frames
            assert set(subscriber.channels) == {
                self.hub._channels[name] for name in followed(stream.channels)
            }
            if subscriber.lane is not None:
                assert not subscriber.paused
                self._check_standing(subscriber, subscriber.lane)
            else:
                assert subscriber.queued or subscriber.paused or self.is_waiting(subscriber)

    def _check_standing(self, subscriber: Subscriber, standing_in: Lane | Bundle) -> None:
        assert standing_in.members[subscriber.slot] is subscriber
        lane = standing_in.base
        if isinstance(standing_in, Bundle):
            assert lane.members[standing_in.slot] is standing_in
            assert lane.bundles[standing_in.bundler] is standing_in
            assert standing_in.bundler is subscriber.sink.bundler
            shared = standing_in._shared
            assert isinstance(shared, Shared)
            assert Counter(map(id, shared.streams)) == Counter(
                id(member.sink) for member in standing_in.members
            )
        group = subscriber.group
        assert group is lane.group
        assert lane in group.lanes
        assert len(lane.members) <= group.lane_size
        assert lane.streams == sum(1 for _ in lane)
        assert not lane.visiting
        assert all(c.window.newest <= max(subscriber.place, lane.place) for c in subscriber.beside)
        woken = lane.queued or any(channel.queued for channel in group.channels)
        assert lane.place >= group.newest or woken, "nobody would wake it"

    def check_counters(self) -> None:
        hub = self.hub
        assert hub.subscribers == len(self.streams)
        assert hub.opened == self.opened
        assert hub.closed.total() == self.left
        assert hub.published - hub.log.evicted == sum(map(len, hub.log.windows.values()))
        assert hub.traffic.total == hub.published
        assert sum(item.streams for item in backlogs(hub)) == hub.subscribers
        clients = Counter(name for stream in self.streams for name in followed(stream.channels))
        assert {name: channel.clients for name, channel in hub._channels.items()} == clients
        for name, window in hub.log.windows.items():
            assert window.followed == clients[name]
        for name, channel in hub._channels.items():
            assert len(channel.beside) <= hub.options.beside_limit
            assert channel.window is hub.log.windows[name]
            beside = sum(channel in s.subscriber.beside for s in self.streams if s.subscriber)
            assert len(channel.beside) == beside
            grouped = sum(group.size for group in channel.groups)
            assert grouped + beside == channel.clients
        assert set(hub._groups.values()) == {g for c in hub._channels.values() for g in c.groups}
        assert all(group.size for group in hub._groups.values())
        assert bool(hub.pump.is_dry) or self.wakes, "something waits and nobody will come"

    def check_rest(self) -> None:
        """Nobody is paused, and everybody has everything."""
        for stream in self.streams:
            assert stream.subscriber is not None
            assert stream.subscriber.lane is not None, "does not stand"
            assert self.now - stream.silent_since < HEARTBEAT_SECONDS, "is silent"
            stream.ledger.finish()
        self._check_heartbeats()
        assert not self.hub.log._memo
        assert not self.hub.log._memo_bytes
        for group in self.hub._groups.values():
            assert all(lane.members and not lane.queued for lane in group.lanes)
            assert sum(lane.streams for lane in group.lanes) == group.size
            half_empty = [lane for lane in group.lanes if lane.cost * 2 <= group.lane_size]
            assert len(half_empty) <= 1
            assert all(lane is group.open for lane in half_empty)

    def _check_heartbeats(self) -> None:
        """Every lane stands in the wheel, and is looked at before it was silent for too long.

        Nobody else does: nothing is waited for any more.
        """
        buckets = self.hub.heartbeats._buckets
        for group in self.hub._groups.values():
            for lane in group.lanes:
                assert lane in buckets[lane.beats_at]
                assert lane.beats_at <= max(self.now + 1, lane.wrote_at + HEARTBEAT_SECONDS)
        lanes = sum(len(group.lanes) for group in self.hub._groups.values())
        assert sum(map(len, buckets.values())) == lanes
