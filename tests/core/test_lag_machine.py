"""Who lags, whatever happens: a smaller machine than that of the hub, with every lag policy.

Its invariants are plain: ids never go back, and everything between where a client began and where
it is was delivered to it, lies before a gap it was told of, or was superseded by a later frame.
"""

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.policy import AfterGap, LagPolicy
from sse_server.core.presence import PRESENCE_OPTIONS, presence_channel
from sse_server.core.subscriber import Subscriber
from sse_server.core.window import ChannelOptions
from sse_server.http.chunked import plain
from sse_server.wire import flow
from sse_server.wire.event import Event, Priority
from sse_server.wire.flow import CloseReason
from sse_server.wire.parser import EventStreamParser, StreamEvent
from sse_server.wire.position import Positions
from tests.core.model import EPOCH, offset_of, position

LATEST, DROP, DISCONNECT = LagPolicy.LATEST, LagPolicy.DROP, LagPolicy.DISCONNECT
CLOSE = AfterGap.CLOSE
OPTIONS = {
    "drop": ChannelOptions(max_lag_frames=3, max_frames=6),
    "wide": ChannelOptions(max_frames=5),
    "room": ChannelOptions(max_lag_frames=4, max_frames=20, presence=True),
    "latest": ChannelOptions(lag=LATEST, max_lag_frames=2, max_frames=5),
    "prices": ChannelOptions(lag=LATEST, max_lag_frames=3, max_frames=30, presence=True),
    "strict": ChannelOptions(lag=DISCONNECT, max_lag_frames=3, max_frames=8),
    "skips": ChannelOptions(max_lag_frames=4, max_frames=6, after_gap=AfterGap.LATEST),
    "closes": ChannelOptions(max_lag_frames=4, max_frames=6, after_gap=CLOSE),
    "latest-closes": ChannelOptions(lag=LATEST, max_lag_frames=1, max_frames=4, after_gap=CLOSE),
}
PRESENCE = {presence_channel(name): PRESENCE_OPTIONS for name in ("room", "prices")}
EVERY = [*OPTIONS, *PRESENCE]
STALL_SECONDS = 20.0

channel_lists = st.lists(st.sampled_from(list(OPTIONS)), min_size=1, max_size=3, unique=True)
frames = st.tuples(
    st.sampled_from(["drop", "latest", "prices", *EVERY]),
    st.sampled_from([None, "k", "l"]),
    st.booleans(),
)
picks = st.integers(0, 30)


def with_presence(channels: list[str]) -> list[str]:
    presence = map(presence_channel, channels)
    return [*channels, *(name for name in presence if name in PRESENCE)]


@dataclass(frozen=True)
class Frame:
    offset: int
    channel: str
    key: str | None
    is_low: bool


