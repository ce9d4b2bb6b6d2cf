"""A log that goes on in new epochs: every client knows what it lacks, and what is gone.

A client has events, and was told of gaps. What is in the log beyond where it began, and it does not
have, lies before a gap that it was told of. What it has that is gone, it was told of.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from sse_server.core.history import Page, Question
from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.subscriber import Subscriber
from sse_server.core.window import ChannelOptions
from sse_server.http.chunked import plain
from sse_server.wire import flow
from sse_server.wire.encoder import id_block
from sse_server.wire.event import Event
from sse_server.wire.flow import CloseReason
from sse_server.wire.parser import EventStreamParser
from sse_server.wire.position import Positions

CHANNELS = ["a", "b", "c"]
LOG = LogOptions(channel=ChannelOptions(max_frames=1_000, max_age_seconds=None))
picks = st.integers(0, 30)
Frame = tuple[int, int]
"""Which renewal it was published behind, and its offset."""


@dataclass(eq=False)
class Client:
    """A client over all its streams, and the sink of the one it has now."""

    machine: "RenewalMachine"
    channels: list[str]
    began: int
    last_id: bytes
    has: dict[Frame, str] = field(default_factory=dict)
    told: int = 0
    """The last gap that it was told of stood there."""
    gone: set[Frame] = field(default_factory=set)
    """What it has and is gone, without its having been told yet."""
    subscriber: Subscriber | None = None
    paused: bool = False
    unsent = 0
    bundler = None
    client = flow.Client(None, None)

    def open(self) -> None:
        self.paused = False
        self.parser = EventStreamParser()
        hub = self.machine.hub
        self.subscriber = hub.subscribe(self, plain, self.channels, self.last_id)
        opening = hub.opening_position(self.subscriber)
        if opening is not None:
            self.parser.feed(id_block(opening))
            self.last_id = opening

    def write(self, data: bytes) -> None:
        assert not self.paused
        assert self.subscriber is not None, "written to after its end"
        self._receive(data)

    def _receive(self, data: bytes) -> None:
        for event in self.parser.feed(data):
            _, _, offset = event.last_event_id.partition("-")
            if event.type == "gap":
                self.machine.tell(self, int(offset))
                self.gone.clear()
            else:
                frame = (int(event.data.partition(":")[0]), int(offset))
                assert frame not in self.has, "sent twice"
                assert not self.gone, "an event before the gap"
                self.has[frame] = event.data
        if self.parser.last_event_id:
            self.last_id = self.parser.last_event_id.encode()

    def end(self, reason: CloseReason, last: bytes = b"") -> None:
        assert reason is CloseReason.GAP
        assert not self.paused
        self.subscriber = None
        self._receive(last)

    def abort(self, reason: CloseReason) -> None:
        assert reason is CloseReason.GAP
        assert self.paused
        self.subscriber = None

    def check(self) -> None:
        """It has everything, or was told."""
        assert not self.gone, f"nobody told it that these are gone: {self.gone}"
        for frame, channel in self.machine.frames.items():
            if channel in self.channels and frame[1] > max(self.began, self.told):
                assert frame in self.has, f"{frame} is missing"


class RenewalMachine(RuleBasedStateMachine):
    @initialize(max_burst_bytes=st.sampled_from([40, 65_536]), lane_size=st.sampled_from([1, 4]))
    def begin(self, max_burst_bytes: int, lane_size: int) -> None:
        self.wakes = 0
        self.now = 0.0
        self.renewals = 0
        self.frames: dict[Frame, str] = {}
        self.clients: list[Client] = []
        log = LogOptions(channel=LOG.channel, max_burst_bytes=max_burst_bytes)
        options = HubOptions(
            log=log,
            lane_size=lane_size,
            beside_limit=1,
            writes_per_run=2,
            stall_timeout_seconds=inf,
        )
        self.hub = Hub(options, Positions(b"e0"), self._wake, lambda: self.now)

        self.keep()

    def keep(self) -> None:
        """What is in memory is all there is."""

    def tell(self, client: Client, at: int) -> None:
        """It is told a gap: what it does not have up to there it will not be sent."""
        client.told = at

    def answer_all(self) -> None:
        """Whatever is asked of an engine is answered."""

    def _wake(self) -> None:
        self.wakes += 1

    @rule(channels=st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=6))
    def publish(self, channels: list[str]) -> None:
        for channel in channels:
            offset = self.hub.newest + 1
            self.frames[self.renewals, offset] = channel
            self.hub.deliver(channel, offset, Event(f"{self.renewals}:{offset}"))

    @rule(channels=st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True))
    def join(self, channels: list[str]) -> None:
        if len(self.clients) < 12:
            newest = self.hub.newest
            client = Client(self, channels, newest, self.hub.positions.encode(newest))
            self.clients.append(client)
            client.open()

    @rule(pick=picks)
    def pause(self, pick: int) -> None:
        client = self._open(pick)
        if client is not None and client.subscriber is not None:
            client.paused = True
            client.subscriber.pause()

    @rule(pick=picks)
    def resume(self, pick: int) -> None:
        client = self._open(pick)
        if client is not None and client.paused and client.subscriber is not None:
            client.paused = False
            client.subscriber.resume()

    @rule(pick=picks)
    def cut(self, pick: int) -> None:
        client = self._open(pick)
        if client is not None and client.subscriber is not None:
            subscriber, client.subscriber = client.subscriber, None
            subscriber.gone(CloseReason.LOST)

    @rule(pick=picks)
    def come_back(self, pick: int) -> None:
        closed = [client for client in self.clients if client.subscriber is None]
        if closed:
            closed[pick % len(closed)].open()

    @rule(back=st.integers(0, 12), seconds=st.integers(0, 20))
    def renew(self, back: int, seconds: int) -> None:
        """The engine has lost its newest events."""
        self.now += seconds
        self.renewals += 1
        newest = max(0, self.hub.newest - back)
        for client in self.clients:
            client.gone |= {frame for frame in client.has if frame[1] > newest} & self.frames.keys()
        self.frames = {frame: one for frame, one in self.frames.items() if frame[1] <= newest}
        self.hub.begin_anew(b"e%d" % self.renewals, newest)
        assert self.hub.subscribers == 0
        assert all(client.subscriber is None for client in self.clients)
        for client in self.clients:
            client.began = min(client.began, newest)
            client.told = min(client.told, newest)

    @rule(runs=st.integers(1, 6))
    def pump(self, runs: int) -> None:
        for _ in range(runs):
            if self.wakes:
                self.wakes = 0
                self.hub.pump.run()

    @rule()
    def beat(self) -> None:
        self.now += 16
        self.hub.tick()

    @rule()
    def quiet(self) -> None:
        for client in self.clients:
            if client.subscriber is None:
                client.open()
            if client.paused and client.subscriber is not None:
                client.paused = False
                client.subscriber.resume()
        self.answer_all()
        while self.wakes:
            self.pump(1)
            self.answer_all()
        for client in self.clients:
            client.check()

    def teardown(self) -> None:
        if hasattr(self, "hub"):
            self.quiet()

    def _open(self, pick: int) -> Client | None:
        opened = [client for client in self.clients if client.subscriber is not None]
        return opened[pick % len(opened)] if opened else None


class KeptRenewalMachine(RenewalMachine):
    """An engine keeps everything that has not gone: nothing else is missing."""

    def keep(self) -> None:
        self.asked: list[tuple[Question, Callable[[Page | None], None]]] = []
        self.hub.history = self

    def read(self, question: Question, take: Callable[[Page | None], None]) -> Callable[[], object]:
        asked = (question, take)
        self.asked.append(asked)
        return lambda: self.asked.remove(asked)

    def tell(self, client: Client, at: int) -> None:
        if client.subscriber is None:  # its stream ends with it, and it goes on from there
            client.has = {frame: data for frame, data in client.has.items() if frame[1] <= at}
        else:  # it begins anew with all that is kept
            client.has.clear()
            client.began = 0

    @rule(pick=picks)
    def answer(self, pick: int) -> None:
        if self.asked:
            question, take = self.asked.pop(pick % len(self.asked))
            take(self._page(question))

    def answer_all(self) -> None:
        while self.asked:
            self.answer(0)

    def _page(self, question: Question) -> Page:
        channels, after, until = question
        found = sorted(
            (offset, f"{renewal}:{offset}")
            for (renewal, offset), channel in self.frames.items()
            if channel in channels and (after or 0) < offset <= until
        )
        name = self.hub.positions.encode
        blocks = [b"id: %b\ndata: %b\n\n" % (name(o), data.encode()) for o, data in found[:3]]
        end = found[2][0] if len(found) > 3 else until
        return Page(b"".join(blocks), len(blocks), found[0][0] if found else None, end, {})


TestRenewal = RenewalMachine.TestCase
TestKeptRenewal = KeptRenewalMachine.TestCase
