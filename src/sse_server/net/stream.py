"""An open event stream on HTTP/1.1: the sink of one subscriber.

It takes the place of its connection as the transport's protocol, so that a connection's machine and
bookkeeping are gone as soon as nobody needs them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from sse_server.http.chunked import LAST_CHUNK, chunked
from sse_server.net.socket_options import acknowledged, forget_on_close
from sse_server.observe.journal import peer
from sse_server.wire.flow import Client, CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sse_server.http.response import EventStream
    from sse_server.net.site import Site
    from sse_server.wire.flow import Framing, Source

_INTERNET = (socket.AF_INET, socket.AF_INET6)


class Stream(asyncio.Protocol):
    """Passes bursts down and the connection's news up."""

    __slots__ = ("_agent", "_framing", "_reason", "_received", "_site", "_source", "_transport",
                 "write")  # fmt: skip

    _source: Source
    bundler = None  # Sink: a connection of its own

    def __init__(self, transport: asyncio.Transport, site: Site) -> None:
        """Made by a connection, which `open` takes the transport from."""
        self._transport = transport
        self._site = site
        self._received = 0
        self._agent: bytes | None = None
        self._reason = CloseReason.LOST  # unless something else ends it
        self.write: Callable[[bytes], None] = transport.write

    def open(self, answer: EventStream, head: bytes, framing: Framing) -> None:
        """Subscribe, take over the transport and send what stands before the first burst."""
        self._framing = framing
        self._agent = self._site.agents.shared(answer.agent)
        opening, self._source = answer.open(self, framing)
        self._site.streams.add(self)
        transport = self._transport
        transport.set_protocol(self)
        # What the kernel does not take at once is the mark: a subscriber that waits for its
        # transport costs its place in the log, not a copy of what it has not read. Not 0: TLS
        # transports pause when the mark is reached, the others beyond it.
        transport.set_write_buffer_limits(high=1)
        if transport.get_write_buffer_size():  # earlier answers; the connection may have been told
            self._source.pause()
        transport.write(head + framing([opening]))
        self._site.journal.opened(transport, self._source, resumed=answer.resumed)

    @property
    def client(self) -> Client:
        """Sink: who has opened it."""
        agent = self._agent
        name = None if agent is None else agent.decode(errors="replace")
        return Client(peer(self._transport), name)

    @property
    def unsent(self) -> int:
        """Sink: bytes that wait for the kernel to take them."""
        return self._transport.get_write_buffer_size()

    @property
    def acknowledged(self) -> tuple[int, int] | None:
        """Bytes that its client has acknowledged, ever, and those that it has not.

        None: nobody knows. To be asked rarely: it takes two system calls.
        """
        sock = self._transport.get_extra_info("socket")
        return None if sock is None else acknowledged(sock, self.unsent)

    def end(self, reason: CloseReason, last: bytes = b"") -> None:
        """Sink: everything else has been written."""
        self._ends(reason)
        if not self._transport.is_closing():
            self.write(last + LAST_CHUNK if self._framing is chunked else last)
            self._transport.close()
        self._source.gone(reason)

    def finish(self, farewell: bytes) -> None:
        """Drain: end it with this block, as soon as its client has everything."""
        self._source.finish(self._framing([farewell]))

    def abort(self, reason: CloseReason) -> None:
        """End it now; what is not sent yet is thrown away, by the kernel as well."""
        self._ends(reason)
        self._source.gone(reason)
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.family in _INTERNET:
            with contextlib.suppress(OSError):  # it may be closed already
                forget_on_close(sock)
        self._transport.abort()

    def pause_writing(self) -> None:
        """Transport: the kernel takes no more."""
        self._source.pause()
        self._site.journal.paused(self._transport, self._source)

    def resume_writing(self) -> None:
        """Transport: everything has been taken."""
        self._source.resume()

    def data_received(self, data: bytes) -> None:
        """Transport: the client sent something."""
        self.count_unread(len(data))

    def count_unread(self, size: int) -> None:
        """Nothing has any business behind a request for a stream (RFC 9112 section 9.3.2)."""
        self._received += size
        if self._received > self._site.options.max_bytes_behind_stream:
            self.abort(CloseReason.KICKED)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Transport: closed, by either side."""
        site = self._site
        site.streams.discard(self)
        site.left()
        source = self._source
        source.gone(CloseReason.LOST)
        site.journal.closed(self._transport, source, self._reason, site.stream_count)
        # It holds us, too: without this both would stay until the collector comes by.
        del self._source

    def _ends(self, reason: CloseReason) -> None:
        """It ends for the first reason that is given, however long its last bytes take."""
        if self._reason is CloseReason.LOST:
            self._reason = reason
            if reason is CloseReason.SLOW:
                self._site.journal.too_slow(self._transport, self.unsent)
