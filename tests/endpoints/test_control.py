from collections.abc import Hashable

import orjson
import pytest

from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.window import ChannelOptions
from sse_server.endpoints.control import ControlEndpoint
from sse_server.endpoints.router import Router
from sse_server.endpoints.subscribe import MAX_CHANNELS, SubscribeEndpoint
from sse_server.http.chunked import plain
from sse_server.http.request import Headers, Request
from sse_server.http.response import EventStream, Response
from sse_server.wire.event import Event
from sse_server.wire.position import Positions
from tests.core.fakes import Recorder
from tests.endpoints.fakes import CURL, get, post, respond, value_of

PRESENCE = LogOptions(patterns=(("room", ChannelOptions(presence=True)),))


def bearer(request: Request) -> Hashable:
    return request.header(b"authorization")


class Site:
    def __init__(self) -> None:
        options = HubOptions(log=PRESENCE)
        self.hub = Hub(options, Positions(b"e"), wake=lambda: None, clock=lambda: 0.0)
        self.router = Router()
        SubscribeEndpoint(self.hub, bearer).add_to(self.router)
        ControlEndpoint(self.hub, self.hub.positions, bearer).add_to(self.router)

    def open(self, target: bytes = b"/events/a?control=1", headers: Headers = CURL) -> Recorder:
        stream = self.router(get(target, headers))
        assert isinstance(stream, EventStream)
        sink = Recorder()
        sink.bursts.append(stream.open(sink, plain).opening)
        return sink

    def post(self, name: str, body: object, headers: Headers = CURL) -> Response:
        target = f"/subscribers/{name}/channels".encode()
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return respond(self.router, post(target, data, headers))

    def publish(self, channel: str, data: str) -> None:
        self.hub.deliver(channel, self.hub.newest + 1, Event(data))

    def run(self) -> None:
        while not self.hub.pump.is_dry:
            self.hub.pump.run()


@pytest.fixture
def site() -> Site:
    return Site()


def name_of(sink: Recorder) -> str:
    (event, *_) = sink.events
    assert event.type == "control"
    name = orjson.loads(event.data)["subscriber"]
    assert isinstance(name, str)
    return name


def test_a_stream_says_first_what_it_is_called_and_what_it_follows(site: Site) -> None:
    site.publish("a", "before")
    sink = site.open(b"/events?channel=b&channel=a&control=1")
    (opening,) = sink.bursts
    assert opening.startswith(b": stream is open\nretry: ")
    assert opening.count(b"\n\n") == 1
    (event,) = sink.events
    assert (event.type, event.last_event_id) == ("control", "e-1")
    assert orjson.loads(event.data) == {"subscriber": name_of(sink), "channels": ["a", "b"]}


def test_where_a_gap_brings_the_id_the_control_event_has_none(site: Site) -> None:
    sink = site.open(headers=((b"last-event-id", b"gone-7"),))
    assert b"id:" not in sink.bursts[0]
    site.run()
    assert [event.type for event in sink.events] == ["control", "gap"]


def test_a_client_that_takes_no_block_without_data_gets_none(site: Site) -> None:
    sink = site.open(b"/events/a?control=1&heartbeat=comment")
    site.publish("a", "one")
    site.run()
    assert b"".join(sink.bursts).count(b"\n\n") == len(sink.events) == 2


@pytest.mark.parametrize("query", [b"control=", b"control=2", b"control=1&control=1"])
def test_another_kind_of_control_is_refused(site: Site, query: bytes) -> None:
    assert respond(site.router, get(b"/events/a?" + query)).status == 400


def test_who_does_not_ask_for_control_is_told_nothing(site: Site) -> None:
    assert site.open(b"/events/a?control=0").events == []
    assert not site.hub.registry._controlled


def test_channels_are_added_and_removed_from_where_the_stream_is(site: Site) -> None:
    sink = site.open()
    site.publish("b", "before")
    answer = value_of(site.post(name_of(sink), {"add": ["b"]}))
    assert answer == {"position": "e-1", "channels": ["a", "b"]}
    site.publish("b", "behind")
    answer = value_of(site.post(name_of(sink), {"add": ["c", "b"], "remove": ["a", "x"]}))
    assert answer == {"position": "e-1", "channels": ["b", "c"]}
    site.publish("a", "not any more")
    site.run()
    assert sink.data[1:] == ["behind"]


def test_an_empty_change_tells_where_the_stream_is(site: Site) -> None:
    sink = site.open()
    site.publish("b", "before")
    answer = value_of(site.post(name_of(sink), {}))
    assert answer == {"position": "e-1", "channels": ["a"]}


def test_presence_comes_and_goes_with_its_channel(site: Site) -> None:
    sink = site.open()
    name = name_of(sink)
    assert value_of(site.post(name, {"add": ["room"]}))["channels"] == ["a", "room"]
    assert site.hub.directory.clients("room/presence") == 1
    assert value_of(site.post(name, {"remove": ["room"]}))["channels"] == ["a"]
    assert site.hub.directory.clients("room/presence") == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        [],
        {"add": "b"},
        {"add": [1]},
        {"add": [None]},
        {"added": ["b"]},
        {"add": ["b c"]},
        {"remove": [""]},
        {"add": ["b"], "remove": ["b"]},
        {"remove": ["a"]},
        {"add": [f"c{number}" for number in range(MAX_CHANNELS)]},  # with a it is one more
        {"add": ["b"] * (MAX_CHANNELS + 1)},
        {"remove": ["b"] * (MAX_CHANNELS + 1)},
    ],
)
def test_a_change_that_cannot_be_changes_nothing(site: Site, body: object) -> None:
    sink = site.open()
    assert site.post(name_of(sink), body).status == 400
    assert site.hub.changed == 0


def test_as_many_channels_as_a_stream_may_have_can_be_added(site: Site) -> None:
    sink = site.open()
    many = [f"c{number}" for number in range(MAX_CHANNELS)]
    answer = value_of(site.post(name_of(sink), {"add": many, "remove": ["a"]}))
    assert answer["channels"] == sorted(many)


def test_a_compressed_body_and_unknown_parameters_are_refused(site: Site) -> None:
    name = name_of(site.open())
    assert site.post(name, {"add": ["b"]}, ((b"content-encoding", b"gzip"),)).status == 415
    target = f"/subscribers/{name}/channels?add=b".encode()
    assert respond(site.router, post(target, b"{}")).status == 400


def test_a_stream_is_changed_by_its_holder_alone(site: Site) -> None:
    mine: Headers = ((b"authorization", b"Bearer mine"),)
    sink = site.open(headers=mine)
    assert site.post(name_of(sink), {"add": ["b"]}).status == 404
    other: Headers = ((b"authorization", b"Bearer other"),)
    assert site.post(name_of(sink), {"add": ["b"]}, other).status == 404
    assert site.post(name_of(sink), {"add": ["b"]}, mine).status == 200


@pytest.mark.parametrize("name", ["nobody", "A" * 32, "a/b", "%41"])
def test_a_stream_that_is_not_there_is_not_found(site: Site, name: str) -> None:
    site.open()
    assert site.post(name, {"add": ["b"]}).status == 404
