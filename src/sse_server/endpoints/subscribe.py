"""Subscribe: `GET /events/{channel}`, `GET /events?channel=a&channel=b`, `GET /events` (`global`).

Where the stream begins: header `Last-Event-ID`, else query `last_event_id`, else at the newest
position. EventSource repeats its address with every reconnect and adds the header once it has had
an id, so the header is newer. `earliest` is all that is kept.

`heartbeat=comment` is for clients that take a block without data for an empty event, as httpx-sse
and the openai client do: heartbeats are comments alone, and the fields of the opening belong to the
first event's block, whose own id comes later and counts.

Every other stream begins with a block without data: a comment, `retry:` and the `id:` of the
position where it begins, so that a client that is cut before its first event resumes, too (WHATWG
HTML 9.2.6: such a block sets the last event id and dispatches nothing).
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from sse_server.endpoints.address import (
    DEFAULT_CHANNEL,
    channel_in_path,
    channel_name,
    single_parameters,
)
from sse_server.endpoints.media_type import EVENT_STREAM
from sse_server.endpoints.router import Router
from sse_server.errors import InvalidRequest, NotAcceptable
from sse_server.http.request import Request
from sse_server.http.response import EventStream, Opened
from sse_server.wire.flow import Framing, Sink

if TYPE_CHECKING:
    from sse_server.core.subscriber import Subscriber

MAX_CHANNELS = 100
"""Of one stream. Joining looks at each; a page that wants more wants another design."""

_PREFIX = b"/events/"
_PARAMETERS = frozenset((b"last_event_id",))
_HEARTBEAT = frozenset((b"heartbeat",))
_ACCEPTABLE = frozenset((EVENT_STREAM, b"text/*", b"*/*"))

# Clients that are cut together come back over three seconds, not at once. Sixteen blocks are enough
# to spread them, and can be made ready.
_OPENINGS = tuple(b": stream is open\nretry: %d\n" % (2_000 + 200 * step) for step in range(16))


class Subscriptions(Protocol):
    """The hub, as far as streams are opened."""

    def subscribe(
        self,
        sink: Sink,
        framing: Framing,
        channels: Sequence[str],
        last_id: bytes | None = None,
        *,
        tells_positions: bool = True,
    ) -> "Subscriber":
        """Open a stream."""
        ...

    def opening_position(self, subscriber: "Subscriber") -> bytes | None:
        """The id that stands before its first event."""
        ...


class SubscribeEndpoint:
    """Opens event streams."""

    __slots__ = ("_opened", "_subscriptions")

    def __init__(self, subscriptions: Subscriptions) -> None:
        """`subscriptions`: where streams are opened."""
        self._subscriptions = subscriptions
        self._opened = 0

    def add_to(self, router: Router) -> None:
        """Take the two addresses for subscribing."""
        router.add(b"GET", "/events", self.by_query)
        router.add(b"GET", "/events/{channel}", self.by_path)

    def by_path(self, request: Request) -> EventStream:
        """`GET /events/{channel}`."""
        if request.query and request.parameter(b"channel") is not None:
            raise InvalidRequest(
                "the address names a channel in its path and in its query: to follow several, "
                "name them all in the query of /events"
            )
        return self._stream(request, [channel_in_path(request.path, _PREFIX)])

    def by_query(self, request: Request) -> EventStream:
        """`GET /events`."""
        names = list(dict.fromkeys(request.parameter_values(b"channel")))
        if len(names) > MAX_CHANNELS:
            message = f"a stream follows at most {MAX_CHANNELS} channels: open a second one"
            raise InvalidRequest(message)
        return self._stream(request, [channel_name(name) for name in names] or [DEFAULT_CHANNEL])

    def _stream(self, request: Request, channels: list[str]) -> EventStream:
        _check_accept(request)
        last_id = request.header(b"last-event-id") or None
        if last_id is None and request.query:
            last_id = single_parameters(request, _PARAMETERS).get(b"last_event_id") or None
        return EventStream(
            partial(self._open, channels, last_id, _tells_positions(request)),
            resumed=last_id is not None,
        )

    def _open(
        self,
        channels: list[str],
        last_id: bytes | None,
        tells_positions: bool,  # noqa: FBT001 (called through a partial)
        sink: Sink,
        framing: Framing,
    ) -> Opened:
        subscriber = self._subscriptions.subscribe(
            sink, framing, channels, last_id, tells_positions=tells_positions
        )
        self._opened += 1
        opening = _OPENINGS[self._opened % len(_OPENINGS)]
        position = self._subscriptions.opening_position(subscriber)
        # After a position that cannot be resumed from, the id is the gap's, which comes first.
        if position is not None:
            opening = b"%bid: %b\n" % (opening, position)
        return Opened(opening + b"\n" if tells_positions else opening, subscriber)


def _tells_positions(request: Request) -> bool:
    """Whether heartbeats are to carry positions.

    Raises:
        InvalidRequest: `heartbeat` is something else than `position` or `comment`.
    """
    if not request.query:
        return True
    kind = single_parameters(request, _HEARTBEAT).get(b"heartbeat", b"position")
    if kind not in {b"position", b"comment"}:
        raise InvalidRequest("the query's heartbeat can be position or comment")
    return kind == b"position"


def _check_accept(request: Request) -> None:
    """Refuse who says that it does not take event streams (RFC 9110 section 12.5.1).

    Raises:
        NotAcceptable: Accept is there and has nothing that an event stream is.
    """
    named = False
    for value in request.header_values(b"accept"):
        for item in value.split(b","):
            media_type = item.partition(b";")[0].strip().lower()
            if media_type in _ACCEPTABLE:
                return
            named = named or bool(media_type)
    if named:
        raise NotAcceptable(
            "this is an event stream: accept text/event-stream, or leave Accept out"
        )
