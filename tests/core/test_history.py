"""Streams that are sent what an engine keeps; `test_history_machine` has the rest."""

from collections.abc import Callable

import pytest

from sse_server.core.history import Page, Question
from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.policy import AfterGap
from sse_server.core.window import ChannelOptions
from sse_server.http.chunked import plain
from sse_server.wire.event import Event
from sse_server.wire.flow import CloseReason, Sink
from sse_server.wire.position import Positions
from tests.core.fakes import Recorder


class Engine:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Question, Callable[[Page | None], None]]] = []
        self.cancelled = 0

    def read(self, question: Question, take: Callable[[Page | None], None]) -> Callable[[], object]:
        self.asked.append((question, take))
        return self._cancel

    def _cancel(self) -> None:
        self.cancelled += 1


class Watched:
    """Nobody is watched before the test says so."""

    def watch(self, channel: str) -> None:
        pass

    def unwatch(self, channel: str) -> None:
        pass


class Node:
    """A hub whose log begins at 100, where an engine keeps what was before."""

    def __init__(
        self,
        after_gap: AfterGap = AfterGap.EARLIEST,
        *,
        max_bytes: int = 1 << 20,
        watcher: "Watched | None" = None,
    ) -> None:
        self.engine = Engine()
        self.wakes = 0
        self.now = 0.0
        channel = ChannelOptions(after_gap=after_gap)
        fleeting = (("fleeting", ChannelOptions(ephemeral=True)),)
        log = LogOptions(
            patterns=fleeting, channel=channel, max_bytes=max_bytes, max_burst_bytes=100
        )
        self.hub = Hub(
            HubOptions(log=log, heartbeat_seconds=15.0, writes_per_run=1),
            Positions(b"e"),
            self._wake,
            lambda: self.now,
            newest=100,
            history=self.engine,
            watcher=watcher,
        )

    def _wake(self) -> None:
        self.wakes += 1

    def tick(self, seconds: int) -> None:
        """So many seconds pass."""
        for _ in range(seconds):
            self.now += 1.0
            self.hub.tick()
            self.run()

    def run(self) -> None:
        while self.wakes:
            self.wakes = 0
            self.hub.pump.run()

    def join(self, last_id: bytes) -> Recorder:
        self.sink = Recorder()
        self.subscriber = self.hub.subscribe(self.sink, plain, ["news"], last_id)
        self.run()
        return self.sink

    def answer(self, page: Page | None) -> None:
        self.answer_once(page)
        self.run()

    def answer_once(self, page: Page | None) -> None:
        """Let the page come, and nothing else happen."""
        _, take = self.engine.asked.pop()
        take(page)


def page(*offsets: int, end: int, **lost: int) -> Page:
    blocks = b"".join(b"id: e-%d\ndata: %d\n\n" % (offset, offset) for offset in offsets)
    return Page(blocks, len(offsets), offsets[0] if offsets else None, end, lost)


def test_pages_are_asked_for_until_the_log_takes_over() -> None:
    node = Node()
    sink = node.join(b"e-90")
    assert node.engine.asked[0][0] == Question(("news",), 90, 100)
    node.hub.deliver("news", 101, Event("101"))
    node.run()
    assert sink.data == []
    node.answer(page(91, 95, end=95))
    assert node.engine.asked[0][0] == Question(("news",), 95, 100)
    node.answer(page(96, end=100))
    assert sink.data == ["91", "95", "96", "101"]
    assert node.engine.asked == []
    assert node.subscriber.lane is not None
    assert node.subscriber.delivered[0] == 4


def test_who_has_what_the_log_has_asks_nobody() -> None:
    node = Node()
    node.join(b"e-100")
    assert node.engine.asked == []
    assert node.subscriber.lane is not None


def test_a_gap_stands_where_a_page_ends() -> None:
    node = Node()
    sink = node.join(b"e-90")
    node.answer(page(end=95, news=95))
    assert [(gap["id"], gap["reason"], gap["lost"]) for gap in sink.gaps] == [
        ("e-95", "evicted", None)
    ]
    node.answer(page(96, end=100))
    assert sink.data == ["96"]
    assert len(sink.gaps) == 1


