"""The hub against the model: whatever happens, in whatever order, also from inside a write."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sse_server.core import log as log_module
from sse_server.core.backlog import backlogs
from sse_server.core.bundle import Bundle
from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.lane import Lane
from sse_server.core.log import WINDOW_OVERHEAD_BYTES
from sse_server.core.log_options import LogOptions
from sse_server.core.presence import PRESENCE_OPTIONS, presence_channel
from sse_server.core.subscriber import Subscriber
from sse_server.core.window import ChannelOptions
from sse_server.http.chunked import chunked, plain
from sse_server.wire.encoder import id_block
from sse_server.wire.event import Event
from sse_server.wire.flow import Client, CloseReason, Framing, Sink
from sse_server.wire.parser import EventStreamParser, StreamEvent
from sse_server.wire.position import Positions
from tests.core.model import EPOCH, History, Ledger, Snapshot, position

SHARED = ["few", "small", "aged", "room"]
PERSONAL = [f"user:{number}" for number in range(4)]
PRESENCE = presence_channel("room")
OPTIONS = {
    "few": ChannelOptions(max_frames=3, max_age_seconds=None),
    "small": ChannelOptions(max_frames=8, max_bytes=700, max_age_seconds=60),
    "aged": ChannelOptions(max_frames=6, max_age_seconds=5),
    "room": ChannelOptions(max_frames=5, max_age_seconds=30, presence=True),
    PRESENCE: PRESENCE_OPTIONS,
    **{name: ChannelOptions(max_frames=3, max_age_seconds=20) for name in PERSONAL},
}
MAX_BYTES = 2_500 + 4 * WINDOW_OVERHEAD_BYTES
MAX_MEMO_BYTES = 300
MAX_TOMBSTONES = 2
MIN_DEAD = 2
HEARTBEAT_SECONDS = 12.0
FAREWELL = b"retry: 2000\nevent: server-shutdown\ndata: {}\n\n"

channel_lists = st.lists(st.sampled_from(SHARED + PERSONAL), min_size=1, max_size=4, unique=True)
publishings = st.lists(
    st.tuples(st.sampled_from([*SHARED, *SHARED, *PERSONAL, PRESENCE]), st.integers(0, 120)),
    min_size=1,
    max_size=6,
)
picks = st.integers(0, 30)
origins = (
    st.none()
    | st.just(b"earliest")
    | picks.map(lambda back: -1 - back)  # so many positions before the newest
    | st.sampled_from([b"", b"e-", b"e-01", b"nonsense", b"\xff", b"foreign-3", b"e-9999999"])
)
FAULTS = {b"foreign-3": "foreign-epoch", b"e-9999999": "future"}  # the others are malformed


@dataclass(frozen=True)
class Action:
    """What happens from inside a write: to the stream itself, or to another."""

    verb: str
    pick: int
    """Which stream; 0 is the one that is written to."""
    channels: list[str]
    publishings: list[tuple[str, int]]


actions = st.builds(
    Action,
    st.sampled_from(
        ["pause", "leave", "resume", "bounce", "change", "join", "finish", "publish", "expire"]
    ),
    st.integers(0, 6),
    channel_lists,
    publishings,
)
scripts = st.dictionaries(st.integers(1, 6), st.lists(actions, min_size=1, max_size=3), max_size=3)
Script = dict[int, list[Action]]
Manner = tuple[Framing, bool, int]
"""A framing, whether heartbeats tell positions, and which connection carries the stream among
others; 0: one of its own."""
manners = st.tuples(
    st.sampled_from([plain, plain, chunked]),
    st.sampled_from([True, True, False]),
    st.sampled_from([0, 0, 1, 2]),
)


def followed(channels: Sequence[str]) -> list[str]:
    return [*channels, PRESENCE] if "room" in channels else [*channels]


def unchunked(data: bytes) -> bytes:
    size, _, rest = data.partition(b"\r\n")
    assert len(rest) == int(size, 16) + 2, "one write is one chunk"
    assert rest.endswith(b"\r\n")
    return rest[:-2]


@dataclass(eq=False)
class Stream:
    """One stream as its client sees it; the sink that the hub writes to."""

    machine: "HubMachine"
    channels: list[str]
    framing: Framing
    tells_positions: bool
    script: Script
    ledger: Ledger
    bundler: "Carrier | None" = None
    subscriber: Subscriber | None = None
    paused: bool = False
    is_open: bool = True
    finishing: bool = False
    silent_since: float = 0.0
    """It has stood since then, and nothing was written to it."""
    writes: int = 0
    frames: int = 0
    last_id: bytes | None = None
    snapshots: list[Snapshot] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parser = EventStreamParser()

    def opened(self, subscriber: Subscriber, opening: bytes | None) -> None:
        self.subscriber = subscriber
        assert (opening is None) == (self.ledger.fault is not None or self.ledger.unresolved)
        if opening is not None:
            assert opening == position(self.ledger.last_id)
            self.parser.feed(id_block(opening))
            self.last_id = opening
        self.snapshots.append(self.ledger.snapshot(self.last_id))

    @property
    def manner(self) -> Manner:
        number = self.machine.carriers.index(self.bundler)
        return self.framing, self.tells_positions, number

    @property
    def place(self) -> int:
        """Up to where it has everything; of those in a bundle the bundle knows."""
        assert self.subscriber is not None
        lane = self.subscriber.lane
        return max(self.subscriber.place, lane.place if isinstance(lane, Bundle) else 0)

    def write(self, data: bytes) -> None:
        self.machine.writes += 1
        self.receive(data)
        self.react()

    def receive(self, data: bytes) -> None:
        assert self.is_open, "written to after it was gone"
        assert not self.paused, "written to while paused"
        assert self.subscriber is not None
        assert self.ledger.last_id <= self.place <= self.machine.hub.newest
        self.ledger.resolve()
        self.writes += 1
        self.silent_since = self.machine.now
        blocks = unchunked(data) if self.framing is chunked else data
        self._check_size(blocks)
        if blocks == b":\n" and not self.tells_positions:
            self.machine.heartbeats += 1
        elif blocks.startswith(b":"):
            self._take_heartbeat(blocks)
        else:
            for event in self.parser.feed(blocks):
                self.frames += event.type != "gap"
                self._take(event)

    def react(self) -> None:
        """What happens inside the write."""
        if self.is_open and not self.paused:
            for action in self.script.pop(self.writes, []):
                self.machine.act(action, self)

    unsent = 0
    client = Client(None, None)

    def end(self, reason: CloseReason, last: bytes = b"") -> None:
        assert self.finishing, "nobody asked for it"
        assert not self.paused
        assert (reason, last) == (CloseReason.DRAINED, FAREWELL)
        if self.machine.history is self.machine.memory:  # else the next server has it, too
            self.ledger.finish()
        self.machine.closed(self)

    def abort(self, reason: CloseReason) -> None:
        raise AssertionError("nobody asked for it")

    def _take(self, event: StreamEvent) -> None:
        self.ledger.floor = self.machine.hub.log._floor
        self.ledger.take(event)
        self.last_id = event.last_event_id.encode()
        self.snapshots.append(self.ledger.snapshot(self.last_id))

    def _take_heartbeat(self, blocks: bytes) -> None:
        """It fires no event, and the client knows a recent position."""
        assert self.subscriber is not None
        assert self.tells_positions
        assert self.parser.feed(blocks) == []
        self.machine.heartbeats += 1
        place = self.place
        is_new = self.ledger.last_id == 0 == place  # it has not been told a position yet
        assert (
            is_new
            or self.last_id == position(place)
            or self.parser.last_event_id.encode() == position(place)
        )
        if blocks != b":\n":
            assert blocks == b":\nid: %b\n\n" % position(place)
            self.ledger.beat(place)
            self.last_id = position(place)
            self.snapshots.append(self.ledger.snapshot(self.last_id))

    def _check_size(self, blocks: bytes) -> None:
        """Whole frames within the budget, but at least one."""
        assert blocks == b":\n" or blocks.endswith(b"\n\n")
        parts = blocks.removesuffix(b"\n\n").split(b"\n\n")
        sizes = [len(part) + 2 for part in parts if b"\nevent: gap\n" not in part]
        budget = self.machine.hub.options.log.max_burst_bytes + self.machine.slack_bytes
        assert len(sizes) <= 1 or sum(sizes) <= budget


class Carrier:
    """A connection that carries several streams."""

    def bundle(self) -> "Shared":
        return Shared()


class Shared:
    """Writes the same to several of them: all have it when the first reacts."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []

    def add(self, sink: Sink) -> None:
        assert isinstance(sink, Stream)
        self.streams.append(sink)

    def remove(self, sink: Sink) -> None:
        assert isinstance(sink, Stream)
        self.streams.remove(sink)

    def write(self, data: bytes) -> None:
        streams = self.streams.copy()
        streams[0].machine.writes += 1
        for stream in streams:
            stream.receive(data)
        for stream in streams:
            stream.react()


