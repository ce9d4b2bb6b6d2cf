import pytest

from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.subscriber import Subscriber
from sse_server.endpoints import subscribers
from sse_server.endpoints.router import Router
from sse_server.endpoints.subscribers import MAX_SUBSCRIBERS, SubscribersEndpoint
from sse_server.http.chunked import plain
from sse_server.http.response import Response
from sse_server.wire.event import MAX_RETRY_MS, Event
from sse_server.wire.flow import CloseReason
from sse_server.wire.position import Positions
from tests.core.fakes import Recorder
from tests.endpoints.fakes import get, respond, value_of


class Site:
    def __init__(self) -> None:
        self.now = 0.0
        self.hub = Hub(HubOptions(), Positions(b"e"), wake=lambda: None, clock=lambda: self.now)
        self.router = Router()
        SubscribersEndpoint(self.hub.registry, self.hub.positions).add_to(self.router)

    def join(self, *channels: str) -> tuple[Recorder, Subscriber]:
        sink = Recorder()
        return sink, self.hub.subscribe(sink, plain, channels)

    def name(self, subscriber: Subscriber) -> str:
        return self.hub.registry.name(subscriber)

    def ask(self, target: str, method: bytes = b"GET") -> Response:
        return respond(self.router, get(target.encode(), method=method))

    def page(self, query: str = "") -> tuple[list[str], str | None]:
        """Names, and the next."""
        value = value_of(self.ask(f"/subscribers{query}"))
        listed = value["subscribers"]
        assert isinstance(listed, list)
        following = value["next"]
        assert following is None or isinstance(following, str)
        return [item["subscriber"] for item in listed], following


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_stream_is_described(site: Site) -> None:
    sink, subscriber = site.join("news", "user:1")
    site.hub.deliver("news", 1, Event("hello"))
    while not site.hub.pump.is_dry:
        site.hub.pump.run()
    subscriber.pause()
    sink.unsent = 9
    site.now = 1.0
    site.hub.deliver("news", 2, Event("again"))
    site.now = 1.5
    assert value_of(site.ask(f"/subscribers/{site.name(subscriber)}")) == {
        "subscriber": site.name(subscriber),
        "address": "127.0.0.1:1234",
        "user_agent": "a browser",
        "open_seconds": 1.5,
        "channels": ["news", "user:1"],
        "state": "paused",
        "position": "e-1",
        "last_event": "e-1",
        "backlog_events": 1,
        "backlog_bytes": len(b"id: e-2\ndata: again\n\n"),
        "lag_seconds": 0.5,
        "unsent_bytes": 9,
        "sent_events": 1,
        "sent_bytes": len(b"id: e-1\ndata: hello\n\n"),
    }


def test_the_list_has_pages_that_go_on_whoever_leaves(site: Site) -> None:
    assert site.page() == ([], None)
    opened = [site.join("news")[1] for _ in range(5)]
    names = [site.name(subscriber) for subscriber in opened]
    assert site.page() == (names, None)
    assert site.page("?limit=5") == (names, None)
    listed, after = site.page("?limit=2")
    assert (listed, after) == (names[:2], names[1])
    opened[1].gone(CloseReason.LOST)
    opened[2].gone(CloseReason.LOST)
    assert site.page(f"?limit=2&after={after}") == (names[3:], None)


def test_the_list_can_be_that_of_a_channel(site: Site) -> None:
    first, second, both = (site.join(*channels)[1] for channels in ("a", "b", "ab"))
    assert site.page("?channel=a")[0] == [site.name(first), site.name(both)]
    assert site.page("?channel=b")[0] == [site.name(second), site.name(both)]
    assert site.page("?channel=c")[0] == []


def test_a_page_does_not_list_too_many_channels(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "MAX_LISTED_CHANNELS", 3)
    names = [site.name(site.join(*channels)[1]) for channels in ("ab", "c", "d", "efgh", "i")]
    assert site.page() == (names[:2], names[1])
    assert site.page(f"?after={names[1]}") == (names[2:3], names[2])
    assert site.page(f"?after={names[2]}") == (names[3:4], names[3])
    assert site.page(f"?after={names[3]}") == (names[4:], None)


@pytest.mark.parametrize(
    "query",
    [
        "?limit=0",
        f"?limit={MAX_SUBSCRIBERS + 1}",
        "?limit=x",
        "?after=",
        "?after=nobody",
        "?after=%FF",
        "?channel=",
        "?channel=a&channel=b",
    ],
)
def test_a_list_that_cannot_be_is_refused(site: Site, query: str) -> None:
    assert site.ask(f"/subscribers{query}").status == 400


@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
@pytest.mark.parametrize("name", ["nobody", "", "A" * 32, "a/b", "%41"])
def test_a_stream_that_is_not_there_is_not_found(site: Site, method: bytes, name: str) -> None:
    site.join("news")
    assert site.ask(f"/subscribers/{name}", method).status == 404
    assert site.hub.subscribers == 1


def test_a_stream_that_is_ended_is_told_to_stay_away(site: Site) -> None:
    sink, subscriber = site.join("news")
    name = site.name(subscriber)
    answer = value_of(site.ask(f"/subscribers/{name}", b"DELETE"))
    assert answer == {"subscriber": name, "comes_back": False, "retry": MAX_RETRY_MS}
    assert sink.ended is CloseReason.KICKED
    (event,) = sink.events
    assert event.type == "stream-ended"
    assert event.data == '{"message":"an operator has ended this stream","comes_back":false}'
    assert event.last_event_id == ""
    assert b"retry: 86400000\n" in sink.bursts[-1]
    assert site.ask(f"/subscribers/{name}", b"DELETE").status == 404


def test_a_stream_can_be_sent_away_to_come_back(site: Site) -> None:
    sink, subscriber = site.join("news")
    name = site.name(subscriber)
    answer = value_of(site.ask(f"/subscribers/{name}?retry=1500", b"DELETE"))
    assert answer == {"subscriber": name, "comes_back": True, "retry": 1500}
    (event,) = sink.events
    assert event.data.endswith('"comes_back":true}')
    assert b"retry: 1500\n" in sink.bursts[-1]


@pytest.mark.parametrize(
    "query", ["retry=", "retry=-1", "retry=86400001", "retri=1", "retry=1&retry=1"]
)
def test_an_end_that_is_not_understood_ends_nothing(site: Site, query: str) -> None:
    _, subscriber = site.join("news")
    assert site.ask(f"/subscribers/{site.name(subscriber)}?{query}", b"DELETE").status == 400
    assert site.hub.subscribers == 1
