"""The hub: takes events in, lets subscribers come, change and go. Everything else is the pump's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import TYPE_CHECKING, NamedTuple

from sse_server.core.channel import Channel
from sse_server.core.group import Group, GroupKey
from sse_server.core.log import Log, LogOptions
from sse_server.core.presence import Presence, presence_channel
from sse_server.core.pump import Pump
from sse_server.core.reading import known_count
from sse_server.core.start import begin
from sse_server.core.subscriber import Subscriber
from sse_server.wire.encoder import encode, frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sse_server.wire.event import Event
    from sse_server.wire.flow import CloseReason, Framing, Sink
    from sse_server.wire.position import Positions


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """How the hub keeps and delivers."""

    log: LogOptions = field(default_factory=LogOptions)
    lane_size: int = 512
    """Members served in one step: 3.5 ms of writes, during which nothing else runs."""
    writes_per_run: int = 512
    """Writes after which the loop may take in publishes and handshakes."""
    beside_limit: int = 16
    """So many subscribers may follow a channel by themselves, beside the group of another channel
    of theirs: publishing to it touches each of them."""


class ChannelInfo(NamedTuple):
    """What can be told of a channel. `oldest` and `newest` are offsets of frames held."""

    name: str
    clients: int
    events: int
    bytes: int
    oldest: int | None
    newest: int | None


class HistoryPage(NamedTuple):
    """Frames that are held, and the offset they lead to."""

    frames: list[bytes]
    end: int
    lost: bool
    """Something after the place asked for is no longer held."""
    more: bool


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
        self.pump = Pump(self.log, wake, options.writes_per_run)
        self.presence = Presence()
        self.subscribers = 0
        self.opened = 0
        self.published = 0
        self.closed: Counter[CloseReason] = Counter()
        self._clock = clock
        self._channels: dict[str, Channel] = {}  # those that somebody follows
        self._groups: dict[GroupKey, Group] = {}

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
        log.append(window, offset, block, self._clock())
        self.published += 1

    def subscribe(
        self, sink: Sink, framing: Framing, channels: Sequence[str], last_id: bytes | None = None
    ) -> Subscriber:
        """Open a stream on `channels` (checked names, at least one) from where `last_id` says.

        None is the newest position, `earliest` all that is kept; one that cannot be resumed from is
        told as a gap. The sink is first written to when the pump runs.
        """
        names = self._followed_names(channels)
        followed = [self._channel(name) for name in names]
        windows = [channel.window for channel in followed]
        beginning = begin(last_id, windows, self.log.newest, self.positions)
        subscriber = Subscriber(sink, beginning)
        self.subscribers += 1
        self.opened += 1
        self._enter(subscriber, followed, framing)
        return subscriber

    def opening_position(self, subscriber: Subscriber) -> bytes | None:
        """The id that stands before a stream's first event; None if a gap stands there."""
        if subscriber.start is not None and subscriber.start.gap is not None:
            return None
        return self.positions.encode(subscriber.place)

    def change(self, subscriber: Subscriber, channels: Sequence[str]) -> None:
        """Let an open stream follow `channels` from where it is: the newest position if it stands.

        What a channel that is new to it has lost beyond that place is a gap.
        """
        group = subscriber.group
        assert group is not None, "the stream is gone"
        followed = [self._channel(name) for name in self._followed_names(channels)]
        for channel in followed:  # not to be forgotten between leaving and entering
            channel.clients += 1
            channel.window.followed += 1
        lane = subscriber.lane
        if lane is not None and lane.place >= group.newest and subscriber.place >= group.newest:
            subscriber.place = self.log.newest
        self._exit(subscriber)
        windows = [channel.window for channel in followed]
        subscriber.seen = known_count(windows, subscriber.place)
        self._enter(subscriber, followed, group.framing)
        for channel in followed:
            channel.clients -= 1
            channel.window.followed -= 1

    def leave(self, subscriber: Subscriber, reason: CloseReason) -> None:
        """A stream has ended."""
        self._exit(subscriber)
        self.subscribers -= 1
        self.closed[reason] += 1

    def expire(self) -> float | None:
        """Evict what is too old; returns when to be called again, in the clock's seconds."""
        return self.log.expire(self._clock())

    def clients(self, channel: str) -> int:
        """How many streams follow a channel."""
        followed = self._channels.get(channel)
        return followed.clients if followed else 0

    def channel(self, name: str) -> ChannelInfo | None:
        """A channel that holds frames or has clients."""
        window = self.log.windows.get(name)
        if window is None:
            return None
        newest = window.offsets[-1] if len(window) else None
        return ChannelInfo(
            name, self.clients(name), len(window), window.bytes, window.oldest, newest
        )

    def channels(self, after: str, limit: int) -> list[ChannelInfo]:
        """The first `limit` channels whose names come after `after`, by name."""
        names = nsmallest(limit, (name for name in self.log.windows if name > after))
        infos = (self.channel(name) for name in names)
        return [info for info in infos if info is not None]

    def history(
        self, channel: str, after: int | None, until: int | None, max_frames: int, max_bytes: int
    ) -> HistoryPage:
        """Frames of a channel beyond `after` (None: all that are held) up to and with `until`."""
        until = self.newest if until is None else until
        window = self.log.windows.get(channel)
        if window is None:
            lost = after is not None and self.log.lost(channel) > after
            return HistoryPage([], until, lost, more=False)
        lost = after is not None and window.lost > after
        start, stop = window.span(-1 if after is None else after, max_bytes)
        stop = min(stop, start + max_frames)
        end = window.index(until)
        if stop < end:
            return HistoryPage(window.blocks[start:stop], window.offsets[stop - 1], lost, more=True)
        return HistoryPage(window.blocks[start:end], until, lost, more=False)

    def _followed_names(self, channels: Iterable[str]) -> list[str]:
        """Each channel once, and the presence channels of those that have one."""
        names = dict.fromkeys(channels)
        for name in list(names):
            if self.options.log.of(name).presence:
                names[presence_channel(name)] = None
        return list(names)

    def _channel(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = Channel(self.log.window(name))
        return channel

    def _enter(self, subscriber: Subscriber, followed: list[Channel], framing: Framing) -> None:
        """Give a subscriber its group, and a lane when it has everything."""
        shared, subscriber.beside = self._arrange(followed, framing)
        key = (tuple(channel.window.name for channel in shared), framing)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(self, key, shared)
            for channel in shared:
                channel.groups[group] = None
        group.size += 1
        subscriber.group = group
        for channel in subscriber.beside:
            channel.beside[subscriber] = None
        for channel in followed:
            channel.clients += 1
            channel.window.followed += 1
            if channel.window.options.presence:
                self.presence.changed(channel.window.name)
        if subscriber.paused:
            return
        if subscriber.place == self.log.newest and subscriber.start is None:
            group.stand(subscriber)
        else:
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
            for channel in group.channels:
                del channel.groups[group]
        for channel in followed:
            channel.clients -= 1
            window = channel.window
            window.followed -= 1
            if window.options.presence:
                self.presence.changed(window.name)
            if not channel.clients:
                del self._channels[window.name]
                self.log.release(window)

    def _arrange(
        self, followed: list[Channel], framing: Framing
    ) -> tuple[tuple[Channel, ...], tuple[Channel, ...]]:
        """Which channels a stream follows with a group, and which by itself, beside it.

        With a group of its own, each stream that follows a personal channel and a shared one would
        be a lane of one. So the channel that most follow makes the group, and the others stand
        beside it as long as few follow them.
        """
        if len(followed) == 1:
            return (followed[0],), ()
        by_name = sorted(followed, key=lambda channel: channel.window.name)
        key = (tuple(channel.window.name for channel in by_name), framing)
        if key in self._groups:
            return tuple(by_name), ()
        largest = max(followed, key=lambda channel: channel.clients)
        limit = self.options.beside_limit
        beside = [
            channel
            for channel in followed
            if channel is not largest and len(channel.beside) < limit
        ]
        shared = [channel for channel in by_name if channel not in beside]
        return tuple(shared), tuple(beside)
