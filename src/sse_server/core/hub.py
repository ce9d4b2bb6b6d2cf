"""The hub: takes events in, lets subscribers come, change and go. Everything else is the pump's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sse_server.core.directory import Directory
from sse_server.core.heartbeat import Heartbeats
from sse_server.core.hub_options import HubOptions
from sse_server.core.log import Log
from sse_server.core.presence import Presence, presence_channel
from sse_server.core.pressure import is_too_high
from sse_server.core.pump import Pump
from sse_server.core.reading import known_count
from sse_server.core.registry import Registry
from sse_server.core.renewal import begin_anew
from sse_server.core.roster import Roster
from sse_server.core.stall import Stalls
from sse_server.core.start import EARLIEST, begin
from sse_server.core.subscriber import Subscriber
from sse_server.core.traffic import Traffic
from sse_server.core.window import Mark
from sse_server.wire.encoder import encode, frame
from sse_server.wire.event import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sse_server.core.channel import Channel
    from sse_server.core.history import History, Watcher
    from sse_server.wire.event import Event
    from sse_server.wire.flow import CloseReason, Framing, Sink
    from sse_server.wire.position import Positions


class Hub:
    """All channels, groups and subscribers of one process."""

    def __init__(  # noqa: PLR0913 (what it is made of, put together in one place)
        self,
        options: HubOptions,
        positions: Positions,
        wake: Callable[[], None],
        clock: Callable[[], float],
        newest: int = 0,
        *,
        history: History | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        """`wake` asks the loop to call `pump.run` soon; `clock` gives monotonic seconds.

        The log begins at `newest`. `history`: what is kept beyond the log, if anything is.
        `watcher`: who is to know what is followed, where only that is delivered.
        """
        self.options = options
        self.positions = positions
        self.history = history
        self.watcher = watcher
        self.log = Log(options.log, positions, newest, selective=watcher is not None)
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
        self._roster = Roster(self)
        self._channels, self._groups = self._roster.channels, self._roster.groups
        self.traffic = Traffic(options.busiest_channels)
        self.directory = Directory(self.log, self._channels)
        self.asking: dict[Subscriber, None] = {}  # for what an engine keeps
        walking = (self.pump, self.asking)
        self.registry = Registry(self._groups, self._channels, self.stalls, walking, clock())

    @property
    def newest(self) -> int:
        """The newest offset of all."""
        return self.log.newest

    def deliver(self, channel: str, offset: int, event: Event, block: bytes | None = None) -> None:
        """Take an event that the engine has ordered: encode it, once, and stir who follows it.

        `block`: its frame, where the engine has made one.
        """
        log = self.log
        window = log.windows.get(channel)
        if window is None:
            window = log.window(channel)
        followed = self._channels.get(channel)
        if followed is not None:
            followed.stir(self.pump)
        if block is None:
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

    def advance(self, offset: int) -> None:
        """Everything up to `offset` that was to be delivered has been."""
        self.log.advance(offset)

    def begin_anew(self, epoch: bytes, newest: int) -> None:
        """What was beyond `newest` is gone; what is delivered from now on is of a new epoch."""
        begin_anew(self, epoch, newest)

    def complete(self, channel: str, offset: int) -> None:
        """What is delivered to a channel that is watched has no hole beyond `offset`."""
        followed = self._channels.get(channel)
        if followed is not None:
            self.log.advance(offset)
            self.log.cut(followed.window, offset)
            followed.complete(self.pump)

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
        followed = [self._roster.channel(name) for name in names]
        windows = [channel.window for channel in followed]
        deep = self.history is not None
        beginning = begin(last_id, windows, self.log.newest, self.positions, deep=deep)
        subscriber = Subscriber(sink, beginning, self.registry.moment(self.clock()))
        self.subscribers += 1
        self.opened += 1
        if last_id is not None and last_id != EARLIEST:
            self.reconnected += 1
        told = beginning.place
        self._roster.enter(
            subscriber, followed, framing, tells_positions=tells_positions, told=told
        )
        self._note_presence(followed)
        return subscriber

    def opening_position(self, subscriber: Subscriber) -> bytes | None:
        """The id that stands before a stream's first event.

        None if a gap stands there, or if the oldest event is still to be found.
        """
        start = subscriber.start
        if start is not None and (start.gap is not None or start.unresolved):
            return None
        return self.positions.encode(subscriber.place)

    def change(self, subscriber: Subscriber, channels: Sequence[str]) -> int:
        """Let an open stream follow `channels` from where it is: the newest position if it stands.

        Returns that place: of a channel that is new to it, it is sent what stands beyond. What such
        a channel has lost beyond it is a gap.
        """
        group = subscriber.group
        assert group is not None, "the stream is gone"
        followed = [self._roster.channel(name) for name in self._followed_names(channels)]
        for channel in followed:  # not to be forgotten between leaving and entering
            channel.clients += 1
            channel.window.followed += 1
        before = subscriber.channels
        stood = subscriber.lane is not None
        subscriber.leave_lane()
        if stood and subscriber.place >= group.newest:
            subscriber.place = self.log.newest
        self._roster.leave(subscriber)
        windows = [channel.window for channel in followed]
        place = subscriber.place
        subscriber.seen = known_count(windows, place)
        tells_positions = group.key.tells_positions
        # Its place may be beyond the last id that it was sent, which is not kept.
        self._roster.enter(
            subscriber, followed, group.framing, tells_positions=tells_positions, told=0
        )
        for channel in followed:
            channel.clients -= 1
            channel.window.followed -= 1
        self._note_presence(set(before) ^ set(followed))
        self.changed += 1
        return place

    def leave(self, subscriber: Subscriber, reason: CloseReason) -> None:
        """A stream has ended."""
        followed = subscriber.channels
        self._roster.leave(subscriber)
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
