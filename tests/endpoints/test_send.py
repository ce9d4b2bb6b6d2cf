import orjson
import pytest
from hypothesis import given

from sse_server.core.directory import ChannelInfo, HistoryPage
from sse_server.endpoints.router import Router
from sse_server.endpoints.send import SendEndpoint, without_spaces
from sse_server.engines.base import Publication
from sse_server.wire.event import Event
from tests.endpoints.fakes import CURL, Recorder, post, respond, value_of
from tests.endpoints.test_envelope import json_values


class Followers:
    """A directory that only knows how many follow each channel."""

    newest = 0

    def clients(self, channel: str) -> int:
        return {"global": 3, "a/b": 1}.get(channel, 0)

    def channel(self, name: str) -> ChannelInfo | None:
        raise NotImplementedError

    def channels(self, after: str, limit: int) -> list[ChannelInfo]:
        raise NotImplementedError

    def lost(self, channel: str) -> int:
        raise NotImplementedError

    def history(
        self, channel: str, after: int | None, until: int | None, max_frames: int, max_bytes: int
    ) -> HistoryPage:
        raise NotImplementedError


@pytest.fixture(params=[False, True], ids=["at-once", "later"])
def engine(request: pytest.FixtureRequest) -> Recorder:
    return Recorder(slow=bool(request.param))


@pytest.fixture
def router(engine: Recorder) -> Router:
    router = Router()
    SendEndpoint(engine.publish, Followers()).add_to(router)
    return router


def test_a_json_body_is_sent_as_a_notification(engine: Recorder, router: Router) -> None:
    response = respond(router, post(b"/send", b'{ "a": [1, 2],\n "b": "x  y" }\n'))
    event = Event(b'{"a":[1,2],"b":"x  y"}', type="notification")
    assert engine.published == [Publication("global", event)]
    assert response.status == 200
    assert value_of(response) == {"sent": True, "clients": 3, "id": "epoch-1"}


def test_it_goes_to_the_channel_of_the_query(engine: Recorder, router: Router) -> None:
    response = respond(router, post(b"/send?channel=a%2Fb", b"1"))
    assert engine.published[0].channel == "a/b"
    assert value_of(response)["clients"] == 1


@pytest.mark.parametrize("body", [b'"text"', b"7", b"null", b"[]", b"true"])
def test_any_json_will_do(engine: Recorder, router: Router, body: bytes) -> None:
    assert respond(router, post(b"/send", body)).status == 200
    assert engine.published[0].event.data == body


@pytest.mark.parametrize("body", [b"", b"hello", b"{", b"{} {}", b"\xff", b"NaN", b"[" * 9999])
def test_what_is_not_json_is_400(engine: Recorder, router: Router, body: bytes) -> None:
    response = respond(router, post(b"/send", body))
    assert response.status == 400
    assert value_of(response)["error"] == "invalid-request"
    assert engine.calls == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"channel=a&channel=b", "invalid-request"),
        (b"channel=", "invalid-channel"),
        (b"channel=a%20b", "invalid-channel"),
        (b"chanel=a", "invalid-request"),
    ],
)
def test_a_query_with_a_mistake_is_400(router: Router, query: bytes, code: str) -> None:
    response = respond(router, post(b"/send?" + query, b"1"))
    assert response.status == 400
    assert value_of(response)["error"] == code


def test_a_compressed_body_is_415(router: Router) -> None:
    headers = (*CURL, (b"content-encoding", b"gzip"))
    assert respond(router, post(b"/send", b"1", headers)).status == 415


@pytest.mark.parametrize(
    "body", [b"123456789012345678901234567890", b"1.10", b"[" * 1000 + b"]" * 1000]
)
def test_numbers_and_depth_stay_as_they_were_sent(
    engine: Recorder, router: Router, body: bytes
) -> None:
    assert respond(router, post(b"/send", body)).status == 200
    assert engine.published[0].event.data == body


@given(json_values)
def test_json_without_spaces_is_what_a_compact_writer_writes(value: object) -> None:
    compact = orjson.dumps(value)
    assert without_spaces(compact) == compact
    assert without_spaces(orjson.dumps(value, option=orjson.OPT_INDENT_2)) == compact


@pytest.mark.parametrize("text", [b'"\\" x \\\\"', b'" "', b'"\\\\"', b'{"a b":" \\" "}'])
def test_spaces_inside_strings_stay(text: bytes) -> None:
    assert without_spaces(b" [ " + text + b" ,\t" + text + b"\r\n]") == b"[%b,%b]" % (text, text)
