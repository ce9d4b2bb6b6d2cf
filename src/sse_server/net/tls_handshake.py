"""A connection whose TLS handshake goes on; then it speaks what the two have agreed on.

It is counted and can be ended like every other connection, from the moment that it is accepted.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from sse_server.net.connection import Connection
from sse_server.net.http2_connection import Http2Connection

if TYPE_CHECKING:
    import socket

    from sse_server.net.site import Site
    from sse_server.net.tls import Tls

logger = logging.getLogger(__name__)


class TlsHandshake(asyncio.Protocol):
    """What a connection is until then."""

    __slots__ = ("_site", "_task", "_tls", "deadline")

    streams = ()
    is_idle = False

    def __init__(self, site: Site, tls: Tls, sock: socket.socket) -> None:
        """`sock` has been accepted, and is the handshake's from here on."""
        self._site = site
        self._tls = tls
        self.deadline = float("inf")  # the loop keeps the time
        site.connections.add(self)
        site.handshakes.begin(self)
        self._task = site.loop.create_task(self._shake_hands(sock))
        if site.draining:
            self.close_when_idle()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS: the handshake is done, and nothing that came behind it has been read."""
        tls = transport.get_extra_info("ssl_object")
        self._end("resumed" if tls.session_reused else "full")
        # uvloop's transports do not derive from asyncio.Transport.
        secured = cast("asyncio.Transport", transport)
        if tls.selected_alpn_protocol() == "h2":
            Http2Connection(secured, self._site).begin(b"")
        else:
            connection = Connection(self._site)
            secured.set_protocol(connection)
            connection.connection_made(secured)

    def time_out(self) -> None:
        """Timer: the deadline has passed."""
        self.abort()

    def close_when_idle(self) -> None:
        """Drain: who has not sent anything yet is about to."""
        self.deadline = self._site.loop.time() + self._site.options.linger_seconds

    def abort(self) -> None:
        """End it now."""
        self._task.cancel()

    async def _shake_hands(self, sock: socket.socket) -> None:
        site, tls = self._site, self._tls
        try:
            await site.loop.connect_accepted_socket(
                lambda: self,
                sock,
                ssl=tls.context,
                ssl_handshake_timeout=tls.options.handshake_timeout_seconds,
            )
        except OSError as error:  # ssl.SSLError is one
            logger.debug("a TLS handshake has failed: %s", error)
        finally:
            if self in site.connections:
                self._end("failed")
                site.left()

    def _end(self, result: str) -> None:
        self._tls.counts[result] += 1
        self._site.connections.discard(self)
        self._site.handshakes.end(self)