def test_after_a_gap_a_stream_may_go_on_with_the_newest() -> None:
    node = Node(AfterGap.LATEST)
    sink = node.join(b"e-90")
    node.answer(page(end=95, news=95))
    assert [gap["id"] for gap in sink.gaps] == ["e-100"]
    assert node.engine.asked == []
    assert node.subscriber.lane is not None


def test_after_a_gap_a_stream_may_end() -> None:
    node = Node(AfterGap.CLOSE)
    sink = node.join(b"e-90")
    node.answer(page(end=95, news=95))
    assert [gap["id"] for gap in sink.gaps] == ["e-95"]
    assert sink.ended is CloseReason.GAP


def test_what_cannot_be_read_is_told_as_a_gap() -> None:
    node = Node()
    sink = node.join(b"e-90")
    node.hub.deliver("news", 101, Event("101"))
    node.answer(None)
    assert [gap["id"] for gap in sink.gaps] == ["e-100"]
    assert sink.data == ["101"]


def test_all_that_is_kept_begins_with_the_oldest_and_is_no_gap() -> None:
    node = Node()
    sink = node.join(b"earliest")
    assert node.hub.opening_position(node.subscriber) is None
    assert node.engine.asked[0][0] == Question(("news",), None, 100)
    node.answer(page(50, 60, end=100, news=49))
    assert sink.data == ["50", "60"]
    assert sink.gaps == []


def test_a_position_of_another_log_is_a_gap_before_the_oldest() -> None:
    node = Node()
    sink = node.join(b"other-7")
    node.answer(page(50, end=100, news=49))
    assert [(gap["id"], gap["reason"]) for gap in sink.gaps] == [("e-49", "foreign-epoch")]
    assert sink.data == ["50"]


def test_who_pauses_or_leaves_is_not_waited_for() -> None:
    node = Node()
    node.join(b"e-90")
    node.subscriber.pause()
    assert node.engine.cancelled == 1
    node.subscriber.resume()
    node.run()
    assert len(node.engine.asked) == 2
    node.subscriber.gone(CloseReason.LOST)
    assert node.engine.cancelled == 2
    assert not node.hub.asking


def test_at_a_shutdown_nobody_waits_for_what_the_next_server_has() -> None:
    node = Node()
    sink = node.join(b"e-90")
    node.subscriber.finish(b"farewell")
    assert sink.ended is CloseReason.DRAINED
    assert sink.bursts == [b"farewell"]
    assert node.engine.cancelled == 1


def test_publishers_do_not_wait_for_who_reads_what_the_engine_keeps() -> None:
    node = Node()
    node.join(b"e-90")
    assert node.hub.pump.dry_at == 100
    assert not node.hub.must_wait("news", 100)


# --- who waits for long ---------------------------------------------------------------------------


def test_who_waits_for_a_page_is_told_that_the_stream_lives_and_no_position() -> None:
    node = Node()
    sink = node.join(b"e-90")
    node.hub.deliver("other", 101, Event("x"))  # the newest position of all
    node.tick(40)
    assert set(sink.bursts) == {b":\n"}
    assert 2 <= len(sink.bursts) <= 4
    assert node.hub.heartbeats.sent == len(sink.bursts)
    assert len(node.engine.asked) == 1
    node.answer(page(91, end=100))
    node.tick(16)
    assert sink.data == ["91"]
    assert sink.bursts[-1] == b":\nid: e-101\n\n"
    assert node.subscriber.delivered[0] == 1


def test_who_waits_for_the_oldest_is_told_that_the_stream_lives() -> None:
    node = Node()
    sink = node.join(b"earliest")
    node.tick(16)
    assert sink.bursts == [b":\n"]
    node.answer(page(50, end=100, news=49))
    assert sink.data == ["50"]


