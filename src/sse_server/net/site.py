"""Sites: what all connections of one server share, and how long each may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Annotated

from sse_server.http.h2_options import Http2Options
from sse_server.http.http1 import Phase
from sse_server.net.agents import Agents
from sse_server.net.date import ServerDate
from sse_server.net.descriptors import spare_descriptors
from sse_server.net.handshakes import Handshakes
from sse_server.net.held import HeldBytes
from sse_server.net.socket_options import SocketOptions
from sse_server.observe.journal import Journal
from sse_server.options import RELOADABLE, Bounds, Options
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sse_server.http.h2_stream import Http2Stream
    from sse_server.http.http1 import Http1Options
    from sse_server.http.response import Endpoint
    from sse_server.net.connection import Connection
    from sse_server.net.http2_connection import Http2Connection
    from sse_server.net.stream import Stream
    from sse_server.net.tls import Tls
    from sse_server.net.tls_handshake import TlsHandshake


_SPARED_IDLE_SECONDS = 5.0  # when others wait for a place: a publisher's next event may come


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions(Options):
    """How long a client may take, and how much it may send where nothing is due."""

    head_timeout_seconds: Annotated[float, Bounds(0.01, 3_600), RELOADABLE] = 10.0
    """From the first byte, or from the connection's beginning, to the end of the head."""
    body_timeout_seconds: Annotated[float, Bounds(0.01, 3_600), RELOADABLE] = 10.0
    """From the end of the head to the end of the body. Sending slowly does not stretch it."""
    idle_timeout_seconds: Annotated[float, Bounds(0.01, 3_600), RELOADABLE] = 75.0
    """Between requests. Longer than the 60 s for which common load balancers keep a connection, so
    that they and not we close it first. 5 s at most while all connections are taken."""
    linger_seconds: Annotated[float, Bounds(0, 60), RELOADABLE] = 2.0
    """After a refusal, what the client still sends is read and dropped for so long: closing at once
    would reset the connection, and the answer might not arrive (RFC 9112 section 9.6)."""
    max_bytes_behind_stream: Annotated[int, Bounds(0, 1 << 20), RELOADABLE] = 4_096
    """What a client may send behind the request that opened a stream."""
    max_connections: Annotated[int | None, Bounds(1, 100_000_000), RELOADABLE] = None
    """Beyond these, clients wait in the kernel until there is room. None: as many as there are file
    descriptors for."""
    max_handshaking: Annotated[int, Bounds(1, 10_000_000), RELOADABLE] = 4_096
    """Connections without a whole request so far. Beyond these, the one that has been at it longest
    is aborted, once it has had a second. A backlog of the kernel: a crowd that reconnects comes in
    portions of this size at most, and has sent its requests with its connections."""
    max_held_bytes: Annotated[int, Bounds(1, 1 << 40), RELOADABLE] = 128 * 1024 * 1024
    """Requests that are not whole or not answered, and answers that are not read, of all
    connections together: 16 of the largest bodies. Beyond it, who has held some for longest gets
    503, or is cut off if it is an answer that it does not read. Half of what the log may take."""
    socket: SocketOptions = field(default_factory=SocketOptions)

    def patience(self, phase: Phase) -> float:
        """Seconds for which a connection of HTTP/1.1 may be in a phase."""
        match phase:
            case Phase.IDLE:
                return self.idle_timeout_seconds
            case Phase.HEAD:
                return self.head_timeout_seconds
            case Phase.BODY:
                return self.body_timeout_seconds
            case _:  # an answer takes what it takes
                return inf


