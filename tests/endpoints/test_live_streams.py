"""Changing a stream, and reading what it was not sent: the two meet, whatever the stream is doing.

The endpoints over a real hub, asked as clients ask them; what a stream is sent is all that a client
knows of it.
"""

from dataclasses import dataclass

import orjson
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.subscriber import Subscriber
from sse_server.endpoints.control import ControlEndpoint
from sse_server.endpoints.history import HistoryEndpoint
from sse_server.endpoints.router import Router
from sse_server.endpoints.subscribe import SubscribeEndpoint
from sse_server.http.chunked import plain
from sse_server.http.response import EventStream
from sse_server.wire.event import Event
from sse_server.wire.flow import CloseReason
from sse_server.wire.parser import StreamEvent
from sse_server.wire.position import Positions
from tests.core.fakes import Recorder
from tests.endpoints.fakes import get, post, respond, value_of

CHANNELS = ["a", "b", "c", "d"]
MOST_STREAMS = 3

channels = st.sampled_from(CHANNELS)
bursts = st.lists(channels, max_size=4)
picks = st.integers(0, 3)


@dataclass
class Period:
    """For as long as a stream follows a channel."""

    channel: str
    begin: int
    history: list[int]
    """What the channel had had by then, as its history tells it."""
    end: int | None = None

    def has(self, at: int) -> bool:
        """Whether an event of the channel is one for the stream."""
        return self.begin < at and (self.end is None or at <= self.end)


@dataclass
class Stream:
    """A stream as its client sees it."""

    sink: Recorder
    name: str
    periods: list[Period]

    @property
    def events(self) -> list[StreamEvent]:
        return [event for event in self.sink.events if event.type == "message"]

    def period(self, channel: str) -> Period | None:
        return next((p for p in self.periods if p.channel == channel and p.end is None), None)


def offset(position: object) -> int:
    assert isinstance(position, str)
    return int(position.removeprefix("e-"))


