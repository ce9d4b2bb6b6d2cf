"""`GET /channels/{channel}/events`: what a channel has had, as an answer that ends.

What the log does not hold is read through the engine, if that keeps more; by then the answer comes
later.

- `after`: a position, exclusive. Left out, or `earliest`: from the oldest that is held.
- `until`: a position, inclusive. Left out: to the newest.
- `limit`: how many events, at most 1,000. A page is also cut before it exceeds 1 MiB, but never
  empty for that.

The answer is JSON, `{"events": [{"id", "event", "data"} …], "end": position, "next": position or
null, "complete": bool}`. `next` is the `after` of the next page. `end` is where this page leads: a
stream opened with it as its `last_event_id` goes on from there. `complete` is false if something
behind `after` is no longer held.

Where Accept names `text/event-stream` the answer is the frames as a stream would carry them, with
`Link: <…>; rel="next"` for the next page and a comment at the top if it is not complete.

A malformed position is a mistake in the request, 400. One of another epoch, or one that this log
has not reached, is well formed and names nothing here: 410 and a code of its own, as the way on is
another, to read again from `earliest`. A stream has no such choice and tells a gap instead.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from sse_server.core.directory import HistoryPage
from sse_server.core.history import Page, Question
from sse_server.endpoints.address import channel_in_path, page_limit, single_parameters
from sse_server.endpoints.directory import Directory
from sse_server.endpoints.media_type import EVENT_STREAM, names_event_stream
from sse_server.endpoints.rights import check_subscribe
from sse_server.endpoints.router import Router
from sse_server.errors import InvalidRequest, RequestError, quoted
from sse_server.http.request import Headers, Request
from sse_server.http.response import NO_STORE, Response, json_response
from sse_server.wire.parser import EventStreamParser
from sse_server.wire.position import PositionFault, Positions

ReadHistory = Callable[[Question, int, int], Awaitable[Page]]
"""An engine's `history`."""

DEFAULT_EVENTS = 100
MAX_EVENTS = 1_000
"""In one page: it is parsed and written again in one go, while others wait."""
MAX_PAGE_BYTES = 1024 * 1024

_PREFIX, _SUFFIX = b"/channels/", b"/events"
_PARAMETERS = frozenset((b"after", b"until", b"limit"))
_EARLIEST = b"earliest"
_VARY = (b"vary", b"accept")
_INCOMPLETE = b": events between the position asked for and this page are no longer held\n\n"


class PositionGone(RequestError):  # noqa: N818 (named as the classes of sse_server.errors are)
    """A position of a log that is gone, or that was never reached."""

    status = 410
    code = "position-gone"


class HistoryEndpoint:
    """Reads channels back."""

    __slots__ = ("_directory", "_positions", "_read")

    def __init__(
        self, directory: Directory, positions: Positions, read: ReadHistory | None = None
    ) -> None:
        """`positions`: the engine's. `read`: what it keeps beyond the log, if it does."""
        self._directory = directory
        self._positions = positions
        self._read = read

    def add_to(self, router: Router) -> None:
        """Take the address."""
        router.add(b"GET", "/channels/{channel}/events", self)

    def __call__(self, request: Request) -> Response | Awaitable[Response]:
        """`GET /channels/{channel}/events`."""
        channel = channel_in_path(request.path, _PREFIX, _SUFFIX)
        check_subscribe(request, (channel,))
        parameters = single_parameters(request, _PARAMETERS)
        limit = page_limit(parameters, DEFAULT_EVENTS, MAX_EVENTS)
        after = parameters.get(b"after", _EARLIEST)
        begin = None if after == _EARLIEST else self._offset("after", after)
        until = self._offset("until", parameters[b"until"]) if b"until" in parameters else None
        if begin is not None and until is not None and until < begin:
            raise InvalidRequest("the query's until is before its after: nothing can be between")
        if self._read is not None and self._directory.lost(channel) > (begin or 0):
            question = Question(
                (channel,), begin, self._directory.newest if until is None else until
            )
            return self._answer_later(
                request, parameters, self._read(question, limit, MAX_PAGE_BYTES), question
            )
        page = self._directory.history(channel, begin, until, limit, MAX_PAGE_BYTES)
        return self._answer(request, parameters, page)

    async def _answer_later(
        self,
        request: Request,
        parameters: dict[bytes, bytes],
        later: Awaitable[Page],
        question: Question,
    ) -> Response:
        """The log does not have it all: what the engine keeps."""
        page = await later
        is_lost = bool(page.lost) and question.after is not None
        more = page.end < question.until
        found = HistoryPage([page.blocks], page.end, is_lost, more)
        return self._answer(request, parameters, found)

    def _answer(
        self, request: Request, parameters: dict[bytes, bytes], page: HistoryPage
    ) -> Response:
        blocks = b"".join(page.frames)
        end = self._positions.encode(page.end)
        if names_event_stream(request):
            link = _next_page(parameters, end) if page.more else ()
            body = _INCOMPLETE + blocks if page.lost else blocks
            return Response(200, ((b"content-type", EVENT_STREAM), NO_STORE, _VARY, *link), body)
        answer = {
            "events": [
                {"id": event.last_event_id, "event": event.type, "data": event.data}
                for event in EventStreamParser().feed(blocks)
            ],
            "end": end.decode(),
            "next": end.decode() if page.more else None,
            "complete": not page.lost,
        }
        return json_response(200, answer, (NO_STORE, _VARY))

    def _offset(self, name: str, position: bytes) -> int:
        """Where `position` stands in this log."""
        place = self._positions.parse(position)
        if place is PositionFault.MALFORMED:
            sent = quoted(position.decode(errors="backslashreplace"))
            raise InvalidRequest(
                f"the query's {name} is {sent}, which is no position: use an event's id as it came"
            )
        if isinstance(place, PositionFault):
            raise PositionGone(
                f"the query's {name} is a position of a log that is gone: read again without it"
            )
        if place > self._directory.newest:
            raise PositionGone(
                f"the query's {name} is a position that this log has not reached: read again "
                "without it"
            )
        return place


def _next_page(parameters: dict[bytes, bytes], end: bytes) -> Headers:
    """The same question, from `end` on (RFC 8288); relative, so that a proxy's prefix stays."""
    query = urlencode({**parameters, b"after": end})
    return ((b"link", b'<?%b>; rel="next"' % query.encode()),)
