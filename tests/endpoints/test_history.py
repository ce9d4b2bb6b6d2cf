import pytest

from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.window import ChannelOptions
from sse_server.endpoints.channels import ChannelsEndpoint
from sse_server.endpoints.history import MAX_PAGE_BYTES, HistoryEndpoint
from sse_server.endpoints.router import Router
from sse_server.http.request import Headers
from sse_server.http.response import Response
from sse_server.wire.event import Event
from sse_server.wire.parser import EventStreamParser, StreamEvent
from sse_server.wire.position import Positions
from tests.endpoints.fakes import get, header_of, respond, value_of

POSITIONS = Positions(b"epoch")
STREAM: Headers = ((b"accept", b"text/event-stream"),)


class Server:
    def __init__(self) -> None:
        options = HubOptions(log=LogOptions(patterns=(("short", ChannelOptions(max_frames=2)),)))
        self.hub = Hub(options, POSITIONS, wake=lambda: None, clock=lambda: 0.0)
        self.router = Router()
        HistoryEndpoint(self.hub.directory, POSITIONS).add_to(self.router)
        ChannelsEndpoint(self.hub.directory, POSITIONS).add_to(self.router)

    def publish(self, channel: str, *events: Event) -> None:
        for event in events:
            self.hub.deliver(channel, self.hub.newest + 1, event)

    def get(self, target: bytes, headers: Headers = ()) -> Response:
        return respond(self.router, get(target, headers))

    def data(self, target: bytes) -> list[object]:
        events = value_of(self.get(target))["events"]
        assert isinstance(events, list)
        return [event["data"] for event in events]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def ten(server: Server) -> Server:
    """Channel `a` with 1 to 10 at positions 1 to 10."""
    server.publish("a", *(Event(str(number)) for number in range(1, 11)))
    return server


def test_events_come_back_as_they_were_published(server: Server) -> None:
    server.publish("a", Event("one\ntwo", type="tick"), Event("", retry_ms=5), Event("é"))
    server.publish("b", Event("not this"))
    response = server.get(b"/channels/a/events")
    assert header_of(response, b"content-type") == b"application/json"
    assert header_of(response, b"cache-control") == b"no-store"
    assert value_of(response) == {
        "events": [
            {"id": "epoch-1", "event": "tick", "data": "one\ntwo"},
            {"id": "epoch-2", "event": "message", "data": ""},
            {"id": "epoch-3", "event": "message", "data": "é"},
        ],
        "end": "epoch-4",
        "next": None,
        "complete": True,
    }


def test_after_is_exclusive_and_until_inclusive(ten: Server) -> None:
    assert ten.data(b"/channels/a/events?after=epoch-3&until=epoch-5") == ["4", "5"]
    assert ten.data(b"/channels/a/events?after=epoch-8") == ["9", "10"]
    assert ten.data(b"/channels/a/events?until=epoch-2") == ["1", "2"]
    assert ten.data(b"/channels/a/events?after=earliest&until=epoch-1") == ["1"]
    assert ten.data(b"/channels/a/events?after=epoch-4&until=epoch-4") == []
    assert ten.data(b"/channels/a/events?after=epoch-10") == []


def test_pages_lead_from_one_to_the_next_until_all_is_read(ten: Server) -> None:
    read: list[object] = []
    query, pages = b"", 0
    while True:
        answer = value_of(ten.get(b"/channels/a/events?limit=4" + query))
        events = answer["events"]
        assert isinstance(events, list)
        read += [event["data"] for event in events]
        pages += 1
        if answer["next"] is None:
            break
        query = b"&after=" + str(answer["next"]).encode()
    assert read == [str(number) for number in range(1, 11)]
    assert pages == 3


