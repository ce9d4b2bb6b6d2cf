import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sse_server.errors import RemoteProtocolError
from sse_server.wire.parser import EventStreamParser, StreamEvent
from tests.peers.event_stream_cases import CASES, Case
from tests.wire.strategies import LINES, chunkings

STREAMS = LINES | st.binary(max_size=200)


def parse(chunks: list[bytes]) -> tuple[list[StreamEvent], str, int | None]:
    parser = EventStreamParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return events, parser.last_event_id, parser.retry_ms


def byte_by_byte(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_odd_cases_are_read_as_the_standard_says(case: Case) -> None:
    expected = list(case.events)
    assert parse([case.stream])[0] == expected
    assert parse(byte_by_byte(case.stream))[0] == expected
    # A comment would continue a line that the case leaves open: begin with a line end.
    assert parse([case.stream + b"\n: trailing\nid: 9"])[0][: len(expected)] == expected


@pytest.mark.parametrize(
    ("stream", "last_event_id", "retry_ms"),
    [
        (b"id: 1\n\n", "1", None),
        (b"id: 1\n", "", None),
        (b"id: 1\n\nid\n\n", "", None),
        (b"id: 1\n\nid: 2\0\n\n", "1", None),
        (b"id: 1\n\nid: 2\ndata: cut", "1", None),
        (b"id: \xff\n\n", "\ufffd", None),
        (b"retry: 1500\n", "", 1500),
        (b"retry:1500\r", "", 1500),
        (b"retry: 0\n", "", 0),
        (b"retry: 007\n", "", 7),
        (b"retry: 5\nretry: x\nretry\nretry: -1\nretry: 1.5\nretry: 1_0\nretry:  7\n", "", 5),
        ("retry: ٣\n".encode(), "", None),
        (b"retry: 1500", "", None),
        (b"retry: " + b"0" * 50 + b"8\n", "", 8),
        (b"retry: " + b"9" * 50 + b"\n", "", 10**18 - 1),
        (b"retry: " + b"9" * 50_000 + b"\n", "", 10**18 - 1),
        (b"RETRY: 5\nId: 1\n\n", "", None),
    ],
)
def test_the_last_id_and_the_retry_are_kept(
    stream: bytes, last_event_id: str, retry_ms: int | None
) -> None:
    assert parse([stream]) == ([], last_event_id, retry_ms)
    assert parse(byte_by_byte(stream)) == ([], last_event_id, retry_ms)


def test_a_stream_that_is_resumed_keeps_its_id_until_there_is_another() -> None:
    parser = EventStreamParser("e-7")
    assert parser.last_event_id == "e-7"
    assert parser.feed(b"data: x\n\nid: e-8\ndata: y\n\n") == [
        StreamEvent("message", "x", "e-7"),
        StreamEvent("message", "y", "e-8"),
    ]


def test_an_event_is_there_with_its_blank_lines_first_byte() -> None:
    for ending in (b"\n\n", b"\r\r", b"\r\n\r", b"\n\r"):
        parser = EventStreamParser()
        assert parser.feed(b"data: x" + ending[:-1]) == []
        assert parser.feed(ending[-1:]) == [StreamEvent("message", "x", "")]


def test_an_empty_chunk_between_cr_and_lf_changes_nothing() -> None:
    assert parse([b"data: a\r", b"", b"\ndata: b\r", b"", b"\n\r", b"", b"\n"])[0] == [
        StreamEvent("message", "a\nb", "")
    ]


def test_only_one_lf_belongs_to_a_cr() -> None:
    assert parse([b"data: a\r", b"\n", b"\n"])[0] == [StreamEvent("message", "a", "")]


@given(chunkings(STREAMS))
def test_chunks_do_not_matter(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    assert parse(chunks) == parse([whole]) == parse(byte_by_byte(whole))


@given(STREAMS, STREAMS)
@example(b"data: x\n\n", b"\n\n")
@example(b"data: x\r", b"\n\r")
def test_what_comes_later_takes_nothing_back(stream: bytes, trailing: bytes) -> None:
    events = parse([stream])[0]
    assert parse([stream + trailing])[0][: len(events)] == events


@given(STREAMS, st.integers(0, 20))
def test_whatever_comes_is_parsed_or_the_peers_fault(stream: bytes, max_event_bytes: int) -> None:
    def outcome(chunks: list[bytes]) -> list[StreamEvent] | str:
        parser = EventStreamParser(max_event_bytes=max_event_bytes)
        try:
            return [event for chunk in chunks for event in parser.feed(chunk)]
        except RemoteProtocolError as error:
            return error.code

    assert outcome([stream]) == outcome(byte_by_byte(stream))


@given(STREAMS)
def test_the_bound_is_not_felt_by_what_fits(stream: bytes) -> None:
    parser = EventStreamParser(max_event_bytes=2 * len(stream))
    assert parser.feed(stream) == parse([stream])[0]


@pytest.mark.parametrize(
    "stream",
    [b"data: " + b"x" * 100, b": " + b"x" * 100, b"data: xxxx\n" * 10, b"data\n" * 21, b"x" * 101],
)
def test_an_attack_with_an_endless_event_or_line_is_ended(stream: bytes) -> None:
    for chunks in ([stream], byte_by_byte(stream)):
        parser = EventStreamParser(max_event_bytes=100)
        with pytest.raises(RemoteProtocolError, match="over 100 bytes"):
            for chunk in chunks:
                parser.feed(chunk)


@pytest.mark.parametrize("stream", [b"data: xxxx\n\n", b"data: xxxx\r\n\r\n", b"data\ndata:\n\n"])
def test_an_event_of_just_the_bound_is_read_however_it_arrives(stream: bytes) -> None:
    for chunks in ([stream], byte_by_byte(stream)):
        parser = EventStreamParser(max_event_bytes=10)
        assert len([event for chunk in chunks for event in parser.feed(chunk)]) == 1


def test_what_is_not_kept_does_not_count() -> None:
    parser = EventStreamParser(max_event_bytes=100)
    for _ in range(1000):
        assert parser.feed(b": heartbeat\nevent: a\nid: 1\nunknown: field\nretry: 5\n") == []
    assert parser.feed(b"data: " + b"x" * 94 + b"\n\n") == [StreamEvent("a", "x" * 94, "1")]
    assert parser.feed(b"data: " + b"x" * 94 + b"\n\n") != []


def test_a_long_line_byte_by_byte_takes_linear_time() -> None:
    # Quadratic buffering would copy half a terabyte here.
    parser = EventStreamParser()
    parser.feed(b"data: ")
    for _ in range(1 << 20):
        parser.feed(b"x")
    [event] = parser.feed(b"\n\n")
    assert event.data == "x" * (1 << 20)
