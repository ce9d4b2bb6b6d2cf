import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.errors import InvalidEvent
from sse_server.wire.encoder import comment, encode, frame, id_block, own_event, retry_block
from sse_server.wire.event import Event
from sse_server.wire.parser import EventStreamParser, StreamEvent
from tests.wire.strategies import EVENTS, HOSTILE, TEXT


def as_it_arrives(data: str | bytes) -> str:
    text = data if isinstance(data, str) else data.decode()
    return text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize(
    ("event", "block"),
    [
        (Event("x"), b"data: x\n\n"),
        (Event(b"x"), b"data: x\n\n"),
        (Event(""), b"data: \n\n"),
        (Event(" x"), b"data:  x\n\n"),
        (Event("é"), b"data: \xc3\xa9\n\n"),
        (Event("\ufeff"), b"data: \xef\xbb\xbf\n\n"),
        (Event("a\nb"), b"data: a\ndata: b\n\n"),
        (Event("a\rb"), b"data: a\ndata: b\n\n"),
        (Event("a\r\nb"), b"data: a\ndata: b\n\n"),
        (Event("a\n\rb"), b"data: a\ndata: \ndata: b\n\n"),
        (Event("a\n"), b"data: a\ndata: \n\n"),
        (Event("\r"), b"data: \ndata: \n\n"),
        (Event("a\u2028b\x85c\vd"), "data: a\u2028b\x85c\vd\n\n".encode()),
        (Event("x", type="t"), b"event: t\ndata: x\n\n"),
        (Event("x", type="message"), b"event: message\ndata: x\n\n"),
        (Event("x", type=" größe"), "event:  größe\ndata: x\n\n".encode()),
        (Event("x", retry_ms=0), b"retry: 0\ndata: x\n\n"),
        (Event("x", type="t", retry_ms=5), b"event: t\nretry: 5\ndata: x\n\n"),
        (Event("x", id="i", key="k"), b"data: x\n\n"),
    ],
)
def test_an_event_is_written_so(event: Event, block: bytes) -> None:
    assert encode(event) == block


def test_a_frame_is_a_block_with_its_id_in_front() -> None:
    assert frame(b"e-5", encode(Event("x", type="t"))) == b"id: e-5\nevent: t\ndata: x\n\n"


def test_the_servers_own_events_may_use_reserved_names() -> None:
    assert own_event(b"gap", b"{}", b"e-5") == b"id: e-5\nevent: gap\ndata: {}\n\n"
    assert own_event(b"server-shutdown", b"", None, 2000) == (
        b"event: server-shutdown\nretry: 2000\ndata: \n\n"
    )
    assert own_event(b"gap", b"a\r\nb", None) == b"event: gap\ndata: a\ndata: b\n\n"


def test_blocks_without_an_event_are_written_so() -> None:
    assert comment("welcome") == b": welcome\n\n"
    assert comment("a\r\ndata: b\rc\n") == b": a\n: data: b\n: c\n: \n\n"
    assert comment("") == b": \n\n"
    assert comment("\ud800") == b": ?\n\n"
    assert id_block(b"e-5") == b"id: e-5\n\n"
    assert retry_block(2000) == b"retry: 2000\n\n"


@given(EVENTS, st.integers(0, 10**18))
def test_what_is_encoded_is_parsed_again(event: Event, offset: int) -> None:
    position = b"e-%d" % offset
    parser = EventStreamParser()
    assert parser.feed(frame(position, encode(event))) == [
        StreamEvent(event.type or "message", as_it_arrives(event.data), position.decode())
    ]
    assert parser.retry_ms == event.retry_ms


@given(st.lists(EVENTS, max_size=5), st.data())
def test_joined_frames_are_parsed_one_by_one_whatever_the_chunks(
    events: list[Event], data: st.DataObject
) -> None:
    stream = b"".join(frame(b"e-%d" % i, encode(event)) for i, event in enumerate(events))
    parser = EventStreamParser()
    seen = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        seen += parser.feed(stream[:size])
        stream = stream[size:]
    assert seen == [
        StreamEvent(event.type or "message", as_it_arrives(event.data), f"e-{i}")
        for i, event in enumerate(events)
    ]


@given(data=HOSTILE, name=st.none() | HOSTILE, key=st.none() | HOSTILE, as_bytes=st.booleans())
def test_a_publisher_cannot_inject_fields_or_events(
    data: str, name: str | None, key: str | None, as_bytes: bool
) -> None:
    try:
        event = Event(data.encode() if as_bytes else data, type=name, key=key)
    except (InvalidEvent, UnicodeEncodeError):
        return
    parser = EventStreamParser()
    before = parser.feed(frame(b"e-1", encode(Event("before"))))
    seen = parser.feed(frame(b"e-2", encode(event)))
    after = parser.feed(frame(b"e-3", encode(Event("after"))))
    assert before == [StreamEvent("message", "before", "e-1")]
    assert seen == [StreamEvent(name or "message", as_it_arrives(data), "e-2")]
    assert after == [StreamEvent("message", "after", "e-3")]
    assert parser.retry_ms is None


@given(HOSTILE | TEXT)
def test_a_comment_is_never_more_than_a_comment(text: str) -> None:
    parser = EventStreamParser()
    stream = frame(b"e-1", encode(Event("x"))) + comment(text) + frame(b"e-2", encode(Event("y")))
    assert parser.feed(stream) == [
        StreamEvent("message", "x", "e-1"),
        StreamEvent("message", "y", "e-2"),
    ]
    assert parser.retry_ms is None


@given(HOSTILE | TEXT)
def test_the_servers_own_data_cannot_inject_either(text: str) -> None:
    data = text.encode(errors="replace")
    assert EventStreamParser().feed(own_event(b"gap", data, b"e-1", 5)) == [
        StreamEvent("gap", as_it_arrives(data), "e-1")
    ]


def test_an_id_block_and_a_retry_block_fire_nothing_and_are_kept() -> None:
    parser = EventStreamParser()
    assert parser.feed(comment("hello") + retry_block(1234) + id_block(b"e-7")) == []
    assert (parser.last_event_id, parser.retry_ms) == ("e-7", 1234)
    assert parser.feed(own_event(b"gap", b"", None)) == [StreamEvent("gap", "", "e-7")]