class HubMachine(RuleBasedStateMachine):
    slack_bytes = 0

    @initialize(
        lane_size=st.sampled_from([4, 4, 2, 1]),
        writes_per_run=st.sampled_from([1, 3, 10]),
        beside_limit=st.integers(1, 2),
        max_burst_bytes=st.sampled_from([60, 150, 400]),
    )
    def begin(
        self, lane_size: int, writes_per_run: int, beside_limit: int, max_burst_bytes: int
    ) -> None:
        log = LogOptions(
            max_bytes=MAX_BYTES,
            patterns=tuple(OPTIONS.items()),
            max_burst_bytes=max_burst_bytes,
            max_memo_bytes=MAX_MEMO_BYTES,
            max_tombstones=MAX_TOMBSTONES,
        )
        options = HubOptions(
            log=log,
            lane_size=lane_size,
            writes_per_run=writes_per_run,
            beside_limit=beside_limit,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            stall_timeout_seconds=inf,
        )
        self.patches = pytest.MonkeyPatch()
        self.patches.setattr(log_module, "_MIN_DEAD", MIN_DEAD)
        self.now = 0.0
        self.wakes = 0
        self.writes = 0
        self.heartbeats = 0
        self.left = 0
        self.opened = 0
        self.is_whole = True  # no assertion has failed inside a write, and left a visit undone
        self.streams: list[Stream] = []
        self.carriers = [None, Carrier(), Carrier()]
        self.memory = History(OPTIONS, MAX_BYTES)
        self.at_hand = self.memory
        self.make_hub(options)

    def make_hub(self, options: HubOptions) -> None:
        """What is in memory is all there is."""
        self.history = self.memory
        self.hub = Hub(options, Positions(EPOCH), self._wake, lambda: self.now)

    def _wake(self) -> None:
        self.wakes += 1

    # --- what happens -----------------------------------------------------------------------------

    @rule(publishings=publishings)
    def publish(self, publishings: list[tuple[str, int]]) -> None:
        for channel, size in publishings:
            offset = self.hub.newest + 1 + size % 2  # offsets grow, not always by one
            data = f"{offset}:{'x' * size}"
            self.take_in(channel, offset, data)

    def take_in(self, channel: str, offset: int, data: str) -> None:
        self.history.publish(channel, offset, data, self.now)
        self.hub.deliver(channel, offset, Event(data))

    @rule(
        channels=channel_lists,
        origin=origins,
        manner=manners,
        script=scripts,
    )
    def join(
        self, channels: list[str], origin: bytes | int | None, manner: Manner, script: Script
    ) -> None:
        if isinstance(origin, int):
            origin = position(max(0, self.history.newest + 1 + origin))
        self._open(channels, origin, manner, script, {})

    @rule(
        channels=channel_lists,
        manner=manners,
        scripts=st.lists(scripts, min_size=2, max_size=9),
    )
    def join_many(self, channels: list[str], manner: Manner, scripts: list[Script]) -> None:
        for script in scripts:
            self._open(channels, None, manner, dict(script), {})

    def _open(
        self,
        channels: list[str],
        last_id: bytes | None,
        manner: Manner,
        script: Script,
        untold: dict[str, set[int]],
    ) -> None:
        if len(self.streams) >= 40:
            return
        carried = {channel: untold[channel] for channel in followed(channels) if channel in untold}
        ledger = self._ledger(followed(channels), last_id, carried)
        framing, tells_positions, number = manner
        carrier = self.carriers[number]
        stream = Stream(self, channels, framing, tells_positions, script, ledger, carrier)
        subscriber = self.hub.subscribe(
            stream, framing, channels, last_id, tells_positions=tells_positions
        )
        stream.last_id = last_id
        if subscriber.start is not None and subscriber.start.unresolved:
            ledger.unresolve()
        stream.opened(subscriber, self.hub.opening_position(subscriber))
        stream.silent_since = self.now
        self.streams.append(stream)
        self.opened += 1

    def _ledger(
        self, channels: list[str], last_id: bytes | None, carried: dict[str, set[int]]
    ) -> Ledger:
        history = self.history
        newest = history.newest
        ledger = partial(Ledger, history, is_all=history is self.memory)
        if last_id is None:
            return ledger(newest, dict.fromkeys(channels, newest))
        place, _, offset = last_id.rpartition(b"-")
        known = place == EPOCH and offset == b"%d" % int(offset or b"0" if offset.isdigit() else 0)
        if known and int(offset) <= newest:
            at = int(offset)
            countable = self.hub.log._floor <= at and all(history.lost(c) <= at for c in channels)
            upto = dict.fromkeys(channels, at)
            return ledger(at, upto, countable=countable, carried=carried)
        oldest = self.at_hand.oldest(channels)
        at = newest if oldest is None else oldest - 1
        forgiven = {
            lost
            for channel in channels
            for lost in history.between(channel, at, newest)
            if not history.is_held(lost)
        }
        fault = None if last_id == b"earliest" else FAULTS.get(last_id, "malformed")
        upto = dict.fromkeys(channels, at)
        return ledger(at, upto, fault=fault, forgiven=forgiven)

    @rule(pick=picks)
    def pause(self, pick: int) -> None:
        self._pause(self._pick(pick))

    @rule(pick=picks)
    def resume(self, pick: int) -> None:
        self._resume(self._pick(pick, paused=True))

    @rule(pick=picks)
    def leave(self, pick: int) -> None:
        self._leave(self._pick(pick))

    @rule(pick=picks, channels=channel_lists)
    def change(self, pick: int, channels: list[str]) -> None:
        self._change(self._pick(pick), channels)

    @rule(pick=picks)
    def finish(self, pick: int) -> None:
        """It is to end as soon as it has everything."""
        self._finish(self._pick(pick))

    @rule(pick=picks, uncut=picks, script=scripts)
    def cut_and_return(self, pick: int, uncut: int, script: Script) -> None:
        """The client has not received all that was written, and returns with the last id it has."""
        stream = self._pick(pick)
        if stream is not None:
            self._leave(stream)
            snapshot = stream.snapshots[max(0, len(stream.snapshots) - 1 - uncut // 3)]
            self._open(stream.channels, snapshot.last_id, stream.manner, script, snapshot.untold)

    @rule(seconds=st.integers(1, 25))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        self._expire()

    @rule(seconds=st.integers(0, 8), runs=st.integers(0, 3))
    def tick(self, seconds: int, runs: int) -> None:
        """Heartbeats for who was sent nothing for a while."""
        self.now += seconds
        self._tick()
        self.pump(runs)

    def _tick(self) -> None:
        self.memory.expire(self.now)
        self.hub.tick()

    def _expire(self) -> None:
        self.memory.expire(self.now)
        due = self.hub.expire()
        assert due is None or due > self.now

    @rule(runs=st.integers(1, 8))
    def pump(self, runs: int) -> None:
        for _ in range(runs):
            self._run()

    def _run(self) -> None:
        """As a loop would: once for all wakes so far."""
        if not self.wakes:
            assert self.hub.pump.is_dry
            return
        self.wakes = 0
        for stream in self.streams:
            if stream.subscriber is not None and stream.subscriber.lane is None:
                stream.silent_since = self.now
        before = self.writes
        self.is_whole = False
        self.hub.pump.run()
        self.is_whole = True
        options = self.hub.options
        assert self.writes - before < options.writes_per_run + options.lane_size

    def answer_all(self) -> None:
        """Whatever is asked of an engine is answered."""

    @rule()
    def quiet(self) -> None:
        """Nobody is paused and nothing more happens: everything is settled in a few runs."""
        self.now += 1
        self._tick()
        for stream in [*self.streams]:
            self._resume(stream)
        for _ in range(3_000):
            self.answer_all()
            if not self.wakes and not any(stream.paused for stream in self.streams):
                break
            self._run()
            for stream in [*self.streams]:
                self._resume(stream)
        else:
            raise AssertionError("it never comes to rest")
        for stream in self.streams:
            assert stream.subscriber is not None
            assert stream.subscriber.lane is not None, "does not stand"
            # Who waited for an engine was in no lane meanwhile.
            is_silent = self.now - stream.silent_since >= HEARTBEAT_SECONDS
            assert self.history is not self.memory or not is_silent, "is silent"
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
        """Every lane stands in the wheel, and is looked at before it was silent for too long."""
        buckets = self.hub.heartbeats._buckets
        for group in self.hub._groups.values():
            for lane in group.lanes:
                assert lane in buckets[lane.beats_at]
                assert lane.beats_at <= max(self.now + 1, lane.wrote_at + HEARTBEAT_SECONDS)

    def teardown(self) -> None:
        if not hasattr(self, "hub"):
            return
        try:
            if self.is_whole:
                self._end()
        finally:
            self.patches.undo()

    def _end(self) -> None:
        self.quiet()
        for stream in [*self.streams]:
            self._leave(stream)
        while self.wakes:
            self._run()
        assert not self.hub._groups
        assert not self.hub._channels
        self.check()

    # --- the same, from inside a write ------------------------------------------------------------

    def act(self, action: Action, writing: Stream) -> None:
        stream = writing
        if action.pick and self.streams:
            stream = self.streams[action.pick % len(self.streams)]
        match action.verb:
            case "pause":
                self._pause(stream)
            case "leave":
                self._leave(stream)
            case "resume":
                self._resume(stream)
            case "bounce":
                self._pause(stream)
                self._resume(stream)
            case "change":
                stream.silent_since = self.now  # a heartbeat may have been about to come
                self._change(stream, action.channels)
            case "join":
                self._open(action.channels, None, writing.manner, {}, {})
            case "finish":
                self._finish(stream)
            case "publish":
                self.publish(action.publishings)
            case _:
                self._expire()

    def _pick(self, pick: int, *, paused: bool | None = None) -> Stream | None:
        streams = [s for s in self.streams if paused is None or s.paused is paused]
        return streams[pick % len(streams)] if streams else None

    def _pause(self, stream: Stream | None) -> None:
        if stream is not None and stream.is_open:
            assert stream.subscriber is not None
            stream.paused = True
            stream.silent_since = self.now
            stream.subscriber.pause()
            assert stream.subscriber.lane is None

    def _resume(self, stream: Stream | None) -> None:
        if stream is not None and stream.is_open and stream.paused:
            assert stream.subscriber is not None
            stream.paused = False
            stream.subscriber.resume()

    def _finish(self, stream: Stream | None) -> None:
        if stream is not None and stream.is_open:
            assert stream.subscriber is not None
            stream.finishing = True
            stream.subscriber.finish(FAREWELL)

    def _leave(self, stream: Stream | None) -> None:
        if stream is not None and stream.is_open:
            assert stream.subscriber is not None
            self.closed(stream)
            stream.subscriber.gone(CloseReason.LOST)
            stream.subscriber.gone(CloseReason.LOST)
            assert stream.subscriber.delivered[0] == stream.frames

    def closed(self, stream: Stream) -> None:
        stream.is_open = False
        self.streams.remove(stream)
        self.left += 1

    def _change(self, stream: Stream | None, channels: list[str]) -> None:
        if stream is None or not stream.is_open:
            return
        subscriber = stream.subscriber
        assert subscriber is not None
        stood = subscriber.lane is not None and stream.ledger.has_everything
        place = self.hub.change(subscriber, channels)
        stream.channels = channels
        stream.ledger.floor = self.hub.log._floor
        stream.ledger.change(followed(channels), place)
        if stood:
            assert place == self.history.newest
            assert subscriber.lane is not None or self.history is not self.memory
        stream.snapshots = [stream.ledger.snapshot(stream.last_id)]

    # --- what always holds ------------------------------------------------------------------------

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


TestHub = HubMachine.TestCase
