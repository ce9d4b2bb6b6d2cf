"""The bench's HTTP/2: every stream followed by itself, whatever the reads; answers where due."""

import h2.config
import h2.connection
import h2.events
import hpack
import pytest

from bench.load import frames
from bench.load.frames import connection_start, frame, window_update
from bench.load.multiplexed import Connection
from bench.load.request import get_stream
from bench.load.stream import Decoder, State, event_data

HEAD = [(":status", "200"), ("content-type", "text/event-stream"), ("x-served-by", "a test")]


class Peer:
    """A server's side as h2 writes it."""

    def __init__(self, streams: int = 3) -> None:
        config = h2.config.H2Configuration(client_side=False)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.h2.receive_data(connection_start(get_stream("/events/news"), streams))
        for number in range(streams):
            self.h2.send_headers(2 * number + 1, HEAD)

    def send(self, stream_id: int, *serials: int) -> None:
        text = b"".join(b"data: %s\n\n" % event_data(serial, 7, 80) for serial in serials)
        self.h2.send_data(stream_id, text)

    def taken(self) -> bytes:
        return self.h2.data_to_send()


def found(connection: Connection) -> list[tuple[int, int, int]]:
    all_of_it = [place.progress for place in connection.places]
    return [(progress.newest, progress.gaps, progress.repeats) for progress in all_of_it]


def test_a_connections_start_is_read_by_h2() -> None:
    peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    events = peer.receive_data(connection_start(get_stream("/events/news"), 3))
    heads = [event for event in events if isinstance(event, h2.events.RequestReceived)]
    assert [head.stream_id for head in heads] == [1, 3, 5]
    fields = {bytes(name): bytes(value) for name, value in heads[2].headers or []}
    assert fields[b":path"] == b"/events/news"
    assert fields[b"accept"] == b"text/event-stream"
    assert b"host" not in fields
    assert peer.outbound_flow_control_window == frames.CONNECTION_WINDOW_BYTES


def test_a_short_head_is_five_fields() -> None:
    peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    events = peer.receive_data(connection_start(get_stream("/events/news"), 1, short_head=True))
    (head,) = [event for event in events if isinstance(event, h2.events.RequestReceived)]
    assert [name for name, _ in head.headers or []] == [
        b":method",
        b":scheme",
        b":authority",
        b":path",
        b"accept",
    ]


@pytest.mark.parametrize("read_bytes", [1, 8, 9, 10, 150, 100_000])
def test_each_stream_is_counted_by_itself_however_it_is_cut(read_bytes: int) -> None:
    peer = Peer()
    peer.send(1, 1, 2, 3)
    peer.send(3, 1, 3)
    peer.send(5, 1)
    peer.send(5, 1, 2)
    connection = Connection(Decoder(), 3)
    data, advance = peer.taken(), 0
    for at in range(0, len(data), read_bytes):
        connection.feed(data[at : at + read_bytes])
        advance += connection.advance
    assert found(connection) == [(3, 0, 0), (3, 1, 0), (2, 0, 1)]
    assert advance == 8
    assert connection.opening == 0


def test_streams_with_equal_histories_are_decoded_once() -> None:
    decoder, peer = Decoder(), Peer(streams=50)
    for serial in range(1, 4):
        for number in range(50):
            peer.send(2 * number + 1, serial)
    data = peer.taken()
    for _ in range(10):
        connection = Connection(decoder, 50)
        connection.feed(data)
        assert found(connection) == [(3, 0, 0)] * 50
    assert decoder.decoded == 3


def test_settings_and_pings_are_answered() -> None:
    connection = Connection(Decoder(), 1)
    answers = connection.feed(Peer(streams=1).taken())
    assert answers.count(frame(frames.SETTINGS, frames.ACK, 0)) == 1
    assert connection.feed(frame(frames.PING, 0, 0, b"12345678")) == frame(
        frames.PING, frames.ACK, 0, b"12345678"
    )
    assert connection.feed(frame(frames.PING, frames.ACK, 0, b"12345678")) == b""


def test_the_connections_window_is_opened_again_when_half_of_it_was_read() -> None:
    connection, peer = Connection(Decoder(), 1), Peer(streams=1)
    connection.feed(peer.taken())
    comment = frame(frames.DATA, 0, 1, b":".ljust(16_382, b"x") + b"\n\n")
    half = frames.CONNECTION_WINDOW_BYTES // 2
    answers = [connection.feed(comment) for _ in range(half // 16_384)]
    assert [answer for answer in answers if answer] == [window_update(half)]


@pytest.mark.parametrize(
    ("status", "kind"), [("503", "text/event-stream"), ("200", "text/html"), ("204", "")]
)
def test_what_is_not_a_stream_of_events_is_a_drop(status: str, kind: str) -> None:
    connection = Connection(Decoder(), 1)
    block = hpack.Encoder().encode([(":status", status), ("content-type", kind)])
    connection.feed(frame(frames.HEADERS, frames.END_HEADERS, 1, block))
    assert len(connection.gone) == 1
    assert b"refused" in connection.gone[0].progress.raw


def test_a_reset_stream_is_a_drop_and_the_others_stay() -> None:
    connection, peer = Connection(Decoder(), 3), Peer()
    peer.h2.reset_stream(3, 2)
    peer.send(5, 1)
    connection.feed(peer.taken())
    assert len(connection.gone) == 1
    assert found(connection) == [(0, 0, 0), (0, 0, 0), (1, 0, 0)]


def test_an_ended_stream_is_an_end_and_the_rest_of_a_lost_connection_are_drops() -> None:
    connection, peer = Connection(Decoder(), 3), Peer()
    peer.h2.end_stream(1)
    connection.feed(peer.taken())
    connection.close()
    connection.close()
    assert connection.ended == 1
    assert [place.progress.state for place in connection.places] == [
        State.ENDED,
        State.FAILED,
        State.FAILED,
    ]
    assert len(connection.gone) == 2


def test_data_on_a_stream_without_a_head_is_refused() -> None:
    with pytest.raises(ValueError, match="stream 1"):
        Connection(Decoder(), 1).feed(frame(frames.DATA, 0, 1, b": hi\n\n"))


def test_a_goaway_without_an_error_loses_nothing_and_one_with_an_error_all() -> None:
    connection, peer = Connection(Decoder(), 2), Peer(streams=2)
    connection.feed(peer.taken())
    connection.feed(frame(frames.GOAWAY, 0, 0, bytes(8)))
    assert connection.gone == []
    connection.feed(frame(frames.GOAWAY, 0, 0, bytes(7) + b"\x0b"))
    assert len(connection.gone) == 2


def test_a_head_in_two_frames_is_refused_and_not_misread() -> None:
    with pytest.raises(ValueError, match="more than one frame"):
        Connection(Decoder(), 1).feed(frame(frames.HEADERS, 0, 1, b"\x88"))
