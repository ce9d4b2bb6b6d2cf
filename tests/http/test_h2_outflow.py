"""Turns on one connection: who is sent how much while its window is short."""

from collections.abc import Callable

import pytest
from h2.connection import H2Connection

from sse_server.http.h2_frames import data_frames
from sse_server.http.h2_lean import NOTHING
from sse_server.http.h2_options import Http2Options
from sse_server.http.h2_outflow import Outflow
from sse_server.http.h2_stream import Http2Stream
from sse_server.http.http1 import Http1Options
from sse_server.http.http2 import Http2
from sse_server.http.response import EventStream, Opened
from sse_server.wire.flow import CloseReason, Framing, Sink
from tests.core.fakes import Bench
from tests.http.carrier import FakeCarrier
from tests.http.test_h2_equivalence import CLIENT, frames


class Page:
    """A client with some event streams on one connection whose window is short."""

    def __init__(self, streams: int, *, turn_bytes: int, max_burst_bytes: int = 65_536) -> None:
        self.bench = Bench(max_burst_bytes=max_burst_bytes)
        carrier = FakeCarrier()
        self.writes = carrier.written
        options = Http2Options(turn_bytes=turn_bytes)
        self.server = Http2(options, Http1Options(), None, lambda: 0.0, carrier)
        self.client = H2Connection(CLIENT)
        self.client.initiate_connection()
        self.server.begin()
        self.client.receive_data(b"".join(self.writes))
        head = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]
        for number in range(streams):
            self.client.send_headers(2 * number + 1, head, end_stream=True)
        self.say()
        self.server.flow.window = 0
        self.writes.clear()
        self.sent = dict.fromkeys(self.server.flow.streams, 0)

    def say(self) -> None:
        """Let the server read what the client has to say."""
        self.server.receive(self.client.data_to_send())
        more = True
        while more:
            more = self.server.turn()
            while (one := self.server.next_request()) is not None:
                self.server.open_stream(one[0], EventStream(self._open))

    def _open(self, sink: Sink, framing: Framing) -> Opened:
        return Opened(b":\n\n", self.bench.hub.subscribe(sink, framing, ["news"]))

    def open_window(self, size: int) -> None:
        """The client reads so much, and the server goes on."""
        self.client.increment_flow_control_window(size)
        self.say()
        self.run()

    def run(self) -> None:
        self.bench.run()
        for _, _, stream_id, payload, _ in frames(b"".join(self.writes)):
            if stream_id:
                self.sent[stream_id] += len(payload)
        self.writes.clear()

    @property
    def spread(self) -> int:
        return max(self.sent.values()) - min(self.sent.values())


@pytest.mark.parametrize("turn_bytes", [100, 1_000, 16_384])
@pytest.mark.parametrize("step", [70, 1_000, 30_000])
@pytest.mark.parametrize("max_burst_bytes", [500, 65_536])
def test_streams_are_no_further_apart_than_a_turn_and_an_event(
    turn_bytes: int, step: int, max_burst_bytes: int
) -> None:
    page = Page(7, turn_bytes=turn_bytes, max_burst_bytes=max_burst_bytes)
    event = 200
    widest = 0
    for number in range(300):
        page.bench.publish("news", f"{number}".ljust(event, "x"))
        if number % 5 == 0:
            page.run()
        page.open_window(step if number % 3 else 1)
        widest = max(widest, page.spread)
    assert widest <= turn_bytes + event + 50
    page.open_window(10_000_000)
    for _ in range(3):
        page.run()
    assert page.spread == 0
    assert page.server.flow.is_free


def test_a_stream_whose_own_window_is_shut_holds_nobody_up() -> None:
    page = Page(3, turn_bytes=1_000)
    page.server.flow.streams[1].h2.outbound_flow_control_window = 0
    for _ in range(20):
        page.bench.publish("news", "x" * 200)
    page.run()
    page.open_window(1_000_000)
    assert page.sent[1] == 0
    assert page.sent[3] == page.sent[5] > 4_000
    page.client.increment_flow_control_window(60_000, 1)
    page.say()
    page.run()
    assert page.spread == 0


def test_all_streams_of_a_bundle_are_one_write() -> None:
    page = Page(100, turn_bytes=16_384)
    page.open_window(1_000_000)
    page.bench.publish("news", "hello")
    page.bench.run()
    assert len(page.writes) == 1
    assert len(list(frames(page.writes[0]))) == 100


def _ask(flow: Outflow, stream: Http2Stream) -> None:
    flow._queue(stream)
    flow._ask(stream)


def _goes_direct(flow: Outflow) -> bool:
    return flow.direct is not None


