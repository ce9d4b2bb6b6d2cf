"""Streams that are sent what an engine keeps; `test_history_machine` has the rest."""

from collections.abc import Callable

from sse_server.core.history import Page, Question
from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.policy import AfterGap
from sse_server.core.window import ChannelOptions
from sse_server.http.chunked import plain
from sse_server.wire.event import Event
from sse_server.wire.flow import CloseReason
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


class Node:
    """A hub whose log begins at 100, where an engine keeps what was before."""

    def __init__(self, after_gap: AfterGap = AfterGap.EARLIEST) -> None:
        self.engine = Engine()
        self.wakes = 0
        channel = ChannelOptions(after_gap=after_gap)
        options = HubOptions(log=LogOptions(channel=channel))
        self.hub = Hub(options, Positions(b"e"), self._wake, float, newest=100, history=self.engine)

    def _wake(self) -> None:
        self.wakes += 1

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
        _, take = self.engine.asked.pop()
        take(page)
        self.run()


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