@dataclass
class Client:
    """A client over all its streams, and the sink of the one it has now."""

    machine: "LagMachine"
    channels: list[str]
    began: int
    """There it began to follow the first channels; `since` has all."""
    last_id: int = 0
    """In the beginning, and as long as nothing else was sent: where it began."""
    had: set[int] = field(default_factory=set)
    gaps: list[int] = field(default_factory=list)
    covered: int = 0
    """It was told of frames dropped up to here: some stand behind the gap, between those kept."""
    subscriber: Subscriber | None = None
    paused: bool = False
    ended: CloseReason | None = None
    pauses_in: int = 0
    """It is paused in the write that comes then."""
    unsent = 0
    bundler = None
    client = flow.Client(None, None)

    def __post_init__(self) -> None:
        self.last_id = self.began
        self.since = dict.fromkeys(with_presence(self.channels), self.began)

    @property
    def followed(self) -> set[str]:
        return set(self.since)

    def open(self) -> None:
        self.ended = None
        self.paused = self.was_paused = False
        self.parser = EventStreamParser()
        self.check(self.last_id)
        last_id = position(self.last_id)
        self.subscriber = self.machine.hub.subscribe(self, plain, self.channels, last_id)

    def write(self, data: bytes) -> None:
        assert not self.paused, "written to while paused"
        assert self.ended is None, "written to after its end"
        for event in self.parser.feed(data):
            self._take(event)
        assert self.subscriber is not None
        if self.parser.last_event_id:  # a heartbeat may tell one without an event
            offset = offset_of(self.parser.last_event_id)
            assert self.last_id <= offset <= self.subscriber.place
            self.last_id = offset
        self.pauses_in -= 1
        if not self.pauses_in:
            self.pause()

    def _take(self, event: StreamEvent) -> None:
        offset = offset_of(event.last_event_id)
        if event.type == "gap":
            assert offset >= self.last_id, "ids went back"
            is_lagged = '"lagged"' in event.data
            assert self.was_paused or not is_lagged, "dropped for one that is not slow"
            # What is dropped behind a gap may begin right behind it.
            assert is_lagged or offset not in self.gaps, "a gap told twice"
            self.gaps.append(offset)
            if is_lagged:
                assert self.subscriber is not None
                self.covered = self.subscriber.place
        else:
            assert offset > self.last_id, "ids went back, or a frame came twice"
            frame = self.machine.frames[offset]
            assert frame.channel in self.followed
            assert event.data == f"{offset}"
            self.had.add(offset)
        self.last_id = offset

    def pause(self) -> None:
        if self.ended is None and self.subscriber is not None:
            self.paused = self.was_paused = True
            self.subscriber.pause()

    def change(self, channels: list[str]) -> None:
        """What is new to it begins where it is."""
        if self.ended is None and self.subscriber is not None:
            self.machine.hub.change(self.subscriber, channels)
            place = self.subscriber.place
            self.channels = channels
            self.since = {name: self.since.get(name, place) for name in with_presence(channels)}

    def resume(self) -> None:
        if self.paused and self.ended is None and self.subscriber is not None:
            self.paused = False
            self.subscriber.resume()

    def end(self, reason: CloseReason, last: bytes = b"") -> None:
        assert not self.paused
        assert reason in {CloseReason.SLOW, CloseReason.GAP}
        self._close(reason)

    def abort(self, reason: CloseReason) -> None:
        assert self.paused
        assert reason is CloseReason.SLOW or (reason is CloseReason.GAP and self.gaps)
        self._close(reason)

    def _close(self, reason: CloseReason) -> None:
        assert self.ended is None, "ended twice"
        if reason is CloseReason.GAP:
            assert {"closes", "latest-closes"} & self.followed
            assert self.gaps[-1] == self.last_id
        self.ended = reason

    def check(self, upto: int) -> None:
        """Everything up to there was delivered, told, superseded, or is presence.

        Or its channel has lost something beyond: there the gap stands, and is still to be told.
        """
        told = max(self.gaps, default=self.began)
        newest = {(f.channel, f.key): f.offset for f in self.machine.frames.values()}
        for frame in self.machine.frames.values():
            if not self.since.get(frame.channel, upto) < frame.offset <= upto:
                continue
            if frame.offset in self.had or frame.offset <= told or frame.channel in PRESENCE:
                continue
            if frame.offset <= self.covered or self.machine.hub.log.lost(frame.channel) > upto:
                continue
            superseded = newest[frame.channel, frame.key] > frame.offset
            if superseded and OPTIONS[frame.channel].lag is LATEST:
                continue
            raise AssertionError(f"{frame} was neither delivered nor told")


