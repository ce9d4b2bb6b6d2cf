"""DATA of HTTP/2 is written here and not by h2, and held to h2.

Over random histories of everything that moves windows, plain h2 is made to send what was sent here,
and has to agree on every byte, window and state. A client made with plain h2 reads it, and in the
end has every event, in order.
"""

import re
import struct
from collections.abc import Iterator

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from sse_server.http.h2_frames import (
    CONTINUATION,
    DATA,
    END_STREAM,
    FRAME_HEADER_BYTES,
    HEADERS,
    RST_STREAM,
)
from sse_server.http.h2_options import Http2Options
from sse_server.http.h2_stream import Http2Stream
from sse_server.http.http1 import Http1Options
from sse_server.http.http2 import Http2
from sse_server.http.request import Request
from sse_server.http.response import EventStream, Opened, Response
from sse_server.wire.flow import CloseReason, Framing, Sink
from tests.core.fakes import Bench
from tests.http.carrier import FakeCarrier

WIDE = 1 << 20
CLIENT = H2Configuration(client_side=True, header_encoding=None)
SERVER = H2Configuration(client_side=False, header_encoding=None)


def frames(data: bytes) -> Iterator[tuple[int, int, int, bytes, bytes]]:
    """Type, flags, stream, payload and the whole of each frame."""
    at = 0
    while at < len(data):
        high, low, kind, flags, stream_id = struct.unpack_from(">HBBBL", data, at)
        end = at + FRAME_HEADER_BYTES + (high << 8 | low)
        yield kind, flags, stream_id, data[at + FRAME_HEADER_BYTES : end], data[at:end]
        at = end


