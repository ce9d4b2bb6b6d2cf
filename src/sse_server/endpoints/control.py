"""`POST /subscribers/{id}/channels`: adds channels to an open stream, and removes some.

The body is `{"add": [names], "remove": [names]}`, either of which may be left out. What is added is
followed already, or what is removed is not, changes nothing. The answer is `{"position",
"channels"}`: all that the stream follows from now on, and where that begins. Of an added channel it
is sent what stands beyond the position; what stands before is its history, `GET
/channels/{channel}/events?until=` that position: the two meet.

The id is a secret between the stream and its client (`control=1`, `endpoints.subscribe`). Who else
knows it and is not the stream's holder is told that there is no such stream. What is added has to
be granted twice: to who asks, and to the stream, which may have a longer life.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from sse_server.endpoints.address import only_parameters
from sse_server.endpoints.envelope import parse_json
from sse_server.endpoints.media_type import refuse_encoded_body
from sse_server.endpoints.rights import check_subscribe
from sse_server.endpoints.router import Router
from sse_server.endpoints.subscribe import MAX_CHANNELS, Identify, nobody
from sse_server.endpoints.subscribers import StreamGone, name_in_path
from sse_server.errors import InvalidRequest, quoted
from sse_server.http.request import Request
from sse_server.http.response import NO_STORE, Response, json_response
from sse_server.wire.channel_name import check_channel
from sse_server.wire.position import Positions

if TYPE_CHECKING:
    from sse_server.core.registry import Registry
    from sse_server.core.subscriber import Subscriber

Allow = Callable[["Subscriber", Sequence[str]], None]
"""Refuses what the stream itself may not follow, whoever asks for it."""

_SUFFIX = b"/channels"
_MEMBERS = ("add", "remove")


def anything(_subscriber: "Subscriber", _channels: Sequence[str]) -> None:
    """Where nobody has to say who they are."""


class Changes(Protocol):
    """The hub, as far as open streams are changed."""

    @property
    def registry(self) -> "Registry":
        """Where they are found."""
        ...

    def change(self, subscriber: "Subscriber", channels: Sequence[str]) -> int:
        """Let a stream follow `channels`; returns the offset from which it does."""
        ...


class ControlEndpoint:
    """Changes open streams."""

    __slots__ = ("_allow", "_changes", "_identify", "_positions")

    def __init__(
        self,
        changes: Changes,
        positions: Positions,
        identify: Identify = nobody,
        allow: Allow = anything,
    ) -> None:
        """`positions`: the engine's; `identify`: who asks, as for opening a stream."""
        self._allow = allow
        self._changes = changes
        self._positions = positions
        self._identify = identify

    def add_to(self, router: Router) -> None:
        """Take the address."""
        router.add(b"POST", "/subscribers/{id}/channels", self)

    def __call__(self, request: Request) -> Response:
        """`POST /subscribers/{id}/channels`."""
        refuse_encoded_body(request)
        only_parameters(request, frozenset())
        added, removed = _read(request.body)
        registry = self._changes.registry
        subscriber = registry.find(name_in_path(request.path, _SUFFIX))
        if subscriber is None or registry.holder(subscriber) != self._identify(request):
            raise StreamGone
        check_subscribe(request, added)
        self._allow(subscriber, added)
        channels = dict.fromkeys(name for name in subscriber.chosen if name not in removed)
        channels.update(dict.fromkeys(added))
        if not channels:
            raise InvalidRequest(
                "nothing would be left to follow: add a channel in the same request, or close the "
                "stream"
            )
        if len(channels) > MAX_CHANNELS:
            raise InvalidRequest(
                f"a stream follows at most {MAX_CHANNELS} channels: remove some, or open a second "
                "one"
            )
        place = self._changes.change(subscriber, list(channels))
        answer = {
            "position": self._positions.encode(place).decode(),
            "channels": subscriber.chosen,
        }
        return json_response(200, answer, (NO_STORE,))


def _read(body: bytes) -> tuple[list[str], list[str]]:
    """What is to be added, and what removed.

    Raises:
        InvalidRequest: the body is something else.
        InvalidChannel: no channel can be called that.
    """
    value = parse_json(body, "the body")
    if not isinstance(value, dict):
        raise InvalidRequest('the body must be a JSON object, {"add": [], "remove": []}')
    for member in value:
        if member not in _MEMBERS:
            raise InvalidRequest(
                f"the body has an unknown member {quoted(member)}; known are add and remove"
            )
    added, removed = (_names(member, value.get(member)) for member in _MEMBERS)
    both = next((name for name in added if name in removed), None)
    if both is not None:
        raise InvalidRequest(f"channel {both} is both to be added and removed: name it once")
    return added, removed


def _names(member: str, value: object) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InvalidRequest(f"{member} must be an array of channels")
    if len(value) > MAX_CHANNELS:
        raise InvalidRequest(f"{member} may have at most {MAX_CHANNELS} channels")
    return [check_channel(name) for name in value]