def test_a_page_is_bounded_in_bytes_but_never_empty_for_that(server: Server) -> None:
    big = "x" * (MAX_PAGE_BYTES // 2)
    server.publish("a", Event(big), Event(big), Event("y" * MAX_PAGE_BYTES), Event("z"))
    answer = value_of(server.get(b"/channels/a/events"))
    assert answer["next"] == "epoch-1"
    assert server.data(b"/channels/a/events?after=epoch-1") == [big]
    assert server.data(b"/channels/a/events?after=epoch-2") == ["y" * MAX_PAGE_BYTES]


def test_what_is_no_longer_held_is_told(server: Server) -> None:
    server.publish("short", *(Event(str(number)) for number in range(1, 6)))
    answer = value_of(server.get(b"/channels/short/events?after=epoch-1"))
    assert answer["complete"] is False
    assert server.data(b"/channels/short/events?after=epoch-1") == ["4", "5"]
    assert value_of(server.get(b"/channels/short/events?after=epoch-3"))["complete"] is True
    assert value_of(server.get(b"/channels/short/events"))["complete"] is True


def test_a_channel_without_events_is_an_empty_page_to_go_on_from(ten: Server) -> None:
    assert value_of(ten.get(b"/channels/nobody/events")) == {
        "events": [],
        "end": "epoch-10",
        "next": None,
        "complete": True,
    }


def test_frames_come_verbatim_where_accept_names_an_event_stream(ten: Server) -> None:
    response = ten.get(b"/channels/a/events?limit=2&after=epoch-1&until=epoch-9", STREAM)
    assert header_of(response, b"content-type") == b"text/event-stream"
    assert header_of(response, b"vary") == b"accept"
    assert EventStreamParser().feed(response.body) == [
        StreamEvent("message", "2", "epoch-2"),
        StreamEvent("message", "3", "epoch-3"),
    ]
    link = header_of(response, b"link")
    assert link == b'<?limit=2&after=epoch-3&until=epoch-9>; rel="next"'
    query = link[2:].partition(b">")[0]
    following = ten.get(b"/channels/a/events?" + query, STREAM)
    assert EventStreamParser().feed(following.body)[0].data == "4"


def test_the_last_page_of_frames_has_no_link(ten: Server) -> None:
    assert header_of(ten.get(b"/channels/a/events", STREAM), b"link") is None


def test_lost_frames_are_told_in_a_comment_that_no_parser_fires(server: Server) -> None:
    server.publish("short", *(Event(str(number)) for number in range(1, 6)))
    body = server.get(b"/channels/short/events?after=epoch-1", STREAM).body
    assert body.startswith(b": ")
    assert [event.data for event in EventStreamParser().feed(body)] == ["4", "5"]


@pytest.mark.parametrize(
    "query",
    [
        b"after=7",
        b"after=",
        b"after=epoch-%0A1",
        b"after=epoch-01",
        b"after=%FF",
        b"until=earliest",
        b"after=epoch-5&until=epoch-4",
        b"after=epoch-1&after=epoch-1",
        b"limit=0",
        b"limit=1001",
        b"limit=many",
    ],
)
def test_a_question_with_a_mistake_is_400(ten: Server, query: bytes) -> None:
    response = ten.get(b"/channels/a/events?" + query)
    assert response.status == 400
    assert value_of(response)["error"] == "invalid-request"


@pytest.mark.parametrize("name", [b"after", b"until"])
@pytest.mark.parametrize("position", [b"other-3", b"epoch-11", b"epoch-999999999999999999"])
def test_a_position_that_this_log_does_not_have_is_410(
    ten: Server, name: bytes, position: bytes
) -> None:
    response = ten.get(b"/channels/a/events?" + name + b"=" + position)
    assert response.status == 410
    assert value_of(response)["error"] == "position-gone"


def test_channels_with_slashes_and_with_the_name_of_the_route(server: Server) -> None:
    server.publish("a/b", Event("deep"))
    server.publish("x/events", Event("named"))
    server.publish("events", Event("plain"))
    assert server.data(b"/channels/a/b/events") == ["deep"]
    assert server.data(b"/channels/a%2Fb/events") == ["deep"]
    assert server.data(b"/channels/x%2Fevents/events") == ["named"]
    assert server.data(b"/channels/x/events/events") == ["named"]
    assert server.data(b"/channels/events/events") == ["plain"]
    assert value_of(server.get(b"/channels/x%2Fevents"))["channel"] == "x/events"
    assert value_of(server.get(b"/channels/events"))["channel"] == "events"
    assert server.data(b"/channels/x/events") == []  # the history of x


def test_a_name_that_no_channel_can_have_is_400(server: Server) -> None:
    assert server.get(b"/channels/a%20b/events").status == 400
