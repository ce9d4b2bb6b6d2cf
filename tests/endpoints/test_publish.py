from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.endpoints.publish import MAX_BATCH, PublishEndpoint
from sse_server.endpoints.router import Router
from sse_server.engines.base import MAX_RECEIPTS, PartlyStored, Publication, Receipt
from sse_server.http.request import Headers
from sse_server.http.response import Response
from sse_server.wire.event import Event, Priority
from tests.endpoints.fakes import CURL, JSON, NDJSON, Recorder, post, respond, value_of


class Server:
    def __init__(self, engine: Recorder | None = None) -> None:
        self.engine = engine or Recorder()
        self.router = Router()
        PublishEndpoint(self.engine.publish).add_to(self.router)

    def post(self, target: bytes, body: bytes = b"", headers: Headers = CURL) -> Response:
        return respond(self.router, post(target, body, headers))


@pytest.fixture(params=[False, True], ids=["at-once", "later"])
def server(request: pytest.FixtureRequest) -> Server:
    return Server(Recorder(slow=bool(request.param)))


def test_the_body_is_the_data(server: Server) -> None:
    response = server.post(b"/events/a%2Fb", "héllo\n".encode())
    assert server.engine.published == [Publication("a/b", Event("héllo\n".encode()))]
    assert response.status == 200
    assert value_of(response) == {"id": "epoch-1", "channel": "a/b", "duplicate": False}


@pytest.mark.parametrize(
    "content_type",
    [b"application/x-www-form-urlencoded", b"text/plain", b"application/json", b"no type at all"],
)
def test_the_content_type_of_one_event_does_not_matter(server: Server, content_type: bytes) -> None:
    server.post(b"/events/a", b'{"data": 1}&x=%41', ((b"content-type", content_type),))
    assert server.engine.published[0].event.data == b'{"data": 1}&x=%41'


def test_the_query_says_the_rest(server: Server) -> None:
    server.post(b"/events/a?event=t%C3%A9l+x&id=o%2F7&retry=2500&priority=low&key=k", b"x")
    event = Event(b"x", type="tél x", id="o/7", retry_ms=2500, priority=Priority.LOW, key="k")
    assert server.engine.published == [Publication("a", event)]


def test_an_id_that_comes_again_is_told_as_a_duplicate_with_the_same_status(
    server: Server,
) -> None:
    first = server.post(b"/events/a?id=7", b"x")
    second = server.post(b"/events/a?id=7", b"x")
    assert (first.status, second.status) == (200, 200)
    assert value_of(second) == {"id": "epoch-1", "channel": "a", "duplicate": True}


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        (b"/events/a%20b", b"x", "invalid-channel"),
        (b"/events/a%zz", b"x", "invalid-request"),
        (b"/events/a?event=x&event=y", b"x", "invalid-request"),
        (b"/events/a?evnet=x", b"x", "invalid-request"),
        (b"/events/a?retry=1s", b"x", "invalid-request"),
        (b"/events/a?retry=99999999999", b"x", "invalid-event"),
        (b"/events/a?event=", b"x", "invalid-event"),
        (b"/events/a?event=x%0Ay", b"x", "invalid-event"),
        (b"/events/a?event=%FF", b"x", "invalid-request"),
        (b"/events/a?event=gap", b"x", "invalid-event"),
        (b"/events/a?priority=high", b"x", "invalid-event"),
        (b"/events/a", b"\xff", "invalid-event"),
        (b"/events?channel=a", b"{}", "invalid-request"),
    ],
)
def test_what_cannot_be_published_is_refused(
    server: Server, target: bytes, body: bytes, code: str
) -> None:
    response = server.post(target, body)
    assert response.status == 400
    assert value_of(response)["error"] == code
    assert server.engine.calls == []


def test_one_envelope_is_answered_as_one_event(server: Server) -> None:
    response = server.post(b"/events", b'{"data": {"a": 1}, "channel": "b"}', JSON)
    assert server.engine.published == [Publication("b", Event(b'{"a":1}'))]
    assert value_of(response) == {"id": "epoch-1", "channel": "b", "duplicate": False}