BUSY: dict[str, Callable[[Outflow, Http2Stream], None]] = {
    "collecting": lambda flow, _: flow.collect(),
    "paused": lambda flow, _: flow.pause(),
    "somebody in line": lambda flow, stream: flow._queue(stream),
    "somebody asked": _ask,
}


@pytest.mark.parametrize("busy", BUSY)
def test_a_lone_stream_is_written_to_directly_only_while_nobody_waits(busy: str) -> None:
    page = Page(1, turn_bytes=16_384)
    flow = page.server.flow
    page.open_window(1_000_000)
    for number in range(2):  # the first finds that nobody waits
        page.bench.publish("news", f"{number}")
        page.bench.run()
        assert len(page.writes) == number + 1
    assert _goes_direct(flow)
    BUSY[busy](flow, flow.streams[1])
    assert not _goes_direct(flow)
    flow.goes_direct()
    assert not _goes_direct(flow)


@pytest.mark.parametrize("short", ["stream", "connection"])
def test_a_lone_stream_is_sent_no_more_than_its_windows_allow(short: str) -> None:
    page = Page(1, turn_bytes=16_384)
    flow = page.server.flow
    page.open_window(1_000_000)
    h2 = flow.streams[1].h2
    before, sent = h2.outbound_flow_control_window, page.sent[1]
    for number in range(3):
        page.bench.publish("news", f"{number}")
        page.run()
    assert h2.outbound_flow_control_window == before - (page.sent[1] - sent)
    assert flow.window == 1_000_000 - page.sent[1]
    if short == "stream":
        h2.outbound_flow_control_window = 100
    else:
        flow.window = 100
    sent = page.sent[1]
    for number in range(30):
        page.bench.publish("news", f"{number}")
        page.run()
    assert page.sent[1] == sent + 100
    page.client.increment_flow_control_window(1_000, 1 if short == "stream" else None)
    page.say()
    page.run()
    assert page.sent[1] > sent + 200
    assert flow.line is flow.asked is NOTHING


def test_a_lone_stream_is_sent_large_bursts_in_frames() -> None:
    page = Page(1, turn_bytes=16_384)
    page.open_window(1_000_000)
    page.bench.publish("news", "x" * 40_000)
    page.bench.run()
    page.bench.publish("news", "y" * 20_000)
    page.bench.run()
    sizes = [len(payload) for _, _, _, payload, _ in frames(b"".join(page.writes))]
    assert max(sizes) == 16_384
    assert sum(sizes) > 60_000


def test_who_remains_alone_in_a_bundle_is_written_to() -> None:
    page = Page(3, turn_bytes=16_384)
    page.open_window(1_000_000)
    for stream_id in (1, 5):
        page.server.flow.streams[stream_id].abort(CloseReason.KICKED)
    page.writes.clear()
    page.bench.publish("news", "hello")
    page.bench.run()
    assert [stream_id for _, _, stream_id, _, _ in frames(b"".join(page.writes))] == [3]


def test_lone_streams_of_many_connections_are_sent_the_same_bytes() -> None:
    pages = [Page(1, turn_bytes=16_384) for _ in range(3)]
    for page in pages:
        page.open_window(1_000_000)
        bundle = page.server.flow.streams[1].bundle
        assert bundle is not None
        bundle.write(b"first")
    burst = b"data: hello\n\n"
    for page in pages:
        page.writes.clear()
        bundle = page.server.flow.streams[1].bundle
        assert bundle is not None
        bundle.write(burst)
    written = [page.writes for page in pages]
    assert written == [[data_frames(b"\0\0\0\1", burst)]] * 3
    assert written[0][0] is written[1][0] is written[2][0]


def test_streams_with_windows_at_zero_share_what_they_wait_for() -> None:
    page = Page(100, turn_bytes=16_384)
    page.bench.publish("news", "x" * 60_000)
    page.run()
    rests = [stream.rest for stream in page.server.flow.streams.values()]
    assert len({id(rest) for rest in rests}) == 1
    for _ in range(50):
        page.bench.publish("news", "x" * 60_000)
        page.run()
    assert [stream.rest for stream in page.server.flow.streams.values()] == rests


def test_parked_streams_are_ended_when_nothing_is_taken() -> None:
    page = Page(3, turn_bytes=16_384)
    page.bench.publish("news", "x" * 100)
    page.run()
    page.bench.tick(29)
    assert page.bench.hub.subscribers == 3
    page.open_window(50)  # one is sent something: nobody's time goes on
    page.bench.tick(20)
    assert page.bench.hub.subscribers == 3
    page.bench.tick(31)
    assert page.bench.hub.subscribers == 0
