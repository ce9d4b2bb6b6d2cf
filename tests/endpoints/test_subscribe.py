import pytest

from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.endpoints.router import Router
from sse_server.endpoints.subscribe import MAX_CHANNELS, SubscribeEndpoint
from sse_server.http.chunked import plain
from sse_server.http.request import Headers, Request
from sse_server.http.response import EventStream, Response
from sse_server.wire.event import Event
from sse_server.wire.parser import EventStreamParser
from sse_server.wire.position import Positions
from tests.core.fakes import Recorder


class Site:
    def __init__(self) -> None:
        self.hub = Hub(HubOptions(), Positions(b"e"), wake=lambda: None, clock=lambda: 0.0)
        self.router = Router()
        SubscribeEndpoint(self.hub).add_to(self.router)

    def publish(self, *data: str) -> None:
        for text in data:
            self.hub.deliver("news", self.hub.newest + 1, Event(text))

    def ask(self, path: bytes, query: bytes = b"", headers: Headers = ()) -> EventStream | Response:
        answer = self.router(Request(b"GET", path, query, headers))
        assert isinstance(answer, EventStream | Response)
        return answer

    def follow(self, path: bytes, query: bytes = b"", headers: Headers = ()) -> Recorder:
        """Subscribe; what stands before the first burst is the first burst."""
        stream = self.ask(path, query, headers)
        assert isinstance(stream, EventStream)
        sink = Recorder()
        opened = stream.open(sink, plain)
        sink.bursts.insert(0, opened.opening)
        return sink

    def status(self, path: bytes, query: bytes = b"", headers: Headers = ()) -> int:
        answer = self.ask(path, query, headers)
        return 200 if isinstance(answer, EventStream) else answer.status

    def run(self) -> None:
        while not self.hub.pump.is_dry:
            self.hub.pump.run()


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.mark.parametrize(
    ("query", "resumed"),
    [(b"", False), (b"last_event_id=earliest", False), (b"last_event_id=e-0", True)],
)
def test_who_comes_with_a_position_resumes(site: Site, query: bytes, *, resumed: bool) -> None:
    stream = site.ask(b"/events/news", query)
    assert isinstance(stream, EventStream)
    assert stream.resumed is resumed
    site.follow(b"/events/news", query)
    assert site.hub.reconnected == resumed


def test_a_stream_begins_with_a_comment_a_time_to_wait_and_where_it_begins(site: Site) -> None:
    site.publish("one")
    openings = [site.follow(b"/events/news").bursts[0] for _ in range(32)]
    assert all(opening.startswith(b": stream is open\nretry: ") for opening in openings)
    assert all(opening.endswith(b"\nid: e-1\n\n") for opening in openings)
    retries = {int(opening.split(b"retry: ")[1].split(b"\n")[0]) for opening in openings}
    assert len(retries) == 16
    assert min(retries) == 2_000
    assert max(retries) == 5_000


def test_a_gap_that_comes_first_brings_the_id(site: Site) -> None:
    sink = site.follow(b"/events/news", headers=((b"last-event-id", b"other-1"),))
    assert b"id:" not in sink.bursts[0]
    assert sink.bursts[0].endswith(b"\n\n")


def test_heartbeats_as_comments_leave_no_block_without_data(site: Site) -> None:
    sink = site.follow(b"/events/news", b"heartbeat=comment")
    assert not sink.bursts[0].endswith(b"\n\n")
    site.publish("one")
    site.run()
    stream = b"".join(sink.bursts)
    assert stream.count(b"\n\n") == 1
    (event,) = EventStreamParser().feed(stream)
    assert (event.data, event.last_event_id) == ("one", "e-1")


@pytest.mark.parametrize(
    "query", [b"heartbeat=", b"heartbeat=none", b"heartbeat=comment&heartbeat=comment"]
)
def test_another_kind_of_heartbeat_is_refused(site: Site, query: bytes) -> None:
    assert site.status(b"/events/news", query) == 400


def test_the_header_is_newer_than_the_query(site: Site) -> None:
    site.publish("one", "two", "three")
    sink = site.follow(b"/events/news", b"last_event_id=e-1", headers=((b"last-event-id", b"e-2"),))
    site.run()
    assert sink.data == ["three"]
    sink = site.follow(b"/events/news", b"last_event_id=e-1")
    site.run()
    assert sink.data == ["two", "three"]


def test_without_a_channel_it_is_global(site: Site) -> None:
    site.follow(b"/events")
    assert site.hub.directory.clients("global") == 1


def test_channels_by_query_each_once(site: Site) -> None:
    site.follow(b"/events", b"channel=a&channel=b&channel=a")
    assert site.hub.directory.clients("a") == site.hub.directory.clients("b") == 1


def test_channels_are_bounded_and_checked(site: Site) -> None:
    many = b"&".join(b"channel=c%d" % number for number in range(MAX_CHANNELS + 1))
    assert site.status(b"/events", many) == 400
    assert site.status(b"/events", many.rpartition(b"&")[0]) == 200
    assert site.status(b"/events", b"channel=a%00b") == 400
    assert site.status(b"/events/..") == 400


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (b"text/event-stream", 200),
        (b"*/*", 200),
        (b"text/*;q=0.5, application/json", 200),
        (b"TEXT/EVENT-STREAM; charset=utf-8", 200),
        (b"", 200),
        (b"application/json", 406),
        (b"text/html, application/xhtml+xml", 406),
    ],
)
def test_who_takes_no_event_stream_gets_none(site: Site, accept: bytes, status: int) -> None:
    assert site.status(b"/events/news", headers=((b"accept", accept),)) == status
    assert site.hub.subscribers == 0


def test_the_answer_to_head_subscribes_nobody(site: Site) -> None:
    answer = site.router(Request(b"HEAD", b"/events/news"))
    assert isinstance(answer, Response)
    assert dict(answer.headers)[b"content-type"] == b"text/event-stream"
    assert site.hub.subscribers == 0


def test_a_channel_in_the_query_beside_one_in_the_path_is_refused(site: Site) -> None:
    assert site.status(b"/events/news", b"channel=other") == 400
    assert site.status(b"/events/news", b"other=channel") == 200
