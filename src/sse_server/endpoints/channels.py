"""`GET /channels` and `GET /channels/{channel}`: what there is, and who follows it.

A channel is `{"channel", "clients", "events", "bytes", "oldest", "newest"}`: the streams that
follow it, the frames held in memory, their bytes, and the positions of the first and the last (or
null). The list is `{"channels": […], "next": name or null}`, sorted by name; `?after=` the name in
`next` is the next page, `?limit=` its length.
"""

from typing import TYPE_CHECKING

from sse_server.endpoints.address import (
    channel_in_path,
    channel_name,
    page_limit,
    single_parameters,
)
from sse_server.endpoints.directory import Directory
from sse_server.endpoints.rights import check_look, check_operate
from sse_server.endpoints.router import Router
from sse_server.errors import NotFound
from sse_server.http.request import Request
from sse_server.http.response import NO_STORE, Response, json_response
from sse_server.wire.position import Positions

if TYPE_CHECKING:
    from sse_server.core.directory import ChannelInfo

DEFAULT_CHANNELS = 100
MAX_CHANNELS = 1_000
"""In one answer: about 150 KB."""

_PREFIX = b"/channels/"
_PARAMETERS = frozenset((b"after", b"limit"))


class ChannelsEndpoint:
    """Lists channels."""

    __slots__ = ("_directory", "_positions")

    def __init__(self, directory: Directory, positions: Positions) -> None:
        """`positions`: the engine's."""
        self._directory = directory
        self._positions = positions

    def add_to(self, router: Router) -> None:
        """Take both addresses."""
        router.add(b"GET", "/channels", self.all)
        router.add(b"GET", "/channels/{channel}", self.one)

    def all(self, request: Request) -> Response:
        """`GET /channels`."""
        check_operate(request)
        parameters = single_parameters(request, _PARAMETERS)
        limit = page_limit(parameters, DEFAULT_CHANNELS, MAX_CHANNELS)
        after = channel_name(parameters[b"after"]) if b"after" in parameters else ""
        channels = self._directory.channels(after, limit + 1)
        more = len(channels) > limit
        shown = channels[:limit]
        answer = {
            "channels": [self._described(channel) for channel in shown],
            "next": shown[-1].name if more else None,
        }
        return json_response(200, answer, (NO_STORE,))

    def one(self, request: Request) -> Response:
        """`GET /channels/{channel}`."""
        name = channel_in_path(request.path, _PREFIX)
        check_look(request, name)
        channel = self._directory.channel(name)
        if channel is None or not (channel.events or channel.clients):
            raise NotFound(f"channel {name} has no events in memory and no streams follow it")
        return json_response(200, self._described(channel), (NO_STORE,))

    def _described(self, channel: "ChannelInfo") -> dict[str, object]:
        return {
            "channel": channel.name,
            "clients": channel.clients,
            "events": channel.events,
            "bytes": channel.bytes,
            "oldest": self._position(channel.oldest),
            "newest": self._position(channel.newest),
        }

    def _position(self, offset: int | None) -> str | None:
        return None if offset is None else self._positions.encode(offset).decode()
