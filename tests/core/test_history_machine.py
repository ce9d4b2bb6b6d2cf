"""The hub in front of an engine that keeps more than the log, against the model.

`DeepMachine`: everything is handed up; what has left the log is read from the engine.
`SelectiveMachine`: only what is watched is handed up, and later than it is published.

What the model calls held is here what the engine keeps.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import rule

from sse_server.core.history import Page, Question
from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.presence import PRESENCE_OPTIONS
from sse_server.core.subscriber import Subscriber
from sse_server.core.window import INCOMPLETE, ChannelOptions
from sse_server.wire.event import Event
from sse_server.wire.position import Positions
from tests.core.client import Stream
from tests.core.machine import HubMachine
from tests.core.model import EPOCH, History, position
from tests.core.scene import PERSONAL, PRESENCE, followed, picks

# More than the log keeps of each, and less than everything.
KEPT = {
    "few": ChannelOptions(max_frames=7, max_age_seconds=None),
    "small": ChannelOptions(max_frames=12, max_age_seconds=None),
    "aged": ChannelOptions(max_frames=9, max_age_seconds=None),
    "room": ChannelOptions(max_frames=50, max_age_seconds=None),
    PRESENCE: PRESENCE_OPTIONS,
    **{name: ChannelOptions(max_frames=4, max_age_seconds=None) for name in PERSONAL},
}
MAX_BYTES_KEPT = 1_000_000
MAX_PAGE_FRAMES = 5


@dataclass(eq=False)
class Asked:
    """A question that is not answered yet."""

    question: Question
    take: Callable[[Page | None], None]
    page: Page
    """What would have been answered when it was asked."""


class Kept(History):
    """What the engine keeps, and what the log holds of ephemeral channels."""

    def __init__(self, machine: HubMachine) -> None:
        super().__init__(KEPT, MAX_BYTES_KEPT)
        self.machine = machine

    def is_held(self, offset: int) -> bool:
        channel = self.frames[offset].channel
        if self.options[channel].ephemeral:
            window = self.machine.hub.log.windows.get(channel)
            return window is not None and offset in window.offsets[window.head :]
        return super().is_held(offset)


class Archive:
    """What the engine keeps."""

    def __init__(self, history: History, max_bytes: int) -> None:
        self.history = history
        self.max_bytes = max_bytes
        self.asked: list[Asked] = []

    def read(self, question: Question, take: Callable[[Page | None], None]) -> Callable[[], object]:
        assert question.channels
        assert question.after is None or question.until > question.after, "nothing can be there"
        asked = Asked(question, take, self.page(question))
        self.asked.append(asked)
        return lambda: self.asked.remove(asked)

    def page(self, question: Question) -> Page:
        history = self.history
        channels, after, until = question
        lost = {channel: history.lost(channel) for channel in channels}
        lost = {channel: at for channel, at in lost.items() if at > (after or 0)}
        if after is not None:
            until = min([until, *lost.values()])
        offsets = sorted(
            offset
            for channel in channels
            for offset in history.between(channel, after or 0, until)
            if history.is_held(offset)
        )
        blocks: list[bytes] = []
        for offset in offsets[:MAX_PAGE_FRAMES]:
            data = history.frames[offset].data.encode()
            block = b"id: %b\ndata: %b\n\n" % (position(offset), data)
            if blocks and sum(map(len, blocks)) + len(block) > self.max_bytes:
                break
            blocks.append(block)
        end = until if len(blocks) == len(offsets) else offsets[len(blocks) - 1]
        first = offsets[0] if offsets else None
        return Page(b"".join(blocks), len(blocks), first, end, lost)


class DeepMachine(HubMachine):
    def make_hub(self, options: HubOptions) -> None:
        self.history = Kept(self)
        self.archive = Archive(self.history, options.log.max_burst_bytes)
        self.hub = Hub(
            options, Positions(EPOCH), self._wake, lambda: self.now, history=self.archive
        )

    def take_in(self, channel: str, offset: int, data: str) -> None:
        self.memory.publish(channel, offset, data, self.now)
        super().take_in(channel, offset, data)

    def lacks(self, stream: Stream) -> bool:
        # Of a channel that nobody follows any more a selective log knows nothing: it lacks all.
        assert stream.subscriber is not None
        start = stream.subscriber.start
        lost = [self.hub.log.lost(name) for name in followed(stream.channels)]
        return (start is not None and start.unresolved) or max(lost) > stream.place

    @rule(pick=picks, is_late=st.booleans())
    def answer(self, pick: int, is_late: bool) -> None:
        """A page comes, as it was when it was asked for or as it is now."""
        asked = self.archive.asked
        if asked:
            one = asked.pop(pick % len(asked))
            one.take(self.archive.page(one.question) if is_late else one.page)

    @rule(pick=picks)
    def fail(self, pick: int) -> None:
        """The engine cannot be read: for who asked, what the log holds is all there is."""
        asked = self.archive.asked
        if asked:
            one = asked.pop(pick % len(asked))
            for stream in self.streams:
                if stream.subscriber is not None and self._waits_for(stream, one):
                    stream.ledger.history = self.memory
            one.take(None)

    def _waits_for(self, stream: Stream, one: Asked) -> bool:
        assert stream.subscriber is not None
        inquiry = stream.subscriber.inquiry
        return inquiry is not None and inquiry in _closure(one.take)

    def answer_all(self) -> None:
        while self.archive.asked and not self.wakes:
            one = self.archive.asked.pop(0)
            one.take(one.page)

    def is_waiting(self, subscriber: Subscriber) -> bool:
        inquiry = subscriber.inquiry
        if inquiry is None:
            return False
        assert subscriber.lane is None
        assert not subscriber.paused
        is_asked = any(inquiry in _closure(one.take) for one in self.archive.asked)
        is_named = any(subscriber in channel.waiting for channel in subscriber.channels)
        return is_asked or is_named


def _closure(function: Callable[..., object]) -> list[object]:
    return [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]


class SelectiveMachine(DeepMachine):
    def make_hub(self, options: HubOptions) -> None:
        self.history = self.at_hand = Kept(self)
        self.archive = Archive(self.history, options.log.max_burst_bytes)
        self.watched: set[str] = set()
        self.asked_to_watch: dict[str, None] = {}
        self.unread: list[tuple[str, int]] = []
        self.hub = Hub(
            options,
            Positions(EPOCH),
            self._wake,
            lambda: self.now,
            history=self.archive,
            watcher=self,
        )

    def watch(self, channel: str) -> None:
        assert channel not in self.watched
        assert channel not in self.asked_to_watch
        self.asked_to_watch[channel] = None

    def unwatch(self, channel: str) -> None:
        if channel in self.asked_to_watch:
            del self.asked_to_watch[channel]
        else:
            self.watched.remove(channel)

    @rule(publishings=st.lists(st.sampled_from(sorted(KEPT)), min_size=1, max_size=8))
    def publish_elsewhere(self, publishings: list[str]) -> None:
        """Another node has published; this one has not read it yet."""
        self.unread += [(channel, len(channel)) for channel in publishings]

    @rule(events=st.integers(1, 12))
    def hand_up(self, events: int) -> None:
        for channel, size in self.unread[:events]:
            self.publish([(channel, size)])
        del self.unread[:events]
        self.complete()

    @rule(picks=st.lists(picks, max_size=3))
    def complete_some(self, picks: list[int]) -> None:
        for pick in picks:
            asked = list(self.asked_to_watch)
            if asked:
                self._complete(asked[pick % len(asked)])

    def complete(self) -> None:
        for channel in list(self.asked_to_watch):
            self._complete(channel)

    def _complete(self, channel: str) -> None:
        del self.asked_to_watch[channel]
        self.watched.add(channel)
        self.hub.complete(channel, self.hub.newest)

    def take_in(self, channel: str, offset: int, data: str) -> None:
        self.history.publish(channel, offset, data, self.now)
        if channel in self.watched:
            self.hub.deliver(channel, offset, Event(data))
        else:
            self.hub.advance(offset)

    def answer_all(self) -> None:
        self.complete()
        super().answer_all()

    def fail(self, pick: int) -> None:
        """What the log holds of a channel that is watched anew is too little to compare."""

    def check_memory(self) -> None:
        log = self.hub.log
        assert log.windows.keys() == self.hub._channels.keys()
        assert self.watched | self.asked_to_watch.keys() == self.hub._channels.keys()
        for name, window in log.windows.items():
            assert name in self.watched or window.lost == INCOMPLETE or window.options.ephemeral
        assert log.bytes <= log.options.max_bytes
        assert not log._tombstones


TestDeepHub = DeepMachine.TestCase
TestSelectiveHub = SelectiveMachine.TestCase
