"""Subscribe: `GET /events/{channel}`, `GET /events?channel=a&channel=b`, `GET /events` (`global`).

Where the stream begins: header `Last-Event-ID`, else query `last_event_id`, else at the newest
position. EventSource repeats its address with every reconnect and adds the header once it has had
an id, so the header is newer. `earliest` is all that is kept.

`heartbeat=comment` is for clients that take a block without data for an empty event, as httpx-sse
and the openai client do: heartbeats are comments alone, and the fields of the opening belong to the
first event's block, whose own id comes later and counts.

`control=1` is for clients that change their streams while these are open: an `event: control` in
the opening's block says what the stream is called and which channels it follows; the rest is
`endpoints.control`'s.

Every other stream begins with a block without data: a comment, `retry:` and the `id:` of the
position where it begins, so that a client that is cut before its first event resumes, too (WHATWG
HTML 9.2.6: such a block sets the last event id and dispatches nothing).
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

import orjson

from sse_server.core.start import EARLIEST
from sse_server.endpoints.address import (
    DEFAULT_CHANNEL,
    channel_in_path,
    channel_name,
    single_parameters,
)
from sse_server.endpoints.media_type import EVENT_STREAM
from sse_server.endpoints.rights import check_subscribe
from sse_server.endpoints.router import Router
from sse_server.errors import InvalidRequest, NotAcceptable
from sse_server.http.request import Headers, Request
from sse_server.http.response import EventStream, Opened
from sse_server.http.rights import Admission, OpenStream
from sse_server.wire.encoder import own_event
from sse_server.wire.flow import Framing, Sink

if TYPE_CHECKING:
    from sse_server.core.registry import Registry
    from sse_server.core.subscriber import Subscriber

MAX_CHANNELS = 100
"""Of one stream. Joining looks at each; a page that wants more wants another design."""

_PREFIX = b"/events/"
_PARAMETERS = frozenset((b"last_event_id", b"heartbeat", b"control"))
_MAX_AGENT_BYTES = 200  # of what a client calls itself: kept as long as its stream is open
_ACCEPTABLE = frozenset((EVENT_STREAM, b"text/*", b"*/*"))

# Clients that are cut together come back over three seconds, not at once. Sixteen blocks are enough
# to spread them, and can be made ready.
_OPENINGS = tuple(b": stream is open\nretry: %d\n" % (2_000 + 200 * step) for step in range(16))


Identify = Callable[[Request], Hashable]
"""Who sends a request; None: nobody in particular."""


def nobody(_request: Request) -> None:
    """Where nobody has to say who they are."""


class Subscriptions(Protocol):
    """The hub, as far as streams are opened."""

    @property
    def registry(self) -> "Registry":
        """What they are called."""
        ...

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


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a request for a stream asks for."""

    channels: list[str]
    last_id: bytes | None
    tells_positions: bool
    """Heartbeats are to carry them."""
    control: bool
    holder: Hashable


class SubscribeEndpoint:
    """Opens event streams."""

    __slots__ = ("_identify", "_opened", "_subscriptions")

    def __init__(self, subscriptions: Subscriptions, identify: Identify = nobody) -> None:
        """`subscriptions`: where streams are opened; `identify`: by whom."""
        self._subscriptions = subscriptions
        self._identify = identify
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
        rights = request.rights
        if rights is not None:
            check_subscribe(request, channels)
        _check_accept(request)
        last_id = request.header(b"last-event-id") or None
        tells_positions, control = True, False
        if request.query:
            parameters = single_parameters(request, _PARAMETERS)
            last_id = last_id or parameters.get(b"last_event_id") or None
            tells_positions = _tells_positions(parameters)
            control = _wants_control(parameters)
        holder = self._identify(request) if control else None
        opens = partial(self._open, _Wish(channels, last_id, tells_positions, control, holder))
        headers: Headers = ()
        if rights is not None and request.method != b"HEAD":  # which opens nothing
            admission = rights.admit(request, channels)
            headers = admission.headers
            opens = partial(self._open_admitted, admission, opens)
        agent = request.header(b"user-agent")
        return EventStream(
            opens,
            headers,
            resumed=last_id not in {None, EARLIEST},
            agent=agent and agent[:_MAX_AGENT_BYTES],
        )

    def _open_admitted(
        self,
        admission: Admission,
        opens: Callable[[Sink, Framing], Opened],
        sink: Sink,
        framing: Framing,
    ) -> Opened:
        """As `_open`, for who was let in by somebody, who is to know when the stream is over."""
        opening, source = opens(sink, framing)
        return Opened(opening, admission.opened(cast("OpenStream", source), sink, framing))

    def _open(self, wish: _Wish, sink: Sink, framing: Framing) -> Opened:
        subscriptions = self._subscriptions
        subscriber = subscriptions.subscribe(
            sink, framing, wish.channels, wish.last_id, tells_positions=wish.tells_positions
        )
        self._opened += 1
        opening = _OPENINGS[self._opened % len(_OPENINGS)]
        position = subscriptions.opening_position(subscriber)
        # After a position that cannot be resumed from, the id is the gap's, which comes first.
        if position is not None:
            opening = b"%bid: %b\n" % (opening, position)
        if wish.control:
            name = subscriptions.registry.control(subscriber, wish.holder)
            opening += control_event(name, subscriber.chosen)
        elif wish.tells_positions:
            opening += b"\n"
        return Opened(opening, subscriber)


def control_event(name: str, channels: Sequence[str]) -> bytes:
    """What a stream is called, and the channels that it follows."""
    data = orjson.dumps({"subscriber": name, "channels": channels})
    return own_event(b"control", data, None)


def _tells_positions(parameters: Mapping[bytes, bytes]) -> bool:
    """Whether heartbeats are to carry positions.

    Raises:
        InvalidRequest: `heartbeat` is something else than `position` or `comment`.
    """
    kind = parameters.get(b"heartbeat", b"position")
    if kind not in {b"position", b"comment"}:
        raise InvalidRequest("the query's heartbeat can be position or comment")
    return kind == b"position"


def _wants_control(parameters: Mapping[bytes, bytes]) -> bool:
    """Whether the stream is to say what it is called.

    Raises:
        InvalidRequest: `control` is something else than `0` or `1`.
    """
    wanted = parameters.get(b"control", b"0")
    if wanted not in {b"0", b"1"}:
        raise InvalidRequest("the query's control can be 1, or 0 as if it were left out")
    return wanted == b"1"


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