class LagMachine(RuleBasedStateMachine):
    @initialize(
        max_burst_bytes=st.sampled_from([1, 60, 200, 65_536]),
        writes_per_run=st.sampled_from([1, 4, 64]),
        beside_limit=st.sampled_from([0, 2]),
    )
    def begin(self, max_burst_bytes: int, writes_per_run: int, beside_limit: int) -> None:
        self.now = 0.0
        self.wakes = 0
        self.is_whole = True  # no assertion has failed inside a write, and left a visit undone
        self.frames: dict[int, Frame] = {}
        self.clients: list[Client] = []
        log = LogOptions(
            patterns=tuple((OPTIONS | PRESENCE).items()), max_burst_bytes=max_burst_bytes
        )
        options = HubOptions(
            log=log,
            lane_size=2,
            writes_per_run=writes_per_run,
            beside_limit=beside_limit,
            stall_timeout_seconds=STALL_SECONDS,
        )
        self.hub = Hub(options, Positions(EPOCH), self._wake, lambda: self.now)

    def _wake(self) -> None:
        self.wakes += 1

    @rule(frames=st.lists(frames, min_size=1, max_size=12))
    def publish(self, frames: list[tuple[str, str | None, bool]]) -> None:
        for channel, key, is_low in frames:
            offset = self.hub.newest + 1
            self.frames[offset] = Frame(offset, channel, key, is_low)
            priority = Priority.LOW if is_low else Priority.NORMAL
            self.hub.deliver(channel, offset, Event(str(offset), key=key, priority=priority))

    @rule(channels=channel_lists, back=st.sampled_from([0, 0, 3, 20]), pauses_in=st.integers(0, 5))
    def join(self, channels: list[str], back: int, pauses_in: int) -> None:
        if len(self.clients) < 12:
            began = max(0, self.hub.newest - back)
            client = Client(self, channels, began, pauses_in=pauses_in)
            self.clients.append(client)
            client.open()

    @rule(pick=picks, pauses_in=st.integers(0, 4))
    def pause(self, pick: int, pauses_in: int) -> None:
        if self.clients:
            client = self.clients[pick % len(self.clients)]
            client.pauses_in = pauses_in
            client.pause()

    @rule(pick=picks)
    def resume(self, pick: int) -> None:
        if self.clients:
            self.clients[pick % len(self.clients)].resume()

    @rule(pick=picks, channels=channel_lists)
    def change(self, pick: int, channels: list[str]) -> None:
        if self.clients:
            self.clients[pick % len(self.clients)].change(channels)

    @rule(pick=picks)
    def cut_and_return(self, pick: int) -> None:
        if self.clients:
            client = self.clients[pick % len(self.clients)]
            client.check(client.last_id)
            if client.ended is None and client.subscriber is not None:
                client.ended = CloseReason.LOST
                client.subscriber.gone(CloseReason.LOST)
            client.open()

    @rule(seconds=st.integers(0, 8))
    def tick(self, seconds: int) -> None:
        self.now += seconds
        self.hub.tick()

    @rule(runs=st.integers(1, 6))
    def pump(self, runs: int) -> None:
        for _ in range(runs):
            if self.wakes:
                self.wakes = 0
                self.is_whole = False
                self.hub.pump.run()
                self.is_whole = True

    @rule()
    def quiet(self) -> None:
        """Who was closed comes back, nobody is paused any more: all have everything soon."""
        for _ in range(500):
            for client in self.clients:
                client.pauses_in = 0
                client.resume()
                if client.ended is not None:
                    client.open()
            if not self.wakes:
                break
            self.pump(1)
        else:
            raise AssertionError("it never comes to rest")
        for client in self.clients:
            assert client.subscriber is not None
            assert client.subscriber.lane is not None
            assert not client.subscriber.slow
            client.check(self.hub.newest)
        assert self.hub.pump.is_dry
        assert self.hub.pump.busy_since is None

    def teardown(self) -> None:
        if hasattr(self, "hub") and self.is_whole:
            self.quiet()

    @invariant()
    def check(self) -> None:
        if not hasattr(self, "hub"):
            return
        assert self.hub.subscribers == sum(client.ended is None for client in self.clients)
        assert len(self.hub.stalls) == sum(c.paused and c.ended is None for c in self.clients)


TestLag = LagMachine.TestCase
