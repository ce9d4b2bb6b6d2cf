"""Line ends and NUL in whatever a publisher or a subscriber may say.

Through each door, each of them is refused, or arrives as the data it was sent as: what a subscriber
reads is the events that were published and nothing of a publisher's making beside them.
"""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from sse_server.wire.parser import EventStreamParser, StreamEvent
from tests.running_server import LOOPS, RunningServer, run_server

LINE_ENDS = ["\r", "\n", "\r\n", "\x00", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028",
             "\u2029"]  # fmt: skip
FORGED = "event: forged{0}data: forged{0}id: forged-1{0}retry: 1{0}{0}"


@pytest.fixture(scope="module", params=LOOPS)
def running(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    with run_server(request.param) as running:
        yield running


@pytest.fixture(params=LINE_ENDS, ids=[repr(end) for end in LINE_ENDS])
def text(request: pytest.FixtureRequest) -> str:
    end: str = request.param
    return f"x{end}{FORGED.format(end)}"


def _post(running: RunningServer, target: str, body: str = "body", fields: str = "") -> int:
    with running.client() as client:
        client.post(target, body, fields)
        return client.read_answer().status


def _events(running: RunningServer, channel: str) -> list[StreamEvent]:
    """All that the channel holds, as a subscriber reads it, up to a last event of ours."""
    running.publish(channel, "the end")
    with running.subscriber(f"/events/{channel}", "Last-Event-ID: earliest\r\n") as client:
        received = client.read_until(b"data: the end\n\n")
    stream = received.replace(b"\r\n", b"")  # chunk lines: no frame of ours has a CR
    parser = EventStreamParser()
    events = parser.feed(stream)
    assert parser.retry_ms is None or parser.retry_ms >= 2_000
    assert events[-1].data == "the end"
    return events[:-1]


def _clean(events: list[StreamEvent]) -> None:
    assert "forged" not in {event.type for event in events}
    assert not [event for event in events if event.last_event_id == "forged-1"]
    assert not [event for event in events if event.data == "forged"]


def test_through_the_data(running: RunningServer, text: str) -> None:
    channel = f"data-{LINE_ENDS.index(text[1:].partition('event')[0])}"
    assert _post(running, f"/events/{channel}", text) == 200
    (event,) = _events(running, channel)
    assert event.data == text.replace("\r\n", "\n").replace("\r", "\n")
    assert event.type == "message"


def test_through_the_data_of_an_envelope(running: RunningServer, text: str) -> None:
    channel = f"envelope-{LINE_ENDS.index(text[1:].partition('event')[0])}"
    body = json.dumps({"channel": channel, "data": text})
    assert _post(running, "/events", body, "Content-Type: application/json\r\n") == 200
    (event,) = _events(running, channel)
    assert event.data == text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("name", ["event", "id", "key"])
def test_through_a_name_in_the_query(running: RunningServer, text: str, name: str) -> None:
    status = _post(running, f"/events/query?{name}={quote(text)}")
    assert status == (200 if text[1] in "\u2028\u2029" else 400)
    events = _events(running, "query")
    _clean(events)


@pytest.mark.parametrize("name", ["event", "id", "key"])
def test_through_a_name_in_an_envelope(running: RunningServer, text: str, name: str) -> None:
    for kind in ("application/json", "application/x-ndjson"):
        body = json.dumps({"channel": "named", "data": "d", name: text})
        status = _post(running, "/events", body, f"Content-Type: {kind}\r\n")
        assert status == (200 if text[1] in "\u2028\u2029" else 400)
    _clean(_events(running, "named"))


@pytest.mark.parametrize("name", ["retry", "priority"])
def test_through_a_value_in_the_query(running: RunningServer, text: str, name: str) -> None:
    assert _post(running, f"/events/values?{name}={quote(text)}") == 400
    _clean(_events(running, "values"))


def test_through_the_channel(running: RunningServer, text: str) -> None:
    assert _post(running, f"/events/{quote(text, safe='')}") == 400
    body = json.dumps({"channel": text, "data": "d"})
    assert _post(running, "/events", body, "Content-Type: application/json\r\n") == 400
    assert _post(running, f"/send?channel={quote(text)}", "{}") == 400
    with running.client() as client:
        client.get(f"/events?channel={quote(text)}")
        assert client.read_answer().status == 400


def test_through_the_position_in_the_query(running: RunningServer, text: str) -> None:
    """It comes back in the gap that is told of it: as JSON."""
    running.publish("resumed", "held")
    target = f"/events/resumed?last_event_id={quote(text)}"
    with running.subscriber(target) as client:
        stream = client.read_until(b"data: held\n\n").replace(b"\r\n", b"")
    gap, *events = EventStreamParser().feed(stream)
    assert gap.type == "gap"
    assert json.loads(gap.data)["requested"] == text[:80]
    _clean(events)


@pytest.mark.parametrize("end", ["\r", "\n", "\x00"])
def test_through_the_position_in_the_header(running: RunningServer, end: str) -> None:
    with running.client() as client:
        client.get("/events/news", f"Last-Event-ID: a{end}b: c\r\n")
        assert client.read_answer().status == 400


@pytest.mark.parametrize("end", LINE_ENDS)
def test_through_the_path_into_the_answer(running: RunningServer, end: str) -> None:
    with running.client() as client:
        client.get(f"/nowhere/{quote(end)}Set-Cookie:%20a=b")
        answer = client.read_answer()
    assert answer.status == 404
    assert "set-cookie" not in answer.fields


CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]


@pytest.mark.parametrize("name", ["event", "id", "key"])
def test_every_control_character_and_bad_utf_8_in_a_name_is_refused(
    running: RunningServer, name: str
) -> None:
    raw = [quote(f"a{control}b") for control in CONTROLS]
    raw += ["a%ff", "a%c3", "a%ed%a0%80", "a%c0%8a", "%f8%88%80%80%8a"]  # a surrogate, long forms
    with running.client() as client:
        for value in raw:
            client.post(f"/events/controls?{name}={value}", "body")
            assert client.read_answer().status == 400, value
        for control in CONTROLS:
            body = json.dumps({"channel": "controls", "data": "d", name: f"a{control}b"})
            client.post("/events", body, "Content-Type: application/json\r\n")
            assert client.read_answer().status == 400, repr(control)
        surrogate = f'{{"channel": "controls", "data": "d", "{name}": "a\\ud800"}}'
        client.post("/events", surrogate, "Content-Type: application/json\r\n")
        assert client.read_answer().status == 400
    assert _events(running, "controls") == []