class Site:
    """What all connections of a server share."""

    __slots__ = (
        "_empty",
        "_opened_before",
        "_waiting",
        "agents",
        "carried",
        "clock",
        "connections",
        "date",
        "draining",
        "endpoint",
        "handshakes",
        "held",
        "http1",
        "http2",
        "journal",
        "loop",
        "max_connections",
        "opened",
        "options",
        "peak_rate",
        "streams",
        "tls",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        options: ConnectionOptions,
        http1: Http1Options,
        loop: asyncio.AbstractEventLoop,
        journal: Journal | None = None,
        http2: Http2Options | None = None,
    ) -> None:
        """`endpoint` answers every request; `journal` is told what happens."""
        self.endpoint = endpoint
        self.options = options
        self.http1 = http1
        self.http2 = http2 or Http2Options()
        self.tls: Tls | None = None  # TCP listeners speak TLS where there is one
        self.loop = loop
        self.clock = loop.time  # one object: uvloop makes one for whoever asks
        self.journal = journal or Journal()
        self.date = ServerDate()
        self.agents = Agents()
        self.connections: set[Connection | Http2Connection | TlsHandshake] = set()
        self.streams: set[Stream] = set()  # of HTTP/1.1
        self.carried = 0  # event streams on connections of HTTP/2
        self.handshakes = Handshakes(options.max_handshaking)
        self.held = HeldBytes(options.max_held_bytes)
        self.opened = 0  # streams, ever
        self.peak_rate = 0  # streams opened in a second, at most
        self._opened_before = 0  # the sweep before
        self.draining = False  # every answer is the last of its connection
        self.max_connections = options.max_connections or spare_descriptors()
        self._waiting: list[Callable[[], None]] = []  # listeners, for room
        self._empty: asyncio.Future[None] | None = None  # somebody waits for the last to leave

    def reload(self, options: ConnectionOptions, http1: Http1Options, http2: Http2Options) -> None:
        """Go on with other options: what begins from now on is bound by them.

        A connection keeps the machine that it has, and a deadline that runs.
        """
        if options.max_connections is not None:
            self.max_connections = options.max_connections
        elif self.options.max_connections is not None:
            taken = len(self.connections) + len(self.streams)
            self.max_connections = taken + spare_descriptors()
        self.handshakes.most = options.max_handshaking
        self.held.most = options.max_held_bytes
        self.options = options
        self.http1 = http1
        self.http2 = http2
        self.left()

    @property
    def is_full(self) -> bool:
        """Whether no more connections may be accepted."""
        return self.size >= self.max_connections

    @property
    def size(self) -> int:
        """Connections that are open, with a stream or without."""
        return len(self.connections) + len(self.streams)

    @property
    def stream_count(self) -> int:
        """Event streams that are open."""
        return len(self.streams) + self.carried

    def open_streams(self) -> list[Stream | Http2Stream]:
        """Event streams, whatever carries them."""
        carried = [stream for one in self.connections for stream in one.streams]
        return [*self.streams, *carried]

    def call_when_room(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when it is full no more."""
        self._waiting.append(callback)

    def left(self) -> None:
        """A connection or a stream has been taken out of its set."""
        if self._waiting and not self.is_full:
            waiting, self._waiting = self._waiting, []
            for callback in waiting:
                callback()
        empty = self._empty
        if empty is not None and not self.connections and not self.streams and not empty.done():
            empty.set_result(None)

    async def wait_until_empty(self) -> None:
        """Until the last connection is closed. For one caller at a time."""
        if self.connections or self.streams:
            self._empty = self.loop.create_future()
            try:
                await self._empty
            finally:
                self._empty = None

    def sweep(self) -> None:
        """End the connections whose time is up. Called once a second."""
        self.peak_rate = max(self.peak_rate, self.opened - self._opened_before)
        self._opened_before = self.opened
        now = self.loop.time()
        for connection in [c for c in self.connections if c.deadline <= now]:
            connection.time_out()
        if self.is_full:
            idle_since = now - _SPARED_IDLE_SECONDS
            self._close_idle(idle_since + self.options.idle_timeout_seconds)
        self.handshakes.sweep(crowded=self.is_full)

    def _close_idle(self, deadline: float) -> None:
        """Make room: close the connections that stand between two requests, up to a deadline.

        Any server may close those at any time, and their clients try again; who waits in the
        kernel has had no answer at all.
        """
        for connection in [c for c in self.connections if c.deadline <= deadline and c.is_idle]:
            connection.close_when_idle()

    def abort(self) -> None:
        """End all connections now; they are gone when the loop has come round."""
        for stream in list(self.streams):
            stream.abort(CloseReason.DRAINED)
        for connection in list(self.connections):
            connection.abort()
