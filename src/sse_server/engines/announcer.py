"""The announcer: publishes how many follow the channels that tell so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson

from sse_server.core.presence import presence_channel
from sse_server.engines.base import Publication
from sse_server.errors import Unavailable
from sse_server.wire.event import Event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sse_server.core.hub import Hub
    from sse_server.engines.base import Receipt

    Publish = Callable[[Sequence[Publication]], list[Receipt] | Awaitable[list[Receipt]]]


class Announcer:
    """Publishes presence. A count that cannot be published is told with the next one."""

    def __init__(self, hub: Hub, publish: Publish) -> None:
        self._hub = hub
        self._publish = publish
        self._publishing: set[asyncio.Future[list[Receipt]]] = set()

    def announce(self) -> None:
        """Publish how many follow the channels where that has changed."""
        for channel in self._hub.presence.take():
            clients = self._hub.directory.clients(channel)
            message = "1 client is here" if clients == 1 else f"{clients} clients are here"
            data = orjson.dumps({"message": message, "clients": clients})
            event = Event(data, type="system")
            try:
                receipts = self._publish([Publication(presence_channel(channel), event)])
            except Unavailable:
                continue
            if not isinstance(receipts, list):
                publishing = asyncio.ensure_future(receipts)
                self._publishing.add(publishing)
                publishing.add_done_callback(self._published)

    def cancel(self) -> None:
        """Wait for nothing any more."""
        for publishing in self._publishing:
            publishing.cancel()

    def _published(self, publishing: asyncio.Future[list[Receipt]]) -> None:
        self._publishing.discard(publishing)
        if not publishing.cancelled():
            publishing.exception()  # that it failed is the engine's to tell
