"""`GET /subscribers`, `GET` and `DELETE /subscribers/{id}`: open streams, for whoever operates.

A stream is what `core.activity` tells of it. The list is `{"subscribers": […], "next": id or
null}`, the oldest first; `?after=` the id in `next` is the next page, also if that stream is gone
by then, `?limit=` its length, `?channel=` leaves out who does not follow that.

DELETE ends a stream at once, with an `event: stream-ended`. EventSource comes back from any end
that is not told by a status, so it is told how long to wait: without `?retry=` a day, the longest
there is, which is for as long as anybody leaves a page open. With `?retry=` it is sent away to come
back. Whoever opens a stream anew has another: keeping somebody out is not done here.
"""

from typing import TYPE_CHECKING

import orjson

from sse_server.core.activity import activity
from sse_server.endpoints.address import (
    channel_name,
    number,
    only_parameters,
    page_limit,
    single_parameters,
)
from sse_server.endpoints.rights import check_operate
from sse_server.endpoints.router import Router
from sse_server.errors import InvalidRequest, NotFound
from sse_server.http.request import Request
from sse_server.http.response import NO_STORE, Response, json_response
from sse_server.wire.encoder import own_event
from sse_server.wire.event import MAX_RETRY_MS
from sse_server.wire.flow import CloseReason
from sse_server.wire.position import Positions

if TYPE_CHECKING:
    from sse_server.core.registry import Registry
    from sse_server.core.subscriber import Subscriber

DEFAULT_SUBSCRIBERS = 100
MAX_SUBSCRIBERS = 1_000
"""In one answer: about 400 KB."""
MAX_LISTED_CHANNELS = 10_000
"""Of all streams in one answer: each is looked at, 1 µs."""

_PREFIX = b"/subscribers/"
_PAGE_PARAMETERS = frozenset((b"after", b"limit", b"channel"))
_END_PARAMETERS = frozenset((b"retry",))
_MESSAGE = "an operator has ended this stream"


class StreamGone(NotFound):
    """No open stream is called that."""

    def __init__(self) -> None:
        """Whether there ever was one is not told."""
        super().__init__(
            "no open stream has this id: it has ended, or the server was started again"
        )


class SubscribersEndpoint:
    """Lists open streams, and ends them."""

    __slots__ = ("_positions", "_registry")

    def __init__(self, registry: "Registry", positions: Positions) -> None:
        """`positions`: the engine's."""
        self._registry = registry
        self._positions = positions

    def add_to(self, router: Router) -> None:
        """Take both addresses."""
        router.add(b"GET", "/subscribers", self.all)
        router.add(b"GET", "/subscribers/{id}", self.one)
        router.add(b"DELETE", "/subscribers/{id}", self.end)

    def all(self, request: Request) -> Response:
        """`GET /subscribers`."""
        check_operate(request)
        parameters = single_parameters(request, _PAGE_PARAMETERS)
        limit = page_limit(parameters, DEFAULT_SUBSCRIBERS, MAX_SUBSCRIBERS)
        channel = channel_name(parameters[b"channel"]) if b"channel" in parameters else None
        after = self._moment(parameters[b"after"]) if b"after" in parameters else -1.0
        found = self._registry.page(after, limit + 1, channel)
        shown = _page(found[:limit])
        answer = {
            "subscribers": [self._described(subscriber) for subscriber in shown],
            "next": self._registry.name(shown[-1]) if len(found) > len(shown) else None,
        }
        return json_response(200, answer, (NO_STORE,))

    def one(self, request: Request) -> Response:
        """`GET /subscribers/{id}`."""
        check_operate(request)
        return json_response(200, self._described(self._found(request)), (NO_STORE,))

    def end(self, request: Request) -> Response:
        """`DELETE /subscribers/{id}`."""
        check_operate(request)
        retry_ms = number(only_parameters(request, _END_PARAMETERS), b"retry")
        if retry_ms is not None and retry_ms > MAX_RETRY_MS:
            raise InvalidRequest(f"the query's retry must be 0 to {MAX_RETRY_MS} milliseconds")
        subscriber = self._found(request)
        name = self._registry.name(subscriber)
        comes_back = retry_ms is not None
        retry_ms = MAX_RETRY_MS if retry_ms is None else retry_ms
        self._registry.end(
            subscriber, CloseReason.KICKED, end_event(retry_ms, comes_back=comes_back)
        )
        answer = {"subscriber": name, "comes_back": comes_back, "retry": retry_ms}
        return json_response(200, answer, (NO_STORE,))

    def _found(self, request: Request) -> "Subscriber":
        subscriber = self._registry.find(name_in_path(request.path))
        if subscriber is None:
            raise StreamGone
        return subscriber

    def _moment(self, name: bytes) -> float:
        """When the stream of that name was opened."""
        moment = self._registry.opened_at(name.decode(errors="replace"))
        if moment is None:
            raise InvalidRequest(
                "the query's after is no id of a stream that this server has had: begin without it"
            )
        return moment

    def _described(self, subscriber: "Subscriber") -> dict[str, object]:
        now = activity(subscriber)
        return {
            "subscriber": self._registry.name(subscriber),
            "address": now.client.address,
            "user_agent": now.client.agent,
            "open_seconds": round(now.open_seconds, 3),
            "channels": now.channels,
            "state": now.state,
            "position": self._position(now.place),
            "last_event": None if now.last is None else self._position(now.last),
            "backlog_events": now.backlog_frames,
            "backlog_bytes": now.backlog_bytes,
            "lag_seconds": round(now.lag_seconds, 3),
            "unsent_bytes": now.unsent,
            "sent_events": now.frames,
            "sent_bytes": now.bytes,
        }

    def _position(self, offset: int) -> str:
        return self._positions.encode(offset).decode()


def _page(found: "list[Subscriber]") -> "list[Subscriber]":
    """As many as do not follow too many channels together, but at least one if there is one."""
    channels = 0
    for index, subscriber in enumerate(found):
        channels += len(subscriber.channels)
        if channels > MAX_LISTED_CHANNELS and index:
            return found[:index]
    return found


def end_event(retry_ms: int, *, comes_back: bool) -> bytes:
    """The last of a stream that an operator ends; the client keeps the id it has."""
    data = {"message": _MESSAGE, "comes_back": comes_back}
    return own_event(b"stream-ended", orjson.dumps(data), None, retry_ms)


def name_in_path(path: bytes, suffix: bytes = b"") -> str:
    """The id in a path that ends with `suffix`. It never has anything to decode."""
    return path[len(_PREFIX) : len(path) - len(suffix)].decode(errors="replace")