class OutflowMachine(RuleBasedStateMachine):
    @initialize(
        turn_bytes=st.sampled_from([50, 300, 16_384]),
        window=st.sampled_from([0, 30, 100, 500, 65_535]),
        connection_window=st.sampled_from([0, 40, 300, 2_000, 65_535]),
        writes_per_run=st.sampled_from([1, 4, 512]),
        max_burst_bytes=st.sampled_from([60, 400, 65_536]),
    )
    def begin(
        self,
        turn_bytes: int,
        window: int,
        connection_window: int,
        writes_per_run: int,
        max_burst_bytes: int,
    ) -> None:
        self.bench = Bench(writes_per_run=writes_per_run, max_burst_bytes=max_burst_bytes)
        self.turn_bytes = turn_bytes
        carrier = FakeCarrier()
        self.written = carrier.written
        options = Http2Options(turn_bytes=turn_bytes)
        self.server = Http2(options, Http1Options(), None, lambda: 0.0, carrier)
        self.client = H2Connection(CLIENT)
        self.client.local_settings = Settings(
            client=True, initial_values={SettingCodes.INITIAL_WINDOW_SIZE: window}
        )
        self.plain = H2Connection(SERVER)
        self.plain.local_settings = self.server._h2.local_settings
        self.server.begin()
        first = b"".join(self.written)
        self.written.clear()
        self.plain.initiate_connection()
        self.plain.data_to_send()
        self.client.initiate_connection()
        # A connection's window begins with 65,535 bytes: as if the rest were spent.
        self.server.flow.window = connection_window
        self.plain.outbound_flow_control_window = connection_window
        self.client._inbound_flow_control_window_manager.current_window_size = connection_window
        self.client.receive_data(first)
        self.events: dict[int, bytearray] = {}  # received, of event streams
        self.first: dict[int, int] = {}  # the number of the first event on them
        self.answers: dict[int, int] = {}  # bytes received
        self.sizes: dict[int, int] = {}  # bytes of answers
        self.reset: set[int] = set()
        self.published = 0
        self.exchange()

    @rule()
    def subscribe(self) -> None:
        self.request(b"/s")

    @rule(count=st.integers(2, 6))
    def subscribe_some(self, count: int) -> None:
        for _ in range(count):
            self.request(b"/s")

    @rule(size=st.integers(0, 700))
    def ask(self, size: int) -> None:
        stream_id = self.client.get_next_available_stream_id()
        self.answers[stream_id], self.sizes[stream_id] = 0, size
        self.request(b"/%d" % size)

    @rule(sizes=st.lists(st.integers(0, 150), min_size=1, max_size=4))
    def publish(self, sizes: list[int]) -> None:
        for size in sizes:
            self.published += 1
            self.bench.publish("news", f"{self.published} " + "x" * size)

    @rule()
    def publish_a_large_one(self) -> None:
        self.published += 1
        size = 40_000 if self.turn_bytes > 1_000 else 3_000  # a frame is no larger than a turn
        self.bench.publish("news", f"{self.published} " + "x" * size)

    @rule()
    def pump(self) -> None:
        self.bench.run()
        self.exchange()

    @rule()
    def pump_once(self) -> None:
        if self.bench.wakes:
            self.bench.wakes = 0
            self.bench.hub.pump.run()
            self.exchange()

    @rule(size=st.integers(1, 400))
    def open_the_connection(self, size: int) -> None:
        self.client.increment_flow_control_window(size)
        self.exchange()

    @precondition(lambda self: self.events)
    @rule(data=st.data(), size=st.integers(1, 400))
    def open_a_stream(self, data: st.DataObject, size: int) -> None:
        stream_id = data.draw(st.sampled_from(sorted(self.events)))
        stream = self.client.streams.get(stream_id)
        if stream is not None and not stream.closed:
            self.client.increment_flow_control_window(size, stream_id)
            self.exchange()

    @precondition(lambda self: self.events)
    @rule(data=st.data())
    def open_many(self, data: st.DataObject) -> None:
        """In one read."""
        numbers = st.sampled_from([0, *sorted(self.events)])
        steps = st.lists(st.tuples(numbers, st.integers(1, 200)), min_size=2, max_size=8)
        for stream_id, size in data.draw(steps):
            stream = self.client.streams.get(stream_id)
            if not stream_id or (stream is not None and not stream.closed):
                self.client.increment_flow_control_window(size, stream_id or None)
        self.exchange()

    @rule(size=st.sampled_from([0, 10, 90, 300, 5_000, 65_535]))
    def change_all_windows(self, size: int) -> None:
        self.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})
        self.exchange()

    @rule(size=st.sampled_from([16_384, 20_000, 1 << 20]))
    def change_the_frame_size(self, size: int) -> None:
        self.client.update_settings({SettingCodes.MAX_FRAME_SIZE: size})
        self.exchange()

    @precondition(lambda self: self.events)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        stream_id = data.draw(st.sampled_from(sorted(self.events)))
        self.client.reset_stream(stream_id, ErrorCodes.CANCEL)
        self.forget(stream_id)
        self.exchange()

    @precondition(lambda self: self.events)
    @rule(data=st.data())
    def kick(self, data: st.DataObject) -> None:
        stream_id = data.draw(st.sampled_from(sorted(self.events)))
        self.server.flow.streams[stream_id].abort(CloseReason.KICKED)
        self.forget(stream_id)
        self.exchange()

    @rule()
    def fill_the_transport(self) -> None:
        if not self.server.flow.paused:
            self.server.flow.pause()

    @rule()
    def drain_the_transport(self) -> None:
        if self.server.flow.paused:
            self.server.flow.resume()
            self.exchange()

    def request(self, path: bytes) -> None:
        stream_id = self.client.get_next_available_stream_id()
        head = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"localhost")]
        self.client.send_headers(stream_id, [*head, (b":path", path)], end_stream=True)
        self.exchange()

    def answer(self, stream: Http2Stream, request: Request) -> None:
        if request.path != b"/s":
            self.server.respond(stream, Response(200, body=b"y" * int(request.path[1:])))
            return
        stream_id = stream.h2.stream_id
        self.events[stream_id] = bytearray()
        self.first[stream_id] = self.published + 1
        self.server.open_stream(stream, EventStream(self.open))

    def open(self, sink: Sink, framing: Framing) -> Opened:
        return Opened(b": hi\n\n", self.bench.hub.subscribe(sink, framing, ["news"]))

    def forget(self, stream_id: int) -> None:
        self.reset.add(stream_id)
        del self.events[stream_id]

    def exchange(self) -> None:
        """Let both sides read what the other has sent, until neither has anything more to say."""
        while True:
            sent = self.client.data_to_send()
            if sent:
                self.plain.receive_data(sent)
                self.plain.data_to_send()
                self.server.receive(sent)
                more = True
                while more:
                    more = self.server.turn()
                    while (one := self.server.next_request()) is not None:
                        self.answer(*one)
            data = b"".join(self.written)
            self.written.clear()
            if not (sent or data):
                break
            self.mirror(data)
            self.read(data)
        self.compare()

    def mirror(self, data: bytes) -> None:
        """Make plain h2 send what was sent."""
        for kind, flags, stream_id, payload, whole in frames(data):
            ends = bool(flags & END_STREAM)
            if kind == HEADERS:
                self.plain.send_headers(stream_id, [(":status", "200")], end_stream=ends)
            elif kind == DATA:
                self.plain.data_to_send()
                self.plain.send_data(stream_id, payload, end_stream=ends)
                assert self.plain.data_to_send() == whole
            elif kind == RST_STREAM:
                self.plain.reset_stream(stream_id, int.from_bytes(payload, "big"))
            assert kind != CONTINUATION
        self.plain.data_to_send()

    def read(self, data: bytes) -> None:
        for event in self.client.receive_data(data):
            if isinstance(event, DataReceived):
                if event.stream_id in self.events:
                    self.events[event.stream_id] += event.data
                elif event.stream_id in self.answers:
                    self.answers[event.stream_id] += len(event.data)
            elif isinstance(event, StreamEnded):
                assert event.stream_id not in self.events
            elif isinstance(event, StreamReset):
                assert event.stream_id in self.reset

    def compare(self) -> None:
        mine, plain = self.server._h2, self.plain
        assert mine.outbound_flow_control_window == plain.outbound_flow_control_window
        assert mine.data_to_send() == b""
        plain.open_inbound_streams  # noqa: B018 (forgets those that are closed)
        assert mine.streams.keys() == plain.streams.keys()
        for stream_id, h2 in mine.streams.items():
            other = plain.streams[stream_id]
            assert h2.outbound_flow_control_window == other.outbound_flow_control_window
            assert h2.state_machine.state == other.state_machine.state
        flow = self.server.flow
        if flow.window > 0 and not (flow.paused or flow.asked):
            assert not flow.line, "nobody would serve it"
        for stream in flow.streams.values():
            bundle = stream.bundle
            if bundle is not None:
                assert not stream.rest
                assert not stream.paused
                assert bundle.streams[stream.slot] is stream
                assert bundle.floor <= stream.h2.limit
            assert not (stream in self.server.flow.asked and stream in self.server.flow.line)

    def teardown(self) -> None:
        """Nothing is in the way any more: everything arrives."""
        if not hasattr(self, "client"):
            return
        self.drain_the_transport()
        self.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: WIDE * 64})
        self.client.increment_flow_control_window(WIDE * 1_000)
        for _ in range(2):  # the second event finds all at the tip: lanes become one
            self.publish([10])
            for _ in range(3):
                self.exchange()
                self.bench.run()
            self.exchange()
        for stream_id, data in self.events.items():
            numbers = [int(n) for n in re.findall(rb"^data: (\d+) x*$", data, re.MULTILINE)]
            assert numbers == list(range(self.first[stream_id], self.published + 1))
        assert self.answers == self.sizes
        flow = self.server.flow
        assert flow.is_free
        assert len(flow.streams) == len(self.events) == self.bench.hub.subscribers
        if self.events:
            bundles = {id(stream.bundle) for stream in flow.streams.values()}
            assert len(bundles) == 1, "all stand at one place"


TestOutflow = OutflowMachine.TestCase
TestOutflow.settings = settings(stateful_step_count=40)