class LiveStreams(RuleBasedStateMachine):
    """A hub that has little room for a step, and its clients."""

    def __init__(self) -> None:
        super().__init__()
        log = LogOptions(max_burst_bytes=60)
        options = HubOptions(log=log, lane_size=2, writes_per_run=1, beside_limit=1)
        self.hub = Hub(options, Positions(b"e"), wake=lambda: None, clock=lambda: 0.0)
        self.router = Router()
        for endpoint in (
            SubscribeEndpoint(self.hub),
            ControlEndpoint(self.hub, self.hub.positions),
            HistoryEndpoint(self.hub.directory, self.hub.positions),
        ):
            endpoint.add_to(self.router)
        self.published: dict[str, list[int]] = {channel: [] for channel in CHANNELS}
        self.streams: list[Stream] = []

    @rule(channel=channels, origin=st.none() | st.integers(0, 5))
    def open(self, channel: str, origin: int | None) -> None:
        if len(self.streams) == MOST_STREAMS:
            return
        newest = self.hub.newest
        begin = newest if origin is None else max(0, newest - origin)
        query = "" if origin is None else f"&last_event_id=e-{begin}"
        answer = self.router(get(f"/events/{channel}?control=1{query}".encode()))
        assert isinstance(answer, EventStream)
        sink = Recorder()
        sink.bursts.append(answer.open(sink, plain).opening)
        (control,) = sink.events
        value = orjson.loads(control.data)
        assert value["channels"] == [channel]
        assert offset(control.last_event_id) == begin
        history = [at for at in self.published[channel] if at <= begin]
        stream = Stream(sink, value["subscriber"], [Period(channel, begin, history)])
        self.streams.append(stream)

    @initialize(channel=channels)
    def begin(self, channel: str) -> None:
        self.open(channel, None)

    @rule(names=bursts)
    def publish(self, names: list[str]) -> None:
        for channel in names:
            self.published[channel].append(self.hub.newest + 1)
            self.hub.deliver(channel, self.hub.newest + 1, Event(channel))

    @rule(runs=st.integers(1, 3))
    def pump(self, runs: int) -> None:
        for _ in range(runs):
            if not self.hub.pump.is_dry:
                self.hub.pump.run()

    @precondition(lambda self: self.streams)
    @rule(pick=picks)
    def pause(self, pick: int) -> None:
        self._subscriber(self._pick(pick)).pause()

    @precondition(lambda self: self.streams)
    @rule(pick=picks)
    def resume(self, pick: int) -> None:
        self._subscriber(self._pick(pick)).resume()

    @precondition(lambda self: self.streams)
    @rule(pick=picks)
    def leave(self, pick: int) -> None:
        if len(self.streams) == MOST_STREAMS:
            stream = self._pick(pick)
            self._subscriber(stream).gone(CloseReason.LOST)
            self.streams.remove(stream)

    @precondition(lambda self: self.streams)
    @rule(pick=picks, names=bursts, channel=channels)
    def add(self, pick: int, names: list[str], channel: str) -> None:
        """When something has just been published, that the stream has not been sent."""
        self.publish(names)
        stream = self._pick(pick)
        position = self._change(stream, {"add": [channel]})
        if not stream.period(channel):
            history = self._history(channel, position)
            stream.periods.append(Period(channel, offset(position), history))

    @precondition(lambda self: self.streams)
    @rule(pick=picks, channel=channels)
    def remove(self, pick: int, channel: str) -> None:
        stream = self._pick(pick)
        period = stream.period(channel)
        if period is not None and sum(p.end is None for p in stream.periods) > 1:
            period.end = offset(self._change(stream, {"remove": [channel]}))

    @precondition(lambda self: self.streams)
    @rule(pick=picks, removed=channels, added=channels)
    def swap(self, pick: int, removed: str, added: str) -> None:
        stream = self._pick(pick)
        period = stream.period(removed)
        if period is not None and removed != added and not stream.period(added):
            position = self._change(stream, {"add": [added], "remove": [removed]})
            period.end = offset(position)
            history = self._history(added, position)
            stream.periods.append(Period(added, offset(position), history))

    def teardown(self) -> None:
        for stream in self.streams:
            self._subscriber(stream).resume()
        while not self.hub.pump.is_dry:
            self.hub.pump.run()
        for stream in self.streams:
            self._check(stream)

    def _check(self, stream: Stream) -> None:
        ids = [offset(event.last_event_id) for event in stream.events]
        assert ids == sorted(set(ids)), "ids went back, or came twice"
        for channel, had in self.published.items():
            periods = [period for period in stream.periods if period.channel == channel]
            assert all(p.history == [at for at in had if at <= p.begin] for p in periods)
            sent = [offset(e.last_event_id) for e in stream.events if e.data == channel]
            assert sent == [at for at in had if any(period.has(at) for period in periods)]

    def _pick(self, pick: int) -> Stream:
        return self.streams[pick % len(self.streams)]

    def _subscriber(self, stream: Stream) -> Subscriber:
        subscriber = self.hub.registry.find(stream.name)
        assert subscriber is not None
        return subscriber

    def _change(self, stream: Stream, body: object) -> str:
        target = f"/subscribers/{stream.name}/channels".encode()
        position = value_of(respond(self.router, post(target, orjson.dumps(body))))["position"]
        assert isinstance(position, str)
        return position

    def _history(self, channel: str, until: str) -> list[int]:
        """Page by page."""
        found: list[int] = []
        after = "earliest"
        while after:
            target = f"/channels/{channel}/events?limit=2&after={after}&until={until}"
            page = value_of(respond(self.router, get(target.encode())))
            assert page["complete"]
            assert isinstance(page["events"], list)
            found += [offset(event["id"]) for event in page["events"]]
            following = page["next"]
            assert following is None or isinstance(following, str)
            after = following or ""
        return found


TestLiveStreams = LiveStreams.TestCase