ENVELOPES: list[dict[str, object]] = [
    {"channel": "a", "data": "1", "id": "one"},
    {"channel": "b", "data": "2"},
    {"channel": "a", "data": "1", "id": "one"},
]


@pytest.mark.parametrize("content_type", [JSON, NDJSON])
def test_a_batch_goes_to_the_engine_in_one_call_and_in_order(
    server: Server, content_type: Headers
) -> None:
    if content_type is JSON:
        body = orjson.dumps(ENVELOPES)
    else:
        body = b"\r\n\n  \n".join(orjson.dumps(envelope) for envelope in ENVELOPES) + b"\n"
    response = server.post(b"/events", body, content_type)
    assert [one.channel for (batch) in server.engine.calls for one in batch] == ["a", "b", "a"]
    assert len(server.engine.calls) == 1
    assert value_of(response) == {
        "published": 2,
        "duplicates": 1,
        "first": "epoch-1",
        "last": "epoch-2",
        "events": [
            {"id": "epoch-1", "duplicate": False},
            {"id": "epoch-2", "duplicate": False},
            {"id": "epoch-1", "duplicate": True},
        ],
    }


@pytest.mark.parametrize(("body", "kind"), [(b"[]", JSON), (b"", NDJSON), (b"\n \r\n", NDJSON)])
def test_an_empty_batch_publishes_nothing_and_says_so(
    server: Server, body: bytes, kind: Headers
) -> None:
    response = server.post(b"/events", body, kind)
    assert response.status == 200
    assert server.engine.calls == []
    assert value_of(response) == {
        "published": 0,
        "duplicates": 0,
        "first": None,
        "last": None,
        "events": [],
    }


@pytest.mark.parametrize(
    ("body", "kind", "place"),
    [
        (b'{"data":"x"}\n\n{"data":\n{"data":"y"}', NDJSON, "line 3: this is not JSON"),
        (b'{"data":"x"}\n{"data":"x"} {"data":"y"}', NDJSON, "line 2: this is not JSON"),
        (b'{"data":"x"}\n[]', NDJSON, "line 2: an envelope must be"),
        (b'{"data":"x"}\n\xff', NDJSON, "line 2: this is not JSON"),
        (b'[{"data":"x"},{"data":"y","event":"gap"}]', JSON, "array index 1: the event's type"),
        (b'[{"data":"x","channel":"a b"}]', JSON, "array index 0: the channel name 'a b'"),
        (b'[{"data":"x"},[]]', JSON, "array index 1: an envelope must be"),
    ],
)
def test_a_batch_with_one_mistake_is_refused_whole_and_says_where(
    server: Server, body: bytes, kind: Headers, place: str
) -> None:
    response = server.post(b"/events", body, kind)
    assert response.status == 400
    assert str(value_of(response)["message"]).startswith(place)
    assert server.engine.calls == []


@pytest.mark.parametrize("body", [b"7", b'"x"', b"null", b"{}", b"", b"[" * 100_000])
def test_json_that_is_no_envelope_is_refused(server: Server, body: bytes) -> None:
    assert server.post(b"/events", body, JSON).status == 400


@pytest.mark.parametrize(
    "headers", [(), CURL, ((b"content-type", b"application/x-www-form-urlencoded"),)]
)
def test_another_type_is_refused_and_told_what_is_taken(server: Server, headers: Headers) -> None:
    response = server.post(b"/events", b'{"data":"x"}', headers)
    assert response.status == 415
    message = str(value_of(response)["message"])
    assert "application/json" in message
    assert "application/x-ndjson" in message


@pytest.mark.parametrize("target", [b"/events", b"/events/a"])
def test_a_compressed_body_is_never_taken_for_data(server: Server, target: bytes) -> None:
    assert server.post(target, b"x", (*JSON, (b"content-encoding", b"br"))).status == 415
    assert server.engine.calls == []


