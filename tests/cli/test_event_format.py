"""What is printed: it parses again, and controls no terminal."""

import json
import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from sse_server.cli.event_format import as_data, as_json, as_raw, notice
from sse_server.cli.printable import one_line, printable
from sse_server.wire.parser import EventStreamParser, StreamEvent

# What a parser hands out: no CR, no surrogates; one line for types and ids.
DATA = st.text(st.characters(codec="utf-8", exclude_characters="\r"))
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20)
EVENTS = st.builds(
    StreamEvent, NAMES.filter(bool) | st.sampled_from(("gap", "server-shutdown")), DATA, NAMES
)
SUSPECTS = "".join(map(chr, [*range(32), *range(0x7F, 0xA0), 0x202E, 0x2066, 0x2028]))


def controls(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c) == "Cc" and c not in "\t\n"]


@given(EVENTS, st.none() | st.just("news"))
def test_json_is_one_line_that_says_the_same(event: StreamEvent, channel: str | None) -> None:
    text = as_json(event, channel).decode()
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1
    assert controls(text) == []
    fields = json.loads(text)
    assert fields.get("channel") == channel
    assert fields["id"] == event.last_event_id
    assert fields["event"] == event.type
    if isinstance(fields["data"], str):
        assert fields["data"] == event.data


@given(DATA | st.text(SUSPECTS).map(lambda text: text.replace("\r", "")))
def test_no_control_character_reaches_a_terminal(data: str) -> None:
    event = StreamEvent("message", data, "")
    assert controls(as_data(event, for_terminal=True).decode()) == []
    assert as_data(event, for_terminal=False).decode() == data + "\n"
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", printable(data))
    assert len(one_line(data).splitlines()) <= 1
    gap = StreamEvent("gap", json.dumps({"channels": [data], "reason": data}), "")
    assert controls(one_line(notice(gap))) == []


@given(st.lists(EVENTS, max_size=5))
def test_raw_blocks_are_the_same_events_again(events: list[StreamEvent]) -> None:
    found = EventStreamParser().feed(b"".join(map(as_raw, events)))
    assert [(event.type, event.data) for event in found] == [(e.type, e.data) for e in events]
    ids = [event.last_event_id for event in events]
    assert all(mine in {"", got.last_event_id} for mine, got in zip(ids, found, strict=True))


def test_what_is_escaped_can_be_read() -> None:
    assert printable("a\tb\x1b[2J\x9b\u202e\n") == "a\tb\\x1b[2J\\x9b\\u202e\n"


def test_a_gap_says_how_much_of_what_is_missing_and_why() -> None:
    data = '{"channels":["a","b"],"lost":17,"reason":"evicted"}'
    assert notice(StreamEvent("gap", data, "")) == (
        "gap: 17 events of a, b are missing before this (evicted)"
    )
    assert "an unknown number of events of the stream" in notice(StreamEvent("gap", "?", ""))


def test_own_events_have_objects_as_data() -> None:
    fields = json.loads(as_json(StreamEvent("gap", '{"lost":1}', "x-1"), "news"))
    assert fields == {"channel": "news", "id": "x-1", "event": "gap", "data": {"lost": 1}}
