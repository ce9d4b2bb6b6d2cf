import pytest

from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.endpoints.channels import ChannelsEndpoint
from sse_server.endpoints.router import Router
from sse_server.http.response import Response
from sse_server.wire.event import Event
from sse_server.wire.position import Positions
from tests.endpoints.fakes import get, header_of, respond, value_of

POSITIONS = Positions(b"epoch")


@pytest.fixture
def hub() -> Hub:
    return Hub(HubOptions(), POSITIONS, wake=lambda: None, clock=lambda: 0.0)


@pytest.fixture
def router(hub: Hub) -> Router:
    router = Router()
    ChannelsEndpoint(hub.directory, POSITIONS).add_to(router)
    return router


def publish(hub: Hub, *channels: str) -> None:
    for channel in channels:
        hub.deliver(channel, hub.newest + 1, Event("x"))


def names_of(response: Response) -> list[object]:
    channels = value_of(response)["channels"]
    assert isinstance(channels, list)
    return [channel["channel"] for channel in channels]


def test_a_channel_is_described_with_positions(hub: Hub, router: Router) -> None:
    publish(hub, "a/b", "other", "a/b")
    response = respond(router, get(b"/channels/a%2Fb"))
    described = value_of(response)
    size = described.pop("bytes")
    assert isinstance(size, int)
    assert size > 0
    assert described == {
        "channel": "a/b",
        "clients": 0,
        "events": 2,
        "oldest": "epoch-1",
        "newest": "epoch-3",
    }
    assert header_of(response, b"cache-control") == b"no-store"


def test_a_channel_with_neither_frames_nor_clients_is_404(router: Router) -> None:
    response = respond(router, get(b"/channels/a"))
    assert response.status == 404
    assert "channel a" in str(value_of(response)["message"])


def test_a_name_that_no_channel_can_have_is_400(router: Router) -> None:
    assert respond(router, get(b"/channels/a%20b")).status == 400
    assert respond(router, get(b"/channels/")).status == 400


def test_channels_are_listed_in_pages(hub: Hub, router: Router) -> None:
    publish(hub, "c", "a", "b", "a/b")
    first = respond(router, get(b"/channels?limit=2"))
    assert names_of(first) == ["a", "a/b"]
    assert value_of(first)["next"] == "a/b"
    second = respond(router, get(b"/channels?limit=2&after=a%2Fb"))
    assert names_of(second) == ["b", "c"]
    assert value_of(second)["next"] is None


def test_no_channels_are_an_empty_list(router: Router) -> None:
    assert value_of(respond(router, get(b"/channels"))) == {"channels": [], "next": None}


@pytest.mark.parametrize(
    "query", [b"limit=0", b"limit=1001", b"limit=x", b"limit=1&limit=1", b"after=", b"after=a%20"]
)
def test_a_list_with_a_mistake_in_its_query_is_400(router: Router, query: bytes) -> None:
    assert respond(router, get(b"/channels?" + query)).status == 400
