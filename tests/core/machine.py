"""The hub against the model: what can happen, in whatever order, also from inside a write."""

from math import inf

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from sse_server.core import log as log_module
from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.wire.event import Event
from sse_server.wire.position import Positions
from tests.core.client import Carrier, Stream
from tests.core.model import EPOCH, History, position
from tests.core.operations import Operations
from tests.core.scene import (
    HEARTBEAT_SECONDS,
    MAX_BYTES,
    MAX_MEMO_BYTES,
    MAX_TOMBSTONES,
    MIN_DEAD,
    OPTIONS,
    Action,
    Manner,
    Script,
    channel_lists,
    manners,
    origins,
    picks,
    publishings,
    scripts,
)


class HubMachine(Operations):
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
        self.streams = []
        self.away = []
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

    @rule(pick=picks, script=scripts)
    def come_back(self, pick: int, script: Script) -> None:
        """A client that was sent away comes to the next server."""
        if self.away:
            stream = self.away.pop(pick % len(self.away))
            snapshot = stream.snapshots[-1]
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
            subscriber = stream.subscriber
            assert subscriber is not None
            if subscriber.lane is None and subscriber.inquiry is None:
                stream.silent_since = self.now  # it has its turn now
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
        self.check_rest()

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
