"""Runs of WINDOW_UPDATE and DATA do what their frames do in h2, one by one."""

import pytest
from h2.errors import ErrorCodes
from h2.events import DataReceived
from h2.exceptions import ProtocolError
from hypothesis import given
from hypothesis import strategies as st

from sse_server.http.h2_budgets import Http2Error
from sse_server.http.h2_frames import DATA, END_HEADERS, END_STREAM, frame, settings, window_update
from sse_server.http.h2_inflow import open_windows, takes_data
from sse_server.http.h2_mended import MendedConnection
from tests.http.http2_peer import CANCEL, GET, POST, head

WINDOW_BYTES = 2_000
STREAMS = (1, 3, 5, 7)  # 1 and 3 have bodies, 5 has none, 7 is not open


class Side:
    """A connection with some streams, and what was read on it."""

    def __init__(self) -> None:
        self.h2 = MendedConnection(max_streams=9, max_head_bytes=9_000, window_bytes=WINDOW_BYTES)
        self.read: list[tuple[int, bytes]] = []
        self.h2.receive_data(settings({}))
        heads = head(1, POST, END_HEADERS) + head(3, POST, END_HEADERS) + head(5, GET)
        self.h2.receive_data(heads)
        self.h2.data_to_send()

    @property
    def windows(self) -> dict[int, tuple[int, int, object]]:
        """Those out and in, and states. What is read counts for the window in, told or not."""
        managers = {0: self.h2._inbound_flow_control_window_manager}
        outward = {0: self.h2.outbound_flow_control_window}
        states: dict[int, object] = {0: self.h2.state_machine.state}
        for number, stream in self.h2.streams.items():
            managers[number] = stream._inbound_window_manager
            outward[number] = stream.outbound_flow_control_window
            states[number] = stream.state_machine.state
        return {
            number: (
                outward[number],
                manager.current_window_size + manager._bytes_processed,
                states[number],
            )
            for number, manager in managers.items()
        }


class Plain(Side):
    """By h2, frame by frame."""

    def tell(self, frames: bytes) -> ErrorCodes | None:
        try:
            events = self.h2.receive_data(frames)
        except ProtocolError as error:
            return ErrorCodes(error.error_code)
        for event in events:
            if isinstance(event, DataReceived):
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                self.read.append((event.stream_id, event.data))
        return None

    update = tell

    def data(self, stream_id: int, frames: list[bytes]) -> ErrorCodes | None:
        return self.tell(b"".join(frames))


class Mine(Plain):
    """In runs."""

    def update(self, frames: bytes) -> ErrorCodes | None:
        try:
            outcomes = open_windows(self.h2, frames)
        except Http2Error as error:
            return ErrorCodes(error.error_code)
        for stream_id, code in outcomes.items():
            if code:
                assert code is ErrorCodes.FLOW_CONTROL_ERROR
                self.h2.reset(self.h2.streams[stream_id], code)
        return None

    def data(self, stream_id: int, frames: list[bytes]) -> ErrorCodes | None:
        size = sum(len(one) - 9 for one in frames)
        try:
            takes = takes_data(self.h2, stream_id, size)
        except Http2Error as error:
            return ErrorCodes(error.error_code)
        if not takes:
            return self.tell(b"".join(frames))
        if size:
            self.h2.acknowledge_received_data(size, stream_id)
        self.read += [(stream_id, one[9:]) for one in frames]
        return None


INCREMENTS = st.one_of(st.integers(1, 500), st.sampled_from([2**30, 2**31 - 1 - 65_535]))
UPDATES = st.lists(
    st.tuples(st.sampled_from((0, *STREAMS[:3])), INCREMENTS), min_size=1, max_size=5
)
SIZES = st.lists(st.one_of(st.integers(0, 30), st.just(700)), min_size=1, max_size=6)
OTHERS = st.sampled_from(
    [
        frame(DATA, END_STREAM, 1, b"end"),
        frame(DATA, END_STREAM, 3),
        frame(3, 0, 1, CANCEL),
        frame(3, 0, 5, CANCEL),
        settings({4: 0}),
        settings({4: 100_000}),
        head(9, POST, END_HEADERS),
    ]
)
STEPS = st.one_of(
    UPDATES, st.tuples(st.sampled_from(STREAMS), SIZES), OTHERS, st.sampled_from(STREAMS[:3])
)


@given(steps=st.lists(STEPS, max_size=12))
def test_runs_do_what_their_frames_do(
    steps: list[list[tuple[int, int]] | tuple[int, list[int]] | bytes | int],
) -> None:
    sides = mine, plain = Mine(), Plain()
    for step in steps:
        match step:
            case bytes():
                codes = [side.tell(step) for side in sides]
            case int():  # what a bundle does
                for side in sides:
                    if step in side.h2.streams:
                        side.h2.streams[step].outbound_flow_control_window -= 1_000
                continue
            case tuple():
                stream_id, sizes = step
                pieces = [frame(DATA, 0, stream_id, b"x" * size) for size in sizes]
                codes = [side.data(stream_id, pieces) for side in sides]
            case list():
                codes = [
                    side.update(b"".join(window_update(*one) for one in step)) for side in sides
                ]
        assert codes[0] == codes[1]
        if codes[0] is not None:
            return
        assert mine.windows == plain.windows
        assert mine.read == plain.read
        assert dict(mine.h2._closed_streams) == dict(plain.h2._closed_streams)


@pytest.mark.parametrize("stream_id", [2, 7, 8])
def test_an_idle_stream_has_no_window(stream_id: int) -> None:
    assert Mine().update(window_update(stream_id, 1)) is ErrorCodes.PROTOCOL_ERROR
    assert Plain().update(window_update(stream_id, 1)) is ErrorCodes.PROTOCOL_ERROR


def test_an_increment_of_nothing_ends_its_stream_alone() -> None:
    h2 = Side().h2
    run = window_update(1, 5) + window_update(3, 0) + window_update(1, 5) + window_update(5, 1)
    assert open_windows(h2, run) == {
        1: ErrorCodes.NO_ERROR,
        3: ErrorCodes.PROTOCOL_ERROR,
        5: ErrorCodes.NO_ERROR,
    }
    assert h2.streams[1].outbound_flow_control_window == 65_545


def test_the_bit_that_says_nothing_is_passed_over() -> None:
    """RFC 9113 section 6.9; hyperframe takes it for a part of the increment."""
    h2 = Side().h2
    run = frame(8, 0xFF, 0x8000_0001, b"\x80\0\0\5")
    assert open_windows(h2, run) == {1: ErrorCodes.NO_ERROR}
    assert h2.streams[1].outbound_flow_control_window == 65_540


def test_what_comes_for_a_closed_stream_is_nothing() -> None:
    h2 = Side().h2
    h2.receive_data(frame(3, 0, 1, CANCEL))
    assert open_windows(h2, window_update(1, 0) + window_update(1, 9)) == {}
    assert not takes_data(h2, 1, 1)
