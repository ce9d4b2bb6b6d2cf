from collections.abc import Awaitable

import pytest

from sse_server.endpoints.router import Router
from sse_server.errors import Forbidden, InvalidRequest
from sse_server.http.request import Request
from sse_server.http.response import Answer, Endpoint, EventStream, Opened, Response
from sse_server.wire.flow import Framing, Sink
from tests.endpoints.fakes import call, get, header_of, post, respond, value_of


def saying(what: bytes) -> Endpoint:
    return lambda _request: Response(200, (), what)


@pytest.fixture
def router() -> Router:
    router = Router()
    router.add(b"GET", "/events", saying(b"all"))
    router.add(b"POST", "/events", saying(b"batch"))
    router.add(b"POST", "/events/{channel}", saying(b"publish"))
    router.add(b"GET", "/channels", saying(b"channels"))
    router.add(b"GET", "/channels/{channel}", saying(b"channel"))
    router.add(b"GET", "/channels/{channel}/events", saying(b"history"))
    return router


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (b"/channels", b"channels"),
        (b"/channels/", b"channel"),  # which finds that the name is empty
        (b"/channels/a", b"channel"),
        (b"/channels/a/b", b"channel"),
        (b"/channels/a/events", b"history"),
        (b"/channels/a/b/events", b"history"),
        (b"/channels/x/events/events", b"history"),
        (b"/channels/x%2Fevents", b"channel"),  # of the channel x/events
        (b"/channels/x%2fevents/events", b"history"),
        (b"/channels/x/%65vents", b"channel"),
        (b"/channels/events", b"channel"),  # the channel is called events
        (b"/channels//events", b"channel"),  # nothing is between the two: no history of nothing
        (b"/channels/events/events", b"history"),
        (b"/channels/xevents", b"channel"),
        (b"/channels/a/events/", b"channel"),
    ],
)
def test_the_raw_path_decides_who_answers(router: Router, path: bytes, answer: bytes) -> None:
    assert respond(router, get(path)).body == answer


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        (b"GET", b"/things/7", b"one"),
        (b"DELETE", b"/things/7", b"end"),
        (b"POST", b"/things/7/parts", b"parts"),
    ],
)
def test_what_stands_in_braces_may_be_called_anything(
    method: bytes, path: bytes, answer: bytes
) -> None:
    router = Router()
    router.add(b"GET", "/things/{id}", saying(b"one"))
    router.add(b"DELETE", "/things/{id}", saying(b"end"))
    router.add(b"POST", "/things/{id}/parts", saying(b"parts"))
    response = respond(router, get(path, method=method))
    assert response.body == answer


@pytest.mark.parametrize(
    "path", [b"/", b"/nothing", b"/event", b"/eventsx/a", b"//events", b"/%65vents"]
)
def test_an_address_nobody_has_is_404(router: Router, path: bytes) -> None:
    response = respond(router, get(path))
    assert response.status == 404
    assert value_of(response)["error"] == "not-found"


def test_a_method_an_address_does_not_take_is_405_with_those_it_takes(router: Router) -> None:
    response = respond(router, get(b"/events", method=b"DELETE"))
    assert response.status == 405
    assert header_of(response, b"allow") == b"GET, HEAD, OPTIONS, POST"
    response = respond(router, get(b"/events/a"))
    assert response.status == 405
    assert header_of(response, b"allow") == b"OPTIONS, POST"
    assert respond(router, get(b"/events/a", method=b"HEAD")).status == 405


def test_a_method_http_does_not_have_is_501_wherever_it_is_sent(router: Router) -> None:
    for path in (b"/events", b"/nothing", b"*"):
        response = respond(router, get(path, method=b"BREW"))
        assert response.status == 501
        assert value_of(response)["error"] == "not-implemented"


def test_options_answers_with_the_methods(router: Router) -> None:
    response = respond(router, get(b"/channels/a/events", method=b"OPTIONS"))
    assert (response.status, response.body) == (204, b"")
    assert header_of(response, b"allow") == b"GET, HEAD, OPTIONS"
    assert respond(router, get(b"/nothing", method=b"OPTIONS")).status == 404