@pytest.mark.parametrize("kind", [JSON, NDJSON])
def test_the_number_of_events_in_a_batch_is_bounded(kind: Headers) -> None:
    def body(count: int) -> bytes:
        envelopes = [b'{"data":"x"}'] * count
        if kind is JSON:
            return b"[" + b",".join(envelopes) + b"]"
        return b"\n".join(envelopes)

    server = Server()
    assert value_of(server.post(b"/events", body(MAX_BATCH), kind))["published"] == MAX_BATCH
    response = server.post(b"/events", body(MAX_BATCH + 1), kind)
    assert response.status == 413
    assert "10000" in str(value_of(response)["message"])
    assert len(server.engine.calls) == 1


def test_a_body_of_blank_lines_is_bounded_too() -> None:
    response = Server().post(b"/events", b"\n" * 1_000_000, NDJSON)
    assert response.status == 413


def test_a_large_batch_is_answered_with_counts() -> None:
    server = Server()
    body = b"\n".join([b'{"data":"x"}'] * (MAX_RECEIPTS + 1))
    assert value_of(server.post(b"/events", body, NDJSON)) == {
        "published": 1001,
        "duplicates": 0,
        "first": "epoch-1",
        "last": "epoch-1001",
    }


class HalfBroken(Recorder):
    """An engine that stores some of a batch: those whose data does not begin with an x."""

    async def publish(self, publications: Sequence[Publication]) -> list[Receipt]:
        answer = super().publish([one for one in publications if one.event.data[:1] != "x"])
        assert isinstance(answer, list)
        receipts = iter(answer)
        raise PartlyStored(
            "the disk is full: publish again later",
            [None if one.event.data[:1] == "x" else next(receipts) for one in publications],
        )


@pytest.mark.parametrize("kind", [JSON, NDJSON])
def test_a_batch_that_is_stored_in_part_is_answered_event_by_event(kind: Headers) -> None:
    server = Server(HalfBroken())
    lines = [b'{"data":"1","id":"a"}', b'{"data":"2","id":"a"}', b'{"data":"x"}', b'{"data":"3"}']
    body = b"\n".join(lines) if kind is NDJSON else b"[" + b",".join(lines) + b"]"
    response = server.post(b"/events", body, kind)
    assert response.status == 503
    assert value_of(response) == {
        "error": "unavailable",
        "message": "the disk is full: publish again later",
        "stored": 2,
        "published": 2,
        "duplicates": 1,
        "first": "epoch-1",
        "last": "epoch-2",
        "events": [
            {"id": "epoch-1", "duplicate": False},
            {"id": "epoch-1", "duplicate": True},
            {"error": "unavailable"},
            {"id": "epoch-2", "duplicate": False},
        ],
    }


def test_a_large_batch_that_is_stored_in_part_is_answered_with_counts() -> None:
    server = Server(HalfBroken())
    body = b"\n".join([b'{"data":"1"}'] * MAX_RECEIPTS + [b'{"data":"x"}'])
    assert value_of(server.post(b"/events", body, NDJSON)) == {
        "error": "unavailable",
        "message": "the disk is full: publish again later",
        "stored": MAX_RECEIPTS,
        "published": MAX_RECEIPTS,
        "duplicates": 0,
        "first": "epoch-1",
        "last": f"epoch-{MAX_RECEIPTS}",
    }


@given(st.binary(max_size=80), st.sampled_from([JSON, NDJSON]))
def test_any_batch_body_is_published_or_refused(body: bytes, kind: Headers) -> None:
    server = Server()
    response = server.post(b"/events", body, kind)
    assert response.status in {200, 400}
    assert (response.status == 400) <= (not server.engine.calls)


@given(st.text(max_size=20), st.sampled_from(["event", "id", "retry", "priority", "key", "x"]))
def test_any_query_is_published_or_refused(value: str, name: str) -> None:
    server = Server()
    query = f"{name}={value}".encode(errors="replace")
    response = server.post(b"/events/a?" + query, b"x")
    assert response.status in {200, 400}