def test_who_waits_until_a_channel_is_complete_is_told_that_the_stream_lives() -> None:
    node = Node(watcher=Watched())
    sink = node.join(b"e-100")
    assert node.subscriber.inquiry is not None
    node.tick(16)
    assert sink.bursts == [b":\n"]
    node.hub.complete("news", 100)
    node.run()
    assert node.subscriber.lane is not None


def test_who_has_waited_for_nothing_has_been_silent_all_the_while() -> None:
    node = Node()
    sink = node.join(b"e-90")
    node.tick(7)
    node.answer(page(end=95))
    node.tick(4)
    node.answer(page(end=100))
    assert node.subscriber.lane is not None
    assert sink.bursts == []
    node.tick(5)
    assert len(sink.bursts) == 1


def test_who_changes_its_channels_while_it_waits_has_been_silent_all_the_while() -> None:
    node = Node()
    sink = node.join(b"e-90")
    for number in range(8):
        node.tick(4)
        node.hub.change(node.subscriber, ["news", f"more:{number}"])
        node.run()
    assert len(sink.bursts) >= 2


def test_who_does_not_wait_any_more_has_no_heartbeat_of_its_own() -> None:
    node = Node()
    sink = node.join(b"e-90")
    node.subscriber.pause()
    node.tick(20)
    assert sink.bursts == []
    node.subscriber.resume()
    node.run()
    node.subscriber.gone(CloseReason.LOST)
    assert not any(node.hub.heartbeats._buckets.values())


def test_a_heartbeat_that_comes_with_the_page_does_no_harm() -> None:
    node = Node()
    sink = node.join(b"e-90")
    node.now = 20.0
    node.hub.tick()  # it stands in the queue
    node.answer(page(91, end=100))
    assert sink.data == ["91"]
    assert node.hub.pump.is_dry


def test_a_heartbeat_that_comes_behind_the_page_is_none() -> None:
    node = Node()
    sink = node.join(b"e-90")
    node.answer_once(page(91, end=100))
    node.now = 20.0
    node.hub.tick()
    node.run()
    assert len(sink.bursts) == 1
    assert node.hub.heartbeats.sent == 0


def test_a_heartbeat_that_comes_behind_a_pause_is_none() -> None:
    node = Node()
    sink = node.join(b"e-90")
    node.now = 20.0
    node.hub.tick()
    node.subscriber.pause()
    node.run()
    assert sink.bursts == []


# --- a log that is too small ----------------------------------------------------------------------


def test_what_the_log_lets_go_ahead_of_a_replay_is_read_from_the_engine() -> None:
    node = Node(max_bytes=4_000)
    sink = node.join(b"e-90")
    for offset in range(101, 109):
        node.hub.deliver("news", offset, Event(str(offset)))
    node.answer_once(page(91, 95, end=100))  # the log takes over
    while len(sink.data) <= 2:
        node.hub.pump.run()
    had = int(sink.data[-1])
    assert 101 <= had < 108
    for offset in range(109, 140):  # another channel takes all the room
        node.hub.deliver("other", offset, Event("x" * 100))
    assert node.hub.log.lost("news") == 108
    node.run()
    assert node.engine.asked[0][0] == Question(("news",), had, 108)
    node.answer(page(*range(had + 1, 109), end=108))
    assert sink.data == ["91", "95", *map(str, range(101, 109))]
    assert sink.gaps == []
    assert node.subscriber.lane is not None


def test_what_the_log_lets_go_under_those_who_have_everything_is_read_from_the_engine() -> None:
    node = Node(max_bytes=4_000)
    sink = node.join(b"e-100")
    assert node.subscriber.lane is not None
    node.hub.deliver("news", 101, Event("101"))
    for offset in range(102, 140):
        node.hub.deliver("other", offset, Event("x" * 100))
    node.run()
    assert node.engine.asked[0][0] == Question(("news",), 100, 101)
    node.answer(page(101, end=101))
    assert (sink.data, sink.gaps) == (["101"], [])


