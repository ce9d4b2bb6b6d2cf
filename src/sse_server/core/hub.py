"""The hub: takes events in, lets subscribers come, change and go. Everything else is the pump's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sse_server.core.arrange import arrange
from sse_server.core.channel import Channel
from sse_server.core.directory import Directory
from sse_server.core.group import Group, GroupKey
from sse_server.core.heartbeat import Heartbeats
from sse_server.core.hub_options import HubOptions
from sse_server.core.log import Log
from sse_server.core.presence import Presence, presence_channel
from sse_server.core.pressure import is_too_high
from sse_server.core.pump import Pump
from sse_server.core.reading import known_count
from sse_server.core.registry import Registry
from sse_server.core.stall import Stalls
from sse_server.core.start import EARLIEST, begin
from sse_server.core.subscriber import Subscriber
from sse_server.core.traffic import Traffic
from sse_server.core.window import Mark
from sse_server.wire.encoder import encode, frame
from sse_server.wire.event import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sse_server.wire.event import Event
    from sse_server.wire.flow import CloseReason, Framing, Sink
    from sse_server.wire.position import Positions


class Hub:
    """All channels, groups and subscribers of one process."""

    def __init__(
        self,
        options: HubOptions,
        positions: Positions,
        wake: Callable[[], None],
        clock: Callable[[], float],
        newest: int = 0,
    ) -> None:
        """`wake` asks the loop to call `pump.run` soon; `clock` gives monotonic seconds."""
        self.options = options
        self.positions = positions
        self.log = Log(options.log, positions, newest)
        self.pump = Pump(self.log, wake, options.writes_per_run, clock)
        self.heartbeats = Heartbeats(options.heartbeat_seconds, clock())
        self.stalls = Stalls(options.stall_timeout_seconds)
        self.presence = Presence()
        self.subscribers = 0
        self.opened = 0
        self.reconnected = 0  # of them, those that came with a position
        self.changed = 0  # changes of open streams
        self.published = 0
        self.pauses = 0
        self.closed: Counter[CloseReason] = Counter()
        self.clock = clock
        self._channels: dict[str, Channel] = {}  # those that somebody follows
        self._groups: dict[GroupKey, Group] = {}
        self._combinations: Counter[tuple[str, ...]] = Counter()  # of the groups
        self.traffic = Traffic(options.busiest_channels)
        self.directory = Directory(self.log, self._channels)
        self.registry = Registry(self._groups, self._channels, self.stalls, self.pump, clock())

    @property
    def newest(self) -> int:
        """The newest offset of all."""
        return self.log.newest

    def deliver(self, channel: str, offset: int, event: Event) -> None:
        """Take an event that the engine has ordered: encode it, once, and stir who follows it."""
        log = self.log
        window = log.windows.get(channel)
        if window is None:
            window = log.window(channel)
        followed = self._channels.get(channel)
        if followed is not None:
            followed.stir(self.pump)
        block = frame(self.positions.encode(offset), encode(event))
        mark = None
        if event.key is not None or event.priority is not Priority.NORMAL:
            mark = Mark(event.priority is Priority.LOW, event.key)
        log.append(window, offset, block, self.clock(), mark)
        tally = window.tally
        if tally is None:
            tally = window.tally = self.traffic.tally(channel)
        tally.events += 1
        self.published += 1
        if self.published >= self.traffic.sample_at:
            self.traffic.sample(channel, self.published)

    def subscribe(
        self,
        sink: Sink,
        framing: Framing,
        channels: Sequence[str],
        last_id: bytes | None = None,
        *,
        tells_positions: bool = True,
    ) -> Subscriber:
        """Open a stream on `channels` (checked names, at least one) from where `last_id` says.

        None is the newest position, `earliest` all that is kept; one that cannot be resumed from is
        told as a gap. `tells_positions`: heartbeats carry the position when it has moved. The sink
        is first written to when the pump runs.
        """
        names = self._followed_names(channels)
        followed = [self._channel(name) for name in names]
        windows = [channel.window for channel in followed]
        beginning = begin(last_id, windows, self.log.newest, self.positions)
        subscriber = Subscriber(sink, beginning, self.registry.moment(self.clock()))
        self.subscribers += 1
        self.opened += 1
        if last_id is not None and last_id != EARLIEST:
            self.reconnected += 1
        told = beginning.place
        self._enter(subscriber, followed, framing, tells_positions=tells_positions, told=told)
        self._note_presence(followed)
        return subscriber

    def opening_position(self, subscriber: Subscriber) -> bytes | None:
        """The id that stands before a stream's first event; None if a gap stands there."""
        if subscriber.start is not None and subscriber.start.gap is not None:
            return None
        return self.positions.encode(subscriber.place)

    def change(self, subscriber: Subscriber, channels: Sequence[str]) -> int:
        """Let an open stream follow `channels` from where it is: the newest position if it stands.

        Returns that place: of a channel that is new to it, it is sent what stands beyond. What such
        a channel has lost beyond it is a gap.
        """
        group = subscriber.group
        assert group is not None, "the stream is gone"
        followed = [self._channel(name) for name in self._followed_names(channels)]
        for channel in followed:  # not to be forgotten between leaving and entering
            channel.clients += 1
            channel.window.followed += 1
        before = subscriber.channels
        lane = None if subscriber.lane is None else subscriber.lane.base
        subscriber.leave_lane()
        if lane is not None and subscriber.place >= group.newest:
            subscriber.place = self.log.newest
        self._exit(subscriber)
        windows = [channel.window for channel in followed]
        place = subscriber.place
        subscriber.seen = known_count(windows, place)
        tells_positions = group.key.tells_positions
        # Its place may be beyond the last id that it was sent, which is not kept.
        self._enter(subscriber, followed, group.framing, tells_positions=tells_positions, told=0)
        if lane is not None and subscriber.lane is not None:
            self.heartbeats.hasten(subscriber.lane.base, lane.wrote_at)
        for channel in followed:
            channel.clients -= 1
            channel.window.followed -= 1
        self._note_presence(set(before) ^ set(followed))
        self.changed += 1
        return place

    def leave(self, subscriber: Subscriber, reason: CloseReason) -> None:
        """A stream has ended."""
        followed = subscriber.channels
        self._exit(subscriber)
        self._note_presence(followed)
        self.stalls.forget(subscriber)
        self.registry.forget(subscriber)
        self.subscribers -= 1
        self.closed[reason] += 1

    def paused(self, subscriber: Subscriber) -> None:
        """Its transport is full: watch how long it takes nothing."""
        self.pauses += 1
        self.stalls.watch(subscriber, self.clock())

    def resumed(self, subscriber: Subscriber) -> None:
        """It takes something again."""
        self.stalls.forget(subscriber)

    def must_wait(self, channel: str, size: int) -> bool:
        """Whether a publisher of `size` bytes to `channel` has to wait until the pump is dry."""
        return is_too_high(self, channel, size)

    def expire(self) -> float | None:
        """Evict what is too old; returns when to be called again, in the clock's seconds."""
        return self.log.expire(self.clock())

    def tick(self) -> None:
        """What is due about once a second: evict, heartbeats, end who takes nothing."""
        now = self.clock()
        self.expire()
        self.heartbeats.beat(self.pump, now)
        self.stalls.sweep(now)
        for channel in self.traffic.look(now):
            self.log.count_anew(channel)

    def reload(self, options: HubOptions) -> None:
        """Go on with other options; they differ from the old ones in what is reloadable."""
        self.options = options
        self.heartbeats.change_interval(options.heartbeat_seconds)
        self.stalls.timeout_seconds = options.stall_timeout_seconds

    def when_caught_up(self, call: Callable[[], None]) -> None:
        """Call this once, when nobody waits for the pump."""
        self.pump.when_dry(call)

    def window_frames(self, channel: str) -> int:
        """How many frames of a channel are kept."""
        return self.options.log.of(channel).max_frames

    def window_bytes(self, channel: str) -> int:
        """How many bytes of a channel are kept."""
        return min(self.options.log.of(channel).max_bytes, self.options.log.max_bytes)

    def _followed_names(self, channels: Iterable[str]) -> list[str]:
        """Each channel once, and the presence channels of those that have one."""
        names = dict.fromkeys(channels)
        for name in list(names):
            if self.options.log.of(name).presence:
                names[presence_channel(name)] = None
        return list(names)

    def _note_presence(self, channels: Iterable[Channel]) -> None:
        """So many more, or fewer, follow these than before."""
        for channel in channels:
            if channel.window.options.presence:
                self.presence.changed(channel.window.name)

    def _channel(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = Channel(self.log.window(name))
        return channel

    def _enter(
        self,
        subscriber: Subscriber,
        followed: list[Channel],
        framing: Framing,
        *,
        tells_positions: bool,
        told: int,
    ) -> None:
        """Give it its group, and a lane when it has everything; `told`: the id it was sent last."""
        shared, subscriber.beside = arrange(followed, self._combinations, self.options.beside_limit)
        names = tuple([channel.window.name for channel in shared])
        key = GroupKey(names, framing, tells_positions)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(self, key, shared)
            self._combinations[names] += 1
            for channel in shared:
                channel.groups[group] = None
        group.size += 1
        subscriber.group = group
        for channel in subscriber.beside:
            channel.beside[subscriber] = None
        for channel in followed:
            channel.clients += 1
            channel.window.followed += 1
        if subscriber.paused:
            return
        has_everything = subscriber.place == self.log.newest and subscriber.start is None
        if has_everything and subscriber.farewell is None:
            group.stand(subscriber, told)
            return
        if not subscriber.slow:  # publishers wait for it, too
            self.pump.dry_at = min(self.pump.dry_at, subscriber.place)
        subscriber.go_on()

    def _exit(self, subscriber: Subscriber) -> None:
        """Take a subscriber out of everything; what nobody follows any more is forgotten."""
        group = subscriber.group
        assert group is not None, "the stream is gone already"
        subscriber.leave_lane()
        followed = subscriber.channels
        subscriber.group = None
        for channel in subscriber.beside:
            del channel.beside[subscriber]
        subscriber.beside = ()
        group.size -= 1
        if not group.size:
            del self._groups[group.key]
            names = group.key.channels
            self._combinations[names] -= 1
            if not self._combinations[names]:
                del self._combinations[names]
            for channel in group.channels:
                del channel.groups[group]
        for channel in followed:
            channel.clients -= 1
            window = channel.window
            window.followed -= 1
            if not channel.clients:
                del self._channels[window.name]
                self.log.release(window)