def test_options_of_the_whole_server_names_every_method(router: Router) -> None:
    response = respond(router, get(b"*", method=b"OPTIONS"))
    assert response.status == 204
    assert b"PATCH" in (header_of(response, b"allow") or b"")
    assert respond(router, get(b"*")).status == 400


def test_head_is_answered_by_get(router: Router) -> None:
    assert respond(router, get(b"/channels", method=b"HEAD")).body == b"channels"


def never(_sink: Sink, _framing: Framing) -> Opened:
    raise AssertionError("a HEAD request has subscribed")


@pytest.mark.parametrize("slow", [False, True])
def test_head_on_an_event_stream_does_not_subscribe(slow: bool) -> None:
    stream = EventStream(never, ((b"x-own", b"1"),))

    async def later() -> Answer:
        return stream

    def endpoint(_request: Request) -> Answer | Awaitable[Answer]:
        return later() if slow else stream

    router = Router()
    router.add(b"GET", "/events/{channel}", endpoint)
    response = respond(router, get(b"/events/a", method=b"HEAD"))
    assert (response.status, response.body) == (200, b"")
    assert header_of(response, b"content-type") == b"text/event-stream"
    assert header_of(response, b"x-own") == b"1"
    assert call(router, get(b"/events/a")) is stream


@pytest.mark.parametrize("slow", [False, True])
def test_what_an_endpoint_refuses_becomes_the_answer(slow: bool) -> None:
    async def later() -> Answer:
        raise InvalidRequest("no")

    def endpoint(_request: Request) -> Answer | Awaitable[Answer]:
        if slow:
            return later()
        raise InvalidRequest("no")

    router = Router()
    router.add(b"POST", "/x", endpoint)
    response = respond(router, post(b"/x"))
    assert response.status == 400
    assert value_of(response) == {"error": "invalid-request", "message": "no"}


def test_other_exceptions_are_not_for_the_client() -> None:
    def endpoint(_request: Request) -> Answer:
        raise KeyError("bug")

    router = Router()
    router.add(b"GET", "/x", endpoint)
    with pytest.raises(KeyError):
        router(get(b"/x"))


def test_an_endpoint_that_answers_later_is_waited_for() -> None:
    async def later() -> Answer:
        return Response(200, (), b"later")

    router = Router()
    router.add(b"GET", "/x", lambda _request: later())
    assert respond(router, get(b"/x")).body == b"later"


def test_the_check_comes_before_everything() -> None:
    def check(_request: Request) -> Request:
        raise Forbidden("not you")

    router = Router(check)
    router.add(b"GET", "/x", saying(b"x"))
    for path in (b"/x", b"/nothing"):
        assert respond(router, get(path)).status == 403


def test_an_address_is_given_away_once(router: Router) -> None:
    with pytest.raises(AssertionError):
        router.add(b"GET", "/channels/{channel}/events", saying(b"again"))


def test_a_refusal_is_not_kept_by_caches(router: Router) -> None:
    # RFC 9110 section 15.1: 404, 405, 410, 414 and 501 may be, unless the answer says otherwise.
    assert header_of(respond(router, get(b"/nothing")), b"cache-control") == b"no-store"


def test_an_unknown_method_is_told_where_to_find_the_known_ones(router: Router) -> None:
    message = value_of(respond(router, get(b"/events", method=b"BREW")))["message"]
    assert isinstance(message, str)
    assert message.endswith("OPTIONS says what this address takes")


def test_a_router_tells_what_was_added(router: Router) -> None:
    assert sorted(router.routes) == [
        (b"GET", "/channels"),
        (b"GET", "/channels/{channel}"),
        (b"GET", "/channels/{channel}/events"),
        (b"GET", "/events"),
        (b"POST", "/events"),
        (b"POST", "/events/{channel}"),
    ]