def test_who_was_slow_reads_from_the_engine_what_the_log_let_go() -> None:
    node = Node(max_bytes=4_000)
    sink = node.join(b"e-100")
    node.subscriber.pause()
    node.hub.deliver("news", 101, Event("101"))
    for offset in range(102, 140):
        node.hub.deliver("other", offset, Event("x" * 100))
    node.subscriber.resume()
    node.run()
    node.answer(page(101, end=101))
    assert (sink.data, sink.gaps) == (["101"], [])


# --- engines that hand up what is watched ---------------------------------------------------------


def test_what_an_engine_has_read_moves_the_heartbeats_of_quiet_channels_on() -> None:
    node = Node(watcher=Watched())
    sink = node.join(b"e-100")
    node.hub.complete("news", 100)
    node.run()
    node.hub.advance(150)
    node.tick(16)
    assert sink.bursts[-1] == b":\nid: e-150\n\n"
    assert node.engine.asked == []


def test_what_lies_before_a_channel_is_complete_is_read_from_the_engine() -> None:
    node = Node(watcher=Watched())
    sink = node.join(b"e-90")
    assert node.engine.asked == []  # from where on it is complete is not known yet
    node.hub.complete("news", 120)
    node.hub.deliver("news", 121, Event("121"))
    node.run()
    assert node.engine.asked[0][0] == Question(("news",), 90, 120)
    node.answer(page(95, 115, end=120))
    assert sink.data == ["95", "115", "121"]
    assert sink.gaps == []


def test_a_channel_that_was_not_watched_for_a_while_is_not_known_to_be_complete() -> None:
    node = Node(watcher=Watched())
    node.join(b"e-100")
    node.hub.complete("news", 100)
    node.hub.deliver("news", 101, Event("101"))
    node.run()
    node.subscriber.gone(CloseReason.LOST)
    assert not node.hub.log.windows
    node.hub.advance(105)  # one of them was for news, perhaps
    sink = node.join(b"e-101")
    node.hub.complete("news", 105)
    node.run()
    assert node.engine.asked[0][0] == Question(("news",), 101, 105)
    node.answer(page(103, end=105))
    assert sink.data == ["103"]


def test_who_waits_when_a_new_epoch_begins_comes_back() -> None:
    node = Node()
    sink = node.join(b"e-90")
    node.hub.begin_anew(b"f", 95)
    assert sink.ended is CloseReason.GAP
    assert sink.gaps == []  # it has had nothing that is gone
    assert node.engine.cancelled == 1
    assert not any(node.hub.heartbeats._buckets.values())


class Carrier:
    """A connection that carries several streams, and their bundle."""

    def __init__(self) -> None:
        self.sinks: list[Sink] = []

    def bundle(self) -> "Carrier":
        return self

    def add(self, sink: Sink) -> None:
        self.sinks.append(sink)

    def remove(self, sink: Sink) -> None:
        self.sinks.remove(sink)

    def write(self, data: bytes) -> None:
        for sink in self.sinks:
            sink.write(data)


@pytest.mark.parametrize("is_bundled", [False, True])
def test_a_lane_that_has_gone_on_without_a_write_takes_its_members_along(
    *, is_bundled: bool
) -> None:
    """Else the streams of one connection take two writes, and who leaves has an old place."""
    node = Node(watcher=Watched())
    carrier = Carrier() if is_bundled else None
    subscribers = []
    for offset in (100, 120):
        sink = Recorder()
        sink.bundler = carrier
        subscribers.append(node.hub.subscribe(sink, plain, ["fleeting"], None))
        node.hub.complete("fleeting", offset)
        node.run()
    group = subscribers[0].group
    assert group is not None
    assert len(group.lanes) == 1
    assert [member.size for lane in group.lanes for member in lane.members] == (
        [2] if is_bundled else [1, 1]
    )
    assert node.hub.change(subscribers[0], ["fleeting", "news"]) == 120
